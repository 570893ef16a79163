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
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...animation.life.causal import LiveLife
from ...animation.life.stage import LifeSettings
from ...inference.package import LOOK_AHEADS, find_stream_model, load_package, stream_name
from ...inference.stream import SpeechStream, StreamedRows, open_stream
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
    difference: float
    """Largest difference of the channels from those of the same sound after one minute."""
    share: float

    def __str__(self) -> str:
        return (
            f"{self.grown_kilobytes} kB, {self.drift_seconds:.1e} s, {self.lost_samples} samples; "
            f"the same sound as after a minute within {self.difference:.0e}; "
            f"{self.share:.1%} of a core with life and recording"
        )


def measure_long_session(stream: SpeechStream, minutes: float) -> LongSession:
    """Run the whole live engine, with life and a recording, over ``minutes`` of sound as fast as it can."""
    stream.reset()
    package = stream.package
    source = LoopedSound(minutes)
    # The rows of the last ten seconds, and of the silence after them that shows the last sample.
    newest: deque[np.ndarray] = deque(maxlen=round((10.0 + stream.look_ahead_seconds) * package.frame_rate))
    push = stream.push

    def push_and_keep(samples: np.ndarray) -> StreamedRows:
        rows = push(samples)
        newest.extend(rows.channels)
        return rows

    stream.push = push_and_keep  # type: ignore[method-assign]
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
    stream.push = push  # type: ignore[method-assign]
    stream.reset()
    early = [stream.push(speech_like(10.0)).channels for _ in range(7)][-1]
    difference = float(np.abs(np.array(newest)[: len(early)] - early).max())
    settled = min(1, len(source.memory) - 1)
    return LongSession(
        minutes,
        source.memory[-1] - source.memory[settled],
        drift[0],
        lost,
        difference,
        engine.busy_seconds / (60 * minutes),
    )


def speech_like(seconds: float, seed: int = 3) -> np.ndarray:
    """Return noise that swells four times a second."""
    count = round(seconds * 16_000)
    swell = 0.5 - 0.5 * np.cos(2.0 * np.pi * 4.0 * np.arange(count) / 16_000)
    return (0.1 * swell * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


def format_report(scores: dict[str, Scores], stream: SpeechStream, minutes: float) -> str:
    """Format the table: quality by look-ahead, and the rest of ``stream``, whose look-ahead is the first."""
    lines = [f"| measure | floor / aim at 60 ms | {' | '.join(scores)} |", f"|---|---|{'---|' * len(scores)}"]
    for name, title, goal in GOALS:
        found = [of_one.estimates.get(name) for of_one in scores.values()]
        said = [f"{one.value:.3f} ±{one.error:.3f}" if one is not None else "" for one in found]
        lines.append(f"| {title} | {goal} | {' | '.join(said)} |")
    lines += [
        "",
        "| measure | floor / aim | model |",
        "|---|---|---|",
        f"| algorithmic latency | 120 / 60 ms | {1000 * stream.look_ahead_seconds:.0f} ms |",
        f"| share of one core, steps of 20 ms | 25 / 10 % | {measure_share(stream):.1%} |",
        f"| chunks of 1 to 4096 samples, largest difference | 1e-5 | {measure_chunks(stream):.1e} |",
    ]
    if minutes:
        held = measure_long_session(stream, minutes)
        lines.append(f"| {minutes:g} min live: memory, drift, lost | flat, 0, counted | {held} |")
    return "\n".join(lines)


def score_stream(folder: Path, development: Development) -> Scores:
    """Score a streaming package on clean sound."""
    return score(load_package_predict(folder)[0], development, degraded=False)


def main() -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--models", nargs="*", help="folders of packages that stream (default: the bundled ones)")
    parser.add_argument("--subset", choices=tuple(SUBSETS), default="standard")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="length of the session for memory, drift and losses; 0: none"
    )
    parser.add_argument("--no-alignment", action="store_true", help="use the phone times there are, align nothing")
    parser.add_argument("--save", type=Path, help="file for the scores, for the training record of model.json")
    options = parser.parse_args()
    if not options.no_alignment:
        align_development(options.data, options.cache, options.subset)
    names = options.models or [stream_name(look_ahead) for look_ahead in LOOK_AHEADS]
    packages = [load_package(find_stream_model(name)) for name in names]
    development = load_development(options.data, options.cache, options.subset)
    scores: dict[str, Scores] = {}
    for package in packages:
        assert package.stream is not None
        scores[f"{1000 * package.stream.look_ahead_seconds:.0f}"] = score_stream(package.folder, development)
    print(format_report({f"{name} ms": of_one for name, of_one in scores.items()}, open_stream(packages[0]), options.minutes))
    if options.save:
        figures = {
            look_ahead: {
                "subset": options.subset,
                **{name: round(of_one[name], 4) for name, _, _ in GOALS if name in of_one.estimates},
            }
            for look_ahead, of_one in scores.items()
        }
        options.save.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
