# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of a generated mouth: pure functions from curves (and known properties of the sound) to tallies.

A tally is a pair (numerator, denominator). Tallies of several clips are added before they are divided, so a clip weighs as
much as the sounds in it, and whole speakers can be resampled for a standard error. Every function looks only at
``ChannelCurves``: a network in training, an exported package, a baseline and another program's poses are measured by the
same code.

Channels are interpolated linearly between their samples, as Blender shows them between two keys; seals are
timed on a grid of 5 ms, so that 25 and 100 frames a second are treated alike.

=====================  ========================================================================================
measure                definition
=====================  ========================================================================================
sealed                 gap < 0.15 * (95th percentile of gap over the clip). A mouth that never opens seals nothing.
closure recall         share of P B M whose window [start - 60 ms, end + 40 ms] holds one seal of 40 ms or more
false closure          share of vowels longer than 60 ms that are sealed anywhere in their middle 60 %
sealed tongue          share of T D K G N NG S Z SH ZH CH JH L R TH DH HH longer than 30 ms sealed half their time
labiodental recall     share of F V whose window, as above, holds 40 ms or more of the lower lip at the teeth:
                       height of the lower lip >= -0.13 cm (animation/face/lips.py)
false labiodental      share of vowels longer than 60 ms with the lower lip at the teeth throughout the middle 60 %:
                       without it a mouth that never opens would have a labiodental recall of 1
opening, width, jaw r  Pearson's r with a tracked mouth at the tracked instants; a constant curve scores 0
lag                    the delay L with the best mean over clips of r(curve(t + L), tracked(t)): above 0 the curve is
                       late; beside it the median of the clips' own best L
MTM                    mean |offset| of the opening's extrema from the tracked mouth's, matched in order (below)
stillness              mean over time of the summed squared channel speed, over the same in speech
jitter                 share of the channels' motion energy (spectrum of their speed) above 10 Hz
=====================  ========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.face import lips
from ...animation.face.phones import BILABIALS, TONGUE_CONSONANTS, VOWELS, TimedPhone

LABIODENTALS = frozenset(("F", "V"))

GRID_SECONDS = 0.005
CONTACT_SECONDS = 0.04
"""A run of n grid points counts as n times 5 ms.

Lengths of phones get 0.1 ms of tolerance, because they are rounded to 10 ms.
"""
BEFORE_SECONDS = 0.06
AFTER_SECONDS = 0.04
JITTER_HZ = 10.0
MATCH_SECONDS = 0.2
EXTREMUM_SHARE = 0.2

FloatArray = NDArray[np.float64]

_LIP_CHANNELS = frozenset(lips.GAP_CENTIMETRES) | frozenset(lips.WIDTH_CENTIMETRES) | frozenset(lips.LOWER_LIP_CENTIMETRES)


class Tally(NamedTuple):
    """A numerator and a denominator that are added up over clips before dividing."""

    numerator: float
    denominator: float


def motion_channels(names: Sequence[str]) -> list[int]:
    """Select the columns that count as motion of the face: all except the visemes, which duplicate it."""
    return [index for index, name in enumerate(names) if not name.startswith("viseme")]


def sample_curves(curves: ChannelCurves, seconds: FloatArray) -> ChannelCurves | None:
    """Sample curves at ``seconds`` (evenly spaced, increasing), linear between samples and held beyond the ends.

    Returns None for curves without any sample.
    """
    if curves.frame_count == 0 or len(seconds) < 2:
        return None
    position = np.clip((seconds - curves.start_seconds) * curves.frame_rate, 0, curves.frame_count - 1)
    lower = np.minimum(position.astype(np.int64), max(curves.frame_count - 2, 0))
    upper = np.minimum(lower + 1, curves.frame_count - 1)
    share = (position - lower).astype(np.float32)[:, None]
    values = curves.values[lower] * (1 - share) + curves.values[upper] * share
    return ChannelCurves(curves.names, 1.0 / float(seconds[1] - seconds[0]), values, float(seconds[0]))


def fine_grid(curves: ChannelCurves) -> ChannelCurves:
    """Sample the channels that shape lips and jaw every 5 ms."""
    curves = curves.select([name for name in curves.names if name in _LIP_CHANNELS])
    count = max(2, round((curves.frame_count - 1) / curves.frame_rate / GRID_SECONDS) + 1)
    fine = sample_curves(curves, curves.start_seconds + np.arange(count) * GRID_SECONDS)
    if fine is None:
        raise ValueError("curves without a sample cannot be measured")
    return fine


def sealed(curves: ChannelCurves) -> NDArray[np.bool_]:
    """Find where the lips are sealed, ``[time]``: the gap is below 15 % of its own 95th percentile over the clip."""
    gap = lips.lip_gap(curves.values, curves.names)
    return gap < lips.SEALED_SHARE * np.percentile(gap, 95)


def lip_at_teeth(curves: ChannelCurves) -> NDArray[np.bool_]:
    """Find where the lower lip is at the edge of the upper teeth or higher, ``[time]``."""
    return lips.labiodental_frames(curves.values, curves.names)


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Return the length of the longest stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    return int(np.max(edges[1::2] - edges[::2])) if len(edges) else 0


def _span(seconds: FloatArray, start: float, end: float) -> slice:
    return slice(int(np.searchsorted(seconds, start - 1e-9)), int(np.searchsorted(seconds, end + 1e-9, side="right")))


def is_held(flags: NDArray[np.bool_], seconds: FloatArray, phone: TimedPhone, step: float = GRID_SECONDS) -> bool:
    """Return whether ``flags`` hold for 40 ms in a row in the window of a contact: start - 60 ms to end + 40 ms."""
    window = flags[_span(seconds, phone.start - BEFORE_SECONDS, phone.end + AFTER_SECONDS)]
    return longest_run(window) * step >= CONTACT_SECONDS - 1e-9


def _middle(flags: NDArray[np.bool_], seconds: FloatArray, phone: TimedPhone) -> NDArray[np.bool_]:
    length = phone.end - phone.start
    return flags[_span(seconds, phone.start + 0.2 * length, phone.end - 0.2 * length)]


def measure_contacts(curves: ChannelCurves, phones: Sequence[TimedPhone]) -> dict[str, Tally]:
    """Measure closures and lip-to-teeth contacts of one clip against its timed phones.

    Keys: ``closure_recall``, ``closure_recall_frames`` (the same, counting the curve's own frames instead of time between them:
    kinder to coarse curves), ``false_closure``, ``sealed_tongue``, ``labiodental_recall``, ``false_labiodental``; and per phone
    ``closure_recall/P`` and so on for the phones of the recalls.
    """
    fine = fine_grid(curves)
    seconds = fine.seconds()
    seal = sealed(fine)
    teeth = lip_at_teeth(fine)
    frame_seconds = curves.seconds()
    frame_seal = sealed(curves)
    sums: dict[str, list[float]] = {}

    def count(key: str, hit: bool) -> None:
        entry = sums.setdefault(key, [0.0, 0.0])
        entry[0] += hit
        entry[1] += 1

    for phone in phones:
        length = phone.end - phone.start
        if phone.phone in BILABIALS:
            hit = is_held(seal, seconds, phone)
            count("closure_recall", hit)
            count(f"closure_recall/{phone.phone}", hit)
            count("closure_recall_frames", is_held(frame_seal, frame_seconds, phone, 1.0 / curves.frame_rate))
        elif phone.phone in LABIODENTALS:
            hit = is_held(teeth, seconds, phone)
            count("labiodental_recall", hit)
            count(f"labiodental_recall/{phone.phone}", hit)
        elif phone.phone in VOWELS and length > 0.06 + 1e-4:
            count("false_closure", bool(np.any(_middle(seal, seconds, phone))))
            middle = _middle(teeth, seconds, phone)
            count("false_labiodental", bool(len(middle) and np.all(middle)))
        elif phone.phone in TONGUE_CONSONANTS and length > 0.03 + 1e-4:
            inside = seal[_span(seconds, phone.start, phone.end)]
            count("sealed_tongue", bool(len(inside) and np.mean(inside) >= 0.5))
            count(f"sealed_tongue/{phone.phone}", bool(len(inside) and np.mean(inside) >= 0.5))
    return {key: Tally(*entry) for key, entry in sums.items()}


def pearson(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return Pearson's r of two series, or 0 if one of them does not move."""
    a = np.asarray(first, np.float64) - np.mean(first, dtype=np.float64)
    b = np.asarray(second, np.float64) - np.mean(second, dtype=np.float64)
    scale = float(np.sqrt(np.sum(a * a) * np.sum(b * b)))
    # Rounding leaves a constant float32 curve with a variance of about 1e-15 of its square.
    if scale <= 1e-10 * max(1.0, float(np.max(np.abs(first))) * float(np.max(np.abs(second)))) * len(a) * 1e-2:
        return 0.0
    return float(np.sum(a * b)) / scale


class TrackedMouth(NamedTuple):
    """A real talker's mouth: instants ``seconds [time]`` and three series ``[time]`` in one unit of length."""

    seconds: FloatArray
    inner_gap: FloatArray
    mouth_width: FloatArray
    jaw: FloatArray


LAGS_SECONDS = np.round(np.arange(-0.2, 0.2001, 0.01), 3)


def _jaw(curves: ChannelCurves) -> NDArray[np.float32]:
    return curves.channel("jawOpen") if "jawOpen" in curves.names else np.zeros(curves.frame_count, np.float32)


def measure_tracked(curves: ChannelCurves, tracked: TrackedMouth) -> tuple[dict[str, Tally], FloatArray]:
    """Measure likeness to a tracked mouth: tallies of one clip and r of the opening at ``LAGS_SECONDS`` ``[lag]``.

    Keys: ``opening_r``, ``width_r``, ``jaw_r`` at zero lag, ``mtm`` (seconds), ``mtm_matched`` (share of the tracked extrema
    that have a match).
    """
    fine = fine_grid(curves)
    seconds = fine.seconds()
    opening = lips.lip_gap(fine.values, fine.names)
    width = lips.lip_width(fine.values, fine.names)
    jaw = np.asarray(_jaw(fine), np.float64)
    # Beyond its ends a curve is held: clips begin and end at rest, and all lags are judged on the same frames.
    at = tracked.seconds
    tallies = {
        "opening_r": Tally(pearson(np.interp(at, seconds, opening), tracked.inner_gap), 1.0),
        "width_r": Tally(pearson(np.interp(at, seconds, width), tracked.mouth_width), 1.0),
        "jaw_r": Tally(pearson(np.interp(at, seconds, jaw), tracked.jaw), 1.0),
    }
    by_lag = np.array([pearson(np.interp(at + lag, seconds, opening), tracked.inner_gap) for lag in LAGS_SECONDS])
    offsets, missed = match_extrema(find_extrema(seconds, opening), find_extrema(tracked.seconds, tracked.inner_gap))
    tallies["mtm"] = Tally(float(np.sum(np.abs(offsets))), float(len(offsets)))
    tallies["mtm_matched"] = Tally(float(len(offsets)), float(len(offsets) + missed))
    return tallies, by_lag


class BestLag(NamedTuple):
    """``of_mean``: delay of the best mean correlation over clips, positive if the curve is late; ``median``: median of the
    clips' own best delays; ``r``: mean of the clips' own best correlations. Seconds; nan delays if nothing moves."""

    of_mean: float
    median: float
    r: float


def best_lag(by_lag: FloatArray) -> BestLag:
    """Find the delays of the best correlations ``[clip, lag]`` of ``measure_tracked``.

    A parabola through the best mean and its two neighbours interpolates between the lags.
    """
    mean = np.mean(by_lag, axis=0)
    if np.ptp(mean) < 1e-9:
        return BestLag(float("nan"), float("nan"), float(np.mean(np.max(by_lag, axis=1))))
    best = int(np.argmax(mean))
    shift = 0.0
    if 0 < best < len(mean) - 1:
        before, peak, after = mean[best - 1], mean[best], mean[best + 1]
        bend = before - 2 * peak + after
        shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    of_mean = LAGS_SECONDS[best] + shift * (LAGS_SECONDS[1] - LAGS_SECONDS[0])
    median = np.median(LAGS_SECONDS[np.argmax(by_lag, axis=1)])
    return BestLag(float(of_mean), float(median), float(np.mean(np.max(by_lag, axis=1))))


class Extrema(NamedTuple):
    """Turning points in time order: ``seconds [n]`` and ``kinds [n]`` (+1 a maximum, -1 a minimum)."""

    seconds: FloatArray
    kinds: NDArray[np.int8]


def find_extrema(seconds: FloatArray, values: FloatArray) -> Extrema:
    """Find turning points that stand out by a fifth of the clip's range (5th to 95th percentile) on both sides.

    The zigzag rule: a turning point counts once the curve has returned from it by that much, so ripple and tracker noise make
    none. A plateau's turning point is its middle. The clip's ends do not count.
    """
    low, high = np.percentile(values, [5, 95])
    threshold = EXTREMUM_SHARE * (high - low)
    if threshold <= 1e-9:
        return Extrema(np.zeros(0), np.zeros(0, np.int8))
    times: list[float] = []
    kinds: list[int] = []
    direction = 0
    top = bottom = 0
    for index in range(1, len(values)):
        if values[index] > values[top]:
            top = index
        if values[index] < values[bottom]:
            bottom = index
        if direction >= 0 and values[index] <= values[top] - threshold:
            if direction > 0:
                times.append(_plateau_middle(seconds, values, top))
                kinds.append(1)
            direction, bottom = -1, index
        elif direction <= 0 and values[index] >= values[bottom] + threshold:
            if direction < 0:
                times.append(_plateau_middle(seconds, values, bottom))
                kinds.append(-1)
            direction, top = 1, index
        if direction > 0:
            bottom = index
        elif direction < 0:
            top = index
    return Extrema(np.array(times, np.float64), np.array(kinds, np.int8))


def _plateau_middle(seconds: FloatArray, values: FloatArray, first: int) -> float:
    last = first
    while last + 1 < len(values) and abs(values[last + 1] - values[first]) <= 1e-7:
        last += 1
    return 0.5 * float(seconds[first] + seconds[last])


def match_extrema(found: Extrema, reference: Extrema) -> tuple[FloatArray, int]:
    """Match turning points: offsets found - reference in seconds ``[matched]``, and the number not matched.

    One to one, in order, only maxima with maxima and minima with minima, at most 0.2 s apart; among all such matchings the one
    with the least sum of |offset| plus 0.2 s for every reference without a partner.
    """
    rows, columns = len(reference.seconds), len(found.seconds)
    cost = np.zeros((rows + 1, columns + 1))
    choice = np.zeros((rows + 1, columns + 1), np.int8)
    cost[1:, 0] = MATCH_SECONDS * np.arange(1, rows + 1)
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            options = [cost[row - 1, column] + MATCH_SECONDS, cost[row, column - 1]]
            offset = abs(found.seconds[column - 1] - reference.seconds[row - 1])
            if found.kinds[column - 1] == reference.kinds[row - 1] and offset <= MATCH_SECONDS + 1e-9:
                options.append(cost[row - 1, column - 1] + offset)
            choice[row, column] = int(np.argmin(options))
            cost[row, column] = options[choice[row, column]]
    offsets: list[float] = []
    row, column = rows, columns
    while row > 0 and column > 0:
        if choice[row, column] == 2:
            offsets.append(float(found.seconds[column - 1] - reference.seconds[row - 1]))
            row, column = row - 1, column - 1
        elif choice[row, column] == 1:
            column -= 1
        else:
            row -= 1
    return np.array(offsets[::-1], np.float64), rows - len(offsets)


def motion_energy(curves: ChannelCurves) -> float:
    """Compute the mean over time of the sum over channels of (speed per second) squared, without visemes."""
    if curves.frame_count < 2:
        return 0.0
    values = np.asarray(curves.values[:, motion_channels(curves.names)], np.float64)
    speed = np.diff(values, axis=0) * curves.frame_rate
    return float(np.mean(np.sum(speed * speed, axis=1)))


def measure_jitter(curves: ChannelCurves) -> Tally:
    """Measure the energy of the channels' speed above 10 Hz, and in total, at the curve's own rate (Parseval over the clip)."""
    if curves.frame_count < 3:
        return Tally(0.0, 0.0)
    values = np.asarray(curves.values[:, motion_channels(curves.names)], np.float64)
    power = np.abs(np.fft.rfft(np.diff(values, axis=0), axis=0)) ** 2
    hertz = np.fft.rfftfreq(len(values) - 1, 1.0 / curves.frame_rate)
    # Every frequency except the first and an even length's last stands for two terms of the whole spectrum.
    power[1 : len(power) - (1 if len(values) % 2 else 0)] *= 2
    scale = curves.frame_rate / len(values)
    return Tally(float(np.sum(power[hertz > JITTER_HZ])) * scale, float(np.sum(power)) * scale)


def count_seals(curves: ChannelCurves, speech_start: float, speech_end: float) -> int:
    """Count separate seals of 40 ms or more that are completely between the first and the last sound of speech."""
    fine = fine_grid(curves)
    seal = sealed(fine)
    seconds = fine.seconds()
    edges = np.flatnonzero(np.diff(np.concatenate(([0], seal.astype(np.int8), [0]))))
    starts, ends = seconds[edges[::2]], seconds[edges[1::2] - 1] + GRID_SECONDS
    long_enough = ends - starts >= CONTACT_SECONDS - 1e-9
    return int(np.sum(long_enough & (starts >= speech_start - BEFORE_SECONDS) & (ends <= speech_end + BEFORE_SECONDS)))


def ratio(tallies: Sequence[Tally]) -> float:
    """Divide the sum of numerators by the sum of denominators; nan if there is nothing to divide by."""
    top = sum(tally.numerator for tally in tallies)
    bottom = sum(tally.denominator for tally in tallies)
    return top / bottom if bottom > 0 else float("nan")


def bootstrap_error(tallies: Mapping[str, Sequence[Tally]], draws: int = 400, seed: int = 0) -> float:
    """Estimate the standard error of ``ratio`` by resampling whole groups (speakers, or clips of one talker).

    ``tallies`` maps a group to its tallies. nan for fewer than two groups: one speaker says nothing about others.
    """
    totals = np.array([[sum(t.numerator for t in group), sum(t.denominator for t in group)] for group in tallies.values()])
    if len(totals) < 2 or float(np.sum(totals[:, 1])) <= 0:
        return float("nan")
    chosen = np.random.default_rng(seed).integers(0, len(totals), (draws, len(totals)))
    sums = totals[chosen].sum(axis=1)
    sums = sums[sums[:, 1] > 0]
    return float(np.std(sums[:, 0] / sums[:, 1], ddof=1))
