# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a batch, so that it can resume after a kill or a power cut at any moment. No Blender.

One JSON object per line, appended and forced to the disk; a truncated line is ignored. The work on a unit ends in three
steps: its outputs are complete under temporary names and forced to the disk (by the worker), the journal records 'ready'
with their names and hashes, and the files are renamed. After 'ready' nothing is ever done again: files not yet renamed are
renamed when the journal is opened. Before it, nothing counts. Workers never write here, so no two processes write one
journal.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from ..errors import VoxrigError
from ..storage.reading import check_ordinary_file, is_storable, parse_json

DONE, FAILED = "done", "failed"

_LARGEST_JOURNAL = 1 << 30


class JournalError(VoxrigError):
    """The journal cannot be used."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a line: its key at that time, DONE or FAILED, why it failed, sentences to check, and facts for the report
    page.

    ``passing`` marks a failure that another try may not meet: a killed worker, a full disk.
    """

    key: str
    state: str
    why: str = ""
    warnings: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict[str, Any])
    passing: bool = False


class Journal:
    """The journal in a folder. Close it, or use it with ``with``; a second process on it raises JournalError.

    A farm runs parts of one table at once, so each part has its own journal beside the others; all of them are read.
    """

    def __init__(self, folder: Path, part: str = "") -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._path = folder / f"journal{'-' + part if part else ''}.jsonl"
            with contextlib.suppress(FileNotFoundError):
                check_ordinary_file(self._path, _LARGEST_JOURNAL)
            self._file = open(self._path, "a+b")  # noqa: SIM115 (open for the life of the journal)
        except OSError as error:
            raise JournalError(f"The journal in {folder} cannot be written ({error.strerror}); choose another folder") from None
        try:
            _lock(self._file.fileno())
        except OSError:
            self._file.close()
            raise JournalError(f"Another batch is at work with {self._path}; wait for its end") from None
        self._outcomes: dict[str, Outcome] = {}
        self._finish_renames()
        size = self._file.seek(0, os.SEEK_END)
        if size:
            self._file.seek(size - 1)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")
        for path in sorted(folder.glob("journal*.jsonl")):
            for entry in read_entries(path):
                self._remember(entry)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def outcome(self, key: str) -> Outcome | None:
        """Return the last outcome of the line with this key."""
        return self._outcomes.get(key)

    def write_start(self, keys: Sequence[str], worker: int) -> None:
        """Record that a worker begins with lines. It is only for readers of the journal; nothing depends on it."""
        self._append({"event": "started", "keys": list(keys), "worker": worker})

    def write_end(self, outcomes: Sequence[Outcome], files: Mapping[str, str]) -> list[Outcome]:
        """Record ended lines and rename their outputs.

        ``files`` are the outputs by their temporary names, complete and on the disk. Returns the outcomes, as failures if the
        system refuses to rename.
        """
        self._write_ready(outcomes, [[partial, final, _digest(partial)] for partial, final in files.items()])
        try:
            _rename([[partial, final] for partial, final in files.items()])
        except OSError as error:
            why = f"{error.filename2 or error.filename} cannot be replaced ({error.strerror}); close it in other programs"
            outcomes = [replace(outcome, state=FAILED, why=why, passing=True) for outcome in outcomes]
            self._write_ready(outcomes, [])
        self._append({"event": "renamed", "keys": [outcome.key for outcome in outcomes]})
        return list(outcomes)

    def _write_ready(self, outcomes: Sequence[Outcome], files: list[list[str]]) -> None:
        entry = {"event": "ready", "lines": [outcome.__dict__ for outcome in outcomes], "files": files}
        self._append(entry)
        self._remember(entry)

    def _append(self, entry: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _remember(self, entry: Mapping[str, Any]) -> None:
        if entry["event"] == "ready":
            for line in entry["lines"]:
                outcome = Outcome(**{**line, "warnings": tuple(line["warnings"])})
                self._outcomes[outcome.key] = outcome

    def _finish_renames(self) -> None:
        """Rename files that a kill between 'ready' and 'renamed' left under their temporary names."""
        entries = list(read_entries(self._path))
        if entries and entries[-1]["event"] == "ready":
            # Already renamed if it is no longer there; another program's file of that name is not ours to move.
            waiting = [
                (partial, final)
                for partial, final, digest in entries[-1]["files"]
                if os.path.exists(partial) and _digest(partial) == digest
            ]
            _rename(waiting)


def read_entries(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the entries of a journal, without truncated lines and lines of another shape."""
    try:
        check_ordinary_file(path, _LARGEST_JOURNAL)
        texts = path.read_bytes().splitlines()
    except OSError:
        return
    for text in texts:
        try:
            entry: Any = parse_json(text)
        except ValueError:
            continue
        if _is_entry(entry):
            yield cast("dict[str, Any]", entry)


def _is_entry(entry: Any) -> bool:
    """Return whether a journal's line is an entry that ``Journal`` can follow: 'ready' needs outcomes and files, others
    nothing."""
    if not isinstance(entry, dict) or not isinstance(entry.get("event"), str):
        return False
    if entry["event"] != "ready":
        return True
    lines, files = entry.get("lines"), entry.get("files")
    return (
        isinstance(lines, list)
        and isinstance(files, list)
        and all(_is_outcome(line) for line in lines)
        and all(isinstance(names, list) and len(names) == 3 and all(map(_is_text, names)) for names in files)
    )


def _is_outcome(line: Any) -> bool:
    kinds = {"key": str, "state": str, "why": str, "warnings": list, "facts": dict, "passing": bool}
    return (
        isinstance(line, dict)
        and {"key", "state", "warnings"} <= set(line) <= set(kinds)
        and all(isinstance(value, kinds[name]) for name, value in line.items())
        and line["state"] in (DONE, FAILED)
        and all(map(_is_text, (line["key"], line.get("why", ""), *line["warnings"])))
        and all(_is_fact(name, value) for name, value in line.get("facts", {}).items())
    )


def _is_fact(name: str, value: Any) -> bool:
    """Return whether the report page can show a fact: tracks of numbers, words with seconds and confidence, names of
    pictures, or one number or text.
    """
    if name == "tracks":
        return isinstance(value, dict) and all(
            isinstance(track, list) and all(map(_is_number, track)) for track in value.values()
        )
    if name == "words":
        return isinstance(value, list) and all(
            isinstance(word, list) and len(word) == 3 and _is_text(word[0]) and all(map(_is_number, word[1:])) for word in value
        )
    if name == "sheet":
        return isinstance(value, list) and all(_is_text(item) and Path(item).name == item for item in value)
    return value is None or _is_text(value) or _is_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_storable(value)


def partial_name(final: str, token: str) -> str:
    """Return the temporary name of an output, in its own folder and with its own ending; ``token`` identifies the attempt.

    The output's name is part of it as a digest: two parts of a job write side by side, no name may look like the beginning of
    another, and the longest names leave no room for more.
    """
    path = Path(final)
    return str(path.with_name(f".{_digest_of_name(path)}.{token}.partial{path.suffix}"))


def remove_partials(outputs: Iterable[str]) -> None:
    """Remove temporary files of these outputs that killed workers left."""
    names: dict[Path, set[str]] = {}
    for path in map(Path, outputs):
        names.setdefault(path.parent, set()).add(_digest_of_name(path))
    for folder, digests in names.items():
        with contextlib.suppress(OSError):  # a folder that does not exist yet
            for found in os.listdir(folder):
                match = _PARTIAL.match(found)
                if match is not None and match[1] in digests:
                    with contextlib.suppress(OSError):  # gone meanwhile
                        os.unlink(folder / found)


# Blender itself saves under the name with an @ appended, and renames; so the ending is not checked.
_PARTIAL = re.compile(r"\.([0-9a-f]{16})\.[0-9a-z]+\.partial")


def _digest_of_name(path: Path) -> str:
    return hashlib.sha256(path.name.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def force_to_disk(path: str | Path) -> None:
    """Force a file's content to the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _rename(files: Sequence[Sequence[str]]) -> None:
    for partial, final in files:
        os.replace(partial, final)
    if os.name == "posix":
        for folder in {os.path.dirname(final) for _partial, final in files}:
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lock(handle: int) -> None:
    """Lock a file for this process; the system releases it when the process ends in any way. Raises OSError."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, 1 << 40, os.SEEK_SET)  # beyond the text, which others may read
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
