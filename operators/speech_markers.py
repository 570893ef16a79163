# SPDX-License-Identifier: GPL-3.0-or-later
"""Timeline markers of what is heard in the chosen take's voice: where phrases begin and end, and the accents in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bpy

from ..blender.registering import make_registration
from ..errors import ModelError
from ..properties.access import scene_settings
from ..properties.session import Run
from ..properties.takes import active_take
from ..takes.hearing import hear
from ..takes.job import Job
from .background import BackgroundOperator, Work
from .base import NO_CHARACTER
from .markers import write_speech_markers
from .takes import find_take, gather_update

if TYPE_CHECKING:
    from ..animation.speech.events import SpeechEvents

_RATE = 16_000


def find_speech_events(
    job: Job, on_progress: Callable[[float], None] | None = None, is_cancelled: Callable[[], bool] | None = None
) -> SpeechEvents:
    """Find the events of speech in the sound of a job's chosen model. Raises VoxrigError and Cancelled.

    Those of a take that lives are known; without life they are found by loudness and pitch alone.
    """
    from ..animation.speech.events import find_events

    source = job.parts[0].source
    if source.sound is None:
        raise ModelError("A take from a file of curves has no sound to listen to; choose another take")
    heard = hear(source, on_progress or (lambda _fraction: None), is_cancelled)
    if heard.speech is not None:
        return heard.speech
    return find_events(source.sound.open(_RATE).samples, _RATE, heard.phones)


def mark_speech(scene: bpy.types.Scene, job: Job, speech: SpeechEvents) -> int:
    """Write the markers of a take's phrases and accents instead of those in its frames, and return how many there are."""

    def frame(seconds: float) -> int:
        return round(job.place.frame_of(seconds))

    events = [
        *((frame(phrase.start), "phrase") for phrase in speech.phrases),
        *((frame(phrase.end), "pause") for phrase in speech.phrases),
        *((frame(accent.seconds), "accent") for accent in speech.accents),
    ]
    return write_speech_markers(scene, job.character, sorted(events), frame(0.0) - 1, frame(speech.duration) + 1)


class VOXRIG_OT_speech_markers(BackgroundOperator):
    """Write markers into the timeline where phrases begin and pauses follow, and on the accents. Your own markers stay"""

    bl_idname = "voxrig.speech_markers"
    bl_label = "Phrase Markers"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a take, and no other running task."""
        character_object = scene_settings(context.scene).character
        if character_object is None:
            return NO_CHARACTER
        if active_take(character_object) is None:
            return "There is no take yet; animate the character first"
        return super().disabled_reason(context)

    def gather(self, scene: bpy.types.Scene) -> Job:
        """Gather the chosen take. Raises VoxrigError."""
        character_object = scene_settings(scene).character
        return gather_update(scene, character_object, find_take(character_object))[0]

    def start(self, job: Job) -> Work[Job, SpeechEvents]:
        """Prepare to listen."""
        return Work(job, Run(job.character), find_speech_events)

    def finish(self, scene: bpy.types.Scene, job: Job, result: SpeechEvents, /) -> None:
        """Write the markers and report how many there are."""
        self.report({"INFO"}, f"{mark_speech(scene, job, result)} markers written")


CLASSES = (VOXRIG_OT_speech_markers,)
register, unregister = make_registration(CLASSES)
