# SPDX-License-Identifier: GPL-3.0-or-later
"""Move the keys of a take to new values in place, which takes a fraction of the time of placing them again.

This serves sliders while they are dragged: the keys of a take suit any take that resembles it, and the distance by which they
miss the new curves is measured, so that the caller knows when to place keys again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .artist_keys import Rows, no_rows

Floats = NDArray[np.float32]


class KeyMover:
    """The generated keys of several curves, each given as rows (animation/keys/artist_keys.py) on ``frames`` ``[time]``.

    ``frames`` are whole and consecutive. Raises ValueError for a key that is on none of them.
    """

    def __init__(self, frames: ArrayLike, rows: Sequence[Rows]) -> None:
        x = np.asarray(frames, np.float64)
        counts = np.array([len(part) for part in rows], np.int64)
        self.bounds: NDArray[np.int64] = np.concatenate([[0], np.cumsum(counts)])
        self._rows = np.concatenate([*rows, no_rows()]).astype(np.float32)
        curve = np.repeat(np.arange(counts.size), counts)
        at = np.rint(self._rows[:, 0] - x[0]).astype(np.int64)
        if np.any(np.abs(x[0] + at - self._rows[:, 0]) > 1e-3) or np.any((at < 0) | (at >= x.size)):
            raise ValueError("a key is on none of the frames")
        self._place = at * counts.size + curve
        self._inner = curve[1:] == curve[:-1]
        self._width = np.diff(self._rows[:, 0]).astype(np.float32)
        self._secants = self._secants_of(self._rows[:, 1])
        # Handles as (reach in frames, slope); outer ones keep their slope.
        self._reach = np.stack([self._rows[:, 0] - self._rows[:, 2], self._rows[:, 4] - self._rows[:, 0]])
        rise = np.stack([self._rows[:, 1] - self._rows[:, 3], self._rows[:, 5] - self._rows[:, 1]])
        self._slopes = np.divide(rise, self._reach, out=np.zeros_like(rise), where=self._reach > 0)
        self._spread(x.size, curve * x.size + at)

    def _spread(self, frame_count: int, keys: NDArray[np.int64]) -> None:
        """Locate every sample in a segment, and compute the contributions of the segment's ends there (cubic Hermite)."""
        self._curve_count = self.bounds.size - 1
        self._segment = np.zeros(0, np.int64)
        if not self._inner.any():
            return
        samples = np.arange(self._curve_count * frame_count)
        segment = np.clip(np.searchsorted(keys, samples, side="right") - 1, 0, keys.size - 2)
        # Before its first key and after its last, the curve belongs to others.
        covered = self._inner[segment] & (samples >= keys[segment]) & (samples <= keys[segment + 1])
        self._covered = samples[covered]
        self._curve_of = self._covered // frame_count
        self._segment = segment[covered]
        width = self._width[self._segment]
        u = ((self._covered - keys[self._segment]) / width).astype(np.float32)
        v = 1.0 - u
        self._basis = np.stack([v * v * (1.0 + 2.0 * u), u * u * (3.0 - 2.0 * u), width * u * v * v, -width * u * u * v])
        self._starts = np.flatnonzero(np.diff(self._curve_of, prepend=-1))

    def _secants_of(self, values: Floats) -> Floats:
        return np.divide(np.diff(values), self._width, out=np.zeros_like(self._width), where=self._inner)

    def move(self, values: NDArray[np.floating[Any]]) -> tuple[Rows, Floats]:
        """Move the keys onto curves ``values`` ``[time, curve]``. Returns all rows, end to end at ``bounds``, and how far each
        curve misses.

        Handles turn with the lines from key to key, so the keys of a curve that is only scaled and shifted fit as well as they
        fitted the first one; no segment leaves the range of its keys.
        """
        dense = np.ascontiguousarray(values, np.float32)
        heights = dense.ravel()[self._place]
        secants = self._secants_of(heights)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.where(self._secants != 0.0, secants / self._secants, np.nan)
        before, after = np.append(np.nan, ratios), np.append(ratios, np.nan)
        before[1:][~self._inner] = after[:-1][~self._inner] = np.nan
        known = np.isfinite(before).astype(np.float32) + np.isfinite(after)
        ratio = (np.nan_to_num(before) + np.nan_to_num(after)) / np.maximum(known, 1.0)
        slopes = self._slopes * ratio
        # A segment is monotone while neither end is steeper than three times its line (Fritsch and Carlson 1980).
        steepest = 3.0 * secants
        low, high = np.minimum(steepest, 0.0), np.maximum(steepest, 0.0)
        left, right = slopes[0], slopes[1]
        left[1:] = np.where(self._inner, np.clip(left[1:], low, high), self._slopes[0, 1:])
        right[:-1] = np.where(self._inner, np.clip(right[:-1], low, high), self._slopes[1, :-1])
        if heights.size:
            left[0], right[-1] = self._slopes[0, 0], self._slopes[1, -1]
        rows = self._rows.copy()
        rows[:, 1] = heights
        rows[:, 3] = heights - self._reach[0] * left
        rows[:, 5] = heights + self._reach[1] * right
        return rows, self._misses(dense, heights, left, right)

    def _misses(self, dense: Floats, heights: Floats, left: Floats, right: Floats) -> Floats:
        misses = np.zeros(self._curve_count, np.float32)
        if self._segment.size == 0:
            return misses
        first, last, into, out = self._basis
        shown = first * heights[:-1][self._segment]
        shown += last * heights[1:][self._segment]
        shown += into * right[:-1][self._segment]
        shown += out * left[1:][self._segment]
        shown -= np.ascontiguousarray(dense.T).ravel()[self._covered]
        np.abs(shown, out=shown)
        misses[self._curve_of[self._starts]] = np.maximum.reduceat(shown, self._starts)
        return misses
