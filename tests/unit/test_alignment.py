# SPDX-License-Identifier: GPL-3.0-or-later
"""Alignment of words to phones that are heard, on likelihoods whose truth is known."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numpy.typing import NDArray
from voxrig.animation.face.phones import PHONE_INDEX, PHONES, SILENCE
from voxrig.animation.script.alignment import FITTING, align, find_anchors
from voxrig.animation.script.pronouncing import pronounce_script
from voxrig.animation.script.text import parse_line

RATE = 50.0
TEXT = "my mother bought seven fresh apples before the big storm came from the south and nobody believed her"


def hear(text: str, seed: int = 0, certainty: float = 4.0) -> tuple[NDArray[np.float32], list[float]]:
    """Make likelihoods of a spoken text, noisy, with silence around it, and the seconds where its words begin."""
    rng = np.random.default_rng(seed)
    columns, starts = [PHONE_INDEX[SILENCE]] * 15, list[float]()
    for number, word in enumerate(pronounce_script(parse_line(text))):
        starts.append((len(columns) - 0.5) / RATE)
        for phone, _ in word[0]:
            columns += [PHONE_INDEX[phone]] * int(rng.integers(3, 8))
        if number % 6 == 5:
            columns += [PHONE_INDEX[SILENCE]] * 12
    columns += [PHONE_INDEX[SILENCE]] * 15
    scores = rng.normal(0.0, 1.0, (len(columns), len(PHONES)))
    scores[np.arange(len(columns)), columns] += certainty
    made = np.exp(scores)
    return (made / made.sum(axis=1, keepdims=True)).astype(np.float32), starts


def place(likelihood: NDArray[np.float32], text: str):
    return align(likelihood, PHONES, RATE, pronounce_script(parse_line(text)))


def test_every_word_is_found_where_it_is_said() -> None:
    likelihood, starts = hear(TEXT)
    found = place(likelihood, TEXT)
    assert [word.index for word in found.words] == list(range(len(starts)))
    assert np.abs([word.start - start for word, start in zip(found.words, starts, strict=True)]).max() < 0.025
    assert found.fit > 0.95
    ends = [phone.end for phone in found.phones()]
    assert all(a <= b + 1e-9 for a, b in zip(ends, ends[1:]))


def test_words_that_are_not_said_have_no_confidence_and_harm_no_others() -> None:
    likelihood, starts = hear(TEXT)
    words = TEXT.split()
    written = [*words[:5], "elephants", *words[5:9], *words[11:]]
    found = place(likelihood, " ".join(written)).words
    assert len(found) == len(written)
    assert found[5].confidence < FITTING
    assert found[4].end <= found[5].start <= found[5].end <= found[6].start
    truth = [*starts[:5], None, *starts[5:9], *starts[11:]]
    off = [abs(word.start - at) for word, at in zip(found, truth, strict=True) if at is not None and word.confidence > FITTING]
    assert len(off) >= len(truth) - 3 and max(off) < 0.06


def test_another_lines_text_does_not_fit() -> None:
    likelihood, _ = hear(TEXT)
    other = "please wait outside until we have found your uncle's yellow umbrella"
    assert place(likelihood, other).fit < 0.3
    assert place(likelihood, TEXT).fit > 0.9


def test_silence_and_nothing_have_no_words() -> None:
    silence = np.full((100, len(PHONES)), 1e-3, np.float32)
    silence[:, PHONE_INDEX[SILENCE]] = 1.0
    assert all(word.confidence < FITTING for word in place(silence, "hello there").words)
    empty = place(np.zeros((0, len(PHONES)), np.float32), "hello there")
    assert [word.confidence for word in empty.words] == [0.0, 0.0]
    with pytest.raises(ValueError, match="no phone"):
        align(silence, PHONES, RATE, [[(("QQ", 0),)]])


def test_far_too_many_words_and_far_too_few() -> None:
    likelihood, _ = hear("come back home")
    many = " ".join(["banana", "orange", "purple", "window", "candle"] * 2000)
    started = time.process_time()
    found = place(likelihood, many)
    assert len(found.words) == 10_000 and found.fit < 0.05
    silence = np.full((20_000, len(PHONES)), 1e-4, np.float32)
    silence[:, 0] = 1.0
    silence[12_000 : 12_000 + len(likelihood)] = likelihood
    words = place(silence, "come back home").words
    assert abs(words[0].start - (12_000 + 14.5) / RATE) < 0.05 and min(word.confidence for word in words) > 0.6
    assert time.process_time() - started < 30.0


def test_a_minute_takes_less_than_a_second_and_a_long_text_keeps_to_its_band(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(
        np.random.default_rng(3).permutation((TEXT + " ".join(["", *"apple river stone cloud".split()])).split() * 8)
    )
    likelihood, starts = hear(text)
    pronunciations = pronounce_script(parse_line(text))
    started = time.process_time()
    found = align(likelihood, PHONES, RATE, pronunciations)
    seconds = (time.process_time() - started) * 60.0 / (len(likelihood) / RATE)
    assert seconds < 2.0  # 0.5 on a free core
    monkeypatch.setattr("voxrig.animation.script.alignment._MOST_CELLS", 100_000)
    monkeypatch.setattr("voxrig.animation.script.alignment._BAND_WORDS", 20)
    banded = align(likelihood, PHONES, RATE, pronunciations)
    assert np.abs([a.start - b.start for a, b in zip(found.words, banded.words, strict=True)]).max() < 0.1
    assert np.median(np.abs([word.start - at for word, at in zip(banded.words, starts, strict=True)])) < 0.015
    assert find_anchors(likelihood, PHONES, np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool)) == []


def test_a_word_whose_second_is_known_parts_the_text_in_two() -> None:
    likelihood, starts = hear(TEXT)
    free = place(likelihood, TEXT).words
    known = {8: starts[8] + 0.03}
    found = align(likelihood, PHONES, RATE, pronounce_script(parse_line(TEXT)), times=known).words
    assert found[8].start == known[8] and free[8].start != known[8]
    assert [word.index for word in found] == list(range(len(starts)))
    # Another text after that word changes nothing before it.
    other = " ".join([*TEXT.split()[:9], "yellow umbrella outside"])
    after = align(likelihood, PHONES, RATE, pronounce_script(parse_line(other)), times=known).words
    assert [(word.start, word.end) for word in after[:7]] == [(word.start, word.end) for word in found[:7]]
    # What cannot be is left out: times in the wrong order, and beyond the sound.
    wrong = align(likelihood, PHONES, RATE, pronounce_script(parse_line(TEXT)), times={3: starts[3], 5: 0.5, 9: 1e6}).words
    assert wrong[3].start == starts[3] and abs(wrong[12].start - starts[12]) < 0.5
