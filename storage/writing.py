# SPDX-License-Identifier: GPL-3.0-or-later
"""Write files completely or not at all: to a temporary file beside each, forced to the disk, then renamed.

Whatever fails (a full disk, a kill, a power cut), the old file stays, and no partial new one is left. A
device or a pipe is never written to or replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import uuid
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path

from .reading import PathLike, check_ordinary_file

_TEMPORARY = re.compile(r"\.voxrig-[0-9a-f]{16}\.partial$")
_LONGEST_NAME = 255

Content = bytes | str | Iterable[bytes]
"""The content of a file; pieces are written as they come, so that a long table need not be in memory."""


def write_whole(path: PathLike, content: Content) -> None:
    """Write a file, text as UTF-8; missing folders are made. Raises OSError, changing nothing."""
    write_together({path: content})


def write_together(contents: Mapping[PathLike, Content]) -> None:
    """Write several files that belong together; none is replaced before all are completely on the disk. Raises OSError."""
    with contextlib.ExitStack() as stack:
        renames: list[tuple[Path, Path]] = []
        for path, content in contents.items():
            final = _final_place(path)
            partial = stack.enter_context(_temporary(final))
            try:
                pieces = [content.encode("utf-8")] if isinstance(content, str) else content
            except UnicodeEncodeError as error:
                raise OSError(errno.EILSEQ, f"it holds a name that is not UTF-8 ({error.object[:40]!r})", str(path)) from None
            with open(partial, "wb") as file:
                file.writelines([pieces] if isinstance(pieces, bytes) else pieces)
                file.flush()
                os.fsync(file.fileno())
            _keep_mode(partial, final)
            renames.append((partial, final))
        for partial, final in renames:
            os.replace(partial, final)
    for folder in dict.fromkeys(final.parent for _partial, final in renames):
        _force_folder(folder)


def is_temporary(path: PathLike) -> bool:
    """Return whether a file was left behind by a killed ``write_whole``."""
    return _TEMPORARY.search(os.path.basename(path)) is not None


def check_output_place(path: PathLike) -> None:
    """Raise OSError if an ordinary file cannot be here: at a folder, a device, a pipe, or under an impossible name."""
    with contextlib.suppress(FileNotFoundError):
        check_ordinary_file(path)


def _final_place(path: PathLike) -> Path:
    """Return the final path of the file: a link stays a link, and its target is replaced. Makes the folder."""
    check_output_place(path)
    final = Path(os.path.realpath(path))
    if len(os.fsencode(final.name)) > _LONGEST_NAME:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), str(path))
    final.parent.mkdir(parents=True, exist_ok=True)
    return final


@contextlib.contextmanager
def _temporary(final: Path) -> Generator[Path]:
    """Provide a free name beside the file, the file's own with an ending where that is not too long; nothing of it remains."""
    ending = f".voxrig-{uuid.uuid4().hex[:16]}.partial"
    fits = len(os.fsencode(final.name)) + len(ending) <= _LONGEST_NAME
    partial = final.with_name(f"{final.name if fits else ''}{ending}")
    try:
        yield partial
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _keep_mode(partial: Path, final: Path) -> None:
    with contextlib.suppress(OSError):
        os.chmod(partial, stat.S_IMODE(os.stat(final).st_mode))


def _force_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some network shares cannot; the rename itself has succeeded
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
