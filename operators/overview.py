# SPDX-License-Identifier: GPL-3.0-or-later
"""The overview behind the waveform strip of a take that this session has not generated, for example after opening a file."""

from typing import Any

import bpy

from ..errors import Cancelled, VoxrigError
from ..properties.access import scene_settings
from ..properties.session import session
from ..properties.takes import active_take
from .animate import start_take
from .background import Work
from .base import redraw_animation_editors
from .later import POLL_SECONDS, QuietWork
from .takes import gather_update


def see_take(scene: bpy.types.Scene) -> None:
    """Listen to the chosen take's sound again in the background and store its overview; nothing in the file changes.

    It is cheap and safe to call while drawing. A take that can no longer be heard is stored as None.
    """
    if not _seeing.is_pending:
        _seeing.call(scene)


def _begin(scene: bpy.types.Scene) -> Work[Any, Any] | None:
    character_object = scene_settings(scene).character
    stored = active_take(character_object)
    if character_object is None or stored is None or stored.record in session.overviews:
        return None
    try:
        job, _record = gather_update(scene, character_object, stored)
    except VoxrigError:
        session.remember_overview(stored.record, None)
        return None
    _records[:] = [stored.record]
    return start_take(job)


def _finish(_scene: Any, work: Work[Any, Any]) -> None:
    try:
        overview = work.result().overview
    except (VoxrigError, Cancelled):
        overview = None
    session.remember_overview(_records[0], overview)
    redraw_animation_editors(bpy.context)


_records: list[str] = []
"""The record of the take that is being heard, or empty."""
_seeing = QuietWork(_begin, _finish, POLL_SECONDS, is_shown=False)


def register() -> None:
    """Let the strip request missing overviews."""
    session.on_unseen_take = see_take


def unregister() -> None:
    """Stop running work and forget all overviews."""
    session.on_unseen_take = None
    _seeing.cancel()
    session.overviews.clear()
