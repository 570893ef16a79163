# SPDX-License-Identifier: GPL-3.0-or-later
"""Pose markers of a character's Action for the events of its head: written with a take, and read again when it is updated.

Blender stores nothing on a marker, so the Action records them as they were written, by take. A marker that somebody moved,
renamed or added counts as theirs: it is never removed, and the next update makes its event there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..animation.life.cues import is_mark
from ..animation.rig.mapping import Target
from ..errors import RigError
from . import outputs, rigs

Mark = tuple[str, float]
"""Name, and seconds of the sound."""
Found = tuple[str, float | int]
"""Name, and seconds of the sound, or the frame as a whole number."""


def write_marks(
    action: Any, take: str, marks: Sequence[Mark], frames: Sequence[int], first_frame: int, last_frame: int
) -> None:
    """Write the markers of a take, on ``frames``, instead of those that any take wrote between two frames."""
    written = _read_written(action)
    for other, known in list(written.items()):
        gone = [mark for mark in known if other == take or first_frame <= mark[1] <= last_frame]
        for name, frame, _ in gone:
            marker = _find(action, name, frame)
            if marker is not None:
                action.pose_markers.remove(marker)
        written[other] = [mark for mark in known if mark not in gone]
    for (name, _), frame in zip(marks, frames, strict=True):
        if _find(action, name, frame) is None:
            action.pose_markers.new(name).frame = frame
    written[take] = [(name, frame, at) for (name, at), frame in zip(marks, frames, strict=True)]
    action.voxrig.marks = json.dumps({name: known for name, known in written.items() if known})


def read_marks(action: Any, take: str, first_frame: int, last_frame: int) -> tuple[list[Mark], list[Found]] | None:
    """Return the markers of a take as they were written, and those of events that are there now between two frames.

    The former have seconds of the sound. The latter have these, too, where they are unchanged, as floats, and else their frame,
    as a whole number. None if the Action has none of that take.
    """
    known = _read_written(action).get(take, [])
    if not known:
        return None
    left = list(known)
    present: list[Found] = []
    for marker in action.pose_markers:
        same = next((mark for mark in left if (mark[0], mark[1]) == (marker.name, marker.frame)), None)
        if same is not None:
            left.remove(same)
            present.append((marker.name, float(same[2])))
        elif is_mark(marker.name) and first_frame <= marker.frame <= last_frame:
            present.append((marker.name, int(marker.frame)))
    return [(name, at) for name, _, at in known], present


def find_action(targets: Iterable[Target], take: str) -> Any | None:
    """Return the Action with the markers of a take: that of the lids, or of its first control that is anywhere."""
    found: Any = None
    for target in targets:
        try:
            home = outputs.find_home(rigs.resolve(target).owner, take)
        except RigError:
            continue
        if home is not None and (found is None or "Blink" in target.data_path):
            found = home.place.action
            if "Blink" in target.data_path:
                break
    return found


def _find(action: Any, name: str, frame: int) -> Any | None:
    return next((marker for marker in action.pose_markers if (marker.name, marker.frame) == (name, frame)), None)


def _read_written(action: Any) -> dict[str, list[tuple[str, int, float]]]:
    stored: dict[str, list[Any]] = json.loads(action.voxrig.marks or "{}")
    return {take: [(name, frame, at) for name, frame, at in known] for take, known in stored.items()}
