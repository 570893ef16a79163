# SPDX-License-Identifier: GPL-3.0-or-later
"""Preview the current frame with the sliders, without writing keyframes."""

from typing import Any

import bpy

from ..animation.rig.mapping import Target, apply_mapping
from ..blender import poses
from ..blender.registering import make_registration
from ..errors import RigError
from ..properties.access import scene_settings
from ..properties.session import Run, session
from ..takes.feeling import with_feelings
from ..takes.hearing import hear, recall
from ..takes.job import Job, compute, live_parts
from ..takes.living import with_life
from ..takes.shaping import perform_styled, sample_at_frames, with_emotion
from .animate import gather_from_scene, why_not_animate
from .background import BackgroundOperator, Work
from .base import redraw_panel

# Frames around the shown one, so that a closure is on the same frame as in a take.
_AROUND = 2


def look_at_frame(scene: bpy.types.Scene) -> None:
    """Pose the scene's character for the current frame by its sound and sliders, without keyframes.

    The model runs if this session has not heard the sound yet. Everything is restored as in ``poses.show_preview``, or by
    ``poses.end_preview``. Raises VoxrigError, changing nothing.
    """
    job = gather_from_scene(scene)
    for part in live_parts(job):
        hear(part.source, lambda _fraction: None)
    _show(job, scene.frame_current)


def refresh_look(scene: bpy.types.Scene) -> bool:
    """Show the current frame with the current sliders; returns False if a model would have to run. Raises VoxrigError."""
    job = gather_from_scene(scene)
    if any(recall(part.source) is None for part in live_parts(job)):
        return False
    _show(job, scene.frame_current)
    return True


def pose_at_frame(job: Job, frame: float) -> dict[Target, float]:
    """Return the values of the targets at a scene frame, if this session has the models' output for the sound."""
    pose: dict[Target, float] = {}
    for part in live_parts(job):
        heard = recall(part.source)
        if heard is None:
            raise RigError("The sound has changed meanwhile; look at the frame again")
        description = part.source.describe()
        track = with_feelings(job.emotion, heard)
        curves = perform_styled(with_emotion(heard, description, track), track, description)
        sampled = sample_at_frames(curves, job.place, round(frame) - _AROUND, round(frame) + _AROUND)
        shown = apply_mapping(part.mapping, with_life(sampled, heard, track, part.surroundings))
        values = zip(shown.targets, shown.values[_AROUND].tolist())
        pose.update((target, value) for target, value in values if part.targets is None or target in part.targets)
    return pose


def _show(job: Job, frame: float) -> None:
    poses.show_preview(pose_at_frame(job, frame), _forget_look)
    session.is_looking = True


def _forget_look() -> None:
    session.is_looking = False


def _hear(job: Job, on_progress: Any, is_cancelled: Any) -> Job:
    """Listen to the sound in the thread, as for a take, of which only the models' output is needed."""
    compute(job, on_progress, is_cancelled)
    return job


class VOXRIG_OT_look_at_frame(BackgroundOperator):
    """Pose the character for the current frame by the sliders, without writing keyframes.

    Sliders then change only this preview. It ends when you press it again, change the frame, save or leave the tab; everything
    goes back as it was
    """

    bl_idname = "voxrig.look_at_frame"
    bl_label = "Preview Frame"
    bl_options = {"REGISTER"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require the same as Animate from Audio."""
        return super().disabled_reason(context) or why_not_animate(scene_settings(context.scene))

    def gather(self, scene: bpy.types.Scene) -> Job:
        """Gather with the scene's settings."""
        return gather_from_scene(scene)

    def start(self, job: Job) -> Work[Job, Job]:
        """Prepare listening to the sound."""
        return Work(job, Run(job.character, doing="previewed"), _hear)

    def finish(self, scene: bpy.types.Scene, job: Job, result: Job) -> None:
        """Show the frame, with the current sliders."""
        refresh_look(scene)

    def run(self, context: Any) -> None:
        """Preview at once, for scripts and tests."""
        look_at_frame(context.scene)

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """End the preview, show cached curves at once, or listen first."""
        if session.is_looking:
            poses.end_preview()
            redraw_panel(context)
            return {"FINISHED"}
        known: list[bool] = []
        outcome = self.guard(lambda: known.append(refresh_look(context.scene)))
        if outcome != {"FINISHED"} or known[0]:
            return outcome
        return super().invoke(context, event)


CLASSES = (VOXRIG_OT_look_at_frame,)
register, unregister = make_registration(CLASSES)
