# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert between seconds and frames of a scene. No other module divides by a frame rate of Blender's."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import bpy
import numpy as np

from ..errors import AudioError
from . import compat


def frames_per_second(scene: bpy.types.Scene) -> float:
    """Return the scene's real frame rate: 24 / 1.001 for film on television."""
    return scene.render.fps / scene.render.fps_base


def set_frames_per_second(scene: bpy.types.Scene, rate: float) -> None:
    """Set the frame rate of a scene; 24 / 1.001 becomes 24 with a base of 1.001, as in Blender's own presets."""
    scene.render.fps = max(1, math.ceil(rate - 1e-6))
    scene.render.fps_base = scene.render.fps / rate


def check_time_stretching(scene: bpy.types.Scene) -> None:
    """Raise AudioError if the scene remaps time: Blender then plays its keys at another speed than its sounds."""
    old, new = scene.render.frame_map_old, scene.render.frame_map_new
    if old != new:
        raise AudioError(
            f"The scene stretches time from {old} to {new}, which moves keys but not sounds; set both of "
            "Output > Frame Range > Time Stretching to the same number"
        )


def frame_of_seconds(scene: bpy.types.Scene, seconds: float, start_frame: float = 0.0) -> float:
    """Return the frame, with its fraction, that is ``seconds`` after ``start_frame``."""
    return start_frame + seconds * frames_per_second(scene)


def seconds_of_frame(scene: bpy.types.Scene, frame: float, start_frame: float = 0.0) -> float:
    """Return how many seconds ``frame`` is after ``start_frame``."""
    return (frame - start_frame) / frames_per_second(scene)


@contextlib.contextmanager
def separate_scene(objects: Iterable[Any]) -> Iterator[bpy.types.Scene]:
    """Evaluate objects in a scene of their own, which is removed afterwards.

    The artist's scene stays on its frame and no pose that is not keyed yet is lost. Set the frame with ``frame_set``, not
    with view_layer.update(), which would make this scene the one that writes what it evaluates into the file.
    """
    scene = bpy.data.scenes.new("Voxrig Scene")
    try:
        for item in objects:
            if item.name not in scene.collection.objects:
                scene.collection.objects.link(item)
        yield scene
    finally:
        # scenes.remove() crashes Blender 4.3 in `blender --command`, which has no window.
        bpy.data.batch_remove([scene])


def sample_animated(scene: bpy.types.Scene, data_path: str, minimum: float, maximum: float) -> tuple[tuple[float, float], ...]:
    """Sample a property of the scene as (frame, value) on every frame from its first to its last key, within limits.

    The result is empty if it is not animated.
    """
    fcurves = compat.curves_of(scene)
    fcurve = fcurves.find(data_path) if fcurves is not None else None
    if fcurve is None or fcurve.mute or not len(fcurve.keyframe_points):
        return ()
    first, last = fcurve.range()
    frames = range(math.floor(first), math.ceil(last) + 1)
    return tuple((float(frame), min(max(fcurve.evaluate(frame), minimum), maximum)) for frame in frames)


def describe_animated(scene: bpy.types.Scene, data_path: str) -> tuple[float, ...]:
    """Return frame and value of all keys of a property of the scene, () where it is not animated. Cheap enough to draw with."""
    fcurves = compat.curves_of(scene)
    fcurve = fcurves.find(data_path) if fcurves is not None else None
    if fcurve is None or fcurve.mute:
        return ()
    points = np.empty(2 * len(fcurve.keyframe_points), np.float32)
    fcurve.keyframe_points.foreach_get("co", points)
    return tuple(points.tolist())
