# SPDX-License-Identifier: GPL-3.0-or-later
"""Live: speak or be tracked, see it, keep it."""

from typing import Any

from ..blender.registering import make_registration
from ..properties.access import live_settings
from ..properties.live import PHONES
from ..properties.session import LiveStatus, session
from .main import VoxrigPanel, iface


class VOXRIG_PT_live(VoxrigPanel):
    """Where the face comes from, the buttons, and what is heard."""

    bl_idname = "VOXRIG_PT_live"
    bl_label = "Live"
    bl_parent_id = "VOXRIG_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Any) -> None:
        """Draw the settings, or while it is live the level and what can be done."""
        settings = live_settings(context.scene)
        layout: Any = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        if session.live is not None:
            self._draw_running(layout, session.live)
            return
        column = layout.column()
        column.prop(settings, "source")
        if settings.source == "MICROPHONE":
            column.prop(settings, "device")
        elif settings.source == "FILE":
            column.prop(settings, "sound_file")
        else:
            column.prop(settings, "host")
            column.prop(settings, "port")
            if settings.source == "IFM":
                column.prop(settings, "phone")
            column.prop(settings, "with_sound")
        if settings.source not in PHONES:
            column.row().prop(settings, "look_ahead", expand=True)
            column.prop(settings, "gate", slider=True)
            column.prop(settings, "monitor")
        column.prop(settings, "send")
        flags = layout.column()
        flags.use_property_split = False
        flags.grid_flow(columns=4, align=True).prop(settings, "regions")
        layout.operator("voxrig.live_start", icon="PLAY")
        if session.live_trouble:
            layout.label(text=session.live_trouble, icon="ERROR", translate=False)
        if session.lost_recordings:
            layout.operator("voxrig.live_recover", icon="RECOVER_LAST")

    def _draw_running(self, layout: Any, status: LiveStatus) -> None:
        text = iface("Recording {:.0f} s").format(status.recorded_seconds) if status.is_recording else status.source
        layout.label(text=text, icon="REC" if status.is_recording else "PLAY", translate=False)
        layout.progress(factor=status.level, text=status.text)
        if status.trouble:
            layout.label(text=status.trouble, icon="ERROR", translate=False)
        row = layout.row(align=True)
        if status.is_recording:
            row.operator("voxrig.live_keep", icon="CHECKMARK")
        else:
            row.operator("voxrig.live_record", icon="REC")
            row.operator("voxrig.live_punch", icon="PREVIEW_RANGE")
        row.operator("voxrig.live_stop", icon="X")


CLASSES = (VOXRIG_PT_live,)
register, unregister = make_registration(CLASSES)
