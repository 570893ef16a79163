# SPDX-License-Identifier: GPL-3.0-or-later
"""Set the stage after the Animate button, and Show Keys.

Scripts, updates, batches and the command line change nothing but keys. The button also sets the stage, in the same undo step,
as far as the preferences ask for it.
"""

from pathlib import Path
from typing import Any

import bpy

from ..animation.rig.mapping import Target
from ..blender import staging
from ..blender.registering import make_registration
from ..errors import AudioError
from ..properties.access import preferences, scene_settings
from ..properties.links import read_mapping
from ..properties.takes import active_take, read_take
from ..takes.job import Job
from ..takes.record import SoundFile
from ..takes.shaping import Take
from .base import VoxrigOperator, redraw_animation_editors
from .mapping import find_character


def show_take(scene: bpy.types.Scene, job: Job, take: Take) -> list[str]:
    """Set the stage for a take that was just written, as the preferences say; returns sentences on what could not be done."""
    chosen = preferences()
    character_object = scene.objects[job.character]
    stored = active_take(character_object)
    targets = _targets_of(job)
    notes: list[str] = []
    if chosen.add_sound and isinstance(job.choice, SoundFile):
        path = Path(bpy.path.abspath(job.choice.path))
        try:
            staging.add_sound_once(scene, path, job.choice.start_frame, take.last_frame)
        except AudioError as error:
            notes.append(str(error))
    if chosen.sync_sound:
        scene.sync_mode = "AUDIO_SYNC"
    if chosen.hold_range:
        # The mouth comes from rest before the sound; that needs no frames before the scene's first.
        staging.hold_range(scene, take.sound_frames[0], take.last_frame)
    if chosen.select_character and bpy.context.scene == scene:
        staging.select_animated(bpy.context.view_layer, character_object, find_character(character_object).objects, targets)
    if chosen.deselect_keys and stored is not None:
        staging.deselect_keys(targets, stored.mark)
    if chosen.show_waveform:
        scene_settings(scene).show_waveform = True
    if chosen.rewind:
        scene.frame_set(max(take.sound_frames[0], scene.frame_start))
    redraw_animation_editors(bpy.context)
    return notes


def _targets_of(job: Job) -> list[Target]:
    """List what the parts of a take drive."""
    found: dict[Target, None] = {}
    for part in job.parts:
        for link in part.mapping.links:
            if link.enabled and (part.targets is None or link.target in part.targets):
                found[link.target] = None
    return list(found)


class ShowingTake:
    """Mixin for an operator, before RedoSettings, that shows its take when a person pressed it, and when they redo it."""

    __annotations__ = {
        "is_pressed": bpy.props.BoolProperty(
            name="Pressed", description="Whether a person pressed the button", options={"HIDDEN", "SKIP_SAVE"}
        )
    }

    def invoke(self: Any, context: Any, event: bpy.types.Event) -> Any:
        """Remember that a person pressed the button; the Redo panel runs the operator again with the same properties."""
        self.is_pressed = True
        return super().invoke(context, event)  # pyright: ignore[reportAttributeAccessIssue]

    def finish(self: Any, scene: bpy.types.Scene, job: Job, take: Take) -> None:
        """Write the take, then show it."""
        super().finish(scene, job, take)  # pyright: ignore[reportAttributeAccessIssue]
        if self.is_pressed:
            for note in show_take(scene, job, take):
                self.report({"WARNING"}, note)


class VOXRIG_OT_show_keys(VoxrigOperator):
    """Show the chosen take's keyframes: select its character and point a Dope Sheet at them, opened below the 3D View if there
    is none"""

    bl_idname = "voxrig.show_keys"
    bl_label = "Show Keys"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a take and a window."""
        if active_take(scene_settings(context.scene).character) is None:
            return "There is no take yet; animate the character first"
        return None if context.screen is not None else "There is no window to show keys in"

    def run(self, context: Any) -> None:
        """Select what is animated, then find or open the editor."""
        scene = context.scene
        character_object = scene_settings(scene).character
        stored = active_take(character_object)
        record = read_take(stored) if stored is not None else None
        mapping = record.mapping if record is not None and record.mapping.links else read_mapping(character_object)
        targets = [link.target for link in mapping.links if link.enabled]
        objects = find_character(character_object).objects
        staging.select_animated(context.view_layer, character_object, objects, targets)
        area = _open_key_editor(context)
        if area is None:
            return
        space = area.spaces.active
        if area.type == "DOPESHEET_EDITOR" and space.mode == "TIMELINE":
            space.mode = "DOPESHEET"
        space.dopesheet.show_only_selected = True
        region = next(region for region in area.regions if region.type == "WINDOW")
        view_all = bpy.ops.action.view_all if area.type == "DOPESHEET_EDITOR" else bpy.ops.graph.view_all
        with context.temp_override(area=area, region=region):
            view_all()


def _open_key_editor(context: Any) -> Any | None:
    """Return a Dope Sheet or Graph Editor of the window; without one, a new Dope Sheet in the lower part of the 3D View."""
    editors = [area for area in context.screen.areas if area.type in ("DOPESHEET_EDITOR", "GRAPH_EDITOR")]
    for area in editors:
        if area.ui_type in ("DOPESHEET", "FCURVES"):
            return area
    views = [area for area in context.screen.areas if area.type == "VIEW_3D"]
    if not views:
        return editors[0] if editors else None
    view = max(views, key=lambda area: area.width * area.height)
    region = next(region for region in view.regions if region.type == "WINDOW")
    before = set(context.screen.areas)
    with context.temp_override(area=view, region=region):
        bpy.ops.screen.area_split(direction="HORIZONTAL", factor=0.35)
    pair = [view, *(area for area in context.screen.areas if area not in before)]
    lower = min(pair, key=lambda area: area.y)
    lower.ui_type = "DOPESHEET"
    return lower


CLASSES = (VOXRIG_OT_show_keys,)
register, unregister = make_registration(CLASSES)
