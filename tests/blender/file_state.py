# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the content of a .blend as values that can be compared."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np


def curves_of(owner: Any) -> dict[tuple[str, int], np.ndarray]:
    """Return every F-Curve of a data-block as its keys ``[key, (frame, value, handles)]``."""
    from voxrig.blender import compat

    found: dict[tuple[str, int], np.ndarray] = {}
    for curve in compat.curves_of(owner) or ():
        keys = [(*key.co, *key.handle_left, *key.handle_right) for key in curve.keyframe_points]
        found[curve.data_path, curve.array_index] = np.array(keys, np.float32)
    return found


def fingerprint() -> list[object]:
    """Return everything in the file that Voxrig could have touched, to be compared before and after."""
    found: list[object] = []
    for name in ("objects", "meshes", "shape_keys", "armatures", "actions", "sounds", "texts", "scenes"):
        for block in getattr(bpy.data, name):
            found.append((name, block.name_full))
            if name == "shape_keys":
                found.append([(key.name, key.value) for key in block.key_blocks])
            if name == "objects" and hasattr(block, "voxrig"):
                found.append([(link.channel, link.data_path, link.gain, link.enabled) for link in block.voxrig.links])
            if hasattr(block, "animation_data") and block.animation_data is not None:
                found += [(path, keys.tolist()) for path, keys in curves_of(block).items()]
    return found
