# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are moved instead of placed again: exact where a curve is scaled and shifted, and honest about the rest."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.keys.artist_keys import WIDTH, key_rows
from voxrig.animation.keys.moving import KeyMover
from voxrig.animation.keys.reduction import KeyedCurve, evaluate_keys, reduce_to_keys

FRAMES = np.arange(10.0, 250.0)
TOLERANCE = 0.01


def curves() -> np.ndarray:
    """Return a wiggle, a slow wave with a rest, and nothing."""
    t = FRAMES / 24.0
    wave = np.maximum(np.sin(1.5 * t), 0.0) ** 2
    return np.stack([0.4 + 0.2 * np.sin(5.0 * t) + 0.1 * np.sin(11.0 * t), wave, np.zeros(t.size)], axis=1)


def keyed(values: np.ndarray) -> list[KeyedCurve]:
    return reduce_to_keys(FRAMES, values, TOLERANCE)


def moved(mover: KeyMover, values: np.ndarray) -> tuple[list[KeyedCurve], np.ndarray]:
    rows, misses = mover.move(values)
    parts = [rows[a:b] for a, b in zip(mover.bounds[:-1], mover.bounds[1:])]
    return [KeyedCurve(part[:, 0], part[:, 1], part[:, 2:4], part[:, 4:6]) for part in parts], misses


def test_a_curve_that_is_scaled_and_shifted_keeps_its_fit() -> None:
    values = curves()
    first = keyed(values)
    mover = KeyMover(FRAMES, [key_rows(curve) for curve in first])
    for gain, offset in ((1.0, 0.0), (0.3, 0.2), (2.0, -0.5), (-1.0, 0.0), (0.0, 0.1)):
        now, misses = moved(mover, offset + gain * values)
        for column, curve in enumerate(now):
            shown = offset + gain * evaluate_keys(first[column], FRAMES)
            np.testing.assert_allclose(evaluate_keys(curve, FRAMES), shown, atol=2e-6 * (1 + abs(gain)))
        assert misses.max() <= abs(gain) * TOLERANCE + 1e-5


def test_what_is_missed_is_what_blender_would_show_beside_the_curve() -> None:
    values = curves()
    mover = KeyMover(FRAMES, [key_rows(curve) for curve in keyed(values)])
    other = values.copy()
    other[:, 0] = np.roll(values[:, 0], 3)
    other[:, 2] = 0.3 * np.sin(FRAMES)  # the keys of a curve that rests know nothing of this
    now, misses = moved(mover, other)
    for column, curve in enumerate(now):
        distance = np.abs(evaluate_keys(curve, FRAMES) - other[:, column]).max()
        assert misses[column] == pytest.approx(distance, abs=1e-5)
        low, high = other[:, column].min(), other[:, column].max()
        assert low - 1e-6 <= evaluate_keys(curve, FRAMES).min() and evaluate_keys(curve, FRAMES).max() <= high + 1e-6
    assert misses[0] > 5 * TOLERANCE and misses[1] <= TOLERANCE and misses[2] > 0.25


def test_a_curve_without_keys_of_ours_is_left_out() -> None:
    values = curves()
    rows = [key_rows(curve) for curve in keyed(values)]
    mover = KeyMover(FRAMES, [rows[0][:0], rows[1][2:5], rows[2]])
    made, misses = mover.move(0.5 * values)
    assert mover.bounds.tolist() == [0, 0, 3, 3 + len(rows[2])] and len(made) == 3 + len(rows[2])
    np.testing.assert_allclose(made[:3, 1], 0.5 * rows[1][2:5, 1], atol=1e-6)
    assert misses[0] == 0.0 and misses[1] <= TOLERANCE
    empty, misses = KeyMover(FRAMES, []).move(values[:, :0])
    assert empty.shape == (0, WIDTH) and misses.size == 0


def test_keys_between_frames_are_refused() -> None:
    rows = key_rows(keyed(curves())[0]).copy()
    rows[3, 0] += 0.4
    with pytest.raises(ValueError, match="on none of the frames"):
        KeyMover(FRAMES, [rows])
