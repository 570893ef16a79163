# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes keyed curves into Actions, touching nothing but the keys in the range of the curves that are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..animation.keys import KeyedCurve
from ..animation.mapping import Target
from ..animation.placing import Placing
from ..errors import RigError
from . import compat, rigs
from .targets import explain_obstacle

# Blender takes keys that are closer than this for one key (BEZT_BINARYSEARCH_THRESH in its fcurve.cc).
_SAME_FRAME = 0.01
_EXTREME, _BREAKDOWN = 1, 2
_FREE, _ALIGNED = 0, 3
# Everything that RNA knows of a key.
_KEY_FLOATS = (("co", 2), ("handle_left", 2), ("handle_right", 2), ("back", 1), ("amplitude", 1), ("period", 1))
_KEY_ENUMS = ("interpolation", "easing", "handle_left_type", "handle_right_type", "type")
_KEY_BOOLEANS = ("select_control_point", "select_left_handle", "select_right_handle")


@dataclass(frozen=True)
class WriteReport:
    """What was written, how many keys, and which targets were left alone and why (a sentence each)."""

    written: tuple[Target, ...]
    key_count: int
    skipped: tuple[tuple[Target, str], ...]


def write_target_curves(
    curves: Sequence[tuple[Target, KeyedCurve]],
    first_frame: float,
    last_frame: float,
    *,
    action_name: str = "",
    kept: Mapping[Target, NDArray[Any]] | None = None,
    placing: Placing | None = None,
) -> WriteReport:
    """Replace the keys between ``first_frame`` and ``last_frame`` (both included) of each target's F-Curve.

    Keys outside the range, those on ``kept`` frames of their target, other F-Curves and their handles stay exactly as they
    are. ``placing`` says how the keys interpolate and which are extremes or breakdowns. Owners without an Action get a new one
    (``action_name``, or the owner's name): one for all of them where Actions have slots, else one each. Targets with a
    driver, and F-Curves that are locked, muted or baked, are skipped and reported. Everything is checked before the first
    change: RigError for a target that is gone or linked and when nothing is left to write, ValueError for keys outside the
    range, no keys or the same target twice.
    """
    if len({target for target, _ in curves}) != len(curves):
        raise ValueError("a target is given twice")
    for target, curve in curves:
        if len(curve) == 0:
            raise ValueError(f"{target.data_path} is given no keys")
        if curve.frames[0] < first_frame - _SAME_FRAME or curve.frames[-1] > last_frame + _SAME_FRAME:
            raise ValueError(f"keys of {target.data_path} lie outside the frames {first_frame} to {last_frame}")
    free, skipped = _split_writable([target for target, _ in curves])
    if curves and not free:
        target, reason = skipped[0]
        raise RigError(f"None of the mapped controls can be animated; the first: {reason}")
    keyed = dict(curves)
    shared = None
    written: list[Target] = []
    for owner, targets in free:
        data = owner.animation_data
        action = data.action if data is not None else None
        if action is None:
            action = (
                shared
                if shared is not None and compat.has_slots()
                else compat.new_action(action_name or f"{owner.name}Action", owner)
            )
            shared = action
        fcurves, groups = compat.ensure_curves(owner, action)
        for target in targets:
            fcurve = fcurves.find(target.data_path, index=target.array_index)
            if fcurve is None:
                fcurve = fcurves.new(target.data_path, index=target.array_index)
                _put_in_bone_group(fcurve, groups, target)
            _replace_keys(
                fcurve, _generated_keys(keyed[target], placing or Placing()), first_frame, last_frame, (kept or {}).get(target)
            )
            written.append(target)
    return WriteReport(tuple(written), sum(len(keyed[target]) for target in written), tuple(skipped))


def remove_target_keys(targets: Sequence[Target], first_frame: float, last_frame: float) -> int:
    """Remove the keys between two frames (both included) from the targets' F-Curves; returns how many.

    An F-Curve that keeps no key is removed as well, as Blender does. Locked, muted, baked and driven ones are left alone.
    Raises RigError before any change for a target that is gone or linked.
    """
    free, _ = _split_writable(list(dict.fromkeys(targets)))
    removed = 0
    for owner, owned in free:
        fcurves = compat.curves_of(owner)
        if fcurves is None:
            continue
        for target in owned:
            fcurve = fcurves.find(target.data_path, index=target.array_index)
            if fcurve is None:
                continue
            before = len(fcurve.keyframe_points)
            _replace_keys(fcurve, None, first_frame, last_frame)
            removed += before - len(fcurve.keyframe_points)
            if before and not len(fcurve.keyframe_points) and not len(fcurve.modifiers):
                fcurves.remove(fcurve)
    return removed


def _split_writable(targets: Sequence[Target]) -> tuple[list[tuple[Any, list[Target]]], list[tuple[Target, str]]]:
    """Targets that may be written, by owner, and those that may not, with the reason. Changes nothing."""
    owners: dict[Any, list[Target]] = {}
    skipped: list[tuple[Target, str]] = []
    for target in targets:
        owner = rigs.resolve(target).owner
        reason = _obstacle(owner, target)
        if reason:
            skipped.append((target, reason))
        else:
            owners.setdefault(owner, []).append(target)
    return list(owners.items()), skipped


def _obstacle(owner: Any, target: Target) -> str:
    """Why a target must be left alone, or ''."""
    control = f'"{rigs.control_name(target)}" of "{owner.name}"'
    reason = explain_obstacle(owner, target)
    if reason:
        return reason
    data = owner.animation_data
    if data is None or data.action is None:
        return ""
    if data.action.library is not None:
        return f'The Action of "{owner.name}" is linked from another file; give it an Action of this file.'
    fcurves = compat.curves_of(owner)
    fcurve = fcurves.find(target.data_path, index=target.array_index) if fcurves is not None else None
    if fcurve is None:
        return ""
    if fcurve.lock or (fcurve.group is not None and fcurve.group.lock):
        return f"The F-Curve of {control} is locked; unlock it in the Graph Editor."
    if fcurve.mute or (fcurve.group is not None and fcurve.group.mute):
        return f"The F-Curve of {control} is muted; unmute it in the Graph Editor."
    if len(fcurve.sampled_points):
        return f"The F-Curve of {control} is baked to samples; convert it to keys in the Graph Editor."
    return ""


def _put_in_bone_group(fcurve: Any, groups: Any, target: Target) -> None:
    """As Blender does itself, curves of a bone are grouped under the bone's name."""
    match = re.match(r'pose\.bones\["((?:[^"\\]|\\.)*)"\]', target.data_path)
    if match:
        name = re.sub(r"\\(.)", r"\1", match.group(1))
        fcurve.group = groups.get(name) or groups.new(name)


def _generated_keys(curve: KeyedCurve, placing: Placing) -> dict[str, NDArray[Any]]:
    """A keyed curve as the arrays that Blender takes, ``[key * width]`` each."""
    count = len(curve)
    handle_type = _handle_types(curve)
    kind = np.full(count, compat.generated_key_type(), np.uint8)
    kind[np.isin(curve.frames, placing.breakdowns)] = _BREAKDOWN
    kind[np.isin(curve.frames, placing.extremes)] = _EXTREME
    return {
        "co": np.stack([curve.frames, curve.values], axis=1).ravel(),
        "handle_left": curve.left.ravel(),
        "handle_right": curve.right.ravel(),
        "interpolation": np.full(count, placing.interpolation, np.uint8),
        "handle_left_type": handle_type,
        "handle_right_type": handle_type,
        "type": kind,
    }


def _handle_types(curve: KeyedCurve) -> NDArray[np.uint8]:
    """ALIGNED where both handles lie on one line, so that they turn together under the artist's hand, else FREE."""
    point = np.stack([curve.frames, curve.values], axis=1)
    left, right = point - curve.left, curve.right - point
    # Frames far from 0 are rounded to thousandths, and so are slopes.
    mismatch = np.abs(left[:, 1] * right[:, 0] - right[:, 1] * left[:, 0])
    size = np.maximum(np.abs(left[:, 1] * right[:, 0]), np.abs(right[:, 1] * left[:, 0]))
    return np.where(mismatch <= 0.02 * size + 1e-9, _ALIGNED, _FREE).astype(np.uint8)


def _replace_keys(
    fcurve: Any,
    fresh: dict[str, NDArray[Any]] | None,
    first_frame: float,
    last_frame: float,
    kept_frames: NDArray[Any] | None = None,
) -> None:
    """Take out the keys of a range, but not those on ``kept_frames``, and put ``fresh`` in.

    ``update()`` is not called: it would recompute the handles of the artist's neighbouring keys, and ours are all given.
    """
    points = fcurve.keyframe_points
    kept: dict[str, NDArray[Any]] | None = None
    if len(points):
        old = _read_keys(points)
        frames = old["co"][0::2]
        outside = (frames < first_frame - _SAME_FRAME) | (frames > last_frame + _SAME_FRAME)
        if kept_frames is not None:
            outside |= np.isin(frames, kept_frames.astype(np.float32))
        if outside.all() and fresh is None:
            return
        if outside.any():
            kept = {name: array.reshape(frames.size, -1)[outside].ravel() for name, array in old.items()}
        points.clear()
    fresh_count = 0 if fresh is None else fresh["interpolation"].size
    kept_count = 0 if kept is None else kept["interpolation"].size
    if fresh_count + kept_count == 0:
        return
    points.add(fresh_count + kept_count)
    if kept is None:
        arrays = fresh or {}
    else:
        # What a fresh key does not say is as Blender made it.
        made = _read_keys(points)
        order = np.argsort(np.concatenate([kept["co"][0::2], [] if fresh is None else fresh["co"][0::2]]), kind="stable")
        arrays = {}
        for name, array in kept.items():
            width = array.size // kept_count
            added = (fresh or {}).get(name, made[name][: fresh_count * width]).astype(array.dtype)
            arrays[name] = np.concatenate([array, added]).reshape(-1, width)[order].ravel()
    for name, array in arrays.items():
        points.foreach_set(name, array)


def _read_keys(points: Any) -> dict[str, NDArray[Any]]:
    """All that RNA knows of the keys, ``[key * width]`` each, in the types that Blender copies fastest."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, width in _KEY_FLOATS:
        arrays[name] = np.empty(len(points) * width, np.float32)
    for name in _KEY_ENUMS:
        arrays[name] = np.empty(len(points), np.uint8)
    for name in _KEY_BOOLEANS:
        arrays[name] = np.empty(len(points), np.bool_)
    for name, array in arrays.items():
        points.foreach_get(name, array)
    return arrays
