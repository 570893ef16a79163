# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks a written take: which controls do not follow it and why, and which other characters move with it.

The character is evaluated on a few frames in a scene of its own, so the artist's scene stays on its frame and no pose that is
not keyed yet is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..animation.keys.artist_keys import BEZIER, CONSTANT
from ..animation.keys.reduction import KeyedCurve, evaluate_keys
from ..animation.rig.mapping import Target
from ..animation.rig.names import names_in_path, unescape
from . import actions, compat, outputs, rigs
from . import scene as scenes
from .outputs import Home
from .shape_keys import find_empty_keys
from .targets import limits_of

# So many frames are looked at.
_FRAMES = 4
# A control that is off by more than this share of its range somewhere does not follow.
_OFF = 0.25
# A control that moves less than this does not move at all.
_STILL = 1e-4
_LINEAR = 1


@dataclass(frozen=True)
class _Shown:
    """A take as Blender evaluates it.

    ``values`` are ``[frame, target]`` (NaN if unknown); for each bone there is how far it goes by its channels and how far
    it really goes (radians and armature units, added).
    """

    values: NDArray[np.float64]
    bones: dict[tuple[str, str], tuple[float, float]]


def find_still(objects: Sequence[Any], curves: Sequence[tuple[Target, KeyedCurve]], take: str) -> dict[Target, str]:
    """Find the controls that do not follow the ``curves`` just written to the take of that mark, with a reason for each.

    ``objects`` are the character's. Controls that the take leaves at rest are skipped. The file stays as it was.
    """
    moving = [(target, curve) for target, curve in curves if len(curve) and np.ptp(curve.values) > _STILL]
    if not moving:
        return {}
    owners = {target: rigs.resolve(target).owner for target, _curve in moving}
    homes = {owner: outputs.find_home(owner, take) for owner in set(owners.values())}
    frames = _choose_frames([curve for _target, curve in moving])
    expected = np.stack(
        [_within_slider(target, _expected(homes[owners[target]], target, frames)) for target, _ in moving], axis=1
    )
    shown = _evaluate(objects, [target for target, _curve in moving], owners, homes, frames)
    with np.errstate(invalid="ignore"):
        ranges = np.array([np.ptp(curve.values) for _target, curve in moving])
        is_off = np.nan_to_num(np.abs(shown.values - expected) > _OFF * ranges + _STILL).any(axis=0)
    empty = {owner: find_empty_keys(owner) for owner in homes if owner.id_type == "KEY"}
    still: dict[Target, str] = {}
    for column, (target, _curve) in enumerate(moving):
        owner = owners[target]
        reason = _why_unseen(owner, target, empty.get(owner, frozenset()), shown)
        # That an Action plays over a strip is said when the strip is made (outputs.py), and Compare changes it.
        if not reason and is_off[column] and not _is_covered(owner, target, homes[owner]):
            reason = _why_off(owner, target, homes[owner])
        if reason:
            still[target] = reason
    return still


def tell_still(still: dict[Target, str], count: int) -> str:
    """Say in one sentence which of ``count`` controls do not follow, or return '' if all do."""
    if not still:
        return ""
    groups: dict[str, list[str]] = {}
    for target, reason in still.items():
        groups.setdefault(reason, []).append(rigs.control_name(target))
    parts = [f"{rigs.name_some(names)} ({reason})" for reason, names in groups.items()]
    return f"{len(still)} of {count} controls do not follow the take: {'; '.join(parts)}"


def tell_companions(objects: Sequence[Any], targets: Sequence[Target]) -> str:
    """Say in one sentence who else plays the Action and slot of the targets, or return '' if nobody does."""
    own = {block for item in objects for block in (item, item.data, getattr(item.data, "shape_keys", None))}
    for owner in dict.fromkeys(rigs.resolve(target).owner for target in targets):
        place = compat.place_of(owner)
        others = [user for user in compat.users_of(place) if user != owner and user not in own] if place is not None else []
        if others:
            names = rigs.name_some(sorted({name_of(other) for other in others}))
            verb = "play" if len(others) > 1 else "plays"
            what = "Action and slot" if compat.has_slots() else "Action"
            return (
                f"{names} {verb} the same {what} as '{name_of(owner)}' and will move as well; use Make Own Action to part them"
            )
    return ""


def name_of(owner: Any) -> str:
    """Return the name by which an artist knows the owner of an animation; for shape keys, that of their object."""
    if owner.id_type != "KEY":
        return owner.name
    return next((item.name for item in bpy.data.objects if item.data == owner.user), owner.name)


# What is to be seen


def _choose_frames(curves: Sequence[KeyedCurve]) -> NDArray[np.float64]:
    """Choose frames on which most curves are near their highest or their lowest value, each in its turn."""
    ends = [(float(c.frames[np.argmax(c.values)]), float(c.frames[np.argmin(c.values)])) for c in curves]
    candidates = np.unique(ends)
    values = np.stack([np.interp(candidates, curve.frames, curve.values) for curve in curves])
    low, high = (np.array([end(curve.values) for curve in curves])[:, None] for end in (np.min, np.max))
    nearness = np.concatenate([values - low, high - values]) / np.tile(high - low, (2, 1))
    chosen: list[int] = []
    covered = np.zeros(len(nearness))
    while len(chosen) < min(_FRAMES, candidates.size):
        gains = np.maximum(nearness, covered[:, None]).sum(axis=0)
        gains[chosen] = -1.0
        chosen.append(int(np.argmax(gains)))
        covered = np.maximum(covered, nearness[:, chosen[-1]])
    return candidates[sorted(chosen)]


def _within_slider(target: Target, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what Blender shows of values: a shape key ends where its slider does."""
    if target.id_type != "KEY":
        return values
    low, high = limits_of(target)
    return np.clip(values, low, high)


def _expected(home: Home | None, target: Target, frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values of a target's F-Curve by its keys alone, ``[frame]``.

    NaN where a key has an easing of its own, for layers and without a curve.
    """
    unknown = np.full(frames.size, np.nan)
    curve = (compat.curves_at(home.place) if home is not None else None) or ()
    fcurve = next((one for one in curve if (one.data_path, one.array_index) == (target.data_path, target.array_index)), None)
    if home is None or home.is_layer or fcurve is None or not len(fcurve.keyframe_points):
        return unknown
    keys = actions.read_keys(fcurve)
    x, y = keys["co"][:, 0].astype(np.float64), keys["co"][:, 1].astype(np.float64)
    smooth = evaluate_keys(KeyedCurve(keys["co"][:, 0], keys["co"][:, 1], keys["handle_left"], keys["handle_right"]), frames)
    segment = np.clip(np.searchsorted(x, frames, side="right") - 1, 0, len(x) - 1)
    kind = keys["interpolation"][segment]
    values = np.select(
        [kind == CONSTANT, kind == _LINEAR, kind == BEZIER], [y[segment], np.interp(frames, x, y), smooth], default=np.nan
    )
    return np.where(frames <= x[0], y[0], np.where(frames >= x[-1], y[-1], values))


def _evaluate(
    objects: Sequence[Any],
    targets: Sequence[Target],
    owners: dict[Target, Any],
    homes: dict[Any, Home | None],
    frames: NDArray[np.float64],
) -> _Shown:
    values = np.full((frames.size, len(targets)), np.nan)
    poses: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
    with scenes.separate_scene(objects) as scene:
        for row, frame in enumerate(frames.tolist()):
            for place in dict.fromkeys(_scene_frame(home, frame) for home in homes.values()):
                scene.frame_set(int(np.floor(place)), subframe=place % 1.0)
                layer = scene.view_layers[0]
                for column, target in enumerate(targets):
                    owner = owners[target]
                    if _scene_frame(homes[owner], frame) == place:
                        values[row, column] = _read(owner.evaluated_get(layer.depsgraph), target)
                for owner in homes:
                    if owner.id_type == "OBJECT" and owner.pose is not None and _scene_frame(homes[owner], frame) == place:
                        _read_bones(owner.evaluated_get(layer.depsgraph), targets, poses)
    return _Shown(values, {bone: _distances(pose) for bone, pose in poses.items()})


def _scene_frame(home: Home | None, frame: float) -> float:
    """Return the scene frame at which a frame of an Action is played."""
    if home is None or home.strip is None:
        return frame
    return home.strip.frame_start + (frame - home.strip.action_frame_start) * home.strip.scale


def _read(evaluated: Any, target: Target) -> float:
    if not evaluated.is_evaluated:
        return np.nan
    value = evaluated.path_resolve(target.data_path)
    return float(value if isinstance(value, (int, float)) else value[target.array_index])


def _read_bones(evaluated: Any, targets: Sequence[Target], poses: dict[tuple[str, str], list[tuple[Any, Any]]]) -> None:
    """Read, for each bone of the targets with constraints, where its channels put it and where it is, in its own space."""
    for name in dict.fromkeys(_bone_name(target) for target in targets if target.id_name == evaluated.name_full):
        bone = evaluated.pose.bones.get(name) if name else None
        if bone is not None and _constraints(bone):
            really = evaluated.convert_space(pose_bone=bone, matrix=bone.matrix, from_space="POSE", to_space="LOCAL")
            poses.setdefault((evaluated.name_full, name), []).append((bone.matrix_basis.copy(), really.copy()))


def _distances(pose: Sequence[tuple[Any, Any]]) -> tuple[float, float]:
    first = pose[0]
    far = [0.0, 0.0]
    for both in pose[1:]:
        for i, (start, end) in enumerate(zip(first, both)):
            turn = start.to_quaternion().rotation_difference(end.to_quaternion()).angle
            size = (start.to_scale() - end.to_scale()).length
            far[i] = max(far[i], abs(turn) + (start.to_translation() - end.to_translation()).length + size)
    return far[0], far[1]


def _bone_name(target: Target) -> str:
    """Return the bone that a target moves, or '' for other values."""
    kinds = (".location", ".rotation_euler", ".rotation_quaternion", ".rotation_axis_angle", ".scale")
    if not (target.data_path.startswith("pose.bones[") and target.data_path.endswith(kinds)):
        return ""
    return unescape(names_in_path(target.data_path)[0])


def _constraints(bone: Any) -> list[Any]:
    return [one for one in bone.constraints if one.enabled and one.influence > 0.0 and one.is_valid]


# Why it is not seen


def _why_unseen(owner: Any, target: Target, empty: frozenset[str], shown: _Shown) -> str:
    """Explain why a value that follows shows nothing, or return ''."""
    if owner.id_type == "KEY":
        name = rigs.control_name(target)
        block = owner.key_blocks.get(name)
        if block is not None and block.mute:
            return "muted; unmute them in the Shape Keys panel"
        if name in empty:
            return "shape keys that move nothing"
        if not owner.use_relative:
            return "absolute shape keys, which follow their evaluation time; make them relative"
        users = [item for item in bpy.data.objects if item.data == owner.user]
        if users and all(item.show_only_shape_key for item in users):
            return f"'{users[0].name}' shows its active shape key only; turn Solo Active Shape Key off in the Shape Keys panel"
        return ""
    bone = _bone_name(target)
    if not bone or owner.pose is None:
        return ""
    if owner.data.pose_position == "REST":
        return f"the armature '{owner.name}' is in rest position; set it to Pose Position"
    wanted, really = shown.bones.get((owner.name_full, bone), (0.0, 0.0))
    if wanted > 1e-3 and really < _OFF * wanted:
        names = rigs.name_some(one.name for one in _constraints(owner.pose.bones[bone]))
        return f"held by the bone's constraint {names}; turn it off or map another bone"
    return ""


def _is_covered(owner: Any, target: Target, home: Home | None) -> bool:
    on_strip = home is not None and home.strip is not None
    return on_strip and outputs.is_covered(owner, [(target.data_path, target.array_index)])


def _why_off(owner: Any, target: Target, home: Home | None) -> str:
    """Explain why a value differs from its F-Curve."""
    data = owner.animation_data
    if data is None:
        return "they have lost their F-Curves"
    tracks = list(data.nla_tracks)
    name = name_of(owner)
    solo = next((track for track in tracks if track.is_solo), None)
    if solo is not None and (home is None or home.track != solo):
        return f"the NLA track '{solo.name}' of '{name}' is solo; turn its star off"
    for modifier in _modifiers(home, target):
        return f"the F-Curve modifier {modifier.type.replace('_', ' ').title()} changes them; remove it in the Graph Editor"
    if home is not None and home.strip is not None:
        if not data.use_nla:
            return f"the NLA of '{name}' is off"
        if home.track.mute or home.strip.mute:
            return f"the strip '{home.strip.name}' is muted"
        if home.strip.influence < 1.0 or home.strip.use_animated_influence:
            return f"the strip '{home.strip.name}' has less than full influence"
    elif tracks and data.action_influence < 1.0:
        return f"the Action of '{name}' has the influence {data.action_influence:.2f}; set it to 1 in the NLA Editor"
    elif tracks and data.action_blend_type != "REPLACE":
        kind = data.action_blend_type.title()
        return f"the Action of '{name}' is blended by {kind} with its NLA; set it to Replace in the NLA Editor"
    if tracks:
        return f"other strips of '{name}' or its Action play over the take"
    return "something else sets them, such as a driver or an add-on"


def _modifiers(home: Home | None, target: Target) -> Iterator[Any]:
    for curve in (compat.curves_at(home.place) if home is not None else None) or ():
        if (curve.data_path, curve.array_index) == (target.data_path, target.array_index):
            yield from (one for one in curve.modifiers if not one.mute and one.type != "CYCLES")
