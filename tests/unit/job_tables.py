# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the job tables and sounds of a batch."""

from __future__ import annotations

import csv
from pathlib import Path

import model_packages
import soundfile


def write_table(path: Path, *rows: dict[str, object]) -> Path:
    """Write rows as a CSV table with every column that a row has."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_sound(path: Path, seconds: float = 1.0, level: float = 1.0) -> Path:
    """Write noise of the given length as a sound file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, level * model_packages.noise(seconds), model_packages.SAMPLE_RATE)
    return path
