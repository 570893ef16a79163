# SPDX-License-Identifier: GPL-3.0-or-later
"""Lips that are sealed stay sealed between sparse keys, and the poses of speech become keys."""

from __future__ import annotations

import numpy as np
import pytest
from demo_speech import MODEL, SPEECH
from hypothesis import given, settings
from hypothesis import strategies as st
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.articulation import articulate
from voxrig.animation.face.lips import GAP_CENTIMETRES, lip_gap, seal_limit, sealed_frames
from voxrig.animation.face.mouth_events import find_mouth_events, find_poses
from voxrig.animation.face.phones import PHONES, TimedPhone
from voxrig.animation.keys.guards import Guards, guard_poses, join_guards
from voxrig.animation.keys.placing import DENSITIES, Placing, place_keys
from voxrig.animation.keys.reduction import evaluate_keys
from voxrig.animation.rig.mapping import Link, Mapping, Target, apply_mapping
from voxrig.animation.timing import resample_to_frames
from voxrig.inference.audio import read_sound
from voxrig.inference.generate import generate_curves
from voxrig.inference.package import load_package
from voxrig.inference.session import open_session

RATES = [12.0, 24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0, 60.0, 120.0]


@pytest.fixture(scope="module")
def demo() -> ChannelCurves:
    """The bundled speech through the bundled model."""
    package = load_package(MODEL)
    return generate_curves(open_session(package, "CPU"), read_sound(SPEECH, package.sample_rate))


def sample(curves: ChannelCurves, fps: float) -> ChannelCurves:
    """Return the curves on scene frames, as takes are."""
    sealed = sealed_frames(curves.values, curves.names).astype(float)
    closing = [name for name in curves.names if name in GAP_CENTIMETRES]
    return resample_to_frames(curves, fps, 0.0, event_weights=sealed, event_channels=closing)


def guard(sampled: ChannelCurves, gains: dict[str, float] | None = None) -> tuple[Mapping, np.ndarray, np.ndarray, Guards]:
    """Return a mapping of one control for each channel, its values and ranges, and their guards."""
    links = [Link(name, Target("KEY", "Key", name), gain=(gains or {}).get(name, 1.0)) for name in sampled.names]
    mapping = Mapping(tuple(links))
    values = apply_mapping(mapping, sampled).values
    frames = np.arange(sampled.frame_count)
    ranges = np.array([abs(link.gain) for link in links])
    mouth = [name for name in sampled.names if name.startswith(("jaw", "mouth"))]
    events = find_mouth_events(sampled, frames, np.ones(frames.size, bool), mouth)
    guards = guard_poses(mapping, mapping.targets(), values, ranges, sampled, events=events, frames=frames)
    return mapping, values, ranges, guards


def count_opened(sampled: ChannelCurves, density: int, *, guarded: bool = True, gains: dict[str, float] | None = None) -> int:
    """Count the frames on which sealed lips part when the controls follow sparse keys."""
    mapping, values, ranges, guards = guard(sampled, gains)
    placing, frames = Placing(density=density), np.arange(float(sampled.frame_count))
    curves = place_keys(frames, values, placing.tolerance * ranges, placing, guards=guards if guarded else None)
    shown = np.stack([evaluate_keys(curve, frames) for curve in curves], axis=1) / [link.gain for link in mapping.links]
    sealed = sealed_frames(sampled.values, sampled.names)
    gap = lip_gap(shown, sampled.names)
    return int(np.sum(gap[sealed] > seal_limit(sampled.values, sampled.names) + 1e-6))


@pytest.mark.parametrize("fps", RATES)
def test_the_demo_speech_stays_sealed_at_every_rate(demo: ChannelCurves, fps: float) -> None:
    sampled = sample(demo, fps)
    assert sealed_frames(sampled.values, sampled.names).sum() > 2 * fps
    assert [count_opened(sampled, density) for density in (DENSITIES[0], 4)] == [0, 0]


def test_without_guards_they_would_open(demo: ChannelCurves) -> None:
    sampled = sample(demo, 30.0)
    assert count_opened(sampled, 3, guarded=False) > 0 and count_opened(sampled, 1, guarded=False) > 20


def test_they_stay_sealed_on_a_rig_with_other_ranges(demo: ChannelCurves) -> None:
    gains = {"jawOpen": -0.35, "mouthClose": 12.0, "mouthFunnel": 0.1}
    assert count_opened(sample(demo, 24.0), 2, gains=gains) == 0


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PHONES), st.floats(0.04, 0.3)), min_size=3, max_size=25),
    st.sampled_from(RATES),
    st.sampled_from([1, 4]),
)
def test_random_phones_stay_sealed(spoken: list[tuple[str, float]], fps: float, density: int) -> None:
    ends = np.cumsum([length for _phone, length in spoken]).tolist()
    phones = [TimedPhone(phone, end - length, end) for (phone, length), end in zip(spoken, ends, strict=True)]
    assert count_opened(sample(articulate(phones, 50.0, ends[-1]), fps), density) == 0


def test_poses_are_keys_of_the_mouths_controls_that_move(demo: ChannelCurves) -> None:
    sampled = sample(demo, 24.0)
    mapping, values, ranges, guards = guard(sampled)
    frames = np.arange(float(sampled.frame_count))
    closures, apexes = find_poses(frames, sampled.channel("jawOpen"), sealed_frames(sampled.values, sampled.names))
    assert len(closures) > 10 and len(apexes) > 10
    placing = Placing(density=1)
    curves = place_keys(frames, values, placing.tolerance * ranges, placing, guards=guards)
    keyed = dict(zip(mapping.channels(), curves))
    assert set(apexes) <= set(keyed["jawOpen"].frames.tolist())
    assert len(set(closures) & set(keyed["jawOpen"].frames.tolist())) > 0.9 * len(closures)
    # What is not of the mouth has no key because of them, and what rests has none either.
    assert not guards.events[:, sampled.names.index("browInnerUp")].any()
    still = np.ptp(values, axis=0) < 0.01 * ranges
    assert still.any() and not guards.events[:, still].any()


def test_guards_follow_their_targets_and_frames() -> None:
    limits = np.array([[0.1, np.inf], [np.inf, 0.2], [0.3, 0.4]], np.float32)
    guards = Guards(np.array([[True, False], [False, True], [True, True]]), limits)
    assert guards.select([1]).events[:, 0].tolist() == [False, True, True]
    moved = guards.on_frames([1.0, 2.0, 3.0], [1.0, 1.5, 3.0, 4.0])
    assert moved.events.tolist() == [[True, False], [False, False], [True, True], [False, False]]
    assert np.isinf(moved.limits).tolist() == [[False, True], [True, True], [False, False], [True, True]]
    assert join_guards([guards, guards.select([0])]).limits.shape == (3, 3)
