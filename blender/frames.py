# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the frames of pictures and films with Blender's own decoder, through its sequencer: it has none that code may call."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import bpy
import numpy as np
from numpy.typing import NDArray

from ..errors import PictureError
from . import compat

_LARGEST_SIDE = 1280
_HEADER_BYTES = 18
_FRAMES_AT_ONCE = 64  # on the disk, a megabyte or two each


class DecodedFrame(NamedTuple):
    """The second of a frame, its picture ``[row, column, 3]`` of bytes, and how far of the film is read, 0..1."""

    seconds: float
    picture: NDArray[np.uint8]
    progress: float


def turns_films() -> bool:
    """Return whether this Blender turns the films of a phone upright; Blender 4.2 does not."""
    return bpy.app.version >= (4, 5)


def decode_frames(path: Path) -> Iterator[DecodedFrame]:
    """Decode a picture or a film, frames larger than 1280 pixels at that size. Raises PictureError."""
    endings: Any = bpy.path
    if path.suffix.lower() in endings.extensions_image - endings.extensions_movie - {".gif"}:
        yield DecodedFrame(0.0, _read_image(path), 1.0)
        return
    scene: Any = bpy.data.scenes.new("Voxrig Film")
    folder = Path(tempfile.mkdtemp(prefix="voxrig-film-"))
    try:
        yield from _render_film(scene, path, folder)
    finally:
        bpy.data.scenes.remove(scene)
        shutil.rmtree(folder, ignore_errors=True)


def _render_film(scene: Any, path: Path, folder: Path) -> Iterator[DecodedFrame]:
    strips = compat.new_strips(scene)
    try:
        made: list[Any] = [strips.new_movie("Film", str(path), 1, 1)]
    except RuntimeError:
        made = []
    element = made[0].elements[0] if made and len(made[0].elements) else None
    if element is None or not element.orig_width or not element.orig_height:
        raise PictureError(f"{path.name} is no picture or film that Blender can read; choose another")
    strip: Any = made[0]
    scale = min(1.0, _LARGEST_SIDE / max(element.orig_width, element.orig_height))
    render = scene.render
    render.resolution_x, render.resolution_y = (max(4, round(s * scale)) for s in (element.orig_width, element.orig_height))
    render.resolution_percentage = 100
    strip.transform.scale_x = strip.transform.scale_y = scale
    # The alpha of old codecs says nothing.
    strip.blend_type, strip.alpha_mode = "REPLACE", "PREMUL"
    render.use_file_extension = False
    render.image_settings.file_format, render.image_settings.color_mode = "TARGA_RAW", "RGB"
    render.dither_intensity = 0.0
    # The pixels should come out as they went in.
    scene.display_settings.display_device = "sRGB"
    scene.view_settings.view_transform, scene.view_settings.look = "Standard", "None"
    scene.sequencer_colorspace_settings.name = "sRGB"
    rate = float(element.orig_fps) or 25.0
    count = max(1, int(strip.frame_duration))
    render.filepath = str(folder / "frame######.tga")
    for first in range(0, count, _FRAMES_AT_ONCE):
        last = min(first + _FRAMES_AT_ONCE, count)
        # Stills of a scene that no window shows are all of one frame; an animation is not.
        scene.frame_start, scene.frame_end = 1 + first, last
        with contextlib.suppress(RuntimeError):
            bpy.ops.render.render(animation=True, scene=scene.name)
        for index in range(first, last):
            place = folder / f"frame{index + 1:06d}.tga"
            if not place.is_file():
                raise PictureError(f"Blender could not decode frame {index + 1} of {path.name}; save the film again")
            yield DecodedFrame(index / rate, _read_targa(place), (index + 1) / count)
            place.unlink()


def _read_targa(place: Path) -> NDArray[np.uint8]:
    """Read the uncompressed Targa that Blender has just written: blue, green, red, from the bottom or the top."""
    data = np.fromfile(place, np.uint8)
    header = data[:_HEADER_BYTES]
    width, height = (int(header[at]) + 256 * int(header[at + 1]) for at in (12, 14))
    depth = int(header[16]) // 8
    begin = _HEADER_BYTES + int(header[0])
    rows = data[begin : begin + width * height * depth].reshape(height, width, depth)[..., 2::-1]
    return np.ascontiguousarray(rows if header[17] & 0x20 else rows[::-1])


def _read_image(path: Path) -> NDArray[np.uint8]:
    try:
        image: Any = bpy.data.images.load(str(path), check_existing=False)
    except RuntimeError:
        raise PictureError(f"{path.name} is no picture that Blender can read; choose another") from None
    try:
        width, height = image.size
        if not width or not height:
            raise PictureError(f"{path.name} is no picture that Blender can read; choose another")
        scale = min(1.0, _LARGEST_SIDE / max(width, height))
        if scale < 1.0:
            image.scale(max(1, round(width * scale)), max(1, round(height * scale)))
            width, height = image.size
        values = np.empty(width * height * image.channels, np.float32)
        image.pixels.foreach_get(values)
        pixels = values.reshape(height, width, image.channels)[::-1]
        if image.is_float:
            # Linear light of EXR and HDR pictures, as a display shows it.
            pixels = np.clip(pixels, 0.0, 1.0) ** np.float32(1 / 2.2)
        colours = pixels[..., :3] if image.channels >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
        return np.ascontiguousarray(np.rint(np.clip(colours, 0.0, 1.0) * 255.0).astype(np.uint8))
    finally:
        bpy.data.images.remove(image)
