# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys follow the words of another recording: the map of time, and what becomes of keys and handles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voxrig.animation.keys.retiming import make_retiming
from voxrig.animation.keys.stack import KEY, Keys

OLD = [(10.0, 20.0, "One,", 0.9), (20.0, 24.0, "two", 0.1), (30.0, 40.0, "Three!", 0.9)]
NEW = [(30.0, 50.0, "one", 0.9), (50.0, 55.0, "two", 0.9), (70.0, 75.0, "three", 0.9)]


def keys_at(*frames: float, handle_type: int = 0) -> Keys:
    keys = np.zeros(len(frames), KEY)
    at = np.array(frames, np.float32)
    for name, shift in (("handle_left", -2.0), ("co", 0.0), ("handle_right", 1.0)):
        keys[name][:, 0] = at + shift
        keys[name][:, 1] = shift
    keys["handle_left_type"] = keys["handle_right_type"] = handle_type
    return keys


def test_time_is_linear_within_words_and_shifted_outside() -> None:
    way = make_retiming(OLD, NEW, 0.0, 60.0, 0.45)
    assert way is not None
    assert way.map([5.0, 10.0, 15.0, 20.0, 25.0, 35.0, 44.0]).tolist() == [25.0, 30.0, 40.0, 50.0, 60.0, 72.5, 79.0]
    # A shorter take squeezes its ends instead of losing keys there.
    ends = way.within(28.0, 80.0)
    assert ends.map([0.0, 10.0, 40.0, 60.0]).tolist() == [28.0, 30.0, 75.0, 80.0]
    assert way.within(0.0, 200.0).map([0.0, 60.0]).tolist() == [20.0, 95.0]


def test_handles_take_the_time_of_their_side_or_of_both() -> None:
    way = make_retiming(OLD, NEW, 0.0, 60.0, 0.45)
    assert way is not None
    free, aligned = way.move(keys_at(20.0)), way.move(keys_at(20.0, handle_type=3))
    assert free["co"][0].tolist() == [50.0, 0.0]
    assert free["handle_left"][0].tolist() == [46.0, -2.0] and free["handle_right"][0].tolist() == [52.0, 1.0]
    assert aligned["handle_left"][0].tolist() == [46.0, -2.0] and aligned["handle_right"][0].tolist() == [52.0, 1.0]
    free, aligned = way.move(keys_at(30.0)), way.move(keys_at(30.0, handle_type=3))
    assert free["handle_left"][0, 0] == 66.0 and free["handle_right"][0, 0] == 70.5
    assert aligned["handle_left"][0, 0] == pytest.approx(67.0) and aligned["handle_right"][0, 0] == pytest.approx(71.5)
    # The line through the key stays one line.
    left, right = aligned["co"][0] - aligned["handle_left"][0], aligned["handle_right"][0] - aligned["co"][0]
    assert left[0] / left[1] == pytest.approx(right[0] / right[1])


def test_other_texts_and_words_that_are_not_said_move_nothing() -> None:
    assert make_retiming(OLD, NEW[:2], 0.0, 60.0, 0.45) is None
    assert make_retiming(OLD, [NEW[0], (50.0, 55.0, "too", 0.9), NEW[2]], 0.0, 60.0, 0.45) is None
    assert make_retiming(OLD, NEW, 0.0, 60.0, 0.95) is None
    assert make_retiming([], [], 0.0, 60.0, 0.45) is None


@given(st.sets(st.integers(0, 240), min_size=1, max_size=60), st.sets(st.integers(0, 240), max_size=20))
def test_keys_keep_their_order_and_share_no_frame(frames: set[int], taken: set[int]) -> None:
    squeezed = [(20.0, 22.0, "One,", 0.9), (22.5, 23.0, "two", 0.9), (23.0, 25.0, "three", 0.9)]
    way = make_retiming(OLD, squeezed, 0.0, 60.0, 0.45)
    assert way is not None
    moved = way.move(keys_at(*(0.25 * frame for frame in sorted(frames))), sorted(taken))["co"][:, 0]
    assert np.all(np.diff(moved) > 0.01)
    assert all(abs(frame - other) > 0.01 for frame in moved for other in taken)
