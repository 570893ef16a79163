# SPDX-License-Identifier: GPL-3.0-or-later
"""Find faces in a picture: the anchors, boxes and suppression of the single-shot detector BlazeFace.

W. Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016; V. Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face
Detection on Mobile GPUs", 2019. Its numbers are those of MediaPipe's short range detector.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .cropping import Picture, Region, cut_region
from .package import FaceGraphs

_SIZE = 128
_LAYERS = ((16, 2), (8, 6))  # cells along a side, anchors in each
_LEAST_SCORE, _SAME_FACE = 0.5, 0.3
_PARTS = (1.0, 0.5, 0.25)  # shares of the picture's longer side that are searched at a time
_LARGE, _STEP = 0.25, 0.65  # shares of a part


@dataclass(frozen=True)
class FoundFace:
    """A face: its box in pixels, turned so that the eyes are level, and the detector's score 0..1."""

    region: Region
    score: float

    def is_same(self, other: FoundFace) -> bool:
        """Return whether the middle of one face lies within the other."""
        x, y = abs(self.region.x - other.region.x), abs(self.region.y - other.region.y)
        one, two = self.region, other.region
        return 2 * x < max(one.width, two.width) and 2 * y < max(one.height, two.height)


def find_faces(graphs: FaceGraphs, picture: Picture) -> list[FoundFace]:
    """Find the faces of a picture, the largest first.

    Where none of them is large, parts of the picture are searched as well, halves and then quarters of its longer side: the
    detector misses faces smaller than a tenth of what it sees.
    """
    height, width = picture.shape[:2]
    side = max(height, width)
    found: list[FoundFace] = []
    for share in _PARTS:
        if found and max(face.region.width for face in found) >= _LARGE * share * side:
            break
        for part in _divide(width, height, share * side):
            found += [face for face in _find_inside(graphs, picture, part) if not any(map(face.is_same, found))]
    return sorted(found, key=lambda face: -face.region.width * face.region.height)


def _divide(width: int, height: int, size: float) -> list[Region]:
    """Divide a picture into squares that overlap by a third or more; one that is larger has the picture in its middle."""

    def middles(length: int) -> list[float]:
        if size >= length:
            return [length / 2]
        return np.linspace(size / 2, length - size / 2, math.ceil((length - size) / (_STEP * size)) + 1).tolist()

    return [Region(x, y, size, size) for y in middles(height) for x in middles(width)]


def _find_inside(graphs: FaceGraphs, picture: Picture, part: Region) -> list[FoundFace]:
    tile = cut_region(picture, part, _SIZE, extend=False) / np.float32(127.5) - np.float32(1.0)
    boxes, scores = graphs.run("detector", tile[None])
    likely = 1.0 / (1.0 + np.exp(-np.clip(scores[0, :, 0].astype(np.float64), -100.0, 100.0)))
    kept = np.flatnonzero(likely >= _LEAST_SCORE)
    if not kept.size:
        return []
    # Middle, size, then six points (eyes, nose, mouth, ears), in shares of the tile.
    values = boxes[0, kept].astype(np.float64).reshape(-1, 8, 2) / _SIZE
    anchors = _place_anchors()[kept]
    values[:, 0] += anchors
    values[:, 2:] += anchors[:, None]
    return [_make_face(group, score, part) for group, score in _join_boxes(values, likely[kept])]


@functools.cache
def _place_anchors() -> NDArray[np.float64]:
    """Return the middles of all anchors, ``[896, 2]``, as shares of the tile."""
    layers: list[NDArray[np.float64]] = []
    for cells, count in _LAYERS:
        middles = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(middles, middles), axis=-1).reshape(-1, 2)
        layers.append(np.repeat(grid, count, axis=0))
    return np.concatenate(layers)


def _join_boxes(values: NDArray[np.float64], scores: NDArray[np.float64]) -> list[tuple[NDArray[np.float64], float]]:
    """Average boxes that lie on one another, weighted by score; ``values`` ``[box, 8, 2]``."""
    low, high = values[:, 0] - values[:, 1] / 2, values[:, 0] + values[:, 1] / 2
    areas = np.prod(values[:, 1], axis=1)
    left = list(np.argsort(-scores, kind="stable"))
    found: list[tuple[NDArray[np.float64], float]] = []
    while left:
        best = left[0]
        shared = np.prod(np.clip(np.minimum(high[left], high[best]) - np.maximum(low[left], low[best]), 0.0, None), axis=1)
        overlap = shared / np.maximum(areas[left] + areas[best] - shared, 1e-12)
        group = [index for index, share in zip(left, overlap) if share > _SAME_FACE or index == best]
        left = [index for index in left if index not in group]
        weights = scores[group][:, None, None]
        found.append(((values[group] * weights).sum(axis=0) / weights.sum(), float(scores[best])))
    return found


def _make_face(values: NDArray[np.float64], score: float, whole: Region) -> FoundFace:
    points = whole.point_at(values[:, 0], values[:, 1])
    (right_x, right_y), (left_x, left_y) = points[2], points[3]
    turn = math.atan2(left_y - right_y, left_x - right_x)
    middle, size = points[0], values[1] * whole.width
    return FoundFace(Region(float(middle[0]), float(middle[1]), float(size[0]), float(size[1]), turn), score)
