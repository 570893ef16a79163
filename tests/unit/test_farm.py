# SPDX-License-Identifier: GPL-3.0-or-later
"""The farm's job descriptions: the Open Job Description template in its own runner, the Flamenco script under Node."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import model_packages
import pytest
from job_tables import write_sound, write_table

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "farm" / "voxrig_batch.openjd.yaml"
SCRIPT = ROOT / "farm" / "voxrig_batch.flamenco.js"
MANUAL = (ROOT / "docs" / "batches.md").read_text(encoding="utf-8")


@pytest.fixture
def openjd() -> str:
    program = Path(sys.executable).with_name("openjd")
    if not program.exists():
        pytest.skip("openjd-cli is installed in .venv only")
    return str(program)


def test_the_template_is_valid(openjd: str) -> None:
    result = subprocess.run([openjd, "check", str(TEMPLATE)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_manual_names_parameters_that_the_template_has() -> None:
    named = re.findall(r"-p (\w+)=", MANUAL)
    assert len(named) == len(set(named)) == 5
    assert set(re.findall(r"^  - name: (\w+)$", TEMPLATE.read_text(encoding="utf-8"), re.MULTILINE)) >= set(named)


def write_blender(path: Path) -> Path:
    """Return a program that is called as Blender is, and starts Voxrig in this Python."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!/bin/sh\n"
        f'[ "$1 $2 $3" = "--background --command voxrig" ] || exit 9\n'
        f"shift 3\n"
        f'exec "{sys.executable}" "{ROOT}" "$@"\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    return path


def test_openjd_does_the_batch_in_chunks_and_says_what_failed(openjd: str, tmp_path: Path) -> None:
    model = model_packages.write_package(tmp_path / "small")
    for i in range(1, 6):
        write_sound(tmp_path / "sounds" / f"{i}.wav", 0.3 + 0.1 * i)
    (tmp_path / "sounds" / "3.wav").write_bytes(b"")
    table = write_table(
        tmp_path / "jobs.csv", {"audio": "sounds/*.wav", "model": str(model), "output_curves": "out/{name}.csv"}
    )
    values = {"Table": table, "Lines": "1-5", "ChunkSize": 3, "Workers": 1, "Blender": write_blender(tmp_path / "blender")}
    parameters = [word for name, value in values.items() for word in ("-p", f"{name}={value}")]
    command = [openjd, "run", str(TEMPLATE), "--step", "Report", "--run-dependencies", *parameters]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.csv", "2.csv", "4.csv", "5.csv"]
    assert "line 3 (3)" in first.stdout and "0 bytes" in first.stdout
    assert first.returncode != 0, "the report step tells that a line failed"
    state = tmp_path / "jobs.batch"
    assert sorted(path.name for path in state.glob("journal-*")) == ["journal-1-3.jsonl", "journal-4-5.jsonl"]
    assert (state / "report.html").is_file()
    # The farm tries again after the sound was mended: only that line is done.
    written = (tmp_path / "out" / "1.csv").stat().st_mtime_ns
    write_sound(tmp_path / "sounds" / "3.wav")
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout[-3000:]
    assert (tmp_path / "out" / "3.csv").is_file()
    assert (tmp_path / "out" / "1.csv").stat().st_mtime_ns == written


@pytest.mark.parametrize("folder", ["it's; touch injected; '", "$(touch injected)", 'a"b & touch injected #'])
def test_no_shell_reads_a_path(openjd: str, tmp_path: Path, folder: str) -> None:
    """The table and Blender itself lie in a folder whose name is a command to a shell."""
    model = model_packages.write_package(tmp_path / "small")
    write_sound(tmp_path / folder / "1.wav", 0.3)
    row = {"audio": "1.wav", "model": str(model), "output_curves": "out/{name}.csv"}
    values = {
        "Table": write_table(tmp_path / folder / "jobs.csv", row),
        "Lines": "1-1",
        "Blender": write_blender(tmp_path / folder / "blender"),
    }
    parameters = [word for name, value in values.items() for word in ("-p", f"{name}={value}")]
    command = [openjd, "run", str(TEMPLATE), "--step", "Animate", "--run-dependencies", *parameters]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stdout[-3000:]
    assert (tmp_path / folder / "out" / "1.csv").is_file()
    assert not [path for path in tmp_path.rglob("*") if path.name == "injected"]


# Flamenco. What its Manager gives a script was recorded from its documentation and its own scripts: `author` makes tasks and
# commands, `frameChunker` cuts a range, and a job takes tasks. What it would refuse, this refuses.
MANAGER = r"""
const tasks = [];
class Task {
    constructor(name, type) {
        if (!["blender", "ffmpeg", "file-management", "misc"].includes(type)) throw new Error("task type " + type);
        Object.assign(this, { name, type, commands: [], dependencies: [] });
    }
    addCommand(command) { this.commands.push(command); }
    addDependency(task) {
        if (!(task instanceof Task)) throw new Error("a dependency is a task");
        this.dependencies.push(task.name);
    }
}
const author = {
    Task: (name, type) => new Task(name, type),
    Command: (name, parameters) => {
        if (name !== "exec") throw new Error("command " + name);
        const { exe, args, ...others } = parameters;
        if (typeof exe !== "string" || !args.every(word => typeof word === "string") || Object.keys(others).length)
            throw new Error("exec takes exe, a text, and args, a list of texts");
        return { name, parameters };
    },
};
function frameChunker(range, size) {
    const frames = range.split(",").flatMap(part => {
        const [first, last = first] = part.split("-").map(Number);
        return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
    const chunks = [];
    for (let i = 0; i < frames.length; i += size) {
        const runs = [];
        for (const frame of frames.slice(i, i + size)) {
            if (runs.length && runs.at(-1)[1] === frame - 1) runs.at(-1)[1] = frame; else runs.push([frame, frame]);
        }
        chunks.push(runs.map(([first, last]) => first === last ? `${first}` : `${first}-${last}`).join(","));
    }
    return chunks;
}
const job = { name: "lines", settings: SETTINGS, addTask: task => tasks.push(task) };
"""


def compile_job(**settings: object) -> dict[str, Any]:
    """Run the script on a job's settings; ``error`` if it refuses them."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    values = {"table": "/share/jobs.csv", "lines": "1-45", "chunk_size": 20, "workers": 2, **settings}
    program = MANAGER.replace("SETTINGS", json.dumps(values)) + SCRIPT.read_text(encoding="utf-8")
    program += """
    let error = ""; try { compileJob(job); } catch (raised) { error = raised.message; }
    console.log(JSON.stringify({ type: JOB_TYPE, tasks, error }));
    """
    return json.loads(subprocess.run([node, "-e", program], capture_output=True, text=True, check=True).stdout)


def test_flamenco_gets_prepare_chunks_and_report() -> None:
    tasks = {task["name"]: task for task in compile_job()["tasks"]}
    chunks = ["animate-1-20", "animate-21-40", "animate-41-45"]
    assert list(tasks) == ["prepare", *chunks, "report"]
    assert all(tasks[name]["dependencies"] == ["prepare"] for name in chunks)
    assert tasks["report"]["dependencies"] == chunks and tasks["prepare"]["dependencies"] == []
    (command,) = tasks["animate-21-40"]["commands"]
    assert command["parameters"]["exe"] == "{blender}"
    start = ["--background", "--command", "voxrig", "batch", "/share/jobs.csv"]
    assert command["parameters"]["args"] == [*start, "--part", "21-40", "--workers", "2"]


def test_the_manuals_job_is_one_for_flamenco() -> None:
    match = re.search(r"-d '(\{.*?\})'\n", MANUAL, re.DOTALL)
    assert match is not None
    job = json.loads(match[1])
    # What the Manager's OpenAPI description requires of a submitted job; a type is called like its file.
    assert {"name", "type", "priority", "submitter_platform"} < set(job) and f"scripts/{job['type']}.js" in MANUAL
    compiled = compile_job(**job["settings"])
    assert compiled["error"] == "" and len(compiled["tasks"]) == 6
    assert set(job["settings"]) == {setting["key"] for setting in compiled["type"]["settings"]}


def test_the_command_line_knows_what_flamenco_tells_it() -> None:
    from voxrig.cli.main import build_parser

    for task in compile_job(lines="1-5,9")["tasks"]:
        build_parser().parse_args(task["commands"][0]["parameters"]["args"][3:])


def test_flamencos_settings_are_of_its_kinds() -> None:
    job_type = compile_job()["type"]
    known = {"key", "type", "subtype", "required", "default", "description", "propargs", "visible", "eval"}
    types = {"string": str, "int32": int, "float": float, "bool": bool}
    for setting in job_type["settings"]:
        assert set(setting) <= known
        assert setting["key"].isidentifier()
        if "default" in setting:
            assert isinstance(setting["default"], types[setting["type"]])
    assert {setting["key"] for setting in job_type["settings"]} == {"table", "lines", "chunk_size", "workers"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"table": "/share/jobs.xls"}, "choose a .csv or .json"),
        ({"lines": "all"}, "write them like"),
        ({"lines": "1-20; rm"}, "write them like"),
        ({"chunk_size": 0}, "at least 1"),
        ({"workers": 0}, "at least 1"),
    ],
)
def test_flamencos_settings_are_checked(settings: dict[str, object], message: str) -> None:
    compiled = compile_job(**settings)
    assert message in compiled["error"] and compiled["tasks"] == []
