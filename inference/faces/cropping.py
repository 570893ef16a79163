# SPDX-License-Identifier: GPL-3.0-or-later
"""Turned squares and rectangles of a picture, resampled to the size that a graph reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""Red, green and blue in 0..255, ``[row, column, 3]``, the top row first."""


@dataclass(frozen=True)
class Region:
    """A rectangle of a picture in pixels: its middle, its size, and its turn in radians, clockwise as seen."""

    x: float
    y: float
    width: float
    height: float
    turn: float = 0.0

    def enlarge(self, factor: float) -> Region:
        """Return a square around the same middle whose side is ``factor`` times the longer side."""
        side = factor * max(self.width, self.height)
        return Region(self.x, self.y, side, side, self.turn)

    def point_at(self, across: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the picture's pixels at shares 0..1 of the region's width and height, ``[..., 2]``."""
        cosine, sine = math.cos(self.turn), math.sin(self.turn)
        x, y = (across - 0.5) * self.width, (down - 0.5) * self.height
        return np.stack([self.x + x * cosine - y * sine, self.y + x * sine + y * cosine], axis=-1)


def cut_region(picture: Picture, region: Region, size: int, *, extend: bool) -> NDArray[np.float32]:
    """Resample a region to ``[size, size, 3]`` in 0..255, by the four nearest pixels.

    Beyond the picture its edge is repeated with ``extend``, else everything is black.
    """
    corner, right, below = region.point_at(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    corners = np.stack([corner, right, below, right + below - corner])
    packed, (left, top) = _pack(picture, corners.min(axis=0), corners.max(axis=0), extend)
    height, width = packed.shape
    steps = np.arange(size, dtype=np.float32) / np.float32(size)
    start, across, down = (values.astype(np.float32) for values in (corner - (left, top), right - corner, below - corner))
    x = np.clip(start[0] + across[0] * steps[None, :] + down[0] * steps[:, None], 0.0, np.float32(width - 1.001))
    y = np.clip(start[1] + across[1] * steps[None, :] + down[1] * steps[:, None], 0.0, np.float32(height - 1.001))
    column, row = x.astype(np.int32), y.astype(np.int32)
    at = row * width + column
    flat: Any = packed.ravel()
    # Shares in 256ths that add up to 256: four bytes times them fit side by side into 64 bits, in one multiplication.
    beside = ((x - column) * 256).astype(np.uint64)
    under = ((y - row) * 256).astype(np.uint64)
    both = (beside * under) >> np.uint64(8)
    total: Any = flat.take(at) * (np.uint64(256) + both - beside - under)
    total += flat.take(at + 1) * (beside - both)
    total += flat.take(at + width) * (under - both)
    total += flat.take(at + width + 1) * both
    return total.view(np.uint16).reshape(size, size, 4)[..., :3] * np.float32(1.0 / 256.0)


def _pack(
    picture: Picture, low: NDArray[np.float64], high: NDArray[np.float64], extend: bool
) -> tuple[NDArray[np.uint64], tuple[int, int]]:
    """Return the part of a picture between two corners, 64 bits a pixel, and the column and row where it begins.

    It is at least two pixels wide and high, with a rim of one pixel that repeats the edge or is black.
    """
    height, width = picture.shape[:2]
    left, top = (int(np.clip(value, 0, limit - 1)) for value, limit in zip(np.floor(low), (width, height)))
    right, bottom = (int(np.clip(value + 2, 1, limit)) for value, limit in zip(np.floor(high), (width, height)))
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    part = np.zeros((bottom - top + 2, right - left + 2, 4), np.uint16)
    part[1:-1, 1:-1, :3] = picture[top:bottom, left:right]
    if extend:
        part[0], part[-1] = part[1], part[-2]
        part[:, 0], part[:, -1] = part[:, 1], part[:, -2]
    return part.view(np.uint64)[..., 0], (left - 1, top - 1)
