# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of Epic's Live Link Face app: 'Timecode,BlendShapeCount', 52 blend shapes and 9 rotations, one row per frame.

A row's timecode is HH:MM:SS:FF with thousandths of a frame; the file does not store its rate. As in Epic's own importer, a
frame label of 30 or more means 60 frames a second, otherwise 30; 24, 25 and 50 are recognised by the highest label, and
29.97 and 59.94 by dropped labels or a semicolon. Weights are written with 8 decimals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import InterchangeError
from ..curves import ChannelCurves
from .arkit import ARKIT_NAMES, ROTATION_NAMES, arkit_name, pascal_case
from .imported import ImportedCurves, damaged, positions_in_frames
from .tables import find_channels, import_table, read_table, sort_columns
from .timecode import NTSC_DIVISOR, Label, TimecodeRate, count_frames, format_label, parse_label

FORMAT = "live-link-face"

# Some programs write HH:MM:SS:mmm in such tables.
_MILLISECONDS = 1000

_SWAPPED = {"jawLeft": "jawRight", "jawRight": "jawLeft", "mouthLeft": "mouthRight", "mouthRight": "mouthLeft"}
COLUMN_NAMES = tuple(_SWAPPED.get(name, name) for name in ARKIT_NAMES) + tuple(ROTATION_NAMES)
"""The app's order: Apple's, but with the right side of jaw and mouth before the left."""

WRITTEN_RATES = (
    TimecodeRate(30, False, 30.0),
    TimecodeRate(60, False, 60.0),
    TimecodeRate(30, True, 30 / NTSC_DIVISOR),
    TimecodeRate(60, True, 60 / NTSC_DIVISOR),
)
"""The rates supported by readers of such files."""


def is_header(header: Sequence[str]) -> bool:
    """Return whether a header is that of a Live Link Face recording."""
    titles = {title.casefold() for title in header}
    return "timecode" in titles and "blendshapecount" in titles


def read(text: str, name: str, frame_rate: float | None = None) -> ImportedCurves:
    """Read a recording.

    The curves start at 0, and the clock's label is kept separately. ``frame_rate`` overrides the detected rate.
    """
    table = read_table(text, name)
    plain = [title.strip().casefold() for title in table.header]
    time, count = plain.index("timecode"), plain.index("blendshapecount")
    titles = {
        column: channel
        for column, title in enumerate(table.header)
        if column not in (time, count) and (channel := arkit_name(title)) is not None
    }
    if not titles:
        raise damaged(name, 1, "no column is a blend shape of ARKit")
    channels = find_channels(table, titles)
    labels: list[Label] = []
    for row, line in zip(table.rows, table.lines):
        try:
            labels.append(parse_label(row[time]))
        except ValueError as error:
            raise damaged(name, line, str(error)) from None
    rate = find_rate(labels)
    if frame_rate is not None and rate.nominal != _MILLISECONDS:
        # Labels beyond the wanted rate still count as they are; the take is only played at that rate.
        fits = max(label.frames for label in labels) < round(frame_rate)
        nominal = round(frame_rate) if fits else rate.nominal
        rate = TimecodeRate(nominal, rate.drop and nominal in (30, 60), frame_rate)
    frames = np.array([count_frames(label, rate) for label in labels])
    # A recording may cross midnight.
    day = count_frames(Label(24, 0, 0, 0.0, False), rate)
    frames += day * np.concatenate([[0.0], np.cumsum(np.diff(frames) < -day / 2)])
    exact = rate.exact
    if rate.nominal == _MILLISECONDS:
        frames, exact = positions_in_frames(name, frames / 1000, table.lines, 1e-3, frame_rate)
    columns = sort_columns(table, channels, [time, count])
    imported = import_table(table, columns, frames, exact, 0.0, FORMAT)
    return ImportedCurves(imported.curves, FORMAT, imported.warnings, imported.extra, table.rows[0][time].strip())


def find_rate(labels: Sequence[Label]) -> TimecodeRate:
    """Find the rate that the labels of a recording imply (see this module's docstring)."""
    largest = int(max(label.frames for label in labels))
    nominal = next((rate for rate in (30, 60, 120, 240) if largest < rate), _MILLISECONDS)
    rounds = [
        int(before.frames) + 1
        for before, after in zip(labels, labels[1:])
        if before.seconds != after.seconds and int(after.frames) == 0
    ]
    if rounds and max(rounds) in (24, 25, 48, 50) and max(rounds) == largest + 1:
        nominal = max(rounds)
    drop = nominal in (30, 60) and (any(label.marked for label in labels) or _drops_labels(labels, nominal))
    return TimecodeRate(nominal, drop, nominal / NTSC_DIVISOR if drop else float(nominal))


def _drops_labels(labels: Sequence[Label], nominal: int) -> bool:
    """Return whether every new minute except the tenth ones continues with the third label (the fifth at 60)."""
    skipped = nominal // 15
    starts = [
        int(after.frames)
        for before, after in zip(labels, labels[1:])
        if before.minutes != after.minutes and after.minutes % 10 and after.seconds == 0 and int(before.frames) == nominal - 1
    ]
    return bool(starts) and all(start == skipped for start in starts)


def write(curves: ChannelCurves, start_timecode: str | None = None) -> tuple[bytes, tuple[str, ...]]:
    """Format the file; also returns sentences on what it cannot store. The curves must have one of ``WRITTEN_RATES``.

    Row i is labelled ``start_timecode`` (midnight) + ``start_seconds`` + i frames. Channels that the curves lack are 0.
    """
    rate = written_rate(curves.frame_rate)
    if rate is None:
        raise InterchangeError(f"Live Link Face does not support {curves.frame_rate:g} frames a second; convert to 30 or 60")
    try:
        first = 0.0 if start_timecode is None else count_frames(parse_label(start_timecode), rate)
    except ValueError as error:
        raise InterchangeError(f"{error}; write the start like 10:00:00:00") from None
    first = max(0.0, first + curves.start_seconds * rate.exact)
    values = np.zeros((curves.frame_count, len(COLUMN_NAMES)))
    for column, channel in enumerate(COLUMN_NAMES):
        if channel in curves.names:
            values[:, column] = curves.channel(channel)
    lines = [",".join(("Timecode", "BlendShapeCount", *(pascal_case(channel) for channel in COLUMN_NAMES)))]
    row = ",%.8f" * len(COLUMN_NAMES)
    for i in range(curves.frame_count):
        lines.append(f"{format_label(first + i, rate)},{len(COLUMN_NAMES)}{row % tuple(values[i].tolist())}")
    lost = [channel for channel in curves.names if channel not in COLUMN_NAMES]
    notes = (
        (f"Live Link Face has no column for {len(lost)} channels, which were left out: {', '.join(lost[:8])}",) if lost else ()
    )
    return ("\n".join(lines) + "\n").encode("utf-8"), notes


def written_rate(frame_rate: float) -> TimecodeRate | None:
    """Return the labelling of frames at that rate, or None if readers would misunderstand it."""
    return next((rate for rate in WRITTEN_RATES if abs(rate.exact - frame_rate) < 1e-4), None)
