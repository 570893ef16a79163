# SPDX-License-Identifier: GPL-3.0-or-later
"""Single values on a rig: find them by data path, and look up their limits, rest, obstacles and driver."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import bpy

from ..animation.rig.mapping import Target
from ..animation.rig.names import QUOTED, mirror_name
from ..errors import RigError
from . import rigs

_NAME = QUOTED + r"|'((?:[^'\\]|\\.)*)'"
_STEP = re.compile(rf"\.([A-Za-z_]\w*)|\[(?:{_NAME}|(\d+))\]")
_BLOCK = re.compile(rf"(?:bpy|D)\.(?:data\.)?([a-z_]+)\[(?:{_NAME})(?:\s*,\s*(?:{_NAME}|None))?\]")
_TRANSFORM = re.compile(r"(?:^|\.)(location|rotation_euler|rotation_quaternion|rotation_axis_angle|scale)$")
# A limit of Blender's own beyond this was not set by an artist.
_UNLIMITED = 1e9
_ADVICE = "right-click the value on the rig, choose Copy Full Data Path and paste that"


def parse_data_path(text: str) -> Target:
    """Parse the text of Copy Full Data Path, such as ``bpy.data.objects["Rig"].pose.bones["jaw"]["open"]``.

    The text is only parsed, never executed. The target's owner is the data-block that will hold its F-Curve. Raises
    RigError if the text is something else or its value is gone, linked or not a number that can be animated.
    """
    text = text.strip()
    match = _BLOCK.match(text)
    if match is None:
        raise RigError(f"'{_shorten(text)}' is not a full data path; {_ADVICE}")
    owner = _find_block(match)
    steps = _split_path(text[match.end() :])
    if not steps:
        raise RigError(f"'{_shorten(text)}' is a whole data-block, not a value; {_ADVICE}")
    owner, steps = _descend(owner, steps)
    index = 0
    if len(steps) > 1 and re.fullmatch(r"\[\d+\]", steps[-1]):
        value = _resolved(owner, steps[:-1])
        # [2] of a vector is its component; [2] of a collection is part of the path.
        if value is not None and not isinstance(value, (bpy.types.bpy_struct, bpy.types.bpy_prop_collection)):
            index = int(steps.pop()[1:-1])
    target = Target(owner.id_type, owner.name_full, _join(steps), index)
    rigs.resolve(target)
    _check_animatable(owner, steps)
    if index == 0 and not isinstance(_resolved(owner, steps), (int, float)) and not text.endswith("]"):
        raise RigError(f"'{_shorten(text)}' has several components; paste the path of one of them, such as {text}[0]")
    return target


def _find_block(match: re.Match[str]) -> Any:
    kind = match.group(1)
    name = _unescape(match.group(2) if match.group(2) is not None else match.group(3))
    library = match.group(4) if match.group(4) is not None else match.group(5)
    collection = getattr(bpy.data, kind, None)
    if not isinstance(collection, bpy.types.bpy_prop_collection):
        raise RigError(f"Blender has no kind of data called '{kind}'; {_ADVICE}")
    block = collection.get((name, _unescape(library))) if library is not None else collection.get(name)
    if not isinstance(block, bpy.types.ID):
        raise RigError(f"There is no '{name}' among the {kind.replace('_', ' ')} of this file; {_ADVICE}")
    return block


def _split_path(text: str) -> list[str]:
    """Split '.pose.bones["jaw"]' into ['.pose', '.bones', '["jaw"]'], names in double quotes.

    Raises RigError for anything else.
    """
    steps: list[str] = []
    place = 0
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None:
            raise RigError(f"'{_shorten(text[place:])}' in the data path is not valid; {_ADVICE}")
        word, double, single, number = match.groups()
        if word is not None:
            steps.append(f".{word}")
        elif number is not None:
            steps.append(f"[{number}]")
        else:
            steps.append(f'["{bpy.utils.escape_identifier(_unescape(double if double is not None else single))}"]')
        place = match.end()
    return steps


def _descend(owner: Any, steps: list[str]) -> tuple[Any, list[str]]:
    """Descend to the last data-block on the way, as 'objects["Head"].data.shape_keys...' is animated on the shape keys."""
    for i in range(len(steps) - 1, 0, -1):
        value = _resolved(owner, steps[:i])
        # Node trees inside materials are animated from their material.
        if isinstance(value, bpy.types.ID) and not value.is_embedded_data:
            return value, steps[i:]
    return owner, steps


def _resolved(owner: Any, steps: list[str]) -> Any | None:
    try:
        return owner.path_resolve(_join(steps))
    except (ValueError, IndexError):
        return None


def _check_animatable(owner: Any, steps: list[str]) -> None:
    """Raise RigError for values that Blender computes itself or that no key can hold."""
    if not steps[-1].startswith("."):
        return
    holder = _resolved(owner, steps[:-1]) if len(steps) > 1 else owner
    prop: Any = holder.bl_rna.properties.get(steps[-1][1:]) if holder is not None else None
    if prop is not None and (prop.is_readonly or not prop.is_animatable):
        raise RigError(f"'{prop.name}' of '{owner.name}' cannot be animated in Blender; map another control")


def _join(steps: list[str]) -> str:
    return "".join(steps).removeprefix(".")


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


# The value of a target


def holder_of(owner: Any, data_path: str) -> tuple[Any, str]:
    """Return the struct that has the last property of a path, and that property's name.

    The name is '' if the path ends in a name in brackets, which is a custom property. Raises ValueError if the path leads
    nowhere.
    """
    match = re.search(rf"(?:\.?([A-Za-z_]\w*)|\[{QUOTED}\])$", data_path)
    if match is None:
        raise ValueError(data_path)
    before = data_path[: match.start()]
    return (owner.path_resolve(before) if before else owner), match.group(1) or ""


def limits_of(target: Target) -> rigs.Range:
    """Return the target's (minimum, maximum) from its slider or Blender's own limits, None where unlimited. Raises RigError."""
    owner = rigs.resolve(target).owner
    holder, name = holder_of(owner, target.data_path)
    if not name:
        return rigs.custom_property_limits(holder, rigs.control_name(target))
    if isinstance(holder, bpy.types.ShapeKey):
        return holder.slider_min, holder.slider_max
    prop: Any = holder.bl_rna.properties[name]
    low, high = float(prop.hard_min), float(prop.hard_max)
    return (low if low > -_UNLIMITED else None, high if high < _UNLIMITED else None)


def rest_of(target: Target) -> float:
    """Return the target's value at rest: the default of its property, 1 for a scale, the identity for a rotation.

    Raises RigError.
    """
    owner = rigs.resolve(target).owner
    holder, name = holder_of(owner, target.data_path)
    if not name:
        try:
            default = holder.id_properties_ui(rigs.control_name(target)).as_dict().get("default", 0.0)
        except TypeError:
            return 0.0
        return float(default[target.array_index] if isinstance(default, (list, tuple)) else default)
    if isinstance(holder, bpy.types.ShapeKey):
        return 0.0
    prop: Any = holder.bl_rna.properties[name]
    return float(prop.default_array[target.array_index] if prop.is_array else prop.default)


# Obstacles


def explain_obstacle(owner: Any, target: Target) -> str:
    """Explain in a sentence why keys on the target would do nothing or must not be written, or return ''.

    Obstacles are drivers, locks of transforms, rotations in another mode than the bone's, and locations of connected bones.
    ``actions`` checks for locked F-Curves.
    """
    is_driven = rigs.driver_of(owner, target) is not None
    match = _TRANSFORM.search(target.data_path)
    if not is_driven and match is None:
        return ""
    control = f"'{rigs.control_name(target)}' of '{owner.name}'"
    if is_driven:
        source = find_driver_source(owner, target)
        if source is not None:
            return f"{control} is controlled by a driver; map {describe_target(source)}, which drives it"
        return f"{control} is controlled by a driver; map the property that drives it"
    if match is None:
        return ""
    try:
        holder, _ = holder_of(owner, target.data_path)
    except ValueError:
        return ""
    kind, index = match.group(1), target.array_index
    if not hasattr(holder, "rotation_mode"):
        return ""
    if _is_locked(holder, kind, index):
        return f"The {_component(kind, index)} of {control} is locked; unlock it in the Item tab or map another control"
    mode = {"rotation_quaternion": "QUATERNION", "rotation_axis_angle": "AXIS_ANGLE"}.get(kind)
    if kind.startswith("rotation_"):
        fits = holder.rotation_mode == mode if mode else holder.rotation_mode not in ("QUATERNION", "AXIS_ANGLE")
        if not fits:
            shown = holder.rotation_mode.replace("_", " ").title() if len(holder.rotation_mode) > 3 else "Euler"
            return f"{control} rotates in the mode {shown}, which ignores its {_component(kind, index)}; map that rotation"
    if kind == "location" and isinstance(holder, bpy.types.PoseBone) and holder.bone.use_connect:
        return f"{control} is connected to its parent and cannot move; map its rotation or another bone"
    return ""


def explain_no_match(character: rigs.Character, channel_names: Sequence[str], title: str) -> str:
    """Explain in a sentence why no control of a character matches a channel of the model ``title``, and what to do.

    Controls may match that drivers hold, shape keys may be absolute (frames of one morph), or there may be none at all.
    """
    driven = rigs.find_driven_matches(character, channel_names)
    if driven:
        owner, target = driven[0]
        source = find_driver_source(owner, target)
        advice = (
            f"map {describe_target(source)}, which drives it" if source is not None else "map the properties that drive them"
        )
        count = f"{len(driven)} controls of" if len(driven) > 1 else "the control of"
        return (
            f"Drivers hold {count} '{character.name}' that match channels of '{title}', such as {describe_target(target)}; "
            f"{advice}, or remove the drivers"
        )
    absolute = [item.name for item in character.objects if rigs.has_absolute_keys(item)]
    if absolute:
        return (
            f"The shape keys of '{absolute[0]}' are absolute, which are frames of one morph and no controls; "
            "tick Relative in its Shape Keys panel, if each of them is a shape of its own, or choose another character"
        )
    if not rigs.list_targets(character):
        return (
            f"'{character.name}' has neither shape keys nor custom properties; choose the mesh or armature that has the face's "
            "controls, or calibrate the channels on its bones"
        )
    return (
        f"No control of '{character.name}' is named like a channel of '{title}'; add links by hand in the Mapping panel, "
        "calibrate the channels or choose another character"
    )


def _is_locked(holder: Any, kind: str, index: int) -> bool:
    if kind == "location":
        return bool(holder.lock_location[index])
    if kind == "scale":
        return bool(holder.lock_scale[index])
    if kind == "rotation_euler":
        return bool(holder.lock_rotation[index])
    if index == 0:
        return bool(holder.lock_rotation_w and holder.lock_rotations_4d)
    return bool(holder.lock_rotation[index - 1])


def _component(kind: str, index: int) -> str:
    letters = "WXYZ" if kind in ("rotation_quaternion", "rotation_axis_angle") else "XYZ"
    return f"{letters[index]} {kind.replace('_', ' ')}"


def describe_target(target: Target) -> str:
    """Describe a target as an artist would: "'smile' of 'Rig'", "'jaw' X location of 'Rig'"."""
    match = _TRANSFORM.search(target.data_path)
    name = f"'{rigs.control_name(target)}'" if match is None or '["' in target.data_path else "the"
    part = f" {_component(match.group(1), target.array_index)}" if match else ""
    return f"{name}{part} of '{target.id_name}'"


def find_driver_source(owner: Any, target: Target) -> Target | None:
    """Find the one value that drives ``target``, if the driver reads exactly one and it can be animated itself."""
    curve = rigs.driver_of(owner, target)
    if curve is None or len(curve.driver.variables) != 1:
        return None
    variable = curve.driver.variables[0]
    read: Any = variable.targets[0]
    source = None
    if read.id is None:
        return None
    if variable.type == "SINGLE_PROP" and read.data_path:
        source = _split_index(read.id, read.data_path)
    elif variable.type == "TRANSFORMS" and read.transform_space == "LOCAL_SPACE":
        source = _transform_source(read)
    if source is None:
        return None
    try:
        found = rigs.resolve(source)
    except RigError:
        return None
    return source if rigs.driver_of(found.owner, source) is None else None


def _split_index(block: Any, data_path: str) -> Target:
    match = re.search(r"\[(\d+)\]$", data_path)
    path, index = (data_path[: match.start()], int(match.group(1))) if match else (data_path, 0)
    return Target(block.id_type, block.name_full, path, index)


def _transform_source(read: Any) -> Target | None:
    kind, _, axis = read.transform_type.partition("_")
    if axis not in ("X", "Y", "Z"):
        return None
    name = {"LOC": "location", "ROT": "rotation_euler", "SCALE": "scale"}[kind]
    prefix = f'pose.bones["{bpy.utils.escape_identifier(read.bone_target)}"].' if read.bone_target else ""
    return Target(read.id.id_type, read.id.name_full, prefix + name, "XYZ".index(axis))


# The same on another rig


def find_on(character: rigs.Character, target: Target) -> Target | None:
    """Find the control of ``character`` that matches ``target``: the same path on a data-block of the same kind, or None.

    If several have that path, the one named like the target's wins, whatever the number of its copy.
    """
    blocks: dict[str, Any] = {}
    for item in character.objects:
        for block in (item, item.data, getattr(item.data, "shape_keys", None)):
            if block is not None and block.id_type == target.id_type:
                blocks[block.name_full] = block
    found: list[Target] = []
    for name in blocks:
        candidate = Target(target.id_type, name, target.data_path, target.array_index)
        try:
            rigs.resolve(candidate)
        except RigError:
            continue
        if name == target.id_name:
            return candidate
        found.append(candidate)
    alike = [candidate for candidate in found if plain_name(candidate.id_name) == plain_name(target.id_name)]
    chosen = alike or found
    return chosen[0] if len(chosen) == 1 else None


def plain_name(name: str) -> str:
    """Strip the number that Blender appends to the names of copies."""
    return re.sub(r"\.\d{3}$", "", name)


# The other side


def mirror_target(target: Target) -> tuple[Target, float] | None:
    """Mirror a target: the same value on the other side of the character and the sign of the conversion, or None.

    Every name in the path and that of the data-block are mirrored if the result exists. Bones mirror across their own X axis,
    as in Blender's Paste Pose Flipped: X of the location and Y and Z of the rotation change sign. A target on neither side
    mirrors onto itself with the opposite sign.
    """
    path = re.sub(rf"\[{QUOTED}\]", lambda match: f'["{mirror_name(match[1])}"]', target.data_path)
    match = _TRANSFORM.search(target.data_path)
    is_scale = match is not None and match.group(1) == "scale"
    for name in dict.fromkeys((mirror_name(target.id_name), target.id_name)):
        other = Target(target.id_type, name, path, target.array_index)
        if other == target:
            if match is None or (_flips(match.group(1), target.array_index) and not is_scale):
                return target, -1.0
            return target, 1.0
        try:
            rigs.resolve(other)
        except RigError:
            continue
        return other, -1.0 if match is not None and _flips(match.group(1), target.array_index) else 1.0
    return None


def _flips(kind: str, index: int) -> bool:
    if kind == "location":
        return index == 0
    if kind == "rotation_euler":
        return index in (1, 2)
    return kind in ("rotation_quaternion", "rotation_axis_angle") and index in (2, 3)
