# SPDX-License-Identifier: GPL-3.0-or-later
"""Dense curves become sparse Bezier keys, and Bezier keys are evaluated as Blender evaluates them.

Every key has both handles a third of the way to its neighbours, so that a segment's x(t) is linear in t and its value is a
plain cubic Hermite polynomial of the frame: what is fitted here is exactly what Blender shows. Keys lie on the data. Slopes
are continuous (aligned handles), flat at extrema and limited so that every segment is monotone: the curve never leaves the
range of its keys, and a closed mouth stays closed.

All channels are reduced at once in one flat array, so the work is a handful of passes over all samples whatever the number
of keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# Blender stores handles as float32: at frame 36,000 a third of a frame is off by 0.002 frames. Fitting to a little less than
# the tolerance leaves room for that.
_ROUNDING_ROOM = 0.97
# Two samples belong to one flat stretch when they differ by less than this share of the tolerance.
_FLAT_SHARE = 1e-3
# Rounds of projected Gauss-Seidel for the slopes. The error shrinks about 0.56 times per round; what is left is checked, not
# trusted, so more rounds would only save the odd key.
_SLOPE_ROUNDS = 8
# From this round on, segments that still do not fit are also halved, so that awkward curves end in logarithmic time.
_HALVING_ROUND = 10


@dataclass(frozen=True)
class KeyedCurve:
    """The Bezier keys of one F-Curve, in order of time.

    ``frames`` and ``values`` are float32 ``[key]``; ``left`` and ``right`` are the handles as (frame, value), float32
    ``[key, 2]``. Raises ValueError when the shapes disagree or the frames do not increase.
    """

    frames: NDArray[np.float32]
    values: NDArray[np.float32]
    left: NDArray[np.float32]
    right: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name in ("frames", "values", "left", "right"):
            array = np.array(getattr(self, name), dtype=np.float32, order="C")
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        count = self.frames.shape[0]
        if self.frames.shape != (count,) or self.values.shape != (count,):
            raise ValueError(f"{self.frames.shape} frames do not go with {self.values.shape} values")
        if self.left.shape != (count, 2) or self.right.shape != (count, 2):
            raise ValueError(f"handles are {self.left.shape} and {self.right.shape}, not ({count}, 2)")
        if np.any(np.diff(self.frames) <= 0):
            raise ValueError("key frames do not increase")

    def __len__(self) -> int:
        return int(self.frames.shape[0])


def reduce_to_keys(
    frames: ArrayLike,
    values: ArrayLike,
    tolerance: float | Sequence[float] | Floats,
    *,
    required: NDArray[np.bool_] | None = None,
) -> list[KeyedCurve]:
    """Fit few Bezier keys to dense curves; at every frame each curve is at most ``tolerance`` away from its data.

    ``frames`` ``[time]`` increase (any spacing), ``values`` are ``[time, channel]``, ``tolerance`` is one number or one per
    channel, in the channel's unit; 0 keeps every frame that is not on a flat stretch. ``required`` (bool ``[time]`` or
    ``[time, channel]``) marks samples that must become keys, such as closures. The first and the last frame are always keys,
    even of a constant channel, so that keys outside the range cannot pull at it. Raises ValueError when shapes disagree or
    anything is not finite.
    """
    x = np.asarray(frames, dtype=np.float64)
    dense = np.asarray(values)
    if dense.ndim != 2 or x.shape != (dense.shape[0],):
        raise ValueError(f"{x.shape} frames do not go with values {dense.shape}")
    sample_count, channel_count = dense.shape
    tolerances = np.broadcast_to(np.asarray(tolerance, dtype=np.float64), (channel_count,))
    if np.any(np.diff(x) <= 0):
        raise ValueError("frames do not increase")
    if not (
        np.all(np.isfinite(x)) and np.all(np.isfinite(dense)) and np.all(np.isfinite(tolerances)) and np.all(tolerances >= 0)
    ):
        raise ValueError("frames, values and tolerances must be finite, tolerances not negative")
    if sample_count == 0 or channel_count == 0:
        empty = np.zeros(0, np.float32)
        return [KeyedCurve(empty, empty, np.zeros((0, 2)), np.zeros((0, 2))) for _ in range(channel_count)]
    # F-Curves hold float32, so that is what the keys must lie on.
    y = np.ascontiguousarray(dense.T, dtype=np.float32).astype(np.float64).ravel()
    samples = _Samples(x, y, tolerances * _ROUNDING_ROOM, sample_count, channel_count)
    chosen = _turning_points(samples)
    if required is not None:
        wanted = np.asarray(required, dtype=bool)
        wanted = np.broadcast_to(wanted[:, None] if wanted.ndim == 1 else wanted, dense.shape)
        chosen = np.union1d(chosen, np.flatnonzero(wanted.T))
    fixed = np.zeros(y.size, dtype=bool)
    fixed[chosen] = True
    keys, slopes = _split_until_fitting(samples, chosen)
    keys, slopes = _drop_needless(samples, keys, slopes, fixed)
    return _to_curves(samples, keys, slopes)


def evaluate_keys(curve: KeyedCurve, frames: ArrayLike) -> NDArray[np.float32]:
    """The curve at ``frames`` (any shape), as Blender evaluates Bezier keys with constant extrapolation.

    Follows ``fcurve_eval_keyframes_interpolate`` and ``BKE_fcurve_correct_bezpart`` (Blender's fcurve.cc): a handle that
    reaches past the neighbouring key is shortened to it, then x(t) = frame is solved for t. Raises ValueError for a curve
    without keys.
    """
    if len(curve) == 0:
        raise ValueError("a curve without keys has no value")
    at = np.asarray(frames, dtype=np.float64)
    key_frames = curve.frames.astype(np.float64)
    if len(curve) == 1:
        return np.full(at.shape, curve.values[0], dtype=np.float32)
    segment = np.clip(np.searchsorted(key_frames, at, side="right") - 1, 0, len(curve) - 2)
    x0, x3 = key_frames[segment], key_frames[segment + 1]
    y0, y3 = curve.values[segment].astype(np.float64), curve.values[segment + 1].astype(np.float64)
    right, left = curve.right[segment].astype(np.float64), curve.left[segment + 1].astype(np.float64)
    x1, y1 = _shorten(x0, y0, right, x3 - x0)
    x2, y2 = _shorten(x3, y3, left, x3 - x0)
    t = _solve_bezier(np.clip(at, x0, x3), x0, x1, x2, x3)
    value = _bezier(t, y0, y1, y2, y3)
    value = np.where(at <= x0, y0, np.where(at >= x3, y3, value))
    return value.astype(np.float32)


def largest_errors(curves: Sequence[KeyedCurve], frames: ArrayLike, values: ArrayLike) -> Floats:
    """The largest distance of each curve from its dense data ``[time, channel]``, float64 ``[channel]``."""
    dense = np.asarray(values, dtype=np.float64)
    return np.array([np.max(np.abs(evaluate_keys(curve, frames) - dense[:, i]), initial=0.0) for i, curve in enumerate(curves)])


@dataclass(frozen=True)
class _Samples:
    """All channels end to end in one flat array; sample i of channel c is at ``c * sample_count + i``."""

    x: Floats
    y: Floats
    tolerances: Floats
    sample_count: int
    channel_count: int

    def frames_at(self, flat: Indices) -> Floats:
        return self.x[flat % self.sample_count]

    def tolerance_at(self, flat: Indices) -> Floats:
        return self.tolerances[flat // self.sample_count]


@dataclass
class _Segments:
    """Normal equations of the slopes at both ends of each segment, and how badly the current slopes miss."""

    a00: Floats
    a01: Floats
    a11: Floats
    b0: Floats
    b1: Floats

    @classmethod
    def empty(cls, count: int) -> _Segments:
        return cls(*(np.zeros(count) for _ in range(5)))

    def take(self, index: Indices) -> _Segments:
        return _Segments(self.a00[index], self.a01[index], self.a11[index], self.b0[index], self.b1[index])

    def put(self, index: Indices, other: _Segments) -> None:
        for name in ("a00", "a01", "a11", "b0", "b1"):
            getattr(self, name)[index] = getattr(other, name)


def _turning_points(samples: _Samples) -> Indices:
    """Flat indices of both ends of every channel and of every extremum that stands out, with both ends of flat tops.

    An extremum stands out when the curve swings more than twice the tolerance on both sides; a smaller wiggle can be
    replaced by a line through its middle.
    """
    n, channels = samples.sample_count, samples.channel_count
    ends = (np.arange(channels)[:, None] * n + np.array([0, n - 1])).ravel()
    if n <= 2:
        return np.unique(ends)
    flat_step = np.repeat(samples.tolerances * _FLAT_SHARE, n)[:-1]
    step = np.diff(samples.y)
    moving = np.abs(step) > flat_step
    moving[n - 1 :: n] = False  # from one channel to the next
    # Flat runs: a run is the samples between two moving steps, or a single sample.
    is_run_start = np.ones(samples.y.size, dtype=bool)
    is_run_start[1:] = moving
    is_run_start[::n] = True
    run_first = np.flatnonzero(is_run_start)
    run_last = np.append(run_first[1:], samples.y.size) - 1
    height = samples.y[run_first]
    channel = run_first // n
    is_end = np.ones(run_first.size, dtype=bool)
    is_end[1:] = channel[1:] != channel[:-1]
    is_end[:-1] |= is_end[1:]
    is_end[-1] = True
    turns = is_end.copy()
    direction = np.sign(np.diff(height))
    turns[1:-1] |= direction[1:] * direction[:-1] < 0
    kept = np.flatnonzero(turns)
    threshold = 2.0 * samples.tolerances
    while True:
        swing = np.abs(np.diff(height[kept]))
        swing[channel[kept[1:]] != channel[kept[:-1]]] = np.inf
        before = np.append(np.inf, swing[:-1])
        after = np.append(swing[1:], np.inf)
        small = (swing <= threshold[channel[kept[:-1]]]) & (swing < before) & (swing <= after)
        drop = np.zeros(kept.size, dtype=bool)
        drop[:-1] |= small
        drop[1:] |= small
        drop &= ~is_end[kept]
        if not drop.any():
            break
        kept = kept[~drop]
    return np.unique(np.concatenate([run_first[kept], run_last[kept], ends]))


def _split_until_fitting(samples: _Samples, chosen: Indices) -> tuple[Indices, Floats]:
    """Add keys at the worst sample of each segment that misses, until none does. Returns keys and their slopes."""
    keys = chosen
    slopes = np.zeros(keys.size)
    equations = _Segments.empty(keys.size - 1)
    equations.put(np.arange(keys.size - 1), _normal_equations(samples, keys[:-1], keys[1:]))
    checked_slopes = np.full((keys.size - 1, 2), np.nan)
    round_number = 0
    while True:
        slopes = _solve_slopes(samples, keys, slopes, equations)
        # Only segments whose slopes moved need another look.
        pair = np.stack([slopes[:-1], slopes[1:]], axis=1)
        stale = np.flatnonzero(~np.all(pair == checked_slopes, axis=1) & (np.diff(keys) > 1))
        worst, miss = _worst_samples(samples, keys[stale], keys[stale + 1], slopes[stale], slopes[stale + 1])
        checked_slopes = pair
        bad = miss > samples.tolerance_at(keys[stale])
        if not bad.any():
            return keys, slopes
        added = worst[bad]
        if round_number >= _HALVING_ROUND:
            first, last = keys[stale[bad]], keys[stale[bad] + 1]
            middle = (first + last) // 2
            added = np.unique(np.append(added, middle[middle > first]))
        # New keys: keep what is known of the segments that were not split.
        place = np.searchsorted(keys, added)
        split = np.unique(place - 1)
        merged = np.insert(keys, place, added)
        start_slopes = np.insert(slopes, place, 0.0)
        intact = np.ones(keys.size - 1, dtype=bool)
        intact[split] = False
        old = np.flatnonzero(intact)
        new_index = np.searchsorted(merged, keys[old])
        new_equations = _Segments.empty(merged.size - 1)
        new_equations.put(new_index, equations.take(old))
        fresh_mask = np.ones(merged.size - 1, dtype=bool)
        fresh_mask[new_index] = False
        fresh = np.flatnonzero(fresh_mask)
        new_equations.put(fresh, _normal_equations(samples, merged[fresh], merged[fresh + 1]))
        new_checked = np.full((merged.size - 1, 2), np.nan)
        new_checked[new_index] = checked_slopes[old]
        keys, slopes, equations, checked_slopes = merged, start_slopes, new_equations, new_checked
        round_number += 1


def _drop_needless(samples: _Samples, keys: Indices, slopes: Floats, fixed: NDArray[np.bool_]) -> tuple[Indices, Floats]:
    """Drop keys that were added on the way to others and are no longer needed; slopes of the rest stay as they are."""
    while True:
        middle = np.flatnonzero(~fixed[keys])
        middle = middle[(middle > 0) & (middle < keys.size - 1)]
        if middle.size == 0:
            return keys, slopes
        first, last = keys[middle - 1], keys[middle + 1]
        m0, m1 = slopes[middle - 1], slopes[middle + 1]
        width = samples.frames_at(last) - samples.frames_at(first)
        rise = (samples.y[last] - samples.y[first]) / width
        monotone = (m0 * rise >= 0) & (m1 * rise >= 0) & (np.abs(m0) <= 3 * np.abs(rise)) & (np.abs(m1) <= 3 * np.abs(rise))
        middle, first, last, m0, m1 = middle[monotone], first[monotone], last[monotone], m0[monotone], m1[monotone]
        _, miss = _worst_samples(samples, first, last, m0, m1)
        ratio = np.full(keys.size, np.inf)
        ratio[middle] = miss / np.maximum(samples.tolerance_at(first), 1e-30)
        # Neighbours may not go together: the one that hurts least goes first.
        inner = ratio[1:-1]
        drop = np.zeros(keys.size, dtype=bool)
        drop[1:-1] = (inner <= 1.0) & (inner < ratio[:-2]) & (inner <= ratio[2:])
        if not drop.any():
            return keys, slopes
        keys, slopes = keys[~drop], slopes[~drop]


def _interior(samples: _Samples, first: Indices, last: Indices) -> tuple[Indices, Indices, Indices, Floats, Floats]:
    """The samples between the ends of segments: owner and flat index of each, where owners begin, u in 0..1, widths."""
    count = last - first - 1
    begin = np.cumsum(count) - count
    owner = np.repeat(np.arange(first.size), count)
    flat = np.arange(int(count.sum())) + np.repeat(first + 1 - begin, count)
    start = samples.frames_at(first)
    width = samples.frames_at(last) - start
    u = (samples.frames_at(flat) - start[owner]) / width[owner]
    return owner, flat, begin, u, width


def _normal_equations(samples: _Samples, first: Indices, last: Indices) -> _Segments:
    """Least squares of each segment's interior in its end slopes. Segments without an interior give zeros."""
    result = _Segments.empty(first.size)
    filled = np.flatnonzero(last - first > 1)
    if filled.size == 0:
        return result
    first, last = first[filled], last[filled]
    owner, flat, begin, u, width = _interior(samples, first, last)
    y0, y1 = samples.y[first], samples.y[last]
    rest = samples.y[flat] - y0[owner] - (y1 - y0)[owner] * (u * u * (3.0 - 2.0 * u))
    v = 1.0 - u
    basis0 = u * v * v
    basis1 = -u * u * v
    part = _Segments(
        np.add.reduceat(basis0 * basis0, begin) * width * width,
        np.add.reduceat(basis0 * basis1, begin) * width * width,
        np.add.reduceat(basis1 * basis1, begin) * width * width,
        np.add.reduceat(basis0 * rest, begin) * width,
        np.add.reduceat(basis1 * rest, begin) * width,
    )
    result.put(filled, part)
    return result


def _solve_slopes(samples: _Samples, keys: Indices, slopes: Floats, equations: _Segments) -> Floats:
    """The least-squares slopes at all keys within the limits of monotone segments (Fritsch and Carlson 1980).

    Projected Gauss-Seidel over even, then odd keys; channels do not touch, because the step from one channel to the next
    has no interior.
    """
    width = np.diff(samples.frames_at(keys))
    rise = np.diff(samples.y[keys])
    border = keys[1:] // samples.sample_count != keys[:-1] // samples.sample_count
    secant = np.where(border, np.nan, rise / np.where(border, 1.0, width))
    before = np.append(np.nan, secant)
    after = np.append(secant, np.nan)
    # An end of a channel has one neighbour only; there the slope may be anything monotone.
    before = np.where(np.isnan(before), after, before)
    after = np.where(np.isnan(after), before, after)
    steepest = 3.0 * np.minimum(np.abs(before), np.abs(after))
    steepest = np.where(before * after > 0, steepest, 0.0)
    rising = after > 0
    low = np.where(rising, 0.0, -steepest)
    high = np.where(rising, steepest, 0.0)
    low, high = np.nan_to_num(low), np.nan_to_num(high)
    diagonal = np.zeros(keys.size)
    diagonal[:-1] += equations.a00
    diagonal[1:] += equations.a11
    target = np.zeros(keys.size)
    target[:-1] += equations.b0
    target[1:] += equations.b1
    # A key without samples on either side: the slope that a smooth curve through its neighbours has.
    smooth = np.nan_to_num(0.5 * (before + after))
    bare = diagonal <= 0
    target = np.where(bare, smooth, target)
    diagonal = np.where(bare, 1.0, diagonal)
    right = np.append(np.where(bare[:-1], 0.0, equations.a01), 0.0)
    left = np.append(0.0, np.where(bare[1:], 0.0, equations.a01))
    padded = np.zeros(keys.size + 2)
    padded[1:-1] = slopes
    for _ in range(_SLOPE_ROUNDS):
        for parity in (0, 1):
            part = slice(parity, keys.size, 2)
            neighbours = left[part] * padded[parity : parity + keys.size : 2][: left[part].size]
            neighbours += right[part] * padded[parity + 2 : parity + 2 + keys.size : 2][: right[part].size]
            solved = (target[part] - neighbours) / diagonal[part]
            padded[parity + 1 : keys.size + 1 : 2] = np.clip(solved, low[part], high[part])
    return padded[1:-1].copy()


def _worst_samples(samples: _Samples, first: Indices, last: Indices, m0: Floats, m1: Floats) -> tuple[Indices, Floats]:
    """For each segment (with an interior) the flat index of the sample it misses most, and by how much."""
    if first.size == 0:
        return np.zeros(0, np.int64), np.zeros(0)
    owner, flat, begin, u, width = _interior(samples, first, last)
    y0, y1 = samples.y[first], samples.y[last]
    v = 1.0 - u
    fitted = (
        y0[owner] + (y1 - y0)[owner] * (u * u * (3.0 - 2.0 * u)) + u * v * ((m0 * width)[owner] * v - (m1 * width)[owner] * u)
    )
    miss = np.abs(fitted - samples.y[flat])
    largest = np.maximum.reduceat(miss, begin)
    where = np.flatnonzero(miss == largest[owner])
    worst = np.empty(first.size, np.int64)
    worst[owner[where]] = flat[where]
    return worst, largest


def _to_curves(samples: _Samples, keys: Indices, slopes: Floats) -> list[KeyedCurve]:
    """Cut the flat keys into channels and give them handles at thirds of their intervals."""
    x = samples.frames_at(keys)
    y = samples.y[keys]
    bounds = np.searchsorted(keys, np.arange(samples.channel_count + 1) * samples.sample_count)
    curves: list[KeyedCurve] = []
    for first, last in zip(bounds[:-1], bounds[1:], strict=True):
        frames, values, slope = x[first:last], y[first:last], slopes[first:last]
        third = np.diff(frames) / 3.0
        outer = third[[0, -1]] if third.size else np.full(2, 1.0 / 3.0)
        reach_left = np.append(outer[0], third)
        reach_right = np.append(third, outer[1])
        # Beyond the ends the handles are flat, so that the way to and from keys outside does not overshoot.
        slope_left = np.append(0.0, slope[1:])
        slope_right = np.append(slope[:-1], 0.0)
        left = np.stack([frames - reach_left, values - slope_left * reach_left], axis=1)
        right = np.stack([frames + reach_right, values + slope_right * reach_right], axis=1)
        curves.append(KeyedCurve(frames.astype(np.float32), values.astype(np.float32), left, right))
    return curves


def _shorten(x: Floats, y: Floats, handle: Floats, width: Floats) -> tuple[Floats, Floats]:
    """A handle that reaches further than the segment is scaled back to its width."""
    dx, dy = handle[..., 0] - x, handle[..., 1] - y
    reach = np.abs(dx)
    scale = np.where(reach > width, width / np.where(reach > 0, reach, 1.0), 1.0)
    return x + dx * scale, y + dy * scale


def _bezier(t: Floats, p0: Floats, p1: Floats, p2: Floats, p3: Floats) -> Floats:
    s = 1.0 - t
    return s * s * s * p0 + 3.0 * s * s * t * p1 + 3.0 * s * t * t * p2 + t * t * t * p3


def _solve_bezier(x: Floats, x0: Floats, x1: Floats, x2: Floats, x3: Floats) -> Floats:
    """t with x(t) = x by bisection and Newton's steps inside the bracket; x(t) does not turn back (handles are shortened)."""
    low, high = np.zeros_like(x), np.ones_like(x)
    t = (x - x0) / (x3 - x0)
    for _ in range(60):
        here = _bezier(t, x0, x1, x2, x3) - x
        low = np.where(here < 0, t, low)
        high = np.where(here > 0, t, high)
        s = 1.0 - t
        speed = 3.0 * (s * s * (x1 - x0) + 2.0 * s * t * (x2 - x1) + t * t * (x3 - x2))
        with np.errstate(divide="ignore", invalid="ignore"):
            step = t - here / speed
        inside = np.isfinite(step) & (step > low) & (step < high)
        following = np.where(here == 0, t, np.where(inside, step, 0.5 * (low + high)))
        if np.max(np.abs(following - t), initial=0.0) < 1e-12:
            return following
        t = following
    return t
