# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of synthetic speech by many voices whose phones, stress and pauses are known, to learn and to check speech events on.

Each line is a few sentences with pauses as talkers make them (log-normal, median 0.45 s) over a floor of noise 55 dB down.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import synthesis_espeak, synthesis_festival, synthesis_flite
from .synthesis import DRILLS, to_rate

SAMPLE_RATE = 16_000
FLITE = ("rms", "slt", "awb", "kal16")
FESTIVAL = ("kal", "ked", "slt_hts")
ESPEAK = ("en-us+klatt2", "en-us+f2", "gmw/en+m3", "en-us+adam", "gmw/en+klatt4", "en-us+f5")
VOICES = (
    *(f"flite {name}" for name in FLITE),
    *(f"festival {name}" for name in FESTIVAL),
    *(f"espeak {name}" for name in ESPEAK),
)
_PAUSE_MEDIAN, _PAUSE_SPREAD = 0.45, 0.6
_FLOOR = 0.0018


@dataclass(frozen=True)
class Line:
    """A sound at SAMPLE_RATE of one voice; ``stressed`` are (start, end) of stressed vowels, ``phrases`` of what is said
    without a pause, in seconds."""

    voice: str
    samples: NDArray[np.float32]
    stressed: NDArray[np.float64]
    phrases: NDArray[np.float64]


def read_sentences(data: Path | None) -> list[str]:
    """Return the sentences of ``data/text/sentences.jsonl``, without ``data`` those of training.synthesis."""
    path = None if data is None else data / "text" / "sentences.jsonl"
    if path is None or not path.is_file():
        return list(DRILLS)
    rows = [json.loads(row) for row in path.read_text(encoding="utf-8").splitlines() if row.strip()]
    texts = [str(row["text"]) for row in rows]
    return [text for text in texts if 4 <= len(text.split()) <= 18 and text.isascii()]


def make_lines(voice: str, seconds: float, sentences: Sequence[str], seed: int = 0) -> Iterator[Line]:
    """Yield lines of 10 to 30 s by one of VOICES until ``seconds`` are full. Raises ValueError for an unknown voice."""
    rng = np.random.default_rng([seed, zlib.crc32(voice.encode())])
    said = _say(voice, seconds, sentences, rng)
    pieces: list[NDArray[np.float32]] = []
    stressed: list[tuple[float, float]] = []
    phrases: list[tuple[float, float]] = []
    size, wanted = 0, float(rng.uniform(10, 30))
    for sound, phones in said:
        pause = np.zeros(int(SAMPLE_RATE * min(_PAUSE_MEDIAN * np.exp(_PAUSE_SPREAD * rng.standard_normal()), 2.5)), np.float32)
        start = size / SAMPLE_RATE
        for phone in phones:
            if phone.stress == 1:
                stressed.append((start + phone.start, start + phone.end))
            if phone.phone == "SIL":
                continue
            if phrases and start + phone.start - phrases[-1][1] < 0.18:
                phrases[-1] = (phrases[-1][0], start + phone.end)
            else:
                phrases.append((start + phone.start, start + phone.end))
        pieces += [sound, pause]
        size += sound.size + pause.size
        if size >= wanted * SAMPLE_RATE:
            samples = np.concatenate(pieces) + _FLOOR * rng.standard_normal(size).astype(np.float32)
            yield Line(voice, samples.astype(np.float32), np.array(stressed), np.array(phrases))
            pieces, stressed, phrases, size, wanted = [], [], [], 0, float(rng.uniform(10, 30))


def _say(voice: str, seconds: float, sentences: Sequence[str], rng: np.random.Generator) -> Iterator[tuple]:
    engine, _, name = voice.partition(" ")
    total = 0.0
    while total < seconds:
        texts = [sentences[index] for index in rng.integers(len(sentences), size=12)]
        if engine == "festival":
            for made in synthesis_festival.say_all(texts, name, rng):
                if not isinstance(made, str):
                    yield _scaled(made[0], made[1]), made[2]
                    total += len(made[0]) / made[1]
            continue
        for text in texts:
            try:
                if engine == "flite":
                    stretch, pitch = float(rng.uniform(0.9, 1.2)), float(rng.uniform(0.9, 1.15))
                    samples, rate, phones = synthesis_flite.say(text, name, stretch=stretch, pitch_ratio=pitch)
                elif engine == "espeak":
                    speed, pitch = int(rng.integers(140, 190)), int(rng.integers(35, 65))
                    samples, rate, phones = synthesis_espeak.say(text, name, words_per_minute=speed, pitch=pitch)
                else:
                    raise KeyError(voice)
            except ValueError:
                continue
            yield _scaled(samples, rate), phones
            total += len(samples) / rate


def _scaled(samples: NDArray, rate: int) -> NDArray[np.float32]:
    sound = to_rate(samples, rate)
    return (0.3 * sound / max(float(np.abs(sound).max()), 1e-6)).astype(np.float32)
