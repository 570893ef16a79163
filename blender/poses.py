# SPDX-License-Identifier: GPL-3.0-or-later
"""Poses without keys: read and set the values of targets, turn poses into links, and show a preview that is always undone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as Table
from typing import Any

import bpy

from ..animation.rig.mapping import Link, Target
from ..errors import RigError
from . import compat, rigs
from .targets import describe_target, explain_obstacle, holder_of, limits_of, rest_of

# Smaller differences between two poses are rounding: a hundredth of a millimetre, a thousandth of a degree.
_SAME = 1e-5

Pose = dict[Target, float]

# Seconds between two checks whether a preview is still visible.
_LOOK_EVERY = 0.3


def list_pose_targets(character: rigs.Character) -> list[Target]:
    """List all that an artist may pose a character with: its free controls, and the free transforms of its bones."""
    controls: list[Target] = []
    for _label, target, _limits in rigs.list_targets(character):
        try:
            owner = rigs.resolve(target).owner
        except RigError:  # linked: it can be viewed but not posed
            continue
        if rigs.driver_of(owner, target) is None:
            controls.append(target)
    return controls + [target for _label, target in rigs.list_bone_transforms(character)]


def read_pose(targets: Iterable[Target]) -> Pose:
    """Read the current values of targets. Raises RigError for one that is gone or linked."""
    return {target: rigs.resolve(target).value for target in targets}


def rest_pose(targets: Iterable[Target]) -> Pose:
    """Return the values of targets at rest (see ``rest_of``). Raises RigError for one that is gone or linked."""
    return {target: rest_of(target) for target in targets}


def set_pose(pose: Table[Target, float]) -> None:
    """Set values without keying. Raises RigError, before anything changes, for a target that is gone or linked."""
    owners = [rigs.resolve(target).owner for target in pose]
    for owner, (target, value) in zip(owners, pose.items()):
        _set_value(owner, target, value)
    for owner in dict.fromkeys(owners):
        # Drivers that read custom properties do not notice changes made by scripts.
        owner.update_tag()


def key_pose(pose: Table[Target, float], frame: float) -> int:
    """Set values and key them at a frame, as the artist would; returns how many were keyed.

    Driven and locked ones are left out. Raises RigError, before anything changes, if that is all of them.
    """
    free = {target: value for target, value in pose.items() if not explain_obstacle(rigs.resolve(target).owner, target)}
    if not free:
        raise RigError("Every control that the pose would set is driven or locked; unlock one of them")
    set_pose(free)
    count = 0
    for target in free:
        owner = rigs.resolve(target).owner
        is_single = isinstance(owner.path_resolve(target.data_path), (int, float))
        try:
            count += owner.keyframe_insert(target.data_path, index=-1 if is_single else target.array_index, frame=frame)
        except (TypeError, RuntimeError):  # an Action that is linked, or an F-Curve that is locked
            continue
    if not count:
        raise RigError("No control could be keyed; look for locked F-Curves and linked Actions")
    return count


def _set_value(owner: Any, target: Target, value: float) -> None:
    holder, name = holder_of(owner, target.data_path)
    current = getattr(holder, name) if name else holder[rigs.control_name(target)]
    if not isinstance(current, (int, float)):
        current[target.array_index] = value
        return
    # Writing a float would turn a whole number into a property of another type.
    fitting = round(value) if isinstance(current, int) else float(value)
    if name:
        setattr(holder, name, fitting)
    else:
        holder[rigs.control_name(target)] = fitting


def read_action_pose(character: rigs.Character, action: bpy.types.Action, frame: float) -> Pose:
    """Read an Action's values of the character's free controls at a frame; a pose asset is such an Action.

    Raises RigError if nothing in it fits the character.
    """
    free = set(list_pose_targets(character))
    pose: Pose = {}
    for item in character.objects:
        owners = [item, item.data, getattr(item.data, "shape_keys", None)]
        for owner in filter(None, owners):
            for curve in compat.action_curves(action, owner):
                target = Target(owner.id_type, owner.name_full, curve.data_path, curve.array_index)
                if target in free and target not in pose:
                    pose[target] = float(curve.evaluate(frame))
    if not pose:
        raise RigError(
            f"The Action '{action.name}' moves no free control of '{character.name}'; choose an Action made for this character"
        )
    return pose


def links_from_pose(channel: str, neutral: Table[Target, float], pose: Table[Target, float], full: float = 1.0) -> list[Link]:
    """Make links that put the character into ``pose`` when ``channel`` is ``full``, and into ``neutral`` when it is 0.

    Only values that differ become links. Quaternions are compared by the shorter way round. Raises RigError if nothing
    differs, if a value has no neutral, or if a bone in axis-angle mode turns about another axis, which does not blend.
    """
    signs = _shorter_way(neutral, pose)
    links: list[Link] = []
    for target, value in pose.items():
        rest = neutral.get(target)
        if rest is None:
            raise RigError(f"{describe_target(target)} has no neutral value; store the neutral pose again")
        moved = value * signs.get((target.id_name, target.data_path), 1.0) - rest
        if abs(moved) <= _SAME:
            continue
        if target.data_path.endswith("rotation_axis_angle") and target.array_index > 0:
            raise RigError(
                f"The bone '{rigs.control_name(target)}' rotates by axis and angle, which cannot be blended; "
                "give it another rotation mode in the sidebar's Item tab"
            )
        low, high = limits_of(target)
        links.append(Link(channel, target, gain=moved / full, rest=rest, minimum=low, maximum=high))
    if not links:
        raise RigError(
            f"Nothing differs from the neutral pose; pose the character as '{channel}' looks at its most, then calibrate"
        )
    return links


def _shorter_way(neutral: Table[Target, float], pose: Table[Target, float]) -> dict[tuple[str, str], float]:
    """Return -1 for each quaternion that is nearer to its neutral with all signs flipped (the same rotation)."""
    products: dict[tuple[str, str], float] = {}
    for target, value in pose.items():
        if target.data_path.endswith("rotation_quaternion"):
            place = (target.id_name, target.data_path)
            products[place] = products.get(place, 0.0) + value * neutral.get(target, 0.0)
    return {place: -1.0 if product < 0.0 else 1.0 for place, product in products.items()}


# ---------------------------------------------------------------------------------------------------------------
# A preview: values that are shown and restored, never keyed


_before: Pose = {}
_on_end: list[Callable[[], None]] = []


def is_previewing() -> bool:
    """Return whether the character shows values that will be restored."""
    return bool(_before)


def value_before(target: Target, shown: float) -> float:
    """Return the value of a target beneath a preview, or the one that is ``shown`` if none covers it."""
    return _before.get(target, shown)


def show_preview(pose: Table[Target, float], on_end: Callable[[], None] | None = None) -> None:
    """Show values until ``end_preview``; values of an earlier call that are not in this one are restored at once.

    The preview also ends by itself before the frame changes, before saving, rendering, undo and redo, when another file is
    opened, and when the Voxrig tab is no longer visible in any window. ``on_end`` is called then. Raises RigError, before
    anything changes, for a target that is gone or linked.
    """
    added = read_pose([target for target in pose if target not in _before])
    left = {target: value for target, value in _before.items() if target not in pose}
    set_pose(pose)
    set_what_is_left(left)
    for target in left:
        del _before[target]
    _before.update(added)
    if on_end is not None and on_end not in _on_end:
        _on_end.append(on_end)
    for handlers in _ending_handlers():
        if _end_by_handler not in handlers:
            handlers.append(_end_by_handler)
    if not bpy.app.background and not bpy.app.timers.is_registered(_end_when_left):
        bpy.app.timers.register(_end_when_left, first_interval=_LOOK_EVERY)


def end_preview() -> None:
    """Restore every value from before the preview. Anything deleted meanwhile is skipped."""
    pose = dict(_before)
    _before.clear()
    for handlers in _ending_handlers():
        if _end_by_handler in handlers:
            handlers.remove(_end_by_handler)
    set_what_is_left(pose)
    calls = list(_on_end)
    _on_end.clear()
    for call in calls:
        call()


def set_what_is_left(pose: Table[Target, float]) -> None:
    """Set a pose like ``set_pose``, skipping targets that are gone or linked by now."""
    for target, value in pose.items():
        try:
            set_pose({target: value})
        except RigError:
            continue


def _end_when_left() -> float | None:
    """End the preview once its tab is out of sight; checks again as long as it is visible."""
    if not _before:
        return None
    if _is_tab_shown():
        return _LOOK_EVERY
    end_preview()
    return None


def _is_tab_shown() -> bool:
    context: Any = bpy.context
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type != "VIEW_3D" or not area.spaces.active.show_region_ui:
                continue
            if any(region.type == "UI" and region.active_panel_category == "Voxrig" for region in area.regions):
                return True
    return False


def _ending_handlers() -> list[Any]:
    handlers: Any = bpy.app.handlers
    return [
        handlers.frame_change_pre,
        handlers.save_pre,
        handlers.load_pre,
        handlers.render_init,
        handlers.undo_pre,
        handlers.redo_pre,
    ]


@bpy.app.handlers.persistent
def _end_by_handler(*_scene: Any) -> None:
    end_preview()
