# SPDX-License-Identifier: GPL-3.0-or-later
"""Feelings that are heard in the voice, written as keys of the emotion sliders, which the artist can then move."""

# pyright: reportInvalidTypeForm=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy

from ..animation.face.emotions import emotion_points
from ..animation.speech.voice import track_voice
from ..blender import compat
from ..blender.registering import make_registration
from ..errors import VoxrigError
from ..properties.access import scene_settings
from ..properties.models import offer_emotions, shown_emotions
from ..properties.session import session
from ..properties.settings import read_sound_choice
from ..properties.takes import calm_of
from ..takes.feeling import felt_points, hear
from .animate import find_sound
from .base import VoxrigOperator

_RATE = 16_000
_OWN_KEY_FRAMES = 3.0
"""No key is written this close to one of the artist's."""


def write_feelings(
    scene: bpy.types.Scene,
    *,
    amount: float = 1.0,
    most: int = 2,
    contrast: float = 1.0,
    smoothing_seconds: float = 0.5,
    preferred: str = "",
) -> int:
    """Hear the scene's chosen sound and key its emotion sliders; return the number of keys.

    Keys of an earlier press are replaced, the artist's own stay. Raises VoxrigError, changing nothing, if the voice is heard
    as neutral throughout or the model has no emotions.
    """
    settings = scene_settings(scene)
    offer_emotions(settings)
    sliders = {slider.name: slider for slider in shown_emotions(settings)}
    if not sliders:
        raise VoxrigError("The model has no emotions; choose another model")
    place, sound, name = find_sound(scene, read_sound_choice(scene))
    calm = calm_of(settings.character) if settings.character is not None else ""
    felt = hear(track_voice(sound.read(_RATE).samples, _RATE), calm)
    wanted = {preferred: 1.0} if preferred else None
    points = felt_points(felt, amount, most=most, contrast=contrast, smoothing_seconds=smoothing_seconds, preferred=wanted)
    points = {emotion: track for emotion, track in points.items() if emotion in sliders}
    if not points:
        raise VoxrigError(f"The voice of '{name}' is heard as neutral or unsure; set the emotions by hand")
    first, last = place.frame_of(0.0), place.frame_of(float(felt.seconds()[-1]))
    count = 0
    with session.hooks_paused():
        for emotion, slider in sliders.items():
            _clear_generated(scene, slider, first, last)
            frames = [(place.frame_of(second), weight) for second, weight in emotion_points(points.get(emotion, 0.0))]
            if emotion in points:
                count += _write_keys(scene, slider, frames)
    if session.on_emotion is not None:
        session.on_emotion(scene)
    return count


def _find_curve(scene: bpy.types.Scene, slider: Any) -> Any | None:
    path = slider.path_from_id("weight")
    curves = compat.curves_of(scene)
    return next((curve for curve in curves or () if curve.data_path == path), None)


def _clear_generated(scene: bpy.types.Scene, slider: Any, first: float, last: float) -> None:
    curve = _find_curve(scene, slider)
    if curve is None:
        return
    kind = _generated()
    for key in [key for key in curve.keyframe_points if key.type == kind and first - 0.5 <= key.co.x <= last + 0.5][::-1]:
        curve.keyframe_points.remove(key, fast=True)
    curve.update()


def _write_keys(scene: bpy.types.Scene, slider: Any, points: Sequence[tuple[float, float]]) -> int:
    curve = _find_curve(scene, slider)
    own = [key.co.x for key in curve.keyframe_points] if curve is not None else []
    free = [(round(frame), weight) for frame, weight in points if all(abs(frame - key) > _OWN_KEY_FRAMES for key in own)]
    if not free:
        return 0
    for frame, weight in free:
        slider.weight = weight
        slider.keyframe_insert("weight", frame=frame)
    curve = _find_curve(scene, slider)
    frames = {frame for frame, _weight in free}
    for key in curve.keyframe_points if curve is not None else ():
        if round(key.co.x) in frames and key.co.x not in own:
            key.type, key.interpolation = _generated(), "LINEAR"
    return len(frames)


def _generated() -> str:
    items = bpy.types.Keyframe.bl_rna.properties["type"].enum_items  # type: ignore[attr-defined]
    return "GENERATED" if "GENERATED" in items else "JITTER"


class VOXRIG_OT_write_feelings(VoxrigOperator):
    """Key the emotion sliders as the voice of the chosen sound feels. Your own keys stay; what is unsure stays neutral"""

    bl_idname = "voxrig.write_feelings"
    bl_label = "Emotions from Voice"
    bl_options = {"REGISTER", "UNDO"}

    amount: bpy.props.FloatProperty(
        name="Amount", description="How strong the heard emotions become", default=1.0, min=0.0, max=2.0, subtype="FACTOR"
    )
    most: bpy.props.IntProperty(name="At Once", description="Number of emotions shown at once", default=2, min=1, max=8)
    contrast: bpy.props.FloatProperty(
        name="Contrast", description="How far the strongest emotion stands out of the others", default=1.0, min=0.5, max=4.0
    )
    smoothing: bpy.props.FloatProperty(
        name="Smoothing", description="Seconds over which emotions blend", default=0.5, min=0.0, max=3.0, unit="TIME_ABSOLUTE"
    )
    preferred: bpy.props.StringProperty(
        name="Preferred", description="An emotion that half of the mix goes to, such as joy", options={"SKIP_SAVE"}
    )

    def run(self, context: Any) -> None:
        """Write the keys."""
        sliders = [slider.name for slider in shown_emotions(scene_settings(context.scene))]
        if self.preferred and self.preferred not in sliders:
            known = ", ".join(sliders)
            raise VoxrigError(f"The model has no emotion '{self.preferred}' (it has: {known}); choose one of these")
        count = write_feelings(
            context.scene,
            amount=self.amount,
            most=self.most,
            contrast=self.contrast,
            smoothing_seconds=self.smoothing,
            preferred=self.preferred,
        )
        self.report({"INFO"}, f"{count} keys of emotions written")


CLASSES = (VOXRIG_OT_write_feelings,)
register, unregister = make_registration(CLASSES)
