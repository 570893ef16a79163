# SPDX-License-Identifier: GPL-3.0-or-later
"""Models learned on a rig: the rig's controls for their channels, and several models at once, each for some regions."""

from __future__ import annotations

import bpy

from ..animation.rig.mapping import Link, Mapping
from ..blender.targets import find_on
from ..errors import RigError
from ..takes.sources import Description
from .mapping import find_character

_MOST_NAMES = 6


def map_learned(character_object: bpy.types.Object, description: Description) -> tuple[Mapping, tuple[str, ...]]:
    """Link the channels of a learned model to the rig's controls; also returns the names of missing controls.

    Raises RigError if the character has none of them.
    """
    character = find_character(character_object)
    links: list[Link] = []
    missing: list[str] = []
    for channel in description.channels:
        target = description.targets.get(channel.name)
        found = None if target is None else find_on(character, target)
        if found is None:
            missing.append(channel.name)
        else:
            links.append(Link(channel.name, found))
    if not links:
        raise RigError(
            f"'{character.name}' has none of the controls that '{description.title}' was learned on ({list_names(missing)}); "
            "choose the rig that it was learned on"
        )
    return Mapping(tuple(links)), tuple(missing)


def list_names(names: list[str] | tuple[str, ...]) -> str:
    """List the first of many names, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def warn_of_missing(character: str, description: Description, missing: tuple[str, ...]) -> tuple[str, ...]:
    """Warn in a sentence of controls that a learned model drives and the character lacks."""
    if not missing:
        return ()
    return (f"'{character}' lacks {len(missing)} controls that '{description.title}' was learned on: {list_names(missing)}",)
