# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a batch: the input and output of each line, and its dependencies. No Blender.

One row is one line, or one line for each sound that a pattern in its ``audio`` or ``curves`` matches. An invalid cell only
affects its own line (``Line.problem``), an invalid table is rejected (JobsError).
"""

from __future__ import annotations

import csv
import difflib
import functools
import glob
import hashlib
import io
import json
import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from ..errors import ModelError, VoxrigError
from ..inference.package import find_model
from ..storage.reading import check_ordinary_file, identities_of, is_storable, parse_json, read_text, refers_to_same_file
from ..takes.settings import Scope, TakeSettings, list_settings, parse_setting, scope_from_data, settings_from_data
from ..takes.variations import MOST_TAKES
from .columns import COLUMNS, SETTING_COLUMNS

ROOT = Path(__file__).resolve().parent.parent
SOUNDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".m4a", ".mp4", ".mov", ".mkv", ".webm")
"""Endings for which a folder is searched; a pattern takes all of its matches."""

_NUMBERS: dict[str, tuple[float, float]] = {
    "fps": (1.0, 1000.0),
    "start_frame": (-1048574.0, 1048574.0),
}
_PATHS = ("audio", "curves", "blend", "mapping", "output_blend", "output_curves", "output_film")
_OUTPUTS = {
    "output_blend": (".blend",),
    "output_curves": (".csv", ".npz", ".json", ".tsv", ".xml", ".dat"),
    "output_film": (".mp4",),
}
_FIELD = re.compile(r"\{([^{}]*)\}")


class JobsError(VoxrigError):
    """A table of jobs cannot be read, or an option of the command line cannot be applied to it."""


@dataclass(frozen=True)
class Line:
    """One line to animate: everything in its row of the table, with absolute paths.

    ``settings`` and ``scope`` hold the cells of settings as plain data by field name. ``problem`` is the reason why it
    cannot be done.
    """

    number: int
    audio: str = ""
    curves: str = ""
    blend: str = ""
    scene: str = ""
    character: str = ""
    mapping: str = ""
    model: str = ""
    fps: float | None = None
    start_frame: float = 1.0
    output_blend: str = ""
    output_curves: str = ""
    output_film: str = ""
    takes: int = 1
    sheet: bool = False
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    scope: dict[str, Any] = field(default_factory=dict[str, Any])
    problem: str = ""

    def make_settings(self, provider: str = "AUTO", threads: int | None = None) -> TakeSettings:
        """Return the settings of its take. Raises VoxrigError."""
        return settings_from_data(self.settings, lambda folder, _name: find_model(folder), provider, threads)

    def make_scope(self) -> Scope:
        """Return the scope of its take. Raises VoxrigError."""
        return scope_from_data(self.scope)

    @property
    def name(self) -> str:
        """Name of the line: its sound's name without the ending."""
        return Path(self.audio or self.curves).stem

    @property
    def outputs(self) -> tuple[str, ...]:
        """Files that the line writes."""
        return tuple(output for output in (self.output_blend, self.output_curves, self.output_film) if output)


@dataclass(frozen=True)
class Unit:
    """Lines that are done together because they write one .blend file, or a single line; done once all of it is done."""

    lines: tuple[Line, ...]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Files of all its lines, each once."""
        return tuple(dict.fromkeys(output for line in self.lines for output in line.outputs))


def read_jobs(places: Sequence[str], defaults: Mapping[str, str], sheet: bool = False) -> list[Line]:
    """Read the lines of a table (.csv or .json) or of sounds, folders and patterns; ``defaults`` fill empty cells.

    Relative paths in a table start at its folder, those of ``defaults`` and of sounds from the current one. Raises
    JobsError.
    """
    here = Path.cwd()
    given = {name: _absolute(value, here) if name in _PATHS else value for name, value in defaults.items() if value}
    if sheet:
        given["sheet"] = "yes"
    rows: list[tuple[str, dict[str, Any]]] = []
    for place in places:
        path = Path(place)
        if path.suffix.lower() in (".csv", ".json") and path.is_file():
            base = path.absolute().parent
            for where, row in _read_table(path):
                for name in _PATHS:
                    if row.get(name):
                        row[name] = _absolute(str(row[name]), base)
                if row.get("model") and os.path.isdir(base / str(row["model"])):
                    row["model"] = _absolute(str(row["model"]), base)
                for name in ("script", "dictionary", "film"):
                    text = str(row.get(name, ""))
                    # A script may also be the text itself.
                    if text and len(text) < 1000 and "\n" not in text and os.path.isfile(base / text):
                        row[name] = _absolute(text, base)
                rows.append((where, {**given, **row}))
        else:
            rows.append((place, {**given, "audio": _absolute(place, here)}))
    lines: list[Line] = []
    for where, row in rows:
        for single in _expand(row):
            lines.append(_make_line(len(lines) + 1, where, single))
    if not lines:
        raise JobsError(f"there is nothing to do in {', '.join(places)}; name sounds or a table with rows")
    return _check_outputs(lines, [place for place in places if os.path.isfile(place)])


def _absolute(path: str, base: Path) -> str:
    return str(base / path)


def _read_table(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Read the place of each row, and its cells by column without empty ones and those that start with '#'.

    Raises JobsError.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise JobsError(f"{path} cannot be read ({error.strerror}); choose another table or save it again") from None
    rows: list[tuple[str, dict[str, Any]]] = []
    if path.suffix.lower() == ".json":
        try:
            entries: Any = parse_json(text)
        except ValueError as error:
            raise JobsError(f"{path} is not JSON ({error}); correct it") from None
        if isinstance(entries, dict):
            entries = cast("dict[str, Any]", entries).get("jobs")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in cast("list[Any]", entries)):
            raise JobsError(f"{path} holds no list of jobs; write [{{...}}, ...] or {{'jobs': [...]}}")
        rows = [(f"job {i}", dict(entry)) for i, entry in enumerate(cast("list[dict[str, Any]]", entries), 1)]
    else:
        sample = text.splitlines()[0] if text.strip() else ""
        delimiter = max(",;\t", key=sample.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            header = [cell.strip() for cell in next(reader, [])]
            for cells in reader:
                if len(cells) > len(header):
                    raise JobsError(f"{path}, line {reader.line_num}: {len(cells)} cells under {len(header)} columns")
                if any(cell.strip() for cell in cells):
                    rows.append((f"line {reader.line_num}", dict(zip(header, (cell.strip() for cell in cells)))))
        except csv.Error as error:
            raise JobsError(f"{path}, line {reader.line_num}: {error}; correct the table") from None
    for column in dict.fromkeys(column for _where, row in rows for column in row):
        if column not in COLUMNS and not column.startswith("#"):
            near = difflib.get_close_matches(column, COLUMNS, 1)
            advice = f"write '{near[0]}'" if near else "see voxrig batch --help for all columns"
            raise JobsError(f"{path} has an unknown column '{column}'; {advice}, or start its name with # to have it left out")
    kept = [(where, {name: cell for name, cell in row.items() if name in COLUMNS}) for where, row in rows]
    return [(where, {name: cell for name, cell in row.items() if cell not in (None, "")}) for where, row in kept]


def _expand(row: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """Expand a row to one row for each file of its sound or curves, by name."""
    for column in ("audio", "curves"):
        source = row.get(column)
        if isinstance(source, str):
            found: list[str] = []
            # Unlike pathlib's, these do not raise for a name that is too long or an unreadable folder.
            if os.path.isdir(source):
                inside = glob.glob(os.path.join(glob.escape(source), "*"))
                found = [path for path in inside if Path(path).suffix.lower() in SOUNDS]
            elif not os.path.exists(source) and glob.has_magic(source):
                found = glob.glob(source, recursive=True)
            return [{**row, column: path} for path in sorted(found)] or [row]
    return [row]


def _make_line(number: int, where: str, row: Mapping[str, Any]) -> Line:
    """Make the line of a row; an error in it becomes the line's problem."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    for column, cell in row.items():
        try:
            if column in SETTING_COLUMNS:
                _add_setting(values, column, cell)
            else:
                values[column] = _parse(column, cell)
        except ValueError as error:
            problems.append(f"{where}, {column}: {error}")
    if not values.get("audio") and not values.get("curves"):
        problems.append(f"{where}: it names neither a sound nor a file of curves")
    if values.get("audio") and values.get("curves"):
        problems.append(f"{where}: it names a sound and a file of curves; leave one of them out")
    line = Line(number, **values)
    outputs: dict[str, str] = {}
    for column in _OUTPUTS:
        try:
            outputs[column] = _fill_in(getattr(line, column), line)
        except ValueError as error:
            problems.append(f"{where}, {column}: {error}")
    line = replace(line, **outputs)
    problems += [f"{where}: {problem}" for problem in _contradictions(line)]
    return replace(line, problem="; ".join(problems))


def _add_setting(values: dict[str, Any], column: str, cell: Any) -> None:
    """Store a cell in the line's settings or scope. Raises ValueError."""
    row, region = SETTING_COLUMNS[column]
    kept = values.setdefault("settings" if row in list_settings() else "scope", {})
    value = parse_setting(row, {region: cell} if region else cell)
    kept[row.name] = {**kept.get(row.name, {}), **value} if row.regions else value


def _contradictions(line: Line) -> Iterable[str]:
    if not line.outputs:
        yield "it has no output; give output_blend, output_curves or output_film"
    if line.blend and not line.character:
        yield "it names a .blend file but no character"
    if not line.blend and (line.output_blend or line.output_film or line.sheet):
        yield "a .blend file, film or sheet needs a blend to start from"
    if not line.blend and line.takes > 1:
        yield "several takes need a blend; for curves give each take a line with its own seed"
    if line.output_blend and line.blend and refers_to_same_file(line.output_blend, line.blend):
        yield "output_blend is the blend itself; choose another name"
    moves = any(isinstance(emotion, list) for emotion in line.settings.get("emotion", {}).values())
    if not line.blend and line.fps is None and moves:
        yield "an emotion on some frames needs the column fps"


def _parse(column: str, cell: Any) -> Any:
    """Parse a cell as a value of Line. Raises ValueError with the reason."""
    if column == "takes":
        count = _number(cell)
        if not (1 <= count <= MOST_TAKES and count == int(count)):
            raise ValueError(f"'{cell}' is not a whole number from 1 to {MOST_TAKES}")
        return int(count)
    if column == "sheet":
        text = str(cell).strip().lower()
        if text not in ("yes", "no", "true", "false", "1", "0"):
            raise ValueError(f"'{cell}' is neither yes nor no")
        return text in ("yes", "true", "1")
    if column in _NUMBERS:
        least, most = _NUMBERS[column]
        number = _number(cell)
        if not least <= number <= most:
            raise ValueError(f"'{cell}' is not a number from {least:g} to {most:g}")
        if column == "fps":
            from ..animation.interchange.timecode import exact_rate

            return exact_rate(number)
        return number
    if not isinstance(cell, str):
        raise ValueError(f"'{cell}' is not a text")
    if not is_storable(cell):
        raise ValueError("it contains a character that no name can have")
    endings = _OUTPUTS.get(column)
    if endings and Path(cell).suffix.lower() not in endings:
        raise ValueError(f"'{Path(cell).name}' does not end in {' or '.join(endings)}")
    return cell


def _number(cell: Any) -> float:
    """Return the number in a cell, NaN if there is none."""
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _fill_in(pattern: str, line: Line) -> str:
    source = Path(line.audio or line.curves)
    fields = {"name": source.stem, "folder": source.parent.name, "character": line.character, "line": f"{line.number:04d}"}

    def fill(match: re.Match[str]) -> str:
        if match[1] not in fields:
            raise ValueError(f"there is no {{{match[1]}}} (there are {', '.join(f'{{{name}}}' for name in fields)})")
        return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", fields[match[1]])

    return _FIELD.sub(fill, pattern)


def _check_outputs(lines: list[Line], tables: Sequence[str]) -> list[Line]:
    """Mark lines with a problem if they would write a file that another one writes or reads, by whatever path."""
    read = {identity: "is the table itself" for table in tables for identity in _identities(table)}
    for line in lines:
        for place in (line.audio, line.curves, line.blend, line.mapping, *_model_files(line.model)):
            for identity in _identities(place) if place else ():
                read.setdefault(identity, f"is read by line {line.number}")
    taken: dict[str, Line] = {}
    checked: list[Line] = []
    for line in lines:
        problem = line.problem
        for output in line.outputs:
            identities = _identities(output)
            other = next((taken[identity] for identity in identities if identity in taken), line)
            taken |= dict.fromkeys(identities, other)
            may_share = output == line.output_blend == other.output_blend
            uses = [read[identity] for identity in identities if identity in read]
            if uses:
                problem = problem or f"its output {output} {uses[0]}"
            elif other is not line and not may_share:
                problem = problem or f"its output {output} is also that of line {other.number}"
            elif other is not line and (other.blend, other.scene, other.fps) != (line.blend, line.scene, line.fps):
                problem = problem or f"it shares {output} with line {other.number} but not its blend, scene and fps"
        checked.append(replace(line, problem=problem))
    return checked


@functools.lru_cache(maxsize=1 << 14)
def _identities(place: str) -> tuple[str, ...]:
    # Names that differ only in case are one file on Windows and macOS.
    return tuple(sorted(identity.casefold() for identity in identities_of(place)))


@functools.lru_cache(maxsize=64)
def _model_files(model: str) -> tuple[str, ...]:
    try:
        folder = find_model(model or None)
    except ModelError:
        return ()
    return str(folder / "model.json"), str(folder / "model.onnx")


def group_lines(lines: Iterable[Line]) -> list[Unit]:
    """Group lines into units, in an order in which a worker seldom changes its model and file."""
    groups: dict[object, list[Line]] = {}
    for line in lines:
        groups.setdefault(("blend", line.output_blend) if line.output_blend else ("line", line.number), []).append(line)
    units = [Unit(tuple(group)) for group in groups.values()]
    return sorted(units, key=lambda unit: (unit.lines[0].model, unit.lines[0].blend, unit.lines[0].number))


# Dependencies of a line


class Digests:
    """Keys of lines: sha256 over the content of every file that a line reads, its settings and this Voxrig's version."""

    def __init__(self) -> None:
        self._files: dict[str, str] = {}
        self._stamps: dict[str, tuple[int, ...]] = {}
        manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
        self._version = f"{manifest['id']} {manifest['version']}"

    def key(self, line: Line) -> str:
        """Return the key of a line; missing files count as such."""
        about = asdict(line)
        for name in ("number", "problem"):
            del about[name]
        read = {name: self.of_file(about[name]) for name in ("audio", "curves", "blend", "mapping") if about[name]}
        text = json.dumps([self._version, about, read, self._of_model(line.model)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def keys(self, lines: Iterable[Line]) -> dict[int, str]:
        """Return the keys of lines by number; lines that write the same .blend depend on one another as well."""
        found: dict[int, str] = {}
        for unit in group_lines(lines):
            keys = [self.key(line) for line in unit.lines]
            shared = "".join(keys) if len(keys) > 1 else ""
            for line, key in zip(unit.lines, keys):
                found[line.number] = hashlib.sha256((key + shared).encode()).hexdigest() if shared else key
        return found

    def of_file(self, path: str) -> str:
        """Return the sha256 of a file's content, read once; 'missing' if it cannot be read."""
        if path not in self._files:
            self._stamps[path] = _stamp(path)
            self._files[path] = _digest(path)
        return self._files[path]

    def changed_input(self, line: Line) -> str:
        """Find a file that a line reads and that has changed since its key was made; '' if there is none."""
        for path in (line.audio, line.curves, line.blend, line.mapping, *_model_files(line.model)[:1]):
            if path in self._files and _stamp(path) != self._stamps[path] and _digest(path) != self._files[path]:
                return path
        return ""

    def _of_model(self, model: str) -> str:
        try:
            folder = find_model(model or None)
        except ModelError:
            return "missing"
        # model.json holds the sha256 of the graph, which loading verifies.
        return self.of_file(str(folder / "model.json"))


def _stamp(path: str) -> tuple[int, ...]:
    """Return a quick stamp that identifies an unchanged file; empty if it cannot be found."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _digest(path: str) -> str:
    try:
        check_ordinary_file(path)
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "missing"


def select_lines(lines: Sequence[Line], ranges: str) -> list[Line]:
    """Select the lines of '3', '1-10' or '1-5,8'. Raises JobsError for an invalid range or one outside the lines.

    Lines that write the same .blend belong to the part of the first of them, so that parts never write one file.
    """
    chosen: set[int] = set()
    for part in ranges.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        if match is None:
            raise JobsError(f"--part {ranges}: write 3, 1-10 or 1-5,8")
        chosen.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    known = {line.number for line in lines}
    if not chosen <= known:
        raise JobsError(f"--part {ranges}: the lines are 1 to {len(lines)}")
    units = [unit for unit in group_lines(lines) if unit.lines[0].number in chosen]
    return sorted((line for unit in units for line in unit.lines), key=lambda line: line.number)
