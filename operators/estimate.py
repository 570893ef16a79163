# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimate how many keys a take would have and how far they would stray, before anything is written."""

from dataclasses import replace
from typing import Any

import bpy

from ..blender.registering import make_registration
from ..errors import VoxrigError
from ..properties.access import scene_settings
from ..properties.session import Estimate, session
from ..properties.settings import estimate_basis
from ..takes.hearing import recall
from ..takes.job import Job, recall_take
from ..takes.shaping import Take, frame_range
from .animate import GeneratingOperator, gather_from_scene, why_not_animate
from .base import redraw_panel
from .later import Waiting

# A longer take is estimated from its beginning, so that sliders stay fast.
_SECONDS = 60.0
_REST_SECONDS = 0.3


def estimate_keys(scene: bpy.types.Scene) -> str:
    """Estimate the next take: keys a second, and the largest distance from the model's curves.

    It uses what this session has already heard, so no model runs; '' if one would have to. Of a take longer than a minute its
    first minute counts. Raises VoxrigError like ``gather``.
    """
    take = recall_take(_shorten(gather_from_scene(scene)))
    return take.density() if take is not None else ""


def _shorten(job: Job) -> Job:
    heard = recall(job.parts[0].source)
    if heard is None:
        return job
    first, last = frame_range((heard,), job.place, job.scope)
    last = min(last, first + round(_SECONDS * job.place.frames_per_second))
    return replace(job, scope=replace(job.scope, first_frame=first, last_frame=last))


def refresh_estimate(scene: bpy.types.Scene) -> None:
    """Store the estimate for the panel, or that there is none."""
    try:
        text = estimate_keys(scene)
    except VoxrigError:
        text = ""  # errors are shown where the cause is chosen
    session.estimate = Estimate(estimate_basis(scene), text)


def _refresh(scene: bpy.types.Scene) -> None:
    refresh_estimate(scene)
    redraw_panel(bpy.context)


_waiting = Waiting(_refresh, _REST_SECONDS)


def _refresh_later(scene: bpy.types.Scene) -> None:
    """Refresh after a slider has moved: at once without a window, else when it rests."""
    if bpy.app.background:
        refresh_estimate(scene)
    else:
        _waiting.call(scene)


class VOXRIG_OT_estimate_keys(GeneratingOperator):
    """Estimate how many keyframes there would be and how far they would stray. Writes nothing"""

    bl_idname = "voxrig.estimate_keys"
    bl_label = "Estimate Keys"
    bl_options = {"REGISTER"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Return what must still be chosen."""
        return super().disabled_reason(context) or why_not_animate(scene_settings(context.scene))

    def gather(self, scene: bpy.types.Scene) -> Job:
        """Gather with the scene's settings."""
        return gather_from_scene(scene)

    def finish(self, scene: bpy.types.Scene, job: Job, take: Take) -> None:
        """Show the estimate."""
        refresh_estimate(scene)
        self.report({"INFO"}, take.density())


CLASSES = (VOXRIG_OT_estimate_keys,)
_register_classes, _unregister_classes = make_registration(CLASSES)


def register() -> None:
    """Register the operator and let the estimate follow the sliders."""
    _register_classes()
    session.on_estimate = _refresh_later


def unregister() -> None:
    """Undo ``register``, and stop a waiting timer."""
    session.on_estimate, session.estimate = None, None
    _waiting.cancel()
    _unregister_classes()
