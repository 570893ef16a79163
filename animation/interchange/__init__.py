# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write the curve files of other programs; the format of a file is detected from its content."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from ...errors import InterchangeError
from ...storage.reading import parse_json, read_bytes
from ...storage.writing import Content, write_whole
from ..curves import ChannelCurves
from ..timing import resample_to_frames
from . import audio2face, live_link_face, mediapipe, rhubarb, tables
from .imported import MOST_FRAMES_PER_SECOND, ImportedCurves

__all__ = ["FORMATS", "ImportedCurves", "import_curves", "parse_curves", "format_of_path", "write_curves"]

FORMATS = (
    "csv",
    "npz",
    live_link_face.FORMAT,
    audio2face.CSV_FORMAT,
    audio2face.JSON_FORMAT,
    rhubarb.TSV_FORMAT,
    rhubarb.XML_FORMAT,
    rhubarb.JSON_FORMAT,
    rhubarb.DAT_FORMAT,
    mediapipe.FORMAT,
)
"""All formats that are read and written; 'csv' and 'npz' are Voxrig's own."""

_SUFFIXES = {
    ".csv": "csv",
    ".npz": "npz",
    ".json": audio2face.JSON_FORMAT,
    ".tsv": rhubarb.TSV_FORMAT,
    ".xml": rhubarb.XML_FORMAT,
    ".dat": rhubarb.DAT_FORMAT,
}
_LARGEST_FILE = 1 << 30


def import_curves(path: str | Path, *, frame_rate: float | None = None, jaw_in_mouth_close: bool = True) -> ImportedCurves:
    """Read the curves of a file; its format is detected from its content.

    ``frame_rate`` overrides the file's own, or supplies it where the file has none. ``jaw_in_mouth_close`` is for
    Audio2Face's layouts: see audio2face.py. Raises InterchangeError, naming the line of a damaged file.
    """
    path = Path(path)
    try:
        data = read_bytes(path, _LARGEST_FILE)
    except OSError as error:
        raise InterchangeError(f"{path} cannot be read ({error.strerror or error}); choose it again") from None
    return parse_curves(data, path.name, frame_rate=frame_rate, jaw_in_mouth_close=jaw_in_mouth_close)


def parse_curves(data: bytes, name: str, *, frame_rate: float | None = None, jaw_in_mouth_close: bool = True) -> ImportedCurves:
    """Read curves like :func:`import_curves` from the bytes of a file, called ``name`` in error messages."""
    if frame_rate is not None and not 1 <= frame_rate <= MOST_FRAMES_PER_SECOND:
        raise InterchangeError(f"{frame_rate:g} frames a second is not a usable rate; choose one from 1 to 1000")
    if data.startswith(b"PK"):
        return tables.read_own_npz(data, name)
    text = tables.decode_text(data, name)
    first = text.lstrip()[:1]
    if first == "{":
        content = _parse_json(text, name)
        if "mouthCues" in content:
            return rhubarb.read_json(content, name)
        if "weightMat" in content:
            return audio2face.read_json(content, name, frame_rate, jaw_in_mouth_close)
    elif first == "<":
        return rhubarb.read_xml(text, name)
    elif text.lstrip().startswith(rhubarb.DAT_HEADER):
        return rhubarb.read_dat(text.lstrip(), name, frame_rate)
    elif rhubarb.is_tsv(text):
        return rhubarb.read_tsv(text, name)
    else:
        header = tables.read_header(text)
        if live_link_face.is_header(header):
            return live_link_face.read(text, name, frame_rate)
        if audio2face.is_header(header):
            return audio2face.read_csv(text, name, frame_rate, jaw_in_mouth_close)
        # Voxrig's own header may name ARKit's shapes under 'seconds' too; it states where a recording starts.
        if tables.is_own_header(header) and mediapipe.NEUTRAL not in header:
            return tables.read_own_csv(text, name, frame_rate)
        if mediapipe.is_header(header):
            return mediapipe.read(text, name, frame_rate)
    raise InterchangeError(
        f"{name} is not a curve file that Voxrig knows (Live Link Face, Audio2Face, Rhubarb, MediaPipe or its own); "
        "choose another one"
    )


def _parse_json(text: str, name: str) -> dict[str, Any]:
    try:
        content: Any = parse_json(text)
    except ValueError as error:
        raise InterchangeError(f"{name} is not usable JSON ({error}); export the file again") from None
    return cast("dict[str, Any]", content) if isinstance(content, dict) else {}


def format_of_path(path: str | Path) -> str:
    """Return the format of a file name's ending; '.json' is Audio2Face's. Raises InterchangeError for another ending."""
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise InterchangeError(f"{path} ends in none of {', '.join(_SUFFIXES)}; name its format")
    return _SUFFIXES[suffix]


def write_curves(
    path: str | Path,
    curves: ChannelCurves,
    file_format: str | None = None,
    *,
    frame_rate: float | None = None,
    jaw_in_mouth_close: bool = True,
    start_timecode: str | None = None,
) -> tuple[str, ...]:
    """Write a file, completely or not at all, and return a sentence for each thing that its format cannot store.

    ``file_format`` is one of ``FORMATS``, or None for that of the path's ending. ``frame_rate`` resamples first (for
    Rhubarb's DAT it is the rate of its frames). Live Link Face is resampled to 60 if its readers do not support the rate;
    ``start_timecode`` is its first label. Raises InterchangeError where the file cannot be written.
    """
    path = Path(path)
    data, notes = _encode(
        curves, file_format or format_of_path(path), frame_rate, jaw_in_mouth_close=jaw_in_mouth_close, start=start_timecode
    )
    try:
        write_whole(path, data)
    except OSError as error:
        raise InterchangeError(f"{path} cannot be written ({error.strerror or error}); choose another place") from None
    return notes


def _encode(
    curves: ChannelCurves, file_format: str, frame_rate: float | None, *, jaw_in_mouth_close: bool, start: str | None
) -> tuple[Content, tuple[str, ...]]:
    if curves.frame_count == 0:
        raise InterchangeError("these curves have no frames, so there is nothing to write")
    if file_format.startswith("rhubarb-") and file_format in FORMATS:
        return rhubarb.write(curves, file_format, frame_rate or rhubarb.DAT_FRAME_RATE), ()
    if frame_rate is not None and frame_rate != curves.frame_rate:
        curves = resample_to_frames(curves, frame_rate, curves.start_seconds)
    if file_format == "csv":
        return tables.write_own_csv(curves), ()
    if file_format == "npz":
        return tables.write_own_npz(curves), ()
    if file_format == audio2face.CSV_FORMAT:
        return audio2face.write_csv(curves, jaw_in_mouth_close)
    if file_format == audio2face.JSON_FORMAT:
        return audio2face.write_json(curves, jaw_in_mouth_close)
    if file_format == mediapipe.FORMAT:
        return mediapipe.write(curves)
    if file_format == live_link_face.FORMAT:
        note: tuple[str, ...] = ()
        if live_link_face.written_rate(curves.frame_rate) is None:
            note = (f"Live Link Face does not support {curves.frame_rate:g} frames a second; the curves were resampled to 60",)
            curves = resample_to_frames(curves, 60.0, curves.start_seconds)
        data, notes = live_link_face.write(curves, start)
        return data, (*note, *notes)
    raise InterchangeError(f"there is no format '{file_format}'; there are {', '.join(FORMATS)}")
