# SPDX-License-Identifier: GPL-3.0-or-later
"""Hundreds of hostile inputs, and one sentence for each: `python -m voxrig.tools.reports.hostile` prints the table."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from voxrig.errors import VoxrigError
from voxrig.tools.reports.hostile.inputs import make_cases, nothing
from voxrig.tools.reports.hostile.trial import ACCEPTED, SENTENCE, Case, are_sentences, run_cases


def test_every_hostile_input_is_one_sentence() -> None:
    cases = make_cases(13)
    assert len(cases) >= 600
    tally = run_cases(cases)
    assert [f"{bad.case.kind}: {bad.case.name}: {bad.outcome}: {bad.text}" for bad in tally.bad] == [], tally.table()
    outcomes = [verdict.outcome for verdict in tally.verdicts]
    # What may pass mostly does not.
    assert outcomes.count(SENTENCE) > 0.8 * len(cases) and outcomes.count(ACCEPTED) > 0


def planted(what: str) -> Case:
    """Return a case whose attempt does what no attempt may do."""

    def attempt(folder: Path) -> int | None:
        if what == "traceback":
            raise ZeroDivisionError
        if what == "hang":
            time.sleep(600.0)
        if what == "crash":
            import os

            os._exit(9)
        if what == "memory":
            len(b"\1" * 1_600_000_000)
        if what == "left something behind":
            (folder / "half.partial").write_bytes(b"x")
        if what == "no sentence":
            return 2
        if what == "wrongly accepted":
            return 0
        raise VoxrigError("it cannot be read; choose another one")

    return Case("planted", what, nothing, attempt)


def test_everything_else_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the other ends is planted once; after a hang and a crash the rest is tried, too."""
    monkeypatch.setattr("voxrig.tools.reports.hostile.trial.LONGEST_SECONDS", 10.0)
    kinds = ("traceback", "hang", "left something behind", "crash", "no sentence", "wrongly accepted", "memory", "one sentence")
    tally = run_cases([planted(kind) for kind in kinds])
    outcomes = [verdict.outcome.partition(" (")[0] for verdict in tally.verdicts]
    assert outcomes == list(kinds)
    assert "| **all** | 8 | 1 | 0 |" in tally.table()


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("voxrig: take.csv cannot be read (it is a folder); choose it again\n", True),
        (
            "usage: voxrig curves [-h]\n               SOUND\nvoxrig curves: error: the following arguments are required: -o\n",
            True,
        ),
        ("", False),
        ("Traceback (most recent call last):\n", False),
        ("voxrig: " + "x" * 1000, False),
        ("something else\n", False),
    ],
)
def test_what_counts_as_a_sentence(text: str, is_good: bool) -> None:
    assert are_sentences(text) == is_good
