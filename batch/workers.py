# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker processes: each is the same Voxrig again, which reads units from its standard input until that closes.

A worker may die in any way: its unit goes to another one, and a line on which two have died is given up.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import VoxrigError
from .curves_line import Result
from .jobs import ROOT, Line, Unit
from .perform import Performer

MOST_ATTEMPTS = 2
STALL_SECONDS = 600.0
"""A worker that shows no sign of life for this long is ended."""


class WorkerError(VoxrigError):
    """Worker processes cannot be started."""


@dataclass(frozen=True)
class Finished:
    """A finished unit: the result of each line, its complete outputs by their temporary names, and the worker's memory."""

    unit: Unit
    results: tuple[Result, ...]
    files: Mapping[str, str]
    worker: int
    memory_mb: float | None


def count_workers(units: int) -> int:
    """Choose a number of workers that leaves the machine usable: three quarters of the cores of this process, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(units, cores - max(1, cores // 4)))


@dataclass
class _Task:
    unit: Unit
    attempts: dict[int, int] = field(default_factory=dict[int, int])
    given_up: dict[int, Result] = field(default_factory=dict[int, Result])


class _Worker:
    """One process, its unit, and its last sign of life."""

    def __init__(self, number: int, log: Path, options: Iterable[str], events: queue.Queue[tuple[_Worker, Any]]) -> None:
        self.number, self.log = number, log
        self.task: _Task | None = None
        self.partials: dict[str, str] = {}
        self.line: int | None = None
        self.seen = time.monotonic()
        self._log = open(log, "ab")  # noqa: SIM115 (open for the life of the process)
        command, environment = _worker_command()
        self.process = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def _listen(self, events: queue.Queue[tuple[_Worker, Any]]) -> None:
        output = self.process.stdout
        for text in output or ():
            # Blender prints all kinds of lines; ours begin like this.
            if text.startswith(_MARK):
                events.put((self, json.loads(text[len(_MARK) :])))
        self.process.wait()
        events.put((self, None))

    def give(self, task: _Task, partials: dict[str, str]) -> None:
        """Give the worker a unit."""
        self.task, self.partials, self.line, self.seen = task, partials, None, time.monotonic()
        lines = [asdict(line) for line in task.unit.lines if line.number not in task.given_up]
        try:
            if self.process.stdin is not None:
                self.process.stdin.write(json.dumps({"lines": lines, "partials": partials}) + "\n")
                self.process.stdin.flush()
        except OSError:
            pass  # it has just died, which its output will show

    def end(self) -> None:
        """End the worker now."""
        self.process.kill()
        self.process.wait()
        self._log.close()


def run_units(
    units: Iterable[Unit],
    count: int,
    *,
    log_folder: Path,
    options: Iterable[str],
    name_partials: Callable[[Unit], dict[str, str]],
    on_start: Callable[[Unit, int], None],
    on_end: Callable[[Finished], None],
    on_progress: Callable[[int, float], None],
    stall_seconds: float = STALL_SECONDS,
) -> None:
    """Have all units done by ``count`` processes; ``on_end`` is called once for each, in the order in which they end.

    ``options`` go to the workers, ``name_partials`` returns the temporary names of a unit's outputs for one attempt. All
    callbacks come from the calling thread; if one raises, or Ctrl-C does, the workers are ended. Raises WorkerError if one ends
    before any has answered.
    """
    waiting = deque(_Task(unit) for unit in units)
    later: deque[_Task] = deque()
    events: queue.Queue[tuple[_Worker, Any]] = queue.Queue()
    workers: list[_Worker] = []
    started = 0
    has_answered = False
    log_folder.mkdir(parents=True, exist_ok=True)

    def give_work(worker: _Worker) -> None:
        # Units that failed once come last, when everything else is safe.
        task = waiting.popleft() if waiting else later.popleft()
        on_start(task.unit, worker.number)
        worker.give(task, name_partials(task.unit))

    def finish(worker: _Worker, task: _Task, results: dict[int, Result], files: list[str], memory: float | None) -> None:
        worker.task = None
        all_results = {**results, **task.given_up}
        passing = [number for number, result in all_results.items() if result.passing and number not in task.given_up]
        for number in passing:
            task.attempts[number] = task.attempts.get(number, 0) + 1
        if any(task.attempts[number] < MOST_ATTEMPTS for number in passing):
            later.append(task)
            return
        kept = {worker.partials[file]: file for file in files}
        on_end(Finished(task.unit, tuple(all_results[line.number] for line in task.unit.lines), kept, worker.number, memory))

    def bury(worker: _Worker, why: str) -> None:
        workers.remove(worker)
        task, worker.task = worker.task, None
        worker.end()
        if task is None:
            return
        remaining = [line.number for line in task.unit.lines if line.number not in task.given_up]
        number = worker.line if worker.line in remaining else remaining[0]
        task.attempts[number] = task.attempts.get(number, 0) + 1
        if task.attempts[number] >= MOST_ATTEMPTS:
            task.given_up[number] = Result(number, f"{why}, {MOST_ATTEMPTS} times on this line", passing=True)
        if len(task.given_up) == len(task.unit.lines):
            finish(worker, task, {}, [], None)
        else:
            later.append(task)

    try:
        while waiting or later or any(worker.task for worker in workers):
            while len(workers) < count and len([w for w in workers if w.task is None]) < len(waiting) + len(later):
                started += 1
                workers.append(_Worker(started, log_folder / f"worker-{started}.log", options, events))
            for worker in workers:
                if worker.task is None and (waiting or later):
                    give_work(worker)
            try:
                worker, message = events.get(timeout=1.0)
            except queue.Empty:
                for worker in [w for w in workers if w.task and time.monotonic() - w.seen > stall_seconds]:
                    bury(worker, f"A worker gave no sign of life for {stall_seconds:.0f} s")
                continue
            if worker not in workers:
                continue
            worker.seen = time.monotonic()
            has_answered = has_answered or message is not None
            if not has_answered:
                raise WorkerError(f"The workers do not start; see {worker.log}")
            if message is None:
                bury(worker, f"A worker ended ({_name_end(worker.process.returncode)})")
            elif "line" in message:
                worker.line = message["line"]
                on_progress(message["line"], message["share"])
            elif worker.task is not None:
                results = {
                    entry["number"]: Result(**{**entry, "warnings": tuple(entry["warnings"])}) for entry in message["results"]
                }
                finish(worker, worker.task, results, message["files"], message["memory"])
    finally:
        for worker in workers:
            worker.end()


def _name_end(status: int | None) -> str:
    if status is not None and status < 0:
        import signal

        return {-9: "killed, perhaps for its memory"}.get(status, signal.Signals(-status).name)
    return f"exit code {status}"


def _worker_command() -> tuple[list[str], dict[str, str]]:
    """Return the command that starts this Voxrig again: in the same Blender if this is one, else in the same Python."""
    bpy = sys.modules.get("bpy")
    # glibc would keep the memory of large arrays in ever more pieces; this returns each to the system. Other systems ignore it.
    sparing = {"MALLOC_MMAP_THRESHOLD_": str(2**20), "MALLOC_TRIM_THRESHOLD_": str(2**20)}
    environment = {**sparing, **os.environ, "PYTHONUNBUFFERED": "1"}
    if bpy is not None and bpy.app.binary_path:
        return [bpy.app.binary_path, "--background", "--command", "voxrig", "batch-worker"], environment
    return [sys.executable, str(ROOT / "__main__.py"), "batch-worker"], environment


# The worker's side

_MARK = "voxrig-batch "


def serve(provider: str, threads: int) -> None:
    """Perform the units that arrive on standard input, one JSON object per line, until it closes. Never returns."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that ends this one
    # Blender's output goes to the log; the pipe is for the answers alone.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    performer = Performer(provider, threads)
    told = 0.0

    def answer(message: Mapping[str, Any]) -> None:
        answers.write(f"{_MARK}{json.dumps(message)}\n")
        answers.flush()

    def tell_progress(line: int, share: float) -> None:
        nonlocal told
        if share in (0.0, 1.0) or time.monotonic() - told > 0.5:
            told = time.monotonic()
            answer({"line": line, "share": share})

    try:
        for text in sys.stdin:
            order = json.loads(text)
            unit = Unit(tuple(Line(**line) for line in order["lines"]))
            tell_progress(unit.lines[0].number, 0.0)
            results, files = performer.perform(unit, order["partials"], tell_progress)
            answer({"results": [asdict(result) for result in results], "files": files, "memory": _memory_mb()})
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    # Without Python's clean-up, in which the bpy module of 4.2 crashes; everything is written.
    os._exit(0)


def _memory_mb() -> float | None:
    """Return the present memory of this process, if the system reports it (Linux)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)
