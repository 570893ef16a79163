# SPDX-License-Identifier: GPL-3.0-or-later
"""A pose that changes all the time, over whatever plays: shown without keys, and taken back when it ends.

While it is shown, files are saved and undo steps are left without it: both see the values from before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from ..errors import RigError
from . import rigs
from .poses import Pose, read_pose, set_pose, set_what_is_left

_SAME = 1e-6


class LivePose:
    """Values that are shown until ``end``. One at a time; ``on_end`` is called where Blender ends it."""

    def __init__(self, on_end: Callable[[str], None]) -> None:
        self._on_end = on_end
        self._before: Pose = {}
        self._shown: Pose = {}
        self._is_open = False

    def begin(self) -> None:
        """Follow frame changes, saving, undo and the end of the file from now on."""
        self._is_open = True
        for handlers, function in self._handlers():
            handlers.append(function)

    def show(self, pose: Pose) -> None:
        """Show values, which are those of one character each time. Raises RigError for a target that is gone or linked."""
        self._before.update(read_pose([target for target in pose if target not in self._before]))
        left = {target: value for target, value in self._before.items() if target not in pose and target in self._shown}
        set_pose(pose)
        set_what_is_left(left)
        for target in left:
            del self._before[target]
        self._shown = dict(pose)

    def end(self, scene: Any | None = None) -> None:
        """Take everything back: values from before, and of what is animated the value of the current frame."""
        if not self._is_open:
            return
        self._is_open = False
        for handlers, function in self._handlers():
            if function in handlers:
                handlers.remove(function)
        self._take_back()
        self._before.clear()
        if scene is not None:
            scene.frame_set(scene.frame_current, subframe=scene.frame_subframe)

    def _take_back(self) -> None:
        set_what_is_left(self._before)
        self._shown = {}

    def _handlers(self) -> list[tuple[Any, Any]]:
        handlers: Any = bpy.app.handlers
        return [
            (handlers.frame_change_post, self._after_frame),
            (handlers.save_pre, self._step_aside),
            (handlers.undo_pre, self._step_aside),
            (handlers.redo_pre, self._step_aside),
            (handlers.undo_post, self._forget),
            (handlers.redo_post, self._forget),
            (handlers.load_pre, self._end_by_file),
            (handlers.render_init, self._end_by_render),
        ]

    # A handler bound to an object is not persistent: Blender drops it when another file is opened, as it should.
    def _after_frame(self, *_arguments: Any) -> None:
        """Put the pose over what the frame has set, whose values are those to go back to."""
        for target, shown in list(self._shown.items()):
            try:
                value = rigs.resolve(target).value
            except RigError:
                continue
            if abs(value - shown) > _SAME:
                self._before[target] = value
        set_what_is_left(self._shown)

    def _step_aside(self, *_arguments: Any) -> None:
        self._take_back()

    def _forget(self, *_arguments: Any) -> None:
        # The step has its own values; they are read again with the next face.
        self._before.clear()

    def _end_by_file(self, *_arguments: Any) -> None:
        self._on_end("Another file was opened")

    def _end_by_render(self, *_arguments: Any) -> None:
        self._on_end("A render has begun")
