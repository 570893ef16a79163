# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints, pins and seams: whose a key is, and how a curve bends to it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from voxrig.animation.keys.artist_keys import (
    bend_to_pins,
    fade_weights,
    find_artist_keys,
    key_rows,
    largest_miss,
    pack_rows,
    replace_rows,
    unpack_rows,
    with_outer_handles,
    with_pin_frames,
    without_frames,
)
from voxrig.animation.keys.reduction import KeyedCurve, evaluate_keys, reduce_to_keys


def wave(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    frames = np.arange(count, dtype=float)
    return frames, 0.5 + 0.5 * np.sin(frames / 4.0)


def generated(count: int = 60) -> np.ndarray:
    frames, values = wave(count)
    return key_rows(reduce_to_keys(frames, values[:, None], 0.01)[0])


def test_packed_rows_come_back_exactly_and_damage_means_none() -> None:
    rows = generated()
    np.testing.assert_array_equal(unpack_rows(pack_rows(rows)), rows)
    assert unpack_rows("").shape == (0, 7)
    assert unpack_rows("no rows at all").shape == (0, 7)
    assert unpack_rows(pack_rows(rows)[:-3]).shape == (0, 7)


def test_untouched_keys_are_generated_and_all_are_the_artists_without_a_fingerprint() -> None:
    rows = generated()
    assert not find_artist_keys(rows, rows).any()
    assert find_artist_keys(rows, rows[:0]).all()
    assert find_artist_keys(rows[:0], rows).size == 0


@pytest.mark.parametrize(("column", "change"), [(0, 0.02), (1, 1e-3), (3, 0.05), (5, 0.05), (4, 1.0), (6, -1.0), (2, -1.0)])
def test_a_changed_key_is_the_artists_and_its_neighbours_are_not(column: int, change: float) -> None:
    rows = generated()
    edited = rows.copy()
    edited[4, column] += change
    assert find_artist_keys(edited, rows).tolist() == [i == 4 for i in range(len(rows))]


def test_rounding_of_handles_is_no_edit() -> None:
    rows = generated()
    rounded = rows.copy()
    rounded[:, 2:6] = np.float32(np.float16(rows[:, 2:6] - np.tile(rows[:, :2], 2))) + np.tile(rows[:, :2], 2)
    assert not find_artist_keys(rounded, rows).any()


def test_handles_that_blender_shortens_towards_a_new_key_are_no_edit() -> None:
    rows = generated()
    left, right = rows[4], rows[5]
    middle = np.zeros(7, np.float32)
    middle[0], middle[1], middle[6] = 0.5 * (left[0] + right[0]), 0.9, 2
    middle[2:6] = middle[0] - 0.3, middle[1], middle[0] + 0.3, middle[1]
    present = np.insert(rows, 5, middle, axis=0)
    present[4, 4:6] = left[:2] + 0.5 * (left[4:6] - left[:2])
    present[6, 2:4] = right[:2] + 0.5 * (right[2:4] - right[:2])
    assert find_artist_keys(present, rows).tolist() == [i == 5 for i in range(len(present))]
    # The same handle shortened towards a generated key was shortened by hand.
    alone = rows.copy()
    alone[4, 4:6] = present[4, 4:6]
    assert find_artist_keys(alone, rows).tolist() == [i == 4 for i in range(len(rows))]


def test_the_fingerprint_forgets_only_the_range_that_was_written() -> None:
    rows = generated()
    fresh = rows[3:5] + np.array([0, 0.1, 0, 0.1, 0, 0.1, 0], np.float32)
    merged = replace_rows(rows, fresh, float(rows[2, 0]), float(rows[6, 0]))
    np.testing.assert_array_equal(merged, np.concatenate([rows[:2], fresh, rows[7:]]))


def test_fades_start_at_the_old_take_and_end_in_the_new_one() -> None:
    frames = np.arange(10.0, 41.0)
    weights = fade_weights(frames, 5.0, at_start=True, at_end=False)
    assert weights[0] == 0 and (weights[5:] == 1).all() and (np.diff(weights) >= 0).all()
    both = fade_weights(frames, 1000.0, at_start=True, at_end=True)
    assert both[0] == both[-1] == 0 and both.max() == 1.0
    np.testing.assert_allclose(both, both[::-1])
    assert (fade_weights(frames, 0.0, at_start=True, at_end=True) == 1).all()
    assert (fade_weights(frames[:1], 5.0, at_start=True, at_end=True) == 1).all()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.floats(0, 59), st.floats(-2, 2)), min_size=1, max_size=8, unique_by=lambda pin: round(pin[0] * 4)),
    st.floats(1, 12),
)
def test_a_bent_curve_meets_every_pin_and_stays_between_curve_and_pins(pins: list[tuple[float, float]], reach: float) -> None:
    pins = sorted(pins)
    at, heights = np.array(pins).T
    frames, values = wave()
    x, y = with_pin_frames(frames, values, at)
    before = y.copy()
    bent = bend_to_pins(x, y, at, heights, reach)
    np.testing.assert_array_equal(y, before)
    on_pins = np.abs(x[:, None] - at[None]).argmin(axis=0)
    exact = x[on_pins] == at
    np.testing.assert_allclose(bent[on_pins][exact], heights[exact], atol=1e-9)
    far = np.abs(x[:, None] - at[None]).min(axis=1) > reach
    np.testing.assert_array_equal(bent[far], y[far])
    low, high = min(y.min(), heights.min()), max(y.max(), heights.max())
    assert bent.min() >= low - 1e-9 and bent.max() <= high + 1e-9


def test_bending_is_smooth() -> None:
    frames, values = np.arange(60.0), np.full(60, 0.5)
    bent = bend_to_pins(frames, values, [30.0], [1.0], 6.0)
    assert bent[30] == 1.0 and np.abs(np.diff(bent)).max() < 0.5 * 0.26
    np.testing.assert_allclose(bent[31:36], bent[29:24:-1])


def test_keys_and_pins_together_show_the_bent_curve() -> None:
    frames, values = wave()
    pins = np.array([[20.25, 0.1, 19, 0.1, 21, 0.1, 2], [40.0, 1.2, 39, 1.2, 41, 1.2, 2]], np.float32)
    x, y = with_pin_frames(frames, values, pins[:, 0])
    bent = bend_to_pins(x, y, pins[:, 0], pins[:, 1], 4.0)
    curve = reduce_to_keys(x, bent[:, None], 0.01, required=np.isin(x, pins[:, 0]))[0]
    rest = without_frames(curve, pins[:, 0])
    assert len(rest) == len(curve) - 2
    assert largest_miss(curve, pins[:0], x, bent) <= 0.01 + 1e-6
    # The artist's flat handles, not ours, shape the segments beside the pins.
    far = (np.abs(x - 20.25) > 4) & (np.abs(x - 40) > 4)
    assert largest_miss(rest, pins, x[far], bent[far]) <= 0.011
    assert largest_miss(rest, pins, pins[:, 0], pins[:, 1]) <= 1e-6


def test_handles_beyond_the_ends_follow_what_is_there() -> None:
    frames, values = wave()
    whole = reduce_to_keys(frames, values[:, None], 0.001)[0]
    part = reduce_to_keys(frames[20:41], values[20:41, None], 0.001)[0]
    slope = np.cos(20 / 4.0) / 8.0
    joined = with_outer_handles(part, (slope, 5.0), None)
    assert joined.left[0, 0] == pytest.approx(20 - 5 / 3) and joined.left[0, 1] == pytest.approx(values[20] - slope * 5 / 3)
    np.testing.assert_array_equal(joined.right, part.right)
    np.testing.assert_allclose(part.left[0], [20 - np.diff(part.frames)[0] / 3, values[20]], rtol=1e-6)
    before = key_rows(whole)[whole.frames < 20]
    merged = np.concatenate([before, key_rows(joined)])
    curve = KeyedCurve(merged[:, 0], merged[:, 1], merged[:, 2:4], merged[:, 4:6])
    assert np.abs(evaluate_keys(curve, frames[:41]) - values[:41]).max() < 0.03
