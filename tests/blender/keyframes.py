# SPDX-License-Identifier: GPL-3.0-or-later
"""Read, edit and evaluate the keys of a data-block."""

from __future__ import annotations

from typing import Any

import numpy as np


def path_of(channel: str) -> str:
    """Return the data path of a shape key's value."""
    return f'key_blocks["{channel}"].value'


def all_keys(owner: Any) -> dict[str, dict[float, bytes]]:
    """Return every key of a data-block with all that RNA stores of it, by F-Curve and frame."""
    from voxrig.blender import actions, compat

    found: dict[str, dict[float, bytes]] = {}
    for curve in compat.curves_of(owner) or ():
        keys = actions.read_keys(curve)
        found[curve.data_path] = dict(zip(keys["co"][:, 0].tolist(), (key.tobytes() for key in keys)))
    return found


def edit_key(owner: Any, channel: str, frame: float, value: float, *, new_frame: float | None = None) -> float:
    """Drag the key nearest to a frame, as in the Graph Editor, and return the frame where it then lies."""
    from voxrig.blender import compat

    curve = compat.curves_of(owner).find(path_of(channel))
    key = min(curve.keyframe_points, key=lambda key: abs(key.co[0] - frame))
    key.co_ui = (key.co[0] if new_frame is None else new_frame, value)
    moved = float(key.co[0])
    curve.update()
    return moved


def evaluate(owner: Any, channel: str, frames: Any) -> np.ndarray:
    """Return the values that Blender shows of a shape key's F-Curve, ``[frame]``; one that rests throughout has none."""
    from voxrig.blender import compat

    curve = compat.curves_of(owner).find(f'key_blocks["{channel}"].value')
    if curve is None:
        return np.zeros(len(frames))
    return np.array([curve.evaluate(float(frame)) for frame in frames])
