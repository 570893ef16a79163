# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what is said: a WAV file that can be played whenever the program ends, even without notice."""

from __future__ import annotations

import contextlib
import wave
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import LiveError

SUFFIX = ".recording.wav"
"""Ends the name of a recording that was never stopped."""


class Recording:
    """A 16-bit mono WAV that grows; its header is right after every ``add``.

    It has a name of its own until it is kept, so that a recording that a crash left behind is found again.
    """

    def __init__(self, path: Path, sample_rate: int) -> None:
        self.path = path
        self.partial = path.with_suffix(SUFFIX)
        self.sample_rate = sample_rate
        self.sample_count = 0
        self.trouble: str | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self.partial.open("wb")
        except OSError as error:
            raise LiveError(f"{path} cannot be written ({error.strerror}); choose another folder") from None
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115
        self._wave.setnchannels(1)
        self._wave.setsampwidth(2)
        self._wave.setframerate(sample_rate)

    @property
    def seconds(self) -> float:
        """Length of what was kept."""
        return self.sample_count / self.sample_rate

    def add(self, samples: NDArray[np.float32]) -> None:
        """Write samples ``[n]``; a full disk is a ``trouble``, and what was written before is kept."""
        if self.trouble is not None or not samples.size:
            return
        data = np.round(np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32767).astype("<i2").tobytes()
        try:
            self._wave.writeframes(data)
            self._file.flush()
            self.sample_count += samples.size
        except OSError as error:
            self.trouble = (
                f"The recording stopped after {self.seconds:.1f} s ({error.strerror}); make room on the disk of {self.path}"
            )

    def keep(self) -> Path:
        """Close the file and give it its name; returns it. Raises LiveError."""
        with contextlib.suppress(OSError):
            self._wave.close()
        with contextlib.suppress(OSError):
            self._file.close()
        try:
            self.partial.replace(self.path)
        except OSError as error:
            raise LiveError(f"{self.path} cannot be written ({error.strerror}); the sound is in {self.partial}") from None
        return self.path

    def discard(self) -> None:
        """Close the file and delete it."""
        with contextlib.suppress(OSError):
            self._wave.close()
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self.partial.unlink()


def find_lost_recordings(folder: Path) -> list[Path]:
    """List recordings in ``folder`` that were never stopped, oldest first."""
    try:
        return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
    except OSError:
        return []


def recover(partial: Path) -> Path:
    """Give a lost recording an ordinary name; returns it. Raises LiveError."""
    name = partial.name.removesuffix(SUFFIX)
    path = partial.with_name(f"{name}.wav")
    if path.exists():
        path = next_name(path)
    try:
        partial.replace(path)
    except OSError as error:
        raise LiveError(f"{partial} cannot be renamed ({error.strerror}); rename it yourself") from None
    return path


def next_name(path: Path) -> Path:
    """Return ``path``, or the same with a number that no file has yet, neither whole nor being recorded."""
    number, tried = 1, path
    while tried.exists() or tried.with_suffix(SUFFIX).exists():
        number += 1
        tried = path.with_name(f"{path.stem}_{number}{path.suffix}")
    return tried
