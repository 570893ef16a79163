# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the demo's scene around the character: cameras, lights, look, sound strip, and rendering without a display."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

from ...blender import compat
from ...blender.films import render_stills

FRAMES_PER_SECOND = 24
FIRST_FRAME = 1
CAMERAS = {
    # position, point of aim, focal length
    "Camera": ((-1.05, -6.9, 0.10), (0.02, 0.0, -0.10), 92.0),
    "Close": ((-0.75, -4.9, -0.25), (0.0, -0.3, -0.22), 100.0),
}
"""In Blender units: one is ten centimetres of the character."""
LIGHTS = {
    # position, energy, size, colour; for Cycles and EEVEE
    "Key": ((-4.0, -6.0, 3.6), 420.0, 3.0, (1.0, 0.93, 0.85)),
    "Fill": ((5.0, -5.0, 0.6), 150.0, 4.0, (0.88, 0.94, 1.0)),
    "Rim": ((3.0, 4.0, 4.0), 420.0, 2.0, (1.0, 0.9, 0.8)),
}
STUDIO_LIGHTS = (
    # direction in the camera's space (right, up, towards it), colour, highlight, softness; for Workbench
    ((-0.45, 0.50, 0.74), (0.92, 0.86, 0.78), (0.26, 0.25, 0.24), 0.62),
    ((0.72, 0.10, 0.68), (0.30, 0.33, 0.38), (0.05, 0.06, 0.07), 0.85),
    ((0.05, 0.10, 0.99), (0.22, 0.20, 0.19), (0.0, 0.0, 0.0), 1.0),
    ((0.80, 0.45, -0.40), (0.34, 0.28, 0.24), (0.30, 0.26, 0.22), 0.35),
)
AMBIENT = (0.075, 0.065, 0.06)
BACKGROUND = (0.50, 0.46, 0.42)


def set_stage(scene: Any) -> None:
    """Set cameras, lights, world and the look of Workbench; 24 frames a second."""
    scene.render.fps, scene.render.fps_base = FRAMES_PER_SECOND, 1.0
    for name, (position, target, focal_length) in CAMERAS.items():
        camera: Any = bpy.data.objects.new(name, bpy.data.cameras.new(name))
        camera.location = position
        camera.rotation_euler = (Vector(target) - Vector(position)).to_track_quat("-Z", "Y").to_euler()
        camera.data.lens = focal_length
        scene.collection.objects.link(camera)
    scene.camera = bpy.data.objects["Camera"]
    for name, (position, energy, size, colour) in LIGHTS.items():
        light: Any = bpy.data.lights.new(name, "AREA")
        light.energy, light.size, light.color = energy, size, colour
        lamp = bpy.data.objects.new(name, light)
        lamp.location = position
        lamp.rotation_euler = (-Vector(position)).to_track_quat("-Z", "Y").to_euler()
        scene.collection.objects.link(lamp)
    scene.world = bpy.data.worlds.new("World")
    scene.world.color = BACKGROUND
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.exposure = 0.3
    scene.render.engine = "BLENDER_WORKBENCH"
    shading = scene.display.shading
    shading.light, shading.studio_light, shading.color_type = "STUDIO", "paint.sl", "VERTEX"
    shading.background_type = "WORLD"
    shading.show_cavity, shading.cavity_type = True, "BOTH"
    shading.show_shadows = False  # three quarters of the time, for little visible gain
    scene.display.render_aa = "5"
    # Workbench takes its lamps from the preferences, which change for this run of Blender only.
    context: Any = bpy.context
    preferences = context.preferences.system
    preferences.use_studio_light_edit = True
    preferences.light_ambient = AMBIENT
    for lamp, (direction, colour, highlight, softness) in zip(preferences.solid_lights, STUDIO_LIGHTS):
        lamp.use, lamp.smooth = True, softness
        lamp.direction, lamp.diffuse_color, lamp.specular_color = direction, colour, highlight


def add_sound(scene: Any, path: Path, name: str) -> str:
    """Add a sound strip from the first frame on and fit the scene's range to it; returns the strip's name."""
    strip = compat.new_strips(scene).new_sound(name, str(path), 1, FIRST_FRAME)
    return strip.name


def render_frames(scene: Any, frames: list[int], camera: str, size: int, folder: Path) -> list[Path]:
    """Render single frames as still pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    before = scene.camera
    scene.camera = bpy.data.objects[camera]
    paths = [folder / f"{camera.lower()}_{frame:04d}.png" for frame in frames]
    render_stills(scene, frames, paths, size)
    scene.camera = before
    return paths
