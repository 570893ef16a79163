# SPDX-License-Identifier: GPL-3.0-or-later
"""Make Own Action: a character that shares its Action and slot with others gets copies that it plays alone."""

from typing import Any

import bpy

from ..blender import compat, rigs
from ..blender.outputs import copy_place
from ..blender.registering import make_registration
from ..errors import RigError
from ..properties.access import scene_settings
from ..properties.links import read_mapping
from .base import VoxrigOperator
from .mapping import find_character


def make_own_action(character_object: bpy.types.Object) -> int:
    """Give the character its own copy of every Action whose slot data-blocks of others play, and return how many were copied.

    Keys, takes and edits come along; the others keep the Action as it is. Raises RigError where nothing is shared.
    """
    objects = find_character(character_object).objects
    own = {
        block for item in objects for block in (item, item.data, getattr(item.data, "shape_keys", None)) if block is not None
    }
    shared: dict[compat.Place, list[Any]] = {}
    for target in read_mapping(character_object).targets():
        own.add(rigs.resolve(target).owner)
    for owner in own:
        place = compat.place_of(owner)
        if place is not None and not set(compat.users_of(place)) <= own:
            shared.setdefault(place, []).append(owner)
    if not shared:
        raise RigError(f"'{character_object.name}' has its Action for itself")
    copied: dict[Any, Any] = {}
    for place, owners in shared.items():
        copy_place(place, owners, copied)
    return len(copied)


class VOXRIG_OT_make_own_action(VoxrigOperator):
    """Give the character a copy of its Action where other characters play the same one, so that only this one speaks.
    Takes and edited keyframes come along"""

    bl_idname = "voxrig.make_own_action"
    bl_label = "Make Own Action"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a character."""
        return None if scene_settings(context.scene).character is not None else "Choose a character first"

    def run(self, context: Any) -> None:
        """Copy what is shared and say so."""
        character_object = scene_settings(context.scene).character
        count = make_own_action(character_object)
        self.report(
            {"INFO"}, f"'{character_object.name}' now plays {'its own Action' if count == 1 else f'{count} own Actions'}"
        )


CLASSES = (VOXRIG_OT_make_own_action,)
register, unregister = make_registration(CLASSES)
