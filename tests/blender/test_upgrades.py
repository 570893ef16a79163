# SPDX-License-Identifier: GPL-3.0-or-later
"""A production moves from one Blender to the next: mapping, takes, edits, strips, layers and the ledger go along each time."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEP = Path(__file__).with_name("upgrade_step.py")


def python_of(version: str) -> Path:
    """Return the Python of a Blender, as `make` sets it up."""
    main = ROOT / ".venv" / "bin" / "python"
    other = ROOT / ".venvs" / version / "bin" / "python"
    return other if other.exists() else main


def run_step(version: str, *arguments: str) -> dict[str, list[int]]:
    done = subprocess.run(
        [str(python_of(version)), "-P", str(STEP), *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))


@pytest.mark.parametrize("versions", [("4.2", "4.5", "5.2"), ("4.2", "5.0"), ("4.5", "5.0", "5.2")], ids="-".join)
def test_a_file_goes_from_one_blender_to_the_next(
    versions: tuple[str, ...], voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    missing = [version for version in versions if version != "4.5" and not (ROOT / ".venvs" / version / ".ready").exists()]
    if missing or not (ROOT / ".venv" / ".ready").exists():
        pytest.skip(f"the environments of Blender {', '.join(missing)} are not set up")
    source = "-"
    for step, version in enumerate(versions):
        target = str(tmp_path / f"{version}.blend")
        found = run_step(version, target, source, str(model_folder), str(voice))
        # Two keys are edited in each Blender; those of the ones before are kept, and no other one: in the Action, in a strip
        # of the NLA, on a layer.
        assert found == dict.fromkeys(("Face", "In a Strip", "On a Layer"), [2 * step, 2 * step + 2]), (version, found)
        source = target
