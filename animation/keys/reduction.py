# SPDX-License-Identifier: GPL-3.0-or-later
"""Reduce dense curves to sparse Bezier keys, and evaluate Bezier keys as Blender does.

Every key has both handles a third of the way to its neighbours, so that a segment's x(t) is linear in t and its value is a
plain cubic Hermite polynomial of the frame: what is fitted here is exactly what Blender shows. Keys lie on the data. Slopes are
continuous (aligned handles), flat at extrema and limited so that every segment is monotone: the curve never leaves the range of
its keys, and a closed mouth stays closed.

All channels are reduced in one flat array, so the work is a handful of passes over all samples, in blocks, whatever the number
of keys.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# Blender stores handles as float32: at frame 36,000 a third of a frame is off by 0.002 frames. Fitting to slightly less than
# the tolerance leaves room for that.
_ROUNDING_ROOM = 0.97
# Two samples belong to one flat stretch when they differ by less than this share of the tolerance.
_FLAT_SHARE = 1e-3
# Rounds of projected Gauss-Seidel for the slopes. The error shrinks about 0.56 times per round; the remainder is checked, not
# trusted, so more rounds would only save the odd key.
_FIRST_SLOPE_ROUNDS = 8
_SLOPE_ROUNDS = 4
# From this round on, segments that still do not fit are also halved, so that difficult curves end in logarithmic time.
_HALVING_ROUND = 10
# Samples that are looked at together: more at once are no faster, and an hour of sound would take hundreds of megabytes.
_BLOCK_SAMPLES = 1 << 18
# From one step of ``coarser_steps`` to the next the tolerance shrinks to this share: three steps make a tenth.
STEP_SHARE = 10.0 ** (-1 / 3)


@dataclass(frozen=True)
class KeyedCurve:
    """The Bezier keys of one F-Curve, in order of time.

    ``frames`` and ``values`` are float32 ``[key]``; ``left`` and ``right`` are the handles as (frame, value), float32
    ``[key, 2]``. Raises ValueError if the shapes disagree or the frames do not increase.
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
    limits: ArrayLike | None = None,
    coarser_steps: int = 0,
) -> list[KeyedCurve]:
    """Fit few Bezier keys to dense curves so that at every frame each curve is at most ``tolerance`` away from its data.

    ``frames`` ``[time]`` increase (any spacing), ``values`` are ``[time, channel]``, ``tolerance`` is one number or one per
    channel, in the channel's unit; 0 keeps every frame that is not on a flat stretch. ``required`` (bool ``[time]`` or
    ``[time, channel]``) marks samples that must become keys, such as closures. The first and the last frame are always
    keys, even of a constant channel, so that keys outside the range do not affect it. ``limits`` (``[time, channel]``,
    above 0) are further bounds on the distance at single samples where it matters more; infinite for none.

    ``coarser_steps`` fits to that many larger tolerances first, each ``1 / STEP_SHARE`` times the next, and keeps their
    keys. With one step more at ``STEP_SHARE`` times the tolerance, a channel thus either stays as it was or gets further
    keys and a smaller largest error: fewer keys never come with a smaller one. Raises ValueError if shapes disagree or
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
    # F-Curves hold float32, so the keys must lie on float32 values.
    y = np.ascontiguousarray(dense.T, dtype=np.float32).ravel()
    bounds = None
    if limits is not None:
        bounds = np.ascontiguousarray(np.broadcast_to(np.asarray(limits, np.float32), dense.shape).T).ravel() * _ROUNDING_ROOM
        if not np.all(bounds > 0):
            raise ValueError("limits must be above 0")
        bounds = bounds if np.isfinite(bounds).any() else None
    samples = _Samples(x, y, tolerances, sample_count, channel_count, bounds)
    if sample_count == 1:
        return _to_curves(samples, np.arange(channel_count), np.zeros(channel_count))
    needed = np.zeros((channel_count, sample_count), bool)
    needed[:, [0, -1]] = True
    if required is not None:
        needed |= np.atleast_2d(np.asarray(required, dtype=bool).T)
    shares = STEP_SHARE ** -np.arange(coarser_steps, -1.0, -1.0)
    ladder = [tolerances * (_ROUNDING_ROOM * share) for share in shares]
    turning = _turning_points(samples, ladder)
    keys = np.union1d(np.flatnonzero(needed), turning[0])
    segments = _Segments.empty(keys.size - 1)
    _fill_normal_equations(samples, segments, keys, np.arange(keys.size - 1))
    slopes = _solve_slopes(samples, keys, np.zeros(keys.size), segments, np.arange(keys.size), _FIRST_SLOPE_ROUNDS)
    fit = _Fit(keys, slopes, segments)
    for allowed, extrema in zip(ladder, turning, strict=True):
        fit = _refine(samples.with_tolerances(allowed), fit, extrema, needed.ravel())
    return _to_curves(samples, fit.keys, fit.slopes)


def evaluate_keys(curve: KeyedCurve, frames: ArrayLike) -> NDArray[np.float32]:
    """Evaluate the curve at ``frames`` (any shape) as Blender does for Bezier keys with constant extrapolation.

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
    """Return the largest distance of each curve from its dense data ``[time, channel]``, float64 ``[channel]``."""
    dense = np.asarray(values, dtype=np.float64)
    return np.array([np.max(np.abs(evaluate_keys(curve, frames) - dense[:, i]), initial=0.0) for i, curve in enumerate(curves)])


@dataclass(frozen=True)
class _Samples:
    """All channels end to end in one flat array; sample i of channel c is at ``c * sample_count + i``.

    ``x`` are the frames of each channel ``[sample_count]``. ``limits`` bound the distance at single samples; ``weights``
    are the factors by which a distance counts there, and ``limited`` is the number of limits up to and including each sample.
    """

    x: Floats
    y: NDArray[np.float32]
    tolerances: Floats
    sample_count: int
    channel_count: int
    limits: NDArray[np.float32] | None = None
    weights: NDArray[np.float32] | None = None
    limited: NDArray[np.int32] | None = None

    def rise(self, first: Indices, last: Indices) -> Floats:
        return self.y[last].astype(np.float64) - self.y[first]

    def with_tolerances(self, tolerances: Floats) -> _Samples:
        """Return the same samples with other tolerances."""
        if self.limits is None:
            return replace(self, tolerances=tolerances)
        rows = self.limits.reshape(self.channel_count, self.sample_count)
        weights = tolerances.astype(np.float32)[:, None] / rows
        weights = np.maximum(weights, np.float32(1.0), out=weights).ravel()
        return replace(self, tolerances=tolerances, weights=weights, limited=np.cumsum(weights > 1.0, dtype=np.int32))

    def frames_at(self, flat: Indices) -> Floats:
        return self.x[flat % self.sample_count]

    def tolerance_at(self, flat: Indices) -> Floats:
        return self.tolerances[flat // self.sample_count]


@dataclass
class _Segments:
    """The state of each segment between two keys: the normal equations of its end slopes and its last check.

    ``miss`` is the largest (weighted) distance from the data that was found with the end slopes ``m0`` and ``m1``; infinite
    before the first check.
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

    def take(self, source: Indices) -> _Segments:
        """Select segments by number; -1 stands for a new one without any state."""
        taken = _Segments(*(getattr(self, item.name)[source] for item in fields(self)))
        fresh = np.flatnonzero(source < 0)
        for item in fields(self):
            getattr(taken, item.name)[fresh] = np.inf if item.name == "miss" else 0.0
        return taken


@dataclass(frozen=True)
class _Fit:
    """Keys, their slopes, and the state of the segments between them."""

    keys: Indices
    slopes: Floats
    segments: _Segments


def _turning_points(samples: _Samples, tolerances: Sequence[Floats]) -> list[Indices]:
    """Find the flat indices of every extremum that stands out, with both ends of flat tops, for each tolerance ``[channel]``,
    the largest first.

    An extremum stands out when the curve swings more than twice the tolerance on both sides; a smaller wiggle can be
    replaced by a line through its middle. The result for one tolerance does not depend on those after it.
    """
    n = samples.sample_count
    if n <= 2:
        return [np.zeros(0, np.int64)] * len(tolerances)
    together = max(1, _BLOCK_SAMPLES // n)
    found: list[list[Indices]] = [[] for _ in tolerances]
    for first in range(0, samples.channel_count, together):
        rows = slice(first, first + together)
        turns = _turning_points_of(samples.y[first * n : (first + together) * n], n, [one[rows] for one in tolerances])
        for kept, own in zip(found, turns, strict=True):
            kept.append(own + first * n)
    return [np.concatenate(kept) for kept in found]


def _turning_points_of(y: NDArray[np.float32], n: int, tolerances: Sequence[Floats]) -> list[Indices]:
    """Find the turning points of some channels ``y`` of ``n`` samples each, end to end."""
    flat_step = np.repeat(tolerances[0] * _FLAT_SHARE, n)[:-1]
    step = np.diff(y)
    moving = np.abs(step) > flat_step
    moving[n - 1 :: n] = False  # from one channel to the next
    # Flat runs: a run is the samples between two moving steps, or a single sample.
    is_run_start = np.ones(y.size, dtype=bool)
    is_run_start[1:] = moving
    is_run_start[::n] = True
    run_first = np.flatnonzero(is_run_start)
    run_last = np.append(run_first[1:], y.size) - 1
    height = y[run_first]
    channel = run_first // n
    is_end = np.ones(run_first.size, dtype=bool)
    is_end[1:] = channel[1:] != channel[:-1]
    is_end[:-1] |= is_end[1:]
    is_end[-1] = True
    turns = is_end.copy()
    direction = np.sign(np.diff(height))
    turns[1:-1] |= direction[1:] * direction[:-1] < 0
    found: list[Indices] = []
    for tolerance in tolerances:
        kept = _without_small_swings(height, channel, is_end, np.flatnonzero(turns), 2.0 * tolerance)
        # Two equal samples are a rounded top between them: one key. Longer stretches hold from key to key.
        holds = run_last[kept] - run_first[kept] > 1
        found.append(np.unique(np.concatenate([run_first[kept], run_last[kept][holds]])))
    return found


def _without_small_swings(
    height: NDArray[np.float32], channel: Indices, is_end: NDArray[np.bool_], kept: Indices, threshold: Floats
) -> Indices:
    """Drop those of the extrema ``kept`` between which the curve swings by no more than its channel's ``threshold``."""
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
            return kept
        kept = kept[~drop]


def _refine(samples: _Samples, fit: _Fit, turning: Indices, required: NDArray[np.bool_]) -> _Fit:
    """Refine the fit with as many further keys as the samples' tolerances require; channels that meet them stay as they are.

    ``turning`` are the samples of :func:`_turning_points`; they and the ``required`` ones stay keys.
    """
    keys, slopes, segments = fit.keys, fit.slopes, fit.segments
    worst = _find_misses(samples, keys, slopes, segments, np.arange(keys.size - 1))
    if worst.size == 0:
        return fit
    active = np.zeros(samples.channel_count, bool)
    active[worst // samples.sample_count] = True
    turning = turning[active[turning // samples.sample_count]]
    fewest = np.bincount(keys // samples.sample_count)
    added = np.setdiff1d(np.union1d(worst, turning), keys, assume_unique=True)
    for round_number in itertools.count():
        place = np.searchsorted(keys, added) + np.arange(added.size)
        is_old = np.ones(keys.size + added.size, bool)
        is_old[place] = False
        keys, slopes = _merge(is_old, keys, added), _merge(is_old, slopes, np.zeros(added.size))
        segments = _carry_over(samples, segments, keys, np.where(is_old[:-1] & is_old[1:], np.cumsum(is_old[:-1]) - 1, -1))
        # Slopes still move noticeably only near new keys.
        near = np.zeros(keys.size, bool)
        for reach in range(-_SLOPE_ROUNDS, _SLOPE_ROUNDS + 1):
            near[np.clip(place + reach, 0, keys.size - 1)] = True
        near &= active[keys // samples.sample_count]
        slopes = _solve_slopes(samples, keys, slopes, segments, np.flatnonzero(near), _SLOPE_ROUNDS)
        touched = np.flatnonzero(near[:-1] | near[1:])
        added = _find_misses(samples, keys, slopes, segments, touched, halving=round_number >= _HALVING_ROUND)
        if added.size == 0:
            break
    fixed = required.copy()
    fixed[turning] = True
    kept = _drop_needless(samples, keys, slopes, fixed, fewest)
    segments = _carry_over(samples, segments, keys[kept], np.where(np.diff(kept) == 1, kept[:-1], -1))
    return _Fit(keys[kept], slopes[kept], segments)


def _merge(is_old: NDArray[np.bool_], old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
    merged = np.empty(is_old.size, old.dtype)
    merged[is_old] = old
    merged[~is_old] = new
    return merged


def _find_misses(
    samples: _Samples, keys: Indices, slopes: Floats, segments: _Segments, which: Indices, *, halving: bool = False
) -> Indices:
    """Find the worst sample of each of ``which`` segments that misses by more than the tolerance; ``halving`` adds their
    middles.

    Results are stored in the segments.
    """
    first, last = keys[which], keys[which + 1]
    m0, m1 = slopes[which], slopes[which + 1]
    allowed = samples.tolerance_at(first)
    # A change of an end slope moves the curve by at most 4/27 of it times the width, so most segments need no new check.
    moved = np.abs(m0 - segments.m0[which]) + np.abs(m1 - segments.m1[which])
    bound = segments.miss[which] + moved * (samples.frames_at(last) - samples.frames_at(first)) * (4.0 / 27.0)
    is_stale = bound > allowed
    if samples.limited is not None:
        is_stale |= (moved > 0) & (samples.limited[last] > samples.limited[first])
    stale = np.flatnonzero(is_stale & (last - first > 1))
    first, last, m0, m1, which = first[stale], last[stale], m0[stale], m1[stale], which[stale]
    miss, worst, at = _check(samples, first, last, m0, m1, allowed[stale])
    segments.miss[which], segments.m0[which], segments.m1[which] = miss, m0, m1
    if halving:
        middle = (first[at] + last[at]) // 2
        worst = np.union1d(worst, middle[middle > first[at]])
    return worst


def _carry_over(samples: _Samples, segments: _Segments, keys: Indices, source: Indices) -> _Segments:
    """Build the segments between ``keys``, keeping known state: ``source`` is the number that each had, or -1 for a new one."""
    carried = segments.take(source)
    _fill_normal_equations(samples, carried, keys, np.flatnonzero(source < 0))
    return carried


def _drop_needless(samples: _Samples, keys: Indices, slopes: Floats, fixed: NDArray[np.bool_], fewest: Indices) -> Indices:
    """Drop keys that were added on the way to others and are no longer needed; returns those that remain. Slopes stay.

    ``fixed`` samples stay keys, and every channel keeps at least ``fewest`` keys.
    """
    kept = np.arange(keys.size)
    harm = np.full(keys.size, np.inf)  # miss without the key, in tolerances
    stale = ~fixed[keys]
    stale[[0, -1]] = False
    while True:
        middle = np.flatnonzero(stale)
        first, last = keys[middle - 1], keys[middle + 1]
        m0, m1 = slopes[middle - 1], slopes[middle + 1]
        rise = samples.rise(first, last) / (samples.frames_at(last) - samples.frames_at(first))
        steepest = 3.0 * np.abs(rise)
        monotone = (m0 * rise >= 0) & (m1 * rise >= 0) & (np.abs(m0) <= steepest) & (np.abs(m1) <= steepest)
        harm[middle] = np.inf
        middle, first, last, m0, m1 = middle[monotone], first[monotone], last[monotone], m0[monotone], m1[monotone]
        allowed = samples.tolerance_at(first)
        miss, _, _ = _check(samples, first, last, m0, m1, allowed)
        harm[middle] = np.where(miss <= allowed, miss / np.where(allowed > 0, allowed, 1.0), np.inf)
        # Neighbours may not be removed together: the one with the smaller effect goes first.
        drop = np.zeros(keys.size, dtype=bool)
        drop[1:-1] = np.isfinite(harm[1:-1]) & (harm[1:-1] < harm[:-2]) & (harm[1:-1] <= harm[2:])
        channel = keys // samples.sample_count
        left = np.bincount(channel) - np.bincount(channel[drop], minlength=samples.channel_count)
        drop &= (left >= fewest)[channel]
        if not drop.any():
            return kept
        beside = np.zeros(keys.size, dtype=bool)
        beside[:-1] |= drop[1:]
        beside[1:] |= drop[:-1]
        kept, keys, slopes, harm, stale = kept[~drop], keys[~drop], slopes[~drop], harm[~drop], beside[~drop]
        stale &= ~fixed[keys]
        stale[[0, -1]] = False


def _interior(
    samples: _Samples, first: Indices, last: Indices
) -> tuple[Indices, Indices, NDArray[np.float32], NDArray[np.float32]]:
    """Collect the samples between the ends of segments: how many each has, where each begins, and for all samples u in 0..1 and
    the value relative to the segment's first key.

    float32 is enough, because values are relative to the first key; it halves the memory, which takes most of the time.
    """
    count = last - first - 1
    begin = np.cumsum(count) - count
    flat = np.arange(int(count.sum())) + np.repeat(first + 1 - begin, count)
    start = samples.frames_at(first)
    height = samples.y[flat]
    flat %= samples.sample_count
    u = (samples.x[flat] - np.repeat(start, count)).astype(np.float32)
    u *= np.repeat((1.0 / (samples.frames_at(last) - start)).astype(np.float32), count)
    height -= np.repeat(samples.y[first], count)
    return count, begin, u, height


def _fill_normal_equations(samples: _Samples, segments: _Segments, keys: Indices, which: Indices) -> None:
    """Fill in the least squares of the interior in the end slopes, for ``which`` segments; those without an interior stay 0 and
    fit."""
    empty = keys[which + 1] - keys[which] <= 1
    segments.miss[which[empty]] = 0.0
    which = which[~empty]
    for block in _blocks(keys[which], keys[which + 1]):
        _fill_equations(samples, segments, keys, which[block])


def _blocks(first: Indices, last: Indices) -> Iterator[slice]:
    """Divide segments into stretches of as many as have about ``_BLOCK_SAMPLES`` samples together."""
    if first.size == 0:
        return
    block = np.cumsum(last - first) // _BLOCK_SAMPLES
    edges = np.flatnonzero(np.diff(block)) + 1
    yield from map(slice, [0, *edges.tolist()], [*edges.tolist(), first.size])


def _fill_equations(samples: _Samples, segments: _Segments, keys: Indices, which: Indices) -> None:
    first, last = keys[which], keys[which + 1]
    count, begin, u, height = _interior(samples, first, last)
    width = samples.frames_at(last) - samples.frames_at(first)
    v = 1.0 - u
    uv = u * v
    height -= np.repeat(samples.y[last] - samples.y[first], count) * (u * u * (3.0 - 2.0 * u))
    v *= uv  # u (1 - u)^2, the contribution of a slope at the first key
    u *= uv  # u^2 (1 - u), that of a slope at the last key, negated
    segments.a00[which] = np.add.reduceat(v * v, begin) * width * width
    segments.a01[which] = np.add.reduceat(v * u, begin) * -width * width
    segments.a11[which] = np.add.reduceat(u * u, begin) * width * width
    segments.b0[which] = np.add.reduceat(v * height, begin) * width
    segments.b1[which] = np.add.reduceat(u * height, begin) * -width


def _check(
    samples: _Samples, first: Indices, last: Indices, m0: Floats, m1: Floats, allowed: Floats
) -> tuple[Floats, Indices, Indices]:
    """Check how far segments (each with an interior) miss, and find the worst sample where one misses by more than ``allowed``.

    Returns the largest miss per segment, the flat indices of the worst samples, and which segments these belong to.
    """
    misses, worst, bad = [np.zeros(0)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for block in _blocks(first, last):
        found = _check_block(samples, first[block], last[block], m0[block], m1[block], allowed[block])
        misses.append(found[0])
        worst.append(found[1])
        bad.append(found[2] + block.start)
    return np.concatenate(misses), np.concatenate(worst), np.concatenate(bad)


def _check_block(
    samples: _Samples, first: Indices, last: Indices, m0: Floats, m1: Floats, allowed: Floats
) -> tuple[Floats, Indices, Indices]:
    """Check segments like :func:`_check`, all of them at once."""
    count, begin, u, height = _interior(samples, first, last)
    rise = samples.rise(first, last)
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
    if samples.weights is not None:
        flat = np.arange(fitted.size) + np.repeat(first + 1 - begin, count)
        fitted *= samples.weights[flat]
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


def _solve_slopes(samples: _Samples, keys: Indices, slopes: Floats, segments: _Segments, which: Indices, rounds: int) -> Floats:
    """Solve for the slopes at ``which`` keys by least squares within the limits of monotone segments.

    The limits are those of Fritsch and Carlson 1980. The method is projected Gauss-Seidel over even, then odd keys; channels
    are independent, because the step from one channel to the next has no interior; so a few are solved at a time.
    """
    padded = np.concatenate([[0.0], slopes, [0.0]])
    channel = keys[which] // samples.sample_count
    # Each key takes as much memory here as two dozen samples elsewhere.
    block = np.searchsorted(which, np.searchsorted(keys, channel * samples.sample_count)) // (_BLOCK_SAMPLES // 16)
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), which.size]
    for first, last in zip(edges, edges[1:]):
        _solve_block(samples, keys, padded, segments, which[first:last], rounds)
    return padded[1:-1]


def _solve_block(samples: _Samples, keys: Indices, padded: Floats, segments: _Segments, which: Indices, rounds: int) -> None:
    """Solve for the slopes at all of ``which`` keys of some channels at once, in ``padded``, the slopes between two zeros."""
    here = keys[which]
    left = np.maximum(which - 1, 0)
    right = np.minimum(which, keys.size - 2)
    before, after = _secants(samples, keys[left], here), _secants(samples, here, keys[right + 1])
    # The end of a channel has only one neighbour; there the slope may be anything monotone.
    before, after = np.where(np.isnan(before), after, before), np.where(np.isnan(after), before, after)
    steepest = np.where(before * after > 0, 3.0 * np.minimum(np.abs(before), np.abs(after)), 0.0)
    low = np.where(after > 0, 0.0, -steepest)
    high = np.where(after > 0, steepest, 0.0)
    has_left, has_right = which > 0, which < keys.size - 1
    diagonal = np.where(has_left, segments.a11[left], 0.0) + np.where(has_right, segments.a00[right], 0.0)
    target = np.where(has_left, segments.b1[left], 0.0) + np.where(has_right, segments.b0[right], 0.0)
    # A key without samples on either side gets the slope of a smooth curve through its neighbours.
    bare = diagonal <= 0
    target = np.where(bare, 0.5 * (before + after), target)
    diagonal = np.where(bare, 1.0, diagonal)
    pull_left = np.where(bare | ~has_left, 0.0, segments.a01[left]) / diagonal
    pull_right = np.where(bare | ~has_right, 0.0, segments.a01[right]) / diagonal
    target /= diagonal
    halves = [np.flatnonzero(which % 2 == parity) for parity in (0, 1)]
    parts = [(which[half], pull_left[half], pull_right[half], target[half], low[half], high[half]) for half in halves]
    for _ in range(rounds):
        for at, from_left, from_right, wanted, lowest, highest in parts:
            solved = wanted - from_left * padded[at] - from_right * padded[at + 2]
            padded[at + 1] = np.clip(solved, lowest, highest)


def _secants(samples: _Samples, first: Indices, last: Indices) -> Floats:
    """Return the slope from each sample of ``first`` to that of ``last``; NaN where they are the same or of two channels."""
    apart = (first < last) & (first // samples.sample_count == last // samples.sample_count)
    width = np.where(apart, samples.frames_at(last) - samples.frames_at(first), np.nan)
    return samples.rise(first, last) / width


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
        # Outer handles are flat, so that the way to and from keys outside does not overshoot.
        slope_left = np.append(0.0, slope[1:])
        slope_right = np.append(slope[:-1], 0.0)
        left = np.stack([frames - reach_left, values - slope_left * reach_left], axis=1)
        right = np.stack([frames + reach_right, values + slope_right * reach_right], axis=1)
        curves.append(KeyedCurve(frames.astype(np.float32), values.astype(np.float32), left, right))
    return curves


def _shorten(x: Floats, y: Floats, handle: Floats, width: Floats) -> tuple[Floats, Floats]:
    """Scale a handle that reaches further than the segment back to its width."""
    dx, dy = handle[..., 0] - x, handle[..., 1] - y
    reach = np.abs(dx)
    scale = np.where(reach > width, width / np.where(reach > 0, reach, 1.0), 1.0)
    return x + dx * scale, y + dy * scale


def _bezier(t: Floats, p0: Floats, p1: Floats, p2: Floats, p3: Floats) -> Floats:
    s = 1.0 - t
    return s * s * s * p0 + 3.0 * s * s * t * p1 + 3.0 * s * t * t * p2 + t * t * t * p3


def _solve_bezier(x: Floats, x0: Floats, x1: Floats, x2: Floats, x3: Floats) -> Floats:
    """Solve x(t) = x for t by bisection and Newton steps inside the bracket; x(t) is monotone because handles are shortened."""
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
