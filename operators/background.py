# SPDX-License-Identifier: GPL-3.0-or-later
"""Long tasks: at once for scripts, in a thread with progress and Esc in a window; Blender's data stays on the main thread."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import bpy

from ..errors import Cancelled, VoxrigError
from ..properties.session import Run, session
from .base import VoxrigOperator, redraw_panel

AnyJob = TypeVar("AnyJob")
Result = TypeVar("Result")
Compute = Callable[[AnyJob, Callable[[float], None] | None, Callable[[], bool] | None], Result]


class Work(threading.Thread, Generic[AnyJob, Result]):
    """``compute(job, on_progress, is_cancelled)`` in a separate thread. ``result`` returns its result once it has ended."""

    def __init__(self, job: AnyJob, state: Run, compute: Compute[AnyJob, Result]) -> None:
        super().__init__(name="Voxrig", daemon=True)
        self.job = job
        self.state = state
        self._compute = compute
        self._result: Result | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Compute; Python calls this in the thread."""

        def show(fraction: float) -> None:
            self.state.progress = fraction

        try:
            self._result = self._compute(self.job, show, lambda: self.state.cancelled)
        except BaseException as error:  # raised again on the main thread, by ``result``
            self._error = error

    def result(self) -> Result:
        """Return the result. Raises the exception of ``compute``, or Cancelled if it was stopped too late to notice."""
        if self._error is not None:
            raise self._error
        if self.state.cancelled or self._result is None:
            raise Cancelled
        return self._result


class BackgroundOperator(VoxrigOperator):
    """Base of operators that gather on the main thread, compute anywhere and finish on the main thread."""

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Refuse while another task runs."""
        if session.run is not None:
            return f"'{session.run.character}' is being {session.run.doing}: wait, or press Esc to stop"
        return None

    def gather(self, scene: bpy.types.Scene) -> Any:
        """Gather the data to compute with. Raises VoxrigError."""
        raise NotImplementedError

    def start(self, job: Any) -> Work[Any, Any]:
        """Prepare the work on ``job``, not yet started."""
        raise NotImplementedError

    def finish(self, scene: bpy.types.Scene, job: Any, result: Any, /) -> None:
        """Write and report the result."""
        raise NotImplementedError

    def run(self, context: Any) -> None:
        """Do all three steps at once, for scripts, tests and redo."""
        job = self.gather(context.scene)
        work = self.start(job)
        work.run()
        self.finish(context.scene, job, work.result())

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Gather now, compute in a thread, write when it is done."""
        if bpy.app.background:
            return self.execute(context)
        outcome = self.guard(self._start, context.scene)
        if outcome != {"FINISHED"}:
            return outcome
        self._timer = context.window_manager.event_timer_add(0.1, window=context.window)
        context.window_manager.modal_handler_add(self)
        redraw_panel(context)
        return {"RUNNING_MODAL"}

    def _start(self, scene: bpy.types.Scene) -> None:
        self._work = self.start(self.gather(scene))
        self._scene_name = scene.name
        session.run = self._work.state
        self._work.start()

    def modal(self, context: Any, event: bpy.types.Event) -> Any:
        """Show progress; Esc stops; all other events pass through."""
        if event.type == "ESC" and event.value == "PRESS":
            self._work.state.cancelled = True
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        redraw_panel(context)
        if self._work.is_alive():
            return {"PASS_THROUGH"}
        self._end(context)
        return self.guard(self._write)

    def _write(self) -> None:
        result = self._work.result()
        # Undo and redo during the work may have replaced the scene that it was started from.
        scene = bpy.data.scenes.get(self._scene_name)
        if scene is None:
            raise VoxrigError(f"The scene '{self._scene_name}' is gone; start again from another one")
        self.finish(scene, self._work.job, result)

    def cancel(self, context: Any) -> None:
        """Stop without writing when Blender closes the window or opens another file."""
        self._work.state.cancelled = True
        self._end(context)

    def _end(self, context: Any) -> None:
        session.run = None
        context.window_manager.event_timer_remove(self._timer)
        redraw_panel(context)
