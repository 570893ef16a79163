# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script does to a mouth whose movement is known: closures where they are written, and vowels that stay open."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.lips import lip_gap
from voxrig.animation.face.phones import PHONE_INDEX, PHONES, TimedPhone
from voxrig.animation.script.contacts import apply_script
from voxrig.animation.script.exports import SpokenWord
from voxrig.animation.script.opening import LAGS, correct_opening, cover_windows

RATE = 50.0
NAMES = ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower", "mouthLowerDownLeft", "mouthLowerDownRight")


def speak(*phones: tuple[str, float, float], confidence: float = 0.9) -> tuple[tuple[SpokenWord, ...], ChannelCurves]:
    """Return one word of timed phones, and the likelihood of a model that hears just these."""
    timed = tuple(TimedPhone(name, start, end, 1) for name, start, end in phones)
    heard = np.full((60, len(PHONES)), 1e-4, np.float32)
    for phone in timed:
        heard[round(phone.start * RATE) : round(phone.end * RATE), PHONE_INDEX[phone.phone]] = 0.9
    word = SpokenWord("word", timed[0].start, timed[-1].end, confidence, timed)
    return (word,), ChannelCurves(PHONES, RATE, heard, 0.0)


def open_mouth(gap_until: float = 9.0) -> ChannelCurves:
    """Return a mouth that is open, and shut from a second on."""
    values = np.zeros((60, len(NAMES)), np.float32)
    values[: min(round(gap_until * RATE), 60), 0] = 0.4
    return ChannelCurves(NAMES, RATE, values, 0.0)


def relative_gap(curves: ChannelCurves) -> np.ndarray:
    gap = lip_gap(curves.values, curves.names)
    return gap / np.percentile(gap, 95)


@pytest.mark.parametrize("length", [0.05, 0.064, 0.15])
def test_a_vowel_is_open_up_to_the_closure_that_follows(length: float) -> None:
    words, heard = speak(("AE", 0.3, 0.5), ("P", 0.5, 0.5 + length), ("IH", 0.5 + length, 0.9))
    gap = relative_gap(apply_script(open_mouth(), words, heard))
    assert gap[round(0.34 * RATE) : round(0.48 * RATE)].min() > 0.2
    assert np.sum(gap[round(0.46 * RATE) : round((0.54 + length) * RATE)] < 0.1) >= 2
    assert gap[round((0.6 + length) * RATE) : round(0.88 * RATE)].min() > 0.2


def test_lips_that_the_model_shuts_too_early_part_in_the_vowel() -> None:
    words, heard = speak(("AE", 0.3, 0.5), ("M", 0.5, 0.62))
    early = open_mouth(0.44)
    assert relative_gap(early)[23] < 0.1
    gap = relative_gap(apply_script(early, words, heard))
    assert gap[round(0.46 * RATE)] > 0.18 and gap[round(0.56 * RATE)] < 0.1


def test_a_sound_that_is_not_heard_is_not_made() -> None:
    words, heard = speak(("AE", 0.3, 0.5), ("M", 0.5, 0.6), ("AE", 0.6, 0.8))
    deaf = heard.with_values(np.where(np.arange(len(PHONES)) == PHONE_INDEX["M"], 0.0, heard.values).astype(np.float32))
    assert relative_gap(apply_script(open_mouth(), words, heard)).min() < 0.1
    assert relative_gap(apply_script(open_mouth(), words, deaf)).min() > 0.2
    unsure, _ = speak(("AE", 0.3, 0.5), ("M", 0.5, 0.6), confidence=0.3)
    curves = open_mouth()
    assert apply_script(curves, unsure, heard) is curves


def test_a_sound_fills_the_windows_around_its_instant() -> None:
    phones = [TimedPhone("AA", 0.5, 0.58, 1), TimedPhone("T", 0.58, 0.6)]
    covered = cover_windows(phones, ["AA", "stress", "M"], RATE, 60)
    assert np.array_equal(covered[:, 0], covered[:, 1]) and not covered[:, 2].any()
    assert covered[26, 0] == pytest.approx(
        [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0]
    )  # windows of 40 ms, the ninth one from 0.50 to 0.54
    assert covered[22, 0] == pytest.approx([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
    assert covered[:, 0].sum() / RATE == pytest.approx(LAGS * 0.08)


def test_the_lips_open_as_those_of_a_talker_where_the_words_are_sure() -> None:
    """The model hardly opens the mouth; at the script's vowel it opens, elsewhere nothing changes."""
    words, heard = speak(("AA", 0.4, 0.6))
    curves = open_mouth()
    narrow = curves.with_values(0.25 * curves.values)
    made = apply_script(narrow, words, heard)
    gaps = [lip_gap(one.values, one.names) for one in (narrow, made)]
    assert gaps[1][24:30].min() > 1.3 * gaps[0][24:30].max()
    assert np.array_equal(made.values[45:], narrow.values[45:]) and np.array_equal(made.values[:15], narrow.values[:15])
    assert correct_opening([TimedPhone("AA", 0.4, 0.6)], RATE, 60)[[0, 59]].tolist() == [0.0, 0.0]
