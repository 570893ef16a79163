# SPDX-License-Identifier: GPL-3.0-or-later
"""Augmentation: nothing moves in time, nothing is lost, the same seed gives the same sound."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.training.corpora import augmentation
from voxrig.training.corpora.augmentation import NoiseBank, augment, change_speed, room_response, telephone_band
from voxrig.training.corpora.rooms import box_response, random_box

EMPTY = NoiseBank((), (), (), (), ())
RATE = augmentation.SAMPLE_RATE


def voice(seconds: float = 1.0) -> np.ndarray:
    """Return a buzz with overtones, loud in its middle third."""
    time = np.arange(int(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 20))
    loud = (time > seconds / 3) & (time < 2 * seconds / 3)
    return (0.2 * buzz * loud).astype(np.float32)


@pytest.mark.parametrize("seed", range(12))
def test_length_range_and_input_are_kept(seed: int) -> None:
    sound = voice()
    before = sound.copy()
    changed = augment(sound, np.random.default_rng(seed), EMPTY)
    assert changed.shape == sound.shape and changed.dtype == np.float32
    assert np.isfinite(changed).all() and np.abs(changed).max() <= 1.0
    assert np.array_equal(sound, before)
    assert np.array_equal(changed, augment(sound, np.random.default_rng(seed), EMPTY))


def test_silence_stays_quiet() -> None:
    for seed in range(20):
        changed = augment(np.zeros(RATE, np.float32), np.random.default_rng(seed), EMPTY)
        assert np.std(changed) < 2e-3


def test_rooms_begin_at_their_direct_path() -> None:
    for seed in range(20):
        response = room_response(np.random.default_rng(seed))
        assert response[0] == 1.0
        assert np.abs(response[1:]).max() < 1.5


@pytest.mark.parametrize("absorption", [0.15, 0.3, 0.5])
def test_a_box_decays_as_sabine_says(absorption: float) -> None:
    room = np.array([5.0, 4.0, 2.8])
    volume, walls = np.prod(room), 2 * (room[0] * room[1] + room[1] * room[2] + room[0] * room[2])
    # Eyring's correction, for walls that take much at each bounce.
    seconds = 0.161 * volume / (-walls * np.log(1 - absorption))
    response = box_response(room, (1.1, 1.3, 1.6), (3.7, 2.9, 1.1), np.sqrt(1 - absorption), 0.5)
    left = np.cumsum(np.square(response[::-1].astype(np.float64)))[::-1]
    decibels = 10 * np.log10(left / left[1])
    at = np.searchsorted(-decibels, (5.0, 25.0)) / RATE  # T20
    assert response[0] == 1.0
    # Echoes between two bare parallel walls outlive the mean over all walls that the formula takes.
    assert 0.8 * seconds < 3 * (at[1] - at[0]) < 2.0 * seconds


def test_padded_walls_give_back_less() -> None:
    bare, padded = (box_response((5, 4, 3), (1, 1, 1), (3, 2, 1.5), share, 0.3) for share in (0.9, [[0.9] * 3, [0.2] * 3]))
    assert np.sum(padded[1:] ** 2) < 0.5 * np.sum(bare[1:] ** 2)
    for seed in range(5):
        assert random_box(np.random.default_rng(seed))[0] == 1.0


def test_a_telephone_does_not_move_a_click() -> None:
    click = np.zeros(RATE, np.float32)
    click[5000] = 0.9
    for seed in range(10):
        heard = telephone_band(click, np.random.default_rng(seed))
        assert abs(int(np.argmax(np.abs(heard))) - 5000) <= 2
        spectrum = np.abs(np.fft.rfft(heard))
        assert spectrum[:100].max() < 0.2 * spectrum[1000]
        assert spectrum[4500:].max() < 0.1 * spectrum[1000]


def test_speed_divides_times_and_lets_no_tone_fold() -> None:
    click = np.zeros(RATE, np.float32)
    click[8000] = 1.0
    for ratio in (0.85, 1.18):
        fast = change_speed(click, ratio)
        assert len(fast) == round(RATE / ratio)
        assert abs(int(np.argmax(np.abs(fast))) - 8000 / ratio) <= 1.5
    tone = np.sin(2 * np.pi * 7500 * np.arange(RATE) / RATE).astype(np.float32)
    assert np.std(change_speed(tone, 1.18)[500:-500]) < 0.02


def test_made_sounds_have_unit_level() -> None:
    random = np.random.default_rng(1)
    for make in (augmentation.hum, augmentation.breath, augmentation.music, augmentation.tones):
        sound = make(RATE, random)
        assert sound.shape == (RATE,)
        assert np.std(sound) == pytest.approx(1.0, abs=0.05), make.__name__
    for slope in (0.0, 1.0, 2.0):
        spectrum = np.abs(np.fft.rfft(augmentation.coloured_noise(8 * RATE, random, slope))) ** 2
        low, high = spectrum[8 * 400 : 8 * 500].mean(), spectrum[8 * 3200 : 8 * 4000].mean()
        assert 10 * np.log10(low / high) == pytest.approx(9.0 * slope, abs=1.5)


def test_noise_is_heard_at_the_level_asked_for() -> None:
    sound = voice(2.0)
    assert augmentation.active_power(sound) == pytest.approx(np.mean(sound[12000:20000] ** 2), rel=0.1)


def test_distant_voices_are_in_rooms_or_on_telephones() -> None:
    burst = slice(RATE // 2, RATE)
    sound = np.zeros(3 * RATE // 2, np.float32)
    sound[burst] = 0.1 * np.random.default_rng(9).standard_normal(RATE // 2)

    def shares(distant: bool) -> tuple[float, float]:
        """Share of draws that echo after the voice (and are quiet before it), and that lack all above a telephone's band."""
        echoes = calls = 0
        for seed in range(80):
            heard = augment(sound, np.random.default_rng(seed), EMPTY, distant=distant)
            before, voice, after = (
                np.mean(heard[part] ** 2) for part in (slice(burst.start), burst, slice(RATE + 300, RATE + 3000))
            )
            power = np.abs(np.fft.rfft(heard[burst])) ** 2
            echoes += before < 1e-4 * voice and after > 1e-3 * voice
            calls += power[2100:].sum() < 0.02 * power.sum()
        return echoes / 80, calls / 80

    near, far = shares(False), shares(True)
    assert far[0] > near[0] + 0.1 and far[1] > near[1] + 0.15
