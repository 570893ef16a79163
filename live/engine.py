# SPDX-License-Identifier: GPL-3.0-or-later
"""From a microphone to faces: one thread that reads, hears, shapes, sends and records, and a newest face to ask for."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import VoxrigError
from ..inference.stream import LiveResampler, Samples, SpeechStream
from .frame import FaceFrame
from .microphone import Level, Meter
from .monitor import Monitor
from .network import Sender
from .recording import Recording
from .shaping import LiveShaper

_IDLE_SECONDS = 0.003


class SoundSource(Protocol):
    """Where samples come from while time passes: a microphone, or a file in its place."""

    name: str
    sample_rate: int
    dropped_samples: int

    def start(self) -> None:
        """Begin. Raises LiveError."""
        ...

    def read(self) -> Samples:
        """Return the samples since the last call, ``[n]``."""
        ...

    def moment_of(self, seconds: float) -> float:
        """Return when ``seconds`` of its sound were heard, by ``time.monotonic``."""
        ...

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come."""
        ...

    def trouble(self) -> str | None:
        """Return a sentence on what is wrong, or None."""
        ...

    def stop(self) -> None:
        """End."""
        ...


@dataclass(frozen=True)
class LiveFace:
    """The newest face: ``values`` ``[channel]`` at ``seconds`` of the sound, finished at ``at`` (``time.monotonic``)."""

    values: NDArray[np.float32]
    seconds: float
    at: float


class LiveEngine:
    """A voice that moves faces, from ``start`` to ``stop``."""

    def __init__(
        self,
        source: SoundSource,
        stream: SpeechStream,
        shaper: LiveShaper,
        senders: Sequence[Sender] = (),
        recording: Recording | None = None,
        monitor: Monitor | None = None,
        *,
        keeps_rows: bool = False,
    ) -> None:
        self.source, self.stream, self.shaper = source, stream, shaper
        self.senders, self.recording, self.monitor = list(senders), recording, monitor
        self.rows = 0
        self._kept: list[NDArray[np.float32]] | None = [] if keeps_rows else None
        self._first_second: float | None = None
        self.error: str | None = None
        self.busy_seconds = 0.0
        self._meter = Meter(source.sample_rate)
        self._resampler = LiveResampler(source.sample_rate, stream.package.sample_rate)
        self._newest: LiveFace | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Open the source and the senders, and begin. Raises LiveError; nothing stays open then."""
        opened: list[Sender] = []
        try:
            for sender in self.senders:
                sender.open()
                opened.append(sender)
            if self.monitor is not None:
                self.monitor.start()
            self.source.start()
        except VoxrigError:
            if self.monitor is not None:
                self.monitor.stop()
            for sender in opened:
                sender.close()
            raise
        self._thread = threading.Thread(target=self._run, name="voxrig-live", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether sound is still being heard."""
        return self._thread is not None and self._thread.is_alive()

    def newest(self) -> LiveFace | None:
        """Return the newest face, None before the first."""
        with self._lock:
            return self._newest

    def level(self) -> Level:
        """Return the level of the sound now."""
        with self._lock:
            return self._meter.level()

    def trouble(self) -> str | None:
        """Return a sentence on what is wrong, or None."""
        if self.error is not None:
            return self.error
        if self.recording is not None and self.recording.trouble is not None:
            return self.recording.trouble
        trouble = self.source.trouble() if self.is_running else None
        if trouble is None and self.source.dropped_samples:
            lost = self.source.dropped_samples / self.source.sample_rate
            trouble = f"{lost:.1f} s of sound were lost because this computer was too busy; close other programs"
        return trouble

    def kept_rows(self) -> tuple[float, NDArray[np.float32]]:
        """Return the second of the first row and all rows ``[row, channel]``, if they were to be kept. After ``stop``."""
        kept = self._kept or [np.zeros((0, len(self.shaper.names)), np.float32)]
        return self._first_second or 0.0, np.concatenate(kept)

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the source has ended."""
        if self._thread is not None:
            self._thread.join(seconds)

    def stop(self) -> None:
        """End, and close everything but the recording."""
        self._stopping.set()
        self.wait()
        self._thread = None
        self.source.stop()
        if self.monitor is not None:
            self.monitor.stop()
        for sender in self.senders:
            sender.close()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                samples = self.source.read()
                if samples.size:
                    self._hear(samples)
                elif self.source.has_ended:
                    self._hear(np.zeros(0, np.float32), last=True)
                    return
                else:
                    self._stopping.wait(_IDLE_SECONDS)
        except VoxrigError as error:
            self.error = str(error)

    def _hear(self, samples: Samples, *, last: bool = False) -> None:
        began = time.thread_time()
        with self._lock:
            self._meter.add(samples)
        if self.recording is not None:
            self.recording.add(samples)
        if self.monitor is not None:
            self.monitor.add(samples)
        rows = self.stream.push(self._resampler.push(samples, last=last))
        if last:
            self._show(rows.start_seconds, self.shaper.shape(rows))
            rows = self.stream.finish()
        self._show(rows.start_seconds, self.shaper.shape(rows))
        self.busy_seconds += time.thread_time() - began

    def _show(self, start_seconds: float, values: NDArray[np.float32]) -> None:
        names, rate = self.shaper.names, self.stream.package.frame_rate
        if len(values):
            self._first_second = start_seconds if self._first_second is None else self._first_second
            if self._kept is not None:
                self._kept.append(values)
        for number, row in enumerate(values):
            face = LiveFace(row, start_seconds + number / rate, time.monotonic())
            with self._lock:
                self._newest = face
            self.rows += 1
            if self.senders:
                frame = FaceFrame(MappingProxyType(dict(zip(names, row.tolist()))), "Voxrig", face.seconds)
                for sender in self.senders:
                    sender.send(frame)
