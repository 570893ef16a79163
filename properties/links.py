# SPDX-License-Identifier: GPL-3.0-or-later
"""The mapping stored on a character: links from channels to controls."""

# Blender reads properties from annotations, which a type checker takes for types.
# pyright: reportInvalidTypeForm=false

from dataclasses import replace
from typing import Any

import bpy
import numpy as np

from ..animation.curves import ChannelCurves
from ..animation.rig.mapping import Link, Mapping, Target, apply_mapping
from ..blender import poses, rigs
from ..blender.targets import explain_obstacle
from ..errors import RigError
from .access import character_settings, scene_settings
from .models import chosen_model
from .session import session


def find_channels(_link: Any, context: Any, _text: str) -> list[str]:
    model = chosen_model(scene_settings(context.scene))
    return [name for name, _group in model.channels] if model else []


class VOXRIG_PG_link(bpy.types.PropertyGroup):
    """One channel driving one target of the character; see animation.rig.mapping.Link."""

    channel: bpy.props.StringProperty(
        name="Channel",
        description="Output of the model that drives the target, such as 'jawOpen'",
        search=find_channels,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    # The object, not its shape keys: a pointer would keep shape keys alive after their mesh is gone.
    owner: bpy.props.PointerProperty(
        name="Object",
        description="Object that the target is on",
        type=bpy.types.Object,
        override={"LIBRARY_OVERRIDABLE"},
    )
    id_type: bpy.props.EnumProperty(
        name="On",
        description="Which data of the object the data path starts from",
        items=[
            ("KEY", "Shape Keys", "The shape keys of the object's mesh"),
            ("OBJECT", "Object", "The object itself: its pose bones, transforms and custom properties"),
            ("DATA", "Object Data", "The mesh or armature of the object"),
            ("BLOCK", "Other Data", "Another data-block of this file, such as a material"),
        ],
        default="KEY",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    block: bpy.props.PointerProperty(
        name="Data",
        description="Data-block that the data path starts from, if it is not the object or its data",
        type=bpy.types.ID,
        override={"LIBRARY_OVERRIDABLE"},
    )
    data_path: bpy.props.StringProperty(
        name="Data Path",
        description="Value to animate, as copied with Copy Data Path: right-click any slider of the rig",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    array_index: bpy.props.IntProperty(
        name="Index",
        description="Which component of a vector: 0 is X, 1 is Y, 2 is Z. 0 for single values",
        min=0,
        max=31,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    gain: bpy.props.FloatProperty(
        name="Gain",
        description="How far the target moves for each unit of the channel. Negative values reverse the movement",
        default=1.0,
        soft_min=-2.0,
        soft_max=2.0,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    offset: bpy.props.FloatProperty(
        name="Offset",
        description="Added to the target whatever the channel does",
        soft_min=-1.0,
        soft_max=1.0,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    rest: bpy.props.FloatProperty(
        name="Rest",
        description="Value of the target while nothing drives it, such as 1 for a scale. Counts once for all links of a target",
        soft_min=-1.0,
        soft_max=1.0,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    ease: bpy.props.FloatProperty(
        name="Response",
        description="How the target follows the channel: 0 evenly, above 0 late and then fast, below 0 fast and then slowly",
        min=-1.0,
        max=1.0,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    confidence: bpy.props.EnumProperty(
        name="Confidence",
        description="How certain it is that the channel belongs to the target. Choosing Sure confirms a guess",
        items=[
            ("SURE", "Sure", "Chosen by you, calibrated, or found by its exact name", "CHECKMARK", 0),
            ("LIKELY", "Likely", "Found by a similar name. Preview it once", "QUESTION", 1),
            ("UNSURE", "Unsure", "A guess. It stays off until you turn it on", "ERROR", 2),
        ],
        default="SURE",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    solo: bpy.props.BoolProperty(
        name="Solo",
        description="While any link is solo, new takes, retakes and sweeps use solo links only. "
        "Update keeps to the links that its take was made with",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    use_minimum: bpy.props.BoolProperty(
        name="Limit Minimum",
        description="Never go below the minimum, whatever channels drive this target",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    minimum: bpy.props.FloatProperty(
        name="Minimum", description="Lowest value written", default=0.0, options=set(), override={"LIBRARY_OVERRIDABLE"}
    )
    use_maximum: bpy.props.BoolProperty(
        name="Limit Maximum",
        description="Never go above the maximum, whatever channels drive this target",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    maximum: bpy.props.FloatProperty(
        name="Maximum", description="Highest value written", default=1.0, options=set(), override={"LIBRARY_OVERRIDABLE"}
    )
    enabled: bpy.props.BoolProperty(
        name="Enabled",
        description="Whether Animate from Audio writes to this target. Off leaves its keyframes as they are",
        default=True,
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )


def active_mapping(character_object: bpy.types.Object) -> Mapping:
    """Return the stored mapping for animation: while links are solo, all others are off. Raises like ``read_mapping``."""
    stored_links = character_settings(character_object).links
    if not any(stored.solo for stored in stored_links):
        return read_mapping(character_object)
    links: list[Link] = []
    for stored in stored_links:
        is_on = stored.enabled and stored.solo
        try:
            links.append(replace(read_link(stored), enabled=is_on))
        except RigError:
            if is_on:
                raise
    return Mapping(tuple(links))


def preview_link(character_object: bpy.types.Object, index: int, amount: float) -> None:
    """Show the character with the channel of a link at ``amount`` 0..1 of its maximum, without keying; 0 ends the preview.

    The link itself takes part even while it is off, and so do the channel's other links that are on. Raises RigError for a
    link that is incomplete or whose target is gone.
    """
    if amount == 0.0:
        poses.end_preview()
        return
    stored = character_settings(character_object).links
    if not 0 <= index < len(stored):
        raise RigError("No link is chosen; choose one in the list")
    chosen = replace(read_link(stored[index]), enabled=True)
    others = [link for link in read_mapping(character_object).links if link.enabled and link.channel == chosen.channel]
    links = [chosen, *(link for link in others if link.target != chosen.target)]
    preview_channel(Mapping(tuple(links)), chosen.channel, amount)


def preview_channel(mapping: Mapping, channel: str, amount: float) -> None:
    """Show the effect of a mapping on one channel at ``amount`` 0..1 of its maximum until the preview ends (``poses``)."""
    model = chosen_model(scene_settings(bpy.context.scene))
    full = model.maxima.get(channel, 1.0) if model is not None else 1.0
    shown = apply_mapping(mapping, ChannelCurves((channel,), 1.0, np.array([[amount * full]], np.float32)))
    poses.show_preview(dict(zip(shown.targets, shown.values[0].tolist())), _forget_preview)
    session.preview = amount


def _forget_preview() -> None:
    session.preview = 0.0


def read_mapping(character_object: bpy.types.Object) -> Mapping:
    """Read the mapping stored on a character, with the present names of its targets.

    Raises RigError for an enabled link without a channel or a target, or whose object was deleted; links that are off are left
    out if they cannot be read.
    """
    links: list[Link] = []
    for stored in character_settings(character_object).links:
        try:
            links.append(read_link(stored))
        except RigError:
            if stored.enabled:
                raise
    return Mapping(tuple(links))


def read_link(stored: Any) -> Link:
    """Read one stored link (a VOXRIG_PG_link). Raises RigError if it is incomplete or its object was deleted."""
    if not stored.channel:
        raise RigError("A link of the mapping has no channel; choose one or remove the link")
    owner = stored.block if stored.id_type == "BLOCK" else stored.owner
    # An object deleted in the viewport is in no scene, but this very pointer keeps it alive.
    if owner is None or (stored.id_type != "BLOCK" and not owner.users_scene):
        raise RigError(
            f"The object that '{stored.channel}' drives was deleted; choose another target in the mapping or run Match Channels"
        )
    data_block: Any = owner
    if stored.id_type == "KEY":
        data_block = getattr(owner.data, "shape_keys", None)
    elif stored.id_type == "DATA":
        data_block = owner.data
    if data_block is None:
        raise RigError(
            f"'{owner.name}', which '{stored.channel}' drives, has no shape keys; choose another target in the mapping"
        )
    if not stored.data_path:
        raise RigError(f"The link of '{stored.channel}' has no target; choose one or remove the link")
    target = Target(data_block.id_type, data_block.name_full, stored.data_path, stored.array_index)
    minimum = stored.minimum if stored.use_minimum else None
    maximum = stored.maximum if stored.use_maximum else None
    return Link(
        stored.channel,
        target,
        stored.gain,
        stored.offset,
        minimum,
        maximum,
        stored.enabled,
        stored.rest,
        stored.ease,
        stored.confidence,
    )


def store_mapping(character_object: bpy.types.Object, mapping: Mapping) -> None:
    """Replace the mapping stored on a character.

    Raises RigError, before anything changes, for a target without an object and for a linked character.
    """
    check_editable(character_object)
    owners = [find_owner(link.target) for link in mapping.links]
    group = character_settings(character_object)
    group.links.clear()
    for link, owner in zip(mapping.links, owners):
        fill_link(group.links.add(), link, owner)
    group.active_link = 0


def check_editable(character_object: Any) -> None:
    """Raise RigError for a linked character, because data stored on it would be lost with this session."""
    if character_object.library is not None:
        raise RigError(
            f"'{character_object.name}' is linked from {character_object.library.name}; make a library override of the "
            "character and choose that"
        )


def find_owner(target: Target) -> Any:
    """Find the object that a target is on, or the data-block itself if no object has it (a material). Raises RigError."""
    for candidate in bpy.data.objects:
        if target.id_type == "OBJECT":
            data_block = candidate
        elif target.id_type == "KEY":
            data_block = getattr(candidate.data, "shape_keys", None)
        else:
            data_block = candidate.data
        if data_block is not None and data_block.id_type == target.id_type and data_block.name_full == target.id_name:
            return candidate
    if target.id_type not in {"OBJECT", "KEY"}:
        return rigs.resolve(target).owner
    kind = target.id_type.replace("_", " ").lower()
    raise RigError(f"There is no {kind} '{target.id_name}' in this file; map the channels to controls that exist")


def fill_link(stored: VOXRIG_PG_link, link: Link, owner: Any) -> None:
    """Write one link into the mapping of a character; ``owner`` is that of ``find_owner``."""
    stored.name = stored.channel = link.channel
    on_object = isinstance(owner, bpy.types.Object)
    stored.owner = owner if on_object else None
    stored.block = None if on_object else owner
    if not on_object:
        stored.id_type = "BLOCK"
    else:
        stored.id_type = link.target.id_type if link.target.id_type in {"KEY", "OBJECT"} else "DATA"
    stored.data_path = link.target.data_path
    stored.array_index = link.target.array_index
    stored.gain = link.gain
    stored.offset = link.offset
    stored.use_minimum = link.minimum is not None
    stored.use_maximum = link.maximum is not None
    if link.minimum is not None:
        stored.minimum = link.minimum
    if link.maximum is not None:
        stored.maximum = link.maximum
    stored.enabled = link.enabled
    stored.rest = link.rest
    stored.ease = link.ease
    stored.confidence = link.confidence


STATUSES = ("SURE", "LIKELY", "UNSURE", "MISSING", "BROKEN", "DRIVEN")
"""Status of a link in the list: its confidence, or no target, a target that is gone, or one that the link cannot move."""


def link_status(stored: Any) -> tuple[str, str]:
    """Return one of STATUSES for a stored link, and for the last three a sentence on what to do. Cheap enough for drawing."""
    if not stored.data_path or not stored.channel:
        return "MISSING", f"'{stored.channel or 'This link'}' has no target; choose, paste or calibrate one"
    try:
        link = read_link(stored)
        owner = rigs.resolve(link.target).owner
    except RigError as error:
        return "BROKEN", str(error)
    obstacle = explain_obstacle(owner, link.target)
    return ("DRIVEN", obstacle) if obstacle else (link.confidence, "")


def relevant_channels(settings: Any) -> list[str]:
    """Return the model's channels of the groups that the mapping uses: a rig has either ARKit shapes or visemes."""
    model = chosen_model(settings)
    if model is None or settings.character is None:
        return []
    mapped = {link.channel for link in character_settings(settings.character).links if link.enabled and link.data_path}
    groups = {group for name, group in model.channels if name in mapped} or {"face"}
    return [name for name, group in model.channels if group in groups]


def count_mapped(settings: Any) -> tuple[int, int]:
    """Count how many of the model's channels the chosen character's mapping uses, and all of them; (0, 0) without a model.

    Only ``relevant_channels`` count.
    """
    if settings.character is None:
        return 0, 0
    mapped = {link.channel for link in character_settings(settings.character).links if link.enabled and link.data_path}
    relevant = relevant_channels(settings)
    return sum(name in mapped for name in relevant), len(relevant)
