# SPDX-License-Identifier: GPL-3.0-or-later
"""The bones of a living head as links: head and neck, eyes or what they look at, and the chest."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Table
from typing import Any

import bpy
from mathutils import Vector

from ..animation.life.bones import BoneTurn, find_bones, turn_bones
from ..animation.life.channels import CHANNELS
from ..animation.rig.mapping import Link, Mapping, Target
from ..animation.rig.names import names_in_path, unescape
from . import compat, outputs, rigs
from .ledger import find_entry
from .poses import value_before
from .rigs import Character

# Gains are taken from a turn this small, where quaternions and Euler angles are straight.
_SMALL = 0.1
_SHARE = 0.05
_POSED = 1e-4
TURNS = frozenset(channel.name for channel in CHANNELS if channel.unit == "radians") | {"breath"}
"""Channels that turn bones."""
LAYER = "-layer"
"""The end of the mark of a take's layer, behind that of the take."""


def link_bones(
    character: Character, channels: Sequence[str], rests: Table[Target, float] | None = None
) -> tuple[list[Link], list[str]]:
    """Return links of life's channels to the bones of a character's head, and sentences on bones that must be left alone.

    ``channels`` are linked already. Bones that a driver turns or that a constraint aims are left alone; those that somebody
    animated go to a layer (``find_layered``). A bone that is posed without a key keeps its pose, from which it moves;
    ``rests`` are these poses of earlier takes, by target.
    """
    links: list[Link] = []
    notes: dict[str, None] = {}
    for item in character.objects:
        if item.pose is None:
            continue
        for turn in turn_bones([bone.name for bone in item.pose.bones], channels):
            bone = item.pose.bones[turn.bone]
            note = _why_left_alone(item, bone, turn)
            made = [] if note else _links_of(item, bone, turn, rests or {})
            if not note and not made and _is_driven(item, bone, turn):
                note = (
                    f"The bone '{bone.name}' is turned by a driver, so life leaves it alone; "
                    "link what drives it in the Mapping panel"
                )
            if note:
                notes[note] = None
            links += made
    return links, list(notes)


def names_of_roles(character: Character) -> dict[str, tuple[str, ...]]:
    """Return the bones of a character by role (animation.life.bones.ROLES)."""
    names = [bone.name for item in character.objects if item.pose is not None for bone in item.pose.bones]
    return find_bones(names)


def _why_left_alone(item: Any, bone: Any, turn: BoneTurn) -> str:
    if bone.rotation_mode == "AXIS_ANGLE" and turn.target_of is None:
        return f"The bone '{bone.name}' rotates by axis and angle, so life leaves it alone; give it another rotation mode"
    aims = [one for one in bone.constraints if one.type in {"TRACK_TO", "DAMPED_TRACK", "LOCKED_TRACK"} and not one.mute]
    if aims and turn.target_of is None:
        target = getattr(aims[0], "target", None)
        what = f"'{target.name}'" if target is not None else "its target"
        return f"The bone '{bone.name}' is aimed by the constraint '{aims[0].name}', so life leaves it alone; animate {what}"
    return ""


def find_layered(mapping: Mapping) -> tuple[frozenset[Target], str]:
    """Return the targets of life on bones that somebody has animated, in an Action or the NLA, and a sentence on them.

    Life is added to such a bone by a layer, which changes no key.
    """
    found: dict[Target, str] = {}
    for link in mapping.links:
        if link.enabled and link.channel in TURNS and link.target.id_type == "OBJECT" and link.target not in found:
            owner = rigs.resolve(link.target).owner
            bones = names_in_path(link.target.data_path)
            if bones and any(_is_artists(place, path, owner) for place, path in _places(owner, bones[0])):
                found[link.target] = unescape(bones[0])
    if not found:
        return frozenset(), ""
    return frozenset(found), f"{rigs.name_some(found.values())} keep the body's animation; life is added on a layer of the NLA"


def is_animated(armature: Any, bone: str) -> bool:
    """Return whether an Action or a strip turns or moves a bone."""
    return any(_places(armature, bpy.utils.escape_identifier(bone)))


def _places(owner: Any, bone: str) -> Iterator[tuple[compat.Place, str]]:
    """Yield each place that animates the rotation or the location of a bone, with the path."""
    paths = [f'pose.bones["{bone}"].{kind}' for kind in ("rotation_euler", "rotation_quaternion", "location")]
    places = [compat.place_of(owner), *(compat.strip_place(strip) for _, strip in outputs.list_strips(owner))]
    for place in places:
        for fcurve in compat.curves_at(place) or ():
            if place is not None and fcurve.data_path in paths:
                yield place, fcurve.data_path


def _is_artists(place: compat.Place, path: str, owner: Any) -> bool:
    return all(find_entry(place, Target("OBJECT", owner.name_full, path, index)) is None for index in range(4))


def _property(bone: Any, turn: BoneTurn) -> str:
    if turn.target_of is not None:
        return "location"
    return "rotation_quaternion" if bone.rotation_mode == "QUATERNION" else "rotation_euler"


def _is_driven(item: Any, bone: Any, turn: BoneTurn) -> bool:
    path = f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].{_property(bone, turn)}'
    return item.animation_data is not None and any(driver.data_path == path for driver in item.animation_data.drivers)


def _links_of(item: Any, bone: Any, turn: BoneTurn, rests: Table[Target, float]) -> list[Link]:
    """Return links to the free components of a bone that have a share in a turn about the armature's axes."""
    has_keys = is_animated(item, bone.name)
    angles: Any = Vector([math.radians(angle) for angle in turn.degrees])
    rest = bone.bone.matrix_local.to_3x3()
    name = _property(bone, turn)
    first = 0
    if turn.target_of is not None:
        left, right = (item.data.bones[eye].head_local for eye in turn.target_of)
        vector = angles.cross(bone.bone.head_local - 0.5 * (left + right))
        components = rest.transposed() @ vector if bone.bone.use_local_location else vector
        locks = list(bone.lock_location)
    else:
        components = rest.transposed() @ angles
        locks = list(bone.lock_rotation)
        if name == "rotation_quaternion":
            # W stays 1 and Blender normalises, so XYZ is the axis times the tangent of half the angle.
            components = components.normalized() * (math.tan(_SMALL * components.length / 2.0) / _SMALL)
            first = 1
    path = f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].{name}'
    driven = {(d.data_path, d.array_index) for d in item.animation_data.drivers} if item.animation_data else set()
    pose = [0.0] * 4 if has_keys else list(getattr(bone, name))
    links: list[Link] = []
    for i, gain in enumerate(components):
        if abs(gain) > _SHARE * components.length and not locks[i] and (path, first + i) not in driven:
            target = Target("OBJECT", item.name_full, path, first + i)
            rest = rests.get(target, 0.0) if has_keys else value_before(target, pose[first + i])
            links.append(Link(turn.channel, target, gain, rest=rest if abs(rest) > _POSED else 0.0))
    return links
