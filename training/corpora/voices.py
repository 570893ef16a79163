# SPDX-License-Identifier: GPL-3.0-or-later
"""Other voices from one recording: children, whispers, shouts, song and other tempi, with known times.

A :class:`Spoken` is a sound with its phones; every function returns another one with its phones at their new times.
Vocoding is WORLD's (PyPI pyworld); a change of tempo alone is done on the waveform (WSOLA, Verhelst and Roelands 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...animation.face.phones import VOWELS, TimedPhone
from .clips import SAMPLE_RATE

Samples = NDArray[np.float32]
_PERIOD = 0.005
_MAJOR = np.array((0, 2, 4, 5, 7, 9, 11))


@dataclass(frozen=True)
class Spoken:
    """``samples`` float32 [n] at 16 kHz, and ``phones``, the place of every sound in seconds."""

    samples: Samples
    phones: Sequence[TimedPhone]

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def change_tempo(samples: Samples, ratio: float) -> Samples:
    """Speed a sound up by ``ratio`` at its own pitch: overlapping pieces, each moved to where it continues the last."""
    piece, hop, search = 480, 240, 120
    window = np.hanning(piece + 1)[:piece].astype(np.float32)
    count = max(1, int(len(samples) / ratio / hop))
    padded = np.pad(samples, (search + hop, piece + 2 * search + hop))
    made = np.zeros(count * hop + piece, np.float32)
    at = search + hop
    for number in range(count):
        wanted = search + hop + int(number * hop * ratio)
        if number:
            # The continuation of the last piece, compared with the surroundings of the wanted place.
            follows = padded[at + hop : at + hop + hop]
            around = padded[wanted - search : wanted + search + hop]
            likeness = np.correlate(around, follows, "valid")
            energy = np.convolve(around * around, np.ones(hop, np.float32), "valid")
            at = wanted - search + int(np.argmax(likeness / np.sqrt(energy + 1e-6)))
        made[number * hop : number * hop + piece] += padded[at : at + piece] * window
    return made[hop // 2 * 0 : max(1, int(len(samples) / ratio))]


def at_tempo(spoken: Spoken, ratio: float) -> Spoken:
    """Change the tempo by :func:`change_tempo`, moving the phones along."""
    phones = [TimedPhone(p.phone, p.start / ratio, p.end / ratio, p.stress) for p in spoken.phones]
    return Spoken(change_tempo(spoken.samples, ratio), phones)


def _analyse(samples: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    import pyworld

    sound = samples.astype(np.float64)
    pitch, times = pyworld.dio(sound, SAMPLE_RATE, frame_period=1000 * _PERIOD)
    pitch = pyworld.stonemask(sound, pitch, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(sound, pitch, times, SAMPLE_RATE)
    return pitch, envelope, pyworld.d4c(sound, pitch, times, SAMPLE_RATE)


def _speak(pitch: NDArray[np.float64], envelope: NDArray[np.float64], breath: NDArray[np.float64]) -> Samples:
    import pyworld

    arrays = (np.ascontiguousarray(part) for part in (pitch, envelope, breath))
    made = pyworld.synthesize(*arrays, SAMPLE_RATE, 1000 * _PERIOD).astype(np.float32)
    return made / max(1.0, float(np.max(np.abs(made), initial=0.0)))


def _warp(envelope: NDArray[np.float64], ratio: float) -> NDArray[np.float64]:
    """Scale formants by ``ratio``."""
    bins = envelope.shape[1]
    at = np.minimum(np.arange(bins) / ratio, bins - 1.0)
    below = np.minimum(at.astype(int), bins - 2)
    share = at - below
    logarithm = np.log(envelope + 1e-14)
    return np.exp(logarithm[:, below] * (1 - share) + logarithm[:, below + 1] * share)


def as_child(spoken: Spoken, formants: float, pitch: float) -> Spoken:
    """Shorten the vocal tract and raise the pitch of a voice, both as factors."""
    f0, envelope, breath = _analyse(spoken.samples)
    return Spoken(_speak(f0 * pitch, _warp(envelope, formants), _warp(breath, formants)), spoken.phones)


def as_whisper(spoken: Spoken, random: np.random.Generator) -> Spoken:
    """Whisper the same: noise through the same vocal tract, the low end weaker as in real whispers."""
    f0, envelope, breath = _analyse(spoken.samples)
    hertz = np.linspace(0, SAMPLE_RATE / 2, envelope.shape[1])
    tilt = 10 ** (float(random.uniform(4.0, 10.0)) / 10 * np.clip(np.log2(np.maximum(hertz, 100.0) / 1000.0), -3, 1.5))
    # Voiced frames lose most of their lead over voiceless ones.
    power = envelope.mean(axis=1, keepdims=True)
    flatter = (np.maximum(power, 1e-12) / max(float(power.max()), 1e-12)) ** -float(random.uniform(0.1, 0.35))
    envelope = envelope * tilt * np.where(f0[:, None] > 0, flatter, 1.0)
    return Spoken(_speak(np.zeros_like(f0), envelope, np.ones_like(breath)), spoken.phones)


def as_shout(spoken: Spoken, random: np.random.Generator) -> Spoken:
    """Shout the same: higher and livelier, first formant raised, less fall towards high tones, vowels slightly held."""
    f0, envelope, breath = _analyse(spoken.samples)
    hertz = np.linspace(0, SAMPLE_RATE / 2, envelope.shape[1])
    tilt = 10 ** (float(random.uniform(4.0, 9.0)) / 10 * np.clip(np.log2(np.maximum(hertz, 100.0) / 800.0), -2, 2))
    envelope = _warp(envelope, float(random.uniform(1.0, 1.06))) * np.where(f0[:, None] > 0, tilt, 1.0)
    shouted = Spoken(_speak(f0 * float(random.uniform(1.35, 1.9)), envelope, breath * 0.8), spoken.phones)
    return at_tempo(shouted, float(random.uniform(0.8, 1.05)))


def as_song(spoken: Spoken, random: np.random.Generator, lengths: Sequence[float] | None = None) -> Spoken:
    """Sing the same: vowels held on the notes of a key, with vibrato; consonants unchanged.

    ``lengths`` are those of the phones in seconds, at random by default.
    """
    f0, envelope, breath = _analyse(spoken.samples)
    voiced = f0[f0 > 0]
    key = float(np.median(voiced)) * float(random.uniform(0.9, 1.7)) if len(voiced) else 180.0
    held, degree = float(random.uniform(1.4, 5.0)), int(random.integers(0, 5))
    rows: list[NDArray[np.float64]] = []
    notes: list[NDArray[np.float64]] = []
    phones: list[TimedPhone] = []
    now, last = 0.0, len(f0) - 1
    for place, phone in enumerate(spoken.phones):
        sung = phone.phone in VOWELS
        stretch = held * float(random.uniform(0.5, 1.5)) if sung else 1.0
        length = (phone.end - phone.start) * max(stretch, 1.0) if lengths is None else lengths[place]
        if sung:
            degree = int(np.clip(degree + random.integers(-2, 3), -3, 9))
        count = max(1, round((now + length) / _PERIOD) - round(now / _PERIOD))
        rows.append(np.linspace(phone.start, phone.end, count, endpoint=False) / _PERIOD)
        note = key * 2.0 ** ((_MAJOR[degree % 7] + 12 * (degree // 7)) / 12.0)
        notes.append(np.full(count, note))
        phones.append(TimedPhone(phone.phone, now, now + length, phone.stress))
        now += length
    at = np.clip(np.concatenate(rows), 0, last)
    nearest = np.rint(at).astype(int)
    note = np.concatenate(notes)
    note = np.exp(np.convolve(np.pad(np.log(note), 8, mode="edge"), np.ones(17) / 17, "valid"))
    seconds = np.arange(len(at)) * _PERIOD
    vibrato = 1.0 + float(random.uniform(0.0, 0.03)) * np.sin(2 * np.pi * float(random.uniform(4.5, 6.5)) * seconds)
    pitch = np.where(f0[nearest] > 0, note * vibrato, 0.0)
    return Spoken(_speak(pitch, envelope[nearest], breath[nearest]), phones)
