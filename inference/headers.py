# SPDX-License-Identifier: GPL-3.0-or-later
"""Correct what the headers of sound files say about their length, for a reader that believes them.

libsndfile decodes no more than a header promises. A WAV written into a pipe may promise nothing, and an MP3 as streaming
services send it has no count of its frames, so that libsndfile guesses one from the first frame.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Mapping
from typing import Protocol

SoundSource = str | os.PathLike[str] | bytes

_LARGEST_SIZE = 0xFFFFFFFF


class _File(Protocol):
    """The part of ``io.FileIO`` and ``io.BytesIO`` that is needed here."""

    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...
    def close(self) -> None: ...


class CorrectedFile(io.RawIOBase):
    """A readable file from ``begin`` on, with other bytes at some offsets, and on request with a length nobody can ask for.

    ``replaced`` maps offsets in ``file`` to bytes. Without ``has_length`` a seek to the end goes to 0, as if the file were
    empty: libsndfile's MP3 decoder then counts the frames instead of guessing from the size. Closes ``file`` with itself.
    """

    def __init__(self, file: _File, replaced: Mapping[int, bytes], begin: int = 0, has_length: bool = True) -> None:
        super().__init__()
        self._file = file
        self._replaced = dict(replaced)
        self._begin = begin
        self._has_length = has_length
        file.seek(begin)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell() - self._begin

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_END and not self._has_length:
            offset, whence = 0, os.SEEK_SET
        return self._file.seek(offset + (self._begin if whence == os.SEEK_SET else 0), whence) - self._begin

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        begin = self._file.tell()
        data = bytearray(self._file.read(len(buffer)))
        for offset, content in self._replaced.items():
            for index in range(max(offset, begin), min(offset + len(content), begin + len(data))):
                data[index - begin] = content[index - offset]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def open_corrected(source: SoundSource) -> CorrectedFile | None:
    """Open a sound whose header is known to mislead, corrected; None for all others. Raises OSError."""
    file = io.BytesIO(source) if isinstance(source, bytes) else io.FileIO(os.fspath(source))
    start = file.read(12)
    corrected = None
    if start[:4] == b"RIFF" and start[8:] == b"WAVE":
        replaced = _data_size(file)
        corrected = CorrectedFile(file, replaced) if replaced else None
    elif start[:3] == b"ID3" or (len(start) > 1 and start[0] == 0xFF and start[1] & 0xE6 == 0xE2):
        begin = _behind_tags(file)
        corrected = CorrectedFile(file, _false_count(file, begin), begin, has_length=False)
    if corrected is None:
        file.close()
    return corrected


def _data_size(file: _File) -> dict[int, bytes]:
    """Return the sizes of a WAV to replace: those of the file and of its samples, where the latter is 0 but samples follow."""
    end = file.seek(0, os.SEEK_END)
    position = 12
    while position + 8 <= end:
        file.seek(position)
        name, size = struct.unpack("<4sI", file.read(8))
        position += 8
        if name == b"data":
            if size != 0 or position == end or _holds_chunks(file, position, end):
                return {}
            return {
                4: struct.pack("<I", min(end - 8, _LARGEST_SIZE)),
                position - 4: struct.pack("<I", min(end - position, _LARGEST_SIZE)),
            }
        position += size + size % 2
    return {}


def _holds_chunks(file: _File, position: int, end: int) -> bool:
    """Return whether whole chunks fill the rest of a RIFF file, so that an empty one before them is meant."""
    while position + 8 <= end:
        file.seek(position)
        name, size = struct.unpack("<4sI", file.read(8))
        if not (name.isascii() and name.decode("ascii").isprintable()):
            return False
        position += 8 + size + size % 2
    return end <= position <= end + 1


def _behind_tags(file: _File) -> int:
    """Return where the MP3 begins behind its ID3v2 tags (id3.org, ID3v2.4 section 3.1), which can hold whole pictures."""
    begin = 0
    while True:
        file.seek(begin)
        tag = file.read(10)
        if len(tag) < 10 or tag[:3] != b"ID3" or max(tag[6:10]) > 0x7F:
            return begin
        footer = 10 if tag[5] & 0x10 else 0
        begin += 10 + (tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]) + footer


def _false_count(file: _File, begin: int) -> dict[int, bytes]:
    """Return what hides the Xing header of an MP3 that is far longer than this says, as when files were joined."""
    file.seek(begin)
    frame = file.read(64)
    found = max(frame.find(b"Xing"), frame.find(b"Info"))
    if found < 0 or len(frame) < found + 16:
        return {}
    flags, _frames, size = struct.unpack(">III", frame[found + 4 : found + 16])
    length = file.seek(0, os.SEEK_END) - begin
    # Both counts are there; a tag with a picture may follow the sound.
    if flags & 3 == 3 and size > 0 and length > 1.05 * size and not _holds_tag(file, begin + size):
        return {begin + found: bytes(4)}
    return {}


def _holds_tag(file: _File, position: int) -> bool:
    """Return whether a tag follows the sound there: ID3v1, APEv2 or Lyrics3."""
    file.seek(position)
    return file.read(11).startswith((b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3"))
