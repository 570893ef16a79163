# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose the sound file: a browser that shows sounds and starts beside the .blend, or a sound dropped onto the tab."""

# pyright: reportInvalidTypeForm=false

import contextlib
import os
from pathlib import Path
from typing import Any

import bpy

from ..blender.registering import make_registration
from ..errors import AudioError
from ..properties.access import scene_settings
from .base import VoxrigOperator, redraw_panel

# Formats of libsndfile, and through Blender's own decoder also those of films.
SOUND_FILES = ".wav;.flac;.ogg;.opus;.mp3;.aif;.aiff;.m4a;.mp4;.mov"


def choose_sound(scene: bpy.types.Scene, path: str) -> None:
    """Choose a sound file for the next take; relative to the .blend if the user's preferences ask for it.

    Raises AudioError for what is no file.
    """
    if not Path(path).is_file():
        raise AudioError(f"There is no file '{Path(path).name or path}'; choose a sound")
    preferences: Any = bpy.context.preferences
    if bpy.data.filepath and preferences.filepaths.use_relative_paths:
        with contextlib.suppress(ValueError):  # on another drive of Windows
            path = bpy.path.relpath(path)
    settings: Any = scene_settings(scene)
    settings.sound_source, settings.sound_file = "FILE", path


def first_folder(scene: bpy.types.Scene) -> str:
    """Return the folder where the browser starts: that of the chosen sound, else that of the .blend, else ''."""
    for path in (bpy.path.abspath(scene_settings(scene).sound_file), bpy.data.filepath):
        if path and Path(path).parent.is_dir():
            return str(Path(path).parent)
    return ""


class VOXRIG_OT_choose_sound(VoxrigOperator):
    """Choose a recording of one voice"""

    bl_idname = "voxrig.choose_sound"
    bl_label = "Choose Sound"
    bl_options = {"REGISTER", "UNDO"}

    filepath: bpy.props.StringProperty(
        name="Sound File", description="Recording of one voice", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    filter_glob: bpy.props.StringProperty(
        default=";".join(f"*{ending}" for ending in SOUND_FILES.split(";")), options={"HIDDEN", "SKIP_SAVE"}
    )

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Take a file that was dropped, or open the browser beside the .blend."""
        if self.filepath:
            return self.execute(context)
        folder = first_folder(context.scene)
        if folder:
            self.filepath = folder + os.sep  # the separator marks a folder
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: Any) -> None:
        """Choose the sound."""
        choose_sound(context.scene, bpy.path.abspath(self.filepath))
        redraw_panel(context)


class VOXRIG_FH_panel_sound(bpy.types.FileHandler):
    """A handler that takes sounds dropped onto the tab."""

    bl_idname = "VOXRIG_FH_panel_sound"
    bl_label = "Choose Sound"
    bl_import_operator = VOXRIG_OT_choose_sound.bl_idname
    bl_file_extensions = SOUND_FILES

    @classmethod
    def poll_drop(cls, context: Any) -> bool:
        """Accept drops on the sidebar of the 3D View."""
        return context.area is not None and context.area.type == "VIEW_3D" and is_sidebar(context.region)


def is_sidebar(region: Any) -> bool:
    """Return whether a region is a sidebar."""
    return region is not None and region.type == "UI"


CLASSES = (VOXRIG_OT_choose_sound, VOXRIG_FH_panel_sound)
register, unregister = make_registration(CLASSES)
