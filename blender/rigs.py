# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters and their values that can be animated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
from mathutils import Vector

from ..animation.rig.mapping import Link, Mapping, Target
from ..animation.rig.names import names_in_path, unescape
from ..animation.rig.presets import bundled_presets
from ..animation.rig.recognition import UNSURE, Control, FoundLink, Recognition, recognise
from ..errors import RigError

# The collections of the data-blocks of Blender's ID types.
_COLLECTIONS = {
    "ACTION": "actions",
    "ARMATURE": "armatures",
    "CAMERA": "cameras",
    "COLLECTION": "collections",
    "CURVE": "curves",
    "KEY": "shape_keys",
    "LATTICE": "lattices",
    "LIGHT": "lights",
    "LIGHT_PROBE": "lightprobes",
    "MASK": "masks",
    "MATERIAL": "materials",
    "MESH": "meshes",
    "META": "metaballs",
    "NODETREE": "node_groups",
    "OBJECT": "objects",
    "SCENE": "scenes",
    "SPEAKER": "speakers",
    "WORLD": "worlds",
}
# Without limits of their own, custom properties report those of their number type.
_UNLIMITED = 1e9
# A control that goes to 10 or more is a percentage or similar, not a weight.
_PERCENT_FROM = 10.0
# Components with less than this share in a bone's movement would only be more curves to maintain.
_SHARE = 0.05

Range = tuple[float | None, float | None]


@dataclass(frozen=True)
class Character:
    """Objects that are animated together: meshes and armatures, the armature first if there is one."""

    name: str
    objects: tuple[Any, ...]


@dataclass(frozen=True)
class Match:
    """The result of recognition: the mapping, the rig family ('' if unknown to Voxrig) and the share of it that was found.

    ``notes`` are sentences on controls that were recognised but cannot be mapped as they are.
    """

    mapping: Mapping
    title: str = ""
    share: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResolvedTarget:
    """A target found in the file: the data-block that owns its animation, and its current value."""

    owner: Any
    value: float


def find_character(chosen: Any) -> Character:
    """Find the whole character that ``chosen`` belongs to.

    With an armature (the object itself, one that deforms it or a parent) it is the armature and every mesh that it deforms
    or that is its child; without one, the topmost parent mesh of ``chosen`` and all meshes below it. Raises RigError if
    there is nothing to animate.
    """
    if chosen is None:
        raise RigError("No character is chosen; choose its mesh or its armature")
    armature = _armature_of(chosen)
    top = armature or chosen
    while armature is None and top.parent is not None and top.parent.type == "MESH":
        top = top.parent
    objects = [top] if top.type in {"MESH", "ARMATURE"} else []
    candidates = set(top.children_recursive)
    if armature is not None:
        candidates.update(o for o in bpy.data.objects if o.type == "MESH" and _deforming_armature(o) == armature)
    candidates.discard(top)
    objects += sorted((o for o in candidates if o.type in {"MESH", "ARMATURE"}), key=lambda o: o.name)
    if not objects:
        raise RigError(
            f"'{chosen.name}' is not a mesh or armature and has none below it; choose the mesh or armature of a character"
        )
    return Character(top.name, tuple(objects))


def list_targets(character: Character) -> list[tuple[str, Target, Range]]:
    """List everything on the character that a channel can drive: label, target and its (minimum, maximum), None where
    unlimited.

    These are shape keys of all meshes, then custom number properties of pose bones, objects and their data. Values
    controlled by a driver are included (see ``driver_of``).
    """
    return [
        (f"{place}: {name}", target, limits)
        for _, place, controls in _control_groups(character)
        for name, target, limits in controls
    ]


def list_bone_transforms(character: Character) -> list[tuple[str, Target]]:
    """List every component of location, rotation (in the bone's own mode) and scale of the armatures' bones: label and target.

    Components that are locked or driven are left out, and so is the location of bones connected to their parent.
    """
    found: list[tuple[str, Target]] = []
    for item in character.objects:
        if item.pose is None:
            continue
        driven = _driven(item)
        for bone in item.pose.bones:
            path = f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].'
            for kind, index, label in _bone_components(bone):
                if (path + kind, index) not in driven:
                    found.append((f"{bone.name}: {label}", Target("OBJECT", item.name_full, path + kind, index)))
    return found


def _bone_components(bone: Any) -> Iterator[tuple[str, int, str]]:
    """Yield property, index and label of each free component of a pose bone's transform."""
    if not bone.bone.use_connect:
        yield from (("location", i, f"Location {axis}") for i, axis in enumerate("XYZ") if not bone.lock_location[i])
    if bone.rotation_mode == "QUATERNION":
        if not (bone.lock_rotations_4d and bone.lock_rotation_w):
            yield "rotation_quaternion", 0, "Quaternion W"
        yield from (("rotation_quaternion", i + 1, f"Quaternion {a}") for i, a in enumerate("XYZ") if not bone.lock_rotation[i])
    elif bone.rotation_mode == "AXIS_ANGLE":
        if not (bone.lock_rotations_4d and bone.lock_rotation_w):
            yield "rotation_axis_angle", 0, "Axis Angle W"
        yield from (("rotation_axis_angle", i + 1, f"Axis Angle {a}") for i, a in enumerate("XYZ") if not bone.lock_rotation[i])
    else:
        yield from (("rotation_euler", i, f"Rotation {axis}") for i, axis in enumerate("XYZ") if not bone.lock_rotation[i])
    yield from (("scale", i, f"Scale {axis}") for i, axis in enumerate("XYZ") if not bone.lock_scale[i])


def match_channels(
    character: Character,
    channel_names: Sequence[str],
    choose: Callable[[Recognition], Sequence[FoundLink]] = lambda found: found.links,
) -> Match:
    """Link channels to the character's controls of the same meaning, on every mesh, bone and object (see ``recognise``).

    ``choose`` may drop some of the found links. Unsure links are off. Controls with a driver and locked components of bones
    are left alone. Limits are those of the control; one that goes to 10 or more is treated as a percentage, so that full
    weight is its full range. Properties of the same name on several bones or objects are unsure, as only one of them may be
    meant, while shape keys of the same name on several meshes belong together. The mapping is empty if nothing is
    recognised.
    """
    controls: list[Control] = []
    values: list[tuple[Target, Range] | Any] = []
    for owner, place, group in _control_groups(character):
        driven = _driven(owner)
        on = f"{owner.name_full} {place}" if owner.id_type == "KEY" else "properties"
        for name, target, limits in group:
            if (target.data_path, target.array_index) not in driven:
                controls.append(Control(name, on))
                values.append((target, limits))
    for item in character.objects:
        for bone in item.pose.bones if item.pose is not None else ():
            controls.append(Control(bone.name, f"{item.name_full} {bone.name}", is_bone=True))
            values.append(bone)
    found = recognise(channel_names, controls, bundled_presets())
    links: list[Link] = []
    notes: dict[str, None] = {}
    for part in choose(found):
        if controls[part.control].is_bone:
            bone = values[part.control]
            note = _why_not_posed(part, bone)
            if note:
                notes[note] = None
            else:
                links += _bone_links(part, bone)
        else:
            target, (low, high) = values[part.control]
            full = high if high is not None and high >= _PERCENT_FROM else 1.0
            on = part.confidence != UNSURE
            links.append(
                Link(part.channel, target, part.gain * full, part.offset * full, low, high, on, confidence=part.confidence)
            )
    return Match(Mapping(tuple(links)), found.title, found.share, tuple(notes))


def _why_not_posed(part: FoundLink, bone: Any) -> str:
    """Explain why a recognised bone cannot be posed as in its preset, apart from locks and drivers, or return ''."""
    if bone.rotation_mode == "AXIS_ANGLE" and part.turn is not None and not part.about:
        return (
            f"The bone '{bone.name}' rotates by axis and angle, which cannot be blended; give it another rotation mode in the "
            "Item tab and match again"
        )
    item = bone.id_data
    for name in (part.about,) if part.about else part.unit or ():
        if name not in item.data.bones:
            return (
                f"'{item.name}' has no bone '{name}', by which its face is measured; calibrate the channels that move "
                f"'{bone.name}'"
            )
    return ""


def _bone_links(part: FoundLink, bone: Any) -> list[Link]:
    """Convert a movement in armature space to links to the free components of a pose bone that have a share in it."""
    item = bone.id_data
    rest = bone.bone.matrix_local.to_3x3()
    angles: Any = Vector([math.radians(angle) for angle in part.turn or (0.0, 0.0, 0.0)])
    if part.move is not None or part.about:
        if bone.bone.use_connect:
            return []
        start, end = (item.data.bones[name] for name in ((part.about, bone.name) if part.about else part.unit or ()))
        way = end.head_local - start.head_local
        vector: Any = Vector(part.move) * way.length if part.move is not None else angles.cross(way)
        # Without Local Location, Blender applies the location in the axes of the armature.
        components = rest.transposed() @ vector if bone.bone.use_local_location else vector
        name, first, locks = "location", 0, list(bone.lock_location)
    else:
        turn = rest.transposed() @ angles
        locks = list(bone.lock_rotation)
        if bone.rotation_mode == "QUATERNION":
            # W stays 1 and Blender normalises: XYZ is the axis times the tangent of half the angle.
            components = turn.normalized() * math.tan(turn.length / 2.0)
            name, first = "rotation_quaternion", 1
        else:
            components, name, first = turn, "rotation_euler", 0
    path = f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].{name}'
    driven = _driven(item)
    on = part.confidence != UNSURE
    return [
        Link(part.channel, Target("OBJECT", item.name_full, path, first + i), gain, enabled=on, confidence=part.confidence)
        for i, gain in enumerate(components)
        if abs(gain) > _SHARE * components.length and not locks[i] and (path, first + i) not in driven
    ]


def _driven(owner: Any) -> set[tuple[str, int]]:
    """Collect the values that drivers control on a data-block, all in one pass, because rigs have thousands of both."""
    return {(d.data_path, d.array_index) for d in owner.animation_data.drivers} if owner.animation_data else set()


def resolve(target: Target) -> ResolvedTarget:
    """Find a target in the file. Raises RigError if it is gone, is linked and not overridden, or is not a number."""
    owner = _find_owner(target)
    if owner is None:
        raise RigError(
            f"'{target.id_name}' with the control '{control_name(target)}' is no longer in the file; map the character again"
        )
    if owner.library is not None and target.id_type == "KEY":
        # Blender overrides a character's objects by itself, but not their meshes, which own the shape keys.
        raise RigError(
            f"The shape keys of the mesh '{owner.user.name}' are linked from {owner.library.name}; make a library override "
            "of the mesh data, too, in the Outliner"
        )
    if owner.library is not None:
        raise RigError(
            f"'{owner.name}' is linked from {owner.library.name}; make a library override of the character and map that"
        )
    override = owner.override_library
    if override is not None and override.is_system_override:
        raise RigError(
            f"The library override of '{owner.name}' is not editable; choose Library Override > Make Editable for it"
        )
    try:
        value = owner.path_resolve(target.data_path)
    except ValueError:
        raise RigError(f"'{owner.name}' no longer has the control '{control_name(target)}'; map the character again") from None
    if not isinstance(value, (int, float)):
        try:
            value = value[target.array_index]
        except (IndexError, KeyError, TypeError):
            value = None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RigError(f"'{control_name(target)}' of '{owner.name}' is not a number that can be animated; map another control")
    return ResolvedTarget(owner, float(value))


def control_name(target: Target) -> str:
    """Return the last name in a target's data path, as the artist knows it."""
    names = names_in_path(target.data_path)
    return unescape(names[-1]) if names else target.data_path


def driver_of(owner: Any, target: Target) -> Any | None:
    """Return the driver that controls ``target``, or None."""
    data = owner.animation_data
    if data is None:
        return None
    # Blender files drivers of single values under index 0, whatever index was requested.
    return data.drivers.find(target.data_path, index=target.array_index)


def _control_groups(character: Character) -> Iterator[tuple[Any, str, list[tuple[str, Target, Range]]]]:
    """Yield controls grouped by their holder: the ID that owns the animation, its label, (name, target, limits)."""
    seen: set[tuple[str, str]] = set()
    for item in character.objects:
        keys = getattr(item.data, "shape_keys", None)
        # Two objects may share a mesh.
        if keys is not None and ("KEY", keys.name_full) not in seen:
            seen.add(("KEY", keys.name_full))
            yield keys, item.name, list(_shape_keys(keys))
        for bone in item.pose.bones if item.pose is not None else ():
            controls = list(_properties(bone, item, f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"]'))
            if controls:
                yield item, bone.name, controls
        for owner in (item, item.data):
            if (owner.id_type, owner.name_full) not in seen:
                seen.add((owner.id_type, owner.name_full))
                controls = list(_properties(owner, owner, ""))
                if controls:
                    yield owner, owner.name, controls


def _shape_keys(keys: Any) -> Iterator[tuple[str, Target, Range]]:
    if not keys.use_relative:  # absolute keys are frames of one morph, not controls
        return
    for block in keys.key_blocks:
        if block == keys.reference_key:
            continue
        path = f'key_blocks["{bpy.utils.escape_identifier(block.name)}"].value'
        yield block.name, Target("KEY", keys.name_full, path), (block.slider_min, block.slider_max)


def _properties(holder: Any, owner: Any, path: str) -> Iterator[tuple[str, Target, Range]]:
    """Yield the custom number properties of ``holder``."""
    for name, value in holder.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        try:
            limits = custom_property_limits(holder, name)
        except TypeError:  # properties defined by an add-on have no such data
            continue
        yield name, Target(owner.id_type, owner.name_full, f'{path}["{bpy.utils.escape_identifier(name)}"]'), limits


def custom_property_limits(holder: Any, name: str) -> Range:
    """Return (minimum, maximum) of a custom property. Raises TypeError for one that an add-on defined."""
    ui = holder.id_properties_ui(name).as_dict()
    low, high = float(ui.get("min", -_UNLIMITED)), float(ui.get("max", _UNLIMITED))
    return (low if low > -_UNLIMITED else None, high if high < _UNLIMITED else None)


def _armature_of(item: Any) -> Any | None:
    """Find the armature that is, deforms or is a parent of the object."""
    while item is not None:
        if item.type == "ARMATURE":
            return item
        deforming = _deforming_armature(item)
        if deforming is not None:
            return deforming
        item = item.parent
    return None


def _deforming_armature(item: Any) -> Any | None:
    return next((m.object for m in item.modifiers if m.type == "ARMATURE" and m.object is not None), None)


def _find_owner(target: Target) -> Any | None:
    """Find the data-block of a target: the local one, or else a linked one of that name or full name."""
    attribute = _COLLECTIONS.get(target.id_type)
    if attribute is None:
        raise RigError(f"'{target.id_name}' is of the kind {target.id_type}, which Voxrig cannot animate; map another control")
    collection = getattr(bpy.data, attribute)
    local = collection.get((target.id_name, None))
    if local is not None:
        return local
    # The full name of a linked data-block ends with its library, as in 'Key [hero.blend]'.
    return next((block for block in collection if target.id_name in (block.name_full, block.name)), None)
