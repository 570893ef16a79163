# SPDX-License-Identifier: GPL-3.0-or-later
"""The takes of a character, and the record that Actions keep of generated keyframes."""

# Blender reads properties from annotations, which a type checker takes for types.
# pyright: reportInvalidTypeForm=false

import contextlib
import re
from dataclasses import replace
from typing import Any

import bpy

from ..animation.rig.mapping import Mapping, Target
from ..blender import poses
from ..errors import RigError
from ..takes.record import TakeRecord, read_record
from ..takes.variations import MIXED_PARTS
from .access import character_settings
from .links import VOXRIG_PG_link, read_link

# As json writes it; to parse every record would cost more than a take.
_LIFE = re.compile(r'"life": ([\d.]+)')


class VOXRIG_PG_hold(bpy.types.PropertyGroup):
    """A take's hold on one F-Curve between two frames, and the keys that it covers there; its name is the take's mark."""

    owner: bpy.props.StringProperty(name="Owner", description="Data-block that the take animates", options={"HIDDEN"})
    first: bpy.props.FloatProperty(name="First", description="First frame that the take holds", options={"HIDDEN"})
    last: bpy.props.FloatProperty(name="Last", description="Last frame that the take holds", options={"HIDDEN"})
    keys: bpy.props.StringProperty(
        name="Keys", description="Keyframes that return when another take is shown", options={"HIDDEN"}
    )
    generated: bpy.props.StringProperty(name="Generated", description="Fingerprint of the generated ones", options={"HIDDEN"})


class VOXRIG_PG_generated(bpy.types.PropertyGroup):
    """The record of one F-Curve (blender/ledger.py), named after it."""

    keys: bpy.props.StringProperty(
        name="Keys", description="Fingerprint that tells generated keyframes from the artist's", options={"HIDDEN"}
    )
    holds: bpy.props.CollectionProperty(name="Holds", description="Takes on the F-Curve, the topmost last", type=VOXRIG_PG_hold)
    muted: bpy.props.BoolProperty(
        name="Muted", description="Whether the F-Curve is muted so that a take in the NLA can be seen", options={"HIDDEN"}
    )


class VOXRIG_PG_replaced(bpy.types.PropertyGroup):
    """The Action that a data-block played before a sweep."""

    block: bpy.props.PointerProperty(name="Data-Block", description="What the sweep animates", type=bpy.types.ID)
    action: bpy.props.PointerProperty(name="Action", description="What it played before", type=bpy.types.Action)
    slot: bpy.props.IntProperty(name="Slot", description="Handle of the slot of that Action", options={"HIDDEN"})
    pose: bpy.props.StringProperty(name="Pose", description="Values of its controls before", options={"HIDDEN"})


class VOXRIG_PG_action(bpy.types.PropertyGroup):
    """The generated content of an Action."""

    generated: bpy.props.CollectionProperty(
        name="Generated", description="Fingerprints of generated keyframes, by F-Curve", type=VOXRIG_PG_generated
    )
    marks: bpy.props.StringProperty(
        name="Marks", description="Markers of events as they were written, by take", options={"HIDDEN"}
    )
    replaced: bpy.props.CollectionProperty(
        name="Replaced", description="Actions that were played before this sweep", type=VOXRIG_PG_replaced
    )


class VOXRIG_PG_take(bpy.types.PropertyGroup):
    """One take of a character, with everything needed to make it again."""

    record: bpy.props.StringProperty(
        name="Record",
        description="Sound, model, emotion, strengths, mapping and range of the take",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    mark: bpy.props.StringProperty(
        name="Mark",
        description="Unique name by which Actions know the take",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    is_shown: bpy.props.BoolProperty(
        name="Shown",
        description="Whether the take is visible: none of it is beneath another take",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    is_favourite: bpy.props.BoolProperty(
        name="Favourite",
        description="Mark the take as one that you like",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    kept: bpy.props.EnumProperty(
        name="Kept",
        description="Parts of the take for the next mix",
        items=[(name.upper(), name.title(), "") for name in MIXED_PARTS],
        options={"ENUM_FLAG", "HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    title: bpy.props.StringProperty(
        name="Take",
        description="Name of the take in the list, which you may change",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
    )
    about: bpy.props.StringProperty(
        name="About",
        description="What the take covers",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    is_draft: bpy.props.BoolProperty(
        name="Draft",
        description="Whether the take's keyframes were only moved to follow a slider and must still be placed again",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    density: bpy.props.StringProperty(
        name="Density",
        description="Keyframes a second and the largest distance from the curves behind them",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )


class VOXRIG_PG_character(bpy.types.PropertyGroup):
    """The mapping and the takes of a character, on the object that is chosen as one."""

    links: bpy.props.CollectionProperty(type=VOXRIG_PG_link, override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"})
    active_link: bpy.props.IntProperty(
        name="Active Link", options={"HIDDEN"}, update=lambda _group, _context: poses.end_preview()
    )
    neutral_pose: bpy.props.StringProperty(
        name="Neutral Pose",
        description="Values that Calibrate compares with, stored from a pose; otherwise the rest pose",
        options={"HIDDEN"},
        override={"LIBRARY_OVERRIDABLE"},
    )
    calm: bpy.props.StringProperty(
        name="Calm Voice",
        description="A sound of this character's speaker talking calmly: feelings and effort are heard as differences from it",
        subtype="FILE_PATH",
        options=set(),
        override={"LIBRARY_OVERRIDABLE"},
        translation_context="Voxrig",
    )
    takes: bpy.props.CollectionProperty(
        name="Takes",
        description="Takes of this character, the newest last",
        type=VOXRIG_PG_take,
        override={"LIBRARY_OVERRIDABLE", "USE_INSERTION"},
    )
    active_take: bpy.props.IntProperty(name="Active Take", description="Take that Update makes again", options={"HIDDEN"})


def _next_take_number(group: VOXRIG_PG_character) -> int:
    return 1 + max((int(take.name) for take in group.takes if take.name.isdecimal()), default=0)


def calm_of(character_object: bpy.types.Object) -> str:
    """Return the absolute path of the sound of a character's calm voice, or ''."""
    stored = character_settings(character_object).calm
    return bpy.path.abspath(stored) if stored else ""


def has_lived(character_object: bpy.types.Object) -> bool:
    """Return whether a take of a character has life, whose controls a take without any brings to rest."""
    records = (take.record for take in character_settings(character_object).takes)
    return any((found := _LIFE.search(record)) is not None and float(found[1]) > 0.0 for record in records)


def next_take_title(group: VOXRIG_PG_character) -> str:
    """Return the title of the next new take of a character."""
    return f"Take {_next_take_number(group)}"


def store_take(
    character_object: bpy.types.Object, name: str, mark: str, record: str, about: str, density: str
) -> VOXRIG_PG_take:
    """Store a take on its character, replacing the take ``name`` or as a new one, and choose it."""
    group = character_settings(character_object)
    index = group.takes.find(name) if name else -1
    if index < 0:
        number, title = _next_take_number(group), next_take_title(group)
        take = group.takes.add()
        take.name, take.title = str(number), title
        index = len(group.takes) - 1
    take = group.takes[index]
    take.mark, take.record, take.about, take.density = mark, record, about, density
    take.is_draft = False
    group.active_take = index
    return take


def read_take(take: VOXRIG_PG_take) -> TakeRecord:
    """Return the record of a stored take. Raises RigError if it is damaged or of a later Voxrig.

    A character that was copied or appended again has the takes of the first one, whose records name the controls of that one.
    Those are replaced with its own, to which Blender leads the links of the copy.
    """
    record = read_record(take.record)
    character_object: Any = take.id_data
    if not _is_elsewhere(take.mark, character_object):
        return record
    own: dict[tuple[str, str, int], Target] = {}
    for stored in character_settings(character_object).links:
        with contextlib.suppress(RigError):
            link = read_link(stored)
            own[link.channel, link.target.data_path, link.target.array_index] = link.target
    links = tuple(
        replace(link, target=own.get((link.channel, link.target.data_path, link.target.array_index), link.target))
        for link in record.mapping.links
    )
    return replace(record, mapping=Mapping(links))


def _is_elsewhere(mark: str, character_object: Any) -> bool:
    """Return whether another character has the take of that mark, too."""
    others = (other for other in bpy.data.objects if other != character_object)
    return any(take.mark == mark for other in others for take in character_settings(other).takes)


def active_take(character_object: Any) -> VOXRIG_PG_take | None:
    """Return the chosen take in the character's list."""
    if character_object is None:
        return None
    group = character_settings(character_object)
    return group.takes[group.active_take] if 0 <= group.active_take < len(group.takes) else None
