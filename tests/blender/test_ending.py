# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that has Blender as a module ends, also after a bug and when nobody reads what it prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = f"""
import argparse, runpy, sys
import bpy
def parse_args(*_arguments, **_options):
    raise ZeroDivisionError("planted")
if sys.argv.pop() == "bug":
    argparse.ArgumentParser.parse_args = parse_args
sys.argv = ["voxrig", "--help"]
runpy.run_path({str(ROOT)!r}, run_name="__main__")
"""


def test_a_bug_ends_the_process_and_shows_where() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM, "bug"], capture_output=True, text=True, check=False, timeout=120)
    assert result.returncode == 1
    assert "Traceback" in result.stderr and "ZeroDivisionError: planted" in result.stderr


def test_nobody_reads_what_it_prints() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, "no bug"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=120) in (0, 1, 120)
