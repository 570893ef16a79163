# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds shape keys that move nothing: exporters write a whole standard set of names even if a mesh has only some shapes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..animation.rig.names import unescape

# Exporters round; what moves less than this share of the mesh's size does not move.
_STILL_SHARE = 1e-6
_BLOCK = re.compile(r'key_blocks\["((?:[^"\\]|\\.)*)"\]')


def find_empty_keys(keys: Any) -> frozenset[str]:
    """Return the names of the shape keys of a Key data-block that move no point and that no driver reads."""
    points: dict[str, NDArray[np.float32]] = {}

    # RNA reads the points of meshes about fifty times as fast this way; of curves and lattices it cannot.
    name_of_points = "points" if isinstance(keys.user, bpy.types.Mesh) else "data"

    def read(block: Any) -> NDArray[np.float32]:
        if block.name not in points:
            found = getattr(block, name_of_points)
            points[block.name] = np.empty(3 * len(found), np.float32)
            found.foreach_get("co", points[block.name])
        return points[block.name]

    basis = keys.reference_key
    if basis is None or not keys.use_relative:
        return frozenset()
    size = float(np.ptp(read(basis).reshape(-1, 3), axis=0).max(initial=0.0)) if read(basis).size else 0.0
    empty: set[str] = set()
    for block in keys.key_blocks:
        if block == basis:
            continue
        moved = np.abs(read(block) - read(block.relative_key)).max(initial=0.0)
        if moved <= _STILL_SHARE * size:
            empty.add(block.name)
        if block.name != basis.name:
            del points[block.name]
    return frozenset(empty - set(_read_by_drivers())) if empty else frozenset()


def _read_by_drivers() -> Iterator[str]:
    """Yield the names of shape keys, of any mesh, that drivers of the file read."""
    for blocks in (bpy.data.objects, bpy.data.shape_keys, bpy.data.armatures, bpy.data.meshes, bpy.data.materials,
                   bpy.data.node_groups, bpy.data.scenes):  # fmt: skip
        for block in blocks:
            data = block.animation_data
            for curve in data.drivers if data is not None else ():
                for variable in curve.driver.variables if curve.driver is not None else ():
                    for target in variable.targets:
                        match = _BLOCK.search(target.data_path)
                        if match:
                            yield unescape(match.group(1))
