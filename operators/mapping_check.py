# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a mapping: a report to read or send, and repair after objects, bones or keys were renamed."""

# pyright: reportInvalidTypeForm=false

import difflib
import re
from dataclasses import dataclass, replace
from typing import Any

import bpy

from ..animation.rig.mapping import Link, Target
from ..animation.rig.names import QUOTED, names_in_path, normalise_name
from ..blender import poses
from ..blender.registering import make_registration
from ..blender.targets import describe_target
from ..errors import RigError
from ..properties.access import character_settings, scene_settings
from ..properties.links import check_editable, fill_link, find_owner, link_status, relevant_channels
from ..properties.models import chosen_model
from .mapping import CharacterOperator, find_character

# Names with less in common than this (the share of equal letters, see difflib) are not offered for one another.
_CLOSE = 0.6
_TRANSFORM = re.compile(rf"(pose\.bones\[{QUOTED}\])?\.?(location|rotation_\w+|scale)$")


@dataclass(frozen=True)
class MappingReport:
    """A mapping sorted by state. Entries are lines of text; ``missing`` are names of channels without a link."""

    character: str
    model: str
    mapped: tuple[str, ...] = ()
    likely: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()
    driven: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def summary(self) -> str:
        """Summarise the counts that are not 0 in one line."""
        parts = ((name, getattr(self, name)) for name in ("mapped", "likely", "unsure", "driven", "broken", "missing"))
        return ", ".join(f"{len(entries)} {name}" for name, entries in parts if entries) or "no link and no channel"

    def text(self) -> str:
        """Return the whole report as text, to be read or sent."""
        lines = [f"Voxrig mapping of '{self.character}' for {self.model}: {self.summary()}"]
        for title in ("Mapped", "Likely", "Unsure", "Driven", "Broken", "Missing"):
            entries = getattr(self, title.lower())
            if entries:
                lines += ["", f"{title} ({len(entries)})", *(f"  {entry}" for entry in entries)]
        return "\n".join(lines) + "\n"


def report_mapping(scene: bpy.types.Scene) -> MappingReport:
    """Report what of the scene's character is mapped, unsure, missing and broken with the chosen model. Raises RigError."""
    settings = scene_settings(scene)
    if settings.character is None:
        raise RigError("No character is chosen; choose a mesh with shape keys or an armature under Character")
    lists: dict[str, list[str]] = {name: [] for name in ("SURE", "LIKELY", "UNSURE", "DRIVEN", "BROKEN")}
    linked: set[str] = set()
    for stored in character_settings(settings.character).links:
        status, reason = link_status(stored)
        if status == "MISSING":
            continue
        linked.add(stored.channel)
        entry = f"{stored.channel} -> {_describe_stored(stored)}"
        if stored.gain != 1.0:
            entry += f", gain {stored.gain:g}"
        if not stored.enabled:
            entry += ", off"
        lists[status].append(f"{entry}: {reason}" if reason else entry)
    model = chosen_model(settings)
    return MappingReport(
        settings.character.name,
        model.title if model is not None else "no model",
        *(tuple(lists[name]) for name in ("SURE", "LIKELY", "UNSURE", "DRIVEN", "BROKEN")),
        missing=tuple(name for name in relevant_channels(settings) if name not in linked),
    )


def _describe_stored(stored: Any) -> str:
    owner = stored.block if stored.id_type == "BLOCK" else stored.owner
    return describe_target(Target("", owner.name if owner is not None else "deleted", stored.data_path, stored.array_index))


@dataclass(frozen=True)
class Repair:
    """A broken link of the list and the target most similar to the one it lost; ``likeness`` is 0..1."""

    index: int
    channel: str
    lost: str
    target: Target
    likeness: float


def propose_repairs(character_object: bpy.types.Object) -> tuple[list[Repair], list[str]]:
    """Propose the closest match for each broken link, by name among controls of the same kind; also returns links without one.

    No target is offered twice, nor one that a link of the same channel already drives. Changes nothing.
    """
    stored_links = character_settings(character_object).links
    broken = [i for i, stored in enumerate(stored_links) if link_status(stored)[0] == "BROKEN"]
    if not broken:
        return [], []
    used = {(stored.channel, stored.data_path, stored.array_index) for i, stored in enumerate(stored_links) if i not in broken}
    candidates = poses.list_pose_targets(find_character(character_object))
    offers: list[Repair] = []
    for i in broken:
        stored = stored_links[i]
        wanted = Target("KEY" if stored.id_type == "KEY" else "", "", stored.data_path, stored.array_index)
        names, kind = _names_and_kind(wanted)
        for target in candidates:
            others, other_kind = _names_and_kind(target)
            if other_kind != kind or (stored.channel, target.data_path, target.array_index) in used:
                continue
            likeness = _likeness(names, others)
            if likeness >= _CLOSE:
                offers.append(Repair(i, stored.channel, " ".join(names), target, likeness))
    # The best pairs first; each link and each target once.
    chosen: dict[int, Repair] = {}
    taken: set[Target] = set()
    for offer in sorted(offers, key=lambda offer: -offer.likeness):
        if offer.index not in chosen and offer.target not in taken:
            chosen[offer.index] = offer
            taken.add(offer.target)
    rest = [f"{stored_links[i].channel} -> {_describe_stored(stored_links[i])}" for i in broken if i not in chosen]
    return [chosen[i] for i in sorted(chosen)], rest


def _names_and_kind(target: Target) -> tuple[list[str], tuple[str, int]]:
    """Return the names to compare, the most telling one first, and what two targets must have in common for that."""
    match = _TRANSFORM.search(target.data_path)
    names = names_in_path(target.data_path)
    if match:
        return names, (match.group(3), target.array_index)
    # The name of a property tells more than that of its bone.
    return names[::-1], ("KEY" if target.id_type == "KEY" else f"property of {len(names)} names", 0)


def _likeness(first: list[str], second: list[str]) -> float:
    """Rate names 0..1 by common letters without case and separators; names of two different sides have nothing in common."""
    total = weights = 0.0
    for i, (one, other) in enumerate(zip(first, second)):
        plain = [normalise_name(name) for name in (one, other)]
        if {name[-2:] for name in plain} == {".l", ".r"}:
            return 0.0
        weight = 0.25**i
        total += weight * difflib.SequenceMatcher(None, plain[0], plain[1], autojunk=False).ratio()
        weights += weight
    return total / weights if weights else 0.0


def repair_links(character_object: bpy.types.Object, repairs: list[Repair] | None = None) -> tuple[list[Repair], list[str]]:
    """Point broken links at their closest matches (those of ``propose_repairs`` by default) and mark them as likely.

    Returns the repairs and the links without a close match. Raises RigError, changing nothing, if no link is broken.
    """
    check_editable(character_object)
    left: list[str] = []
    if repairs is None:
        repairs, left = propose_repairs(character_object)
        if not repairs and not left:
            raise RigError(f"No link of '{character_object.name}' is broken")
    owners = [find_owner(repair.target) for repair in repairs]
    group = character_settings(character_object)
    for repair, owner in zip(repairs, owners):
        stored = group.links[repair.index]
        link = Link(
            stored.channel,
            repair.target,
            stored.gain,
            stored.offset,
            stored.minimum if stored.use_minimum else None,
            stored.maximum if stored.use_maximum else None,
            stored.enabled,
            stored.rest,
            stored.ease,
        )
        fill_link(stored, replace(link, confidence="LIKELY"), owner)
    return repairs, left


class VOXRIG_OT_report_mapping(CharacterOperator):
    """Copy a report to the clipboard: which channels of the character are mapped, unsure, missing and broken"""

    bl_idname = "voxrig.report_mapping"
    bl_label = "Copy Report"
    bl_options = {"REGISTER"}

    def run(self, context: Any) -> None:
        """Copy the report and show its first line."""
        report = report_mapping(context.scene)
        context.window_manager.clipboard = report.text()
        self.report({"INFO"}, f"Copied: {report.summary()}")


class VOXRIG_OT_repair_links(CharacterOperator):
    """Find the closest match for links whose object, bone or shape key was renamed or deleted. They are marked as likely"""

    bl_idname = "voxrig.repair_links"
    bl_label = "Repair"
    bl_options = {"REGISTER", "UNDO"}

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Show the proposed repairs before doing them."""
        if bpy.app.background:
            return self.execute(context)
        self._repairs, self._left = propose_repairs(scene_settings(context.scene).character)
        if not self._repairs:
            return self.execute(context)
        return context.window_manager.invoke_props_dialog(self, width=420)

    def draw(self, context: Any) -> None:
        """Draw each lost name and its replacement."""
        layout: Any = self.layout
        column = layout.column()
        for repair in self._repairs:
            row = column.row()
            row.label(text=f"{repair.channel}: {repair.lost}", icon="UNLINKED")
            row.label(text=describe_target(repair.target), icon="LINKED")
        for entry in self._left:
            column.label(text=f"No match for {entry}", icon="ERROR")

    def run(self, context: Any) -> None:
        """Repair and report the rest."""
        repaired, left = repair_links(scene_settings(context.scene).character)
        if not repaired:
            raise RigError(f"Nothing has a name close enough for {left[0]}; choose a target by hand")
        for entry in left[:3]:
            self.report({"WARNING"}, f"No close match: {entry}")
        self.report({"INFO"}, f"{len(repaired)} links repaired; preview them")


CLASSES = (VOXRIG_OT_report_mapping, VOXRIG_OT_repair_links)
register, unregister = make_registration(CLASSES)
