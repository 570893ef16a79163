# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a character's face at some frames; the scene stays as it was."""

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
    # A copy of the scene would be simpler, but Blender renders all its frames as the first.
    frame, subframe, camera = scene.frame_current, scene.frame_subframe, scene.camera
    places = _changed_places(scene)
    before = [[getattr(place, name) for name in names] for place, names in places]
    known = set(bpy.data.objects)
    try:
        films.set_preview_look(scene, objects)
        films.render_stills(scene, frames, paths, size, "JPEG")
    finally:
        for (place, names), values in zip(places, before):
            for name, value in zip(names, values):
                setattr(place, name, value)
        scene.camera = camera
        for item in [item for item in bpy.data.objects if item not in known]:
            lens: Any = item.data
            bpy.data.objects.remove(item)
            bpy.data.cameras.remove(lens)
        scene.frame_set(frame, subframe=subframe)


def _changed_places(scene: Any) -> list[tuple[Any, tuple[str, ...]]]:
    """Return the settings of a scene that rendering a preview changes, in an order in which they can be restored."""
    image = scene.render.image_settings
    # Which formats there are depends on the kind of media (Blender 5.0 and later) and on the engine.
    formats = ("media_type", "file_format") if hasattr(image, "media_type") else ("file_format",)
    return [
        (scene.render, ("engine", "resolution_x", "resolution_y", "resolution_percentage", "use_file_extension", "filepath")),
        (image, formats),
        (scene.display, ("render_aa",)),
        (scene.display.shading, ("show_shadows",)),
    ]


def join_pictures(rows: Sequence[Sequence[Path]], path: Path) -> None:
    """Join square pictures of one size into one (PNG), a row of the sheet for each of ``rows``."""
    pictures = [[_read_pixels(place) for place in row] for row in rows]
    # Blender's rows of pixels go from the bottom up.
    pixels = np.concatenate([np.concatenate(row, axis=1) for row in reversed(pictures)], axis=0)
    image: Any = bpy.data.images.new("Voxrig Sheet", pixels.shape[1], pixels.shape[0])
    try:
        image.pixels.foreach_set(pixels.ravel())
        image.filepath_raw, image.file_format = str(path), "PNG"
        image.save()
    finally:
        bpy.data.images.remove(image)


def _read_pixels(path: Path) -> Any:
    image: Any = bpy.data.images.load(str(path))
    try:
        width, height = image.size
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
        return pixels.reshape(height, width, 4)
    finally:
        bpy.data.images.remove(image)
