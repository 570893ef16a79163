# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile numbers, outputs, inputs and take records in Blender, and one sentence for each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_hostile_input_is_one_sentence(tmp_path: Path) -> None:
    """In a process of its own: one that has Blender in it cannot be divided, which the trial does."""
    (tmp_path / "voxrig").symlink_to(ROOT)
    result = subprocess.run(
        [sys.executable, "-m", "voxrig.tools.reports.hostile", "--kind", "in Blender"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        errors="replace",
    )
    rows = [line for line in result.stdout.splitlines() if line.startswith("| **all**")]
    assert result.returncode == 0 and len(rows) == 1, result.stderr[-3000:] + result.stdout[-3000:]
    tried, sentences = (int(cell) for cell in rows[0].split("|")[2:4])
    assert tried >= 250 and sentences > 0.9 * tried, rows
