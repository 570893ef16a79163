# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the lines of a batch and report progress."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import VoxrigError
from .curves_line import SHEET_FACES
from .jobs import Digests, Line, Unit, group_lines
from .journal import DONE, FAILED, Journal, Outcome, partial_name, remove_partials
from .workers import Finished, count_workers, run_units


class Batch:
    """One run over some lines: the remaining units and the progress."""

    def __init__(self, lines: Sequence[Line], journal: Journal, digests: Digests, folder: Path, retry_failed: bool) -> None:
        self.began = time.perf_counter()
        self._lines, self._journal, self._folder, self._digests = lines, journal, folder, digests
        self._keys = {line.number: "" for line in lines} | digests.keys(line for line in lines if not line.problem)
        self._token = uuid.uuid4().hex[:8]
        self._progress: dict[int, float] = {}
        self._frames = 0
        self._ended = 0
        self.units = [unit for unit in group_lines(line for line in lines if not line.problem)
                      if not self._is_up_to_date(unit, retry_failed)]  # fmt: skip
        self._to_do = sum(len(unit.lines) for unit in self.units)
        self.skipped = sum(1 for line in lines if not line.problem) - self._to_do

    def outcome(self, line: Line) -> Outcome | None:
        """Return how a line ended, now or before; None if it was not done."""
        key = self._keys[line.number]
        if line.problem:
            return Outcome(key, FAILED, line.problem)
        return self._journal.outcome(key)

    def _is_up_to_date(self, unit: Unit, retry_failed: bool) -> bool:
        for line in unit.lines:
            outcome = self.outcome(line)
            if outcome is None or (outcome.why and (outcome.passing or retry_failed)):
                return False
            if not outcome.why and not all(os.path.exists(output) for output in line.outputs):
                return False
        return True

    def run(self, count: int | None, provider: str, timeout: float) -> None:
        """Perform all units. Raises VoxrigError if no worker can be started."""

        outputs = [output for unit in self.units for output in unit.outputs]
        remove_partials(outputs)
        for parent in {Path(output).parent for output in outputs} | {self._folder / "sheets"}:
            try:
                parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise VoxrigError(f"The folder {parent} cannot be made ({error.strerror}); choose another output") from None
        if not self.units:
            return
        try:
            run_units(
                self.units,
                count if count and count > 0 else count_workers(len(self.units)),
                log_folder=self._folder / "logs",
                options=["--provider", provider],
                name_partials=self._name_partials,
                on_start=self._start,
                on_end=self._end,
                on_progress=self._show,
                stall_seconds=timeout,
            )
        except OSError as error:
            raise VoxrigError(f"The batch cannot continue ({error}); fix that and start it again") from None
        finally:
            remove_partials(outputs)
            if sys.stderr.isatty():
                print("\r\x1b[K", end="", file=sys.stderr)

    def _start(self, unit: Unit, worker: int) -> None:
        self._journal.write_start([self._keys[line.number] for line in unit.lines], worker)

    def _name_partials(self, unit: Unit) -> dict[str, str]:

        names = {output: partial_name(output, f"{self._token}{uuid.uuid4().hex[:6]}") for output in unit.outputs}
        for line in unit.lines:
            if line.sheet:
                for i in range(SHEET_FACES):
                    names[f"sheet {line.number} {i}"] = partial_name(self._sheet(line, i), self._token)
        return names

    def _sheet(self, line: Line, index: int) -> str:
        return str(self._folder / "sheets" / f"{self._keys[line.number][:24]}-{index}.jpg")

    def _end(self, finished: Finished) -> None:
        outcomes: list[Outcome] = []
        sheets: dict[str, str] = {}
        for line, result in zip(finished.unit.lines, finished.results):
            facts = {**result.facts, "memory_mb": finished.memory_mb, "worker": finished.worker}
            for i, name in enumerate(result.facts.get("sheet", ())):
                sheets[name] = self._sheet(line, i)
            facts["sheet"] = [Path(sheets[name]).name for name in result.facts.get("sheet", ())]
            state = FAILED if result.why else DONE
            outcomes.append(Outcome(self._keys[line.number], state, result.why, result.warnings, facts, result.passing))
            self._frames += int(facts.get("frames", 0))
            self._ended += 1
            self._progress.pop(line.number, None)
        files = {partial: sheets.get(output, output) for partial, output in finished.files.items()}
        if changed := next(filter(None, map(self._digests.changed_input, finished.unit.lines)), ""):
            # The result belongs neither to the old file nor, with certainty, to the new one.
            why = f"{changed} changed while it was read; start the batch again"
            outcomes = [
                outcome if outcome.why else replace(outcome, state=FAILED, why=why, passing=True) for outcome in outcomes
            ]
            files = {}
        for line, outcome in zip(finished.unit.lines, self._journal.write_end(outcomes, files)):
            if not sys.stderr.isatty():
                state = f"failed: {outcome.why}" if outcome.why else "done"
                print(f"[{self._ended}/{self._to_do}] line {line.number} ({line.name}): {state}", flush=True)
        self._show(0, 0.0)

    def _show(self, line: int, share: float) -> None:
        """Show jobs, frames and remaining time to people at a terminal."""
        if line:
            self._progress[line] = share
        if not sys.stderr.isatty():
            return
        spent = time.perf_counter() - self.began
        done = self._ended + sum(self._progress.values())
        left = f", {spent / done * (self._to_do - done):.0f} s left" if done >= 1 else ""
        print(f"\r\x1b[K{self._ended} of {self._to_do} lines, {self._frames} frames{left}", end="", file=sys.stderr, flush=True)
