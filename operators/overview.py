# SPDX-License-Identifier: GPL-3.0-or-later
"""What the waveform strip shows of a take that this session has not generated, such as after a file was opened."""

from typing import Any

import bpy

from ..errors import Cancelled, VoxrigError
from ..properties import active_take, scene_settings, session
from .animate import start_take
from .background import Work
from .base import redraw_animation_editors
from .takes import gather_update

_POLL_SECONDS = 0.1


class _Seeing:
    """The take that is being listened to again."""

    scene: str = ""
    record: str = ""
    work: Work[Any, Any] | None = None


_seeing = _Seeing()


def see_take(scene: bpy.types.Scene) -> None:
    """Listen to the chosen take's sound again in the background and remember its overview; nothing in the file changes.

    Cheap, and safe to call while drawing. A take that cannot be heard any more is remembered as None.
    """
    if not bpy.app.timers.is_registered(_start) and not bpy.app.timers.is_registered(_finish):
        _seeing.scene = scene.name
        bpy.app.timers.register(_start, first_interval=_POLL_SECONDS)


def _start() -> float | None:
    if session.run is not None:
        return _POLL_SECONDS
    scene = bpy.data.scenes.get(_seeing.scene)
    character_object = scene_settings(scene).character if scene is not None else None
    stored = active_take(character_object)
    if scene is None or character_object is None or stored is None or stored.record in session.overviews:
        return None
    _seeing.record = stored.record
    try:
        job, _record = gather_update(scene, character_object, stored)
    except VoxrigError:
        session.remember_overview(_seeing.record, None)
        return None
    _seeing.work = start_take(job)
    _seeing.work.start()
    bpy.app.timers.register(_finish, first_interval=_POLL_SECONDS)
    return None


def _finish() -> float | None:
    work: Any = _seeing.work
    if work.is_alive():
        return _POLL_SECONDS
    _seeing.work = None
    try:
        overview = work.result().overview
    except (VoxrigError, Cancelled):
        overview = None
    session.remember_overview(_seeing.record, overview)
    redraw_animation_editors(bpy.context)
    return None


def register() -> None:
    """Let the strip ask for what it lacks."""
    session.on_unseen_take = see_take


def unregister() -> None:
    """Stop what goes on and forget all overviews."""
    session.on_unseen_take = None
    if _seeing.work is not None:
        _seeing.work.state.cancelled = True
        _seeing.work = None
    for timer in (_start, _finish):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    session.overviews.clear()
