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
_FIRST_SLOPE_ROUNDS = 8
_SLOPE_ROUNDS = 4
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
        return [
            KeyedCurve(empty, empty, np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)) for _ in range(channel_count)
        ]
    # F-Curves hold float32, so that is what the keys must lie on.
    y = np.ascontiguousarray(dense.T, dtype=np.float32).astype(np.float64).ravel()
    samples = _Samples(np.tile(x, channel_count), y, tolerances * _ROUNDING_ROOM, sample_count, channel_count)
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
        return self.x[flat]

    def tolerance_at(self, flat: Indices) -> Floats:
        return self.tolerances[flat // self.sample_count]


@dataclass
class _Segments:
    """What is known of each segment between two keys: the normal equations of its end slopes and its last check.

    ``miss`` is the largest distance from the data that was found with the end slopes ``m0`` and ``m1``; infinite before the
    first check.
    """

    a00: Floats
    a01: Floats
    a11: Floats
    b0: Floats
    b1: Floats
    miss: Floats
    m0: Floats
    m1: Floats

    @classmethod
    def empty(cls, count: int) -> _Segments:
        a00, a01, a11, b0, b1, m0, m1 = np.zeros((7, count))
        return cls(a00, a01, a11, b0, b1, np.full(count, np.inf), m0, m1)

    def copy_to(self, source: Indices, other: _Segments, destination: Indices) -> None:
        for name in ("a00", "a01", "a11", "b0", "b1", "miss", "m0", "m1"):
            getattr(other, name)[destination] = getattr(self, name)[source]


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
    # Two samples of one height are a rounded top between them: one key. Longer stretches hold from key to key.
    holds = run_last[kept] - run_first[kept] > 1
    return np.unique(np.concatenate([run_first[kept], run_last[kept][holds], ends]))


def _split_until_fitting(samples: _Samples, chosen: Indices) -> tuple[Indices, Floats]:
    """Add keys at the worst sample of each segment that misses, until none does. Returns keys and their slopes."""
    keys = chosen
    slopes = np.zeros(keys.size)
    segments = _Segments.empty(keys.size - 1)
    _fill_normal_equations(samples, segments, keys, np.arange(keys.size - 1))
    round_number = 0
    while True:
        slopes = _solve_slopes(samples, keys, slopes, segments, _FIRST_SLOPE_ROUNDS if round_number == 0 else _SLOPE_ROUNDS)
        allowed = samples.tolerance_at(keys[:-1])
        # A change of an end slope moves the curve by at most 4/27 of it times the width, so most segments need no new look.
        moved = np.abs(slopes[:-1] - segments.m0) + np.abs(slopes[1:] - segments.m1)
        bound = segments.miss + moved * np.diff(samples.frames_at(keys)) * (4.0 / 27.0)
        stale = np.flatnonzero((bound > allowed) & (np.diff(keys) > 1))
        first, last = keys[stale], keys[stale + 1]
        miss, worst, at = _check(samples, first, last, slopes[stale], slopes[stale + 1], allowed[stale])
        segments.miss[stale], segments.m0[stale], segments.m1[stale] = miss, slopes[stale], slopes[stale + 1]
        if worst.size == 0:
            return keys, slopes
        if round_number >= _HALVING_ROUND:
            middle = (first[at] + last[at]) // 2
            worst = np.union1d(worst, middle[middle > first[at]])
        place = np.searchsorted(keys, worst)
        merged = np.insert(keys, place, worst)
        # What is known of the segments that were not split stays true.
        intact = np.ones(keys.size - 1, dtype=bool)
        intact[place - 1] = False
        old = np.flatnonzero(intact)
        new = old + np.searchsorted(worst, keys[old])
        grown = _Segments.empty(merged.size - 1)
        segments.copy_to(old, grown, new)
        fresh = np.ones(merged.size - 1, dtype=bool)
        fresh[new] = False
        _fill_normal_equations(samples, grown, merged, np.flatnonzero(fresh))
        slopes = np.insert(slopes, place, 0.0)
        keys, segments = merged, grown
        round_number += 1


def _drop_needless(samples: _Samples, keys: Indices, slopes: Floats, fixed: NDArray[np.bool_]) -> tuple[Indices, Floats]:
    """Drop keys that were added on the way to others and are no longer needed; slopes of the rest stay as they are."""
    harm = np.full(keys.size, np.inf)  # miss without the key, in tolerances
    stale = ~fixed[keys]
    stale[[0, -1]] = False
    while True:
        middle = np.flatnonzero(stale)
        first, last = keys[middle - 1], keys[middle + 1]
        m0, m1 = slopes[middle - 1], slopes[middle + 1]
        rise = (samples.y[last] - samples.y[first]) / (samples.frames_at(last) - samples.frames_at(first))
        steepest = 3.0 * np.abs(rise)
        monotone = (m0 * rise >= 0) & (m1 * rise >= 0) & (np.abs(m0) <= steepest) & (np.abs(m1) <= steepest)
        harm[middle] = np.inf
        middle, first, last, m0, m1 = middle[monotone], first[monotone], last[monotone], m0[monotone], m1[monotone]
        allowed = samples.tolerance_at(first)
        miss, _, _ = _check(samples, first, last, m0, m1, allowed)
        harm[middle] = np.where(miss <= allowed, miss / np.where(allowed > 0, allowed, 1.0), np.inf)
        # Neighbours may not go together: the one that hurts least goes first.
        drop = np.zeros(keys.size, dtype=bool)
        drop[1:-1] = np.isfinite(harm[1:-1]) & (harm[1:-1] < harm[:-2]) & (harm[1:-1] <= harm[2:])
        if not drop.any():
            return keys, slopes
        beside = np.zeros(keys.size, dtype=bool)
        beside[:-1] |= drop[1:]
        beside[1:] |= drop[:-1]
        keys, slopes, harm, stale = keys[~drop], slopes[~drop], harm[~drop], beside[~drop]
        stale &= ~fixed[keys]
        stale[[0, -1]] = False


def _interior(
    samples: _Samples, first: Indices, last: Indices
) -> tuple[Indices, Indices, NDArray[np.float32], NDArray[np.float32]]:
    """The samples between the ends of segments: how many each has, where each begins, and of all samples u in 0..1 and the
    value above the segment's first key.

    float32 is enough, because values are taken from the first key on, and half the memory is most of the time.
    """
    count = last - first - 1
    begin = np.cumsum(count) - count
    flat = np.arange(int(count.sum())) + np.repeat(first + 1 - begin, count)
    start = samples.frames_at(first)
    u = (samples.x[flat] - np.repeat(start, count)).astype(np.float32)
    u *= np.repeat((1.0 / (samples.frames_at(last) - start)).astype(np.float32), count)
    height = (samples.y[flat] - np.repeat(samples.y[first], count)).astype(np.float32)
    return count, begin, u, height


def _fill_normal_equations(samples: _Samples, segments: _Segments, keys: Indices, which: Indices) -> None:
    """Least squares of the interior in the end slopes, for ``which`` segments. Those without an interior stay 0 and fit."""
    empty = keys[which + 1] - keys[which] <= 1
    segments.miss[which[empty]] = 0.0
    which = which[~empty]
    if which.size == 0:
        return
    first, last = keys[which], keys[which + 1]
    count, begin, u, height = _interior(samples, first, last)
    width = samples.frames_at(last) - samples.frames_at(first)
    v = 1.0 - u
    uv = u * v
    height -= np.repeat((samples.y[last] - samples.y[first]).astype(np.float32), count) * (u * u * (3.0 - 2.0 * u))
    v *= uv  # u (1 - u)^2, what a slope at the first key adds
    u *= uv  # u^2 (1 - u), what a slope at the last key takes away
    segments.a00[which] = np.add.reduceat(v * v, begin) * width * width
    segments.a01[which] = np.add.reduceat(v * u, begin) * -width * width
    segments.a11[which] = np.add.reduceat(u * u, begin) * width * width
    segments.b0[which] = np.add.reduceat(v * height, begin) * width
    segments.b1[which] = np.add.reduceat(u * height, begin) * -width


def _check(
    samples: _Samples, first: Indices, last: Indices, m0: Floats, m1: Floats, allowed: Floats
) -> tuple[Floats, Indices, Indices]:
    """How far segments (each with an interior) miss, and of those that miss by more than ``allowed`` the worst sample.

    Returns the largest miss per segment, the flat indices of the worst samples, and which segments these belong to.
    """
    if first.size == 0:
        return np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64)
    count, begin, u, height = _interior(samples, first, last)
    rise = samples.y[last] - samples.y[first]
    width = samples.frames_at(last) - samples.frames_at(first)
    d0, d1 = m0 * width, m1 * width
    fitted = np.repeat((d0 + d1 - 2.0 * rise).astype(np.float32), count)
    fitted *= u
    fitted += np.repeat((3.0 * rise - 2.0 * d0 - d1).astype(np.float32), count)
    fitted *= u
    fitted += np.repeat(d0.astype(np.float32), count)
    fitted *= u
    fitted -= height
    np.abs(fitted, out=fitted)
    miss = np.maximum.reduceat(fitted, begin)
    bad = np.flatnonzero(miss > allowed)
    if bad.size == 0:
        return miss.astype(np.float64), bad, bad
    # The first of equally bad samples.
    sizes = count[bad]
    offset = np.cumsum(sizes) - sizes
    place = np.arange(int(sizes.sum())) + np.repeat(begin[bad] - offset, sizes)
    hits = np.flatnonzero(fitted[place] == np.repeat(miss[bad], sizes))
    hit = hits[np.searchsorted(hits, offset)]
    worst = first[bad] + 1 + (hit - offset)
    return miss.astype(np.float64), worst, bad


def _solve_slopes(samples: _Samples, keys: Indices, slopes: Floats, segments: _Segments, rounds: int) -> Floats:
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
    diagonal[:-1] += segments.a00
    diagonal[1:] += segments.a11
    target = np.zeros(keys.size)
    target[:-1] += segments.b0
    target[1:] += segments.b1
    # A key without samples on either side: the slope that a smooth curve through its neighbours has.
    smooth = np.nan_to_num(0.5 * (before + after))
    bare = diagonal <= 0
    target = np.where(bare, smooth, target)
    diagonal = np.where(bare, 1.0, diagonal)
    right = np.append(np.where(bare[:-1], 0.0, segments.a01), 0.0)
    left = np.append(0.0, np.where(bare[1:], 0.0, segments.a01))
    padded = np.zeros(keys.size + 2)
    padded[1:-1] = slopes
    for _ in range(rounds):
        for parity in (0, 1):
            part = slice(parity, keys.size, 2)
            neighbours = left[part] * padded[parity : parity + keys.size : 2][: left[part].size]
            neighbours += right[part] * padded[parity + 2 : parity + 2 + keys.size : 2][: right[part].size]
            solved = (target[part] - neighbours) / diagonal[part]
            padded[parity + 1 : keys.size + 1 : 2] = np.clip(solved, low[part], high[part])
    return padded[1:-1].copy()


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
