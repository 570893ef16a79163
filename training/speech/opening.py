# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit the opening of lips at known phones to tracked lips: ``python -m voxrig.training.speech.opening --data DIR``.

What the tracked talker's lips do beside the articulation rules is regressed on his phones, forced alignments of the cache
(animation/script/opening.py; ridge regression). Only training clips are read. The talker's sentences begin with one of four
verbs, the training clips with three of them, so each fit is checked on a verb that it lacks, as the development clips do.
Written is ``animation/script/opening.json``.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from ...animation.face.articulation import articulate
from ...animation.face.lips import lip_gap
from ...animation.face.phones import PHONES, SILENCE, TimedPhone
from ...animation.script.opening import FILE, LAGS, STRESS, cover_windows
from ..corpora.alignment import read_alignments
from ..corpora.clips import SAMPLE_RATE
from ..evaluation.measures import pearson

TRAINING = "lps"
"""First letters of the training clips."""
FRAME_RATE = 50.0
VIDEO_RATE = 25.0
EYES_CENTIMETRES = 8.9
"""Distances are tracked over that of the outer corners of the eyes."""
REST_PERCENT = 5.0
PENALTY = 100.0
NAMES = (*(phone for phone in PHONES if phone != SILENCE), STRESS)

Floats = NDArray[np.float64]


def read_clip(folder: Path, name: str, phones: Sequence[TimedPhone]) -> tuple[Floats, Floats, Floats]:
    """Return the windows ``[frame, sound * lag]``, the rules' gap and the tracked gap ``[frame]`` of a clip, in centimetres."""
    said = [phone for phone in phones if phone.phone != SILENCE]
    count = round(soundfile.info(folder / "audio" / f"{name}.flac").frames / SAMPLE_RATE * FRAME_RATE)
    with open(folder / "lips" / f"{name}.csv", encoding="utf-8", newline="") as stream:
        tracked = np.array([float(row["inner_gap"]) for row in csv.DictReader(stream)])
    curves = articulate(said, FRAME_RATE, count / FRAME_RATE)
    at = (np.arange(len(tracked)) + 0.5) / VIDEO_RATE
    seconds = np.arange(count) / FRAME_RATE
    windows = cover_windows(said, NAMES, FRAME_RATE, count).reshape(count, -1)
    rows = np.clip(np.round(at * FRAME_RATE).astype(int), 0, count - 1)
    rules = np.interp(at, seconds, lip_gap(curves.values, curves.names)[:count])
    return windows[rows], rules, (tracked - np.percentile(tracked, REST_PERCENT)) * EYES_CENTIMETRES


def fit(clips: Sequence[tuple[Floats, Floats, Floats]]) -> Floats:
    """Return the weights ``[sound * lag]`` that explain best what the rules lack."""
    windows = np.concatenate([clip[0] for clip in clips])
    missing = np.concatenate([clip[2] - clip[1] for clip in clips])
    return np.linalg.solve(windows.T @ windows + PENALTY * np.eye(windows.shape[1]), windows.T @ missing)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, check on verbs held out, and write the weights of all training clips."""
    parser = argparse.ArgumentParser(prog="voxrig.training.speech.opening", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with grid_lips/")
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    options = parser.parse_args(arguments)
    aligned = read_alignments(options.cache / "alignments" / "grid_lips.jsonl")
    known = {name: phones for name, (phones, _) in sorted(aligned.items()) if name[0] in TRAINING and phones}
    clips = {name: read_clip(options.data / "grid_lips", name, phones) for name, phones in known.items()}
    alone: list[float] = []
    corrected: list[float] = []
    for verb in TRAINING:
        weights = fit([clip for name, clip in clips.items() if name[0] != verb])
        for windows, rules, tracked in (clip for name, clip in clips.items() if name[0] == verb):
            alone.append(pearson(rules, tracked))
            corrected.append(pearson(rules + windows @ weights, tracked))
    print(f"{len(clips)} clips, verb held out: r of the rules {np.mean(alone):.3f}, corrected {np.mean(corrected):.3f}")
    table = fit(list(clips.values())).reshape(len(NAMES), LAGS)
    rows = [f"    {json.dumps(name)}: {json.dumps(np.round(row, 3).tolist())}" for name, row in zip(NAMES, table) if row.any()]
    about = (
        "Centimetres that each sound adds to the lip gap of the articulation rules, from 320 ms after it to 320 ms before it."
    )
    source = "Fitted by training/speech/opening.py to the tracked lips of talker 1 of the GRID corpus (CC BY 4.0)."
    body = ",\n".join(rows)
    FILE.write_text(
        f'{{\n  "about": {json.dumps(about)},\n  "source": {json.dumps(source)},\n  "centimetres": {{\n{body}\n  }}\n}}\n',
        encoding="utf-8",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
