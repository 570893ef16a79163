# SPDX-License-Identifier: GPL-3.0-or-later
"""Open and save .blend files, and find what is named in them; each failure is one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import bpy

from ..errors import RigError
from ..storage.reading import check_ordinary_file, is_storable
from ..storage.writing import check_output_place


def open_blend(file: Path) -> None:
    """Open a .blend file. Raises RigError for one that is not there or that this Blender cannot read."""
    try:
        check_ordinary_file(file)
    except FileNotFoundError:
        raise RigError(f"there is no file {file}") from None
    except OSError as error:
        raise RigError(f"{file} cannot be opened ({error.strerror}); choose another file") from None
    try:
        bpy.ops.wm.open_mainfile(filepath=str(file.absolute()), load_ui=False)
    except RuntimeError:
        raise RigError(f"{file} is not a file that this Blender can open") from None


def save_blend(file: Path) -> None:
    """Save a copy of the open file. Raises OSError, with the file's name, where it cannot be written."""
    check_output_place(file)
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(file), copy=True)
    except RuntimeError as error:
        raise OSError(0, " ".join(str(error).split()), str(file)) from None


def find_scene(name: str | None) -> bpy.types.Scene:
    """Return a scene of the open file by name, its active one without. Raises RigError."""
    if not name:
        return cast("bpy.types.Scene", bpy.context.scene)
    scene = bpy.data.scenes.get(name) if is_storable(name) else None
    if scene is None:
        raise RigError(f"the file has no scene '{name}' (it has: {', '.join(bpy.data.scenes.keys())})")
    return scene


def find_object(scene: bpy.types.Scene, name: str) -> bpy.types.Object:
    """Return an object of a scene by name. Raises RigError."""
    found = scene.objects.get(name) if is_storable(name) else None
    if found is None:
        candidates = ", ".join(item.name for item in scene.objects if item.type in ("MESH", "ARMATURE")) or "none"
        raise RigError(f"scene '{scene.name}' has no object '{name}' (meshes and armatures: {candidates})")
    return found
