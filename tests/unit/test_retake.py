# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints, pins and seams: whose a key is, and how a curve bends to it."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from voxrig.animation.keys.artist_keys import (
    WIDTH,
    bend_to_pins,
    fade_weights,
    find_artist_keys,
    key_rows,
    make_marks,
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


MARK, EASING, LEFT_TYPE, RIGHT_TYPE, KEY_TYPE = range(7, 12)


def generated(count: int = 60) -> np.ndarray:
    """Return rows as they are written: aligned, marked, of the type Generated."""
    frames, values = wave(count)
    rows = key_rows(reduce_to_keys(frames, values[:, None], 0.01)[0])
    rows[:, LEFT_TYPE:KEY_TYPE] = 3
    rows[:, KEY_TYPE] = 5
    rows[:, MARK] = make_marks(rows.tobytes(), len(rows), [])
    return rows


def insert_between(rows: np.ndarray, index: int, parameter: float, value: float) -> np.ndarray:
    """Insert a key as Blender does: the segment is cut at a parameter and the key set to a value."""
    left, right = rows[index].astype(float), rows[index + 1].astype(float)
    points = [left[:2], left[4:6], right[2:4], right[:2]]
    first = [a + parameter * (b - a) for a, b in zip(points, points[1:])]
    second = [a + parameter * (b - a) for a, b in zip(first, first[1:])]
    middle = np.zeros(WIDTH, np.float32)
    middle[:2] = second[0] + parameter * (second[1] - second[0])
    middle[2:4], middle[4:6], middle[6], middle[MARK], middle[1] = second[0], second[1], 2, 0.8, value
    present = np.insert(rows, index + 1, middle, axis=0)
    present[index, 4:6], present[index + 2, 2:4] = first[0], first[2]
    return present


def test_packed_rows_come_back_exactly_and_damage_means_none() -> None:
    rows = generated()
    for compress in (True, False):
        np.testing.assert_array_equal(unpack_rows(pack_rows(rows, compress=compress)), rows)
    assert unpack_rows("").shape == (0, WIDTH)
    assert unpack_rows("no rows at all").shape == (0, WIDTH)
    assert unpack_rows(pack_rows(rows)[:-3]).shape == (0, WIDTH)


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


@pytest.mark.parametrize(
    ("column", "value"), [(EASING, 1), (LEFT_TYPE, 0), (RIGHT_TYPE, 4), (KEY_TYPE, 0), (12, 1.7), (13, 4.1)]
)
def test_easing_and_types_of_handles_and_keys_are_edits(column: int, value: float) -> None:
    rows = generated()
    edited = rows.copy()
    edited[3, column] = value
    assert find_artist_keys(edited, rows).tolist() == [i == 3 for i in range(len(rows))]


def test_a_take_that_is_nudged_is_the_artists_even_where_it_equals_generated_keys() -> None:
    """On a held stretch every key equals the one a frame later, but for its mark."""
    frames = np.arange(20, dtype=np.float32)
    curve = KeyedCurve(
        frames, np.full(20, 0.5, np.float32), *(np.stack([frames + by, np.full(20, 0.5)], 1) for by in (-0.3, 0.3))
    )
    rows = key_rows(curve)
    rows[:, MARK] = make_marks(rows.tobytes(), 20, [])
    nudged = rows.copy()
    nudged[:, [0, 2, 4]] += 1
    assert find_artist_keys(nudged, rows).all()
    # Of a key and its copy only the copy is the artist's.
    assert find_artist_keys(np.concatenate([rows, nudged[-1:]]), rows).tolist() == [False] * 20 + [True]


def test_marks_are_the_same_for_the_same_keys_and_never_taken_ones() -> None:
    rows = generated()
    marks = make_marks(rows.tobytes(), len(rows), [])
    np.testing.assert_array_equal(marks, make_marks(rows.tobytes(), len(rows), [0.0, 0.8]))
    assert len(np.unique(marks)) == len(rows) and marks.min() > 0 and marks.max() < 1e-10
    for taken in (marks[:1], marks[-1:], marks):
        assert not np.isin(make_marks(rows.tobytes(), len(rows), taken), marks[np.isin(marks, taken)]).any()
    assert make_marks(b"", 0, []).size == 0


def test_aligned_handles_that_blender_turns_to_the_other_side_are_no_edit() -> None:
    rows = generated()
    rows[:, 5] += 0.004  # not quite on one line
    for moving, leading in ((slice(2, 4), slice(4, 6)), (slice(4, 6), slice(2, 4))):
        turned = rows.astype(float)
        for key in turned:
            lead = key[leading] - key[:2]
            key[moving] = key[:2] - lead * np.hypot(*(key[moving] - key[:2])) / np.hypot(*lead)
        turned = turned.astype(np.float32)
        assert np.abs(turned - rows).max() > 1e-3 and not find_artist_keys(turned, rows).any()
        free = rows.copy()
        free[:, LEFT_TYPE:KEY_TYPE] = turned[:, LEFT_TYPE:KEY_TYPE] = 0
        assert find_artist_keys(turned, free).all()


@pytest.mark.parametrize("by", [0.999, 0.9, 0.4, 1.02])
def test_a_handle_that_was_shortened_or_lengthened_by_hand_stays_known_whatever_happens_beside_it(by: float) -> None:
    rows = generated()
    edited = rows.copy()
    edited[4, 4:6] = rows[4, :2] + by * (rows[4, 4:6] - rows[4, :2])
    assert find_artist_keys(edited, rows)[4]
    edited[5, 1] = 0.9
    assert find_artist_keys(edited, rows).tolist() == [i in (4, 5) for i in range(len(rows))]
    cut = insert_between(edited, 4, 0.5, 0.2)
    assert find_artist_keys(cut, rows)[4:7].tolist() == [True, True, True]


def test_handles_that_blender_shortens_towards_new_keys_are_no_edit() -> None:
    rows = generated()
    for parameter in (0.1, 0.5, 0.83):
        once = insert_between(rows, 4, parameter, 0.9)
        assert find_artist_keys(once, rows).tolist() == [i == 5 for i in range(len(once))]
        # The key may then be moved, and others be set on both sides of it.
        moved = once.copy()
        moved[5, [0, 2, 4]] += 0.2
        assert find_artist_keys(moved, rows).tolist() == [i == 5 for i in range(len(once))]
        more = insert_between(insert_between(once, 5, 0.4, 0.1), 4, 0.3, 0.3)
        assert find_artist_keys(more, rows).tolist() == [i in (5, 6, 7) for i in range(len(more))]
    # The same handle shortened towards a generated key was shortened by hand.
    alone = rows.copy()
    alone[4, 4:6] = once[4, 4:6]
    assert find_artist_keys(alone, rows).tolist() == [i == 4 for i in range(len(rows))]


def old_text(rows: np.ndarray) -> str:
    """Return the fingerprint as it was packed before keys had marks."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(rows[:, :7].T, "<f4").tobytes(), 1)).decode("ascii")


def test_fingerprints_without_marks_still_tell_keys_apart() -> None:
    rows = generated()
    rows[:, MARK] = 0
    read = unpack_rows(old_text(rows))
    np.testing.assert_array_equal(read[:, :9], rows[:, :9])
    assert not find_artist_keys(rows, read).any()
    for column, value in ((1, 0.123), (EASING, 1), (LEFT_TYPE, 4), (KEY_TYPE, 0), (KEY_TYPE, 4), (4, 900)):
        edited = rows.copy()
        edited[2, column] = value
        assert find_artist_keys(edited, read).tolist() == [i == 2 for i in range(len(rows))]
    plain = "-" + base64.b64encode(np.ascontiguousarray(rows[:, :7].T, "<f4").tobytes()).decode("ascii")
    np.testing.assert_array_equal(unpack_rows(plain), read)


def test_the_fingerprint_forgets_only_the_range_that_was_written() -> None:
    rows = generated()
    fresh = rows[3:5].copy()
    fresh[:, [1, 3, 5]] += 0.1
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


def miss(curve: KeyedCurve, rows: np.ndarray, frames: np.ndarray, values: np.ndarray) -> float:
    """Return the largest distance between dense values and the curve that generated and kept keys show together."""
    keys = np.concatenate([key_rows(curve)[:, :6], rows[:, :6]])
    keys = keys[np.argsort(keys[:, 0], kind="stable")]
    shown = evaluate_keys(KeyedCurve(keys[:, 0], keys[:, 1], keys[:, 2:4], keys[:, 4:6]), frames)
    return float(np.abs(shown - values).max())


def test_keys_and_pins_together_show_the_bent_curve() -> None:
    frames, values = wave()
    pins = np.array([[20.25, 0.1, 19, 0.1, 21, 0.1, 2], [40.0, 1.2, 39, 1.2, 41, 1.2, 2]], np.float32)
    x, y = with_pin_frames(frames, values, pins[:, 0])
    bent = bend_to_pins(x, y, pins[:, 0], pins[:, 1], 4.0)
    curve = reduce_to_keys(x, bent[:, None], 0.01, required=np.isin(x, pins[:, 0]))[0]
    rest = without_frames(curve, pins[:, 0])
    assert len(rest) == len(curve) - 2
    assert miss(curve, pins[:0], x, bent) <= 0.01 + 1e-6
    # The artist's flat handles, not ours, shape the segments beside the pins.
    far = (np.abs(x - 20.25) > 4) & (np.abs(x - 40) > 4)
    assert miss(rest, pins, x[far], bent[far]) <= 0.011
    assert miss(rest, pins, pins[:, 0], pins[:, 1]) <= 1e-6


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
