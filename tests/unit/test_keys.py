# SPDX-License-Identifier: GPL-3.0-or-later
"""Sparse keys: within tolerance everywhere, few, on the extrema, never beyond the data."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxrig.animation.keys.reduction import KeyedCurve, evaluate_keys, largest_errors, reduce_to_keys


def speech_like(frame_count: int, channel_count: int, fps: float, seed: int = 0) -> np.ndarray:
    """Return channels that move and rest about as speech does, in 0..1, float32 [time, channel]."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(frame_count) / fps
    values = np.empty((frame_count, channel_count))
    blur = np.hanning(int(fps * 0.12) | 1)
    for c in range(channel_count):
        count = int(seconds[-1] * rng.uniform(4, 9)) + 4
        curve = np.interp(seconds, np.sort(rng.uniform(0, seconds[-1], count)), np.clip(rng.normal(0.15, 0.25, count), 0, 1))
        pauses = np.arange(0, seconds[-1] + 3, 2.0)
        speaking = np.interp(seconds, pauses, (rng.random(pauses.size) > 0.25) * 1.0) > 0.5
        values[:, c] = np.convolve(curve * speaking, blur / blur.sum(), "same")
    return values.astype(np.float32)


@pytest.mark.parametrize("tolerance", [0.05, 0.01, 0.001])
@pytest.mark.parametrize("first_frame", [1, 35_000])
def test_speech_stays_within_the_tolerance_at_every_frame(tolerance: float, first_frame: int) -> None:
    values = speech_like(1500, 4, 60, seed=3)
    frames = np.arange(1500) + float(first_frame)
    curves = reduce_to_keys(frames, values, tolerance)
    assert np.max(largest_errors(curves, frames, values)) <= tolerance
    for column, curve in enumerate(curves):
        assert set(curve.frames) <= set(frames)
        at = np.searchsorted(frames, curve.frames)
        assert np.array_equal(curve.values, values[at, column])


def test_a_looser_tolerance_never_needs_more_keys() -> None:
    values = speech_like(3000, 3, 60, seed=5)
    counts = [sum(map(len, reduce_to_keys(np.arange(3000.0), values, t))) for t in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)]
    assert counts == sorted(counts, reverse=True)
    assert counts[2] < 0.25 * values.size


def test_tolerance_is_per_channel() -> None:
    values = speech_like(1200, 1, 60, seed=1).repeat(2, axis=1)
    loose, tight = reduce_to_keys(np.arange(1200.0), values, [0.05, 0.005])
    assert len(loose) < len(tight)
    assert np.all(largest_errors([loose, tight], np.arange(1200.0), values) <= [0.05, 0.005])


def test_constant_channels_get_two_keys() -> None:
    for curve in reduce_to_keys(np.arange(10, 110), np.full((100, 2), [0.0, 0.7]), 0.01):
        assert curve.frames.tolist() == [10, 109]
        assert np.array_equal(evaluate_keys(curve, np.linspace(0, 200, 999)), np.full(999, curve.values[0]))


def test_a_pause_is_two_keys_and_exactly_still() -> None:
    values = np.zeros((300, 1), np.float32)
    values[40:80, 0] = np.sin(np.linspace(0, np.pi, 40))
    values[200:260, 0] = np.sin(np.linspace(0, np.pi, 60)) * 0.5
    values[np.abs(values) < 1e-6] = 0  # sin(pi) is not quite 0
    (curve,) = reduce_to_keys(np.arange(300.0), values, 0.01)
    inside = (curve.frames > 85) & (curve.frames < 195)
    assert not inside.any()
    assert np.all(evaluate_keys(curve, np.linspace(80, 199, 500)) == 0)


def test_extrema_are_keys_with_flat_handles() -> None:
    frames = np.arange(241.0)
    values = 0.5 - 0.5 * np.cos(2 * np.pi * frames[:, None] / 40)
    (curve,) = reduce_to_keys(frames, values, 0.01)
    assert set(range(0, 241, 20)) <= set(curve.frames.astype(int))
    turning = np.isin(curve.frames, np.arange(20, 240, 20))
    assert np.array_equal(curve.right[turning, 1], curve.values[turning])
    assert np.array_equal(curve.left[turning, 1], curve.values[turning])
    # A half wave of a cosine is nearly one cubic: hardly a key beyond the 13 extrema.
    assert len(curve) <= 2 * 13


def test_a_closure_of_one_frame_is_exact() -> None:
    values = np.full((60, 1), 0.4, np.float32)
    values[29:32, 0] = [0.2, 0.0, 0.2]
    (curve,) = reduce_to_keys(np.arange(60.0), values, 0.01)
    assert evaluate_keys(curve, 30.0) == 0.0
    assert np.min(evaluate_keys(curve, np.linspace(0, 59, 2000))) >= 0.0


def test_required_samples_become_keys() -> None:
    frames = np.arange(100.0)
    values = np.stack([frames / 100, frames / 50], axis=1)
    required = np.zeros((100, 2), dtype=bool)
    required[37, 1] = True
    first, second = reduce_to_keys(frames, values, 0.01, required=required)
    assert 37 not in first.frames
    assert 37 in second.frames
    assert all(37 in curve.frames for curve in reduce_to_keys(frames, values, 0.01, required=required.any(axis=1)))


def test_noise_below_the_tolerance_is_ignored_and_above_it_kept() -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(-1, 1, (500, 1))
    (quiet,) = reduce_to_keys(np.arange(500.0), 0.5 + 0.004 * noise, 0.01)
    assert len(quiet) <= 3
    (loud,) = reduce_to_keys(np.arange(500.0), 0.5 + 0.2 * noise, 0.01)
    assert np.max(np.abs(evaluate_keys(loud, np.arange(500.0)) - (0.5 + 0.2 * noise[:, 0]))) <= 0.01


def test_few_samples() -> None:
    assert [len(c) for c in reduce_to_keys(np.zeros(0), np.zeros((0, 2)), 0.01)] == [0, 0]
    assert reduce_to_keys([5.0], [[0.3]], 0.01)[0].values.tolist() == pytest.approx([0.3])
    assert reduce_to_keys([5.0, 6.0], [[0.3], [0.9]], 0.01)[0].frames.tolist() == [5.0, 6.0]
    assert reduce_to_keys(np.arange(3.0), np.zeros((3, 0)), 0.01) == []


def test_the_input_is_not_changed() -> None:
    values, frames = speech_like(300, 2, 30), np.arange(300.0)
    before = values.copy(), frames.copy()
    reduce_to_keys(frames, values, 0.01)
    assert np.array_equal(values, before[0])
    assert np.array_equal(frames, before[1])


@pytest.mark.parametrize(
    ("frames", "values", "tolerance"),
    [
        ([0.0, 1.0], [[0.0]], 0.1),
        ([1.0, 0.0], [[0.0], [1.0]], 0.1),
        ([0.0, 1.0], [[0.0], [np.nan]], 0.1),
        ([0.0, 1.0], [[0.0], [1.0]], -0.1),
        ([0.0, np.inf], [[0.0], [1.0]], 0.1),
    ],
)
def test_what_makes_no_sense_is_refused(frames: list[float], values: list[list[float]], tolerance: float) -> None:
    with pytest.raises(ValueError):
        reduce_to_keys(frames, values, tolerance)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.35, 0.5, 0.52, 0.9, 1.0, -0.3]), min_size=1, max_size=80),
    st.sampled_from([0.0, 0.003, 0.02, 0.2]),
    st.booleans(),
)
def test_any_curve_is_kept_within_tolerance_and_range(levels: list[float], tolerance: float, uneven: bool) -> None:
    values = np.array(levels)[:, None]
    frames = np.cumsum(np.where(np.arange(len(levels)) % 3 == 0, 0.5 if uneven else 1.0, 1.0))
    (curve,) = reduce_to_keys(frames, values, tolerance)
    assert np.max(largest_errors([curve], frames, values)) <= tolerance + 1e-6
    between = evaluate_keys(curve, np.linspace(frames[0] - 1, frames[-1] + 1, 700))
    assert between.min() >= min(levels) - 1e-6
    assert between.max() <= max(levels) + 1e-6
    assert curve.frames[0] == frames[0]
    assert curve.frames[-1] == frames[-1]


def test_evaluation_shortens_handles_and_holds_the_ends() -> None:
    curve = KeyedCurve(np.array([0, 10.0]), np.array([0, 1.0]), np.array([[-5, 0], [-20, 1.0]]), np.array([[30, 0.0], [15, 1]]))
    assert evaluate_keys(curve, [-3, 0, 10, 40]).tolist() == [0, 0, 1, 1]
    # Both handles are cut to the neighbouring key: the way there and back is symmetric about the middle.
    assert evaluate_keys(curve, 5.0) == pytest.approx(0.5, abs=1e-6)
    with pytest.raises(ValueError):
        evaluate_keys(KeyedCurve(np.zeros(0), np.zeros(0), np.zeros((0, 2)), np.zeros((0, 2))), 0.0)


def test_keyed_curves_refuse_disorder() -> None:
    with pytest.raises(ValueError):
        KeyedCurve(np.array([1.0, 1.0]), np.zeros(2), np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(ValueError):
        KeyedCurve(np.array([1.0, 2.0]), np.zeros(2), np.zeros((2, 3)), np.zeros((2, 2)))


def test_long_curves_are_worked_in_blocks_with_the_same_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour of 55 controls has 4.8 million samples; held at once, the work on each takes 106 bytes here."""
    values, frames = speech_like(6000, 10, 24.0), np.arange(6000)
    limits = np.where(np.random.default_rng(1).random(values.shape) < 0.02, 0.01, np.inf)

    def reduce() -> list[KeyedCurve]:
        return reduce_to_keys(frames, values, 0.02, limits=limits)

    whole = reduce()
    monkeypatch.setattr("voxrig.animation.keys.reduction._BLOCK_SAMPLES", 4000, raising=False)
    tracemalloc.start()
    try:
        pieces = reduce()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    for name in ("frames", "values", "left", "right"):
        assert all(np.array_equal(getattr(a, name), getattr(b, name)) for a, b in zip(whole, pieces, strict=True))
    assert peak / values.size < 85.0, f"{peak / values.size:.0f} bytes a sample"
