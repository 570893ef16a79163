# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a face frame after frame: found once, then followed by its own points until it is lost."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .cropping import Picture, Region, cut_region
from .detecting import find_faces
from .package import FaceGraphs
from .pose import HeadPose, find_pose

_SIZE = 256
_MARGIN = 1.5
_LEAST_PRESENCE = 0.5
_MOST_FACES = 6
_RIGHT_EYE, _LEFT_EYE = 33, 263
_LIDS, _CHEEKS = (27, 230, 257, 450), (50, 280, 205, 425)
"""Points of the mesh between lids and brows and below the eyes, and on the cheeks."""


@dataclass(frozen=True, eq=False)
class SeenFace:
    """A face in a frame: its channels ``[52]`` in 0..1, its head, its points ``[478, 3]`` in pixels, and the number of faces.

    ``face_count`` is 0 where the face was followed from the frame before and no others were looked for. ``lid_light`` is how
    bright the skin around the eyes is beside the cheeks: 0.7 to 1.1 usually, below a half behind dark glasses.
    """

    scores: NDArray[np.float32]
    pose: HeadPose
    points: NDArray[np.float64]
    face_count: int
    lid_light: float


class FaceTracker:
    """Reads the largest face of each frame, and follows it; not to be shared between threads."""

    def __init__(self, graphs: FaceGraphs) -> None:
        self._graphs = graphs
        self._region: Region | None = None

    def forget(self) -> None:
        """Look for the largest face again in the next frame."""
        self._region = None

    def read(self, picture: Picture) -> SeenFace | None:
        """Read the face of a frame, None if there is none."""
        if self._region is not None:
            seen = self._read_region(picture, self._region)
            if seen is not None:
                self._region = _region_of(seen.points)
                return seen
            self._region = None
        # What only resembles a face has no points.
        regions = [face.region.enlarge(_MARGIN) for face in find_faces(self._graphs, picture)[:_MOST_FACES]]
        faces = [seen for seen in (self._read_region(picture, region) for region in regions) if seen is not None]
        if not faces:
            return None
        self._region = _region_of(faces[0].points)
        return replace(faces[0], face_count=len(faces))

    def _read_region(self, picture: Picture, region: Region) -> SeenFace | None:
        height, width = picture.shape[:2]
        tile = cut_region(picture, region, _SIZE, extend=True) / np.float32(255.0)
        raw, presence, _tongue = self._graphs.run("landmarks", tile[None])
        if 1.0 / (1.0 + math.exp(-float(np.clip(presence.ravel()[0], -60.0, 60.0)))) < _LEAST_PRESENCE:
            return None
        shares = raw.reshape(-1, 3).astype(np.float64) / _SIZE
        points = np.concatenate([region.point_at(shares[:, 0], shares[:, 1]), shares[:, 2:] * region.width], axis=1)
        chosen = points[self._graphs.package.points, :2]
        (scores,) = self._graphs.run("blendshapes", chosen[None].astype(np.float32))
        pose = find_pose(self._graphs.package, points, width, height)
        return SeenFace(scores.ravel().astype(np.float32), pose, points, 0, _compare_lids(picture, points))


def _compare_lids(picture: Picture, points: NDArray[np.float64]) -> float:
    """Return the brightness of the lids as a share of that of the cheeks."""
    height, width = picture.shape[:2]
    reach = max(1, round(0.05 * float(np.hypot(*(points[_LEFT_EYE, :2] - points[_RIGHT_EYE, :2])))))

    def brightness(chosen: tuple[int, ...]) -> float:
        columns, rows = np.rint(points[list(chosen), :2]).astype(int).T
        patches = [
            picture[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
            for column, row in zip(columns.clip(0, width - 1), rows.clip(0, height - 1))
        ]
        return float(np.median([patch.mean() for patch in patches]))

    return brightness(_LIDS) / max(brightness(_CHEEKS), 1.0)


def _region_of(points: NDArray[np.float64]) -> Region:
    """Return the square in which the face of the next frame is looked for."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    across = points[_LEFT_EYE, :2] - points[_RIGHT_EYE, :2]
    middle, size = (low + high) / 2, high - low
    turn = math.atan2(float(across[1]), float(across[0]))
    return Region(float(middle[0]), float(middle[1]), float(size[0]), float(size[1]), turn).enlarge(_MARGIN)
