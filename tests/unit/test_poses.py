# SPDX-License-Identifier: GPL-3.0-or-later
"""The space of poses: what faces make stays, what no face makes is pulled back, and lips that close stay closed."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.articulation import articulate
from voxrig.animation.face.lips import sealed_frames
from voxrig.animation.face.phones import TimedPhone
from voxrig.animation.face.poses import find_show_poses, load_pose_space
from voxrig.animation.performance import Performance, apply_performance

PHONES = ("SIL", "M", "AA", "B", "IY", "P", "UW", "SIL")
LINE = [TimedPhone(phone, 0.25 * number, 0.25 * (number + 1)) for number, phone in enumerate(PHONES)]


def spoken() -> ChannelCurves:
    return articulate(LINE, 50.0, 2.0)


def test_poses_of_speech_stay_what_they_are():
    curves = spoken()
    space = load_pose_space()
    shared = [index for index, name in enumerate(curves.names) if name in space.names]
    pulled = space.pull(curves.values, curves.names, 1.0)
    errors = (pulled - curves.values)[:, shared]
    moving = curves.values[:, shared] - curves.values[:, shared].mean(axis=0)
    assert np.sqrt(np.square(errors).mean()) < 0.35 * np.sqrt(np.square(moving).mean())
    others = [index for index in range(len(curves.names)) if index not in shared]
    assert np.array_equal(pulled[:, others], curves.values[:, others])
    assert np.array_equal(space.pull(curves.values, curves.names, 0.0), curves.values)


def test_a_pose_that_no_face_makes_is_pulled_towards_one():
    space = load_pose_space()
    names = list(space.names)
    contradictory = np.zeros((1, len(names)))
    for name in (
        "mouthSmileLeft",
        "mouthSmileRight",
        "mouthFrownLeft",
        "mouthFrownRight",
        "mouthPucker",
        "jawLeft",
        "jawRight",
    ):
        contradictory[0, names.index(name)] = 0.9
    half, whole = (space.pull(contradictory, names, amount) for amount in (0.5, 1.0))
    assert np.allclose(half, 0.5 * (contradictory + whole))
    excess = min(whole[0, names.index("jawLeft")], whole[0, names.index("jawRight")])
    assert excess < 0.6
    again = space.pull(whole, names, 1.0)
    assert np.abs(again - whole).mean() < 0.5 * np.abs(whole - contradictory).mean()


def test_lips_that_close_stay_closed_when_poses_are_cleaned():
    curves = spoken()
    regions = {name: "jaw" if name.startswith("jaw") else "lips" for name in curves.names}
    cleaned = apply_performance(curves, Performance(cleaning=1.0), regions)
    before, after = (sealed_frames(one.values, one.names) for one in (curves, cleaned))
    assert before.any()
    assert (after[before]).mean() > 0.95
    assert not np.array_equal(cleaned.values, curves.values)
    assert np.array_equal(apply_performance(curves, Performance(), regions).values, curves.values)


def test_emotions_are_conditions_of_the_space():
    space = load_pose_space()
    rest = np.zeros((1, space.latent_width))
    weights = np.eye(len(space.emotions))
    poses = space.decode(np.repeat(rest, len(weights), axis=0), weights)
    assert poses.shape == (len(space.emotions), len(space.names))
    assert np.ptp(poses, axis=0).max() > 0.05
    assert space.encode(poses, weights).shape == (len(weights), space.latent_width)


@pytest.mark.parametrize("amount", [float("nan"), float("inf")])
def test_a_cleaning_that_is_no_number_is_refused(amount):
    with pytest.raises(ValueError, match="must be finite"):
        Performance(cleaning=amount)


def test_poses_outside_a_show_are_pulled_into_its_own_space():
    random = np.random.default_rng(3)
    moves = random.standard_normal((400, 2))
    mix = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
    space = find_show_poses(["jaw", "chin", "smile_L", "frown_L"], 0.5 + 0.1 * moves @ mix)
    assert space.axes.shape == (2, 4)
    inside = 0.5 + 0.1 * np.array([[0.5, 0.5, -1.0, 1.0]])
    assert np.allclose(space.pull(inside, space.names, 1.0), inside, atol=1e-6)
    # The show never smiles and frowns at once, and its jaw and chin go together.
    outside = np.array([[0.9, 0.5, 0.7, 0.7]])
    half, whole = (space.pull(outside, space.names, amount) for amount in (0.5, 1.0))
    assert np.allclose(half, 0.5 * (outside + whole))
    assert whole[0, 0] == pytest.approx(whole[0, 1], abs=0.01) and whole[0, 2] + whole[0, 3] == pytest.approx(1.0, abs=0.01)
    far = space.pull([[5.0, 5.0, 0.5, 0.5]], space.names, 1.0)
    assert far[0, 0] < 0.9, "not further than the show ever went"
    more = space.pull(np.array([[0.3, 0.9]]), ("other", "jaw"), 1.0)
    assert more[0, 0] == 0.3 and 0.5 < more[0, 1] < 0.9


def test_cleaning_of_a_learned_show_goes_by_its_space():
    space = find_show_poses(["a", "b"], [[0.0, 0.0], [0.5, 0.5], [1.0, 1.0], [0.2, 0.2]] * 20)
    curves = ChannelCurves(("a", "b"), 50.0, np.array([[0.8, 0.2]], np.float32))
    cleaned = apply_performance(curves, Performance(cleaning=1.0), {}, poses=space)
    assert cleaned.values[0] == pytest.approx([0.5, 0.5], abs=0.01)
    assert apply_performance(curves, Performance(cleaning=1.0), {}).values[0] == pytest.approx([0.8, 0.2])
