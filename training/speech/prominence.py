# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.training.speech.prominence --data FOLDER``: learn which syllables stand out, from voices of known stress.

A logistic regression with a small ridge, by Newton's steps. It is checked on unseen voices, one of each engine. Syllables
are those of the bundled model, so that its mistakes are learned as well.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import PHONES, VOWELS
from ...animation.speech import prominence
from ...animation.speech.phrases import find_speech
from ...animation.speech.voice import track_voice
from ...inference.audio import Waveform
from ...inference.generate import generate_all
from ...inference.package import find_model, load_package
from ...inference.session import Session, open_session
from ..corpora.known_stress import VOICES, Line, make_lines, read_sentences

HELD_OUT = ("flite rms", "flite awb", "festival ked", "espeak gmw/en+m3")
"""Voices that are never learned from."""
RIDGE = 3.0
SECONDS_A_VOICE = 240.0


def collect(session: Session, lines: list[Line]) -> dict[str, tuple[NDArray, list, NDArray]]:
    """Collect features, nuclei and labels of all nuclei, with phones and from the sound alone."""
    found: dict[str, tuple[NDArray, list, NDArray]] = {}
    for kind in ("phones", "sound"):
        features, nuclei, labels = [], [], []
        for line in lines:
            voice = track_voice(line.samples, 16_000)
            phones = None
            if kind == "phones":
                phones = generate_all(session, Waveform(line.samples, 16_000)).timed_phones()
            here = prominence.find_nuclei(voice, find_speech(voice, phones), phones)
            if not here:
                continue
            features.append(prominence.describe_nuclei(voice, here))
            nuclei += here
            middle = np.array([0.5 * (nucleus.start + nucleus.end) for nucleus in here])
            inside = (middle[:, None] > line.stressed[:, 0] - 0.03) & (middle[:, None] < line.stressed[:, 1] + 0.03)
            labels.append(inside.any(axis=1))
        found[kind] = np.concatenate(features), nuclei, np.concatenate(labels)
    return found


def add_phones(features: NDArray, nuclei: list) -> NDArray:
    """Add a column for each vowel and each onset to the features."""
    extra = np.zeros((len(nuclei), 2 * len(PHONES)))
    for row, nucleus in enumerate(nuclei):
        if nucleus.vowel:
            extra[row, PHONES.index(nucleus.vowel)] = 1.0
        if nucleus.onset:
            extra[row, len(PHONES) + PHONES.index(nucleus.onset)] = 1.0
    return np.concatenate([features, extra], axis=1)


def fit(features: NDArray, labels: NDArray) -> NDArray:
    """Fit weights and, last, the constant."""
    x = np.concatenate([features, np.ones((len(features), 1))], axis=1)
    weights, ridge = np.zeros(x.shape[1]), np.full(x.shape[1], RIDGE)
    ridge[-1] = 1e-6
    for _ in range(25):
        p = 1.0 / (1.0 + np.exp(-x @ weights))
        curvature = (x * (p * (1 - p))[:, None]).T @ x + np.diag(ridge)
        weights = weights + np.linalg.solve(curvature, x.T @ (labels - p) - ridge * weights)
    return weights


def choose_constant(odds: NDArray, labels: NDArray) -> float:
    """Choose the constant to add to the log-odds so that the F-score is best at 0."""
    best = max(np.linspace(-2.5, 2.5, 101), key=lambda limit: f_score(odds > limit, labels))
    return -float(best)


def f_score(found: NDArray, labels: NDArray) -> float:
    """Compute the F-score of the found syllables."""
    return 2.0 * float(np.sum(found & labels)) / max(float(np.sum(found) + np.sum(labels)), 1.0)


def main() -> None:
    """Learn, check and write ``animation/speech/prominence.json``."""
    parser = argparse.ArgumentParser(prog="prominence", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with text/sentences.jsonl")
    parser.add_argument("--seconds", type=float, default=SECONDS_A_VOICE, help="of speech by each voice")
    arguments = parser.parse_args()
    sentences = read_sentences(arguments.data)
    session = open_session(load_package(find_model(None)))
    lines = {voice: list(make_lines(voice, arguments.seconds, sentences, 1)) for voice in VOICES}
    heard = collect(session, [line for voice in VOICES if voice not in HELD_OUT for line in lines[voice]])
    apart = collect(session, [line for voice in VOICES if voice in HELD_OUT for line in lines[voice]])
    table: dict[str, object] = {
        "about": "Log-odds of a stressed syllable. Written by training.speech.prominence: HELD_OUT voices are left out.",
    }
    for kind in ("sound", "phones"):
        features, nuclei, labels = heard[kind]
        tests, others, truth = apart[kind]
        if kind == "phones":
            features, tests = add_phones(features, nuclei), add_phones(tests, others)
        weights = fit(features, labels)
        weights[-1] += choose_constant(features @ weights[:-1] + weights[-1], labels)
        score = f_score(tests @ weights[:-1] + weights[-1] > 0, truth)
        print(f"{kind}: {len(labels)} syllables, {labels.mean():.2f} stressed; held out {len(truth)}, F {score:.3f}")
        numbers = np.round(weights, 3).tolist()
        count = len(prominence.FEATURES)
        part: dict[str, object] = {"features": dict(zip(prominence.FEATURES, numbers[:count])), "constant": numbers[-1]}
        if kind == "phones":
            vowels = dict(zip(PHONES, numbers[count : count + len(PHONES)]))
            onsets = dict(zip(PHONES, numbers[count + len(PHONES) : -1]))
            part["vowels"] = {name: value for name, value in vowels.items() if name in VOWELS}
            part["onsets"] = {name: value for name, value in onsets.items() if value}
        table[kind] = part
    path = Path(prominence.__file__).with_suffix(".json")
    path.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
