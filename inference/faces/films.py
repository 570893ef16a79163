# SPDX-License-Identifier: GPL-3.0-or-later
"""Read pictures and films: frames upright, in red, green and blue, with their times.

PyAV decodes them where it is installed; it is too large for the extension (18 to 36 MB), inside which Blender decodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    """A frame: the second at which it is shown, the picture, and how far of the film is read, 0..1."""

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
        rate = float(stream.average_rate or 25.0)
        count = 0
        try:
            for frame in container.decode(stream):
                seconds = count / rate if frame.time is None else float(frame.time)
                if seconds > _LONGEST_SECONDS:
                    raise PictureError(f"{path.name} is longer than {_LONGEST_SECONDS / 3600:g} hours; cut it first")
                yield Frame(seconds, _upright(frame), min(1.0, seconds / total) if total > 0 else 1.0)
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


def turn_upright(path: Path, picture: Picture) -> Picture:
    """Return the picture of a JPEG file as it was meant to be held; decoders leave it as the camera's sensor lay."""
    turns, mirrored = _ORIENTATIONS.get(read_orientation(path), (0, False))
    turned = np.rot90(picture, turns)
    return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)


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
