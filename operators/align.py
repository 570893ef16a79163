# SPDX-License-Identifier: GPL-3.0-or-later
"""Place a face that was recorded elsewhere where its sound is, by the jaw and the loudness."""

from pathlib import Path
from typing import Any

import bpy

from ..animation.interchange import import_curves
from ..blender import scene as scenes
from ..blender import sounds
from ..blender.registering import make_registration
from ..errors import LiveError
from ..live.taking import find_offset, measure_loudness
from ..properties.access import scene_settings
from ..takes.record import SoundStrip
from .animate import find_sound
from .base import VoxrigOperator

_RATE = 16_000
_LOUDNESS_RATE = 100.0
_LEAST_R = 0.3
_REACH_SECONDS = 600.0


def find_start_frame(scene: bpy.types.Scene, strip: str, path: str | Path) -> tuple[int, float]:
    """Find the start frame of a curve file whose face was recorded together with the sound of ``strip``.

    Returns it and the correlation of jaw and loudness there. Raises VoxrigError, also for a face that does not fit.
    """
    curves = import_curves(path).curves
    if "jawOpen" not in curves.names:
        raise LiveError(f"{Path(path).name} has no jawOpen, by which it could be aligned; set Start Frame instead")
    place, sound, _ = find_sound(scene, SoundStrip(strip))
    loudness = measure_loudness(sound.read(_RATE).samples, _RATE, _LOUDNESS_RATE)
    late, r = find_offset(curves.channel("jawOpen"), curves.frame_rate, loudness, _LOUDNESS_RATE, _REACH_SECONDS)
    if r < _LEAST_R:
        raise LiveError(f"The jaw of {Path(path).name} follows '{strip}' nowhere; choose the sound that was recorded with it")
    return round(place.frame_of(-late - curves.start_seconds)), r


def choose_strip(scene: bpy.types.Scene) -> str:
    """Return the sound strip to align with: the chosen one, else the only one. Raises LiveError."""
    names = [str(strip.name) for strip in sounds.list_sound_strips(scene)]
    chosen = scene_settings(scene).strip
    if chosen in names:
        return str(chosen)
    if len(names) != 1:
        many = "Several sounds are in the sequencer; choose the one of this face under Strip, and Curves again"
        raise LiveError(many if names else "No sound is in the sequencer; add the one that was recorded with this face")
    return names[0]


class VOXRIG_OT_align_curves(VoxrigOperator):
    """Find Start Frame: where the jaw of the curve file fits the sound strip that was recorded with it"""

    bl_idname = "voxrig.align_curves"
    bl_label = "Align To Sound"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a curve file."""
        return None if scene_settings(context.scene).curves_file else "Choose a curve file first"

    def run(self, context: Any) -> None:
        """Set the start frame."""
        settings = scene_settings(context.scene)
        strip = choose_strip(context.scene)
        frame, r = find_start_frame(context.scene, strip, bpy.path.abspath(settings.curves_file))
        moved = (frame - settings.start_frame) / scenes.frames_per_second(context.scene)
        settings.start_frame = frame
        self.report({"INFO"}, f"Moved by {moved:+.2f} s to fit '{strip}' (r {r:.2f})")


CLASSES = (VOXRIG_OT_align_curves,)
register, unregister = make_registration(CLASSES)
