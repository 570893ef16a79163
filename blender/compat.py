# SPDX-License-Identifier: GPL-3.0-or-later
"""The differences between Blender 4.2 and 5.2, each detected by a feature test; the rest of Voxrig knows one Blender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy


def has_slots() -> bool:
    """Return whether one Action can animate several data-blocks through slots (4.4 and later)."""
    return "slots" in bpy.types.Action.bl_rna.properties


def new_action(name: str, owner: Any) -> bpy.types.Action:
    """Create an Action for ``owner``'s type of data-block; with slots it can serve others as well."""
    action = bpy.data.actions.new(name)
    if not has_slots():
        action.id_root = owner.id_type
    return action


@dataclass(frozen=True)
class Place:
    """The place of the F-Curves of one data-block: an Action and, by its handle, the slot in it (0 without slots)."""

    action: Any
    slot: int = 0


def place_of(owner: Any) -> Place | None:
    """Return the Action and slot that ``owner`` plays now, beside its NLA tracks; None without."""
    data = owner.animation_data
    if data is None or data.action is None:
        return None
    if not has_slots():
        return Place(data.action)
    return Place(data.action, data.action_slot.handle) if data.action_slot is not None else None


def strip_place(strip: Any) -> Place | None:
    """Return the Action and slot that an NLA strip plays; None for strips without."""
    if strip.action is None:
        return None
    if not has_slots():
        return Place(strip.action)
    return Place(strip.action, strip.action_slot.handle) if strip.action_slot is not None else None


def new_place(action: bpy.types.Action, owner: Any) -> Place:
    """Make a place for ``owner`` in an Action: a new slot, or the Action itself if there are no slots."""
    return Place(action, action.slots.new(id_type=owner.id_type, name=owner.name).handle if has_slots() else 0)


def assign(owner: Any, place: Place) -> None:
    """Assign a place to ``owner``, which then plays it."""
    data = owner.animation_data or owner.animation_data_create()
    data.action = place.action
    if has_slots():
        data.action_slot = _slot(place)


def assign_to_strip(strip: Any, place: Place) -> None:
    """Assign the slot of a place to an NLA strip whose Action it already is."""
    if has_slots():
        strip.action_slot = _slot(place)


def users_of(place: Place) -> list[Any]:
    """Return the data-blocks that play a place, in their NLA too."""
    if has_slots():
        return list(_slot(place).users())
    found: list[Any] = []
    for blocks in (bpy.data.objects, bpy.data.shape_keys, bpy.data.armatures, bpy.data.meshes, bpy.data.materials):
        for block in blocks:
            data = block.animation_data
            if data is not None and (
                data.action == place.action
                or any(strip.action == place.action for track in data.nla_tracks for strip in track.strips)
            ):
                found.append(block)
    return found


def curves_at(place: Place | None) -> Any | None:
    """Return the F-Curves (``find(path, index=)``, iteration) at a place, or None if there are none yet."""
    if place is None:
        return None
    if not has_slots():
        return place.action.fcurves
    bag = _channelbag(place.action, place.slot)
    return None if bag is None else bag.fcurves


def curves_of(owner: Any) -> Any | None:
    """Return the F-Curves that animate ``owner`` now, apart from NLA tracks, or None if there are none yet."""
    return curves_at(place_of(owner))


def action_curves(action: bpy.types.Action, owner: Any) -> list[Any]:
    """List the F-Curves of an Action that would animate ``owner`` if it were assigned. Changes nothing.

    They are those of the slot with its name, else of the only slot for its type of data-block.
    """
    if not has_slots():
        return list(action.fcurves) if action.id_root == owner.id_type else []
    slots: list[Any] = [slot for slot in action.slots if slot.target_id_type in (owner.id_type, "UNSPECIFIED")]
    named = [slot for slot in slots if slot.name_display == owner.name]
    chosen = (named or slots)[:1] if len(named) == 1 or len(slots) == 1 else []
    bag = _channelbag(action, chosen[0].handle) if chosen else None
    return [] if bag is None else list(bag.fcurves)


def ensure_place(owner: Any, action: bpy.types.Action) -> Place:
    """Assign ``action`` to ``owner``, with a slot where slots exist. An Action that it already plays keeps its slot."""
    data = owner.animation_data or owner.animation_data_create()
    if data.action != action:
        data.action = action
    if not has_slots():
        return Place(action)
    if data.action_slot is None:
        data.action_slot = _suitable_slot(action, owner) or action.slots.new(id_type=owner.id_type, name=owner.name)
    return Place(action, data.action_slot.handle)


def ensure_curves(owner: Any, action: bpy.types.Action) -> tuple[Any, Any]:
    """Return the F-Curves and groups of ``owner`` in ``action``, which is assigned to it as by ``ensure_place``."""
    return ensure_curves_at(ensure_place(owner, action))


def ensure_curves_at(place: Place) -> tuple[Any, Any]:
    """Return the F-Curves and groups at a place, whose layer and strip are made if missing."""
    action = place.action
    if not has_slots():
        return action.fcurves, action.groups
    layer = action.layers[0] if len(action.layers) else action.layers.new("Layer")
    strip: Any = layer.strips[0] if len(layer.strips) else layer.strips.new(type="KEYFRAME")
    bag = strip.channelbag(_slot(place), ensure=True)
    return bag.fcurves, bag.groups


def _suitable_slot(action: bpy.types.Action, owner: Any) -> Any | None:
    """Find a slot of the owner's name that no other data-block uses."""
    for slot in action.slots:
        # A slot made by an older file may not have a type yet.
        fits = slot.target_id_type in (owner.id_type, "UNSPECIFIED")
        if fits and slot.name_display == owner.name and not slot.users():
            return slot
    return None


def _slot(place: Place) -> Any:
    return next(slot for slot in place.action.slots if slot.handle == place.slot)


def _channelbag(action: bpy.types.Action, handle: int) -> Any | None:
    for layer in action.layers:
        strip: Any
        for strip in layer.strips:
            for bag in strip.channelbags:
                if bag.slot_handle == handle:
                    return bag
    return None


def generated_key_type() -> int:
    """Return the number of the key type for generated keys; Blender's oldest builds only have JITTER."""
    key_type: Any = bpy.types.Keyframe.bl_rna.properties["type"]
    items = {item.identifier: item.value for item in key_type.enum_items}
    return items.get("GENERATED", items["JITTER"])


def sequencer_strips(scene: bpy.types.Scene) -> Any:
    """List all strips of the sequencer including those inside meta strips; empty without a sequencer."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    return editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all


def new_strips(scene: bpy.types.Scene) -> Any:
    """Return the collection with ``new_sound()``; makes the sequencer if there is none."""
    editor = scene.sequence_editor or scene.sequence_editor_create()
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def strip_timing(strip: Any) -> tuple[float, float, float, float]:
    """Return, in frames, the start of the content, the left and right handle, and the trim at the start of the content."""
    if hasattr(strip, "content_start"):  # 5.1 and later; the old names disappear in 6.0
        return float(strip.content_start), float(strip.left_handle), float(strip.right_handle), float(strip.content_trim_start)
    return (
        float(strip.frame_start),
        float(strip.frame_final_start),
        float(strip.frame_final_end),
        float(strip.animation_offset_start),
    )


def show_new_keys(owner: Any, action: bpy.types.Action) -> None:
    """Make Blender show the keys that a script has changed in an Action of ``owner``, which it does not notice by itself."""
    # The oldest builds evaluate a copy of the Action that is only renewed if the Action itself is tagged.
    action.update_tag()
    owner.update_tag(refresh={"TIME"})


def select_bone(pose_bone: Any) -> None:
    """Select a bone in its pose; since 5.0 the pose bone itself holds that."""
    holder = pose_bone if "select" in bpy.types.PoseBone.bl_rna.properties else pose_bone.bone
    holder.select = True
