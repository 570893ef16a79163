# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold what most takes do without: the closed panel around the mapping, keys, face parts, the model and learning."""

from typing import Any

from ..blender.registering import make_registration
from ..properties.access import scene_settings
from .main import VoxrigPanel


class VOXRIG_PT_advanced(VoxrigPanel):
    """The header of all that follows."""

    bl_idname = "VOXRIG_PT_advanced"
    bl_label = "Advanced"
    bl_parent_id = "VOXRIG_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the one setting that concerns all writing."""
        layout: Any = self.layout
        layout.prop(scene_settings(context.scene), "show_waveform")


CLASSES = (VOXRIG_PT_advanced,)
register, unregister = make_registration(CLASSES)
