# SPDX-License-Identifier: GPL-3.0-or-later
"""The mouth comes from rest and returns to it: nothing inside a line changes, seams have no step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxrig.animation import resting
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.resting import rest_outside
from voxrig.animation.timing import resample_to_frames

RATE = 50.0
NAMES = ("jawOpen", "mouthClose", "browInnerUp")
REST = np.zeros(3)


def line(first: tuple[float, float, float], last: tuple[float, float, float], rows: int = 50) -> ChannelCurves:
    values = np.linspace(first, last, rows)
    return ChannelCurves(NAMES, RATE, values, start_seconds=-0.04)


def test_a_line_that_rests_at_both_ends_is_the_same_object():
    curves = line((0.005, 0, 0), (0, 0.009, 0))
    assert rest_outside(curves, REST, REST) is curves


def test_a_line_cut_in_its_sound_comes_from_rest_and_returns():
    curves = line((0.2, 0.1, 0.0), (0.17, 0.0, 0.3))
    made = rest_outside(curves, REST, REST, resting=NAMES[:2])
    before = round((resting.OPENING_SECONDS + resting.HOLD_SECONDS) * RATE)
    assert made.start_seconds == pytest.approx(-0.04 - before / RATE)
    assert np.array_equal(made.values[before : before + 50], curves.values)
    assert np.array_equal(made.values[0], [0, 0, 0])
    # A brow is not the mouth's: it stays where it was.
    assert np.array_equal(made.values[-1], np.float32([0, 0, 0.3]))
    jaw = made.channel("jawOpen")
    assert (np.diff(jaw[:before]) >= 0).all()
    assert (np.diff(jaw[before + 50 :]) <= 0).all()
    # No frame moves by more than half as much again as an even movement would.
    assert np.abs(np.diff(jaw[before + 48 :])).max() < 1.5 * 0.17 / (resting.CLOSING_SECONDS * RATE) + 1e-6


@pytest.mark.parametrize("fps", [24.0, 25.0, 30.0, 60.0])
def test_the_outermost_frames_rest_exactly_at_any_frame_rate(fps: float):
    made = rest_outside(line((0.9, 0, 0), (0.8, 0, 0)), REST, REST)
    end = made.start_seconds + made.duration_seconds
    sampled = resample_to_frames(made, fps, np.ceil(made.start_seconds * fps) / fps, frame_count=None)
    assert sampled.start_seconds + (sampled.frame_count - 1) / fps > end - 1.1 / fps - 1 / RATE
    assert np.abs(sampled.values[[0, -1]]).max() < 1e-6


def test_an_end_that_rests_gets_no_rows():
    made = rest_outside(line((0, 0, 0), (0.5, 0, 0)), REST, REST)
    assert made.start_seconds == -0.04
    assert made.frame_count == 50 + round((resting.CLOSING_SECONDS + resting.HOLD_SECONDS) * RATE)


def test_a_rest_of_its_own_at_either_end():
    made = rest_outside(line((0.5, 0, 0), (0.5, 0, 0)), [0.1, 0, 0], [0.2, 0, 0])
    assert made.values[0, 0] == np.float32(0.1)
    assert made.values[-1, 0] == np.float32(0.2)


@given(room=st.floats(0.0, 1.0), edge=st.floats(0.02, 1.0))
@settings(max_examples=50, deadline=None)
def test_rows_keep_to_the_room_there_is(room: float, edge: float):
    curves = line((edge, 0, 0), (edge, 0, 0))
    made = rest_outside(curves, REST, REST, seconds_before=room, seconds_after=room)
    rows = made.frame_count - 50
    assert rows <= 2 * room * RATE + 1e-6
    if room * RATE >= 2:
        assert np.abs(made.values[[0, -1]]).max() == 0.0
    else:
        assert made is curves


def test_sealed_lips_stay_sealed_on_the_way():
    """A jaw that is open behind closed lips closes with them: what closes never goes before what opens."""
    made = rest_outside(line((0.3, 0.3, 0), (0.3, 0.3, 0)), REST, REST)
    assert np.abs(made.channel("jawOpen") - made.channel("mouthClose")).max() < 1e-6


def test_wrong_rests_and_channels_are_mistakes_of_the_caller():
    curves = line((0.5, 0, 0), (0.5, 0, 0))
    with pytest.raises(ValueError, match="do not go with 3 channels"):
        rest_outside(curves, np.zeros(2), REST)
    with pytest.raises(KeyError):
        rest_outside(curves, REST, REST, resting=["tail"])
    assert not curves.values.flags.writeable
