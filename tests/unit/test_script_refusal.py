# SPDX-License-Identifier: GPL-3.0-or-later
"""Another line's script: never worse than none, for any pair of lines that a synthetic voice speaks, and the bundled model."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from voxrig.animation.face.phones import PHONE_INDEX, PHONES, SILENCE
from voxrig.animation.script.alignment import LEAST_EVIDENCE, align
from voxrig.animation.script.pronouncing import pronounce_script
from voxrig.animation.script.text import parse_line
from voxrig.inference import espeak
from voxrig.inference.audio import Waveform
from voxrig.inference.generate import generate_all
from voxrig.inference.package import find_model, load_package
from voxrig.inference.session import open_session
from voxrig.takes.scripting import add_script
from voxrig.takes.sources import Description, Heard

LINES = (
    "Good morning everybody, please come in.",
    "Bob's mum made a big pumpkin pie for the baby bumblebee.",
    "No.",
    "I never said that you should leave before five.",
    "Where is the yellow umbrella of my uncle?",
    "What, again?",
    "They found seven fresh apples and a very old map in the cellar of the abandoned house.",
    "Mum!",
)
VOICES = ("Andy", "mike2", "Reed", "marcelo")


@functools.cache
def hear_line(number: int) -> Heard:
    package = load_package(find_model("speech_fast"))
    session = open_session(package, provider="CPU", threads=1)
    sound, rate, _ = espeak.speak(LINES[number], "en", variant=VOICES[number % len(VOICES)])
    seconds = np.arange(0.0, sound.size / rate, 1.0 / package.sample_rate)
    samples = np.interp(seconds, np.arange(sound.size) / rate, sound / 32768.0).astype(np.float32)
    made = generate_all(session, Waveform(samples, package.sample_rate))
    assert made.phones is not None
    heard = np.asarray(made.phones.values)
    likelihood = made.phones.with_values(heard)
    return Heard(made.curves, len(samples) / package.sample_rate, "", "CPU", likelihood=likelihood, phones=made.timed_phones())


def told(number: int, text: str, **more: Any) -> Heard:
    script = parse_line(text)
    return add_script(hear_line(number), script, pronounce_script(script), Description("model", ()), **more)


@pytest.mark.parametrize("number", range(len(LINES)))
def test_every_line_takes_its_own_script_and_no_other(number: int) -> None:
    alone = hear_line(number)
    own = told(number, LINES[number])
    assert not any("not what is said" in warning for warning in own.warnings)
    assert own.curves is not alone.curves
    for other, text in enumerate(LINES):
        if other == number:
            continue
        wrong = told(number, text)
        assert wrong.curves is alone.curves and wrong.phones is alone.phones, text
        assert [warning for warning in wrong.warnings if "not what is said" in warning], text


def hear_phones(phones: str, certainty: float = 3.0) -> np.ndarray:
    columns = [PHONE_INDEX[SILENCE]] * 10
    for phone in phones.split():
        columns += [PHONE_INDEX[phone]] * 5
    columns += [PHONE_INDEX[SILENCE]] * 10
    scores = np.random.default_rng(1).normal(0.0, 1.0, (len(columns), len(PHONES)))
    scores[np.arange(len(columns)), columns] += certainty
    made = np.exp(scores)
    return (made / made.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    ("phones", "text"), [("N OW N OW N OW N OW", "no no no no"), ("M AH M", "Mum!"), ("OW OW OW OW", "oh")]
)
def test_words_that_are_the_same_backwards_are_found(phones: str, text: str) -> None:
    found = align(hear_phones(phones, 6.0), PHONES, 50.0, pronounce_script(parse_line(text)))
    assert found.is_said and found.evidence > LEAST_EVIDENCE


def test_a_text_of_few_words_does_not_fit_a_long_sound_by_chance() -> None:
    sounds = [phone for phone in PHONES if phone != SILENCE]
    random = np.random.default_rng(4)
    heard = hear_phones(" ".join(random.choice(sounds, 300)), 2.0)
    for text in ("for", "I had two sisters", "and there we were", "yes"):
        assert not align(heard, PHONES, 50.0, pronounce_script(parse_line(text))).is_said, text
