# SPDX-License-Identifier: GPL-3.0-or-later
"""Render stills and films of a scene without a display in Workbench: quick enough to check every line of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

from ..errors import RigError
from . import compat

_LENS = 85.0


def set_preview_look(scene: Any, character: Iterable[Any]) -> None:
    """Set Workbench with plain shading; a scene without a camera gets one in front of the ``character``'s objects.

    Raises RigError if there is nothing to point a camera at.
    """
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.display.render_aa = "5"
    scene.display.shading.show_shadows = False  # three quarters of the time, for little visible gain
    if scene.camera is None:
        scene.camera = _face_camera(scene, [item for item in character if item.type == "MESH"])


def _face_camera(scene: Any, meshes: Sequence[Any]) -> Any:
    """Add a camera that sees all of the meshes from the front, which is -Y in Blender."""
    corners = [item.matrix_world @ Vector(corner) for item in meshes for corner in item.bound_box]
    if not corners:
        raise RigError(f"Scene '{scene.name}' has no camera and the character no mesh to point one at; add a camera")
    low, high = (Vector([pick(point[axis] for point in corners) for axis in range(3)]) for pick in (min, max))
    height = max(high.x - low.x, high.z - low.z, 1e-3)
    lens = bpy.data.cameras.new("Voxrig Preview")
    camera = bpy.data.objects.new("Voxrig Preview", lens)
    lens.lens = _LENS
    distance = 1.15 * height * _LENS / lens.sensor_width
    camera.location = ((low.x + high.x) / 2, low.y - distance, (low.z + high.z) / 2)
    camera.rotation_euler = (1.5707963, 0.0, 0.0)
    lens.clip_start, lens.clip_end = distance / 100, distance * 100
    scene.collection.objects.link(camera)
    return camera


def render_stills(
    scene: Any,
    frames: Sequence[int],
    paths: Sequence[Path],
    size: int,
    file_format: str = "PNG",
    *,
    height: int | None = None,
) -> None:
    """Render a picture of each frame, 'PNG' or 'JPEG', ``size`` pixels wide and square unless ``height`` is given."""
    scene.render.resolution_x, scene.render.resolution_y = size, height or size
    scene.render.resolution_percentage = 100
    scene.render.use_file_extension = False
    _use_format(scene, "IMAGE", file_format)
    for frame, path in zip(frames, paths):
        scene.frame_set(frame)
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True, scene=scene.name)
    scene.render.use_file_extension = True
    scene.render.filepath = "//"


def render_film(
    scene: Any, path: Path, size: int, *, height: int | None = None, on_frame: Callable[[int], None] | None = None
) -> None:
    """Render the scene's range as an MP4 file with the sound of the sequencer; square unless a ``height`` in pixels is given.

    ``on_frame`` is called after each frame with the number of rendered frames.
    """
    scene.render.resolution_x, scene.render.resolution_y = size, height or size
    scene.render.resolution_percentage = 100
    _use_format(scene, "VIDEO", "FFMPEG")
    settings = scene.render.ffmpeg
    settings.format, settings.codec, settings.constant_rate_factor = "MPEG4", "H264", "HIGH"
    settings.gopsize = 12
    settings.audio_codec, settings.audio_bitrate = "AAC", 128
    scene.render.use_file_extension = False
    scene.render.filepath = str(path)

    def count(rendered: Any, *_depsgraph: Any) -> None:
        if on_frame is not None:
            on_frame(rendered.frame_current - rendered.frame_start + 1)

    bpy.app.handlers.render_post.append(count)
    try:
        bpy.ops.render.render(animation=True, scene=scene.name)
    finally:
        bpy.app.handlers.render_post.remove(count)
    scene.render.use_file_extension = True
    _use_format(scene, "IMAGE", "PNG")
    scene.render.filepath = "//"


def use_only_sound(scene: Any, path: str, start_frame: float) -> str:
    """Mute the sequencer and add a sound from ``start_frame`` on; returns why there is none, or ''."""
    for strip in compat.sequencer_strips(scene):
        strip.mute = True
    channel = 1 + max((strip.channel for strip in compat.sequencer_strips(scene)), default=0)
    try:
        compat.new_strips(scene).new_sound("Voxrig Preview", path, min(channel, 128), round(start_frame))
    except RuntimeError as error:  # Blender 4.2 as a module has no sound at all
        return f"the film is silent ({str(error).strip().rstrip('.')})"
    return ""


def _use_format(scene: Any, media: str, file_format: str) -> None:
    image = scene.render.image_settings
    if hasattr(image, "media_type"):  # Blender 5.0 and later
        image.media_type = media
    image.file_format = file_format
