# SPDX-License-Identifier: GPL-3.0-or-later
"""Read pictures and films: frames upright, in red, green and blue, with their times.

PyAV decodes them where it is installed; it is too large for the extension (18 to 36 MB), inside which Blender decodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ...errors import PictureError
from .cropping import Picture

LARGEST_SIDE = 1280
"""Larger frames are made this large: a face needs no more, and a film in 4k would take most of its time to copy."""
SMALLEST_SIDE = 48
"""Pixels of a picture's shorter side; in a smaller one no face has an expression."""
_LONGEST_SECONDS = 6 * 3600.0


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame: the second of the file at which it is shown, the picture, and how far of the film is read, 0..1."""

    seconds: float
    picture: Picture
    progress: float


FrameReader = Callable[[Path], Iterator[Frame]]
"""Reads the frames of a picture or a film in order of time. Raises PictureError."""


def has_pyav() -> bool:
    """Return whether PyAV is installed."""
    import importlib.util

    return importlib.util.find_spec("av") is not None


def read_frames(path: Path) -> Iterator[Frame]:
    """Read the frames of a picture or a film with PyAV. Raises PictureError."""
    import av as untyped

    av: Any = untyped
    failures: tuple[type[BaseException], ...] = (av.error.FFmpegError, ValueError, MemoryError)
    check_file(path)
    try:
        container: Any = av.open(str(path))
    except failures as error:
        raise PictureError(f"{path.name} is no picture or film that can be read ({_reason(error)}); choose another") from None
    with container:
        stream = next((one for one in container.streams.video if not _is_cover(one)), None)
        if stream is None:
            raise PictureError(f"{path.name} holds no pictures, only sound; choose a film of a face")
        stream.thread_type = "AUTO"
        total = float(container.duration or 0) / 1e6
        # Sound and pictures keep their distance: files that were cut begin late, and some pictures after their sound.
        begin = max(float(container.start_time or 0), 0.0) / 1e6
        rate = float(stream.average_rate or 25.0)
        count = 0
        try:
            for frame in container.decode(stream):
                seconds = count / rate if frame.time is None else max(float(frame.time) - begin, 0.0)
                if seconds > _LONGEST_SECONDS:
                    raise PictureError(f"{path.name} is longer than {_LONGEST_SECONDS / 3600:g} hours; cut it first")
                shown = show_wide_range(_upright(frame), int(getattr(frame, "color_trc", 0) or 0))
                yield Frame(seconds, shown, min(1.0, seconds / total) if total > 0 else 1.0)
                count += 1
        except failures as error:
            # A film that breaks off is read as far as it goes.
            if count == 0:
                raise PictureError(f"{path.name} cannot be decoded ({_reason(error)}); save it again") from None
        if count == 0:
            raise PictureError(f"{path.name} holds no frame; save it again")


def check_file(path: Path) -> None:
    """Raise PictureError for a file that is missing, empty, or no ordinary file."""
    from ...storage.reading import check_ordinary_file

    try:
        check_ordinary_file(path)
        if path.stat().st_size == 0:
            raise PictureError(f"{path.name} is empty; save it again")
    except OSError as error:
        raise PictureError(f"{path} cannot be read ({error.strerror or error}); choose it again") from None


def fitting_size(width: int, height: int) -> tuple[int, int]:
    """Return the size at which a frame is read: its own, or smaller with the same shape."""
    scale = min(1.0, LARGEST_SIDE / max(width, height, 1))
    return max(1, round(width * scale)), max(1, round(height * scale))


def read_decoded(path: Path, decoded: Iterable[tuple[float, Picture, float]], *, turns_films: bool = True) -> Iterator[Frame]:
    """Turn upright what another decoder makes of a file: seconds, pictures and progress. Raises PictureError.

    Decoders leave the pictures of JPEG files as the camera's sensor lay, and those of films unless they ``turns_films``.
    """
    check_file(path)
    turns, mirrored = _ORIENTATIONS.get(read_orientation(path), (0, False))
    if not turns_films:
        turns += read_film_turns(path)
    for seconds, picture, progress in decoded:
        turned = np.rot90(picture, turns)
        yield Frame(seconds, np.ascontiguousarray(turned[:, ::-1] if mirrored else turned), progress)


# Quarter turns to the left, then mirrored, for each orientation of Exif (JEITA CP-3451, tag 0x0112).
_ORIENTATIONS = {
    2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)
}  # fmt: skip
_MOST_EXIF_BYTES = 1 << 17


def read_orientation(path: Path) -> int:
    """Read the orientation 1..8 of a JPEG file, 1 where it says none."""
    with open(path, "rb") as file:
        data = file.read(_MOST_EXIF_BYTES)
    start = data.find(b"Exif\0\0")
    if not data.startswith(b"\xff\xd8") or start < 0:
        return 1
    block = data[start + 6 :]
    order = "little" if block[:2] == b"II" else "big"
    try:
        directory = int.from_bytes(block[4:8], order)
        for entry in range(int.from_bytes(block[directory : directory + 2], order)):
            at = directory + 2 + 12 * entry
            if int.from_bytes(block[at : at + 2], order) == 0x0112:
                return int.from_bytes(block[at + 8 : at + 10], order)
    except (ValueError, OverflowError):
        pass
    return 1


_BOXES_INSIDE = (b"moov", b"trak")
_MOST_BOXES = 4096


def read_film_turns(path: Path) -> int:
    """Return the quarter turns to the left 0..3 that put the pictures of an MP4 or MOV file upright; 0 for other files.

    The matrix of the first track with pictures says so (ISO/IEC 14496-12, box 'tkhd').
    """
    with open(path, "rb") as file:
        return next(_find_turns(file), 0)


def _find_turns(file: IO[bytes]) -> Iterator[int]:
    for _ in range(_MOST_BOXES):
        start = file.tell()
        header = file.read(16)
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == 1:
            size = int.from_bytes(header[8:], "big")
        if kind in _BOXES_INSIDE:
            file.seek(start + (16 if header[:4] == b"\0\0\0\1" else 8))
            continue
        if kind == b"tkhd":
            file.seek(start + 8)
            body = file.read(96)
            at = 52 if body[:1] == b"\1" else 40
            across, down = (int.from_bytes(body[at + place : at + place + 4], "big", signed=True) for place in (0, 4))
            if len(body) >= at + 44 and any(body[at + 36 : at + 44]):
                yield -round(math.atan2(down, across) / (math.pi / 2)) % 4
        if len(header) < 8 or size < 8:
            return
        file.seek(start + size)


_DISPLAY_WHITE_NITS = 203.0
"""What a white paper has in a film of high dynamic range (ITU-R BT.2408)."""
_PERCEPTUAL, _HYBRID = 16, 18  # transfer characteristics of ITU-T H.273


def show_wide_range(picture: Picture, transfer: int) -> Picture:
    """Return a picture of high dynamic range as a usual display shows it; others stay as they are.

    ``transfer`` is the number of its curve in ITU-T H.273: 16 is PQ (SMPTE ST 2084), 18 HLG (ARIB STD-B67). Colours stay in
    their wide space, where they look paler; brighter than white is white.
    """
    if transfer not in (_PERCEPTUAL, _HYBRID):
        return picture
    code = np.arange(256) / 255.0
    if transfer == _PERCEPTUAL:
        power = code ** (32 / 2523)
        light = (np.maximum(power - 3424 / 4096, 0.0) / (2413 / 128 - 2392 / 128 * power)) ** (16384 / 2610)
        light *= 10_000.0 / _DISPLAY_WHITE_NITS
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3.0, (np.exp((code - c) / a) + b) / 12.0)
        light /= (math.exp((0.75 - c) / a) + b) / 12.0  # three quarters of the signal are white
    shown = np.clip(light, 0.0, 1.0) ** (1 / 2.2)
    return np.rint(255.0 * shown).astype(np.uint8)[picture]


def _upright(frame: Any) -> Picture:
    width, height = fitting_size(frame.width, frame.height)
    picture = frame.to_ndarray(format="rgb24", width=width, height=height)
    turns = round(float(frame.rotation or 0) / 90.0) % 4
    return np.ascontiguousarray(np.rot90(picture, turns) if turns else picture)


def _is_cover(stream: Any) -> bool:
    """Return whether a stream is the cover of a record rather than a film."""
    return "attached_pic" in str(getattr(stream, "disposition", "")).lower()


def _reason(error: BaseException) -> str:
    text = str(getattr(error, "strerror", None) or error).splitlines()
    return text[0][:120] if text else type(error).__name__


def typical_rate(seconds: list[float]) -> float:
    """Return the frames a second of a film from the times of its frames: a usual rate where one is near.

    The median step is taken, since phones drop frames and vary their rate.
    """
    if len(seconds) < 2:
        return 25.0
    steps = np.diff(np.array(seconds))
    step = float(np.median(steps[steps > 1e-4])) if np.any(steps > 1e-4) else 0.04
    rate = min(max(1.0 / step, 1.0), 240.0)
    usual = (10, 12, 12.5, 15, 24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60, 90, 100, 120, 240)
    nearest = min(usual, key=lambda one: abs(math.log(one / rate)))
    # Times in milliseconds tell 29.97 from 30 only over the whole film.
    whole = (len(seconds) - 1) / max(seconds[-1] - seconds[0], 1e-6)
    near = [one for one in usual if abs(math.log(one / rate)) < 0.02]
    if near:
        return min(near, key=lambda one: abs(math.log(one / whole)))
    return nearest if abs(math.log(nearest / rate)) < 0.05 else rate
