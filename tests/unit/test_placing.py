# SPDX-License-Identifier: GPL-3.0-or-later
"""Where keys go in each mode, and the poses of speech."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.keys import largest_errors
from voxrig.animation.placing import Placing, find_poses, place_keys
from voxrig.animation.retake import BEZIER, CONSTANT

FRAMES = np.arange(1.0, 101.0)
WAVE = np.stack([0.5 + 0.5 * np.sin(FRAMES / 5), 0.3 * np.cos(FRAMES / 3)], axis=1)


def test_every_frame_and_every_second_frame() -> None:
    every = place_keys(FRAMES, WAVE, 0.1, Placing("EVERY"))
    assert all(curve.frames.tolist() == FRAMES.tolist() for curve in every)
    assert largest_errors(every, FRAMES, WAVE).max() < 1e-6
    twos = place_keys(FRAMES, WAVE, 0.1, Placing("STEP", step=2, phase=0))
    assert twos[0].frames.tolist() == [1.0, *range(2, 101, 2)]
    threes = place_keys(FRAMES, WAVE, 0.1, Placing("STEP", step=3, phase=1))
    assert threes[0].frames.tolist() == list(range(1, 101, 3))
    errors = [largest_errors(curves, FRAMES, WAVE).max() for curves in (every, twos, threes)]
    assert errors[0] < errors[1] < errors[2] < 0.05


def test_sparse_counts_fall_and_errors_rise_with_the_tolerance() -> None:
    curves = [place_keys(FRAMES, WAVE, tolerance, Placing()) for tolerance in (0.001, 0.01, 0.1)]
    counts = [sum(map(len, made)) for made in curves]
    errors = [largest_errors(made, FRAMES, WAVE).max() for made in curves]
    assert counts[0] > counts[1] > counts[2] and errors[0] < errors[1] < errors[2]


def test_poses_are_held_and_required_frames_are_keys_in_every_mode() -> None:
    placing = Placing("POSES", extremes=(20.0,), breakdowns=(40.0, 70.0))
    assert placing.interpolation == CONSTANT and Placing().interpolation == BEZIER
    assert place_keys(FRAMES, WAVE, 0.1, placing)[0].frames.tolist() == [1, 20, 40, 70, 100]
    must = FRAMES == 33
    for mode in ("SPARSE", "EVERY", "STEP", "POSES"):
        assert 33 in place_keys(FRAMES, WAVE, 0.1, Placing(mode), required=must)[0].frames
    with pytest.raises(ValueError, match="TWOS"):
        Placing("TWOS")
    with pytest.raises(ValueError, match="step of 0"):
        Placing("STEP", step=0)


def test_closures_and_apexes_are_found() -> None:
    jaw = np.interp(FRAMES, [1, 10, 20, 22, 30, 40, 60, 100], [0, 0.8, 0, 0, 0.5, 0.1, 0.12, 0.1])
    closures, apexes = find_poses(FRAMES, jaw, jaw < 0.01)
    assert closures == (1.0, 21.0) and apexes == (10.0, 30.0)
    assert find_poses(FRAMES, np.zeros(100), np.zeros(100, bool)) == ((), ())
