# SPDX-License-Identifier: GPL-3.0-or-later
"""Life of the whole head: the controls that it moves beside those of the mapping, and its presets and re-rolls."""

# pyright: reportInvalidTypeForm=false

from typing import Any

import bpy

from ..animation.life.channels import CHANNELS
from ..animation.life.events import PARTS
from ..animation.life.stage import temperaments
from ..animation.rig.mapping import Mapping
from ..blender import rigs
from ..blender.life import link_bones
from ..blender.registering import make_registration
from ..properties.access import scene_settings
from ..takes.sources import Description
from .base import VoxrigOperator
from .mapping import find_character

_LOOKS = tuple(channel.name for channel in CHANNELS if channel.name.startswith("eyeLook"))
_NEEDED = {
    "blinks": ("eyeBlinkLeft", "eyeBlinkRight"),
    "brows": ("browInnerUp", "browOuterUpLeft", "browDownLeft"),
    "gaze": (*_LOOKS, "leftEyeYaw", "rightEyeYaw"),
    "head": ("headYaw", "headPitch", "headRoll"),
}


def add_life_links(
    character_object: bpy.types.Object, mapping: Mapping, description: Description
) -> tuple[Mapping, tuple[str, ...]]:
    """Return the mapping with links to what life moves and it lacks, and sentences on what the character has no control for.

    Shapes that are named like ARKit's, then bones that are named as rig families name them (animation/life/bones.json).
    """
    linked = {link.channel for link in mapping.links}
    character = find_character(character_object)
    links = list(mapping.links)
    wanted = [name for name in _LOOKS if name not in linked and name in description.channel_names]
    if wanted:
        links += [link for link in rigs.match_channels(character, wanted).mapping.links if link.enabled]
    bones, notes = link_bones(character, sorted({link.channel for link in links}))
    links += bones
    found = {link.channel for link in links if link.enabled}
    missing = [part for part, names in _NEEDED.items() if not found.intersection(names)]
    if missing:
        notes.append(f"'{character_object.name}' has no controls for {' and '.join(missing)}, which stay still")
    return Mapping(tuple(links)), tuple(notes)


class VOXRIG_OT_set_life(VoxrigOperator):
    """Set all amounts of life to those of a temperament"""

    bl_idname = "voxrig.set_life"
    bl_label = "Set Life"
    bl_options = {"REGISTER", "UNDO"}

    temperament: bpy.props.EnumProperty(
        name="Temperament",
        items=[(name, name, f"Amounts of a {name.lower()} person") for name in ("Calm", "Lively", "Nervous")],
        options=set(),
    )

    def run(self, context: Any) -> None:
        """Set the amounts."""
        settings = scene_settings(context.scene)
        for part, amount in temperaments()[self.temperament].items():
            setattr(settings, f"life_{part}", amount)
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


CLASSES = (VOXRIG_OT_set_life, VOXRIG_OT_roll_life)
register, unregister = make_registration(CLASSES)
