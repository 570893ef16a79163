# SPDX-License-Identifier: GPL-3.0-or-later
"""The mapping: the list of links with their confidence, a preview, and calibration. It only draws."""

# pyright: reportInvalidTypeForm=false

from typing import Any

import bpy

from ..blender.registering import make_registration
from ..blender.sweeps import is_sweep_keyed
from ..properties.access import character_settings, scene_settings, window_settings
from ..properties.links import STATUSES, count_mapped, link_status
from ..properties.models import chosen_model
from ..properties.session import session
from ..properties.settings import REGION_STRENGTHS
from .main import VoxrigList, VoxrigPanel, draw_sentence, iface

_REGIONS = ("jaw", "lips", *REGION_STRENGTHS)
# This many letters of a target fit beside any channel's name in a sidebar of usual width.
_SHORT = 8
_ICONS = {
    "SURE": "CHECKMARK",
    "LIKELY": "QUESTION",
    "UNSURE": "ERROR",
    "MISSING": "RADIOBUT_OFF",
    "BROKEN": "UNLINKED",
    "DRIVEN": "DRIVER",
}


class VOXRIG_UL_links(VoxrigList):
    """The links of a mapping by face part; the search covers channels and targets."""

    bl_idname = "VOXRIG_UL_links"

    region: bpy.props.EnumProperty(
        name="Region",
        description="Show the channels of one face part only",
        items=[("ALL", "All Regions", "Every face part"), *((name.upper(), name.title(), f"The {name}") for name in _REGIONS)],
    )
    status: bpy.props.EnumProperty(
        name="Status",
        description="Show the links of one kind only",
        items=[
            ("ALL", "All Links", "Whatever they are worth"),
            ("OPEN", "To Do", "All that are not sure: likely, unsure, without a target, broken or driven"),
            *((name, name.title(), f"Only links that are {name.lower()}") for name in STATUSES),
        ],
    )

    def draw_row(self, layout: Any, item: Any) -> None:
        """Draw on or off, the confidence, channel, target and solo."""
        status, _reason = link_status(item)
        row = layout.row(align=True)
        row.active = item.enabled
        row.prop(item, "enabled", text="")
        row.label(text="", icon=_ICONS[status])
        # A narrow sidebar repeats nothing, and a channel's name matters most.
        target = describe_link_target(item).removesuffix(f" {item.channel}")
        names = row if len(target) <= _SHORT else row.split(factor=0.62, align=True)
        names.label(text=item.channel or iface("No channel"), translate=False)
        beside = names.row(align=True)
        beside.alignment = "RIGHT" if len(target) <= _SHORT else "EXPAND"
        beside.label(text=target, translate=False)
        row.prop(item, "solo", text="", icon="SOLO_ON" if item.solo else "SOLO_OFF", emboss=False)

    def draw_filter(self, context: Any, layout: Any) -> None:
        """Draw the search, a face part and a kind of link below the list."""
        layout.prop(self, "filter_name", text="", icon="VIEWZOOM")
        row = layout.row(align=True)
        row.prop(self, "region", text="")
        row.prop(self, "status", text="")

    def filter_items(self, context: Any, data: Any, property: str) -> Any:
        """Show the links whose channel or target contains the searched text, in the order of the face parts."""
        links = getattr(data, property)
        model = chosen_model(scene_settings(context.scene))
        regions = model.regions if model is not None else {}
        shown = [_is_shown(link, regions, self.filter_name, self.region, self.status) for link in links]
        flags = [self.bitflag_filter_item if is_shown else 0 for is_shown in shown]
        if self.use_filter_sort_alpha:
            return flags, bpy.types.UI_UL_list.sort_items_by_name(links, "channel")
        place = {name: i for i, name in enumerate(_REGIONS)}
        by_region = sorted(range(len(links)), key=lambda i: place.get(regions.get(links[i].channel, ""), len(place)))
        order = [0] * len(links)
        for new, old in enumerate(by_region):
            order[old] = new
        return flags, order


def _is_shown(link: Any, regions: dict[str, str], text: str, region: str, status: str) -> bool:
    """Return whether a link passes the search, the chosen face part and the chosen kind."""
    if text.lower() not in f"{link.channel} {describe_link_target(link)}".lower():
        return False
    if region != "ALL" and regions.get(link.channel, "").upper() != region:
        return False
    if status == "ALL":
        return True
    found, _reason = link_status(link)
    return found != "SURE" if status == "OPEN" else found == status


def describe_link_target(link: Any) -> str:
    """Return the object and the last name in the data path: 'Face jawOpen', 'Rig jaw Location X'."""
    if not link.data_path:
        return str(iface("No target"))
    owner = link.block if link.id_type == "BLOCK" else link.owner
    name = link.data_path.split('"')[-2] if link.data_path.count('"') >= 2 else link.data_path
    _before, dot, last = link.data_path.rpartition('"].')
    if dot and last != "value":
        letters = "WXYZ" if last == "rotation_quaternion" else "XYZ?"
        name += f" {last.removeprefix('rotation_').title()} {letters[min(link.array_index, 3)]}"
    return f"{owner.name if owner is not None else 'Deleted'} {name}"


def _active_link(context: Any) -> Any | None:
    character_object = scene_settings(context.scene).character
    group = character_settings(character_object) if character_object is not None else None
    return group.links[group.active_link] if group is not None and 0 <= group.active_link < len(group.links) else None


class VOXRIG_PT_mapping(VoxrigPanel):
    """Which channel drives which control."""

    bl_idname = "VOXRIG_PT_mapping"
    bl_label = "Mapping"
    bl_parent_id = "VOXRIG_PT_advanced"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the list and the actions on all of it."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        layout.operator("voxrig.match_channels", icon="VIEWZOOM")
        if settings.character is None:
            return
        group = character_settings(settings.character)
        layout.template_list("VOXRIG_UL_links", "", group, "links", group, "active_link", rows=5)
        # Below the list rather than beside it, which leaves room for the names.
        buttons = layout.row()
        row = buttons.row(align=True)
        row.operator("voxrig.add_link", text="", icon="ADD")
        row.operator("voxrig.remove_link", text="", icon="REMOVE")
        row = buttons.row(align=True)
        row.operator("voxrig.load_mapping", text="", icon="IMPORT")
        row.operator("voxrig.save_mapping", text="", icon="EXPORT")
        row.operator("voxrig.report_mapping", text="", icon="COPYDOWN")
        mapped, total = count_mapped(settings)
        if mapped < total:
            row = layout.row(align=True)
            row.label(text=str(iface("{} missing")).format(total - mapped), icon=_ICONS["MISSING"])
            row.operator("voxrig.add_missing_links", text="Add Missing")
        row = layout.row(align=True)
        if session.swept:
            row.label(text=str(iface("{}, Esc stops")).format(session.swept), icon="PLAY")
        else:
            row.operator("voxrig.test_sweep", icon="PLAY")
            if is_sweep_keyed():
                row.operator("voxrig.remove_sweep", icon="X")
            else:
                row.operator("voxrig.key_sweep", text="", icon="ACTION")
                row.operator("voxrig.repair_links", icon="LINKED")


class VOXRIG_PT_link(VoxrigPanel):
    """The active link."""

    bl_idname = "VOXRIG_PT_link"
    bl_label = "Active Link"
    bl_parent_id = "VOXRIG_PT_mapping"

    @classmethod
    def poll(cls, context: Any) -> bool:
        """Return True only while a link is active."""
        return _active_link(context) is not None

    def draw(self, context: Any) -> None:
        """Draw the preview first, then the properties of the link."""
        link = _active_link(context)
        if link is None:
            return
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        status, reason = link_status(link)
        if reason:
            draw_sentence(layout, reason, _ICONS[status])
            if status == "DRIVEN" and "driver" in reason:
                layout.operator("voxrig.use_driver_source", icon="DRIVER")
        else:
            row = layout.row(align=True)
            row.prop(window_settings(context.window_manager), "preview", slider=True)
            row.operator("voxrig.end_preview", text="", icon="LOOP_BACK")
        if status in ("LIKELY", "UNSURE"):
            layout.operator("voxrig.confirm_link", icon="CHECKMARK")
        layout.prop(link, "channel")
        row = layout.row(align=True)
        row.operator("voxrig.choose_target", icon="VIEWZOOM")
        row.operator("voxrig.paste_target", text="", icon="PASTEDOWN")
        row.operator("voxrig.mirror_links", text="", icon="MOD_MIRROR")
        values = layout.column(align=True)
        values.prop(link, "gain")
        values.prop(link, "offset")
        values.prop(link, "rest")
        values.prop(link, "ease", slider=True)
        limits = layout.column(align=True)
        for bound in ("minimum", "maximum"):
            row = limits.row(align=True, heading=bound.title())
            row.prop(link, f"use_{bound}", text="")
            value = row.row(align=True)
            value.active = getattr(link, f"use_{bound}")
            value.prop(link, bound, text="")


class VOXRIG_PT_target(VoxrigPanel):
    """The exact target of the active link."""

    bl_idname = "VOXRIG_PT_target"
    bl_label = "Target"
    bl_parent_id = "VOXRIG_PT_link"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the data path and its start."""
        link = _active_link(context)
        if link is None:
            return
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(link, "id_type")
        layout.prop(link, "block" if link.id_type == "BLOCK" else "owner")
        layout.prop(link, "data_path")
        layout.prop(link, "array_index")
        layout.prop(link, "confidence")


class VOXRIG_PT_calibrate(VoxrigPanel):
    """From poses to links."""

    bl_idname = "VOXRIG_PT_calibrate"
    bl_label = "Calibrate"
    bl_parent_id = "VOXRIG_PT_mapping"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the steps in order: neutral, channel, pose."""
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        row = layout.row(align=True)
        row.operator("voxrig.store_neutral_pose", icon="ARMATURE_DATA")
        row.operator("voxrig.return_to_neutral", text="", icon="LOOP_BACK")
        layout.prop(window_settings(context.window_manager), "channel")
        row = layout.row(align=True)
        row.operator("voxrig.calibrate", icon="POSE_HLT")
        row.operator("voxrig.calibrate_from_action", text="", icon="ACTION")


CLASSES = (VOXRIG_UL_links, VOXRIG_PT_mapping, VOXRIG_PT_link, VOXRIG_PT_target, VOXRIG_PT_calibrate)
register, unregister = make_registration(CLASSES)
