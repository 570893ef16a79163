# SPDX-License-Identifier: GPL-3.0-or-later
"""Guides: emotions read from faces that are pictured or posed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.expression import load_expressions
from voxrig.animation.feeling.faces import USUAL_REST, read_emotions, solve_mix
from voxrig.animation.interchange import write_curves
from voxrig.errors import InterchangeError, ModelError
from voxrig.takes.curves import with_film

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


def test_a_filmed_face_brings_all_but_the_mouth(tmp_path: Path) -> None:
    rows = np.arange(31) / 30.0
    film = ChannelCurves(
        ("jawOpen", "browInnerUp", "headYaw"), 30.0, np.stack([0.9 + 0 * rows, rows, 0.2 * rows], axis=1).astype(np.float32)
    )
    write_curves(tmp_path / "film.csv", film)
    mouth = np.linspace(0.0, 0.5, 101).astype(np.float32)
    names = ("jawOpen", "browInnerUp", "browDownLeft", "eyeBlinkLeft")
    spoken = ChannelCurves(names, 50.0, np.stack([mouth] * 4, axis=1))
    mixed = with_film(spoken, tmp_path / "film.csv")
    assert set(mixed.names) == {"jawOpen", "browInnerUp", "headYaw", "eyeBlinkLeft"}, "parts that it lacks stay"
    assert mixed.frame_count == 101
    np.testing.assert_array_equal(mixed.channel("jawOpen"), mouth)
    assert mixed.channel("browInnerUp")[[25, 50, 100]] == pytest.approx([0.5, 1.0, 1.0], abs=0.02)
    write_curves(tmp_path / "lips.csv", film.select(["jawOpen"]))
    with pytest.raises(ModelError, match=r"lips\.csv' has no curves of brows"):
        with_film(spoken, tmp_path / "lips.csv")
    with pytest.raises(InterchangeError, match="choose it again"):
        with_film(spoken, tmp_path / "gone.csv")
