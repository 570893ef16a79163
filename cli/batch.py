# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig batch``: animate many lines, from the table to the report page."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..batch.columns import COLUMNS
from .reporting import EXIT_DONE, EXIT_FAILED


def add_batch(subcommands: Any) -> None:
    """Add the subcommands to ``subcommands``, the result of argparse's add_subparsers."""
    parser = subcommands.add_parser(
        "batch",
        help="animate many lines from a table or a folder of sounds",
        description="Do every line of a table (.csv or .json), or of sounds, folders and patterns with the options below. "
        "Run the same command to resume a batch that was stopped in any way; finished lines that have not changed are "
        "skipped, and a line that cannot be done does not stop the rest. Columns of a table: "
        + "; ".join(f"{name}: {what}" for name, what in COLUMNS.items()),
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
    parser.add_argument("--retry-failed", action="store_true", help="also retry unchanged lines that failed")
    parser.add_argument("--sheet", action="store_true", help="pictures of every line's face on the report page")
    parser.add_argument("--dry-run", action="store_true", help="read the table and list what would be done and what cannot be")
    parser.add_argument("--report-only", action="store_true", help="write the report page of the lines done so far")
    parser.add_argument(
        "--timeout", type=float, default=600.0, metavar="SECONDS", help="a worker silent for this long is ended (default: 600)"
    )
    parser.add_argument("--provider", choices=("auto", "cuda", "cpu"), default="auto", type=str.lower, help=argparse.SUPPRESS)
    for name, what in COLUMNS.items():
        about = what.replace("%", "%%")
        if name not in ("audio", "sheet"):
            parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", default="", help=f"{about}; fills empty cells")
    parser.set_defaults(run=run_batch)
    worker = subcommands.add_parser("batch-worker")  # without help: for batch itself
    worker.add_argument("--provider", default="AUTO")
    worker.set_defaults(run=run_worker)


def run_worker(arguments: argparse.Namespace) -> int:
    """Run a worker process of a batch."""
    from ..batch.workers import serve

    serve(arguments.provider, 1)
    return EXIT_DONE


def run_batch(arguments: argparse.Namespace) -> int:
    """Run the batch; returns 0 only if every line of the table is done."""
    from ..batch.jobs import Digests, read_jobs, select_lines
    from ..batch.journal import Journal
    from ..batch.report import write_report
    from ..batch.run import Batch

    defaults = {name: getattr(arguments, name) for name, _what in COLUMNS.items() if name not in ("audio", "sheet")}
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
    """Return the folder of the state: beside the table, or in the current folder."""
    if len(jobs) == 1 and Path(jobs[0]).is_file():
        return Path(jobs[0]).absolute().with_suffix(".batch")
    return Path.cwd() / "voxrig.batch"
