# SPDX-License-Identifier: GPL-3.0-or-later
"""The sounds that speech models are tested under are what they are called."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.training.evaluation import conditions

SECOND = conditions.SAMPLE_RATE


def tone(hertz: float, seconds: float = 1.0, amplitude: float = 0.1) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * SECOND)) / SECOND)).astype(np.float32)


def power_at(samples: np.ndarray, hertz: float) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    centre = round(hertz * len(samples) / SECOND)
    return float(np.sum(spectrum[max(centre - 3, 0) : centre + 4]))


def test_noise_is_added_at_the_ratio_to_the_speech_without_its_pauses() -> None:
    speech = np.concatenate([tone(300.0), np.zeros(3 * SECOND, np.float32)])
    noisy = conditions.add_noise(speech, 10.0)
    added = conditions.level_db(noisy - speech)
    assert conditions.active_level_db(speech) - added == pytest.approx(10.0, abs=0.1)
    assert np.array_equal(noisy, conditions.add_noise(speech, 10.0))


def test_pink_noise_has_equal_power_in_octaves() -> None:
    spectrum = np.abs(np.fft.rfft(conditions.pink_noise(30 * SECOND, 1))) ** 2
    hertz = np.fft.rfftfreq(30 * SECOND, 1 / SECOND)
    octaves = [np.sum(spectrum[(hertz >= low) & (hertz < 2 * low)]) for low in (100, 400, 1600)]
    assert max(octaves) / min(octaves) < 1.15


def test_the_room_decays_as_a_small_room_does_and_keeps_the_time() -> None:
    response = conditions.small_room_response()
    assert response[0] == pytest.approx(1.0)
    assert np.argmax(np.abs(response)) == 0
    # Schroeder's backward integral falls by 20 dB between -5 and -25 dB in a third of the reverberation time.
    decay = 10 * np.log10(np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1] / np.sum(np.square(response)))
    seconds = 3 * (np.argmax(decay < -25) - np.argmax(decay < -5)) / SECOND
    assert 0.2 < seconds < 0.45
    click = np.zeros(SECOND, np.float32)
    click[4000] = 0.5
    assert np.argmax(np.abs(conditions.add_room(click))) == 4000


def test_the_room_keeps_length_and_level() -> None:
    speech = tone(500.0)
    wet = conditions.add_room(speech)
    assert wet.shape == speech.shape
    assert conditions.level_db(wet) == pytest.approx(conditions.level_db(speech), abs=0.01)


@pytest.mark.parametrize(("hertz", "kept"), [(100.0, False), (500.0, True), (1000.0, True), (3000.0, True), (4200.0, False)])
def test_a_telephone_carries_its_band_only(hertz: float, kept: bool) -> None:
    sound = tone(hertz, 1.0, 0.3)
    ratio = power_at(conditions.telephone(sound), hertz) / power_at(sound, hertz)
    if kept:
        assert ratio == pytest.approx(1.0, abs=0.05)
    else:
        assert ratio < 1e-4


def test_a_telephone_does_not_delay_and_takes_odd_lengths() -> None:
    sound = np.random.default_rng(0).standard_normal(SECOND + 1).astype(np.float32) * 0.1
    heard = conditions.telephone(sound)
    assert heard.shape == sound.shape
    shifts = [float(np.sum(heard[20:-20] * np.roll(sound, shift)[20:-20])) for shift in range(-5, 6)]
    assert int(np.argmax(shifts)) == 5


def test_still_sounds_have_their_levels_and_are_the_same_every_time() -> None:
    noise = [np.full(SECOND, 0.01, np.float32)] * 4
    first, second = conditions.still_sounds(noise), conditions.still_sounds(noise)
    assert set(first) == {"digital silence", "room tone", "room noise", "breath", "hum", "music"}
    for kind, sounds in first.items():
        assert all(np.array_equal(a, b) for a, b in zip(sounds, second[kind], strict=True))
        assert all(np.max(np.abs(sound)) <= 1.0 and sound.dtype == np.float32 for sound in sounds)
    assert not np.any(first["digital silence"][0])
    assert conditions.level_db(first["hum"][0]) == pytest.approx(-35.0, abs=0.1)
    assert conditions.level_db(first["music"][0]) == pytest.approx(-20.0, abs=1.0)
    assert "room noise" not in conditions.still_sounds([])


def test_pieces_are_joined_without_a_step() -> None:
    pieces = [np.full(SECOND, level, np.float32) for level in (0.1, 0.2, 0.1)]
    (joined,) = conditions.join_pieces(pieces, 10.0)
    assert len(joined) == 3 * SECOND - 2 * 800
    assert np.max(np.abs(np.diff(joined))) < 0.01
