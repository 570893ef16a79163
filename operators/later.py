# SPDX-License-Identifier: GPL-3.0-or-later
"""Delayed work: until a slider rests, or until a thread has ended. All of Blender's timers are here.

Every delay belongs to a scene by name, because a timer must not hold Blender's data.
"""

from collections.abc import Callable
from typing import Any

import bpy

from ..properties.session import session
from .background import Work

POLL_SECONDS = 0.1


class Waiting:
    """A function of a scene that is called later, once for any number of calls during the delay."""

    def __init__(self, function: Callable[[Any], None], seconds: float, *, needs_rest: bool = True) -> None:
        """Set the delay in ``seconds``; with ``needs_rest`` each further call starts the delay again."""
        self._function, self._seconds, self._needs_rest = function, seconds, needs_rest
        self._scene = ""
        # Blender knows a timer by the very object, and every look at a bound method makes another one.
        self._timer = self._run

    @property
    def is_pending(self) -> bool:
        """Whether it waits."""
        return bpy.app.timers.is_registered(self._timer)

    def call(self, scene: bpy.types.Scene, seconds: float | None = None) -> None:
        """Call the function after the delay."""
        if self.is_pending:
            if not self._needs_rest:
                return
            bpy.app.timers.unregister(self._timer)
        self._scene = scene.name
        bpy.app.timers.register(self._timer, first_interval=self._seconds if seconds is None else seconds)

    def cancel(self) -> None:
        """Cancel the delayed call."""
        if self.is_pending:
            bpy.app.timers.unregister(self._timer)

    def _run(self) -> None:
        scene = bpy.data.scenes.get(self._scene)
        if scene is not None:
            self._function(scene)


class QuietWork:
    """A task in a thread without a button: started when nothing else runs, finished on the main thread.

    ``begin`` returns the work for a scene, or None if there is none; ``finish`` is called with the scene (None if it is gone)
    and the work. With ``is_shown`` the panel shows its progress and other tasks wait.
    """

    def __init__(
        self,
        begin: Callable[[Any], Work[Any, Any] | None],
        finish: Callable[[Any, Work[Any, Any]], None],
        seconds: float,
        *,
        is_shown: bool,
    ) -> None:
        self._begin, self._finish, self._is_shown = begin, finish, is_shown
        self._waiting = Waiting(self._start, seconds)
        self._scene = ""
        self._work: Work[Any, Any] | None = None
        self._timer = self._poll

    def call(self, scene: bpy.types.Scene) -> None:
        """Begin after the delay."""
        self._waiting.call(scene)

    @property
    def is_pending(self) -> bool:
        """Whether it waits or runs."""
        return self._waiting.is_pending or bpy.app.timers.is_registered(self._timer)

    def cancel(self) -> None:
        """Cancel the delay, and stop the thread without finishing."""
        self._waiting.cancel()
        if bpy.app.timers.is_registered(self._timer):
            bpy.app.timers.unregister(self._timer)
        if self._work is not None:
            self._work.state.cancelled = True
            self._work = None

    def _start(self, scene: bpy.types.Scene) -> None:
        if session.run is not None or self._work is not None:
            self._waiting.call(scene, POLL_SECONDS)
            return
        work = self._begin(scene)
        if work is None:
            return
        self._work, self._scene = work, scene.name
        if self._is_shown:
            session.run = work.state
        work.start()
        bpy.app.timers.register(self._timer, first_interval=POLL_SECONDS)

    def _poll(self) -> float | None:
        work = self._work
        if work is None:
            return None
        if work.is_alive():
            return POLL_SECONDS
        self._work = None
        if self._is_shown:
            session.run = None
        self._finish(bpy.data.scenes.get(self._scene), work)
        return None
