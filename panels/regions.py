# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrections of single face parts and of single channels."""

from typing import Any

from ..animation.face.channels import REGIONS
from ..blender.registering import make_registration
from ..properties.access import scene_settings
from ..properties.settings import REGION_STRENGTHS
from .main import VoxrigList, VoxrigPanel, iface


class VOXRIG_PT_regions(VoxrigPanel):
    """Strength, smoothing and offset of each face part."""

    bl_idname = "VOXRIG_PT_regions"
    bl_label = "Regions"
    bl_parent_id = "VOXRIG_PT_advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw one group per face part; strengths shown in the Style panel are not repeated."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        for region in REGIONS:
            column = layout.column(align=True)
            column.label(text=iface(region.title()))
            if region in REGION_STRENGTHS:
                column.prop(settings, f"{region}_strength", text="Strength")
            column.prop(settings, f"{region}_smoothing", text="Smoothing (ms)")
            column.prop(settings, f"{region}_offset")


class VOXRIG_UL_channels(VoxrigList):
    """Channels with their own multiplier and offset."""

    bl_idname = "VOXRIG_UL_channels"

    def draw_row(self, layout: Any, item: Any) -> None:
        """Draw the channel, its multiplier and its offset."""
        row = layout.row(align=True)
        row.prop(item, "channel", text="", emboss=False)
        row.prop(item, "gain", text="")
        row.prop(item, "offset", text="")


class VOXRIG_PT_channels(VoxrigPanel):
    """Multiplier and offset of single channels."""

    bl_idname = "VOXRIG_PT_channels"
    bl_label = "Channels"
    bl_parent_id = "VOXRIG_PT_advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the list."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        row = layout.row()
        row.template_list("VOXRIG_UL_channels", "", settings, "channels", settings, "active_channel", rows=3)
        column = row.column(align=True)
        column.operator("voxrig.add_channel", text="", icon="ADD")
        column.operator("voxrig.remove_channel", text="", icon="REMOVE")


CLASSES = (VOXRIG_PT_regions, VOXRIG_UL_channels, VOXRIG_PT_channels)
register, unregister = make_registration(CLASSES)
