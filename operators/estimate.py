# SPDX-License-Identifier: GPL-3.0-or-later
"""How many keys a take would have and how far they would stray, before anything is written."""

from dataclasses import replace
from typing import Any

import bpy

from ..errors import VoxrigError
from ..properties import Estimate, estimate_basis, scene_settings, session
from .animate import GeneratingOperator, Job, Take, frame_range, gather_from_scene, recall, recall_take, why_not_animate
from .base import redraw_panel

# A longer take is estimated from its beginning, so that sliders stay quick.
_SECONDS = 60.0
_REST_SECONDS = 0.3


def estimate_keys(scene: bpy.types.Scene) -> str:
    """What the next take would have: keys a second, and the largest distance from the model's curves.

    From what this session has heard, so no model runs: '' where one would have to. Of a take longer than a minute its first
    minute counts. Raises VoxrigError as ``gather`` does.
    """
    take = recall_take(_shorten(gather_from_scene(scene)))
    return take.density() if take is not None else ""


def _shorten(job: Job) -> Job:
    heard = recall(job)
    if heard is None:
        return job
    first, last = frame_range(job, heard)
    scope = replace(job.scope, first_frame=first, last_frame=min(last, first + round(_SECONDS * job.frames_per_second)))
    return replace(job, scope=scope, others=tuple(replace(other, scope=scope) for other in job.others))


def refresh_estimate(scene: bpy.types.Scene) -> None:
    """Note the estimate for the panel to show, or that there is none."""
    try:
        text = estimate_keys(scene)
    except VoxrigError:
        text = ""  # what is wrong shows where it is chosen
    session.estimate = Estimate(estimate_basis(scene), text)


_waiting: list[str] = []


def _refresh_later(scene: bpy.types.Scene) -> None:
    """After a slider has moved: at once without a window, else when it rests."""
    if bpy.app.background:
        refresh_estimate(scene)
        return
    if bpy.app.timers.is_registered(_refresh):
        bpy.app.timers.unregister(_refresh)
    _waiting[:] = [scene.name]
    bpy.app.timers.register(_refresh, first_interval=_REST_SECONDS)


def _refresh() -> None:
    scene = bpy.data.scenes.get(_waiting[0])
    if scene is not None:
        refresh_estimate(scene)
        redraw_panel(bpy.context)


class VOXRIG_OT_estimate_keys(GeneratingOperator):
    """Listen to the sound and say how many keyframes there would be and how far they would stray. Writes nothing"""

    bl_idname = "voxrig.estimate_keys"
    bl_label = "Estimate Keys"
    bl_options = {"REGISTER"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """What is still to be chosen."""
        return super().disabled_reason(context) or why_not_animate(scene_settings(context.scene))

    def gather(self, scene: bpy.types.Scene) -> Job:
        """What the scene's settings say."""
        return gather_from_scene(scene)

    def finish(self, scene: bpy.types.Scene, job: Job, take: Take) -> None:
        """Show it."""
        refresh_estimate(scene)
        self.report({"INFO"}, take.density())


CLASSES = (VOXRIG_OT_estimate_keys,)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(CLASSES)  # pyright: ignore[reportGeneralTypeIssues]


def register() -> None:
    """Register the operator and let the estimate follow the sliders."""
    _register_classes()
    session.on_estimate = _refresh_later


def unregister() -> None:
    """Take back what ``register`` did, and the timer if it still waits."""
    session.on_estimate, session.estimate = None, None
    if bpy.app.timers.is_registered(_refresh):
        bpy.app.timers.unregister(_refresh)
    _unregister_classes()
