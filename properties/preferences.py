# SPDX-License-Identifier: GPL-3.0-or-later
"""The preferences of the extension."""

# Blender reads properties from annotations, which a type checker takes for types.
# pyright: reportInvalidTypeForm=false

import bpy

from .access import PACKAGE
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

    def draw(self, context: bpy.types.Context) -> None:
        """Show the preferences in Blender's add-on list."""
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "provider")
        layout.prop(self, "threads")
        layout.prop(self, "models_folder")
        layout.prop(self, "life")
