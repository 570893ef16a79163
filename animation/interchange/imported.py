# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of reading a file, and the sampling of rows at arbitrary instants into evenly sampled curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import InterchangeError
from ..curves import ChannelCurves
from .timecode import NTSC_DIVISOR

LONGEST_GAP_SECONDS = 60.0
"""Missing rows are filled; a longer gap is taken for a damaged file."""

MOST_FILLED_CELLS = 20_000_000
"""Missing rows add at most so many cells, or as many as the file has: a few rows a minute apart are no recording."""

MOST_FRAMES_PER_SECOND = 1000.0
LARGEST_VALUE = 1e6
"""Weights are about 0..1 and angles at most some hundred; a cell beyond this is damaged."""

STANDARD_RATES = (12.0, 15.0, 24 / NTSC_DIVISOR, 24.0, 25.0, 30 / NTSC_DIVISOR, 30.0, 48.0, 50.0, 60 / NTSC_DIVISOR, 60.0) + (
    72.0,
    90.0,
    100.0,
    120.0,
    240.0,
)


@dataclass(frozen=True)
class ImportedCurves:
    """The curves of a file, the name of its format, and notes for the user on how it was read.

    ``extra`` holds the numeric columns that are unknown to the format, under their own names. ``start_timecode`` is the
    label of the first row if the file counts by the clock; the curves themselves then start at 0.
    """

    curves: ChannelCurves
    format: str
    warnings: tuple[str, ...] = ()
    extra: ChannelCurves | None = None
    start_timecode: str | None = None


def damaged(name: str, line: int, what: str) -> InterchangeError:
    """Make the error for an invalid line of a file."""
    return InterchangeError(f"{name}, line {line}: {what}; export the file again or correct that line")


@dataclass(frozen=True)
class Rows:
    """Rows of a table: ``positions`` in frames (float64 ``[row]``), ``values`` float64 ``[row, channel]`` with NaN for blank
    cells, and the line of each in the file."""

    positions: NDArray[np.float64]
    values: NDArray[np.float64]
    lines: Sequence[int]


def sample_evenly(name: str, rows: Rows, frame_rate: float) -> tuple[NDArray[np.float64], list[str]]:
    """Resample rows to whole frames from the first row on, ``[time, channel]``; also returns sentences on what was filled in.

    Rows on whole frames are kept as they are; between others, and where rows or cells are missing, values are interpolated
    linearly. Raises InterchangeError naming the line where rows go back in time or leave a gap of over a minute, and
    where most rows are missing.
    """
    warnings: list[str] = []
    positions, values, lines = rows.positions - rows.positions[0], rows.values, list(rows.lines)
    steps = np.diff(positions)
    back = np.flatnonzero(~(steps > -0.05))
    if back.size:
        raise damaged(name, lines[int(back[0]) + 1], "it is earlier than the line before it")
    repeated = np.flatnonzero(steps < 0.05)
    if repeated.size:
        # Of two rows for one instant, the later is the recorder's correction.
        kept = np.setdiff1d(np.arange(len(lines)), repeated)
        warnings.append(f"{name}: {repeated.size} rows repeat the time of the next one and were left out, first in line "
                        f"{lines[int(repeated[0])]}")  # fmt: skip
        positions, values, lines = positions[kept] - positions[kept[0]], values[kept], [lines[int(i)] for i in kept]
        steps = np.diff(positions)
    holes = np.flatnonzero(steps > LONGEST_GAP_SECONDS * frame_rate)
    if holes.size:
        first = int(holes[0])
        raise damaged(name, lines[first + 1], f"it is {steps[first] / frame_rate:.0f} s later than the line before it")
    whole = np.rint(positions)
    if np.all(np.abs(positions - whole) < 0.1) and np.all(np.diff(whole) > 0):
        positions = whole
    frames = int(np.floor(positions[-1] + 1e-6)) + 1
    if frames * values.shape[1] > 2 * values.size + MOST_FILLED_CELLS:
        share = len(lines) / frames
        raise InterchangeError(f"{name} holds {share:.2g} of the rows that its frame rate asks for; export it again")
    if frames > len(lines):
        gap = int(np.argmax(steps > 1.5)) if np.any(steps > 1.5) else 0
        warnings.append(f"{name}: {frames - len(lines)} frames are missing and were filled in, first after line {lines[gap]}")
    sampled = _interpolate(positions, values, np.arange(frames, dtype=np.float64))
    blank = int(np.isnan(values).sum())
    if blank:
        row = int(np.flatnonzero(np.isnan(values).any(axis=1))[0])
        warnings.append(f"{name}: {blank} blank cells were filled in, first in line {lines[row]}")
    return sampled, warnings


def _interpolate(positions: NDArray[np.float64], values: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate values at ``grid``, ``[time, channel]``; a channel without any value is 0."""
    known = ~np.isnan(values)
    if grid.size == positions.size and np.array_equal(grid, positions) and known.all():
        return values
    sampled = np.zeros((grid.size, values.shape[1]))
    for channel in range(values.shape[1]):
        valid = known[:, channel]
        if valid.any():
            sampled[:, channel] = np.interp(grid, positions[valid], values[valid, channel])
    return sampled


def find_frame_rate(name: str, seconds: NDArray[np.float64], lines: Sequence[int], quantum: float) -> float:
    """Find the frame rate of instants that are rounded to multiples of ``quantum`` seconds, a standard rate where one fits.

    Raises InterchangeError if the instants have no sensible rate.
    """
    steps = np.diff(seconds)
    steps = steps[steps > 0]
    if steps.size == 0:
        raise InterchangeError(f"{name} has only one instant, which does not determine a frame rate; set one")
    step = float(np.median(steps))
    counts = np.maximum(np.rint(np.minimum(steps / step, 1e9)), 1.0)
    step = float(steps.sum() / counts.sum())
    rate = 1.0 / step
    if not 1.0 <= rate <= MOST_FRAMES_PER_SECOND:
        raise damaged(name, lines[-1], f"the rows up to here lie {step:.3g} s apart, which is not a frame rate")
    nearest = min(STANDARD_RATES, key=lambda standard: abs(standard - rate))
    if abs(nearest - rate) <= rate * min(0.05, 1e-6 + quantum / float(steps.sum())):
        return nearest
    return rate


def positions_in_frames(
    name: str, seconds: NDArray[np.float64], lines: Sequence[int], quantum: float, frame_rate: float | None
) -> tuple[NDArray[np.float64], float]:
    """Convert instants to frames from the first row on; also returns the frame rate, as given or else the rows' own."""
    if frame_rate is not None and seconds.size == 1:
        return np.zeros(1), frame_rate
    rate = find_frame_rate(name, seconds, lines, quantum)
    if frame_rate is not None:
        rate = frame_rate
    return (seconds - seconds[0]) * rate, rate
