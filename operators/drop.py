# SPDX-License-Identifier: GPL-3.0-or-later
"""Animate the character from a sound file dropped onto the 3D View."""

from typing import Any

import bpy

from ..blender.registering import make_registration
from ..properties.access import scene_settings
from ..properties.scene import is_character
from ..takes.job import Job
from ..takes.record import SoundFile
from ..takes.shaping import Take
from .animate import GeneratingOperator, gather_from_scene
from .base import NO_CHARACTER
from .find import found_speaker
from .redo import RedoSettings
from .show import ShowingTake
from .sound import SOUND_FILES, is_sidebar


def dropped_on(context: Any) -> bpy.types.Object | None:
    """Return the character for a dropped sound: the chosen one, the one found, or the active object if it can be one."""
    chosen = scene_settings(context.scene).character or found_speaker(context.scene)
    if chosen is not None:
        return chosen
    active = context.view_layer.objects.active
    return active if active is not None and is_character(active) else None


class VOXRIG_OT_animate_from_file(ShowingTake, RedoSettings, GeneratingOperator):
    """Generate sparse keyframes from a sound file on the character's mapped controls, from the start frame on.

    Without a chosen character the active object becomes it
    """

    bl_idname = "voxrig.animate_from_file"
    bl_label = "Animate from Audio"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    filepath: bpy.props.StringProperty(  # pyright: ignore[reportInvalidTypeForm]
        name="Sound File", description="Recording of one voice", subtype="FILE_PATH", options={"SKIP_SAVE", "HIDDEN"}
    )

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a character, and no other running task."""
        reason = super().disabled_reason(context)
        if reason is None and dropped_on(context) is None:
            return NO_CHARACTER
        return reason

    def gather(self, scene: bpy.types.Scene) -> Job:
        """Gather with the scene's settings and this sound."""
        start_frame = float(scene_settings(scene).start_frame)
        return gather_from_scene(scene, dropped_on(bpy.context), SoundFile(self.filepath, start_frame))

    def finish(self, scene: bpy.types.Scene, job: Job, take: Take) -> None:
        """Write the take, and show its character and sound in the panel."""
        super().finish(scene, job, take)
        settings: Any = scene_settings(scene)
        settings.character = scene.objects[job.character]
        settings.sound_source, settings.sound_file = "FILE", self.filepath


class VOXRIG_FH_sound(bpy.types.FileHandler):
    """A handler that offers Animate from Audio for sounds dropped onto the 3D View."""

    bl_idname = "VOXRIG_FH_sound"
    bl_label = "Animate from Audio"
    bl_import_operator = VOXRIG_OT_animate_from_file.bl_idname
    bl_file_extensions = SOUND_FILES

    @classmethod
    def poll_drop(cls, context: Any) -> bool:
        """Accept drops on the 3D View, with a character to animate."""
        if context.area is None or context.area.type != "VIEW_3D" or is_sidebar(context.region):
            return False
        return VOXRIG_OT_animate_from_file.poll(context)


CLASSES = (VOXRIG_OT_animate_from_file, VOXRIG_FH_sound)
register, unregister = make_registration(CLASSES)
