# SPDX-License-Identifier: GPL-3.0-or-later
"""Life of the whole head: the controls that it moves beside those of the mapping, and its presets and re-rolls."""

# pyright: reportInvalidTypeForm=false

from collections.abc import Sequence
from typing import Any

import bpy

from ..animation.life.channels import CHANNELS
from ..animation.life.events import PARTS
from ..animation.life.stage import AHEAD, temperaments
from ..animation.rig.mapping import Mapping, Target
from ..animation.rig.names import names_in_path, unescape
from ..blender import rigs
from ..blender.life import TURNS, link_bones, names_of_roles
from ..blender.registering import make_registration
from ..blender.sight import CAMERA, Eyes, find_eyes, find_targets
from ..errors import RigError, VoxrigError
from ..properties.access import character_settings, scene_settings
from ..properties.scene import is_character
from ..properties.takes import read_take
from ..takes.living import NOTHING, Surroundings
from ..takes.shaping import Place
from ..takes.sources import Description
from .base import VoxrigOperator
from .mapping import find_character

_UNKNOWN_SECONDS = 600.0
_LOOKS = tuple(channel.name for channel in CHANNELS if channel.name.startswith("eyeLook"))
_NEEDED = {
    "blinks": ("eyeBlinkLeft", "eyeBlinkRight"),
    "brows": ("browInnerUp", "browOuterUpLeft", "browDownLeft"),
    "gaze": (*_LOOKS, "leftEyeYaw", "rightEyeYaw"),
    "head": ("headYaw", "headPitch", "headRoll"),
}


def add_life_links(
    character_object: bpy.types.Object, mapping: Mapping, description: Description, *, is_listening: bool = False
) -> tuple[Mapping, tuple[str, ...]]:
    """Return the mapping with links to what life moves and it lacks, and sentences on what the character has no control for.

    Raises RigError for somebody who ``is_listening`` without any of the controls. Shapes that are named like ARKit's, then
    bones that are named as rig families name them (animation/life/bones.json).
    """
    linked = {link.channel for link in mapping.links}
    character = find_character(character_object)
    links = list(mapping.links)
    wanted = [name for name in _LOOKS if name not in linked and name in description.channel_names]
    if wanted:
        links += [link for link in rigs.match_channels(character, wanted).mapping.links if link.enabled]
    bones, notes = link_bones(character, sorted({link.channel for link in links}), _earlier_rests(character_object))
    links += bones
    found = {link.channel for link in links if link.enabled}
    if is_listening and not found.intersection(name for names in _NEEDED.values() for name in names):
        raise RigError(f"'{character_object.name}' has no controls for blinks, gaze, brows or head to listen with")
    missing = [part for part, names in _NEEDED.items() if not found.intersection(names)]
    driven = [part for part in missing if rigs.find_driven_matches(character, [n for n in _NEEDED[part] if n not in TURNS])]
    if driven:
        notes.append(
            f"Drivers hold the controls of '{character_object.name}' for {' and '.join(driven)}, so life leaves them alone; "
            "animate what drives them"
        )
    missing = [part for part in missing if part not in driven]
    if missing:
        notes.append(f"'{character_object.name}' has no controls for {' and '.join(missing)}, which stay still")
    return Mapping(tuple(links)), tuple(notes)


def _earlier_rests(character_object: bpy.types.Object) -> dict[Target, float]:
    """Return the poses from which bones moved in the last take, by target."""
    for stored in reversed(character_settings(character_object).takes):
        try:
            mapping = read_take(stored).mapping
        except VoxrigError:
            continue
        return {link.target: link.rest for link in mapping.links if link.channel in TURNS and link.rest}
    return {}


def look_around(
    scene: bpy.types.Scene,
    character_object: bpy.types.Object,
    mapping: Mapping,
    place: Place,
    seconds: float | None,
    names: Sequence[str],
    look_at: str,
    looks: Sequence[tuple[float, str]] = (),
    layered: frozenset[Target] = frozenset(),
) -> tuple[Surroundings, tuple[str, ...]]:
    """Return what a character sees of the things ``names`` over its line, and sentences on names that lead nowhere.

    ``seconds`` is how long the line is, None where that is unknown, ``look_at`` the one looked at from the beginning, '' for
    nothing in particular, and ``looks`` (seconds, name) are the times to look at others. A head among ``layered`` targets,
    which somebody animated, carries the eyes.
    """
    if not names:
        return NOTHING, ()
    frames = (place.start_frame, place.frame_of(_UNKNOWN_SECONDS if seconds is None else seconds))
    own = find_character(character_object)
    head = names_of_roles(own).get("head", ("",))[0]
    goes_with_head = any(head == unescape(name) for target in layered for name in names_in_path(target.data_path)[:1])
    others = {item: find_other_eyes(item) for name in names if (item := scene.objects.get(name)) not in (None, *own.objects)}
    known = {item: eyes for item, eyes in others.items() if eyes is not None}
    targets, cuts, notes = find_targets(scene, find_eyes(own, mapping, goes_with_head=goes_with_head), names, frames, known)
    first = [target for target in targets if target.name == look_at] or [AHEAD]
    rest = [target for target in targets if target is not first[0]]
    # The eyes arrive on the frame of the cut.
    at_cuts = [(max(place.seconds_of(cut - 1), 0.0), look_at) for cut in cuts] if first[0].name.casefold() == CAMERA else []
    seen = {target.name for target in targets}
    wanted = sorted((*at_cuts, *(look for look in looks if look[1] in seen)))
    return Surroundings((*first, *rest), tuple(wanted)), tuple(notes)


def find_other_eyes(item: Any) -> Eyes | None:
    """Return the eyes of the character that an object belongs to, None if it belongs to none."""
    character = find_character(item) if is_character(item) else None
    if character is None:
        return None
    has_head = any(part.pose is not None and "head" in names_of_roles(character) for part in character.objects)
    mapping = rigs.match_channels(character, ["eyeBlinkLeft", "eyeBlinkRight"]).mapping
    return find_eyes(character, mapping) if has_head or mapping.links else None


class VOXRIG_OT_look_at(VoxrigOperator):
    """Look at the scene's camera, or at the selected object that belongs to no part of the character"""

    bl_idname = "voxrig.look_at"
    bl_label = "Look At"
    bl_options = {"REGISTER", "UNDO"}

    target: bpy.props.StringProperty(name="Target", description="Name of the target, '' for the selected object", options=set())

    def run(self, context: Any) -> None:
        """Set the target. Raises RigError if nothing else is selected."""
        settings = scene_settings(context.scene)
        name = self.target
        if not name:
            own = find_character(settings.character).objects if settings.character is not None else ()
            chosen = [item for item in context.selected_objects if item not in own]
            if not chosen:
                raise RigError("Select what the character should look at first")
            name = chosen[0].name
        settings.look_at = name


TEMPERAMENTS = {
    "Calm": "Amounts of a calm person",
    "Lively": "Amounts of a lively person",
    "Nervous": "Amounts of a nervous person",
    "Child": "Amounts of a child: restless, and clearly spoken",
    "Elderly": "Amounts of an old person: small, slow movements and a lazier mouth",
    "Weary": "Amounts of a person without energy",
}
"""Temperaments and ages, with what they are."""


class VOXRIG_OT_set_life(VoxrigOperator):
    """Set all amounts of life, and how clearly the mouth speaks, to those of a temperament or an age"""

    bl_idname = "voxrig.set_life"
    bl_label = "Set Life"
    bl_options = {"REGISTER", "UNDO"}

    temperament: bpy.props.EnumProperty(
        name="Temperament",
        description="What kind of person it is",
        items=[(name, name, about) for name, about in TEMPERAMENTS.items()],
        options=set(),
    )

    def run(self, context: Any) -> None:
        """Set the amounts."""
        settings = scene_settings(context.scene)
        amounts = temperaments()[self.temperament]
        for part in PARTS:
            setattr(settings, f"life_{part}", amounts[part])
        settings.articulation = amounts.get("articulation", settings.articulation)
        if settings.life == 0.0:
            settings.life = 1.0
        self.report({"INFO"}, f"Life is that of a {self.temperament.lower()} person")


class VOXRIG_OT_roll_life(VoxrigOperator):
    """Make one part of the life again and leave the others as they are"""

    bl_idname = "voxrig.roll_life"
    bl_label = "Re-Roll"
    bl_options = {"REGISTER", "UNDO"}

    part: bpy.props.EnumProperty(name="Part", items=[(part, part.title(), "") for part in (*PARTS, "asymmetry")], options=set())

    def run(self, context: Any) -> None:
        """Count the roll of the part up."""
        settings = scene_settings(context.scene)
        name = f"life_{self.part}_roll"
        setattr(settings, name, getattr(settings, name) + 1)


CLASSES = (VOXRIG_OT_look_at, VOXRIG_OT_set_life, VOXRIG_OT_roll_life)
register, unregister = make_registration(CLASSES)
