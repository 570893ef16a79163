# SPDX-License-Identifier: GPL-3.0-or-later
"""Variations: several takes by seed, parts kept from them or drawn again, and their contact sheet."""

from pathlib import Path
from typing import Any

import bpy
import bpy.utils.previews

from ..blender.registering import make_registration
from ..properties.access import character_settings, scene_settings
from ..properties.models import chosen_model
from ..properties.session import session
from ..properties.takes import MIXED_PARTS, active_take
from .main import VoxrigPanel, iface

_SHEET_SCALE = 11.0
_previews: dict[str, Any] = {}


class VOXRIG_PT_variations(VoxrigPanel):
    """Takes by seed and mixes of them."""

    bl_idname = "VOXRIG_PT_variations"
    bl_label = "Variations"
    bl_parent_id = "VOXRIG_PT_takes"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw how many takes to make, the parts of the chosen one, and the sheet."""
        settings = scene_settings(context.scene)
        layout: Any = self.layout
        row = layout.row(align=True)
        row.prop(settings, "variation_count")
        row.operator("voxrig.make_variations", icon="DUPLICATE")
        row.operator("voxrig.make_variations", text="", icon="PREVIEW_RANGE").in_range = True
        model = chosen_model(settings)
        is_drawn = model is not None and model.draws_takes
        if is_drawn:
            column = layout.column(align=True)
            for name in ("style_size", "style_speed", "sound_guidance", "style_guidance", "take_spread", "draw_steps"):
                column.prop(settings, name)
        chosen = active_take(settings.character)
        if chosen is None:
            return
        column = layout.column(align=True)
        column.label(text=iface("Parts of '{take}'").format(take=chosen.title))
        for part in MIXED_PARTS:
            if part == "mouth" and not is_drawn:
                continue
            row = column.row(align=True)
            kept = next((take for take in character_settings(settings.character).takes if part.upper() in take.kept), None)
            is_mine = kept is not None and kept.name == chosen.name
            text = iface(part.title(), "Voxrig")
            if kept is not None and not is_mine:
                text = f"{text} ({kept.title})"
            operator = row.operator(
                "voxrig.keep_part", text=text, translate=False, depress=is_mine, icon="PINNED" if kept else "UNPINNED"
            )
            operator.part = part.upper()
            row.operator("voxrig.roll_take", text="", icon="FILE_REFRESH").part = part.upper()
        layout.operator("voxrig.mix_takes", icon="SELECT_EXTEND")
        layout.operator("voxrig.contact_sheet", icon="IMGDISPLAY")
        icon = _sheet_icon()
        if icon:
            layout.template_icon(icon_value=icon, scale=_SHEET_SCALE)


def _sheet_icon() -> int:
    """Return the icon of the picture that was written last, 0 for none."""
    if not session.sheet:
        return 0
    path = Path(session.sheet).with_suffix(".png")
    if "all" not in _previews:
        _previews["all"] = bpy.utils.previews.new()
    try:
        name = f"{path} {path.stat().st_mtime_ns}"
    except OSError:
        return 0
    loaded = _previews["all"]
    if name not in loaded:
        loaded.clear()
        loaded.load(name, str(path), "IMAGE")
    return loaded[name].icon_id


CLASSES = (VOXRIG_PT_variations,)
register, _unregister_classes = make_registration(CLASSES)


def unregister() -> None:
    """Unregister the panel and free the picture."""
    _unregister_classes()
    if "all" in _previews:
        bpy.utils.previews.remove(_previews.pop("all"))
