# SPDX-License-Identifier: GPL-3.0-or-later
"""Find who can speak: what a list of characters holds, and the character that is meant when none is chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import RigError
from . import rigs

_ENOUGH = 5
"""A rig with fewer controls that are named like channels is no face: a lamp has an 'open', too."""


def can_speak(candidate: Any) -> bool:
    """Return whether an object belongs into a list of characters. Cheap: it reads no name of a control.

    Armatures do, because any bones can be calibrated; meshes with shape keys or custom properties do, unless they are the
    teeth, eyes, lashes and so on of a larger character; an Empty stands for what is below it, and of an instance Voxrig says
    what to do with it.
    """
    if candidate.type == "ARMATURE":
        return len(candidate.data.bones) > 0
    if candidate.type == "EMPTY":
        return candidate.instance_collection is not None or any(map(can_speak, candidate.children))
    if candidate.type != "MESH":
        return False
    keys = candidate.data.shape_keys
    has_keys = keys is not None and len(keys.key_blocks) > 1
    names: list[str] = [] if has_keys else list(candidate.keys())
    if not has_keys and not any(isinstance(candidate[name], (int, float)) for name in names):
        return False
    is_carried = candidate.parent is not None or any(
        modifier.type == "ARMATURE" and modifier.object is not None for modifier in candidate.modifiers
    )
    return not (is_carried and rigs.is_face_part(candidate))


def find_speaker(view_layer: Any, channel_names: Sequence[str], is_declined: Callable[[Any], bool]) -> Any | None:
    """Find the character that is meant: the active one, else the only selected one, else the only one in sight.

    A character counts if at least five of its controls are named like channels, or if it has a mapping. Returns the object that
    has the mapping, else the one that is active or selected if it is in the lists, else the armature or the topmost mesh.
    """
    visible = [item for item in view_layer.objects if item.visible_get(view_layer=view_layer)]
    active = view_layer.objects.active
    selected = [item for item in visible if item.select_get(view_layer=view_layer)]
    for group in ([active] if active in visible else [], selected, list(filter(can_speak, visible))):
        found: dict[str, Any] = {}
        for item in group:
            character = _as_character(item)
            if character is None or character.name in found or any(map(is_declined, character.objects)):
                continue
            chosen = _choose(item, character, channel_names)
            if chosen is not None:
                found[character.name] = chosen
        if len(found) == 1:
            return next(iter(found.values()))
        if found:
            return None
    return None


def _as_character(item: Any) -> rigs.Character | None:
    if item.type not in {"MESH", "ARMATURE", "EMPTY"}:
        return None
    try:
        return rigs.find_character(item)
    except RigError:
        return None


def _choose(item: Any, character: rigs.Character, channel_names: Sequence[str]) -> Any | None:
    for part in (item, *character.objects):
        if len(part.voxrig.links):
            return part
    links = rigs.match_channels(character, channel_names).mapping.links
    if len({link.channel for link in links if link.enabled}) < min(_ENOUGH, len(channel_names)):
        return None
    return item if can_speak(item) else character.objects[0]
