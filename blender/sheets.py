# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a character's face at some frames, rendered beside the open scene, which stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from . import films


def render_faces(scene: Any, objects: Sequence[Any], frames: Sequence[int], paths: Sequence[Path], size: int) -> None:
    """Render a square picture (JPEG) of each frame in Workbench, from the scene's camera or one in front of the ``objects``.

    Raises RigError if there is neither a camera nor a mesh.
    """
    frame, subframe = scene.frame_current, scene.frame_subframe
    copy = scene.copy()
    known = set(bpy.data.objects)
    try:
        films.set_preview_look(copy, objects)
        films.render_stills(copy, frames, paths, size, "JPEG")
    finally:
        added = [item for item in bpy.data.objects if item not in known]
        lenses = [item.data for item in added]
        bpy.data.scenes.remove(copy)
        for item in added:
            bpy.data.objects.remove(item)
        for lens in lenses:
            bpy.data.cameras.remove(lens)
        # Objects hold the values of the frame that was evaluated last.
        scene.frame_set(frame, subframe=subframe)


def join_pictures(rows: Sequence[Sequence[Path]], path: Path) -> None:
    """Join square pictures of one size into one (PNG), a row of the sheet for each of ``rows``."""
    pictures = [[_read_pixels(place) for place in row] for row in rows]
    # Blender's rows of pixels go from the bottom up.
    pixels = np.concatenate([np.concatenate(row, axis=1) for row in reversed(pictures)], axis=0)
    image = bpy.data.images.new("Voxrig Sheet", pixels.shape[1], pixels.shape[0])
    try:
        image.pixels.foreach_set(pixels.ravel())
        image.filepath_raw, image.file_format = str(path), "PNG"
        image.save()
    finally:
        bpy.data.images.remove(image)


def _read_pixels(path: Path) -> Any:
    image = bpy.data.images.load(str(path))
    try:
        width, height = image.size
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
        return pixels.reshape(height, width, 4)
    finally:
        bpy.data.images.remove(image)
