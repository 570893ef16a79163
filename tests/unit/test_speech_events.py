# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech events in a sound: pitch, pauses, phrases, syllables, accents, breaths, laughter and shouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxrig.animation.face.phones import TimedPhone
from voxrig.animation.life.planning import plan_life
from voxrig.animation.speech.events import SpeechEvents, find_events, join_events
from voxrig.animation.speech.phrases import Phrase, Turn
from voxrig.animation.speech.voice import FRAME_RATE, running_extreme, running_mean, track_voice

RATE = 16_000


def sing(hertz: float | np.ndarray, seconds: float, level: float = 0.1, brightness: float = 1.0) -> np.ndarray:
    """Return a voice-like sound: harmonics that fall by ``brightness`` powers of their number."""
    count = round(seconds * RATE)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, count)) / RATE
    return (level * sum(np.sin(k * phase) / k**brightness for k in range(1, 20))).astype(np.float32)


def join(*pieces: np.ndarray | float) -> np.ndarray:
    """Return pieces in a row over a little noise; numbers are seconds of silence."""
    sound = np.concatenate([np.zeros(round(p * RATE), np.float32) if isinstance(p, float) else p for p in pieces])
    return sound + 1e-4 * np.random.default_rng(0).standard_normal(sound.size).astype(np.float32)


def word(hertz: float, level: float = 0.1, seconds: float = 0.16) -> np.ndarray:
    """Return one syllable with soft ends."""
    return sing(hertz, seconds, level) * np.hanning(round(seconds * RATE)).astype(np.float32) ** 0.5


@given(hertz=st.floats(75.0, 380.0))
@settings(max_examples=12, deadline=None)
def test_pitch_is_that_of_the_sound(hertz: float) -> None:
    pitch = track_voice(sing(hertz, 0.5), RATE).pitch[4:-4]
    assert np.all(np.abs(pitch / hertz - 1.0) < 0.015)


def test_noise_and_silence_have_no_pitch() -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    assert np.mean(track_voice(noise, RATE).voiced) < 0.1
    assert not track_voice(np.zeros(RATE, np.float32), RATE).voiced.any()
    with pytest.raises(ValueError, match="samples are"):
        track_voice(np.zeros((4, 2), np.float32), RATE)
    with pytest.raises(ValueError, match="below 8000"):
        track_voice(np.zeros(9, np.float32), 4000)


def test_blocks_do_not_change_the_tracks() -> None:
    sound = join(word(120.0), 0.3, sing(150.0, 33.0), 0.5, word(200.0))
    whole = track_voice(sound, RATE)
    part = track_voice(sound[: 31 * RATE], RATE)
    assert np.allclose(whole.loudness[:1500], part.loudness[:1500], atol=1e-6)


@given(values=st.lists(st.floats(-5, 5), min_size=1, max_size=40), reach=st.integers(0, 12))
def test_running_measures(values: list[float], reach: int) -> None:
    track = np.array(values)
    largest = running_extreme(track, reach, np.maximum)
    mean = running_mean(track, np.ones(track.size), reach)
    for row in range(track.size):
        near = track[max(row - reach, 0) : row + reach + 1]
        assert largest[row] == near.max()
        assert mean[row] == pytest.approx(near.mean(), abs=1e-9)


def test_phrases_end_where_pauses_begin() -> None:
    sound = join(0.4, sing(120.0, 1.0), 0.5, sing(130.0, 0.8), 2.0, sing(110.0, 0.7), 0.3)
    events = find_events(sound, RATE)
    assert np.allclose([phrase.end for phrase in events.phrases], [1.4, 2.7, 5.4], atol=0.05)
    assert np.allclose([phrase.start for phrase in events.phrases], [0.4, 1.9, 4.7], atol=0.05)
    assert np.allclose([(turn.start, turn.end) for turn in events.turns], [(0.4, 2.7), (4.7, 5.4)], atol=0.05)
    assert len(events.pauses) == 4
    assert events.duration == pytest.approx(5.7)


def test_a_closure_is_no_pause_and_a_question_rises() -> None:
    rising = np.concatenate([np.full(12_000, 120.0), np.linspace(120.0, 200.0, 4_000)])
    events = find_events(join(0.3, word(120.0), 0.1, word(120.0), 0.4, sing(rising, 1.0), 0.4), RATE)
    assert len(events.phrases) == 2
    assert events.phrases[0].rise < 2.0 < 5.0 < events.phrases[1].rise


def test_the_loud_high_long_syllable_is_the_accent() -> None:
    pieces: list[np.ndarray | float] = [0.3]
    phones, at = [], 0.3
    for index in range(8):
        strong = index in (2, 5)
        length = 0.2 if strong else 0.1
        pieces += [word(170.0 if strong else 115.0, 0.2 if strong else 0.07, length), 0.06]
        phones += [TimedPhone("AA" if strong else "AH", at, at + length), TimedPhone("T", at + length, at + length + 0.06)]
        at += length + 0.06
    events = find_events(join(*pieces, 0.3), RATE, phones)
    assert len(events.syllables) == 8
    strongest = sorted(events.syllables, key=lambda syllable: -syllable.prominence)[:2]
    assert {round(syllable.nucleus_start, 2) for syllable in strongest} == {
        round(phones[4].start, 2),
        round(phones[10].start, 2),
    }
    assert {accent.start for accent in events.accents} >= {syllable.nucleus_start for syllable in strongest}
    assert all(0.0 <= accent.size <= 1.0 for accent in events.accents)
    # Without phones the peaks of the sound stand for the syllables.
    assert len(find_events(join(*pieces, 0.3), RATE).syllables) == 8


def test_effort_is_the_same_at_any_level_and_grows_with_brightness() -> None:
    sound = np.concatenate([sing(120.0, 1.5, brightness=2.0), sing(150.0, 1.5, brightness=0.8)])
    loud = find_events(join(0.3, sound, 0.3), RATE)
    quiet = find_events(join(0.3, 0.25 * sound, 0.3), RATE)
    assert loud.effort_at(2.6) > loud.effort_at(1.0) + 0.2
    assert abs(loud.effort_at(2.6) - quiet.effort_at(2.6)) < 0.08
    assert loud.effort_at(0.0) < 0.2


def test_shouts_are_bright_and_high() -> None:
    shout = find_events(join(0.3, sing(380.0, 0.6, 0.05, brightness=0.5), 0.3), RATE)
    assert len(shout.shouts) == 1
    assert not find_events(join(0.3, sing(380.0, 0.6, 0.1, brightness=2.0), 0.3), RATE).shouts
    assert not find_events(join(0.3, sing(120.0, 0.6, 0.05, brightness=0.5), 0.3), RATE).shouts


def test_laughter_is_an_even_row_of_bursts() -> None:
    ha = word(260.0, 0.1, 0.09)
    laugh = join(0.3, ha, 0.11, ha, 0.11, ha, 0.11, ha, 0.11, ha, 0.5)
    assert len(find_events(laugh, RATE).laughter) == 1
    uneven = join(0.3, ha, 0.05, ha, 0.16, ha, 0.06, ha, 0.19, ha, 0.5)
    assert not find_events(uneven, RATE).laughter


def test_a_breath_is_heard_in_a_pause() -> None:
    noise = 0.004 * np.random.default_rng(2).standard_normal(round(0.4 * RATE)).astype(np.float32)
    sound = join(sing(120.0, 1.0), 0.2, noise, 0.2, sing(120.0, 1.0))
    breaths = find_events(sound, RATE).breaths
    assert len(breaths) == 1
    assert breaths[0].start == pytest.approx(1.2, abs=0.06)
    assert breaths[0].end == pytest.approx(1.6, abs=0.06)


def test_a_changed_end_keeps_the_beginning() -> None:
    rng = np.random.default_rng(3)
    words: list[np.ndarray | float] = []
    for _ in range(90):
        words += [word(float(rng.uniform(100, 180)), float(rng.uniform(0.05, 0.2)), float(rng.uniform(0.08, 0.2))), 0.07]
    first = join(*words)
    second = np.concatenate([first[: 15 * RATE], join(word(300.0, 0.3), 0.6, word(250.0, 0.3))])

    def beginning(events: SpeechEvents) -> list[tuple[float, float]]:
        return [(accent.seconds, accent.size) for accent in events.accents if accent.seconds < 4.0]

    assert beginning(find_events(first, RATE)) == beginning(find_events(second, RATE))


@pytest.mark.parametrize("sound", [np.zeros(0), np.zeros(800), np.zeros(RATE), np.full(4000, 0.5)])
def test_nothing_is_said(sound: np.ndarray) -> None:
    events = find_events(sound.astype(np.float32), RATE)
    assert not events.syllables
    assert not events.phrases
    assert events.effort_at(0.1) == 0.0
    assert events.effort.size == -(-sound.size * int(FRAME_RATE) // RATE)


def test_joined_speech_keeps_phrases_and_turns_on_one_clock() -> None:
    one = join_events((), 4.0)
    assert (one.phrases, one.turns) == ((), ())
    assert [(pause.start, pause.end) for pause in one.pauses] == [(0.0, 4.0)]
    said = replace(one, duration=2.0, phrases=(Phrase(0.5, 1.5, 0.0),), turns=(Turn(0.5, 1.5),))
    both = join_events([(3.0, said), (-1.0, said)], 6.0)
    assert [(phrase.start, phrase.end) for phrase in both.phrases] == [(-0.5, 0.5), (3.5, 4.5)]
    assert [(pause.start, pause.end) for pause in both.pauses] == [(0.5, 3.5), (4.5, 6.0)]
    assert plan_life(join_events((), 6.0), partner=both).stage.listens.sum() == pytest.approx(1.5 * 50, abs=3)


def test_loud_short_breaths_are_gasps_and_long_fading_ones_sighs() -> None:
    random = np.random.default_rng(5)

    def breath(seconds: float, level: float, fade: float) -> np.ndarray:
        times = np.arange(round(seconds * RATE)) / RATE
        return (level * random.standard_normal(times.size) * np.exp(-fade * times / seconds)).astype(np.float32)

    hush = (1e-4 * random.standard_normal(RATE // 2)).astype(np.float32)
    word = sound_of_words(0.6)
    told = np.concatenate([hush, breath(0.3, 0.05, 0.5), hush[:4000], word, hush, breath(0.7, 0.01, 2.5), hush])
    found = find_events(told, RATE)
    assert [round(one.start, 1) for one in found.gasps] == [0.5]
    assert len(found.sighs) == 1 and found.sighs[0].start > 1.9
    usual = np.concatenate([hush, breath(0.3, 0.002, 0.5), hush[:4000], word, hush])
    calm = find_events(usual, RATE)
    assert not calm.gasps and not calm.sighs


def sound_of_words(seconds: float) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 20))
    return (0.1 * tone * np.clip(np.sin(2 * np.pi * 4 * times) + 0.6, 0.1, 1)).astype(np.float32)
