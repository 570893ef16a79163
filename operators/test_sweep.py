# SPDX-License-Identifier: GPL-3.0-or-later
"""Test a mapping: a sweep through its channels, shown or as separate keyframes, and the way back."""

# pyright: reportInvalidTypeForm=false

import math
from collections.abc import Callable
from typing import Any

import bpy
import numpy as np

from ..animation.curves import ChannelCurves
from ..animation.keys.reduction import reduce_to_keys
from ..animation.rig.mapping import Mapping, apply_mapping
from ..blender import poses, rigs, sweeps
from ..blender.actions import WriteReport
from ..blender.registering import make_registration
from ..errors import RigError
from ..properties.access import scene_settings
from ..properties.links import active_mapping, preview_channel
from ..properties.models import chosen_model
from ..properties.session import session
from .base import VoxrigOperator, redraw_panel
from .mapping import CharacterOperator

# Long enough to see a shape come and go, short enough that 52 channels take less than a minute.
_SECONDS_PER_CHANNEL = 0.8


def sweep_channels(character_object: bpy.types.Object, on_channel: Callable[[str], None] | None = None) -> list[str]:
    """Move each mapped channel to its maximum in turn, without keying; returns the channels that move nothing.

    ``on_channel`` is called while the character shows the channel. Afterwards everything is as before. Raises RigError,
    changing nothing, for a mapping without links that are on or with a target that is gone.
    """
    mapping = _swept_mapping(character_object)
    still: list[str] = []
    try:
        for channel in mapping.channels():
            targets = [link.target for link in mapping.links if link.enabled and link.channel == channel]
            poses.end_preview()
            before = poses.read_pose(targets)
            preview_channel(mapping_of(mapping, channel), channel, 1.0)
            if all(math.isclose(value, before[target], abs_tol=1e-6) for target, value in poses.read_pose(targets).items()):
                still.append(channel)
            if on_channel is not None:
                on_channel(channel)
    finally:
        poses.end_preview()
    return still


def mapping_of(mapping: Mapping, channel: str) -> Mapping:
    """Restrict a mapping to the links of one channel that are on."""
    return Mapping(tuple(link for link in mapping.links if link.enabled and link.channel == channel))


def sweep_state(channels: tuple[str, ...], seconds: float) -> tuple[str, float] | None:
    """Return the channel that a sweep shows after so many seconds and its amount, 0..1 and back; None when it is over."""
    i = int(seconds / _SECONDS_PER_CHANNEL)
    if i >= len(channels):
        return None
    phase = seconds / _SECONDS_PER_CHANNEL - i
    return channels[i], 0.5 - 0.5 * math.cos(2.0 * math.pi * phase)


def key_sweep(scene: bpy.types.Scene) -> WriteReport:
    """Move each mapped channel to its maximum and back in turn, on the frames of the scene (or of its preview range).

    The keys are in a new Action, with a marker for each channel, that replaces the present one until
    ``sweeps.remove_sweep``; no other key changes. Raises RigError, changing nothing, for a mapping without links that are
    on or with a target that is gone, and for a range that is too short.
    """
    settings = scene_settings(scene)
    mapping = _swept_mapping(settings.character)
    channels = mapping.channels()
    ranged = (scene.frame_preview_start, scene.frame_preview_end) if scene.use_preview_range else None
    first, last = ranged or (scene.frame_start, scene.frame_end)
    half = (last - first) // (2 * len(channels))
    if half < 1:
        raise RigError(
            f"{len(channels)} channels need {2 * len(channels)} frames and the timeline has {last - first}; "
            "set a later end or make some links solo"
        )
    model = chosen_model(settings)
    frames = first + np.arange(2 * half * len(channels) + 1)
    values = np.zeros((len(frames), len(channels)), np.float32)
    for i, channel in enumerate(channels):
        full = model.maxima.get(channel, 1.0) if model is not None else 1.0
        rise = 0.5 - 0.5 * np.cos(np.pi * np.arange(2 * half + 1) / half)
        values[2 * half * i : 2 * half * (i + 1) + 1, i] = full * rise
    moved = apply_mapping(mapping, ChannelCurves(channels, 1.0, values))
    tolerances = [max(0.01 * float(np.ptp(column)), 1e-5) for column in moved.values.T]
    peaks = (np.arange(len(frames)) % half) == 0
    keyed = reduce_to_keys(frames, moved.values, tolerances, required=peaks)
    marks = [(channel, int(frames[2 * half * i])) for i, channel in enumerate(channels)]
    poses.end_preview()
    return sweeps.write_sweep(list(zip(moved.targets, keyed)), first, int(frames[-1]), marks)


def _swept_mapping(character_object: bpy.types.Object) -> Mapping:
    mapping = active_mapping(character_object)
    if not mapping.channels():
        raise RigError(f"'{character_object.name}' has no link that is on; run Match Channels or turn links on")
    for target in mapping.targets():
        rigs.resolve(target)
    return mapping


class VOXRIG_OT_test_sweep(CharacterOperator):
    """Move every mapped channel in turn to see its effect, without keying.

    Esc stops; everything goes back as it was. While links are solo, only these move
    """

    bl_idname = "voxrig.test_sweep"
    bl_label = "Test Sweep"
    bl_options = {"REGISTER"}

    def run(self, context: Any) -> None:
        """Visit each channel without a window and report which move nothing."""
        still = sweep_channels(scene_settings(context.scene).character)
        if still:
            self.report({"WARNING"}, f"{len(still)} channels move nothing: {', '.join(still)}")
        else:
            self.report({"INFO"}, "Every mapped channel moves the character")

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Show the channels in turn."""
        if bpy.app.background:
            return self.execute(context)
        outcome = self.guard(self._start, scene_settings(context.scene).character)
        if outcome != {"FINISHED"}:
            return outcome
        self._timer = context.window_manager.event_timer_add(1 / 30, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def _start(self, character_object: bpy.types.Object) -> None:
        self._mapping = _swept_mapping(character_object)
        self._channels = self._mapping.channels()
        self._shown = ""

    def modal(self, context: Any, event: bpy.types.Event) -> Any:
        """Follow the clock; Esc and the end put everything back."""
        if event.type == "ESC" and event.value == "PRESS":
            return self._finish(context, {"CANCELLED"})
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        state = sweep_state(self._channels, self._timer.time_duration)
        # Anything that ends a preview from outside (a new frame, saving) ends the sweep as well.
        if state is None or (self._shown and not poses.is_previewing()):
            return self._finish(context, {"FINISHED"})
        channel, amount = state
        if channel != self._shown:
            self._shown = session.swept = channel
            context.workspace.status_text_set(f"Test Sweep: {channel}   Esc: stop")
            redraw_panel(context)
        if self.guard(preview_channel, mapping_of(self._mapping, channel), channel, max(amount, 1e-3)) != {"FINISHED"}:
            return self._finish(context, {"CANCELLED"})
        return {"PASS_THROUGH"}

    def cancel(self, context: Any) -> None:
        """Stop when Blender closes the window or opens another file."""
        self._finish(context, {"CANCELLED"})

    def _finish(self, context: Any, outcome: Any) -> Any:
        session.swept = ""
        poses.end_preview()
        context.window_manager.event_timer_remove(self._timer)
        context.workspace.status_text_set(None)
        redraw_panel(context)
        return outcome


class VOXRIG_OT_key_sweep(CharacterOperator):
    """Key every mapped channel in turn through the timeline range, in a new Action that plays until you remove the sweep.

    Your own Actions and keyframes stay as they are
    """

    bl_idname = "voxrig.key_sweep"
    bl_label = "Key Sweep"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Write the sweep and report where it is."""
        report = key_sweep(context.scene)
        self.report({"INFO"}, f"{report.key_count} keyframes in the new Action '{sweeps.NAME}'; press play")
        for _target, reason in report.skipped[:3]:
            self.report({"WARNING"}, f"Left alone: {reason}")


class VOXRIG_OT_remove_sweep(VoxrigOperator):
    """Remove the keyed sweep with its Actions; the character plays its previous Action again"""

    bl_idname = "voxrig.remove_sweep"
    bl_label = "Remove Sweep"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Remove the sweep."""
        if not sweeps.remove_sweep():
            raise RigError("There is no keyed sweep in this file")


class VOXRIG_OT_end_preview(CharacterOperator):
    """Put the character back to its pose before the preview"""

    bl_idname = "voxrig.end_preview"
    bl_label = "End Preview"
    bl_options = {"INTERNAL"}

    def run(self, context: Any) -> None:
        """End the preview."""
        poses.end_preview()


CLASSES = (VOXRIG_OT_test_sweep, VOXRIG_OT_key_sweep, VOXRIG_OT_remove_sweep, VOXRIG_OT_end_preview)
register, unregister = make_registration(CLASSES)
