# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping: match channels by name, edit links by hand, save and load."""

# pyright: reportInvalidTypeForm=false

from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from ..animation.rig.mapping import Link, Mapping, Target, from_json, to_json
from ..animation.rig.recognition import UNSURE, choose_mouth
from ..blender import rigs
from ..blender.registering import make_registration
from ..blender.targets import explain_no_match, limits_of, rest_of
from ..errors import ModelError, RigError
from ..inference.package import read_description
from ..properties.access import character_settings, scene_settings
from ..properties.links import check_editable, fill_link, find_owner, read_mapping, store_mapping
from ..properties.models import chosen_model, forget_models
from ..storage.reading import read_text
from ..storage.writing import write_whole
from ..takes.sources import Description, describe_model
from .base import NO_CHARACTER, VoxrigOperator


def find_character(character_object: bpy.types.Object) -> rigs.Character:
    """Find the character, without objects that were deleted in the viewport, which stay alive while a mapping points at
    them."""
    character = rigs.find_character(character_object)
    return replace(character, objects=tuple(item for item in character.objects if item.users_scene))


def match_channels(character_object: bpy.types.Object, source: Description) -> rigs.Match:
    """Match the model's channels with the character's controls, on all its meshes and bones; unsure links are off.

    A face has its shapes or its visemes driven, never both. The result is empty if nothing matches; raises RigError if the
    character cannot be used at all.
    """
    names = [channel.name for channel in source.channels]
    return rigs.match_channels(find_character(character_object), names, lambda found: choose_mouth(found, source.channels))


def match_character(scene: bpy.types.Scene) -> rigs.Match:
    """Match the scene's character with its model and store the result. Raises RigError and ModelError, changing nothing."""
    settings = scene_settings(scene)
    character_object = _character(scene)
    source = _describe_chosen(scene)
    match = match_channels(character_object, source)
    if not match.mapping.links:
        names = [channel.name for channel in source.channels]
        raise RigError(explain_no_match(find_character(character_object), names, source.title))
    store_mapping(settings.character, match.mapping)
    return match


def save_mapping(character_object: bpy.types.Object, path: str | Path) -> None:
    """Write a character's mapping to a JSON file. Raises RigError if there is none or the file cannot be written."""
    mapping = read_mapping(character_object)
    if not mapping.links:
        raise RigError(f"'{character_object.name}' has no mapping to save; run Match Channels or add links by hand")
    try:
        write_whole(path, to_json(mapping) + "\n")
    except OSError as error:
        raise RigError(f"The mapping cannot be written to {path} ({error.strerror}); choose another place") from None


def load_mapping(character_object: bpy.types.Object, path: str | Path) -> Mapping:
    """Replace a character's mapping with one from a JSON file. Raises RigError, changing nothing."""
    try:
        text = read_text(path)
    except OSError as error:
        raise RigError(f"The mapping {path} cannot be read ({error.strerror}); choose another file") from None
    mapping = from_json(text)
    for target in mapping.targets():
        rigs.resolve(target)
    store_mapping(character_object, mapping)
    return mapping


def _character(scene: bpy.types.Scene) -> bpy.types.Object:
    character_object = scene_settings(scene).character
    if character_object is None:
        raise RigError("No character is chosen; choose a mesh with shape keys or an armature under Character")
    return character_object


def _describe_chosen(scene: bpy.types.Scene) -> Description:
    model = chosen_model(scene_settings(scene))
    if model is None:
        raise ModelError("No model is chosen; choose one under Model")
    return describe_model(read_description(model.folder))


class CharacterOperator(VoxrigOperator):
    """Base of operators that only need a character."""

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a character."""
        if scene_settings(context.scene).character is None:
            return NO_CHARACTER
        return None


class LinkOperator(CharacterOperator):
    """Base of operators on the active link of the list."""

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require an active link."""
        reason = super().disabled_reason(context)
        if reason is None:
            group = character_settings(scene_settings(context.scene).character)
            if not 0 <= group.active_link < len(group.links):
                return "Choose a link in the list first"
        return reason


class VOXRIG_OT_match_channels(CharacterOperator):
    """Recognise the controls of the character and the channels that drive them, on all its meshes and bones.

    Unsure links stay off until you tick them. Replaces the list
    """

    bl_idname = "voxrig.match_channels"
    bl_label = "Match Channels"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Match and report how much was found."""
        match = match_character(context.scene)
        mapping = match.mapping
        unsure = len({link.channel for link in mapping.links if link.confidence == UNSURE})
        text = f"{len(mapping.channels())} channels mapped to {len(mapping.targets())} controls"
        if match.title:
            text = f"{match.title}: {text}"
        if unsure:
            text += f"; {unsure} more to confirm: tick those that are right"
        for note in match.notes[:3]:
            self.report({"WARNING"}, note)
        self.report({"INFO"}, text)


class VOXRIG_OT_add_link(CharacterOperator):
    """Add a link to the list, to choose its channel and its target"""

    bl_idname = "voxrig.add_link"
    bl_label = "Add Link"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Append an empty link on the character itself and make it active."""
        character_object = scene_settings(context.scene).character
        check_editable(character_object)
        group = character_settings(character_object)
        link = group.links.add()
        link.owner = character_object
        link.id_type = "KEY" if getattr(character_object.data, "shape_keys", None) else "OBJECT"
        group.active_link = len(group.links) - 1


class VOXRIG_OT_remove_link(LinkOperator):
    """Remove the active link from the list. Its keyframes stay"""

    bl_idname = "voxrig.remove_link"
    bl_label = "Remove Link"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Remove the active link; the next one becomes active."""
        character_object = scene_settings(context.scene).character
        check_editable(character_object)
        group = character_settings(character_object)
        group.links.remove(group.active_link)
        group.active_link = max(0, min(group.active_link, len(group.links) - 1))


def list_all_targets(character_object: bpy.types.Object) -> list[tuple[str, Target]]:
    """List everything that a link can drive, label and target: the character's controls, then the free transforms of its
    bones."""
    character = find_character(character_object)
    controls = [(label, target) for label, target, _limits in rigs.list_targets(character)]
    return controls + rigs.list_bone_transforms(character)


_target_items: list[tuple[str, str, str]] = []


def _list_target_items(_operator: Any, context: Any) -> list[tuple[str, str, str]]:
    # Blender keeps no reference to the texts of a dynamic enum, so the list must stay alive here.
    character_object = scene_settings(context.scene).character if context else None
    if character_object is not None:
        found = list_all_targets(character_object)
        _target_items[:] = [(str(i), label, f"{target.id_name}: {target.data_path}") for i, (label, target) in enumerate(found)]
    return _target_items


class VOXRIG_OT_choose_target(LinkOperator):
    """Search the shape keys, bone properties and bone transforms of the character for the target of the active link"""

    bl_idname = "voxrig.choose_target"
    bl_label = "Choose Target"
    bl_options = {"REGISTER", "UNDO"}
    bl_property = "target"

    target: bpy.props.EnumProperty(name="Target", description="What the link drives", items=_list_target_items)

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Open the search."""
        context.window_manager.invoke_search_popup(self)
        return {"RUNNING_MODAL"}

    def run(self, context: Any) -> None:
        """Point the active link at the chosen control, with the control's own limits."""
        character_object = scene_settings(context.scene).character
        check_editable(character_object)
        _label, target = list_all_targets(character_object)[int(self.target)]
        group = character_settings(character_object)
        stored = group.links[group.active_link]
        low, high = limits_of(target)
        rest = rest_of(target)
        link = Link(stored.channel, target, stored.gain, stored.offset, low, high, stored.enabled, rest, stored.ease)
        fill_link(stored, link, find_owner(target))


class FileOperator(CharacterOperator):
    """Base of operators that ask for a JSON file first."""

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH", options={"SKIP_SAVE"})
    filter_glob: bpy.props.StringProperty(default="*.json", options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Open the file browser."""
        if not self.filepath:
            self.filepath = f"{scene_settings(context.scene).character.name}.json"
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


class VOXRIG_OT_save_mapping(FileOperator):
    """Save the mapping as a JSON file for other characters with the same rig"""

    bl_idname = "voxrig.save_mapping"
    bl_label = "Save Mapping"
    bl_options = {"REGISTER"}

    check_existing: bpy.props.BoolProperty(default=True, options={"HIDDEN", "SKIP_SAVE"})

    def check(self, context: Any) -> bool:
        """Keep the file browser's name ending in .json."""
        path = bpy.path.ensure_ext(self.filepath, ".json")
        changed = path != self.filepath
        self.filepath = path
        return changed

    def run(self, context: Any) -> None:
        """Save to the chosen file."""
        save_mapping(_character(context.scene), bpy.path.abspath(self.filepath))


class VOXRIG_OT_load_mapping(FileOperator):
    """Replace the list with a mapping saved as a JSON file. All its targets must exist in this file"""

    bl_idname = "voxrig.load_mapping"
    bl_label = "Load Mapping"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Load from the chosen file."""
        mapping = load_mapping(_character(context.scene), bpy.path.abspath(self.filepath))
        self.report({"INFO"}, f"{len(mapping.links)} links loaded")


class VOXRIG_OT_refresh_models(VoxrigOperator):
    """Read the list of models again after model packages were added, changed or removed"""

    bl_idname = "voxrig.refresh_models"
    bl_label = "Refresh Models"
    bl_options = {"INTERNAL"}

    def run(self, context: Any) -> None:
        """Forget all models; the next redraw reads them again."""
        forget_models()


CLASSES = (
    VOXRIG_OT_match_channels,
    VOXRIG_OT_add_link,
    VOXRIG_OT_remove_link,
    VOXRIG_OT_choose_target,
    VOXRIG_OT_save_mapping,
    VOXRIG_OT_load_mapping,
    VOXRIG_OT_refresh_models,
)
register, unregister = make_registration(CLASSES)
