# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweep through channels on the timeline, in separate Actions that are played until they are removed together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import bpy

from ..animation.keys.reduction import KeyedCurve
from ..animation.rig.mapping import Target
from . import actions, compat, poses, rigs
from .outputs import Output

NAME = "Voxrig Sweep"


def is_sweep_keyed() -> bool:
    """Return whether the file contains a sweep that ``remove_sweep`` can undo."""
    return bool(_sweeps())


def write_sweep(
    curves: Sequence[tuple[Target, KeyedCurve]], first_frame: float, last_frame: float, marks: Sequence[tuple[str, int]]
) -> actions.WriteReport:
    """Write curves to a new Action that is played in place of the current one; an older sweep is removed. No other key is
    touched.

    ``marks`` are names and frames for markers of the Action. Raises RigError, changing nothing, if nothing can be written.
    """
    actions.check_writable([target for target, _curve in curves], Output("NEW_ACTION"))
    remove_sweep()
    poses_before: dict[Any, poses.Pose] = {}
    for target, _curve in curves:
        found = rigs.resolve(target)
        poses_before.setdefault(found.owner, {})[target] = found.value
    owners = list(poses_before)
    former = {owner: _playing(owner) for owner in owners}
    kept = {action: action.use_fake_user for action, _slot in former.values() if action is not None}
    report = actions.write_target_curves(curves, first_frame, last_frame, output=Output("NEW_ACTION", NAME))
    for owner in owners:
        action, slot = _playing(owner)
        if action is None or (action, slot) == former[owner]:
            continue
        entry = action.voxrig.replaced.add()
        entry.block, entry.slot = owner, former[owner][1]
        entry.action = former[owner][0]
        entry.pose = json.dumps([[t.data_path, t.array_index, value] for t, value in poses_before[owner].items()])
    for action, was_kept in kept.items():
        action.use_fake_user = was_kept  # the sweep itself is a user now
    for action in _sweeps():
        for name, frame in marks:
            action.pose_markers.new(name).frame = frame
    return report


def remove_sweep() -> int:
    """Remove the sweep's Actions, restore what was played before and values without keys; returns the number of removed
    Actions."""
    sweeps = _sweeps()
    for action in sweeps:
        for entry in action.voxrig.replaced:
            block = entry.block
            data = block.animation_data if block is not None else None
            if block is None or data is None or data.action != action:  # the artist plays something else by now
                continue
            if entry.action is not None and entry.slot:
                compat.assign(block, compat.Place(entry.action, entry.slot))
            else:
                data.action = entry.action
            before = {Target(block.id_type, block.name_full, *place): value for *place, value in json.loads(entry.pose)}
            poses.set_what_is_left(before)
        bpy.data.actions.remove(action)
    return len(sweeps)


def _sweeps() -> list[Any]:
    actions: Any = bpy.data.actions
    return [action for action in actions if len(action.voxrig.replaced)]


def _playing(owner: Any) -> tuple[Any, int]:
    """Return the Action that a data-block plays, or None, and the handle of its slot, or 0."""
    data = owner.animation_data
    if data is None or data.action is None:
        return None, 0
    return data.action, data.action_slot_handle if compat.has_slots() else 0
