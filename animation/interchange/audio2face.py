# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio2Face: the CSV of Audio2Face-3D's clients and the JSON that Omniverse exports.

CSV: an index column, 'timeCode' in seconds and 'blendShapes.<Name>' columns. JSON: 'exportFps', 'facsNames' [channel] and
'weightMat' [time][channel].

ARKit's 'mouthClose' closes the lips 'independent of jaw position' (Apple, ARFaceAnchor.BlendShapeLocation.mouthClose): it
is added to an open jaw. Audio2Face's shape of that name already contains the open jaw; NVIDIA's plugin has its own
MetaHuman pose mapping, mh_arkit_mapping_pose_A2F (docs.nvidia.com/ace/ace-unreal-plugin). With J and C the two ARKit
shapes, Audio2Face's face is j J + c (C + J) = (j + c) J + c C: reading adds 'mouthClose' to 'jawOpen', writing subtracts
it. Files of other programs in these layouts may use ARKit's meaning; read those with ``jaw_in_mouth_close=False``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ...errors import InterchangeError
from ..curves import ChannelCurves
from .arkit import ARKIT_NAMES, arkit_name, pascal_case
from .imported import LARGEST_VALUE, MOST_FRAMES_PER_SECOND, ImportedCurves, damaged, positions_in_frames
from .tables import find_channels, import_table, read_table, sort_columns

CSV_FORMAT = "audio2face-csv"
JSON_FORMAT = "audio2face-json"

_PREFIX = "blendshapes."


def is_header(header: Sequence[str]) -> bool:
    """Return whether a header is that of Audio2Face-3D's animation CSV."""
    titles = [title.casefold() for title in header]
    return "timecode" in titles and any(title.startswith(_PREFIX) for title in titles)


def read_csv(text: str, name: str, frame_rate: float | None = None, jaw_in_mouth_close: bool = True) -> ImportedCurves:
    """Read the CSV. Shapes unknown to ARKit (those of the tongue) keep their names with a small first letter."""
    table = read_table(text, name)
    plain = [title.strip().casefold() for title in table.header]
    time = plain.index("timecode")
    titles = {
        column: _channel_name(table.header[column].strip()[len(_PREFIX) :])
        for column, title in enumerate(plain)
        if title.startswith(_PREFIX) and len(title) > len(_PREFIX)
    }
    if not titles:
        raise damaged(name, 1, "no column is a blend shape")
    channels = find_channels(table, titles)
    seconds = table.numbers([time], 1e9)[:, 0]
    blank = np.flatnonzero(np.isnan(seconds))
    if blank.size:
        raise damaged(name, table.lines[int(blank[0])], "it has no timeCode")
    quantum = 10.0 ** -table.decimals(time)
    positions, rate = positions_in_frames(name, seconds, table.lines, quantum, frame_rate)
    columns = sort_columns(table, channels, [time])
    imported = import_table(table, columns, positions, rate, float(seconds[0]), CSV_FORMAT)
    curves = to_arkit(imported.curves) if jaw_in_mouth_close else imported.curves
    return ImportedCurves(curves, CSV_FORMAT, imported.warnings, imported.extra)


def read_json(content: Any, name: str, frame_rate: float | None = None, jaw_in_mouth_close: bool = True) -> ImportedCurves:
    """Read parsed JSON. Raises InterchangeError naming a damaged frame."""
    if not isinstance(content, dict):
        raise InterchangeError(f"{name} is not an export of Audio2Face; choose another file")
    entries = cast("dict[str, Any]", content)
    warnings: list[str] = []
    names = entries.get("facsNames")
    rows = entries.get("weightMat")
    if not isinstance(names, list) or not all(isinstance(item, str) and item.strip() for item in cast("list[Any]", names)):
        raise InterchangeError(f"{name}: 'facsNames' must be a list of names; export it again")
    if not isinstance(rows, list) or not rows:
        raise InterchangeError(f"{name}: 'weightMat' must be a list of frames, at least one; export it again")
    channels = [_channel_name(item.strip()) for item in cast("list[str]", names)]
    if not channels or len(set(channels)) != len(channels):
        raise InterchangeError(f"{name}: 'facsNames' is empty or names a shape twice; export it again")
    values = _weights(cast("list[Any]", rows), len(channels), name)
    stated = entries.get("numFrames")
    if isinstance(stated, int) and stated != len(values):
        warnings.append(f"{name}: it states {stated} frames, but there are {len(values)}")
    rate = frame_rate
    if rate is None:
        rate = _stated_rate(entries, name)
    curves = ChannelCurves(tuple(channels), rate, values)
    return ImportedCurves(to_arkit(curves) if jaw_in_mouth_close else curves, JSON_FORMAT, tuple(warnings))


def _weights(rows: list[Any], count: int, name: str) -> NDArray[np.float32]:
    values = np.empty((len(rows), count), dtype=np.float32)
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(cast("list[Any]", row)) != count:
            raise InterchangeError(f"{name}, frame {i} of 'weightMat': it does not have {count} weights; export the file again")
        cells = cast("list[Any]", row)
        if not all(type(cell) in (int, float) and -LARGEST_VALUE <= cell <= LARGEST_VALUE for cell in cells):
            raise InterchangeError(f"{name}, frame {i} of 'weightMat': a weight is not a usable number; export the file again")
        values[i] = cells
    return values


def _stated_rate(entries: dict[str, Any], name: str) -> float:
    stated = entries.get("exportFps", entries.get("fps"))
    if type(stated) not in (int, float) or not 1 <= cast("float", stated) <= MOST_FRAMES_PER_SECOND:
        raise InterchangeError(f"{name} states no usable 'exportFps'; set its frame rate")
    return float(cast("float", stated))


def _channel_name(name: str) -> str:
    return arkit_name(name) or name[:1].lower() + name[1:]


def to_arkit(curves: ChannelCurves) -> ChannelCurves:
    """Convert from Audio2Face's meaning of 'mouthClose' to ARKit's: its share of the open jaw moves to 'jawOpen'."""
    return _shift_jaw(curves, 1.0)


def from_arkit(curves: ChannelCurves) -> ChannelCurves:
    """Convert from ARKit's meaning of 'mouthClose' to Audio2Face's. 'jawOpen' falls below 0 where lips are more than closed."""
    return _shift_jaw(curves, -1.0)


def _shift_jaw(curves: ChannelCurves, share: float) -> ChannelCurves:
    if "mouthClose" not in curves.names:
        return curves
    names = curves.names if "jawOpen" in curves.names else (*curves.names, "jawOpen")
    values = np.zeros((curves.frame_count, len(names)))
    values[:, : len(curves.names)] = curves.values
    values[:, names.index("jawOpen")] += share * values[:, names.index("mouthClose")]
    return curves.with_values(values, names)


def write_csv(curves: ChannelCurves, jaw_in_mouth_close: bool = True) -> tuple[bytes, tuple[str, ...]]:
    """Format the CSV with all 52 ARKit shapes and the curves' other channels except visemes; nine digits are
    lossless."""
    written, notes = _writable(curves, jaw_in_mouth_close)
    names = (*ARKIT_NAMES, *(name for name in written.names if name not in ARKIT_NAMES))
    values = np.zeros((written.frame_count, len(names)), dtype=np.float32)
    for column, channel in enumerate(names):
        if channel in written.names:
            values[:, column] = written.channel(channel)
    lines = ["," + ",".join(("timeCode", *(f"blendShapes.{pascal_case(channel)}" for channel in names)))]
    row = ",%.9g" * len(names)
    for i, (seconds, weights) in enumerate(zip(written.seconds(), values)):
        lines.append(f"{i},{seconds:.9f}{row % tuple(weights.tolist())}")
    return ("\n".join(lines) + "\n").encode("utf-8"), notes


def write_json(curves: ChannelCurves, jaw_in_mouth_close: bool = True) -> tuple[bytes, tuple[str, ...]]:
    """Format the JSON with the curves' channels in their order, one line per frame, nine digits.

    Row 0 is always at 0 s.
    """
    written, notes = _writable(curves, jaw_in_mouth_close)
    head = {
        "exportFps": written.frame_rate,
        "trackPath": "",
        "numPoses": len(written.names),
        "numFrames": written.frame_count,
        "facsNames": list(written.names),
    }
    frames = [f"    [{', '.join(format(weight, '.9g') for weight in weights)}]" for weights in written.values.tolist()]
    text = json.dumps(head, ensure_ascii=False, indent=2)[:-2] + ',\n  "weightMat": [\n' + ",\n".join(frames) + "\n  ]\n}\n"
    return text.encode("utf-8"), notes


def _writable(curves: ChannelCurves, jaw_in_mouth_close: bool) -> tuple[ChannelCurves, tuple[str, ...]]:
    kept = [name for name in curves.names if not name.startswith("viseme_")]
    if not kept:
        raise InterchangeError("these curves contain only visemes, which Audio2Face does not support; write a Rhubarb file")
    written = curves.select(kept)
    notes = ("Audio2Face has no visemes; they were left out",) if len(kept) < len(curves.names) else ()
    return (from_arkit(written) if jaw_in_mouth_close else written), notes
