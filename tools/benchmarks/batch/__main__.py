# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.benchmarks.batch``: measure a batch, kill it at random moments, resume it, and run it with
openjd."""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import theilslopes

from ....batch.journal import read_entries
from ..speed import ROOT, name_machine
from .lines import BAD_WAYS, make_lines

WORKERS = 2
NAIVE_SAMPLE = 5

Row = tuple[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, each row as soon as it is known; return 0 if everything held."""
    parser = argparse.ArgumentParser(prog="make batch", description=__doc__)
    parser.add_argument("--lines", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "batch")
    parser.add_argument("--skip", nargs="*", default=[], choices=("naive", "kills", "openjd"), help="parts to leave out")
    options = parser.parse_args(arguments)
    output = options.output.absolute()
    shutil.rmtree(output, ignore_errors=True)
    whole = output / "undisturbed"
    table, bad = make_lines(whole, options.lines)
    run_blends("make", whole / "character.blend")
    for name in ("killed", "openjd"):
        shutil.copytree(whole, output / name)
    show_rows(output, f"Measured on {name_machine()}; load {os.getloadavg()[0]:.1f}.\n\n| what | measured |\n|---|---|\n")
    rows, clock, processor = run_undisturbed(table, options.lines, bad)
    show_rows(output, rows)
    if "naive" not in options.skip:
        show_rows(output, run_naive(whole, bad, clock, processor))
    digests = run_blends("digest", whole / "out")
    if "kills" not in options.skip:
        show_rows(output, run_killed(output / "killed", whole, options.lines, options.kills, digests))
    if "openjd" not in options.skip:
        show_rows(output, run_openjd(output / "openjd", whole, options.lines, digests))
    return 0


def show_rows(output: Path, rows: str | Sequence[Row]) -> None:
    """Print rows and append them to ``measured.md``, so that an interrupted run leaves its measurements."""
    text = rows if isinstance(rows, str) else "".join(f"| {what} | {measured} |\n" for what, measured in rows)
    print(text, end="", flush=True)
    with (output / "measured.md").open("a", encoding="utf-8") as file:
        file.write(text)


def voxrig(*words: object) -> list[str]:
    """Return the start of a command line for this checkout."""
    return [sys.executable, "-P", "-m", "voxrig", *map(str, words)]


def run_blends(what: str, place: Path) -> dict[str, str]:
    """Run blends.py in a separate process; returns the digests of a folder."""
    command = [sys.executable, "-P", "-m", "voxrig.tools.benchmarks.batch.blends", what, str(place)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(next((line for line in printed.splitlines() if line.startswith("{")), "{}"))


def timed(command: list[str]) -> tuple[float, float, subprocess.CompletedProcess[str]]:
    """Run a command; returns its seconds by the clock and of processor time, and its result."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


def journal(folder: Path) -> list[dict[str, Any]]:
    """Read the journals of a batch."""
    return [entry for path in sorted((folder / "jobs.batch").glob("journal*.jsonl")) for entry in read_entries(path)]


def run_undisturbed(table: Path, count: int, bad: list[int]) -> tuple[list[Row], float, float]:
    """Run the batch itself: every bad line reported, all others done.

    Returns its seconds and processor seconds per good line.
    """
    clock, processor, result = timed(voxrig("batch", table, "--workers", WORKERS))
    check(result.returncode == 2, f"a batch with bad lines ends with 2, not {result.returncode}\n{result.stderr}")
    reported = [number for number in bad if f"line {number} (" in result.stderr]
    check(reported == bad and result.stderr.count("voxrig: line ") == len(bad), f"reported: {result.stderr}")
    outputs = sorted((table.parent / "out").iterdir())
    check(len(outputs) == 2 * (count - len(bad)), f"{len(outputs)} files")
    slopes: list[str] = []
    memory: dict[int, list[float]] = {}
    for entry in journal(table.parent):
        if entry["event"] == "ready" and entry["lines"][0]["facts"].get("memory_mb"):
            memory.setdefault(entry["lines"][0]["facts"]["worker"], []).append(entry["lines"][0]["facts"]["memory_mb"])
    for worker, held in sorted(memory.items()):
        late = np.array(held[len(held) // 2 :])  # memory settles in the first half
        if late.size >= 5:
            fit: Any = theilslopes(late)  # the median slope: 5 MB come and go between two lines
            slopes.append(f"worker {worker}: {late.min():.0f} to {late.max():.0f} MB, {100 * fit.slope:+.1f} MB per 100 lines")
    good = count - len(bad)
    speed = f"{60 * good / clock:.0f} done a minute ({processor / good:.2f} s of processor time each)"
    rows = [
        (f"{count} lines, {WORKERS} workers", speed),
        (f"{len(BAD_WAYS)} bad lines ({', '.join(BAD_WAYS)})", f"all reported, the other {good} done"),
        ("memory of a worker over the second half of its lines", "; ".join(slopes)),
    ]  # fmt: skip
    return rows, clock / good, processor / good


def run_naive(whole: Path, bad: list[int], clock: float, processor: float) -> list[Row]:
    """Run a fresh process for each line of a sample."""
    numbers = [number for number in range(1, 1000) if number not in bad][:NAIVE_SAMPLE]
    spent = [
        timed(
            voxrig("animate", "--blend", whole / "character.blend", "--character", "Vox", "--audio",
                   whole / "sounds" / f"line_{number:03d}.wav", "--output", whole / f"naive_{number}.blend")
        )
        for number in numbers
    ]  # fmt: skip
    check(all(result.returncode == 0 for _clock, _processor, result in spent), spent[0][2].stderr)
    one_clock, one_processor = np.mean([seconds[0] for seconds in spent]), np.mean([seconds[1] for seconds in spent])
    ratio = f"{one_clock / clock:.1f} times as long by the clock, {one_processor / processor:.1f} times the processor time"
    return [(f"one start for each line ({len(numbers)} of them)", f"{60 / one_clock:.1f} lines a minute: {ratio}")]


def run_killed(folder: Path, whole: Path, count: int, kills: int, digests: dict[str, str]) -> list[Row]:
    """Run the same batch, killing its whole process group at random moments: equal outputs, and nothing done twice."""
    chance = random.Random(1)
    command = voxrig("batch", folder / "jobs.csv", "--workers", WORKERS)
    good = len(digests)
    killed = 0
    for target in sorted(chance.sample(range(good), kills)):
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and count_done(folder) < target:
            time.sleep(0.05)
        # From the start of Blender to the moment between the renaming of a file and the next line.
        time.sleep(chance.uniform(0.0, 2.0))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
    subprocess.run(command, check=False, capture_output=True)
    compare(folder, whole, digests)
    ends = [line["key"] for entry in journal(folder) if entry["event"] == "ready" for line in entry["lines"]]
    starts = [key for entry in journal(folder) if entry["event"] == "started" for key in entry["keys"]]
    check(len(ends) == len(set(ends)), "a line was finished twice")
    again = len(starts) - len(set(starts))
    check(again <= killed * WORKERS, f"{again} lines were begun again after {killed} kills")
    return [
        (
            f"killed {killed} times (SIGKILL to the process group) and resumed",
            f"{good} curves files byte-identical, {good} .blend files with identical keys; the journal finishes no line "
            f"of {count} twice; {again} lines that a kill hit were begun again",
        )
    ]


def run_openjd(folder: Path, whole: Path, count: int, digests: dict[str, str]) -> list[Row]:
    """Run the same batch with openjd's own runner, in chunks."""
    program = Path(sys.executable).with_name("openjd")
    if not program.exists():
        return [("openjd run", "not run: openjd-cli is not installed here")]
    values = {"Table": folder / "jobs.csv", "Lines": f"1-{count}", "ChunkSize": 50, "Workers": WORKERS}
    parameters = [word for name, value in values.items() for word in ("-p", f"{name}={value}")]
    parameters += ["-p", f"Voxrig={sys.executable} -P -m voxrig"]
    template = ROOT / "farm" / "voxrig_batch.openjd.yaml"
    command = [str(program), "run", str(template), "--step", "Report", "--run-dependencies", *parameters]
    clock, _processor, result = timed(command)
    check(result.returncode != 0, "the job has bad lines, so its report step fails")
    compare(folder, whole, digests)
    chunks = len(list((folder / "jobs.batch").glob("journal-*.jsonl")))
    return [(f"openjd run, {chunks} chunks", f"the same outputs; the report step lists the failed lines ({clock:.0f} s)")]


def count_done(folder: Path) -> int:
    """Count the lines whose outputs are complete."""
    place = folder / "jobs.batch" / "journal.jsonl"
    if not place.exists():
        return 0
    return sum(not line["why"] for entry in read_entries(place) if entry["event"] == "ready" for line in entry["lines"])


def compare(folder: Path, whole: Path, digests: dict[str, str]) -> None:
    """Raise SystemExit unless two folders hold equal outputs."""
    names = sorted(path.name for path in (whole / "out").iterdir())
    check(names == sorted(path.name for path in (folder / "out").iterdir()), "other files")
    for name in names:
        if name.endswith(".csv"):
            check((whole / "out" / name).read_bytes() == (folder / "out" / name).read_bytes(), f"{name} differs")
    check(digests == run_blends("digest", folder / "out"), "the keys differ")


def check(holds: bool, what: str) -> None:
    """Exit with a sentence if a promise does not hold."""
    if not holds:
        raise SystemExit(f"make batch: {what}")


if __name__ == "__main__":
    sys.exit(main())
