# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn a Show: collect shots, read the report, learn, and choose models for face parts."""

from typing import Any

from ..blender.registering import make_registration
from ..properties.access import scene_settings
from ..properties.models import chosen_model
from ..properties.session import session
from .main import VoxrigPanel, iface


class VOXRIG_PT_learn(VoxrigPanel):
    """From animated shots to a model of the show."""

    bl_idname = "VOXRIG_PT_learn"
    bl_label = "Learn a Show"
    bl_parent_id = "VOXRIG_PT_advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the steps in order."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        column.prop(settings, "show_folder")
        column.prop(settings, "collect_everything")
        row = column.row(align=True)
        row.operator("voxrig.collect_shot", icon="IMPORT")
        row.operator("voxrig.show_report", text="Report", icon="TEXT")

        column = layout.column()
        column.prop(settings, "learn_title")
        column.prop(settings, "learn_folder")
        column.grid_flow(columns=4, align=True).prop(settings, "learn_regions")
        if session.run is not None and session.run.doing == "learned":
            row = column.row(align=True)
            text = iface("Stopping") if session.run.cancelled else iface("Learning {:.0%}").format(session.run.progress)
            row.progress(factor=session.run.progress, type="BAR", text=text)
            row.operator("voxrig.stop", text="", icon="CANCEL")
        else:
            column.operator("voxrig.learn_show", icon="MOD_SIMPLEDEFORM")
        row = column.row(align=True)
        row.prop(settings, "learn_network", text="")
        row.operator("voxrig.write_training", icon="TEXT")
        model = chosen_model(settings)
        if model is not None and model.is_learned:
            column.operator("voxrig.check_learned", icon="CHECKMARK")


class VOXRIG_PT_region_models(VoxrigPanel):
    """Further models, each for some face parts."""

    bl_idname = "VOXRIG_PT_region_models"
    bl_label = "Models by Region"
    bl_parent_id = "VOXRIG_PT_learn"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw a row for each model, with its face parts below."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        for index, chosen in enumerate(settings.region_models):
            box = layout.box()
            row = box.row(align=True)
            row.prop(chosen, "model_name", text="", icon="SOUND")
            row.operator("voxrig.remove_region_model", text="", icon="REMOVE").index = index
            box.grid_flow(columns=4, align=True).prop(chosen, "regions")
        layout.operator("voxrig.add_region_model", icon="ADD")


CLASSES = (VOXRIG_PT_learn, VOXRIG_PT_region_models)
register, unregister = make_registration(CLASSES)
