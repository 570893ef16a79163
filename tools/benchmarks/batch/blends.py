# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a .blend file or digest a folder of them, in a process with Blender: ``python -m ....blends make FILE``."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ....blender import compat
from ...demo import stage
from ...demo.character import build_character


def make_character(path: Path) -> None:
    """Save the demo character on its stage, unanimated."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    stage.set_stage(bpy.context.scene)
    build_character()
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True, compress=True)


def digest_keys(path: Path) -> str:
    """Hash every F-Curve of a file with sha256: its target and its keys with their handles, types and interpolations."""
    bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False)
    digest = hashlib.sha256()
    owners: list[Any] = [*bpy.data.objects, *bpy.data.shape_keys]
    for owner in sorted(owners, key=lambda owner: (type(owner).__name__, owner.name)):
        curves: list[Any] = list(compat.curves_of(owner) or ())
        for curve in sorted(curves, key=lambda curve: (curve.data_path, curve.array_index)):
            digest.update(f"{owner.name} {curve.data_path} {curve.array_index}".encode())
            for name, width in (("co", 2), ("handle_left", 2), ("handle_right", 2)):
                values = np.empty(len(curve.keyframe_points) * width, np.float32)
                curve.keyframe_points.foreach_get(name, values)
                digest.update(values.tobytes())
            kinds = [(key.type, key.interpolation) for key in curve.keyframe_points]
            digest.update(json.dumps(kinds).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    what, place = sys.argv[1], Path(sys.argv[2])
    if what == "make":
        make_character(place)
    else:
        print(json.dumps({path.name: digest_keys(path) for path in sorted(place.glob("*.blend"))}))
    sys.stdout.flush()
    os._exit(0)  # Blender 4.2 as a module crashes in Python's clean-up
