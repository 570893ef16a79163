# SPDX-License-Identifier: GPL-3.0-or-later
"""Timecode: labels of frames by the clock, also with the dropped labels of 29.97 and 59.94 frames a second.

Drop-frame timecode skips the first two labels (four at 59.94) of every minute except each tenth, so that the labels keep up
with the clock although 30 labels take 1.001 seconds (SMPTE ST 12-1). No picture is dropped. A semicolon before the frames
marks it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

NTSC_DIVISOR = 1.001
"""Seconds that 30 NTSC frames take."""

_LABEL = re.compile(r"(\d{1,3}):([0-5]?\d):([0-5]?\d)([:;])(\d{1,4}(?:[.,]\d{1,9})?)")


@dataclass(frozen=True)
class TimecodeRate:
    """How labels count: ``nominal`` frame labels to a second, with or without drop-frame, at ``exact`` frames a second."""

    nominal: int
    drop: bool
    exact: float

    @property
    def dropped_labels(self) -> int:
        """Number of labels skipped at the start of each minute except every tenth."""
        return 2 * round(self.nominal / 30) if self.drop else 0


@dataclass(frozen=True)
class Label:
    """One timecode as written; ``frames`` may have a fraction, ``marked`` is the semicolon of drop-frame."""

    hours: int
    minutes: int
    seconds: int
    frames: float
    marked: bool


def parse_label(text: str) -> Label:
    """Read 'HH:MM:SS:FF.fraction' or 'HH:MM:SS;FF.fraction'. Raises ValueError for anything else."""
    match = _LABEL.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"'{text}' is not a timecode")
    hours, minutes, seconds, mark, frames = match.groups()
    return Label(int(hours), int(minutes), int(seconds), float(frames.replace(",", ".")), mark == ";")


def count_frames(label: Label, rate: TimecodeRate) -> float:
    """Count the frames since midnight, keeping a fraction of a frame."""
    minutes = 60 * label.hours + label.minutes
    labels = (60 * minutes + label.seconds) * rate.nominal + label.frames
    return labels - rate.dropped_labels * (minutes - minutes // 10)


def format_label(frames: float, rate: TimecodeRate) -> str:
    """Format the label of the frame ``frames`` after midnight, to a thousandth of a frame: 'HH:MM:SS:FF.fff'."""
    thousandths = round(frames * 1000)
    whole, fraction = divmod(thousandths, 1000)
    if rate.dropped_labels:
        per_minute = 60 * rate.nominal - rate.dropped_labels
        per_ten_minutes = 10 * per_minute + rate.dropped_labels
        tens, rest = divmod(whole, per_ten_minutes)
        # The first minute of ten keeps all its labels.
        minute = 0 if rest < 60 * rate.nominal else 1 + (rest - 60 * rate.nominal) // per_minute
        whole += rate.dropped_labels * (9 * tens + minute)
    seconds, frame = divmod(whole, rate.nominal)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours % 24:02d}:{minutes:02d}:{seconds:02d}{';' if rate.drop else ':'}{frame:02d}.{fraction:03d}"


def exact_rate(rate: float) -> float:
    """Return the exact rate that a rounded figure stands for: 29.97 is 30 / 1.001, and so on; any other rate is returned
    unchanged."""
    for nominal in (24, 30, 48, 60, 120):
        exact = nominal / NTSC_DIVISOR
        if math.isclose(rate, exact, abs_tol=0.004):
            return exact
    return rate
