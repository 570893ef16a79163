# SPDX-License-Identifier: GPL-3.0-or-later
"""Resample from the model's frame rate to the scene's: band-limited, with short events kept on the nearest frame.

Seconds count from the start of the sound. The sound's place in the scene is Blender's concern (blender/scene.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .curves import ChannelCurves

# Lobes of the windowed sinc on each side. Two lobes ring so little that the clamp to the neighbourhood hardly acts, and at 50
# -> 24 frames a second leave 3 Hz untouched and remove 20 Hz (tests/unit/test_timing.py).
_LOBES = 2
_ROWS_AT_ONCE = 8192


def resample_to_frames(
    curves: ChannelCurves,
    fps: float,
    first_seconds: float,
    *,
    frame_count: int | None = None,
    event_weights: ArrayLike | None = None,
    event_channels: Sequence[str] | None = None,
) -> ChannelCurves:
    """Sample ``curves`` at ``first_seconds + k / fps`` for k = 0, 1, ...

    At a lower rate, movement too fast for it is removed instead of aliased into slower movement. The result never leaves
    the range of the nearby source samples, so a curve at rest at 0 stays at 0. Beyond its ends a curve holds its first or
    last value.

    ``event_weights`` ``[time]`` in 0..1 states for each source row how important it is to keep it, 1 for a closure. Each
    stretch of weights of one half or more marks the frames inside it, or the nearest frame if it falls between two, and
    these take the source's own values. ``event_channels`` limits this to some channels. The result's ``start_seconds`` is
    ``first_seconds``; without ``frame_count`` it ends with the last frame inside the curves (at least one frame). Raises
    ValueError for a rate that is not positive or weights of another length, KeyError for an unknown channel.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"{fps} frames a second is not positive")
    if curves.frame_count == 0:
        raise ValueError("curves without samples cannot be resampled")
    if frame_count is None:
        last = curves.start_seconds + (curves.frame_count - 1) / curves.frame_rate
        frame_count = max(1, math.floor((last - first_seconds) * fps + 1e-6) + 1)
    seconds = first_seconds + np.arange(frame_count, dtype=np.float64) / fps
    position = (seconds - curves.start_seconds) * curves.frame_rate
    # Rounding must not push a frame off the source row that it lies on.
    row = np.rint(position)
    position = np.where(np.abs(position - row) < 1e-6, row, position)
    values = _band_limited(curves.values, position, max(1.0, curves.frame_rate / fps))
    if event_weights is not None:
        weights = np.asarray(event_weights, dtype=np.float64)
        if weights.shape != (curves.frame_count,):
            raise ValueError(f"{weights.shape} event weights do not go with {curves.frame_count} rows")
        columns = _columns(curves, event_channels)
        frames, rows, strength = _event_frames(weights, position)
        if frames.size:
            kept = _linear(curves.values[:, columns], rows)
            part = values[np.ix_(frames, columns)]
            values[np.ix_(frames, columns)] = part + strength[:, None].astype(np.float32) * (kept - part)
    return ChannelCurves(curves.names, fps, values, first_seconds)


def _columns(curves: ChannelCurves, names: Sequence[str] | None) -> NDArray[np.int64]:
    if names is None:
        return np.arange(len(curves.names))
    for name in names:
        curves.channel(name)  # raises KeyError for an unknown name
    return np.array([curves.names.index(name) for name in names], dtype=np.int64)


def _linear(values: NDArray[np.float32], position: NDArray[np.float64]) -> NDArray[np.float32]:
    """Interpolate values linearly at fractional rows, ``[position, channel]``."""
    position = np.clip(position, 0, values.shape[0] - 1)
    low = np.minimum(np.floor(position).astype(np.int64), max(values.shape[0] - 2, 0))
    high = np.minimum(low + 1, values.shape[0] - 1)
    share = (position - low).astype(np.float32)[:, None]
    return values[low] * (1 - share) + values[high] * share


def _band_limited(values: NDArray[np.float32], position: NDArray[np.float64], stretch: float) -> NDArray[np.float32]:
    """Interpolate at fractional rows with a windowed sinc; ``stretch`` widens the kernel to the slower of the two rates."""
    if position.size > _ROWS_AT_ONCE:
        # Every row stands for itself; an hour at once would take 150 MB.
        pieces = np.array_split(position, math.ceil(position.size / _ROWS_AT_ONCE))
        return np.concatenate([_band_limited(values, piece, stretch) for piece in pieces])
    count = values.shape[0]
    base = np.floor(position).astype(np.int64)
    reach = math.ceil(_LOBES * stretch)
    offsets = np.arange(-reach + 1, reach + 1)
    distance = (base[:, None] + offsets - position[:, None]) / stretch
    window = np.where(np.abs(distance) < _LOBES, np.cos(np.pi * distance / (2 * _LOBES)) ** 2, 0.0)
    weights = np.sinc(distance) * window
    weights[np.abs(weights) < 1e-9] = 0.0  # on a source row at an equal rate no other row may contribute
    weights /= weights.sum(axis=1, keepdims=True)
    weights32 = weights.astype(np.float32)
    result = np.zeros((position.size, values.shape[1]), np.float32)
    low = np.full_like(result, np.inf)
    high = np.full_like(result, -np.inf)
    near = np.abs(distance) <= 1.0
    for tap, offset in enumerate(offsets):
        rows = values[np.clip(base + offset, 0, count - 1)]
        result += weights32[:, tap, None] * rows
        beside = near[:, tap, None]
        np.minimum(low, rows, out=low, where=beside)
        np.maximum(high, rows, out=high, where=beside)
    return np.clip(result, low, high)


def _event_frames(
    weights: NDArray[np.float64], position: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Find the target frames that belong to events: their indices, and the source row and weight of each."""
    strong = np.concatenate([[False], weights >= 0.5, [False]])
    first = np.flatnonzero(strong[1:] & ~strong[:-1])
    last = np.flatnonzero(~strong[1:] & strong[:-1]) - 1
    if first.size == 0 or position.size == 0:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    # Frames inside events.
    begin = np.searchsorted(position, first)
    end = np.searchsorted(position, last, side="right")
    inside = np.zeros(position.size + 1, dtype=np.int64)
    np.add.at(inside, begin, 1)
    np.add.at(inside, end, -1)
    frames = np.flatnonzero(np.cumsum(inside[:-1]) > 0)
    rows = position[frames]
    # Events between two frames: the nearest frame takes the event's strongest row, unless it lies outside the range.
    short = np.flatnonzero(begin == end)
    centre = (first[short] + last[short]) / 2
    right = np.clip(np.searchsorted(position, centre), 0, position.size - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(position[left] - centre) <= np.abs(position[right] - centre), left, right)
    half_frame = 0.5 * (position[1] - position[0]) if position.size > 1 else 0.5
    reached = np.abs(position[nearest] - centre) <= half_frame + 1e-6
    peak = np.array([first[s] + np.argmax(weights[first[s] : last[s] + 1]) for s in short[reached]], dtype=np.float64)
    fresh = ~np.isin(nearest[reached], frames)
    extra, where = np.unique(nearest[reached][fresh], return_index=True)
    frames = np.concatenate([frames, extra])
    rows = np.concatenate([rows, peak[fresh][where]])
    strength = np.interp(rows, np.arange(weights.size), np.clip(weights, 0.0, 1.0))
    return frames, rows, strength
