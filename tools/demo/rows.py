# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand characters in a row, and render them side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import matplotlib.image
import numpy as np

from ...blender.films import render_stills

APART = 2.45
"""Blender units from face to face."""


def place_in_row(character: Any, index: int, count: int) -> None:
    """Move a character's armature to place ``index`` of a row of ``count``, the middle of which is the origin."""
    character.location.x = (index - (count - 1) / 2) * APART


def set_row_camera(scene: Any, count: int) -> None:
    """Set an orthographic camera, so that every face looks the same, wide enough for a row of ``count``."""
    camera: Any = bpy.data.objects["Camera"]
    camera.location, camera.rotation_euler = (0.0, -14.0, -0.12), (np.pi / 2, 0.0, 0.0)
    camera.data.type, camera.data.ortho_scale = "ORTHO", APART * count
    scene.camera = camera


def write_row_sheet(scene: Any, frames: list[int], output: Path, name: str, size: int, height: int) -> None:
    """Render ``frames`` below each other into ``voxrig_<name>_sheet.png`` of the folder ``output``."""
    paths = [output / "frames" / f"{name}_{frame:04d}.png" for frame in frames]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    render_stills(scene, frames, paths, size, height=height)
    sheet = np.concatenate([matplotlib.image.imread(path)[..., :3] for path in paths])
    matplotlib.image.imsave(output / f"voxrig_{name}_sheet.png", np.clip(sheet, 0.0, 1.0))
