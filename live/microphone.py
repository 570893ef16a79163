# SPDX-License-Identifier: GPL-3.0-or-later
"""Capture from a microphone with miniaudio, which brings its own back-ends. Opened only by ``Microphone.start``."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LiveError

CAPTURE_RATE = 48_000
"""Hz at which a microphone is recorded; its driver's own rate is converted by miniaudio."""
PERIOD_MILLISECONDS = 10
_LONGEST_WAIT_SECONDS = 20.0
"""Sound that waits to be read; older samples are dropped, and counted."""
_STALLED_SECONDS = 1.5
_SILENT_SECONDS = 3.0

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Level:
    """How loud a microphone was lately, in dB of full scale."""

    peak_db: float
    mean_db: float


def import_miniaudio() -> Any:
    """Import miniaudio, untyped. Raises LiveError where the extension has no build of it."""
    try:
        import miniaudio
    except ImportError as error:
        raise LiveError(
            f"This Voxrig cannot record here ({error}); use a sound file, or a phone as tracker and microphone"
        ) from None
    return miniaudio


def list_microphones() -> list[str]:
    """List the names of all devices that record; empty if there is none. Raises LiveError without a build of miniaudio."""
    return [str(device["name"]) for device in _find_devices(import_miniaudio())]


def _find_devices(miniaudio: Any) -> list[dict[str, Any]]:
    try:
        devices = miniaudio.Devices()
        return [] if devices.backend.lower() == "null" else list(devices.get_captures())
    except miniaudio.MiniaudioError:
        return []


class Microphone:
    """One device that records; read from one thread."""

    sample_rate = CAPTURE_RATE

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.dropped_samples = 0
        self._device: Any = None
        self._chunks: collections.deque[Samples] = collections.deque()
        self._waiting = 0
        self._lock = threading.Lock()
        self._last_arrival = 0.0
        self._last_sound = 0.0
        self._arrived_samples = 0

    def start(self) -> None:
        """Open the device and begin to record. Raises LiveError, in one sentence, if there is none or it is refused."""
        miniaudio = import_miniaudio()
        devices = _find_devices(miniaudio)
        if not devices:
            raise LiveError("There is no microphone; connect one and try again")
        chosen = None
        if self.name:
            named = [device for device in devices if device["name"] == self.name]
            named = named or [device for device in devices if self.name.casefold() in str(device["name"]).casefold()]
            if not named:
                known = ", ".join(f"'{device['name']}'" for device in devices[:6])
                raise LiveError(f"There is no microphone '{self.name}'; choose one of {known}")
            chosen = named[0]["id"]
        try:
            self._device = miniaudio.CaptureDevice(
                input_format=miniaudio.SampleFormat.FLOAT32,
                nchannels=1,
                sample_rate=CAPTURE_RATE,
                buffersize_msec=PERIOD_MILLISECONDS,
                device_id=chosen,
                app_name="Voxrig",
            )
            receiver = self._receive()
            next(receiver)
            self._last_arrival = self._last_sound = time.monotonic()
            self._device.start(receiver)
        except miniaudio.MiniaudioError as error:
            self.stop()
            raise LiveError(
                f"The microphone cannot be opened ({error}); allow this program to use it, and close others that do"
            ) from None

    def _receive(self) -> Generator[None, bytes, None]:
        # Runs in the driver's thread: only copies.
        while True:
            data = yield
            samples = np.frombuffer(bytes(data), np.float32)
            now = time.monotonic()
            with self._lock:
                self._last_arrival = now
                self._arrived_samples += samples.size
                if samples.any():
                    self._last_sound = now
                self._chunks.append(samples)
                self._waiting += samples.size
                while self._waiting > _LONGEST_WAIT_SECONDS * CAPTURE_RATE:
                    lost = self._chunks.popleft().size
                    self._waiting -= lost
                    self.dropped_samples += lost

    def read(self) -> Samples:
        """Return all samples that arrived since the last call, ``[n]``, -1..1."""
        with self._lock:
            chunks = list(self._chunks)
            self._chunks.clear()
            self._waiting = 0
        return np.concatenate(chunks) if chunks else np.zeros(0, np.float32)

    def moment_of(self, seconds: float) -> float:
        """Return when ``seconds`` of its sound were heard, by ``time.monotonic``."""
        with self._lock:
            return self._last_arrival - self._arrived_samples / CAPTURE_RATE + seconds

    @property
    def has_ended(self) -> bool:
        """Whether there will be no further samples; a microphone only ends by a trouble."""
        return False

    def trouble(self) -> str | None:
        """Return a sentence if nothing arrives, or nothing but silence; None while all is well."""
        if self._device is None:
            return None
        now = time.monotonic()
        with self._lock:
            arrived, heard = self._last_arrival, self._last_sound
        if now - arrived > _STALLED_SECONDS:
            return "The microphone has stopped; connect it again and start again"
        if now - heard > _SILENT_SECONDS:
            return "The microphone is silent; allow this program to use it in the system's privacy settings, and unmute it"
        return None

    def stop(self) -> None:
        """Close the device; what has arrived can still be read."""
        device, self._device = self._device, None
        if device is not None:
            device.close()


class FileAsMicrophone:
    """A sound file that arrives as from a microphone: ``paced`` in real time, else as fast as it is read."""

    dropped_samples = 0

    def __init__(self, samples: Samples, sample_rate: int, *, paced: bool = True, chunk: int = 480) -> None:
        self.name = "file"
        self.sample_rate = sample_rate
        self._samples, self._paced, self._chunk = samples, paced, chunk
        self._read = 0
        self._started = 0.0

    def start(self) -> None:
        """Begin to play the file."""
        self._read, self._started = 0, time.monotonic()

    def read(self) -> Samples:
        """Return the samples that have arrived."""
        due = self._read + self._chunk
        if self._paced:
            due = int((time.monotonic() - self._started) * self.sample_rate)
        end = min(due, self._samples.size)
        samples = self._samples[self._read : end]
        self._read = max(self._read, end)
        return samples

    def moment_of(self, seconds: float) -> float:
        """Return when ``seconds`` of the file were heard."""
        return self._started + seconds

    @property
    def has_ended(self) -> bool:
        """Whether the whole file has been read."""
        return self._read >= self._samples.size

    def trouble(self) -> str | None:
        """Return None: a file has no troubles."""
        return None

    def stop(self) -> None:
        """Do nothing."""


class Meter:
    """The level of the last moments of a sound, for a meter that falls slowly."""

    def __init__(self, sample_rate: int) -> None:
        self._keeps = 0.5 ** (1.0 / (0.3 * sample_rate))
        self._peak = self._power = 0.0

    def add(self, samples: Samples) -> None:
        """Take in new samples."""
        if samples.size:
            kept = self._keeps**samples.size
            sound = samples.astype(np.float64)
            self._peak = max(self._peak * kept, float(np.abs(sound).max()))
            self._power = self._power * kept + float(np.square(sound).mean()) * (1.0 - kept)

    def level(self) -> Level:
        """Return the level now; silence is -100 dB."""
        return Level(20.0 * np.log10(max(self._peak, 1e-5)), 10.0 * np.log10(max(self._power, 1e-10)))
