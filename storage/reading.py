# SPDX-License-Identifier: GPL-3.0-or-later
"""Read untrusted files: only ordinary files of a sane size, and never more than the limit.

A named pipe or a device blocks whoever opens it, a sparse file claims more bytes than there is memory. Every refusal is an
OSError whose ``strerror`` completes the sentence 'X cannot be read (...)', so that callers need one ``except``.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import sys
from typing import Any

PathLike = str | os.PathLike[str]

TEXT_BYTES = 64 << 20
"""Limit for a description, a mapping or a table."""

_MOST_DIGITS = 18
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_ordinary_file(path: PathLike, largest: int | None = None) -> int:
    """Return the size in bytes of an ordinary file, without opening it.

    Raises OSError for a file that is missing, is a folder, pipe or device, or is larger than ``largest`` bytes.
    """
    try:
        found = os.stat(path)
    except ValueError as error:  # a NUL in the name, or half a character that no name of this system can hold
        raise OSError(errno.EINVAL, f"no file can have that name: {str(error).splitlines()[0]}", str(path)) from None
    for is_kind, kind in _KINDS:
        if is_kind(found.st_mode):
            raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))
    if largest is not None and found.st_size > largest:
        raise OSError(errno.EFBIG, f"it is larger than {format_size(largest)}", str(path))
    return found.st_size


def read_bytes(path: PathLike, largest: int = TEXT_BYTES) -> bytes:
    """Return the content of an ordinary file of at most ``largest`` bytes. Raises OSError."""
    check_ordinary_file(path, largest)
    with open(path, "rb") as file:
        content = file.read(largest + 1)
    if len(content) > largest:  # it grew, or its size is not known before it is read
        raise OSError(errno.EFBIG, f"it is larger than {format_size(largest)}", str(path))
    return content


def read_text(path: PathLike, largest: int = TEXT_BYTES) -> str:
    """Return the UTF-8 text of an ordinary file, without a byte order mark. Raises OSError, also if it is not text."""
    try:
        return read_bytes(path, largest).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "it is not UTF-8 text", str(path)) from None


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError with one line for every other text.

    Nesting that is too deep to follow is refused. Whole numbers of more than 18 digits become floats, infinite beyond
    their range, so that whoever checks that a number is finite has checked all.
    """
    try:
        return json.loads(text, parse_int=_parse_integer)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None


def _parse_integer(digits: str) -> float:
    return int(digits) if len(digits.lstrip("-")) <= _MOST_DIGITS else float(digits)


def is_storable(text: str) -> bool:
    """Return whether a text can be stored and named: without NUL, and without the half characters of another encoding."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def refers_to_same_file(one: PathLike, other: PathLike) -> bool:
    """Return whether two paths lead to one file or place, through links, '..' and, where the system ignores it, case."""
    return not identities_of(one).isdisjoint(identities_of(other))


def identities_of(path: PathLike) -> frozenset[str]:
    """Return what a file is known by: its path without links and '..', and its place on the disk once it is there."""
    try:
        resolved = os.path.normcase(os.path.realpath(path))
    except (OSError, ValueError):  # no file can have that name
        return frozenset({os.fspath(path)})
    if sys.platform == "darwin":
        resolved = resolved.casefold()
    try:
        found = os.stat(resolved)
    except (OSError, ValueError):
        return frozenset({resolved})
    return frozenset({resolved, f"inode {found.st_dev} {found.st_ino}"}) if found.st_ino else frozenset({resolved})


def format_size(count: int) -> str:
    """Format a number of bytes for people, such as '64 MB'."""
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
