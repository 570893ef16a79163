# SPDX-License-Identifier: GPL-3.0-or-later
"""Hear what is said as late as the face shows it, so that both agree: a delay before the loudspeakers."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import LiveError
from .microphone import PERIOD_MILLISECONDS, Samples, import_miniaudio

_SLACK_SECONDS = 0.08
"""Sound that may wait beyond the delay; with more, the oldest is left out, so that no lag adds up."""


class DelayedSound:
    """A queue of samples that come out ``delay_seconds`` after they went in, by the reader's clock."""

    def __init__(self, sample_rate: int, delay_seconds: float) -> None:
        self._delay = round(delay_seconds * sample_rate)
        self._most = self._delay + round(_SLACK_SECONDS * sample_rate)
        self._chunks: deque[Samples] = deque()
        self._waiting = 0
        self._is_playing = False
        self._lock = threading.Lock()

    @property
    def waiting_samples(self) -> int:
        """Samples that have not come out yet."""
        return self._waiting

    def add(self, samples: Samples) -> None:
        """Let samples ``[n]`` in. What waits for longer than the delay and a little is dropped."""
        with self._lock:
            self._chunks.append(np.asarray(samples, np.float32))
            self._waiting += samples.size
            if self._waiting > self._most + samples.size:
                self._skip(self._waiting - self._delay - samples.size)

    def take(self, count: int) -> NDArray[np.float32]:
        """Return the next ``count`` samples; silence until the delay is over, and again where nothing has come."""
        made = np.zeros(count, np.float32)
        with self._lock:
            # At first, and after a hole, silence until there is as much as the delay and this piece.
            if not self._is_playing and self._waiting < self._delay + count:
                return made
            self._is_playing = True
            at = 0
            while at < count and self._chunks:
                piece = self._chunks[0][: count - at]
                made[at : at + piece.size] = piece
                at += piece.size
                self._skip(piece.size)
            self._is_playing = at == count
        return made

    def _skip(self, count: int) -> None:
        self._waiting -= count
        while count > 0:
            first = self._chunks.popleft()
            if first.size > count:
                self._chunks.appendleft(first[count:])
                return
            count -= first.size


class Monitor:
    """The system's loudspeakers, which play a sound with a delay."""

    def __init__(self, sample_rate: int, delay_seconds: float) -> None:
        self.sample_rate = sample_rate
        self._sound = DelayedSound(sample_rate, delay_seconds)
        self._device: Any = None

    def start(self) -> None:
        """Open the loudspeakers. Raises LiveError where there are none."""
        miniaudio = import_miniaudio()
        try:
            if miniaudio.Devices().backend.lower() == "null":
                raise LiveError("There are no loudspeakers to hear it with; connect some, or switch Monitor off")
            self._device = miniaudio.PlaybackDevice(
                output_format=miniaudio.SampleFormat.FLOAT32,
                nchannels=1,
                sample_rate=self.sample_rate,
                buffersize_msec=PERIOD_MILLISECONDS,
                app_name="Voxrig",
            )
            player = self._play()
            next(player)
            self._device.start(player)
        except miniaudio.MiniaudioError as error:
            self.stop()
            raise LiveError(f"The loudspeakers cannot be opened ({error}); choose others, or switch Monitor off") from None

    def _play(self) -> Generator[bytes, int, None]:
        # Runs in the driver's thread.
        data = b""
        while True:
            count = yield data
            data = self._sound.take(count).tobytes()

    def add(self, samples: Samples) -> None:
        """Let samples ``[n]`` be heard."""
        self._sound.add(samples)

    def stop(self) -> None:
        """Close the loudspeakers."""
        device, self._device = self._device, None
        if device is not None:
            device.close()
