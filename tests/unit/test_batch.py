# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches without Blender: tables, the journal, worker processes that die, and the report page."""

from __future__ import annotations

import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import model_packages
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_tables import write_sound, write_table
from voxrig.batch import curves_line, perform, workers
from voxrig.batch.columns import COLUMNS
from voxrig.batch.jobs import Digests, JobsError, Line, Unit, group_lines, read_jobs, select_lines
from voxrig.batch.journal import DONE, FAILED, Journal, JournalError, Outcome, partial_name, read_entries, remove_partials
from voxrig.batch.report import _SCRIPT, write_report
from voxrig.batch.run import Batch
from voxrig.cli.main import main
from voxrig.inference import espeak
from voxrig.takes.settings import find_setting, parse_setting

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_packages.write_package(tmp_path_factory.mktemp("models") / "small")


# The table


def test_a_table_says_everything(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "sounds" / "a.wav")
    table = write_table(
        tmp_path / "jobs.csv",
        {
            "audio": "sounds/a.wav",
            "blend": "hero.blend",
            "character": "Face",
            "fps": "29.97",
            "start_frame": "101",
            "keys": "Step",
            "emotion": "joy=0.5; anger=0.8@24-48",
            "lead": "-20",
            "mapping": "m.json",
            "model": "speech",
            "output_blend": "out/{character}_{name}.blend",
            "output_curves": "out/{line}.csv",
            "sheet": "yes",
            "#note": "the sad one",
        },
    )
    (line,) = read_jobs([str(table)], {})
    assert line.problem == ""
    assert (line.audio, line.blend, line.mapping) == (str(sound), str(tmp_path / "hero.blend"), str(tmp_path / "m.json"))
    assert (line.start_frame, line.settings["keys"], line.settings["lead_seconds"], line.sheet) == (101, "STEP", -0.02, True)
    assert line.fps == 30 / 1.001
    assert line.settings["emotion"] == {"joy": 0.5, "anger": [[20, 0], [24, 0.8], [48, 0.8], [52, 0]]}
    assert line.output_blend == str(tmp_path / "out" / "Face_a.blend")
    assert line.output_curves == str(tmp_path / "out" / "0001.csv")


def test_json_says_the_same_as_csv(tmp_path: Path) -> None:
    row = {"audio": "a.wav", "output_curves": "{name}.csv", "fps": 25, "emotion": {"joy": [[1, 0], [9, 1]]}}
    (tmp_path / "jobs.json").write_text(json.dumps({"jobs": [row]}), encoding="utf-8")
    (line,) = read_jobs([str(tmp_path / "jobs.json")], {})
    assert (line.problem, line.fps, line.settings["emotion"]) == ("", 25, {"joy": [[1.0, 0.0], [9.0, 1.0]]})
    for points in ([[9, 0], [1, 1]], [1, 2], [[1, 0, 0]], [[math.nan, 0]], []):
        row["emotion"] = {"joy": points}
        (tmp_path / "jobs.json").write_text(json.dumps([row]), encoding="utf-8")
        (line,) = read_jobs([str(tmp_path / "jobs.json")], {})
        assert "'joy' is not a list of [frame, weight] points" in line.problem


def test_all_sounds_of_a_folder_on_one_character(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b.wav", "a.wav", "c.flac"):
        write_sound(tmp_path / "lines" / name, 0.1)
    (tmp_path / "lines" / "notes.txt").write_text("not a sound", encoding="utf-8")
    defaults = {"blend": "hero.blend", "character": "Face", "output_blend": "out/{folder}/{name}.blend"}
    folder = read_jobs(["lines"], defaults)
    assert [line.name for line in folder] == ["a", "b", "c"]
    assert [line.problem for line in folder] == ["", "", ""]
    assert folder[0].output_blend == str(tmp_path / "out" / "lines" / "a.blend")
    assert [line.name for line in read_jobs(["lines/*.wav"], defaults)] == ["a", "b"]
    # A folder without sounds is a line that will say so.
    (tmp_path / "empty").mkdir()
    assert [line.audio for line in read_jobs(["empty"], defaults)] == [str(tmp_path / "empty")]
    # A row of a table with a pattern is as many lines.
    table = write_table(tmp_path / "jobs.csv", {"audio": "lines/*.wav"}, {"audio": "lines/c.flac"})
    assert [line.name for line in read_jobs([str(table)], defaults)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"audio": ""}, "neither a sound"),
        ({"curves": "b.csv"}, "a sound and a file of curves"),
        ({"fps": "fast"}, "fps: 'fast' is not a number"),
        ({"fps": "0"}, "fps: '0' is not a number from 1"),
        ({"keys": "few"}, "keys: 'few' is none of"),
        ({"emotion": "joy"}, "emotion: 'joy' is not NAME=WEIGHT"),
        ({"emotion": "joy=2"}, "emotion: the weight 2"),
        ({"emotion": "joy=."}, "emotion: the weight . is not a number"),
        ({"emotion": "joy=1@9-3", "fps": "24"}, "ends before it begins"),
        ({"emotion": "joy=1@3-9"}, "needs the column fps"),
        ({"output_curves": "out.mov"}, "does not end in .csv"),
        ({"output_curves": "{nmae}.csv"}, "there is no {nmae}"),
        ({"output_curves": ""}, "no output"),
        ({"output_blend": "x.blend"}, "needs a blend"),
        ({"takes": "3"}, "several takes need a blend"),
        ({"takes": "51"}, "takes: '51' is not a whole number from 1"),
        ({"takes": "1.5"}, "takes: '1.5' is not a whole number"),
        ({"blend": "hero.blend"}, "no character"),
        ({"output_curves": "a.wav.csv", "key_step": "1.5"}, "key_step: '1.5' is not a whole number"),
    ],
)
def test_a_bad_cell_is_the_fault_of_its_line_alone(tmp_path: Path, cells: dict[str, str], message: str) -> None:
    good = {"audio": "a.wav", "output_curves": "good.csv"}
    table = write_table(tmp_path / "jobs.csv", good, {"audio": "b.wav", "output_curves": "bad.csv", **cells})
    first, second = read_jobs([str(table)], {})
    assert first.problem == ""
    assert message in second.problem and second.problem.startswith("line 3")


def test_outputs_that_would_overwrite_something(tmp_path: Path) -> None:
    rows = [
        {"audio": "a.wav", "output_curves": "x.csv"},
        {"audio": "b.wav", "output_curves": "X.csv"},
        {"curves": "y.csv", "output_curves": "z.csv"},
        {"audio": "c.wav", "output_curves": "y.csv"},
    ]
    problems = [line.problem for line in read_jobs([str(write_table(tmp_path / "jobs.csv", *rows))], {})]
    assert [bool(problem) for problem in problems] == [False, True, False, True]
    assert "also that of line 1" in problems[1] and "read by line 3" in problems[3]


def test_an_output_is_no_input_by_any_path(tmp_path: Path) -> None:
    """Through '..', links and hard links; and the table itself and the model's own files are inputs, too."""
    (tmp_path / "out").mkdir()
    for name in ("face.blend", "y.csv"):
        (tmp_path / name).touch()
    (tmp_path / "link.blend").symlink_to("face.blend")
    os.link(tmp_path / "y.csv", tmp_path / "twin.csv")
    model = model_packages.write_package(tmp_path / "small")
    blend = {"audio": "a.wav", "blend": "face.blend", "character": "Face"}
    table = tmp_path / "jobs.json"
    rows = [
        {**blend, "output_blend": "out/../face.blend"},
        {**blend, "output_blend": "link.blend"},
        {"curves": "y.csv", "output_curves": "twin.csv"},
        {"audio": "a.wav", "output_curves": "out/../jobs.json"},
        {"audio": "a.wav", "model": str(model), "output_curves": "small/model.json"},
        {"audio": "a.wav", "output_curves": "out/a.csv"},
    ]
    table.write_text(json.dumps(rows), encoding="utf-8")
    problems = [line.problem for line in read_jobs([str(table)], {})]
    assert [bool(problem) for problem in problems] == [True, True, True, True, True, False]
    assert "is the blend itself" in problems[0] and "is the table itself" in problems[3] and "read by line 5" in problems[4]


def test_lines_with_one_blend_to_write_are_one_unit(tmp_path: Path) -> None:
    row = {"blend": "shot.blend", "character": "A", "output_blend": "out.blend"}
    rows = [{"audio": "a.wav", **row}, {"audio": "b.wav", **row, "start_frame": 90}, {"audio": "c.wav", **row, "fps": 30}]
    lines = read_jobs([str(write_table(tmp_path / "jobs.csv", *rows))], {})
    assert [bool(line.problem) for line in lines] == [False, False, True]
    assert "but not its blend, scene and fps" in lines[2].problem
    assert [[line.number for line in unit.lines] for unit in group_lines(lines[:2])] == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("audio,oputput_curves\na.wav,x.csv\n", "write 'output_curves'"),
        ("audio\na.wav,x\n", "line 2: 2 cells under 1 columns"),
        ('audio\n"a.wav\n', "line 2"),
        ("", "nothing to do"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path: Path, text: str, message: str, capsys: Any) -> None:
    (tmp_path / "jobs.csv").write_text(text, encoding="utf-8")
    assert main(["batch", str(tmp_path / "jobs.csv")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "jobs.batch").exists()


EMOTION = find_setting("emotion")

CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([10**400, "a\0b", "x" * 5000, "*.wav", "{name}.csv", "[", "joy=1@2-3", "joy=1.2.3", "1e999", "24", [1, 2]]),
    st.lists(st.lists(st.one_of(st.none(), st.floats(), st.integers()), max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.floats(), st.lists(st.lists(st.floats(), max_size=3)))),
)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.dictionaries(st.sampled_from(sorted(COLUMNS)), CELLS, max_size=8), min_size=1, max_size=3))
def test_a_table_of_any_cells_is_refused_or_gives_lines_with_keys(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    (tmp_path / "jobs.json").write_text(json.dumps(rows), encoding="utf-8")
    lines = read_jobs([str(tmp_path / "jobs.json")], {})
    assert len(lines) == len(rows)
    assert len(Digests().keys(line for line in lines if not line.problem)) == sum(not line.problem for line in lines)


def test_emotion_ranges_meet_halfway() -> None:
    assert parse_setting(EMOTION, "joy=1@10-20; joy=0.5@24-30") == {
        "joy": [[6, 0], [10, 1], [20, 1], [22, 0], [22, 0], [24, 0.5], [30, 0.5], [34, 0]]
    }
    with pytest.raises(ValueError, match="lies on another"):
        parse_setting(EMOTION, "joy=1@10-20; joy=0.5@15-30")


def test_selecting_lines() -> None:
    lines = [Line(number) for number in range(1, 8)]
    assert [line.number for line in select_lines(lines, "2-4,7")] == [2, 3, 4, 7]
    shared = [Line(number, output_blend="shot.blend" if number in (2, 5) else "") for number in range(1, 8)]
    assert [line.number for line in select_lines(shared, "1-3")] == [1, 2, 3, 5]
    assert [line.number for line in select_lines(shared, "4-7")] == [4, 6, 7]
    for wrong in ("", "a", "3-", "7-8"):
        with pytest.raises(JobsError):
            select_lines(lines, wrong)


def test_a_key_changes_with_all_that_a_line_depends_on(tmp_path: Path, model: Path) -> None:
    sound, mapping = write_sound(tmp_path / "a.wav"), tmp_path / "m.json"
    mapping.write_text("{}", encoding="utf-8")
    other = shutil.copytree(model, tmp_path / "other")
    text = (other / "model.json").read_text(encoding="utf-8")
    (other / "model.json").write_text(text.replace('"Small"', '"Smaller"'), encoding="utf-8")
    line = Line(1, str(sound), mapping=str(mapping), model=str(model), output_curves=str(tmp_path / "a.csv"))
    first = Digests().key(line)
    assert first == Digests().key(Line(**{**line.__dict__, "number": 5}))
    settings = [{"strength": 0.9}, {"emotion": {"joy": 0.1}}]
    changes: list[dict[str, Any]] = [*({"settings": item} for item in settings), {"fps": 25.0}, {"model": str(other)}]
    changed = [Digests().key(Line(**{**line.__dict__, **change})) for change in (*changes, {"output_curves": "b.csv"})]
    mapping.write_text("{ }", encoding="utf-8")
    changed.append(Digests().key(line))
    write_sound(sound, 1.1)
    changed.append(Digests().key(line))
    sound.unlink()
    changed.append(Digests().key(line))
    newer = Digests()
    newer._version += "1"
    changed.append(newer.key(line))
    assert len({first, *changed}) == len(changed) + 1


# The journal


def end_line(journal: Journal, folder: Path, key: str) -> Path:
    final = folder / f"{key}.csv"
    partial = partial_name(str(final), "t")
    Path(partial).write_text(key, encoding="utf-8")
    journal.write_end([Outcome(key, DONE, warnings=("loud",), facts={"frames": 3})], {partial: str(final)})
    return final


def test_the_journal_survives_being_cut_off_anywhere(tmp_path: Path) -> None:
    with Journal(tmp_path / "state") as journal:
        for key in ("a", "b"):
            assert end_line(journal, tmp_path, key).read_text(encoding="utf-8") == key
    path = tmp_path / "state" / "journal.jsonl"
    whole = path.read_bytes()
    ends = [match.end() for match in re.finditer(rb"\n", whole)]
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        with Journal(tmp_path / "state") as journal:
            # Without its last line break an entry is complete nevertheless.
            assert (journal.outcome("a") is not None) == (length >= ends[0] - 1)
            assert (journal.outcome("b") is not None) == (length >= ends[2] - 1)
            journal.write_start(["c"], 1)
        assert [entry["event"] for entry in read_entries(path)][-1] == "started"


def test_a_kill_between_ready_and_renamed_loses_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path / "state") as journal:
        final = end_line(journal, tmp_path, "a")
    path = tmp_path / "state" / "journal.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    final.rename(partial_name(str(final), "t"))
    with Journal(tmp_path / "state") as journal:
        assert journal.outcome("a") is not None and journal.outcome("a").warnings == ("loud",)
    assert final.read_text(encoding="utf-8") == "a"
    assert list(tmp_path.glob(".*partial*")) == []


def test_what_killed_workers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    final = tmp_path / "a[1].blend"
    partial = Path(partial_name(str(final), "t"))
    for path in (final, partial, partial.with_name(f"{partial.name}@"), tmp_path / "b.blend", tmp_path / ".b.t.partial.blend"):
        path.touch()
    remove_partials([str(final)])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.t.partial.blend", "a[1].blend", "b.blend"]


def test_parts_of_a_job_leave_each_others_files_alone(tmp_path: Path) -> None:
    """The name of one line's output is the beginning of another's, or leaves no room for an ending."""
    finals = [str(tmp_path / name) for name in ("line.csv", "line.b.csv", "line.b.csv.csv", f"{'x' * 251}.csv")]
    partials = [Path(partial_name(final, "0123456789abcd")) for final in finals]
    for partial in partials:
        partial.touch()
    remove_partials(finals[:1])
    assert [partial.exists() for partial in partials] == [False, True, True, True]
    remove_partials(finals)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "ready"}',
        '{"event": "ready", "lines": 3, "files": []}',
        '{"event": "ready", "lines": [{"key": "a"}], "files": []}',
        '{"event": "ready", "lines": [{"key": ["a"], "state": "done", "warnings": []}], "files": []}',
        '{"event": "ready", "lines": [{"key": "a", "state": "done", "warnings": [], "more": 1}], "files": []}',
        '{"event": "ready", "lines": [], "files": [["a"]]}',
        '{"event": "ready", "lines": [], "files": [["a\\u0000", "b", "c"]]}',
        '{"event": {}}',
        "[" * 50_000,
        '"ready"',
        "\x00\x01",
    ],
)
def test_a_journal_of_another_shape_is_passed_over(tmp_path: Path, line: str) -> None:
    (tmp_path / "journal.jsonl").write_text(line, encoding="utf-8")
    with Journal(tmp_path) as journal:
        assert journal.outcome("a") is None
        end_line(journal, tmp_path, "a")
    with Journal(tmp_path) as journal:
        assert journal.outcome("a") is not None


def test_a_journal_that_is_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal.jsonl")
    with pytest.raises(JournalError, match="it is a named pipe, not a file"):
        Journal(tmp_path)


def test_an_input_that_changes_while_it_is_read_is_not_done(tmp_path: Path, model: Path, capsys: Any, monkeypatch: Any) -> None:
    table = make_batch(tmp_path, model, 2)
    sound = tmp_path / "sounds" / "2.wav"
    before = sound.read_bytes()
    start = Batch._start

    def change_at_start(self: Batch, unit: Unit, worker: int) -> None:
        if unit.lines[0].audio == str(sound):
            write_sound(sound, 0.9)
        start(self, unit, worker)

    monkeypatch.setattr(Batch, "_start", change_at_start)
    assert main(["batch", str(table), "--workers", "1"]) == 2
    assert "2.wav changed while it was read; start the batch again" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.csv"]
    monkeypatch.undo()
    # With the file of the beginning back, nothing of the other one counts as done.
    sound.write_bytes(before)
    assert main(["batch", str(table), "--workers", "1"]) == 0
    assert "2 of 2 lines done (1 of them before)" in capsys.readouterr().out


def test_two_batches_cannot_use_one_journal_but_parts_can(tmp_path: Path) -> None:
    with Journal(tmp_path):
        with pytest.raises(JournalError, match="at work"):
            Journal(tmp_path)
        with Journal(tmp_path, "1-5") as part:
            part.write_end([Outcome("a", FAILED, "broken")], {})
    with Journal(tmp_path) as journal:
        assert journal.outcome("a").why == "broken"


# Whole batches, in real worker processes


def make_batch(folder: Path, model: Path, count: int = 4) -> Path:
    for i in range(1, count + 1):
        write_sound(folder / "sounds" / f"{i}.wav", 0.5 + 0.1 * i)
    return write_table(folder / "jobs.csv", {"audio": "sounds/*.wav", "model": str(model), "output_curves": "out/{name}.csv"})


def events(folder: Path, kind: str) -> list[list[str]]:
    entries = read_entries(folder / "jobs.batch" / "journal.jsonl")
    return [[line["key"] for line in e["lines"]] if kind == "ready" else e["keys"] for e in entries if e["event"] == kind]


def test_a_batch_gives_what_single_commands_give_and_is_up_to_date_after(tmp_path: Path, model: Path, capsys: Any) -> None:
    table = make_batch(tmp_path, model)
    assert main(["batch", str(table), "--workers", "2"]) == 0, capsys.readouterr().err
    assert "4 of 4 lines done (0 of them before)" in capsys.readouterr().out
    for i in range(1, 5):
        assert (
            main(["curves", str(tmp_path / "sounds" / f"{i}.wav"), "-o", str(tmp_path / "one.csv"), "--model", str(model)]) == 0
        )
        assert (tmp_path / "out" / f"{i}.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    capsys.readouterr()
    # Nothing to do; then only what has changed or is gone.
    assert main(["batch", str(table)]) == 0
    assert "(4 of them before)" in capsys.readouterr().out
    write_sound(tmp_path / "sounds" / "2.wav", 2.0)
    (tmp_path / "out" / "3.csv").unlink()
    assert main(["batch", str(table)]) == 0
    assert "(2 of them before)" in capsys.readouterr().out
    assert len(events(tmp_path, "ready")) == 6
    assert list((tmp_path / "out").glob(".*")) == []


def test_bad_lines_are_reported_and_the_others_done(tmp_path: Path, model: Path, capsys: Any) -> None:
    make_batch(tmp_path, model, 2)
    sounds = tmp_path / "sounds"
    (sounds / "empty.wav").write_bytes(b"")
    (sounds / "text.wav").write_text("not a sound " * 50, encoding="utf-8")
    good = {"model": str(model), "output_curves": "out/{line}.csv"}
    table = write_table(
        tmp_path / "jobs.csv",
        {"audio": "sounds/1.wav", **good},
        {"audio": "sounds/empty.wav", **good},
        {"audio": "sounds/text.wav", **good},
        {"audio": "sounds/gone.wav", **good},
        {"audio": "sounds/2.wav", **good, "model": "nobody"},
        {"audio": "sounds/2.wav", **good, "emotion": "boredom=1"},
        {"audio": "sounds/2.wav", **good, "keys": "many"},
        {"audio": "sounds/2.wav", **good},
    )
    assert main(["batch", str(table), "--workers", "1"]) == 2
    said = capsys.readouterr()
    assert "2 of 8 lines done (0 of them before), 6 failed" in said.out
    for number, what in ((2, "0 bytes"), (3, "damaged"), (4, "no sound file"), (5, "nobody"), (6, "boredom"), (7, "many")):
        assert re.search(rf"line {number} \(.*{what}", said.err), said.err
    # What failed by its own fault is not tried again until something changes.
    assert main(["batch", str(table)]) == 2
    assert "2 of 8 lines done (7 of them before)" in capsys.readouterr().out
    write_sound(sounds / "gone.wav")
    assert main(["batch", str(table)]) == 2
    assert "3 of 8 lines done" in capsys.readouterr().out


def kill_workers_that(work: str) -> str:
    """Return a worker that ends itself in a given way on a sound called 'bad'."""
    return f"""
import os, signal, sys, time
sys.path.insert(0, {str(ROOT / "tests")!r})
import conftest
from voxrig.batch import perform, workers
whole = perform.Performer.perform
def perform_or_die(self, unit, partials, on_progress):
    if unit.lines[0].name == "bad":
        {work}
    return whole(self, unit, partials, on_progress)
perform.Performer.perform = perform_or_die
workers.serve("CPU", 1)
"""


@pytest.mark.parametrize(
    ("work", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed, perhaps for its memory"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os._exit(7)", "exit code 7"),
        ("raise MemoryError", "exit code 1"),
        ("time.sleep(600)", "no sign of life"),
    ],
)
def test_a_worker_that_dies_is_replaced_and_its_line_given_up_after_two(
    work: str, said: str, tmp_path: Path, model: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_batch(tmp_path, model, 2)
    shutil.copy(tmp_path / "sounds" / "1.wav", tmp_path / "sounds" / "bad.wav")
    environment = {**os.environ}
    monkeypatch.setattr(workers, "_worker_command", lambda: ([sys.executable, "-c", kill_workers_that(work)], environment))
    assert main(["batch", str(table), "--workers", "1", "--timeout", "10" if "sleep" in work else "60"]) == 2
    captured = capsys.readouterr()
    assert "2 of 3 lines done" in captured.out
    assert said in captured.err and "2 times" in captured.err
    # A passing reason: the next run tries again, with workers that live.
    monkeypatch.undo()
    assert main(["batch", str(table), "--workers", "1"]) == 0
    assert "3 of 3 lines done (2 of them before)" in capsys.readouterr().out


def test_workers_that_do_not_start_end_the_batch_at_once(
    tmp_path: Path, model: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_batch(tmp_path, model, 2)
    monkeypatch.setattr(workers, "_worker_command", lambda: ([sys.executable, "-c", "raise SystemExit(3)"], {**os.environ}))
    assert main(["batch", str(table), "--workers", "1"]) == 2
    assert "workers do not start" in capsys.readouterr().err
    assert events(tmp_path, "ready") == []


def test_lines_that_share_a_file_are_done_again_together(tmp_path: Path, model: Path) -> None:
    lines = [Line(i, f"{i}.wav", model=str(model), output_blend="shot.blend") for i in (1, 2, 3)]
    keys = Digests().keys(lines)
    assert len(set(keys.values())) == 3
    assert not set(Digests().keys(lines[:2]).values()) & set(keys.values())
    apart = [Line(i, f"{i}.wav", model=str(model), output_curves=f"{i}.csv") for i in (1, 2, 3)]
    assert set(Digests().keys(apart[:2]).values()) < set(Digests().keys(apart).values())


LINES_TO_KILL = 24
"""So many that a fast machine is killed a few times before it is through."""


@pytest.mark.skipif(sys.platform == "win32", reason="kills a process group, which is a thing of POSIX")
def test_killed_at_any_moment_a_batch_goes_on_and_does_nothing_twice(tmp_path: Path, model: Path) -> None:
    table = make_batch(tmp_path, model, LINES_TO_KILL)
    shutil.copytree(tmp_path, undisturbed := tmp_path.parent / f"{tmp_path.name}-whole")
    command = [sys.executable, str(ROOT), "batch", "--workers", "2"]
    subprocess.run([*command, str(undisturbed / "jobs.csv")], check=True, capture_output=True)
    random = np.random.default_rng(7)
    kills = 0
    for _ in range(2 * LINES_TO_KILL):
        process = subprocess.Popen([*command, str(table)], start_new_session=True, stdout=subprocess.DEVNULL)
        ready = len(events(tmp_path, "ready")) if (tmp_path / "jobs.batch" / "journal.jsonl").exists() else 0
        journal = tmp_path / "jobs.batch" / "journal.jsonl"
        while process.poll() is None and (not journal.exists() or len(events(tmp_path, "ready")) <= ready):
            time.sleep(0.005)
        time.sleep(random.uniform(0.0, 0.02))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
    assert process.wait() == 0 and kills >= 2
    for i in range(1, LINES_TO_KILL + 1):
        assert (tmp_path / "out" / f"{i}.csv").read_bytes() == (undisturbed / "out" / f"{i}.csv").read_bytes()
    done = [key for keys in events(tmp_path, "ready") for key in keys]
    assert len(done) == len(set(done)) == LINES_TO_KILL
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(f"{i}.csv" for i in range(1, LINES_TO_KILL + 1))


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to one process, which is a thing of POSIX")
def test_ctrl_c_ends_the_workers_and_the_batch_goes_on_later(tmp_path: Path, model: Path) -> None:
    count = 12
    table = make_batch(tmp_path, model, count)
    command = [sys.executable, str(ROOT), "batch", "--workers", "1", str(table)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A shell's background jobs ignore the signal, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline().startswith(f"[1/{count}] line 1 (1): done")
    process.send_signal(signal.SIGINT)
    _printed, complaints = process.communicate(timeout=60)
    assert process.returncode == 130 and complaints == "voxrig: interrupted\n"
    with pytest.raises(ProcessLookupError):  # nobody of its group is left
        os.killpg(process.pid, 0)
    assert list((tmp_path / "out").glob(".*")) == []
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.count(": done\n") < count
    assert len(list((tmp_path / "out").iterdir())) == count


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_people_at_a_terminal_see_how_far_it_is(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    assert main(["batch", str(make_batch(tmp_path, model)), "--workers", "1"]) == 0
    shown = [line for line in terminal.getvalue().split("\r\x1b[K") if line]
    assert re.fullmatch(r"0 of 4 lines, 0 frames", shown[0])
    assert re.fullmatch(r"[1-3] of 4 lines, [1-9]\d* frames, \d+ s left", shown[len(shown) // 2])
    assert re.fullmatch(r"4 of 4 lines, [1-9]\d* frames, 0 s left", shown[-1])
    assert terminal.getvalue().endswith("\r\x1b[K"), "the summary does not stand behind it"


# What is said about a line


def test_levels() -> None:
    loud, quiet = np.full(100, 0.5, np.float32), np.full(100, 0.001, np.float32)
    assert curves_line.judge_sound(loud) == []
    assert "silence" in curves_line.judge_sound(quiet)[0]
    clipped = loud.copy()
    clipped[::10] = 1.0
    assert "clipping: 10%" in curves_line.judge_sound(clipped)[0]
    spoken = quiet.copy()
    spoken[:3] = 0.5
    assert "only 3%" in curves_line.judge_sound(spoken)[0]


def test_another_language_is_suspected(tmp_path: Path) -> None:
    def warn(sound: Path) -> str:
        # Speech 2 was taught in English and hears it in other languages too; the small model does not.
        line = Line(1, str(sound), output_curves=str(tmp_path / "out.csv"), model="speech_fast")
        (result,), _files = perform.Performer("CPU").perform(Unit((line,)), {line.output_curves: line.output_curves}, print)
        assert result.why == ""
        return "; ".join(result.warnings)

    assert warn(ROOT / "tools" / "demo" / "speech" / "demo.flac") == ""
    text = "Ich möchte heute früher nach Hause gehen, weil ich noch einkaufen und kochen muss."
    samples, rate, _ = espeak.speak(text, "de")
    soundfile.write(tmp_path / "german.wav", samples, rate)
    assert warn(tmp_path / "german.wav").startswith("wrong language suspected")


class Cells(HTMLParser):
    """The tags of a page, and whether they all close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.places: list[str] = []
        self.rows = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.rows += tag == "tr"
        self.places += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br", "polygon", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("polygon", "polyline"):
            assert self.open.pop() == tag


def test_the_report_page_stands_by_itself_and_puts_trouble_first(tmp_path: Path) -> None:
    lines = [
        Line(i, f"/sounds/{name}.wav", character="<b>") for i, name in enumerate(("fine", "loud & clear", "broken", "open"), 1)
    ]
    tracks = {name: [0, 50, 100] for name in ("sound", "jaw", "lips", "rounding")}
    (tmp_path / "sheets").mkdir()
    (tmp_path / "sheets" / "x.jpg").write_bytes(b"picture")
    outcomes = [
        Outcome("1", DONE, facts={"seconds": 1.5, "frames": 36, "keys": 99, "tracks": tracks, "sheet": ["x.jpg"]}),
        Outcome(
            "2", DONE, warnings=("clipping: 9%",), facts={"tracks": tracks, "words": [["<mum>", 0.25, 0.9], ["pie", 1, 0]]}
        ),
        Outcome("3", FAILED, "It is <damaged>"),
        None,
    ]
    text = write_report(tmp_path, lines, outcomes).read_text(encoding="utf-8")
    page = Cells(text)
    assert page.open == [] and page.rows == 5
    assert all(place.startswith("data:") for place in page.places) and len(page.places) == 1
    assert text.index("broken") < text.index("not done yet") < text.index("loud &amp; clear") < text.index("fine")
    assert "&lt;damaged&gt;" in text and "clipping: 9%" in text
    assert '<span title="0.25 s, 90%">&lt;mum&gt;</span> <span class=unheard title="1.00 s, 0%">pie</span>' in text
    assert text.count("<polyline") == 6 and text.count("<polygon") == 2


def test_the_report_page_sorts_numbers_as_numbers(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    rows = [{"cells": [{"dataset": {"value": value}}], "id": i} for i, value in enumerate(("10", "9", "", "100"))]
    program = (
        _SCRIPT
        + f"const rows = {json.dumps(rows)};"
        + ("console.log(JSON.stringify([sortRows(rows, 0, false), sortRows(rows, 0, true)].map(r => r.map(x => x.id))))")
    )
    result = subprocess.run([node, "-e", program], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == [[2, 1, 0, 3], [3, 0, 1, 2]]


def test_a_tongue_that_a_face_cannot_have_is_not_missed() -> None:
    """ARKit's shapes know one movement of the tongue: only a rig that has more of them may lack some."""
    from voxrig.animation.curves import ChannelCurves
    from voxrig.animation.face.channels import face_channels
    from voxrig.batch.curves_line import find_unmapped
    from voxrig.takes.sources import Description

    channels = face_channels()
    names = tuple(channel.name for channel in channels if channel.group == "face")
    tongue = [c.name for c in channels if c.region == "tongue" and c.group == "face" and c.name != "tongueOut"]
    curves = ChannelCurves(names, 50.0, np.stack([np.zeros(len(names)), np.ones(len(names))]))
    source = Description("Speech", channels)
    linked = [name for name in names if name not in tongue]
    assert len(tongue) >= 2
    assert find_unmapped(curves, source, linked) == []
    assert f"{len(tongue) - 1} channels move" in find_unmapped(curves, source, [*linked, tongue[0]])[0]
    without_jaw = [name for name in linked if name != "jawOpen"]
    assert "1 channels move but drive nothing (jawOpen)" in find_unmapped(curves, source, without_jaw)[0]
