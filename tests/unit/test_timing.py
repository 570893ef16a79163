# SPDX-License-Identifier: GPL-3.0-or-later
"""From the model's frame rate to the scene's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.timing import resample_to_frames

RATES = [1.0, 12.0, 24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0, 60.0, 120.0, 240.0]


def sine(hertz: float, seconds: float = 8.0, rate: float = 50.0) -> ChannelCurves:
    t = np.arange(int(seconds * rate)) / rate
    return ChannelCurves(("jawOpen",), rate, 0.5 + 0.4 * np.sin(2 * np.pi * hertz * t)[:, None])


def swing(curves: ChannelCurves) -> float:
    middle = curves.values[len(curves.values) // 4 : -len(curves.values) // 4, 0]
    return float(np.std(middle)) * np.sqrt(2) / 0.4


def test_slow_movement_passes_and_fast_movement_vanishes() -> None:
    assert swing(resample_to_frames(sine(3.0), 24.0, 0.0)) > 0.95
    assert swing(resample_to_frames(sine(20.0), 24.0, 0.0)) < 0.1
    assert swing(resample_to_frames(sine(11.0), 12.0, 0.0)) < 0.1
    # What plain picking of samples would show instead: a slow wave that is not there.
    picked = np.interp(np.arange(96) / 12, sine(11.0).seconds(), sine(11.0).values[:, 0])
    assert np.std(picked) * np.sqrt(2) / 0.4 > 0.5


@pytest.mark.parametrize("fps", RATES)
def test_every_rate_keeps_time(fps: float) -> None:
    source = sine(0.3)
    result = resample_to_frames(source, fps, 0.0)
    assert result.frame_rate == fps
    expected = 0.5 + 0.4 * np.sin(2 * np.pi * 0.3 * result.seconds())
    assert np.max(np.abs(result.values[1:-1, 0] - expected[1:-1])) < (0.02 if fps > 1 else 0.1)
    assert result.seconds()[-1] <= source.seconds()[-1] + 1e-6
    assert result.seconds()[-1] > source.seconds()[-1] - 1.0 / fps - 1e-6


def test_the_same_rate_gives_the_same_values() -> None:
    source = sine(4.0)
    assert np.array_equal(resample_to_frames(source, 50.0, 0.0).values, source.values)


def test_frames_may_start_anywhere() -> None:
    source = sine(1.0)
    shifted = resample_to_frames(source, 24.0, 1.0131)
    assert shifted.start_seconds == 1.0131
    expected = 0.5 + 0.4 * np.sin(2 * np.pi * shifted.seconds())
    assert np.max(np.abs(shifted.values[1:-1, 0] - expected[1:-1])) < 0.02
    early = resample_to_frames(source, 24.0, -1.0, frame_count=12)
    assert np.array_equal(early.values[:, 0], np.full(12, source.values[0, 0]))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(RATES[1:]), st.floats(0.0, 0.1), st.integers(20, 70), st.integers(1, 4))
def test_every_closure_reaches_its_nearest_frame(fps: float, first: float, row: int, length: int) -> None:
    values = np.full((100, 2), 0.6, np.float32)
    values[row : row + length] = 0.0
    weights = np.zeros(100)
    weights[row : row + length] = 1.0
    source = ChannelCurves(("jawOpen", "browInnerUp"), 50.0, values)
    result = resample_to_frames(source, fps, first, event_weights=weights, event_channels=["jawOpen"])
    closed = np.flatnonzero(result.values[:, 0] == 0.0)
    assert closed.size >= 1
    centre = (row + (length - 1) / 2) / 50.0
    assert np.min(np.abs(result.seconds()[closed] - centre)) <= 0.5 / fps + 1e-6
    # It does not last longer than it did, but for the one frame.
    assert (closed.size - 1) / fps <= (length + 1) / 50.0 + 1e-6
    plain = resample_to_frames(source, fps, first)
    assert np.array_equal(result.values[:, 1], plain.values[:, 1])


def test_rest_stays_rest_and_nothing_overshoots() -> None:
    values = np.zeros((200, 1), np.float32)
    values[100:] = 1.0
    for fps in RATES:
        result = resample_to_frames(ChannelCurves(("jawOpen",), 50.0, values), fps, 0.003).values
        assert result.min() >= 0.0
        assert result.max() <= 1.0
        assert np.all(result[: int(fps)] == 0.0)


def test_what_makes_no_sense_is_refused() -> None:
    source = sine(1.0)
    with pytest.raises(ValueError):
        resample_to_frames(source, 0.0, 0.0)
    with pytest.raises(ValueError):
        resample_to_frames(source, 24.0, 0.0, event_weights=np.zeros(3))
    with pytest.raises(KeyError):
        resample_to_frames(source, 24.0, 0.0, event_weights=np.zeros(source.frame_count), event_channels=["nose"])


def test_long_curves_are_sampled_in_pieces_with_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((400, 3)).astype(np.float32)
    curves = ChannelCurves(("a", "b", "c"), 50.0, values)
    whole = resample_to_frames(curves, 24.0, -0.3, frame_count=201)
    monkeypatch.setattr("voxrig.animation.timing._ROWS_AT_ONCE", 7)
    assert np.array_equal(resample_to_frames(curves, 24.0, -0.3, frame_count=201).values, whole.values)
