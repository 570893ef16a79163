# SPDX-License-Identifier: GPL-3.0-or-later
"""Effort moves jaw and lips as far as the voice works, and never parts lips that touch."""

import numpy as np
from voxrig.animation.face import lips
from voxrig.animation.face.effort import LEAST, MOST, apply_effort

NAMES = ("jawOpen", "mouthClose", "mouthFunnel", "browInnerUp", "viseme_aa")


def test_a_calm_voice_changes_nothing_and_a_shout_only_the_mouth() -> None:
    values = np.array([[0.3, 0.1, 0.2, 0.5, 0.9], [0.4, 0.0, 0.0, 0.5, 0.9]], np.float32)
    assert np.array_equal(apply_effort(values, NAMES, np.ones(2)), values)
    moved = apply_effort(values, NAMES, np.array([1.5, 0.6]))
    assert np.allclose(moved[:, :3], values[:, :3] * [[1.5], [0.6]])
    assert np.array_equal(moved[:, 3:], values[:, 3:])
    assert np.array_equal(apply_effort(values, NAMES, np.array([1.5, 0.6]), amount=0.0), values)


def test_touching_lips_go_on_touching() -> None:
    sealed = np.array([[0.2, 0.2 * 2.89 / 3.72 + 0.01, 0.0, 0.0, 0.0]], np.float32)
    assert lips.signed_lip_gap(sealed, NAMES)[0] < 0
    assert lips.signed_lip_gap(apply_effort(sealed, NAMES, np.array([1.6])), NAMES)[0] < 0


def test_efforts_beyond_a_voice_are_held() -> None:
    values = np.full((2, 5), 0.1, np.float32)
    moved = apply_effort(values, NAMES, np.array([9.0, 0.0]))
    assert np.allclose(moved[:, 0], 0.1 * np.array([MOST, LEAST]))
