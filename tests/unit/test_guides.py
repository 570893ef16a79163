# SPDX-License-Identifier: GPL-3.0-or-later
"""Guides: emotions read from faces that are pictured or posed."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.face.expression import load_expressions
from voxrig.animation.feeling.faces import USUAL_REST, read_emotions, solve_mix

RULES = load_expressions()


def shapes_of(emotion: str, weight: float) -> dict[str, float]:
    pose = RULES.poses[RULES.emotions.index(emotion)]
    rest = np.array([USUAL_REST.get(name, 0.0) for name in RULES.names])
    return dict(zip(RULES.names, (rest + (1.0 - rest) * weight * pose).tolist()))


@pytest.mark.parametrize("emotion", ["joy", "sadness", "anger", "surprise", "contempt"])
def test_the_models_own_expressions_are_read_back(emotion: str) -> None:
    read = read_emotions(shapes_of(emotion, 0.8))
    assert next(iter(read)) == emotion and read[emotion] == pytest.approx(0.8, abs=0.25)
    assert read_emotions(shapes_of(emotion, 0.0)) == {}


def test_a_mix_is_the_nearest_within_limits() -> None:
    poses = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 0.0]])
    weights = solve_mix(poses, poses.T @ np.array([0.3, 0.9, 0.0]), restraint=0.0)
    assert weights == pytest.approx([0.3, 0.9, 0.0], abs=1e-6)
    assert solve_mix(poses, np.array([-1.0, 5.0, 0.0])).tolist() == [0.0, 1.0, 0.0]
