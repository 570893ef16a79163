# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo head's form, as a signed distance field: pure numpy, no Blender.

Lengths are centimetres, the head is about life size. x points to the character's left, -y out of the face,
+z up; the eyes' centres lie at z = 0. Distances are approximate (ellipsoids), exact enough to project on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Positions ``[point, 3]`` in centimetres."""


@dataclass(frozen=True)
class Eye:
    """Eyeball and lids of the character's left eye; the right one is its mirror image. Angles in degrees."""

    centre: tuple[float, float, float] = (3.3, -5.85, 0.0)
    radius: float = 2.2
    azimuth_middle: float = 6.0
    azimuth_half: float = 47.0


@dataclass(frozen=True)
class Mouth:
    """Landmarks of the closed mouth."""

    height: float = -5.6
    half_width: float = 2.35
    upper_lip: float = 0.66
    lower_lip: float = 0.86


EYE = Eye()
MOUTH = Mouth()
JAW_HINGE = np.array([0.0, 0.4, -1.8])


def _ellipsoid(points: Points, centre: tuple[float, float, float], radii: tuple[float, float, float]) -> NDArray[np.float64]:
    offset = points - np.asarray(centre)
    scale = np.asarray(radii)
    unit = np.linalg.norm(offset / scale, axis=-1)
    slope = np.linalg.norm(offset / scale**2, axis=-1)
    return unit * (unit - 1.0) / np.maximum(slope, 1e-9)


def _capsule(
    points: Points, start: tuple[float, float, float], end: tuple[float, float, float], start_radius: float, end_radius: float
) -> NDArray[np.float64]:
    a, b = np.asarray(start), np.asarray(end)
    along = np.clip((points - a) @ (b - a) / np.dot(b - a, b - a), 0.0, 1.0)
    nearest = a + along[..., None] * (b - a)
    return np.linalg.norm(points - nearest, axis=-1) - (start_radius + along * (end_radius - start_radius))


def _join(a: NDArray[np.float64], b: NDArray[np.float64], blend: float) -> NDArray[np.float64]:
    """Join two fields smoothly (polynomial minimum); ``blend`` is the width of the fillet in centimetres."""
    h = np.maximum(blend - np.abs(a - b), 0.0) / blend
    return np.minimum(a, b) - h * h * h * blend / 6.0


def _carve(a: NDArray[np.float64], b: NDArray[np.float64], blend: float) -> NDArray[np.float64]:
    """Subtract ``b`` from ``a`` smoothly."""
    return -_join(-a, b, blend)


def head_distance(points: Points) -> NDArray[np.float64]:
    """Compute the signed distance of ``[point, 3]`` to the skin without lips, lids and ears; negative inside."""
    p = np.array(points, dtype=np.float64)
    p[..., 0] = np.abs(p[..., 0])
    d = _ellipsoid(p, (0.0, 0.5, 3.6), (7.6, 8.6, 8.0))
    d = _join(d, _ellipsoid(p, (0.0, -1.8, -1.6), (6.9, 6.6, 6.9)), 3.0)
    d = _join(d, _capsule(p, (4.0, 0.0, -3.8), (1.4, -5.7, -7.7), 1.9, 1.6), 4.0)
    d = _join(d, _ellipsoid(p, (0.0, -6.6, -8.1), (1.7, 1.8, 1.4)), 2.6)
    d = _join(d, _ellipsoid(p, (3.2, -5.3, -2.6), (2.7, 2.35, 3.0)), 3.6)
    d = _join(d, _capsule(p, (0.3, -7.0, 2.6), (4.2, -5.7, 2.9), 1.0, 1.0), 3.0)
    d = _carve(d, _ellipsoid(p, (3.4, -9.1, 0.75), (2.0, 1.15, 1.15)), 2.4)
    d = _join(d, _ellipsoid(p, (0.0, -6.9, -5.4), (3.2, 2.2, 2.5)), 2.6)
    d = _join(d, _capsule(p, (0.0, -7.35, 0.7), (0.0, -8.9, -2.2), 0.50, 0.68), 2.2)
    d = _join(d, _ellipsoid(p, (0.0, -9.15, -2.5), (0.95, 0.92, 0.82)), 1.2)
    d = _join(d, _ellipsoid(p, (0.90, -8.4, -2.75), (0.60, 0.75, 0.56)), 0.9)
    d = _carve(d, _ellipsoid(p, (0.48, -8.95, -3.32), (0.24, 0.38, 0.20)), 0.4)
    # The groove between nose and upper lip, and the dip above the chin.
    d = _carve(d, _capsule(p, (0.0, -9.65, -3.8), (0.0, -9.85, -4.7), 0.3, 0.34), 0.8)
    d = _carve(d, _ellipsoid(p, (0.0, -9.85, -6.95), (1.9, 0.7, 0.4)), 1.3)
    return _join(d, _capsule(p, (0.0, 1.2, -6.0), (0.0, 2.2, -19.0), 3.3, 3.5), 3.2)


def head_normals(points: Points) -> Points:
    """Compute outward unit normals of the field at ``[point, 3]`` by central differences."""
    step = 0.02
    gradient = np.stack(
        [head_distance(points + offset) - head_distance(points - offset) for offset in step * np.eye(3)], axis=-1
    )
    return gradient / np.maximum(np.linalg.norm(gradient, axis=-1, keepdims=True), 1e-9)


def project_to_head(points: Points, iterations: int = 6) -> Points:
    """Move ``points`` along the field's slope onto the skin."""
    moved = np.array(points, dtype=np.float64)
    for _ in range(iterations):
        moved = moved - head_distance(moved)[:, None] * head_normals(moved)
    return moved


def cast_to_head(origins: Points, directions: Points, reach: float = 30.0) -> Points:
    """Find the outermost skin point on each ray from inside; ``directions`` ``[point, 3]`` need not be unit."""
    unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    far = np.full(len(origins), reach)
    for _ in range(70):
        far = far - 0.7 * head_distance(origins + far[:, None] * unit)
        far = np.maximum(far, 0.0)
    return origins + far[:, None] * unit


def front_depth(x: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return y of the skin seen from the front at ``x``, ``z``."""
    origins = np.stack([x, np.full_like(x, 0.0), z], axis=-1)
    return cast_to_head(origins, np.broadcast_to([0.0, -1.0, 0.0], origins.shape))[:, 1]
