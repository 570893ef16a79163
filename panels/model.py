# SPDX-License-Identifier: GPL-3.0-or-later
"""The model that hears the sound."""

from typing import Any

from ..blender.registering import make_registration
from ..properties.access import scene_settings
from ..properties.models import OTHER_FOLDER, shown_provider
from .main import VoxrigPanel, draw_hint, iface


class VOXRIG_PT_model(VoxrigPanel):
    """The model that hears the sound."""

    bl_idname = "VOXRIG_PT_model"
    bl_label = "Model"
    bl_parent_id = "VOXRIG_PT_advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the choice and the device that runs it."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        row = layout.row(align=True)
        row.prop(settings, "model")
        row.operator("voxrig.refresh_models", text="", icon="FILE_REFRESH")
        if settings.model == OTHER_FOLDER:
            layout.prop(settings, "model_folder", text=" ")
        draw_hint(layout.column(), iface("Runs on: {}").format(shown_provider()), "NONE")


CLASSES = (VOXRIG_PT_model,)
register, unregister = make_registration(CLASSES)
