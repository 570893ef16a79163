# SPDX-License-Identifier: GPL-3.0-or-later
"""Rhubarb Lip Sync's mouth cues as TSV, XML, JSON or Moho's DAT, to and from viseme channels and ARKit poses.

A cue shows one of nine shapes (A to H, X at rest) from its start to the next cue, in hundredths of a second. Imported, cues
cross-fade around their boundary, so that a 3D face moves instead of jumping; ``rhubarb.json`` holds the channels of each
shape. Exported, each hundredth of a second takes the shape nearest to its viseme weights, so that cues of 40 ms or more
keep their times in a round trip. DAT counts frames from 1 and does not store their rate: Rhubarb's default is 24.
"""

from __future__ import annotations

import functools
import json
import math
import re
import xml.parsers.expat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import InterchangeError
from ..curves import ChannelCurves
from ..face.channels import expand_sides, face_channel_names
from .imported import ImportedCurves, damaged

TSV_FORMAT, XML_FORMAT, JSON_FORMAT, DAT_FORMAT = "rhubarb-tsv", "rhubarb-xml", "rhubarb-json", "rhubarb-dat"

FRAME_RATE = 100.0
"""Rhubarb's own resolution, at which cues are imported and searched."""

DAT_FRAME_RATE = 24.0
DAT_HEADER = "MohoSwitch1"

_FADE_SECONDS = 0.08
"""Rhubarb draws nothing shorter than 70 to 80 ms; a transition takes that long where the cues leave it room."""

_SHORTEST_CUE = 3  # hundredths of a second; anything shorter is the middle of a cross-fade, not a mouth shape
_LONGEST_SECONDS = 6 * 3600.0
_TSV_LINE = re.compile(r"\s*(\d{1,7}(?:[.,]\d{1,6})?)\t\s*([A-HX])\s*")
_DAT_LINE = re.compile(r"\s*(\d{1,8})\s+(\w{1,8})\s*")


@dataclass(frozen=True)
class Cue:
    """The mouth has ``shape`` from ``start`` seconds on; ``line`` is the cue's line in the file."""

    start: float
    shape: str
    line: int


@dataclass(frozen=True)
class Shapes:
    """The data of ``rhubarb.json``: shape letters, their channels, and the viseme weights that each is written for."""

    letters: tuple[str, ...]
    blair: Mapping[str, str]
    channels: tuple[str, ...]
    poses: NDArray[np.float64]
    visemes: tuple[str, ...]
    prototypes: NDArray[np.float64]
    prototype_letters: tuple[str, ...]


@functools.cache
def shapes() -> Shapes:
    """Return the shapes, read once. ``poses`` is ``[shape, channel]``, ``prototypes`` ``[prototype, viseme]``."""
    entries: dict[str, Any] = json.loads(Path(__file__).with_name("rhubarb.json").read_text(encoding="utf-8"))["shapes"]
    face = face_channel_names()
    visemes = tuple(name for name in face if name.startswith("viseme_"))
    poses = [
        {
            **expand_sides(entry["pose"], face),
            **{f"viseme_{viseme}": float(weight) for viseme, weight in entry["visemes"].items()},
        }
        for entry in entries.values()
    ]
    channels = tuple(name for name in face if name.startswith("viseme_") or any(name in pose for pose in poses))
    prototypes: list[list[float]] = []
    letters: list[str] = []
    for letter, entry in entries.items():
        examples = [cast("dict[str, float]", entry["visemes"]), *({viseme: 1.0} for viseme in entry["exported"])]
        for example in examples:
            prototypes.append([example.get(viseme.removeprefix("viseme_"), 0.0) for viseme in visemes])
            letters.append(letter)
    return Shapes(
        tuple(entries),
        {letter: entry["blair"] for letter, entry in entries.items()},
        channels,
        np.array([[pose.get(channel, 0.0) for channel in channels] for pose in poses]),
        visemes,
        np.array(prototypes),
        tuple(letters),
    )


def is_tsv(text: str) -> bool:
    """Return whether the first line is a time, a tab and a shape."""
    return _TSV_LINE.fullmatch(text.lstrip("\n").partition("\n")[0]) is not None


def read_tsv(text: str, name: str) -> ImportedCurves:
    """Read TSV, whose last line is the end of the sound."""
    cues: list[Cue] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        match = _TSV_LINE.fullmatch(line)
        if match is None:
            raise damaged(name, number, "it is not a time, a tab and one of the shapes A to H or X")
        cues.append(Cue(float(match[1].replace(",", ".")), match[2], number))
    return _import(cues, None, name, TSV_FORMAT)


def read_dat(text: str, name: str, frame_rate: float | None = None) -> ImportedCurves:
    """Read DAT at ``frame_rate`` (Rhubarb's default of 24), with shape letters or Preston Blair names."""
    rate = frame_rate or DAT_FRAME_RATE
    rows: list[tuple[int, str, int]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or (number == 1 and line.strip() == DAT_HEADER):
            continue
        match = _DAT_LINE.fullmatch(line)
        if match is None:
            raise damaged(name, number, "it is not a frame and a shape")
        rows.append((int(match[1]), match[2], number))
    letters = shapes().letters
    by_blair = {blair: letter for letter, blair in shapes().blair.items()}
    # 'E' is in both vocabularies; any other word tells them apart.
    is_blair = any(word not in letters for _frame, word, _number in rows)
    cues: list[Cue] = []
    for frame, word, number in rows:
        shape = by_blair.get(word) if is_blair else word
        if shape is None or frame < 1:
            raise damaged(name, number, f"'{word}' on frame {frame} is not a mouth shape")
        cues.append(Cue((frame - 1) / rate, shape, number))
    imported = _import(cues, None, name, DAT_FORMAT)
    if frame_rate is not None:
        return imported
    note = f"{name} does not state its frame rate; Rhubarb's default of {rate:g} is assumed"
    return ImportedCurves(imported.curves, DAT_FORMAT, (note, *imported.warnings))


def read_json(content: Any, name: str) -> ImportedCurves:
    """Read parsed JSON. Raises InterchangeError naming a damaged cue."""
    cues_field = cast("dict[str, Any]", content).get("mouthCues") if isinstance(content, dict) else None
    if not isinstance(cues_field, list):
        raise InterchangeError(f"{name} has no list 'mouthCues'; export it again")
    cues: list[Cue] = []
    end: float | None = None
    for i, entry in enumerate(cast("list[Any]", cues_field), start=1):
        fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
        start, end, shape = _time(fields.get("start")), _time(fields.get("end")), fields.get("value")
        if start is None or end is None or not isinstance(shape, str) or shape not in shapes().letters:
            raise InterchangeError(f"{name}, cue {i}: it needs start, end and one of the shapes A to H or X; export it again")
        cues.append(Cue(start, shape, i))
    return _import(cues, end, name, JSON_FORMAT)


def _time(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LONGEST_SECONDS:
        return float(value)
    return None


def read_xml(text: str, name: str) -> ImportedCurves:
    """Read XML. Entities and document types, which Rhubarb never writes, are rejected."""
    cues: list[Cue] = []
    ends: list[float] = []
    open_cue: list[tuple[float, float, int]] = []
    letters: list[str] = []
    elements: list[str] = []
    parser = xml.parsers.expat.ParserCreate()

    def start_element(tag: str, attributes: dict[str, str]) -> None:
        elements.append(tag)
        if len(elements) == 1 and tag != "rhubarbResult":
            raise damaged(name, parser.CurrentLineNumber, f"<{tag[:20]}> is not <rhubarbResult>")
        if tag == "mouthCue":
            letters.clear()
            open_cue[:] = [(time("start", attributes), time("end", attributes), parser.CurrentLineNumber)]

    def time(key: str, attributes: dict[str, str]) -> float:
        text = attributes.get(key, "")
        if not re.fullmatch(r"\d{1,6}([.,]\d{1,6})?", text):
            raise damaged(name, parser.CurrentLineNumber, f"a mouthCue has no usable '{key}'")
        return float(text.replace(",", "."))

    def end_element(tag: str) -> None:
        elements.pop()
        if tag == "mouthCue":
            begin, end, line = open_cue[0]
            shape = "".join(letters).strip()
            if shape not in shapes().letters:
                raise damaged(name, line, f"'{shape[:20]}' is not a mouth shape")
            cues.append(Cue(begin, shape, line))
            ends.append(end)

    def refuse(*_declaration: object) -> None:
        raise damaged(name, parser.CurrentLineNumber, "it declares a document type, which no file of Rhubarb has")

    parser.StartElementHandler = start_element
    parser.EndElementHandler = end_element
    parser.CharacterDataHandler = letters.append
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text, True)
    except xml.parsers.expat.ExpatError as error:
        raise damaged(name, error.lineno, "it is not XML") from None
    except (LookupError, ValueError):
        raise InterchangeError(f"{name} is XML in an unknown encoding; save it as UTF-8") from None
    return _import(cues, ends[-1] if ends else None, name, XML_FORMAT)


def _import(cues: list[Cue], end: float | None, name: str, file_format: str) -> ImportedCurves:
    """Convert cues to curves that start at 0. Without ``end`` the last cue only marks the end of the sound."""
    if not cues:
        raise InterchangeError(f"{name} has no mouth cues; export it again")
    for before, after in zip(cues, cues[1:]):
        if after.start < before.start:
            raise damaged(name, after.line, "it is earlier than the one before it")
    if end is None:
        cues, end = (cues[:-1] or cues), cues[-1].start
    end = max(end, cues[-1].start + 1 / FRAME_RATE)
    if end > _LONGEST_SECONDS:
        raise damaged(name, cues[-1].line, f"it is {end / 3600:.0f} hours after the start")
    kept = [cue for cue, after in zip(cues, [*cues[1:], None]) if after is None or after.start > cue.start]
    starts = np.array([cue.start for cue in kept])
    stops = np.append(starts[1:], end)
    letters = shapes().letters
    seconds = np.arange(math.ceil(end * FRAME_RATE - 1e-6)) / FRAME_RATE
    poses = shapes().poses[[letters.index(cue.shape) for cue in kept]]
    knots, rows = _cross_fades(starts, stops)
    values = np.empty((seconds.size, poses.shape[1]), dtype=np.float32)
    for channel in range(poses.shape[1]):
        values[:, channel] = np.interp(seconds, knots, poses[rows, channel])
    return ImportedCurves(ChannelCurves(shapes().channels, FRAME_RATE, values), file_format)


def _cross_fades(starts: NDArray[np.float64], stops: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the instants between which the mouth moves in a straight line, and the cue fully reached at each."""
    lengths = stops - starts
    knots, rows = [float(starts[0])], [0]
    for i in range(1, starts.size):
        # Both sides of a boundary are equally long, so that it lies where the two shapes are equally strong; and each cue is
        # fully reached for an instant.
        half = 0.5 * min(_FADE_SECONDS, float(lengths[i - 1]), float(lengths[i]))
        knots += [float(starts[i]) - half, float(starts[i]) + half]
        rows += [i - 1, i]
    return np.array(knots), np.array(rows)


# --- export


def find_cues(curves: ChannelCurves) -> tuple[list[tuple[float, str]], float]:
    """Find mouth cues (start, shape) from second 0 on, and the end, in the curves' viseme channels.

    Raises InterchangeError if the curves have no visemes.
    """
    visemes = shapes().visemes
    present = [name for name in visemes if name in curves.names]
    if not any(name != "viseme_sil" for name in present):
        raise InterchangeError(
            "these curves have no viseme channels, which Rhubarb's shapes are made of; choose another format"
        )
    if curves.frame_count == 0:
        raise InterchangeError("these curves are empty")
    seconds = curves.seconds()
    end = curves.start_seconds + curves.frame_count / curves.frame_rate
    count = max(1, math.floor(end * FRAME_RATE + 1e-6))
    # The middle of each hundredth lies past the instant at which two shapes are equally strong.
    middles = (np.arange(count) + 0.5) / FRAME_RATE
    weights = np.zeros((count, len(visemes)))
    for column, name in enumerate(visemes):
        if name in present:
            weights[:, column] = np.interp(middles, seconds, curves.channel(name))
    if "viseme_sil" not in present:
        weights[:, visemes.index("viseme_sil")] = np.maximum(0.0, 1.0 - weights.sum(axis=1))
    weights[middles < curves.start_seconds] = np.eye(len(visemes))[visemes.index("viseme_sil")]
    prototypes = shapes().prototypes
    distances = ((weights[:, None, :] - prototypes[None]) ** 2).sum(axis=2)
    nearest: list[str] = [shapes().prototype_letters[int(i)] for i in np.argmin(distances, axis=1)]
    return _join(nearest), count / FRAME_RATE


def _join(letters: Sequence[str]) -> list[tuple[float, str]]:
    """Join runs of one letter into (start, letter); runs too short to be seen are split between their neighbours."""
    starts = [0, *(i for i in range(1, len(letters)) if letters[i] != letters[i - 1]), len(letters)]
    runs = [(start, stop, letters[start]) for start, stop in zip(starts, starts[1:])]
    kept: list[tuple[int, str]] = []
    pending = 0
    for start, stop, letter in runs:
        if stop - start < _SHORTEST_CUE and kept:
            pending += stop - start
            continue
        begin = start - pending // 2 if kept else 0
        pending = 0
        if not kept or kept[-1][1] != letter:
            kept.append((begin, letter))
    return [(begin / FRAME_RATE, letter) for begin, letter in kept]


def write(curves: ChannelCurves, file_format: str, frame_rate: float = DAT_FRAME_RATE) -> bytes:
    """Format the cues of the curves in one of Rhubarb's four formats; ``frame_rate`` is that of DAT."""
    cues, end = find_cues(curves)
    stops = [start for start, _shape in cues[1:]] + [end]
    if file_format == TSV_FORMAT:
        lines = [f"{start:.2f}\t{shape}" for start, shape in cues] + [f"{end:.2f}\tX"]
    elif file_format == DAT_FORMAT:
        lines = _dat_lines(cues, end, frame_rate)
    elif file_format == XML_FORMAT:
        lines = ['<?xml version="1.0" encoding="utf-8"?>', "<rhubarbResult>", "  <metadata>", "    <soundFile></soundFile>"]
        lines += [f"    <duration>{end:.2f}</duration>", "  </metadata>", "  <mouthCues>"]
        lines += [
            f'    <mouthCue start="{start:.2f}" end="{stop:.2f}">{shape}</mouthCue>'
            for (start, shape), stop in zip(cues, stops)
        ]
        lines += ["  </mouthCues>", "</rhubarbResult>"]
    else:
        entries = [
            f'    {{ "start": {start:.2f}, "end": {stop:.2f}, "value": "{shape}" }}'
            for (start, shape), stop in zip(cues, stops)
        ]
        lines = ["{", '  "metadata": {', '    "soundFile": "",', f'    "duration": {end:.2f}', "  },", '  "mouthCues": [']
        lines += [",\n".join(entries), "  ]", "}"]
    return ("\n".join(lines) + "\n").encode("utf-8")


def _dat_lines(cues: Sequence[tuple[float, str]], end: float, frame_rate: float) -> list[str]:
    lines = [DAT_HEADER]
    last = 0
    for start, shape in cues:
        frame = 1 + math.floor(start * frame_rate + 1e-6)
        if frame > last:
            lines.append(f"{frame} {shape}")
            last = frame
    return [*lines, f"{max(last + 1, 1 + math.floor(end * frame_rate + 1e-6))} X"]
