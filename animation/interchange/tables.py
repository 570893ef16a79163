# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables as text (any encoding mark, line end, delimiter or decimal sign), and Voxrig's own CSV and NPZ files.

Own CSV: the header 'seconds,<channel>,...' and one row per frame, seconds to 1e-6 and values to 1e-5. Own NPZ: seconds
[time], names [channel], values float32 [time, channel], frame_rate, start_seconds; it is lossless.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import InterchangeError
from ...storage.arrays import DamagedArrays, read_npz
from ..curves import ChannelCurves
from .imported import LARGEST_VALUE, ImportedCurves, Rows, damaged, positions_in_frames, sample_evenly

_DELIMITERS = ",;\t"


def decode_text(data: bytes, name: str) -> str:
    """Decode the text of a file with '\n' for every line end: UTF-8 with or without a byte order mark, or UTF-16 with one."""
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise damaged(name, line, "it is not text") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class Table:
    """Cells of a text table below its header; ``lines`` are the line numbers of the rows in the file."""

    name: str
    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def numbers(self, columns: Sequence[int], largest: float = LARGEST_VALUE) -> NDArray[np.float64]:
        """Convert columns to ``[row, column]`` with NaN for blank cells.

        Raises InterchangeError naming line and column of any other text.
        """
        values = np.empty((len(self.rows), len(columns)))
        for i, row in enumerate(self.rows):
            try:
                values[i] = [float(row[column]) for column in columns]
            except ValueError:
                values[i] = [self._number(i, column) for column in columns]
        wrong = np.argwhere(np.abs(values) > largest)
        if wrong.size:
            i, column = int(wrong[0][0]), columns[int(wrong[0][1])]
            raise self._not_a_value(i, column)
        return values

    def is_numeric(self, column: int) -> bool:
        """Return whether a column holds any number."""
        for i in range(len(self.rows)):
            try:
                if not math.isnan(self._number(i, column)):  # NaN is a blank cell
                    return True
            except InterchangeError:
                continue
        return False

    def decimals(self, column: int) -> int:
        """Return the largest number of digits after the decimal sign in a column."""
        return max(
            (len(re.split("[.,]", row[column].strip())[-1]) for row in self.rows if re.search("[.,]", row[column])), default=0
        )

    def _number(self, i: int, column: int) -> float:
        text = self.rows[i][column].strip()
        if not text:
            return float("nan")
        if text.count(",") == 1 and "." not in text:
            text = text.replace(",", ".")
        try:
            return float(text)
        except ValueError:
            raise self._not_a_value(i, column) from None

    def _not_a_value(self, i: int, column: int) -> InterchangeError:
        text = self.rows[i][column].strip()
        shown = text if len(text) <= 20 else f"{text[:20]}..."
        return damaged(self.name, self.lines[i], f"'{shown}' in the column {self.header[column]} is not a usable number")


def read_header(text: str) -> tuple[str, ...]:
    """Return the cells of the first line that is not blank, or none."""
    for line in text.split("\n", 20)[:20]:
        if line.strip():
            try:
                return tuple(cell.strip() for row in csv.reader([line], delimiter=_find_delimiter(line)) for cell in row)
            except csv.Error:
                return ()
    return ()


def read_table(text: str, name: str) -> Table:
    """Split a text with a header into cells. Raises InterchangeError naming the line of a row of different length."""
    lines = text.split("\n")
    start = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    if start == len(lines):
        raise InterchangeError(f"{name} is empty; export it again")
    reader = csv.reader(lines[start:], delimiter=_find_delimiter(lines[start]), strict=True)
    header: list[str] | None = None
    table = Table(name, (), [], [])
    while True:
        line = start + reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise damaged(name, line, f"it cannot be split into cells ({error})") from None
        if row is None:
            break
        if header is None:
            header = _without_blank_end(row, 0)
            table = Table(name, tuple(header), table.rows, table.lines)
            continue
        if not any(cell.strip() for cell in row):
            continue
        row = _without_blank_end(row, len(header))
        if len(row) != len(header):
            raise damaged(name, line, f"it has {len(row)} cells where the header has {len(header)}")
        table.rows.append(row)
        table.lines.append(line)
    if not table.rows:
        raise InterchangeError(f"{name} has a header but no rows; export it again")
    return table


def _find_delimiter(line: str) -> str:
    # The first cell of every known header is a plain word, so the first delimiter found is the table's.
    unquoted = re.sub(r'"[^"]*"', "", line)
    return next((character for character in unquoted if character in _DELIMITERS), ",")


def _without_blank_end(row: list[str], length: int) -> list[str]:
    end = len(row)
    while end > length and not row[end - 1].strip():
        end -= 1
    return row[:end]


@dataclass(frozen=True)
class Columns:
    """Columns sorted into channels, numeric ones unknown to the format, and those without numbers."""

    channels: dict[str, int]
    unknown: dict[str, int]
    ignored: tuple[str, ...]


def sort_columns(table: Table, channels: dict[str, int], leave_out: Sequence[int]) -> Columns:
    """Sort the columns that are neither in ``channels`` nor in ``leave_out`` into numeric ones and others."""
    taken = {*channels.values(), *leave_out}
    unknown: dict[str, int] = {}
    ignored: list[str] = []
    for column, title in enumerate(table.header):
        if column in taken:
            continue
        if title.strip() and title not in unknown and title not in channels and table.is_numeric(column):
            unknown[title] = column
        elif title.strip():
            ignored.append(title)
    return Columns(channels, unknown, tuple(ignored))


def import_table(
    table: Table,
    columns: Columns,
    positions: NDArray[np.float64],
    frame_rate: float,
    start_seconds: float,
    file_format: str,
    warnings: Sequence[str] = (),
) -> ImportedCurves:
    """Convert the channels of a table to curves, with its unknown columns beside them."""
    order = [*columns.channels.values(), *columns.unknown.values()]
    values = table.numbers(order)
    empty: list[str] = [table.header[order[int(i)]] for i in np.flatnonzero(np.isnan(values).all(axis=0))]
    sampled, notes = sample_evenly(table.name, Rows(positions, values, table.lines), frame_rate)
    notes = [*warnings, *notes]
    if empty:
        notes.append(f"{table.name}: the column {_listed(empty)} is empty; it stays at 0")
    if columns.unknown:
        notes.append(f"{table.name}: unknown columns were kept aside: {_listed(list(columns.unknown))}")
    if columns.ignored:
        notes.append(f"{table.name}: columns without numbers were ignored: {_listed(columns.ignored)}")
    count = len(columns.channels)
    curves = ChannelCurves(tuple(columns.channels), frame_rate, sampled[:, :count].astype(np.float32), start_seconds)
    extra = None
    if columns.unknown:
        extra = ChannelCurves(tuple(columns.unknown), frame_rate, sampled[:, count:].astype(np.float32), start_seconds)
    return ImportedCurves(curves, file_format, tuple(notes), extra)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(name.strip()[:40] for name in names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"


def find_channels(table: Table, titles: dict[int, str]) -> dict[str, int]:
    """Invert channel by column to column by channel. Raises InterchangeError if two columns stand for one channel."""
    channels: dict[str, int] = {}
    for column, channel in titles.items():
        if channel in channels:
            first, second = table.header[channels[channel]], table.header[column]
            raise damaged(table.name, 1, f"the columns '{first}' and '{second}' are the same channel")
        channels[channel] = column
    return channels


# --- Voxrig's own files


def is_own_header(header: Sequence[str]) -> bool:
    """Return whether a header is that of Voxrig's own CSV."""
    return len(header) > 1 and header[0].casefold() == "seconds"


def read_own_csv(text: str, name: str, frame_rate: float | None = None) -> ImportedCurves:
    """Read a file of ``write_own_csv``, also with columns in another order, after a spreadsheet or with missing rows."""
    table = read_table(text, name)
    if any(not title.strip() for title in table.header):
        raise damaged(name, 1, "a column has no name")
    channels = find_channels(table, dict(enumerate(table.header[1:], start=1)))
    numeric = {title: column for title, column in channels.items() if table.is_numeric(column)}
    if not numeric:
        raise InterchangeError(f"{name} has no column with numbers; export it again")
    columns = Columns(numeric, {}, tuple(title for title in channels if title not in numeric))
    seconds = table.numbers([0], 1e9)[:, 0]
    _require_all(table, seconds)
    quantum = 10.0 ** -table.decimals(0)
    positions, rate = positions_in_frames(name, seconds, table.lines, quantum, frame_rate)
    return import_table(table, columns, positions, rate, float(seconds[0]), "csv")


def _require_all(table: Table, seconds: NDArray[np.float64]) -> None:
    blank = np.flatnonzero(np.isnan(seconds))
    if blank.size:
        raise damaged(table.name, table.lines[int(blank[0])], "it has no time")


def write_own_csv(curves: ChannelCurves) -> Iterator[bytes]:
    """Format Voxrig's own CSV, piece by piece. Raises InterchangeError at once for a channel name that a table cannot hold."""
    for name in curves.names:
        if not name.strip() or not name.isprintable():
            raise InterchangeError(f"a channel is named '{name!r}', which a table cannot hold; rename it or write NPZ")
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(("seconds", *curves.names))
    row = "%.6f" + ",%.5f" * len(curves.names) + "\n"
    rows = (row % (seconds, *values.tolist()) for seconds, values in zip(curves.seconds(), curves.values))
    return (line.encode("utf-8") for line in itertools.chain([header.getvalue()], rows))


def read_own_npz(data: bytes, name: str) -> ImportedCurves:
    """Read a file of ``write_own_npz``. Nothing in the file is ever executed."""
    try:
        arrays = read_npz(data, ("names", "values", "frame_rate", "start_seconds"))
    except DamagedArrays as error:
        raise InterchangeError(f"{name} is damaged ({error}); export it again") from None
    missing = [key for key in ("names", "values", "frame_rate") if key not in arrays]
    if missing:
        raise InterchangeError(f"{name} has no array '{missing[0]}', so it is not a file of curves; choose another one")
    names, values = arrays["names"], arrays["values"]
    if names.dtype.kind != "U" or values.dtype.kind != "f" or values.ndim != 2 or not np.isfinite(values).all():
        raise InterchangeError(f"{name} holds no curves: its names must be text and its values finite numbers [time, channel]")
    try:
        start = float(cast("Any", arrays["start_seconds"])) if "start_seconds" in arrays else 0.0
        rate = float(cast("Any", arrays["frame_rate"]))
        if not (np.isfinite(start) and 0 < rate <= 1e6 and (np.abs(values) <= LARGEST_VALUE).all()):
            raise ValueError("out of range")
        curves = ChannelCurves(tuple(str(channel) for channel in names), rate, values, start)
    except (TypeError, ValueError) as error:
        raise InterchangeError(f"{name} holds no curves ({error}); export it again") from None
    return ImportedCurves(curves, "npz")


def write_own_npz(curves: ChannelCurves) -> bytes:
    """Format Voxrig's own NPZ."""
    file = io.BytesIO()
    np.savez_compressed(
        file,
        seconds=curves.seconds(),
        names=np.array(curves.names, dtype=np.str_),
        values=curves.values,
        frame_rate=np.float64(curves.frame_rate),
        start_seconds=np.float64(curves.start_seconds),
    )
    return file.getvalue()
