# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the chosen take follow the sliders.

While a slider is dragged in a window, the keys of the take are moved in place, which is fast; once it rests they are placed
again, and the take is then the same as if it were generated with these settings. Until then it is marked as a draft, so
that saving, undo and redo finish it as well. For scripts without a window every change is exact at once. The model only
runs if an emotion has changed that only its graph can show, and then in the background.
"""

from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..animation.curves import ChannelCurves
from ..animation.life.cues import Cue
from ..animation.rig.mapping import Mapping, apply_mapping
from ..blender import scene as scenes
from ..blender import sounds
from ..blender.drafts import LiveTake
from ..blender.registering import make_registration
from ..errors import Cancelled, VoxrigError
from ..properties.access import scene_settings
from ..properties.models import chosen_model, shown_emotions
from ..properties.session import session
from ..properties.settings import read_settings, read_sound_choice, sliders_differ
from ..properties.takes import active_take, read_take
from ..takes.emotion import EmotionTrack, put_on
from ..takes.feeling import with_effort, with_feelings
from ..takes.hearing import recall
from ..takes.job import Job, live_parts, recall_take
from ..takes.living import Surroundings, with_life
from ..takes.record import SoundStrip
from ..takes.settings import TakeSettings
from ..takes.shaping import Place, Take, find_tolerances, frame_range, perform_styled, sample_at_frames, shift_by_lead
from ..takes.sources import Description, Heard
from .animate import find_strip, pin_reach, start_take, write
from .background import Work
from .base import VoxrigOperator, redraw_panel
from .later import QuietWork, Waiting
from .preview_frame import refresh_look
from .takes import gather_settings

# A slider is at rest after this many seconds.
_REST_SECONDS = 0.25
# And an emotion that needs the model after these.
_EMOTION_REST_SECONDS = 0.4


def gather_live(scene: bpy.types.Scene) -> Job | None:
    """Gather the job for the chosen take to follow the sliders, or None if they do not belong to it.

    They belong to it while the scene still names its sound and model. Raises VoxrigError.
    """
    settings = scene_settings(scene)
    stored = active_take(settings.character)
    model = chosen_model(settings)
    if not settings.live_update or session.run is not None or stored is None or model is None:
        return None
    record = read_take(stored)
    if record.sound != read_sound_choice(scene) or record.model_folder != model.folder:
        return None
    return gather_settings(scene, settings.character, stored, record, read_settings(scene))


def follow_sliders(scene: bpy.types.Scene) -> bool:
    """Apply the sliders to the chosen take from cached curves; no model runs. Errors are shown below the sliders.

    Returns False if the model would have to run.
    """
    session.trouble = ""
    try:
        if session.is_looking:
            return refresh_look(scene)
        if bpy.app.background or not drag(scene):
            return place_again(scene)
        _settling.call(scene)
    except VoxrigError as error:
        session.trouble = str(error)
    return True


def place_again(scene: bpy.types.Scene) -> bool:
    """Place the keys of the chosen take exactly for the current sliders.

    Returns False, with nothing changed, if the model would have to run. Raises VoxrigError.
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
    """The output of one model at scene frames, before any slider."""

    heard: Heard
    description: Description
    sampled: ChannelCurves
    energy: NDArray[np.float64] | None
    mapping: Mapping
    place: Place
    surroundings: Surroundings
    felt: tuple[Any, ChannelCurves] | None = None
    """The same with the emotion last used, which most sliders leave unchanged."""


@dataclass
class _Drag:
    """The take that follows, as long as everything in ``basis`` stays the same."""

    basis: tuple[Any, ...]
    placed: tuple[Any, ...]
    parts: list[_Part]
    frames: NDArray[np.float64]
    tolerances: NDArray[np.float64]
    keys: LiveTake
    cues: tuple[Cue, ...] = ()


_drags: list[_Drag] = []
"""The last drag, or empty."""


def drag(scene: bpy.types.Scene) -> bool:
    """Move the keys of the chosen take to the sliders. Returns False, with nothing changed, if they must be placed again.

    The result misses the sliders' take by at most a few tolerances, except for curves with the artist's keys. Raises
    VoxrigError.
    """
    basis = _basis(scene)
    settings = read_settings(scene)
    if not _drags or _drags[0].basis != basis:
        _drags.clear()
        opened = _open_drag(scene, basis)
        if opened is None:
            return False
        _drags.append(opened)
    held = _drags[0]
    settings = replace(settings, cues=held.cues)
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
    """Return everything that a take depends on besides the sliders."""
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


def _fixed(settings: TakeSettings, parts: list[_Part]) -> tuple[Any, ...]:
    """Return the settings that moving keys cannot follow: key placement, and emotions that only a model's graph can show."""
    placing = (
        *(settings.density, settings.keys, settings.key_step, settings.key_phase, settings.lead_seconds),
        settings.life > 0.0,  # a head that begins to live has further controls
        settings.effort,  # the mouth of what was heard is computed once
        settings.feel > 0.0,  # feelings need the events of the sound
        settings.look_at,
    )
    if all(part.heard.energy is not None for part in parts):
        return placing
    return *placing, *(EmotionTrack(settings, part.place.start_frame, part.place.frames_per_second).key() for part in parts)


def _open_drag(scene: bpy.types.Scene, basis: tuple[Any, ...]) -> _Drag | None:
    job = gather_live(scene)
    stored = active_take(scene_settings(scene).character)
    if job is None or stored is None or job.scope.fade_frames > 0:
        return None
    parts: list[_Part] = []
    targets: list[Any] = []
    tolerances: list[float] = []
    heards = [recall(part.source) for part in live_parts(job)]
    known = [heard for heard in heards if heard is not None]
    if len(known) < len(heards):
        return None
    first, last = frame_range(known, job.place, job.scope)
    frames = np.arange(first, last + 1, dtype=np.float64)
    for part, heard in zip(live_parts(job), known):
        curves = shift_by_lead(with_effort(heard, part.source.describe(), job.settings), job.settings, heard.seconds_before)
        sampled = sample_at_frames(curves, job.place, first, last)
        energy = None
        if heard.energy is not None:
            rows = (
                sampled.start_seconds + np.arange(frames.size) / sampled.frame_rate - curves.start_seconds
            ) * curves.frame_rate
            energy = np.interp(rows, np.arange(heard.energy.size), heard.energy)
        links = tuple(link for link in part.mapping.links if part.targets is None or link.target in part.targets)
        mapping = Mapping(links)
        chosen = apply_mapping(mapping, with_life(sampled, heard, job.emotion, part.surroundings)).targets
        targets += chosen
        tolerances += find_tolerances(part, job.settings, chosen)
        parts.append(_Part(heard, part.source.describe(), sampled, energy, mapping, job.place, part.surroundings))
    keys = LiveTake(stored.mark, targets, frames, pin_reach(job.place.frames_per_second))
    placed = _fixed(read_take(stored).settings, parts)
    return _Drag(basis, placed, parts, frames, np.array(tolerances), keys, job.settings.cues)


def _sample(part: _Part, settings: TakeSettings, frames: NDArray[np.float64]) -> NDArray[np.float32]:
    """Compute the targets of a part with these settings, ``[frame, target]``.

    The sliders work on scene frames here, but on the model's own where keys are placed; the difference is in how fast movements
    are blended, and too small to be seen while a slider moves.
    """
    curves = part.sampled
    place = part.place
    track = EmotionTrack(settings, place.start_frame, place.frames_per_second, place.styles)
    track = with_feelings(track, part.heard)
    if part.energy is not None and not track.is_neutral():
        emotion = track.key()
        if part.felt is None or part.felt[0] != emotion:
            part.felt = emotion, put_on(curves, track.at(part.description.emotions, frames), part.energy)
        curves = part.felt[1]
    performed = perform_styled(curves, track, part.description)
    return apply_mapping(part.mapping, with_life(performed, part.heard, track, part.surroundings)).values


# ---------------------------------------------------------------------------------------------------------------
# Once it rests


def _settle(scene: bpy.types.Scene) -> None:
    settle(scene)
    redraw_panel(bpy.context)


_settling = Waiting(_settle, _REST_SECONDS)


def settle(scene: bpy.types.Scene) -> None:
    """Place the keys of the chosen take again if it is still a draft. Errors are shown below the sliders."""
    stored = active_take(scene_settings(scene).character)
    if stored is None or not stored.is_draft:
        return
    try:
        place_again(scene)
    except VoxrigError as error:
        session.trouble = str(error)


@bpy.app.handlers.persistent
def _settle_before_saving(*_arguments: Any) -> None:
    for scene in bpy.data.scenes:
        settle(scene)


@bpy.app.handlers.persistent
def _settle_after_undo(*_arguments: Any) -> None:
    """Settle after undo and redo, which may lead to a state where a slider had just been released; their own work must be over
    before keys are placed."""
    _drags.clear()
    for scene in bpy.data.scenes:
        stored = active_take(scene_settings(scene).character)
        if stored is not None and stored.is_draft:
            if bpy.app.background:
                settle(scene)
            else:
                _settling.call(scene, 0.0)


# ---------------------------------------------------------------------------------------------------------------
# Emotions


def follow_emotion(scene: bpy.types.Scene) -> None:
    """Let the take follow the emotion sliders.

    Like any slider, if emotions can be applied to the cached curves; else the model runs in the background once they rest.
    Scripts without a window call ``apply_settings`` instead.
    """
    if not follow_sliders(scene) and not bpy.app.background:
        _emotion_work.call(scene)


def _begin_emotion(scene: bpy.types.Scene) -> Work[Job, Take] | None:
    session.trouble = ""
    try:
        job = gather_live(scene)
    except VoxrigError as error:
        session.trouble = str(error)
        return None
    return start_take(job) if job is not None else None


def _finish_emotion(scene: bpy.types.Scene | None, work: Work[Job, Take]) -> None:
    redraw_panel(bpy.context)
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


_emotion_work = QuietWork(_begin_emotion, _finish_emotion, _EMOTION_REST_SECONDS, is_shown=True)
"""The task that brings a new emotion into the take."""


class VOXRIG_OT_add_channel(VoxrigOperator):
    """Give one more channel of the model its own multiplier and offset"""

    bl_idname = "voxrig.add_channel"
    bl_label = "Add Channel"
    bl_options = {"REGISTER", "UNDO"}

    def run(self, context: Any) -> None:
        """Add a row; its channel must still be chosen."""
        settings = scene_settings(context.scene)
        settings.channels.add()
        settings.active_channel = len(settings.channels) - 1


class VOXRIG_OT_remove_channel(VoxrigOperator):
    """Reset the channel to the model's output"""

    bl_idname = "voxrig.remove_channel"
    bl_label = "Remove Channel"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a channel in the list."""
        return None if len(scene_settings(context.scene).channels) else "There is no channel in the list"

    def run(self, context: Any) -> None:
        """Remove the active row; the chosen take follows."""
        settings = scene_settings(context.scene)
        settings.channels.remove(settings.active_channel)
        settings.active_channel = max(0, min(settings.active_channel, len(settings.channels) - 1))
        follow_sliders(context.scene)


CLASSES = (VOXRIG_OT_add_channel, VOXRIG_OT_remove_channel)
_register_classes, _unregister_classes = make_registration(CLASSES)


def emotion_keys(scene: bpy.types.Scene) -> tuple[Any, ...]:
    """Return the keys on the emotion sliders of a scene. Cheap."""
    settings = scene_settings(scene)
    holders = [(item, "weight") for item in shown_emotions(settings)] + [(settings, "emotion_intensity")]
    return tuple(scenes.describe_animated(scene, holder.path_from_id(name)) for holder, name in holders)


def follow_keys(scene: bpy.types.Scene) -> None:
    """Let the chosen take follow the keys on the emotion sliders if these have changed since the last call."""
    keys = emotion_keys(scene)
    if _emotion_keys.get(scene.name) != keys:
        _emotion_keys[scene.name] = keys
        if sliders_differ(scene):
            follow_emotion(scene)


_emotion_keys: dict[str, tuple[Any, ...]] = {}
"""The keys on the emotion sliders when they were last looked at, by the scene's name."""
_keys_rest = Waiting(follow_keys, _REST_SECONDS)


@bpy.app.handlers.persistent
def _notice_keys(scene: bpy.types.Scene, depsgraph: Any) -> None:
    """Notice keys on the sliders: setting one calls no other function. What follows must not run inside Blender's update."""
    if bpy.app.background or session.run is not None or not scene_settings(scene).live_update:
        return
    if scene.animation_data is None or scene.animation_data.action is None:
        return
    if depsgraph.id_type_updated("ACTION") and _emotion_keys.get(scene.name) != emotion_keys(scene):
        _keys_rest.call(scene)


def _handlers() -> list[tuple[Any, Any]]:
    handlers: Any = bpy.app.handlers
    return [
        (handlers.save_pre, _settle_before_saving),
        (handlers.undo_post, _settle_after_undo),
        (handlers.redo_post, _settle_after_undo),
        (handlers.depsgraph_update_post, _notice_keys),
    ]


def register() -> None:
    """Register the operators and let takes follow the sliders."""
    _register_classes()
    session.on_slider, session.on_emotion = follow_sliders, follow_emotion
    for handlers, function in _handlers():
        handlers.append(function)


def unregister() -> None:
    """Undo ``register``, and stop waiting timers."""
    session.on_slider = session.on_emotion = None
    for handlers, function in _handlers():
        handlers.remove(function)
    _settling.cancel()
    _keys_rest.cancel()
    _emotion_keys.clear()
    _emotion_work.cancel()
    _drags.clear()
    _unregister_classes()
