# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig batch``: from the table to the report page."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import VoxrigError

if TYPE_CHECKING:
    from .jobs import Digests, Line, Unit
    from .journal import Journal, Outcome
    from .workers import Finished

EXIT_DONE, EXIT_FAILED = 0, 2


def add_batch(subcommands: Any) -> None:
    """Add the subcommands to the parser of the command line; ``subcommands`` is what argparse's add_subparsers gave."""
    parser = subcommands.add_parser(
        "batch",
        help="animate many lines from a table or a folder of sounds",
        description="Do every line of a table (.csv or .json), or of sounds, folders and patterns with the options below. A "
        "batch that was stopped in any way goes on where it was; what has not changed is not done again; a line that cannot "
        "be done does not stop the rest. Columns of a table: " + "; ".join(f"{name}: {what}" for name, what in _columns()),
    )
    parser.add_argument("jobs", nargs="+", metavar="JOBS", help="table, or sounds, folders and patterns such as 'lines/*.wav'")
    parser.add_argument("--state", metavar="FOLDER", help="where journal, report and logs go (default: beside the table)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: three quarters of the cores)")
    parser.add_argument(
        "--part",
        metavar="RANGES",
        help="only these lines, such as 1-10 or 3,7, as a part of a farm's job: with a journal of its own beside the others, "
        "no page, and exit code 0 unless another try may help; --report-only tells at the end",
    )
    parser.add_argument("--retry-failed", action="store_true", help="also try again what failed and has not changed since")
    parser.add_argument("--sheet", action="store_true", help="pictures of every line's face on the report page")
    parser.add_argument("--dry-run", action="store_true", help="read the table and say what would be done and what cannot be")
    parser.add_argument("--report-only", action="store_true", help="write the report page of what has been done")
    parser.add_argument(
        "--timeout", type=float, default=600.0, metavar="SECONDS", help="a worker silent for so long is ended (default: 600)"
    )
    parser.add_argument("--provider", choices=("auto", "cuda", "cpu"), default="auto", type=str.lower, help=argparse.SUPPRESS)
    for name, what in _columns():
        if name not in ("audio", "sheet"):
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", default="", help=f"{what}; fills empty cells")
    parser.set_defaults(run=run_batch)
    worker = subcommands.add_parser("batch-worker")  # no help: for batch itself
    worker.add_argument("--provider", default="AUTO")
    worker.set_defaults(run=run_worker)


def _columns() -> list[tuple[str, str]]:
    from .columns import COLUMNS

    return list(COLUMNS.items())


def run_worker(arguments: argparse.Namespace) -> int:
    """A worker process of a batch."""
    from .workers import serve

    serve(arguments.provider, 1)
    return EXIT_DONE


def run_batch(arguments: argparse.Namespace) -> int:
    """``voxrig batch``: 0 only when every line of the table is done."""
    from .jobs import Digests, read_jobs, select_lines
    from .journal import Journal
    from .report import write_report

    defaults = {name: getattr(arguments, name) for name, _what in _columns() if name not in ("audio", "sheet")}
    lines = read_jobs(arguments.jobs, defaults, arguments.sheet)
    chosen = select_lines(lines, arguments.part) if arguments.part else lines
    folder = Path(arguments.state).absolute() if arguments.state else _state_folder(arguments.jobs)
    digests = Digests()
    part = re.sub(r"[^0-9-]+", "_", arguments.part or "")
    with Journal(folder, part) as journal:
        batch = Batch(chosen, journal, digests, folder, arguments.retry_failed)
        if arguments.dry_run:
            print(f"{len(lines)} lines, {sum(len(unit.lines) for unit in batch.units)} to do")
            for line in lines:
                if line.problem:
                    print(f"voxrig: {line.problem}", file=sys.stderr)
            return EXIT_DONE
        if not arguments.report_only:
            batch.run(arguments.workers, arguments.provider.upper(), arguments.timeout)
        outcomes = [batch.outcome(line) for line in chosen]
        page = None if arguments.part else write_report(folder, chosen, outcomes)
    failed = [(line, outcome) for line, outcome in zip(chosen, outcomes) if outcome is None or outcome.why]
    for line, outcome in failed:
        print(f"voxrig: line {line.number} ({line.name}): {outcome.why if outcome else 'not done yet'}", file=sys.stderr)
    warned = sum(bool(outcome and outcome.warnings and not outcome.why) for outcome in outcomes)
    print(
        f"{len(chosen) - len(failed)} of {len(chosen)} lines done ({batch.skipped} of them before), {len(failed)} failed, "
        f"{warned} with warnings, {time.perf_counter() - batch.began:.0f} s" + (f"; {page}" if page else "")
    )
    if arguments.part:
        failed = [(line, outcome) for line, outcome in failed if outcome is None or outcome.passing]
    return EXIT_FAILED if failed else EXIT_DONE


def _state_folder(jobs: Sequence[str]) -> Path:
    """Beside the table, or in the current folder."""
    if len(jobs) == 1 and Path(jobs[0]).is_file():
        return Path(jobs[0]).absolute().with_suffix(".batch")
    return Path.cwd() / "voxrig.batch"


class Batch:
    """One run over some lines: what is to be done, and how far it is."""

    def __init__(self, lines: Sequence[Line], journal: Journal, digests: Digests, folder: Path, retry_failed: bool) -> None:
        from .jobs import group_lines

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
        """How a line ended, now or before; None where it was not done."""
        from .journal import FAILED, Outcome

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
        """Do all units. Raises VoxrigError when not even the workers can be started."""
        from .journal import remove_partials
        from .workers import count_workers, run_units

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
            raise VoxrigError(f"The batch cannot go on ({error}); put that right and start it again") from None
        finally:
            remove_partials(outputs)
            if sys.stderr.isatty():
                print("\r\x1b[K", end="", file=sys.stderr)

    def _start(self, unit: Unit, worker: int) -> None:
        self._journal.write_start([self._keys[line.number] for line in unit.lines], worker)

    def _name_partials(self, unit: Unit) -> dict[str, str]:
        from .journal import partial_name
        from .perform import SHEET_FACES

        names = {output: partial_name(output, f"{self._token}{uuid.uuid4().hex[:6]}") for output in unit.outputs}
        for line in unit.lines:
            if line.sheet:
                for i in range(SHEET_FACES):
                    names[f"sheet {line.number} {i}"] = partial_name(self._sheet(line, i), self._token)
        return names

    def _sheet(self, line: Line, index: int) -> str:
        return str(self._folder / "sheets" / f"{self._keys[line.number][:24]}-{index}.jpg")

    def _end(self, finished: Finished) -> None:
        from .journal import DONE, FAILED, Outcome

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
            # What was made of it is of neither the old file nor, for sure, the new one.
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
        """Jobs, frames and time left, for people at a terminal."""
        if line:
            self._progress[line] = share
        if not sys.stderr.isatty():
            return
        spent = time.perf_counter() - self.began
        done = self._ended + sum(self._progress.values())
        left = f", {spent / done * (self._to_do - done):.0f} s left" if done >= 1 else ""
        print(f"\r\x1b[K{self._ended} of {self._to_do} lines, {self._frames} frames{left}", end="", file=sys.stderr, flush=True)
