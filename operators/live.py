# SPDX-License-Identifier: GPL-3.0-or-later
"""The chosen take follows the sliders.

While a slider is dragged in a window, the keys that the take has are moved where they are, which is fast; once it rests they
are placed anew, and then the take is what generating it with these settings would give. Until then it is marked as a draft, so
that saving, undo and redo finish it as well. For scripts without a window every change is exact at once. The model only runs
where an emotion has changed that its graph alone knows how to show, and then in the background.
"""

from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..animation.curves import ChannelCurves
from ..animation.face.expression import apply_expression
from ..animation.rig.mapping import Mapping, apply_mapping
from ..blender import scene as scenes
from ..blender import sounds
from ..blender.drafts import LiveTake
from ..errors import Cancelled, VoxrigError
from ..properties import active_take, chosen_model, scene_settings, session
from .animate import (
    Heard,
    Job,
    Take,
    emotion_at,
    find_strip,
    find_tolerances,
    frame_range,
    has_emotion,
    parts_of,
    perform,
    pin_reach,
    read_animate_settings,
    read_sound_choice,
    recall,
    recall_take,
    sample_at_frames,
    start_take,
    write,
)
from .background import Work
from .base import VoxrigOperator, redraw_panel
from .preview_frame import refresh_look
from .take_records import AnimateSettings, SoundStrip, read_record
from .takes import gather_settings

# A slider is at rest after so many seconds.
_REST_SECONDS = 0.25
# And an emotion for which the model has to run after these.
_EMOTION_REST_SECONDS = 0.4
_POLL_SECONDS = 0.1


def gather_live(scene: bpy.types.Scene) -> Job | None:
    """What to compute so that the chosen take follows the sliders, or None when it is not theirs.

    It is theirs while the scene still names its sound and model. Raises VoxrigError.
    """
    settings = scene_settings(scene)
    stored = active_take(settings.character)
    model = chosen_model(settings)
    if not settings.live_update or session.run is not None or stored is None or model is None:
        return None
    record = read_record(stored.record)
    if record.sound != read_sound_choice(scene) or record.model_folder != model.folder:
        return None
    return gather_settings(scene, settings.character, stored, record, read_animate_settings(scene))


def follow_sliders(scene: bpy.types.Scene) -> bool:
    """Apply the sliders to the chosen take from what is remembered of it; no model runs. Trouble is shown below them.

    False where the model would have to run.
    """
    session.trouble = ""
    try:
        if session.is_looking:
            return refresh_look(scene)
        if bpy.app.background or not drag(scene):
            return place_anew(scene)
        _call_later(_settle, _REST_SECONDS, scene)
    except VoxrigError as error:
        session.trouble = str(error)
    return True


def place_anew(scene: bpy.types.Scene) -> bool:
    """Give the chosen take exactly what the sliders say, with keys placed for it.

    False, with nothing changed, where the model would have to run. Raises VoxrigError.
    """
    job = gather_live(scene)
    take = recall_take(job) if job is not None else None
    if job is not None and take is not None:
        write(scene, job, take, is_live=True)
    return job is None or take is not None


# ---------------------------------------------------------------------------------------------------------------
# While a slider is dragged


@dataclass
class _Part:
    """What one model heard, at scene frames and before any slider."""

    heard: Heard
    sampled: ChannelCurves
    energy: NDArray[np.float64] | None
    mapping: Mapping
    felt: tuple[Any, ChannelCurves] | None = None
    """With the emotion last asked for, which most sliders leave as it is."""


@dataclass
class _Drag:
    """The take that follows, as long as all that ``basis`` holds stays as it is."""

    basis: tuple[Any, ...]
    placed: tuple[Any, ...]
    parts: list[_Part]
    frames: NDArray[np.float64]
    tolerances: NDArray[np.float64]
    keys: LiveTake


_drags: list[_Drag] = []
"""The last one, or none."""


def drag(scene: bpy.types.Scene) -> bool:
    """Move the keys of the chosen take to what the sliders say. False, with nothing changed, where they must be placed anew.

    The result misses the sliders' take by at most a few tolerances, but for curves with keys of the artist's. Raises
    VoxrigError.
    """
    basis = _basis(scene)
    settings = read_animate_settings(scene)
    if not _drags or _drags[0].basis != basis:
        _drags.clear()
        opened = _open_drag(scene, basis)
        if opened is None:
            return False
        _drags.append(opened)
    held = _drags[0]
    if held.placed != _fixed(settings, held.parts):
        return False
    dense = np.concatenate([_sample(part, settings, held.frames) for part in held.parts], axis=1)
    if not held.keys.move(dense, held.tolerances):
        _drags.clear()
        return False
    stored = active_take(scene_settings(scene).character)
    if stored is not None:
        stored.is_draft = True
    return True


def _basis(scene: bpy.types.Scene) -> tuple[Any, ...]:
    """All that a take depends on besides the sliders."""
    settings = scene_settings(scene)
    stored = active_take(settings.character)
    model = chosen_model(settings)
    sound = read_sound_choice(scene)
    span = sounds.strip_span(find_strip(scene, sound.name)) if isinstance(sound, SoundStrip) else None
    return (
        scene.name,
        settings.character.name if settings.character is not None else "",
        (stored.name, stored.record) if stored is not None else None,
        settings.live_update and session.run is None,
        model.folder if model is not None else None,
        sound,
        span,
        scenes.frames_per_second(scene),
    )


def _fixed(settings: AnimateSettings, parts: list[_Part]) -> tuple[Any, ...]:
    """The settings that moving keys cannot follow: where keys go, and emotions that only a model's graph can show."""
    placing = settings.density, settings.keys, settings.key_step, settings.key_phase, settings.lead_seconds
    if all(part.heard.energy is not None for part in parts):
        return placing
    return *placing, _emotion_settings(settings)


def _emotion_settings(settings: AnimateSettings) -> tuple[Any, ...]:
    """All that the emotion over the frames depends on."""
    return settings.emotion, settings.emotion_intensity, settings.emotion_first, settings.emotion_last, settings.emotion_fade


def _open_drag(scene: bpy.types.Scene, basis: tuple[Any, ...]) -> _Drag | None:
    job = gather_live(scene)
    stored = active_take(scene_settings(scene).character)
    if job is None or stored is None or job.scope.fade_frames > 0:
        return None
    parts: list[_Part] = []
    targets: list[Any] = []
    tolerances: list[float] = []
    frames = np.zeros(0)
    for part in parts_of(job):
        heard = recall(part)
        if heard is None:
            return None
        first, last = frame_range(part, heard)
        frames = np.arange(first, last + 1, dtype=np.float64)
        curves = heard.curves
        if job.settings.lead_seconds is not None:
            curves = replace(curves, start_seconds=-job.settings.lead_seconds)
        sampled = sample_at_frames(curves, part, first, last)
        energy = None
        if heard.energy is not None:
            rows = (
                sampled.start_seconds + np.arange(frames.size) / sampled.frame_rate - curves.start_seconds
            ) * curves.frame_rate
            energy = np.interp(rows, np.arange(heard.energy.size), heard.energy)
        links = tuple(link for link in part.mapping.links if part.targets is None or link.target in part.targets)
        mapping = Mapping(links)
        chosen = apply_mapping(mapping, sampled).targets
        targets += chosen
        tolerances += find_tolerances(part, heard.package, chosen)
        parts.append(_Part(heard, sampled, energy, mapping))
    keys = LiveTake(stored.mark, targets, frames, pin_reach(job.frames_per_second))
    placed = _fixed(read_record(stored.record).settings, parts)
    return _Drag(basis, placed, parts, frames, np.array(tolerances), keys)


def _sample(part: _Part, settings: AnimateSettings, frames: NDArray[np.float64]) -> NDArray[np.float32]:
    """What the targets of a part do with these settings, ``[frame, target]``.

    The sliders work on scene frames here, and on the model's own where keys are placed; the difference is in how fast
    movements are blended, and below what can be seen of a slider that moves.
    """
    curves = part.sampled
    if part.energy is not None and has_emotion(settings):
        emotion = _emotion_settings(settings)
        if part.felt is None or part.felt[0] != emotion:
            weights = emotion_at(settings, part.heard.package, frames)
            part.felt = emotion, curves.with_values(apply_expression(curves.values, weights, part.energy))
        curves = part.felt[1]
    return apply_mapping(part.mapping, perform(curves, settings, part.heard.package)).values


# ---------------------------------------------------------------------------------------------------------------
# Once it rests


_waiting: dict[Any, str] = {}
"""The scene, by name, that a timer's function is for."""


def _call_later(function: Any, seconds: float, scene: bpy.types.Scene) -> None:
    """Call a timer's function after so many seconds without another call of this."""
    if bpy.app.timers.is_registered(function):
        bpy.app.timers.unregister(function)
    _waiting[function] = scene.name
    bpy.app.timers.register(function, first_interval=seconds)


def _settle() -> None:
    """A timer: the slider rests."""
    scene = bpy.data.scenes.get(_waiting.pop(_settle, ""))
    if scene is not None:
        settle(scene)
        redraw_panel(bpy.context)


def settle(scene: bpy.types.Scene) -> None:
    """Place the keys of the chosen take anew where it is still a draft. Trouble is shown below the sliders."""
    stored = active_take(scene_settings(scene).character)
    if stored is None or not stored.is_draft:
        return
    try:
        place_anew(scene)
    except VoxrigError as error:
        session.trouble = str(error)


@bpy.app.handlers.persistent
def _settle_before_saving(*_arguments: Any) -> None:
    for scene in bpy.data.scenes:
        settle(scene)


@bpy.app.handlers.persistent
def _settle_after_undo(*_arguments: Any) -> None:
    """Undo and redo may lead to where a slider had just been let go. Their own work must be over before keys are placed."""
    _drags.clear()
    for scene in bpy.data.scenes:
        stored = active_take(scene_settings(scene).character)
        if stored is not None and stored.is_draft:
            if bpy.app.background:
                settle(scene)
            else:
                _call_later(_settle, 0.0, scene)


# ---------------------------------------------------------------------------------------------------------------
# Emotions


_running: list[Work[Job, Take]] = []
"""The work that brings a new emotion into the take, or none."""


def follow_emotion(scene: bpy.types.Scene) -> None:
    """Let the take follow the emotion sliders: like any slider where emotions can be put on what was heard; else the model
    runs in the background once they rest. Scripts without a window call ``apply_settings`` for that."""
    if not follow_sliders(scene) and not bpy.app.background:
        _call_later(_start_emotion, _EMOTION_REST_SECONDS, scene)


def _start_emotion() -> float | None:
    if session.run is not None:
        return _EMOTION_REST_SECONDS
    name = _waiting.pop(_start_emotion, "")
    scene = bpy.data.scenes.get(name)
    if scene is None:
        return None
    session.trouble = ""
    try:
        job = gather_live(scene)
    except VoxrigError as error:
        session.trouble = str(error)
        return None
    if job is not None:
        work = start_take(job)
        session.run = work.state
        work.start()
        _running.append(work)
        _waiting[_finish_emotion] = name
        bpy.app.timers.register(_finish_emotion, first_interval=_POLL_SECONDS)
    return None


def _finish_emotion() -> float | None:
    redraw_panel(bpy.context)
    if not _running:
        return None
    if _running[0].is_alive():
        return _POLL_SECONDS
    work = _running.pop()
    session.run = None
    scene = bpy.data.scenes.get(_waiting.pop(_finish_emotion, ""))
    try:
        if scene is not None and session.is_looking:
            refresh_look(scene)
        elif scene is not None:
            write(scene, work.job, work.result(), is_live=True)
            bpy.ops.ed.undo_push(message="Emotion")
    except VoxrigError as error:
        session.trouble = str(error)
    except Cancelled:
        pass
    return None


class VOXRIG_OT_add_channel(VoxrigOperator):
    """Give one more channel of the model a multiplier and an offset of its own"""

    bl_idname = "voxrig.add_channel"
    bl_label = "Add Channel"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Add a row; its channel is still to be chosen."""
        settings = scene_settings(context.scene)
        settings.channels.add()
        settings.active_channel = len(settings.channels) - 1


class VOXRIG_OT_remove_channel(VoxrigOperator):
    """Play the channel as the model hears it again"""

    bl_idname = "voxrig.remove_channel"
    bl_label = "Remove Channel"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Grey while the list is empty."""
        return None if len(scene_settings(context.scene).channels) else "There is no channel in the list"

    def run(self, context: Any) -> None:
        """Remove the chosen row; the chosen take follows."""
        settings = scene_settings(context.scene)
        settings.channels.remove(settings.active_channel)
        settings.active_channel = max(0, min(settings.active_channel, len(settings.channels) - 1))
        follow_sliders(context.scene)


CLASSES = (VOXRIG_OT_add_channel, VOXRIG_OT_remove_channel)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(CLASSES)  # pyright: ignore[reportGeneralTypeIssues]

_TIMERS = (_settle, _start_emotion, _finish_emotion)


def _handlers() -> list[tuple[Any, Any]]:
    handlers: Any = bpy.app.handlers
    return [
        (handlers.save_pre, _settle_before_saving),
        (handlers.undo_post, _settle_after_undo),
        (handlers.redo_post, _settle_after_undo),
    ]


def register() -> None:
    """Register the operators and let takes follow the sliders."""
    _register_classes()
    session.on_slider, session.on_emotion = follow_sliders, follow_emotion
    for handlers, function in _handlers():
        handlers.append(function)


def unregister() -> None:
    """Take back what ``register`` did, and any timer that still waits."""
    session.on_slider = session.on_emotion = None
    for handlers, function in _handlers():
        handlers.remove(function)
    for timer in _TIMERS:
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    _waiting.clear()
    _drags.clear()
    _unregister_classes()
