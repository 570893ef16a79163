# SPDX-License-Identifier: GPL-3.0-or-later
"""Make synthetic lines for the demonstration: sounds, a character to speak them, a table, and ten ways to be bad."""

from __future__ import annotations

import csv
import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import soundfile

from ...demo.speech import SPEECH_FOLDER

_WHO = ("The captain", "My sister", "Nobody here", "Bob's mum", "An old fisherman", "Every farmer", "That wolf", "The baby")
_DOES = ("forgot the key", "baked a pie", "found a map", "moved the boat", "heard the bell", "broke the wheel", "saw a star")
_WHERE = ("by the river.", "before morning.", "in the dark.", "for the king.", "after the storm.", "with five friends.")
BAD_WAYS = (
    *("missing sound", "empty sound", "text for a sound", "cut short", "not numbers"),
    *("unknown emotion", "no such character", "no such blend", "no such model", "bad cell"),
)


def make_lines(folder: Path, count: int) -> tuple[Path, list[int]]:
    """Make a table of ``count`` lines in ``folder``; returns it and the numbers of the ten bad lines, each bad in its own
    way."""
    sounds = folder / "sounds"
    sounds.mkdir(parents=True, exist_ok=True)
    texts = [" ".join(words) for words in itertools.product(_WHO, _DOES, _WHERE)]
    bad = [1 + (i * count + count // 2) // len(BAD_WAYS) for i in range(len(BAD_WAYS))]
    rows: list[dict[str, str]] = []
    for number in range(1, count + 1):
        sound = sounds / f"line_{number:03d}.wav"
        if not sound.exists():
            speak(texts[number * 37 % len(texts)], number, sound)
        row = {"audio": f"sounds/{sound.name}", "blend": "character.blend", "character": "Vox", "model": "", "keys": "sparse"}
        row |= {"emotion": f"joy={number % 5 / 10:g}", "output_blend": "out/{name}.blend", "output_curves": "out/{name}.csv"}
        rows.append(row)
    for number, way in zip(bad, BAD_WAYS):
        spoil(rows[number - 1], folder / rows[number - 1]["audio"], way)
    table = folder / "jobs.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table, bad


def speak(text: str, number: int, sound: Path) -> None:
    """Say a text with espeak-ng or flite; without them, take a piece of the bundled speech."""
    if shutil.which("espeak-ng"):
        voice = f"en+{'fm'[number % 2]}{1 + number % 4}"
        subprocess.run(["espeak-ng", "-v", voice, "-s", str(140 + number % 40), "-w", str(sound), text], check=True)
    elif shutil.which("flite"):
        subprocess.run(["flite", "-voice", ("slt", "rms", "kal")[number % 3], "-t", text, "-o", str(sound)], check=True)
    else:
        samples, rate = soundfile.read(SPEECH_FOLDER / "demo.flac")
        soundfile.write(sound, np.roll(samples, -number * rate // 7)[: 2 * rate], rate)


def spoil(row: dict[str, str], sound: Path, way: str) -> None:
    """Spoil a row in one of BAD_WAYS."""
    if way == "missing sound":
        sound.unlink(missing_ok=True)
    elif way == "empty sound":
        sound.write_bytes(b"")
    elif way == "text for a sound":
        sound.write_text("This is not a sound.\n" * 100, encoding="utf-8")
    elif way == "cut short":
        sound.write_bytes(sound.read_bytes()[:20_000])
    elif way == "not numbers":
        soundfile.write(sound, np.full(16_000, np.nan, np.float32), 16_000, subtype="FLOAT")
    else:
        column, value = {
            "unknown emotion": ("emotion", "boredom=1"),
            "no such character": ("character", "Nobody"),
            "no such blend": ("blend", "nowhere.blend"),
            "no such model": ("model", "nothing"),
            "bad cell": ("keys", "plenty"),
        }[way]
        row[column] = value
