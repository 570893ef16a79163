# SPDX-License-Identifier: GPL-3.0-or-later
"""Characters and their values that can be animated."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass
from typing import Any

import bpy
from mathutils import Vector

from ..animation.rig.mapping import Link, Mapping, Target
from ..animation.rig.names import names_in_path, split_words, unescape
from ..animation.rig.presets import bundled_presets
from ..animation.rig.recognition import UNSURE, Control, FoundLink, Recognition, recognise
from ..errors import RigError
from .shape_keys import find_empty_keys

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
# A property whose slider ends here is a percentage; any other one, like a shape key, is at its whole shape at 1.
_PERCENT = 100.0
# Components with less than this share in a bone's movement would only be more curves to look after.
_SHARE = 0.05

# What meshes of a face beside the head are called.
_PARTS = set(
    "teeth tooth tongue gum denture mouth lip jaw eye eyeball cornea lash lashe eyelash eyelashe brow eyebrow beard mustache "
    "moustache".split()
)

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

    With an armature (the object itself, one that deforms it, a parent, or the only one below a chosen Empty) it is the
    armature, every mesh that it deforms, and all children of both; without one, the topmost parent mesh of ``chosen`` and all
    meshes below it. Siblings below the same Empty, as importers arrange them, belong to it too unless another armature deforms
    or carries them. Raises RigError if there is nothing to animate or if several characters are meant.
    """
    if chosen is None:
        raise RigError("No character is chosen; choose its mesh or its armature")
    if chosen.type == "EMPTY" and chosen.instance_collection is not None:
        raise RigError(
            f"'{chosen.name}' is an instance of the collection '{chosen.instance_collection.name}', whose objects cannot be "
            "animated from here; make a library override of it or apply Make Instances Real, then choose the mesh or armature"
        )
    armature = _armature_of(chosen) or _armature_below_empty(chosen)
    top = armature or chosen
    while armature is None and top.parent is not None and top.parent.type == "MESH":
        top = top.parent
    found = {top, *top.children_recursive}
    if armature is not None:
        for item in bpy.data.objects:
            if item.type == "MESH" and _deforming_armature(item) == armature:
                found.update((item, *item.children_recursive))
    for item in _beside(top):
        if _armature_of(item) in (None, armature):
            found.add(item)
    found.discard(top)
    objects = [top] if top.type in {"MESH", "ARMATURE"} else []
    objects += sorted((o for o in found if o.type in {"MESH", "ARMATURE"}), key=lambda o: o.name)
    if not objects:
        raise RigError(
            f"'{chosen.name}' is not a mesh or armature and has none below it; choose the mesh or armature of a character"
        )
    return Character(top.name, tuple(objects))


def _armature_below_empty(chosen: Any) -> Any | None:
    """Return the only armature below a chosen Empty, or below the one above a mesh without an armature, or None.

    Raises RigError if there are several below a chosen Empty.
    """
    group = chosen
    while group is not None and group.type != "EMPTY":
        group = group.parent
    below = group.children_recursive if group is not None else ()
    armatures = sorted({armature.name for item in below if (armature := _armature_of(item)) is not None})
    if len(armatures) > 1 and group == chosen:
        names = ", ".join(f"'{name}'" for name in armatures)
        raise RigError(f"'{chosen.name}' holds several armatures ({names}); choose the one of the character that speaks")
    return bpy.data.objects[armatures[0]] if len(armatures) == 1 else None


def _beside(top: Any) -> list[Any]:
    """List the objects below the same Empty as ``top``.

    Importers nest Empties. A further one counts while the meshes it adds are parts by name or meet the character: several
    characters may also stand below one Empty, but hardly inside each other.
    """
    group = top if top.type == "EMPTY" else top.parent
    if group is None or group.type != "EMPTY":
        return []
    found = list(group.children_recursive)
    while group.parent is not None and group.parent.type == "EMPTY":
        group = group.parent
        added = [item for item in group.children_recursive if item not in found]
        if any(_armature_of(item) not in (None, top) for item in added) or _brings_another(added, [top, *found]):
            break
        found += added
    return found


def _brings_another(added: Sequence[Any], present: Sequence[Any]) -> bool:
    """Return whether a mesh of those added is another character than those present: not a part, and apart from them.

    Where there are only parts yet, one such mesh is their head.
    """
    apart = [item for item in added if item.type == "MESH" and not is_face_part(item) and not _meets(item, present)]
    return len(apart) > (1 if all(is_face_part(item) for item in present if item.type == "MESH") else 0)


def is_face_part(item: Any) -> bool:
    """Return whether a mesh is named like a part of a face that no character is without."""
    return any(word.rstrip("s") in _PARTS for word in split_words(item.name))


def _meets(item: Any, others: Sequence[Any]) -> bool:
    """Return whether the box around a mesh, half its size larger, meets that of another one."""
    low, high = _box_of(item)
    margin = 0.5 * (high - low).length
    for other in others:
        if other.type == "MESH" and other != item:
            least, most = _box_of(other)
            if all(low[i] - margin <= most[i] and least[i] <= high[i] + margin for i in range(3)):
                return True
    return False


def _box_of(item: Any) -> tuple[Vector, Vector]:
    corners: list[Any] = [item.matrix_world @ Vector(corner) for corner in item.bound_box]
    return tuple(Vector([pick(corner[i] for corner in corners) for i in range(3)]) for pick in (min, max))  # pyright: ignore[reportReturnType]


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

    ``choose`` may leave some of what was found out. Unsure links are off. Controls with a driver are left to their driver,
    locked components of bones alone. Limits are those of the control; a property whose slider ends at 100 is a percentage,
    so that full weight is 100. Properties of the same name on several bones or objects are unsure, as only one of them
    may be meant, while shape keys of the same name on several meshes go together. Shape keys that move
    nothing are left out, with a note. The mapping is empty when nothing is recognised.
    """
    controls: list[Control] = []
    values: list[tuple[Target, Range] | Any] = []
    percentages: set[Target] = set()
    groups = list(_control_groups(character))
    empty = _empty_shape_keys(groups)
    for owner, place, group in groups:
        driven = _driven(owner)
        on = f"{owner.name_full} {place}" if owner.id_type == "KEY" else "properties"
        for name, target, limits in group:
            if (target.data_path, target.array_index) not in driven and target not in empty:
                controls.append(Control(name, on))
                values.append((target, limits))
                if owner.id_type != "KEY" and _is_percentage(owner, target):
                    percentages.add(target)
    for item in character.objects:
        for bone in item.pose.bones if item.pose is not None else ():
            controls.append(Control(bone.name, f"{item.name_full} {bone.name}", is_bone=True))
            values.append(bone)
    found = recognise(channel_names, controls, bundled_presets())
    links: list[Link] = []
    notes = dict.fromkeys(_tell_empty(empty))
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
            full = _PERCENT if target in percentages else 1.0
            on = part.confidence != UNSURE
            links.append(
                Link(part.channel, target, part.gain * full, part.offset * full, low, high, on, confidence=part.confidence)
            )
    return Match(Mapping(tuple(links)), found.title, found.share, tuple(notes))


def _empty_shape_keys(groups: Sequence[tuple[Any, str, list[tuple[str, Target, Range]]]]) -> set[Target]:
    """Return the shape keys that move nothing, but none if all do so, as on a face that is still to be sculpted."""
    keys = {target: owner for owner, _place, group in groups for _name, target, _limits in group if owner.id_type == "KEY"}
    empty = empty_targets(keys)
    return empty if len(empty) < len(keys) else set()


def empty_targets(keys: Table[Target, Any]) -> set[Target]:
    """Return the shape keys, given with their Key data-blocks, that move nothing."""
    names = {owner: find_empty_keys(owner) for owner in set(keys.values())}
    return {target for target, owner in keys.items() if control_name(target) in names[owner]}


def _tell_empty(empty: set[Target]) -> list[str]:
    names = sorted({control_name(target) for target in empty})
    if not names:
        return []
    return [f"The shape key{'s' if len(names) > 1 else ''} {name_some(names)} {'move' if len(names) > 1 else 'moves'} nothing"]


def name_some(names: Iterable[str]) -> str:
    """Join names for a sentence, as "'a', 'b', 'c' and 9 more"."""
    known = sorted(set(names))
    shown = ", ".join(f"'{name}'" for name in known[:3])
    return f"{shown} and {len(known) - 3} more" if len(known) > 3 else shown


def find_driven_matches(character: Character, channel_names: Sequence[str]) -> list[tuple[Any, Target]]:
    """Find the controls that channels would match if no driver held them: the owner of each and its target."""
    controls: list[Control] = []
    values: list[tuple[Any, Target]] = []
    for owner, place, group in _control_groups(character):
        driven = _driven(owner)
        on = f"{owner.name_full} {place}" if owner.id_type == "KEY" else "properties"
        for name, target, _limits in group:
            if (target.data_path, target.array_index) in driven:
                controls.append(Control(name, on))
                values.append((owner, target))
    found = recognise(channel_names, controls, bundled_presets()) if controls else Recognition()
    return [values[number] for number in dict.fromkeys(link.control for link in found.links if link.confidence != UNSURE)]


def has_absolute_keys(item: Any) -> bool:
    """Return whether an object's shape keys are frames of one morph, played by its Evaluation Time."""
    keys = getattr(item.data, "shape_keys", None)
    return keys is not None and not keys.use_relative


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


def _is_percentage(owner: Any, target: Target) -> bool:
    """Return whether the slider of a custom property goes to 100, from 0 or -100."""
    before = re.sub(r'\["(?:[^"\\]|\\.)*"\]$', "", target.data_path)
    holder = owner.path_resolve(before) if before else owner
    ui = holder.id_properties_ui(control_name(target)).as_dict()
    return float(ui.get("soft_max", 0.0)) == _PERCENT and float(ui.get("soft_min", 0.0)) in (0.0, -_PERCENT)


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
