# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels of a voice while it speaks: push samples of any number, get rows back.

The graph takes one step of sound (20 ms) and its own state at a time, so the result does not depend on how the samples
arrive, memory does not grow, and row i always shows the instant i / frame_rate - look-ahead of the samples pushed so far.
"""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..animation.face.expression import load_expressions
from ..errors import AudioError, ModelError
from .package import NEXT, ModelPackage, Streaming
from .runtime import first_line
from .session import open_graph

Samples = NDArray[np.float32]
LARGEST_SAMPLE = 8.0
"""Samples beyond are held at it: a broken driver must not fill the state with infinities."""


@dataclass(frozen=True)
class StreamedRows:
    """Rows that were finished by a push: ``channels`` ``[row, channel]``, ``phones`` ``[row, phone]``, ``energy`` ``[row]``.

    Energy is how loud the voice has been lately, 0..1, as ``animation.face.expression.voice_energy`` measures it. Row 0 shows
    ``start_seconds`` of the sound, each further one 1 / frame_rate later.
    """

    start_seconds: float
    channels: NDArray[np.float32]
    phones: NDArray[np.float32]
    energy: NDArray[np.float32]


@dataclass
class NoiseGate:
    """Silence for steps below ``threshold_db`` (of full scale); it opens at once and closes over some steps after a hold."""

    threshold_db: float
    hold_steps: int = 15
    fade_steps: int = 5
    _left: int = 0

    def apply(self, samples: Samples) -> Samples:
        """Return the samples of a step, as they are or quieter."""
        power = float(np.mean(np.square(samples, dtype=np.float64)))
        if 10.0 * np.log10(max(power, 1e-12)) >= self.threshold_db:
            self._left = self.hold_steps + self.fade_steps
            return samples
        self._left = max(0, self._left - 1)
        return samples * np.float32(min(1.0, self._left / self.fade_steps))


class SpeechStream:
    """A voice that is being heard; not to be shared between threads."""

    def __init__(self, package: ModelPackage, stream: Streaming, graph: Any, gate_db: float | None = None) -> None:
        self.package = package
        self._gate_db = gate_db
        rules = load_expressions()
        self._quiet_db, self._loud_db = rules.quiet_db, rules.loud_db
        self._power_keeps = float(np.exp(-1.0 / (0.5 * rules.window_seconds * package.frame_rate)))
        self.look_ahead_seconds = stream.look_ahead_seconds
        self._stream = stream
        self._graph = graph
        self._states = list(stream.states)
        self._names = ["channels", "phones", *(NEXT + name for name in self._states)]
        self.reset()

    def reset(self) -> None:
        """Forget everything that was heard."""
        self._kept = {name: np.zeros(shape, np.float32) for name, shape in self._stream.states.items()}
        self._pending = np.zeros(0, np.float32)
        self._steps = 0
        self._power = 0.0
        self._gate = None if self._gate_db is None else NoiseGate(self._gate_db)

    @property
    def heard_seconds(self) -> float:
        """Seconds of sound in the rows so far."""
        return self._steps / self.package.frame_rate

    @property
    def pending_samples(self) -> int:
        """Samples that wait for the rest of their step."""
        return int(self._pending.size)

    def push(self, samples: Samples) -> StreamedRows:
        """Hear ``samples`` ``[n]`` at the package's rate; returns the rows that they complete, often none.

        Samples that are not numbers count as silence. Raises ModelError if the graph fails, and ValueError for another shape.
        """
        if samples.ndim != 1:
            raise ValueError(f"the samples are {samples.shape}, not [samples]")
        clean = np.clip(np.nan_to_num(samples, nan=0.0), -LARGEST_SAMPLE, LARGEST_SAMPLE).astype(np.float32)
        waiting = np.concatenate([self._pending, clean])
        hop = self.package.hop
        count = waiting.size // hop
        channels = np.empty((count, len(self.package.channels)), np.float32)
        phones = np.empty((count, len(self.package.phones)), np.float32)
        energy = np.empty(count, np.float32)
        start = (self._steps + 1) / self.package.frame_rate - self.look_ahead_seconds
        for number in range(count):
            step = waiting[number * hop : (number + 1) * hop]
            if self._gate is not None:
                step = self._gate.apply(step)
            channels[number], phones[number] = self._step(step)
            energy[number] = self._follow_energy(step)
        self._pending = waiting[count * hop :].copy()
        return StreamedRows(start, channels, phones, energy)

    def finish(self) -> StreamedRows:
        """Hear silence until the last sample that was pushed is shown, and forget everything; returns the last rows."""
        hop = self.package.hop
        rest = -self._pending.size % hop + hop * round(self.look_ahead_seconds * self.package.frame_rate)
        rows = self.push(np.zeros(rest, np.float32))
        self.reset()
        return rows

    def _step(self, samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        try:
            made = cast("list[NDArray[np.float32]]", self._graph.run(self._names, {"waveform": samples[None], **self._kept}))
        except Exception as error:  # onnxruntime's errors have no common base class
            raise ModelError(f"Model '{self.package.name}' failed to run ({first_line(error)}); install it again") from error
        self._kept = dict(zip(self._states, made[2:]))
        self._steps += 1
        return made[0][0, 0], made[1][0, 0]

    def _follow_energy(self, samples: Samples) -> float:
        power = float(np.mean(np.square(samples, dtype=np.float64)))
        self._power = self._power * self._power_keeps + power * (1.0 - self._power_keeps)
        level = 10.0 * np.log10(max(self._power, 1e-10))
        return float(np.clip((level - self._quiet_db) / (self._loud_db - self._quiet_db), 0.0, 1.0))


def open_stream(package: ModelPackage, gate_db: float | None = None) -> SpeechStream:
    """Open a package that streams, on one thread of the CPU: a step is too short to share.

    Sound below ``gate_db`` counts as silence. Raises ModelError.
    """
    if package.stream is None:
        raise ModelError(f"Model '{package.name}' needs the whole sound; choose one that streams")
    try:
        return SpeechStream(package, package.stream, open_graph(package, "CPU", 1), gate_db)
    except Exception as error:
        raise ModelError(f"Model '{package.name}' does not open ({first_line(error)}); install it again") from error


class LiveResampler:
    """Change the sample rate of a sound while it arrives, with soxr; the result does not depend on the chunks."""

    def __init__(self, rate_in: int, rate_out: int) -> None:
        if not 1000 <= rate_in <= 768_000:
            raise AudioError(f"A microphone at {rate_in} Hz cannot be used; choose 8 to 192 kHz in its settings")
        self._resampler: Any = None
        if rate_in != rate_out:
            import soxr

            self._resampler = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="MQ")

    def push(self, samples: Samples, *, last: bool = False) -> Samples:
        """Return the samples that ``samples`` complete; with ``last``, all that are still in the filter."""
        if self._resampler is None:
            return samples
        return np.asarray(self._resampler.resample_chunk(np.ascontiguousarray(samples, np.float32), last=last), np.float32)
