# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the emotions of a face, pictured or posed, as the nearest mix of the model's expressions; and pose a smiley."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..curves import ChannelCurves
from ..face.expression import apply_expression, load_expressions
from .words import Smiley

Floats = NDArray[np.float64]

USUAL_REST: Mapping[str, float] = {
    "eyeSquintLeft": 0.4, "eyeSquintRight": 0.4, "browDownLeft": 0.17, "browDownRight": 0.17, "mouthPressLeft": 0.12,
    "mouthPressRight": 0.12,
}  # fmt: skip
"""Shapes that FaceLandmarker reads in faces at rest (medians of two talkers); a picture without another one at rest is
compared with them."""
_WELL_SEEN = (
    "browDown", "browInnerUp", "browOuterUp", "eyeWide", "eyeSquint", "mouthSmile", "mouthFrown", "mouthPress", "mouthUpperUp",
)  # fmt: skip
"""Shapes that FaceLandmarker tells well; noses, cheeks and dimples hardly respond, so they say nothing of a picture."""
_LEAST, _LEAST_SHARE, _MOST = 0.1, 0.3, 3
_ROUNDS = 200


def solve_mix(poses: Floats, values: Floats, *, restraint: float = 0.02) -> Floats:
    """Return weights 0..1 of ``poses`` ``[pose, value]`` whose sum comes nearest to ``values`` ``[value]``.

    Least squares with limits and an L1 penalty of ``restraint`` times the squared size of a pose, by coordinate descent.
    """
    weights = np.zeros(len(poses))
    sizes = np.sum(poses**2, axis=1)
    left = values.astype(np.float64).copy()
    for _ in range(_ROUNDS):
        for row in np.flatnonzero(sizes > 1e-9):
            before = weights[row]
            weights[row] = min(max(before + float(poses[row] @ left) / sizes[row] - restraint, 0.0), 1.0)
            left -= (weights[row] - before) * poses[row]
    return weights


def order_mix(names: tuple[str, ...], weights: Floats) -> dict[str, float]:
    """Return the few strongest weights by emotion, the strongest first, without traces."""
    ordered = sorted(zip(names, weights.tolist(), strict=True), key=lambda one: -one[1])[:_MOST]
    return {name: round(weight, 2) for name, weight in ordered if weight >= max(_LEAST, _LEAST_SHARE * ordered[0][1])}


def read_emotions(shapes: Mapping[str, float], rest: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return weights of emotions 0..1, the strongest first, of a pictured face's ``shapes`` by ARKit's names.

    ``rest`` are the shapes of the same face at rest. Both sides count as one, but for contempt, a smile of one side alone.
    """
    rest = USUAL_REST if rest is None else rest
    seen = {
        name: max(value - rest.get(name, 0.0), 0.0) / (1.0 - min(rest.get(name, 0.0), 0.5)) for name, value in shapes.items()
    }
    rules = load_expressions()
    emotions = [index for index, name in enumerate(rules.emotions) if name != "contempt"]
    stems = [stem for stem in _WELL_SEEN if any(name.startswith(stem) for name in rules.names)]
    columns = [[rules.names.index(name) for name in rules.names if name.startswith(stem)] for stem in stems]
    poses = np.array([[rules.poses[row, column].mean() for column in columns] for row in emotions])
    values = np.array([np.mean([seen.get(rules.names[one], 0.0) for one in column]) for column in columns])
    smiles = [seen.get(f"mouthSmile{side}", 0.0) for side in ("Left", "Right")]
    aslant = abs(smiles[0] - smiles[1])
    # A smile of one side is contempt, of both joy: only the smaller one is a smile.
    values[stems.index("mouthSmile")] = min(smiles)
    weights = solve_mix(poses, values)
    names = (*(rules.emotions[row] for row in emotions), "contempt")
    contempt = max(aslant - 0.1, 0.0) / 0.3 if aslant > min(smiles) else 0.0
    return order_mix(names, np.append(weights, min(contempt, 1.0)))


def pose_smiley(smiley: Smiley) -> ChannelCurves:
    """Return the face of a smiley as one row of all of ARKit's shapes: its emotions on a silent mouth, and its gestures."""
    rules = load_expressions()
    weights = np.array([[smiley.emotions.get(name, 0.0) for name in rules.emotions]], np.float32)
    # At rest, so that lips may part.
    silent = (np.arange(len(rules.names)) == rules.silent).astype(np.float32)[None]
    felt = apply_expression(silent, weights) * (1.0 - silent)
    gaze = [f"eyeLook{way}{side}" for way in ("Up", "Down", "In", "Out") for side in ("Left", "Right")]
    face = dict.fromkeys(gaze, 0.0) | dict(zip(rules.names, felt[0].tolist(), strict=True))
    for name, value in smiley.pose.items():
        face[name] = min(face.get(name, 0.0) + value, 1.0)
    for side in ("Left", "Right"):
        # Lids that are shut are not wide open too.
        if face[f"eyeBlink{side}"] > 0.6:
            face[f"eyeWide{side}"] = 0.0
    return ChannelCurves(tuple(face), 1.0, np.array([list(face.values())], np.float32))
