# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the stage for a take: its sound in the sequencer, the scene's range and frame, the selection."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from ..animation.rig.mapping import Target
from ..animation.rig.names import QUOTED, unescape
from ..errors import AudioError
from . import compat, rigs, sounds
from .takes import find_curves


def add_sound_once(scene: bpy.types.Scene, path: Path, start_frame: float, last_frame: float) -> Any | None:
    """Add a sound file to the sequencer, on the lowest channel that is free until ``last_frame``.

    Returns the new strip, or None where a strip already plays this file from ``start_frame``. Raises AudioError, with nothing
    changed, if Blender cannot load the sound.
    """
    start = round(start_frame)
    for strip in sounds.list_sound_strips(scene):
        if strip.sound is None or round(compat.strip_timing(strip)[0]) != start:
            continue
        if _same_file(Path(bpy.path.abspath(strip.sound.filepath, library=strip.sound.library)), path):
            return None
    taken = {
        strip.channel
        for strip in compat.sequencer_strips(scene)
        if compat.strip_timing(strip)[1] <= last_frame and compat.strip_timing(strip)[2] > start
    }
    channel = next(number for number in range(1, 1000) if number not in taken)
    had_editor = scene.sequence_editor is not None
    # Beside the .blend, so that both can be moved together, if the user's preferences ask for it.
    shown = str(path)
    preferences: Any = bpy.context.preferences
    if bpy.data.filepath and preferences.filepaths.use_relative_paths:
        with contextlib.suppress(ValueError):  # on another drive of Windows
            shown = bpy.path.relpath(shown)
    try:
        return compat.new_strips(scene).new_sound(path.stem, shown, channel, start)
    except RuntimeError as error:
        if not had_editor:
            scene.sequence_editor_clear()
        reason = str(error).removeprefix("Error:").strip().rstrip(".")
        raise AudioError(f"'{path.name}' was not added to the sequencer ({reason}); add it there to hear it") from None


def _same_file(a: Path, b: Path) -> bool:
    try:
        return a.samefile(b)
    except OSError:
        return a == b


def hold_range(scene: bpy.types.Scene, first_frame: int, last_frame: int) -> None:
    """Widen the scene's range of frames to hold these; it never shrinks."""
    scene.frame_start = min(scene.frame_start, max(first_frame, 0))
    scene.frame_end = max(scene.frame_end, last_frame)


def select_animated(view_layer: Any, chosen: Any, objects: Iterable[Any], targets: Sequence[Target]) -> None:
    """Select the objects of a character whose controls are animated, with the bones among them, and make ``chosen`` active.

    The Timeline and the Dope Sheet show the keys of what is selected. Outside Object Mode objects stay selected as they are,
    because another active object would end the mode.
    """
    owners = {rigs.resolve(target).owner for target in targets}
    animated = [
        item
        for item in objects
        if item == chosen or not owners.isdisjoint((item, item.data, getattr(item.data, "shape_keys", None)))
    ]
    active = view_layer.objects.active
    if active is None or active.mode == "OBJECT":
        for item in view_layer.objects:
            item.select_set(False, view_layer=view_layer)
        visible = [item for item in animated if item.name in view_layer.objects and item.visible_get(view_layer=view_layer)]
        for item in visible:
            item.select_set(True, view_layer=view_layer)
        if visible:
            view_layer.objects.active = chosen if chosen in visible else visible[0]
    for target in targets:
        match = re.match(rf"pose\.bones\[{QUOTED}\]", target.data_path)
        owner = rigs.resolve(target).owner
        if match and getattr(owner, "pose", None) is not None:
            compat.select_bone(owner.pose.bones[unescape(match[1])])


def select_only(view_layer: Any, objects: Sequence[Any]) -> None:
    """Select these objects and no others, and make the first one active."""
    for item in view_layer.objects:
        item.select_set(item in objects, view_layer=view_layer)
    view_layer.objects.active = objects[0]


def put_beside(top: Any, meshes: Iterable[Any], others: Sequence[Any]) -> None:
    """Move a new object along X so that its meshes stand beside whatever they would meet, one unit apart."""
    bounds = _bounds(meshes)
    met = [box for item in others if _meet(box := _bounds([item]), bounds)]
    if met:
        top.location.x += max(box[1][0] for box in met) + 1.0 - bounds[0][0]


def _bounds(objects: Iterable[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    corners = np.array([item.matrix_world @ Vector(corner) for item in objects for corner in item.bound_box])
    return corners.min(axis=0), corners.max(axis=0)


def _meet(a: tuple[NDArray[Any], NDArray[Any]], b: tuple[NDArray[Any], NDArray[Any]]) -> bool:
    return bool((a[0] <= b[1]).all() and (b[0] <= a[1]).all())


def deselect_keys(targets: Sequence[Target], take: str) -> None:
    """Deselect all keys on the targets' F-Curves where ``take`` is, so that a drag moves only what one picks."""
    for target in targets:
        found = find_curves(rigs.resolve(target).owner, take).get((target.data_path, target.array_index))
        if found is None:
            continue
        off = [False] * len(found.fcurve.keyframe_points)
        for name in ("select_control_point", "select_left_handle", "select_right_handle"):
            found.fcurve.keyframe_points.foreach_set(name, off)
        found.fcurve.select = False
