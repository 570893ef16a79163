# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces with ARKit's eyes on armatures with neck and head, and a line of babble for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import soundfile
from voxrig.animation.life.channels import CHANNEL_NAMES

SHAPES = (
    *model_packages.CHANNELS,
    *(
        name
        for name in CHANNEL_NAMES
        if name.startswith(("eyeLook", "eyeBlink", "browOuter")) and name not in model_packages.CHANNELS
    ),
)


def write_line(path: Path) -> Path:
    """Write eight seconds of babble in three phrases."""
    rate = model_packages.SAMPLE_RATE
    time = np.arange(8 * rate) / rate
    tone = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 12)) * 0.08
    spoken = (np.sin(2 * np.pi * 2.5 * time) > -0.3) & ((time % 3.0) > 0.8)
    soundfile.write(path, (tone * spoken).astype(np.float32), rate)
    return path


def make_puppet(
    make_face: Any, scene: Any, name: str, at: tuple[float, float, float] = (0.0, 0.0, 0.0), turned: float = 0.0
) -> Any:
    rig = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    parent = None
    for bone, low, high in (("spine", 1.0, 1.4), ("neck", 1.4, 1.5), ("head", 1.5, 1.7)):
        made = rig.data.edit_bones.new(bone)
        made.head, made.tail, made.parent = (0, 0, low), (0, 0, high), parent
        parent = made
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone in rig.pose.bones:
        bone.rotation_mode = "XYZ"
    face = make_face(f"{name} Face", SHAPES)
    face.parent = rig
    rig.location, rig.rotation_euler = at, (0.0, 0.0, turned)
    bpy.context.view_layer.update()
    return rig
