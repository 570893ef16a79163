# SPDX-License-Identifier: GPL-3.0-or-later
"""The turn and place of a head from the points of its face, laid over the canonical face by weighted least squares.

The camera is unknown; one with a vertical field of view of 63 degrees is assumed, as MediaPipe's face geometry assumes. The
fit is the orthogonal Procrustes problem with scale (P. Schönemann and R. Carroll, Psychometrika 35, 1970).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from .package import FacePackage

_FIELD_OF_VIEW = math.radians(63.0)
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeadPose:
    """Rotation ``[3, 3]`` and scale of the canonical face, and its place in centimetres, seen from the camera.

    x is to the right of the picture, y up, z towards the camera.
    """

    rotation: Floats
    scale: float
    place: Floats

    def angles(self) -> tuple[float, float, float]:
        """Return yaw, pitch and roll in radians, with the signs of Live Link Face.

        Yaw is positive to the head's own right, pitch positive down, roll positive towards the own right shoulder.
        """
        # R = Ry(yaw) Rx(pitch) Rz(roll) about x right, y up, z forward out of the face.
        r = self.rotation
        yaw = math.atan2(r[0, 2], r[2, 2])
        pitch = math.asin(float(np.clip(-r[1, 2], -1.0, 1.0)))
        roll = math.atan2(r[1, 0], r[1, 1])
        return -yaw, pitch, roll


def find_pose(package: FacePackage, points: Floats, width: int, height: int) -> HeadPose:
    """Find the pose from points ``[point, 3]`` in pixels of a picture (z grows away from the camera, in pixels as x)."""
    count = package.weights.size
    used = package.weights > 0
    tall = 2.0 * math.tan(_FIELD_OF_VIEW / 2)
    wide = tall * width / height
    screen = points[:count][used] / np.array([width, height, width])
    # On the near plane, at the distance 1; depth in the same unit as x.
    near = np.stack([(screen[:, 0] - 0.5) * wide, (0.5 - screen[:, 1]) * tall, screen[:, 2] * wide], axis=1)
    # Half of the weight is on points that are not used, so the mean of all is taken, as the original takes it.
    middle = float(np.mean(points[:count, 2])) / width * wide
    canonical, weights = package.canonical[used], package.weights[used]
    flat = near * np.array([1.0, 1.0, -1.0])
    scale = _fit(canonical, flat, weights)[1]
    scale *= _fit(canonical, _unproject(near, middle, scale), weights)[1]
    return HeadPose(*_fit(canonical, _unproject(near, middle, scale), weights))


def _unproject(near: Floats, middle: float, scale: float) -> Floats:
    """Return points on the near plane with their depths as points in space, ``[point, 3]``."""
    depth = (near[:, 2] - middle + 1.0) / scale
    return np.stack([near[:, 0] * depth, near[:, 1] * depth, -depth], axis=1)


def _fit(source: Floats, target: Floats, weights: Floats) -> tuple[Floats, float, Floats]:
    """Return rotation, scale and shift that lay ``source`` over ``target``, both ``[point, 3]``."""
    share = weights / weights.sum()
    source_middle, target_middle = share @ source, share @ target
    from_middle, to_middle = source - source_middle, target - target_middle
    parts = cast("tuple[Floats, Floats, Floats]", np.linalg.svd((to_middle * share[:, None]).T @ from_middle))
    left, _values, right = parts
    if np.linalg.det(left) * np.linalg.det(right) < 0:
        left[:, 2] *= -1
    rotation: Floats = left @ right
    scale = float(np.sum(share[:, None] * to_middle * (from_middle @ rotation.T)) / np.sum(share[:, None] * from_middle**2))
    return rotation, scale, target_middle - scale * rotation @ source_middle
