# SPDX-License-Identifier: GPL-3.0-or-later
"""Try hostile inputs one after the other in a child process that may crash or hang, and say what came of each.

Good is one thing only: exit code 2 with sentences and nothing else on stderr, soon, in little memory, and nothing written. A
case that says that it may pass may also do what it was told.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import multiprocessing
import os
import resource
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from voxrig.errors import VoxrigError

SENTENCE, ACCEPTED = "one sentence", "did as told"
GOOD = (SENTENCE, ACCEPTED)
LONGEST_SECONDS = 20.0
LARGEST_GROWTH = 5 << 28
_LONGEST_SENTENCE = 700

Attempt = Callable[[Path], int | None]
"""Makes its input in an empty folder and has Voxrig use it; returns an exit code or raises VoxrigError."""


@dataclass(frozen=True)
class Case:
    """One hostile input. ``prepare`` puts files into the folder, ``attempt`` uses them; only what that leaves is counted.

    ``own`` is the beginning of names that Voxrig may write in any case: a batch keeps its journal and its page.
    """

    kind: str
    name: str
    prepare: Callable[[Path], object]
    attempt: Attempt
    may_pass: bool = False
    own: str = ""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a case: one of GOOD, or another one, with the text that shows it."""

    case: Case
    outcome: str
    text: str
    seconds: float


@dataclass
class Tally:
    """The verdicts by kind."""

    verdicts: list[Verdict] = field(default_factory=list[Verdict])

    @property
    def bad(self) -> list[Verdict]:
        """Everything but one sentence or what may pass."""
        return [verdict for verdict in self.verdicts if verdict.outcome not in GOOD]

    def table(self) -> str:
        """Tabulate cases tried, reported in one sentence, done as told, and anything else; a row for each kind."""
        lines = ["| kind | tried | one sentence | did as told | anything else |", "|---|---|---|---|---|"]
        kinds = list(dict.fromkeys(verdict.case.kind for verdict in self.verdicts))
        for kind in (*kinds, ""):
            chosen = [verdict.outcome for verdict in self.verdicts if verdict.case.kind == kind or not kind]
            counts = Counter(chosen)
            others = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if outcome not in GOOD)
            lines.append(f"| {kind or '**all**'} | {len(chosen)} | {counts[SENTENCE]} | {counts[ACCEPTED]} | {others or 0} |")
        return "\n".join(lines)


def run_cases(cases: Sequence[Case]) -> Tally:
    """Try all cases, in a new child process after each crash or hang."""
    context = multiprocessing.get_context("fork")
    tally = Tally()
    while len(tally.verdicts) < len(cases):
        first = len(tally.verdicts)
        here, there = context.Pipe()
        child = context.Process(target=_serve, args=(there, cases[first:]), daemon=True)
        child.start()
        there.close()
        began = time.monotonic()
        while len(tally.verdicts) < len(cases):
            case = cases[len(tally.verdicts)]
            outcome = "hang"
            if here.poll(LONGEST_SECONDS + (20.0 if len(tally.verdicts) == first else 0.0)):
                try:
                    outcome, text, seconds = here.recv()
                    tally.verdicts.append(Verdict(case, outcome, text, seconds))
                    began = time.monotonic()
                    continue
                except EOFError:
                    child.join(5.0)
                    outcome = f"crash ({child.exitcode})"
            tally.verdicts.append(Verdict(case, outcome, "", time.monotonic() - began))
            break
        child.kill()
        child.join()
        here.close()
    return tally


def _serve(connection: Connection, cases: Sequence[Case]) -> None:
    for case in cases:
        with tempfile.TemporaryDirectory(prefix="voxrig-hostile-") as folder:
            connection.send(_try(case, Path(folder)))
    # Without Python's clean-up: Blender as a module may never end, and nothing is left to do.
    os._exit(0)


def _try(case: Case, folder: Path) -> tuple[str, str, float]:
    case.prepare(folder)
    before = _snapshot(folder, case.own)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    said = io.StringIO()
    failure = ""
    status: int | None = None
    where = os.getcwd()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            os.chdir(folder)
            status = case.attempt(folder)
        except VoxrigError as error:
            status = 2
            said.write(f"voxrig: {error}\n")
        except BaseException:
            failure = traceback.format_exc()
        finally:
            os.chdir(where)
    seconds = time.monotonic() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) * 1024
    after = _snapshot(folder, case.own)
    text = said.getvalue()
    if failure:
        return "traceback", failure[-1500:], seconds
    if grown > LARGEST_GROWTH:
        return "memory", f"{grown / 2**30:.1f} GB", seconds
    if status in (0, None):
        return (ACCEPTED if case.may_pass else "wrongly accepted"), text, seconds
    if before != after:
        changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        return "left something behind", f"{changed} {text}", seconds
    if status == 2 and are_sentences(text):
        return SENTENCE, text, seconds
    return "no sentence", text, seconds


def are_sentences(text: str) -> bool:
    """Return whether stderr holds Voxrig's lines and argparse's usage only, at least one of them a sentence."""
    lines = [line for line in text.splitlines() if line and not line.startswith(("usage:", " "))]
    return bool(lines) and all(
        line.startswith("voxrig") and len(line) <= _LONGEST_SENTENCE and "Traceback" not in line for line in lines
    )


def _snapshot(folder: Path, own: str) -> dict[str, str]:
    """Return what lies in a folder, by name, but for ``own``: kind, link target, size and the content of small files."""
    found: dict[str, str] = {}
    for place, _folders, names in os.walk(os.fsencode(folder)):
        for name in names:
            path = os.path.join(place, name)
            if own and os.fsdecode(path)[len(str(folder)) + 1 :].startswith(own):
                continue
            status = os.lstat(path)
            text = f"{status.st_mode} {status.st_size}"
            if os.path.islink(path):
                text += repr(os.readlink(path))
            elif os.path.isfile(path) and status.st_size < 1 << 20:
                with open(path, "rb") as file:
                    text += hashlib.sha256(file.read()).hexdigest()
            found[repr(path[len(os.fsencode(folder)) :])] = text
    return found
