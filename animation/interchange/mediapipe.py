# SPDX-License-Identifier: GPL-3.0-or-later
"""Blend shape tables of MediaPipe's Face Landmarker: '_neutral' and ARKit's names except 'tongueOut', per time or frame.

MediaPipe itself writes no files; the scripts around it agree only on the names of the shapes. Times are taken from a column
with seconds, milliseconds or microseconds, else from a frame number; frames in which no face was found are filled in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..curves import ChannelCurves
from .arkit import ARKIT_NAMES, arkit_name
from .imported import ImportedCurves, damaged, positions_in_frames
from .tables import Table, find_channels, import_table, read_table, sort_columns

FORMAT = "mediapipe"
NEUTRAL = "_neutral"

COLUMN_NAMES = (NEUTRAL, *sorted(name for name in ARKIT_NAMES if name != "tongueOut"))
"""The columns in MediaPipe's order."""

DEFAULT_FRAME_RATE = 30.0

# Seconds per unit of each column title; None where the title does not tell and the step size must.
_TIMES: dict[str, float | None] = {
    "timestamp_ms": 1e-3,
    "timestampms": 1e-3,
    "time_ms": 1e-3,
    "timestamp_us": 1e-6,
    "timestamp_s": 1.0,
    "time_s": 1.0,
    "seconds": 1.0,
    "timestamp": None,
    "time": None,
    "offset": None,
}
_FRAMES = ("frame", "frame_number", "frame_index", "frame_id", "frameindex", "index")
# A day; a later first row counts from an epoch, where no animation starts.
_LATEST_START_SECONDS = 86_400.0


def is_header(header: Sequence[str]) -> bool:
    """Return whether a header has MediaPipe's neutral score, or ARKit's shapes under a time or frame column."""
    titles = [title.casefold() for title in header]
    if not any(arkit_name(title) for title in header):
        return False
    return NEUTRAL in titles or any(title in _TIMES or title in _FRAMES for title in titles)


def read(text: str, name: str, frame_rate: float | None = None) -> ImportedCurves:
    """Read such a table. ``frame_rate`` overrides that of its times, and is required where it only numbers frames."""
    table = read_table(text, name)
    plain = [title.strip().casefold() for title in table.header]
    titles = {
        column: channel
        for column, title in enumerate(table.header)
        if plain[column] != NEUTRAL and (channel := arkit_name(title)) is not None
    }
    if not titles:
        raise damaged(name, 1, "no column is a blend shape")
    channels = find_channels(table, titles)
    left_out = [column for column, title in enumerate(plain) if title == NEUTRAL or title in _TIMES or title in _FRAMES]
    columns = sort_columns(table, channels, left_out)
    time = next((plain.index(title) for title in _TIMES if title in plain), None)
    if time is not None:
        seconds, quantum = _seconds(table, time, _TIMES[plain[time]])
        positions, rate = positions_in_frames(name, seconds, table.lines, quantum, frame_rate)
        start = float(seconds[0]) if abs(seconds[0]) < _LATEST_START_SECONDS else 0.0
        return import_table(table, columns, positions, rate, start, FORMAT)
    rate = frame_rate or DEFAULT_FRAME_RATE
    warnings = [] if frame_rate else [f"{name} has no times; {rate:g} frames a second are assumed"]
    number = next((plain.index(title) for title in _FRAMES if title in plain), None)
    frames = np.arange(len(table.rows), dtype=np.float64) if number is None else _all_numbers(table, number)
    return import_table(table, columns, frames, rate, 0.0, FORMAT, warnings)


def _all_numbers(table: Table, column: int) -> NDArray[np.float64]:
    numbers = table.numbers([column], 1e18)[:, 0]
    blank = np.flatnonzero(np.isnan(numbers))
    if blank.size:
        raise damaged(table.name, table.lines[int(blank[0])], f"it has no {table.header[column]}")
    return numbers


def _seconds(table: Table, column: int, unit: float | None) -> tuple[NDArray[np.float64], float]:
    """Return the instants in seconds, and the step that they are rounded to."""
    numbers = _all_numbers(table, column)
    if unit is None:
        steps = np.diff(numbers)
        step = float(np.median(steps)) if steps.size else 0.0
        # Recordings have between one and a thousand frames a second.
        unit = 1e-6 if step >= 1000 else 1e-3 if step >= 1 else 1.0
    return numbers * unit, unit * 10.0 ** -table.decimals(column)


def write(curves: ChannelCurves) -> tuple[bytes, tuple[str, ...]]:
    """Format the table with 'frame', 'timestamp_ms' to a microsecond and 9 digits per weight; missing shapes are 0."""
    values = np.zeros((curves.frame_count, len(COLUMN_NAMES)), dtype=np.float32)
    for column, channel in enumerate(COLUMN_NAMES):
        if channel in curves.names:
            values[:, column] = curves.channel(channel)
    lines = [",".join(("frame", "timestamp_ms", *COLUMN_NAMES))]
    row = ",%.9g" * len(COLUMN_NAMES)
    for i, (seconds, weights) in enumerate(zip(curves.seconds(), values)):
        lines.append(f"{i},{seconds * 1000:.3f}{row % tuple(weights.tolist())}")
    lost = [channel for channel in curves.names if channel not in COLUMN_NAMES]
    notes = (f"MediaPipe has no column for {len(lost)} channels, which were left out: {', '.join(lost[:8])}",) if lost else ()
    return ("\n".join(lines) + "\n").encode("utf-8"), notes
