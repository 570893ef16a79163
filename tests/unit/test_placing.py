# SPDX-License-Identifier: GPL-3.0-or-later
"""Where keys go in each mode, and the poses of speech."""

from __future__ import annotations

import numpy as np
import pytest
from demo_speech import MODEL, SPEECH
from hypothesis import given, settings
from hypothesis import strategies as st
from voxrig.animation.face.mouth_events import find_poses
from voxrig.animation.keys.artist_keys import BEZIER, CONSTANT
from voxrig.animation.keys.events import BREAKDOWN, EXTREME, Event
from voxrig.animation.keys.placing import DENSITIES, Placing, find_proposals, keep_events_on_steps, place_keys
from voxrig.animation.keys.reduction import largest_errors
from voxrig.animation.timing import resample_to_frames
from voxrig.inference.audio import read_sound
from voxrig.inference.generate import generate_curves
from voxrig.inference.package import load_package
from voxrig.inference.session import open_session

FRAMES = np.arange(1.0, 101.0)
WAVE = np.stack([0.5 + 0.5 * np.sin(FRAMES / 5), 0.3 * np.cos(FRAMES / 3)], axis=1)


def _event(key_type: str, *frames: float) -> Event:
    return Event("any", key_type, frames, frozenset())


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


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 150), st.sampled_from([0.0, 0.02, 0.3]))
def test_density_is_monotone_for_every_channel_of_any_curves(seed: int, count: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.normal(0, 0.1, (count, 3)), axis=0) + noise * rng.normal(0, 1, (count, 3))
    values = (walk * np.repeat(rng.random((count // 10 + 1, 3)) > 0.3, 10, axis=0)[:count]).astype(np.float32)
    _assert_monotone(np.arange(1.0, count + 1), values)


def test_density_is_monotone_on_real_takes() -> None:
    package = load_package(MODEL)
    sound = read_sound(SPEECH, package.sample_rate)
    curves = generate_curves(open_session(package, "CPU"), sound)
    for fps in (24.0, 60.0):
        values = resample_to_frames(curves, fps, 0.0).values
        counts, errors = _assert_monotone(np.arange(float(len(values))), values)
        # And each step is worth a step of the slider.
        assert np.all(np.diff(counts.sum(axis=1)) > 0.05 * counts.sum(axis=1)[:-1])
        assert np.all(np.diff(errors.max(axis=1)) < 0)


def _assert_monotone(frames: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Check that from one density to the next no channel has fewer keys or a larger error."""
    placings = [Placing(density=density) for density in DENSITIES]
    made = [place_keys(frames, values, placing.tolerance, placing) for placing in placings]
    counts = np.array([[len(curve) for curve in curves] for curves in made])
    errors = np.array([largest_errors(curves, frames, values) for curves in made])
    assert np.all(errors <= [[placing.tolerance + 1e-6] for placing in placings])
    assert np.all(np.diff(counts, axis=0) >= 0)
    assert np.all(np.diff(errors, axis=0) <= 1e-6)
    return counts, errors


def test_poses_are_held_and_required_frames_are_keys_in_every_mode() -> None:
    placing = Placing("POSES", events=(_event(EXTREME, 20.0), _event(BREAKDOWN, 40.0, 70.0)))
    assert placing.interpolation == CONSTANT and Placing().interpolation == BEZIER
    assert place_keys(FRAMES, WAVE, 0.1, placing)[0].frames.tolist() == [1, 20, 40, 70, 100]
    must = FRAMES == 33
    for mode in ("SPARSE", "EVERY", "STEP", "POSES"):
        assert 33 in place_keys(FRAMES, WAVE, 0.1, Placing(mode), required=must)[0].frames
    with pytest.raises(ValueError, match="TWOS"):
        Placing("TWOS")
    with pytest.raises(ValueError, match="step of 0"):
        Placing("STEP", step=0)
    with pytest.raises(ValueError, match="density of 8"):
        Placing(density=8)


def test_closures_and_apexes_are_found() -> None:
    jaw = np.interp(FRAMES, [1, 10, 20, 22, 30, 40, 60, 100], [0, 0.8, 0, 0, 0.5, 0.1, 0.12, 0.1])
    closures, apexes = find_poses(FRAMES, jaw, jaw < 0.01)
    assert closures == (1.0, 21.0) and apexes == (10.0, 30.0)
    assert find_poses(FRAMES, np.zeros(100), np.zeros(100, bool)) == ((), ())


def test_keys_like_the_show_lie_where_they_are_proposed():
    likelihood = np.array([0.6, 0.2, 0.4, 0.9, 0.9, 0.3, 0.55, 0.1, 0.49, 0.2])
    assert find_proposals(likelihood).tolist() == [0, 3, 6]
    frames = np.arange(1.0, 11.0)
    placing = Placing("SHOW", proposed=tuple(frames[find_proposals(likelihood)].tolist()))
    values = np.sin(frames)[:, None]
    (curve,) = place_keys(frames, values, 0.01, placing)
    assert curve.frames.tolist() == [1.0, 4.0, 7.0, 10.0]
    assert np.abs(curve.values - values[[0, 3, 6, 9], 0]).max() < 1e-6


def test_closures_between_steps_move_to_the_nearest_key() -> None:
    values = np.stack([FRAMES, -FRAMES], axis=1).astype(np.float32)
    before = values.copy()
    on_fours = Placing("STEP", step=4).frames_among(FRAMES)  # 1, 4, 8, 12, ... 100
    events = np.isin(FRAMES, [2, 9, 19, 21, 22, 35, 36, 37])
    kept = keep_events_on_steps(values, events, on_fours)
    assert np.array_equal(values, before)
    changed = {int(frame): kept[int(frame) - 1].tolist() for frame in FRAMES[np.any(kept != values, axis=1)]}
    # 35 to 37 hold 36, which stays; 19 is nearest to 20, and then so is 21, in the middle of 21 and 22.
    assert changed == {1: [2.0, -2.0], 8: [9.0, -9.0], 20: [21.0, -21.0]}
    assert np.array_equal(keep_events_on_steps(values, np.zeros(100, bool), on_fours), values)
    everything = np.ones(100, bool)
    assert np.array_equal(keep_events_on_steps(values, events, everything), values)
