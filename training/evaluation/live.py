# SPDX-License-Identifier: GPL-3.0-or-later
"""Score the streaming model as it runs live: ``python -m voxrig.training.evaluation.live --data DIR`` (``make live``).

Every development clip is pushed through the stream from its first sample on, with nothing but the model's look-ahead of what
follows. Beside the scores of ``evaluate``: the share of a core, the difference between chunk sizes, and an hour live.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...animation.life.causal import LiveLife
from ...animation.life.stage import LifeSettings
from ...inference.package import find_stream_model, load_package
from ...inference.stream import SpeechStream, open_stream
from ...live.engine import LiveEngine
from ...live.recording import Recording
from ...live.shaping import LiveShaper
from .evaluate import SUBSETS, Development, Scores, align_development, load_development, load_package_predict, score

GOALS = (
    ("closure_recall", "closure recall", "0.85 / 0.92"),
    ("false_closure", "false closure (vowels)", "<= 0.03 / 0.02"),
    ("sealed_tongue", "sealed tongue consonants", "<= 0.06 / 0.05"),
    ("labiodental_recall", "labiodental recall", ""),
    ("opening_r", "opening r at zero lag", "0.68 / 0.74"),
    ("width_r", "width r", ""),
    ("jaw_r", "jaw r", "0.74 / 0.78"),
    ("jitter", "jitter: motion above 10 Hz", ""),
)
"""Figures of the evaluation, what they are called, and the project's floor and aim."""


def measure_share(stream: SpeechStream, seconds: float = 30.0) -> float:
    """Return the share of one core that the stream takes: processor time of this thread over the sound's length."""
    sound = speech_like(seconds)
    stream.push(sound[:16_000])
    began = time.thread_time()
    stream.push(sound)
    return (time.thread_time() - began) / seconds


def measure_chunks(stream: SpeechStream, seconds: float = 20.0, tries: int = 3) -> float:
    """Return the largest difference between one push and pushes of 1 to 4096 samples at random."""
    sound = speech_like(seconds)
    stream.reset()
    whole = stream.push(sound).channels
    largest = 0.0
    for seed in range(tries):
        random = np.random.default_rng(seed)
        stream.reset()
        parts, at = [], 0
        while at < sound.size:
            size = int(random.integers(1, 4097))
            parts.append(stream.push(sound[at : at + size]).channels)
            at += size
        largest = max(largest, float(np.abs(np.concatenate(parts) - whole).max()))
    return largest


class LoopedSound:
    """A microphone whose sound repeats every ten seconds for some minutes, as fast as it is read, 10 ms at a time."""

    name, sample_rate, dropped_samples = "loop", 16_000, 0

    def __init__(self, minutes: float) -> None:
        self._sound = speech_like(10.0)
        self.sample_count = round(60 * minutes * self.sample_rate)
        self.read_samples = 0
        self.memory: list[int] = []
        """The largest memory of the process after each minute, in kilobytes."""

    def start(self) -> None:
        """Begin."""

    def read(self) -> np.ndarray:
        """Return the next 10 ms."""
        if self.read_samples % (60 * self.sample_rate) == 0:
            self.memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        at = self.read_samples % self._sound.size
        self.read_samples += 160
        return self._sound[at : at + 160]

    def moment_of(self, seconds: float) -> float:
        """Return the second itself."""
        return seconds

    @property
    def has_ended(self) -> bool:
        """Whether the minutes are over."""
        return self.read_samples >= self.sample_count

    def trouble(self) -> None:
        """Return None."""

    def stop(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class LongSession:
    """An hour or so live, recorded: what grew, drifted and was lost."""

    minutes: float
    grown_kilobytes: int
    drift_seconds: float
    lost_samples: int
    share: float

    def __str__(self) -> str:
        return (
            f"{self.grown_kilobytes} kB, {self.drift_seconds:.1e} s, {self.lost_samples} samples; "
            f"{self.share:.1%} of a core with life and recording"
        )


def measure_long_session(stream: SpeechStream, minutes: float) -> LongSession:
    """Run the whole live engine, with life and a recording, over ``minutes`` of sound as fast as it can."""
    stream.reset()
    package = stream.package
    source = LoopedSound(minutes)
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(Path(folder) / "hour.wav", source.sample_rate)
        shaper = LiveShaper(package.channels, package.frame_rate, life=LiveLife(LifeSettings(1), package.frame_rate))
        engine = LiveEngine(source, stream, shaper, recording=recording)
        drift: list[float] = []

        def read() -> np.ndarray:
            # The end of what was heard, by the rows that were shown and by the samples that were read.
            if engine.rows and source.has_ended:
                newest = engine.newest()
                assert newest is not None
                drift.append(newest.seconds + stream.look_ahead_seconds - source.read_samples / source.sample_rate)
                return np.zeros(0, np.float32)
            return LoopedSound.read(source)

        source.read = read  # type: ignore[method-assign]
        engine.start()
        engine.wait()
        engine.stop()
        with wave.open(str(recording.keep()), "rb") as kept:
            lost = source.read_samples - kept.getnframes() + source.dropped_samples
    if engine.error is not None:
        raise RuntimeError(engine.error)
    settled = min(1, len(source.memory) - 1)
    return LongSession(
        minutes, source.memory[-1] - source.memory[settled], drift[0], lost, engine.busy_seconds / (60 * minutes)
    )


def speech_like(seconds: float, seed: int = 3) -> np.ndarray:
    """Return noise that swells four times a second."""
    count = round(seconds * 16_000)
    swell = 0.5 - 0.5 * np.cos(2.0 * np.pi * 4.0 * np.arange(count) / 16_000)
    return (0.1 * swell * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def format_report(scores: Scores, stream: SpeechStream, minutes: float) -> str:
    """Format the table."""
    rows = [("algorithmic latency", "120 / 60 ms", f"{1000 * stream.look_ahead_seconds:.0f} ms")]
    for name, title, goal in GOALS:
        if name in scores.estimates:
            found = scores.estimates[name]
            rows.append((title, goal, f"{found.value:.3f} ±{found.error:.3f}"))
    rows += [
        ("share of one core, steps of 20 ms", "25 / 10 %", f"{measure_share(stream):.1%}"),
        ("chunks of 1 to 4096 samples, largest difference", "1e-5", f"{measure_chunks(stream):.1e}"),
        (f"{minutes:g} min live: memory, drift, lost", "flat, 0, counted", str(measure_long_session(stream, minutes))),
    ]
    lines = ["| measure | floor / aim | model |", "|---|---|---|"]
    return "\n".join(lines + [f"| {title} | {goal} | {value} |" for title, goal, value in rows])


def score_stream(folder: Path, development: Development) -> Scores:
    """Score a streaming package on clean sound."""
    return score(load_package_predict(folder)[0], development, degraded=False)


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--model", help="folder of a package that streams (default: the bundled one)")
    parser.add_argument("--subset", choices=tuple(SUBSETS), default="standard")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the session for memory, drift and losses")
    parser.add_argument("--no-alignment", action="store_true", help="use the phone times there are, align nothing")
    parser.add_argument("--save", type=Path, help="file for the scores, for the training record of model.json")
    options = parser.parse_args()
    if not options.no_alignment:
        align_development(options.data, options.cache, options.subset)
    folder = find_stream_model(options.model)
    scores = score_stream(folder, load_development(options.data, options.cache, options.subset))
    print(format_report(scores, open_stream(load_package(folder)), options.minutes))
    if options.save:
        figures = {name: round(scores[name], 4) for name, _, _ in GOALS if name in scores.estimates}
        options.save.write_text(json.dumps({"subset": options.subset, **figures}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
