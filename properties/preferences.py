# SPDX-License-Identifier: GPL-3.0-or-later
"""The preferences of the extension."""

# Blender reads properties from annotations, which a type checker takes for types.
# pyright: reportInvalidTypeForm=false

import bpy

from .access import AFTER_ANIMATE, PACKAGE
from .models import forget_models
from .session import session


class VOXRIG_AP_preferences(bpy.types.AddonPreferences):
    """Preferences of the extension, shared by all files."""

    bl_idname = PACKAGE

    provider: bpy.props.EnumProperty(
        name="Compute On",
        description="Device that runs the model",
        items=[
            ("AUTO", "Automatic", "CUDA if this zip has it and it works, else the CPU"),
            ("CUDA", "CUDA", "An NVIDIA graphics card; needs the zip for CUDA. Falls back to the CPU with a warning"),
            ("CPU", "CPU", "The processor, on any machine"),
        ],
        update=lambda _self, _context: setattr(session, "provider", None),
    )
    threads: bpy.props.IntProperty(
        name="CPU Threads",
        description="Threads that the model uses on the CPU. 0 chooses automatically, leaving one core for Blender's window",
        min=0,
        max=64,
    )
    models_folder: bpy.props.StringProperty(
        name="Models Folder",
        description="Folder with your own model packages, each in its own subfolder. They appear in the list of models",
        subtype="DIR_PATH",
        update=lambda _self, _context: forget_models(),
    )
    life: bpy.props.FloatProperty(
        name="Life",
        description="Life of takes in scenes that have no amount of their own: blinks, gaze, brows, head, breath. 0 is a mask",
        default=1.0,
        min=0.0,
        max=2.0,
        subtype="FACTOR",
    )

    add_sound: bpy.props.BoolProperty(
        name="Add the Sound",
        description="After Animate, add the sound file to the sequencer, unless a strip already plays it from that frame",
        default=True,
    )
    sync_sound: bpy.props.BoolProperty(
        name="Play in Sync", description="After Animate, let playback follow the sound (Sync to Audio)", default=True
    )
    hold_range: bpy.props.BoolProperty(
        name="Widen the Range", description="After Animate, widen the scene's range of frames to hold the take", default=True
    )
    select_character: bpy.props.BoolProperty(
        name="Select the Character",
        description="After Animate, select the character and its animated bones, whose keyframes the Timeline then shows",
        default=True,
    )
    deselect_keys: bpy.props.BoolProperty(
        name="Deselect Keys", description="After Animate, leave the keyframes of the take unselected", default=True
    )
    show_waveform: bpy.props.BoolProperty(
        name="Show Waveform", description="After Animate, show the take's sound, jaw, lips and closures", default=True
    )
    rewind: bpy.props.BoolProperty(
        name="Go to the Start", description="After Animate, go to the first frame of the take", default=True
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Show the preferences in Blender's add-on list."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "provider")
        layout.prop(self, "threads")
        layout.prop(self, "models_folder")
        layout.prop(self, "life")
        column = layout.column(heading="After Animate")
        for name in AFTER_ANIMATE:
            column.prop(self, name)
