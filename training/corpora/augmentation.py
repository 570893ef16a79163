# SPDX-License-Identifier: GPL-3.0-or-later
"""Augment speech with the effects of microphones, rooms, telephones and other people.

Everything here keeps the time of every sample (no filter delays, rooms begin at their direct path), so that labels stay true;
only :func:`change_speed` changes time, by a given factor. All sound is float32 ``[samples]``, -1..1 at 16 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .clips import SAMPLE_RATE, Clip, load_corpus

Samples = NDArray[np.float32]


def fft_size(count: int) -> int:
    """Return the smallest size of at least ``count`` with a fast FFT: 2, 3, 5 or 15 times powers of two."""
    return min(base << max(0, int(np.ceil(np.log2(count / base)))) for base in (1, 3, 5, 15) if count > 0)


def power_of(samples: Samples) -> float:
    """Return the mean square."""
    return float(np.dot(samples, samples)) / max(1, len(samples))


def active_power(samples: Samples) -> float:
    """Return the mean square of the louder 20 ms blocks (within 30 dB of the loudest): the voice without its pauses."""
    count = len(samples) // 320
    if not count:
        return power_of(samples)
    blocks = np.mean(np.square(samples[: count * 320].reshape(count, 320)), axis=1)
    return float(np.mean(blocks[blocks >= 1e-3 * blocks.max()]))


def change_speed(samples: Samples, ratio: float) -> Samples:
    """Speed a sound up by ``ratio``, pitch included, band-limited: label times divide by ``ratio``."""
    count = len(samples)
    wanted = max(1, round(count / ratio))
    size = fft_size(count + 512)
    spectrum = np.fft.rfft(samples, size)
    # Resampling in the frequency domain: a spectrum cut or padded to another length is the sound at another rate.
    length = max(2, round(size / ratio))
    bins = length // 2 + 1
    changed = np.zeros(bins, dtype=spectrum.dtype)
    kept = min(bins, len(spectrum))
    changed[:kept] = spectrum[:kept]
    return (np.fft.irfft(changed, length)[:wanted] * (length / size)).astype(np.float32)


def coloured_noise(count: int, random: np.random.Generator, slope: float) -> Samples:
    """Make noise of root mean square 1 whose power falls by ``slope`` times 3 dB an octave above 40 Hz (0 white, 1 pink)."""
    size = fft_size(count)
    spectrum = np.fft.rfft(random.standard_normal(size, dtype=np.float32))
    hertz = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE)
    noise = np.fft.irfft(spectrum * np.maximum(hertz, 40.0) ** (-slope / 2), size)[:count]
    return (noise / max(float(np.std(noise)), 1e-9)).astype(np.float32)


def hum(count: int, random: np.random.Generator) -> Samples:
    """Make mains hum or a fan: overtones of a low tone with random strengths, root mean square 1."""
    base = float(random.choice((50.0, 60.0, random.uniform(35.0, 240.0))))
    time = np.arange(count, dtype=np.float32) / SAMPLE_RATE
    sound = np.zeros(count, dtype=np.float32)
    for number in range(1, int(random.integers(3, 14))):
        strength = float(random.uniform(0.1, 1.0)) / number ** float(random.uniform(0.3, 1.2))
        sound += strength * np.sin(2 * np.pi * base * number * time + float(random.uniform(0, 2 * np.pi)))
    return sound / max(float(np.std(sound)), 1e-9)


def breath(count: int, random: np.random.Generator) -> Samples:
    """Make unvoiced breathing in and out: band noise with a wide resonance, swelling; root mean square 1."""
    noise = coloured_noise(count, random, float(random.uniform(0.0, 0.6)))
    size = fft_size(count)
    hertz = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE)
    centre, width = float(random.uniform(700, 2500)), float(random.uniform(0.4, 0.9))
    shape = np.exp(-0.5 * (np.log(np.maximum(hertz, 1.0) / centre) / width) ** 2) + 0.05
    noise = np.fft.irfft(np.fft.rfft(noise, size) * shape, size)[:count]
    swell = np.full(count, 0.01, dtype=np.float32)
    position = int(random.uniform(0, 0.7) * SAMPLE_RATE)
    while position < count:
        length = int(random.uniform(0.3, 1.4) * SAMPLE_RATE)
        curve = np.sin(np.linspace(0, np.pi, length)) ** float(random.uniform(0.7, 2.0))
        end = min(count, position + length)
        swell[position:end] += curve[: end - position].astype(np.float32) * float(random.uniform(0.4, 1.0))
        position = end + int(random.uniform(0.1, 2.5) * SAMPLE_RATE)
    sound = noise * swell
    return (sound / max(float(np.std(sound)), 1e-9)).astype(np.float32)


def music(count: int, random: np.random.Generator) -> Samples:
    """Make instruments without a voice: chords, a bass line and beats in a random key and tempo; root mean square 1."""
    time_of_beat = 60.0 / float(random.uniform(70, 170)) / int(random.choice((1, 2)))
    key = float(random.uniform(98.0, 196.0))
    scale = np.array((0, 2, 3, 5, 7, 8, 10) if random.random() < 0.5 else (0, 2, 4, 5, 7, 9, 11))
    decay, falling = float(random.uniform(1.0, 8.0)), float(random.uniform(0.6, 1.8))
    drums, bass, pad = random.random() < 0.6, random.random() < 0.7, random.random() < 0.4
    sound = np.zeros(count, dtype=np.float32)
    root = 0
    for number in range(int(count / SAMPLE_RATE / time_of_beat) + 1):
        start = int(number * time_of_beat * SAMPLE_RATE)
        length = min(count - start, int((2.0 if pad else 0.8) * SAMPLE_RATE))
        if length < 100:
            break
        time = np.arange(length, dtype=np.float32) / SAMPLE_RATE
        if number % 8 == 0:
            root = int(random.integers(0, 7))
        voices = 3 if number % 4 == 0 else int(random.integers(0, 3))
        envelope = np.exp(-decay * time) * (1 - np.exp(-time * (4.0 if pad else 400.0)))
        for _ in range(voices):
            degree = root + int(random.choice((0, 2, 4, 7)))
            pitch = key * 2.0 ** ((scale[degree % 7] + 12 * (degree // 7)) / 12.0) * int(random.choice((1, 2)))
            tone = sum(np.sin(2 * np.pi * pitch * k * time) / k**falling for k in range(1, 9) if pitch * k < 7500)
            sound[start : start + length] += np.asarray(tone * envelope * random.uniform(0.2, 0.6), dtype=np.float32)
        if bass and number % 2 == 0:
            pitch = key / 2 * 2.0 ** (scale[root] / 12.0)
            sound[start : start + length] += 0.6 * np.sin(2 * np.pi * pitch * time) * np.exp(-3 * time)
        if drums:
            beat = random.standard_normal(length, dtype=np.float32) * np.exp(-time * random.uniform(20, 90))
            sound[start : start + length] += 0.3 * beat
    return sound / max(float(np.std(sound)), 1e-9)


def tones(count: int, random: np.random.Generator) -> Samples:
    """Make beeps, sweeps and steady tones; root mean square 1."""
    time = np.arange(count) / SAMPLE_RATE
    kind = int(random.integers(0, 3))
    first, second = random.uniform(120, 4000, 2)
    if kind == 0:
        sound = np.sin(2 * np.pi * first * time)
    elif kind == 1:
        sweep = first + (second - first) * 0.5 * (1 - np.cos(2 * np.pi * time / random.uniform(1, 6)))
        sound = np.sin(2 * np.pi * np.cumsum(sweep) / SAMPLE_RATE)
    else:
        period = random.uniform(0.15, 1.2)
        sound = np.sin(2 * np.pi * first * time) * ((time % period) < period * random.uniform(0.2, 0.7))
    return (sound / max(float(np.std(sound)), 1e-9)).astype(np.float32)


def room_response(random: np.random.Generator) -> Samples:
    """Make a synthetic room response: direct path 1 at sample 0, a few early reflections, a tail that decays by 60 dB in 0.1 to
    0.8 s."""
    decay_seconds = float(np.exp(random.uniform(np.log(0.1), np.log(0.8))))
    count = int(min(0.6, decay_seconds) * SAMPLE_RATE)
    time = np.arange(count, dtype=np.float32) / SAMPLE_RATE
    tail = random.standard_normal(count, dtype=np.float32) * np.exp(-6.9 * time / decay_seconds)
    # High frequencies die earlier in a furnished room.
    tail[1:] += float(random.uniform(0.0, 0.8)) * tail[:-1]
    begin = int(random.uniform(0.001, 0.008) * SAMPLE_RATE)
    tail[:begin] = 0.0
    ratio_db = float(random.uniform(-6.0, 13.0))
    tail *= 10 ** (-ratio_db / 20) / max(float(np.sqrt(np.sum(tail * tail))), 1e-9)
    for at in random.integers(16, max(17, min(count, 800)), size=int(random.integers(0, 6))):
        tail[at] += float(random.uniform(-0.4, 0.4))
    tail[0] = 1.0
    return tail


def _equaliser(hertz: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float32]:
    """Make a smooth random response: a tilt of at most 6 dB an octave over the band, some bumps, sometimes a low-pass."""
    octaves = np.log2(np.maximum(hertz, 60.0) / 1000.0)
    decibels = float(random.uniform(-3.0, 3.0)) * octaves
    for _ in range(int(random.integers(0, 4))):
        centre, width = float(random.uniform(-3.5, 3.0)), float(random.uniform(0.3, 1.5))
        decibels = decibels + float(random.uniform(-8, 8)) * np.exp(-0.5 * ((octaves - centre) / width) ** 2)
    if random.random() < 0.3:
        decibels = decibels - 24.0 * np.maximum(0.0, np.log2(np.maximum(hertz, 60.0) / float(random.uniform(1800, 7000))))
    if random.random() < 0.3:
        decibels = decibels - 12.0 * np.maximum(0.0, np.log2(float(random.uniform(80, 250)) / np.maximum(hertz, 20.0)))
    return (10.0 ** (np.clip(decibels, -60.0, 18.0) / 20.0)).astype(np.float32)


def telephone_band(samples: Samples, random: np.random.Generator) -> Samples:
    """Limit sound to about 300 to 3400 Hz with soft edges, mostly followed by the 8 bit mu-law of G.711."""
    size = fft_size(len(samples))
    hertz = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE)
    low, high = float(random.uniform(150, 350)), float(random.uniform(3200, 3900))
    band = np.clip((hertz - low + 60) / 120, 0, 1) * np.clip((high + 100 - hertz) / 200, 0, 1)
    narrow = np.fft.irfft(np.fft.rfft(samples, size) * band, size)[: len(samples)].astype(np.float32)
    if random.random() < 0.7:
        narrow = mu_law(narrow)
        # The steps of the code would otherwise leave sound above the line's 4 kHz.
        narrow = np.fft.irfft(np.fft.rfft(narrow, size) * (hertz < 3950), size)[: len(samples)].astype(np.float32)
    return narrow


def mu_law(samples: Samples) -> Samples:
    """Encode and decode 8 bit mu-law, at a peak of 0.7."""
    peak = max(float(np.max(np.abs(samples), initial=0.0)), 1e-6) / 0.7
    coded = np.sign(samples) * np.log1p(255.0 * np.abs(samples / peak)) / np.log(256.0)
    coded = np.rint(coded * 127.0) / 127.0
    return (np.sign(coded) * np.expm1(np.abs(coded) * np.log(256.0)) / 255.0 * peak).astype(np.float32)


@dataclass(frozen=True)
class NoiseBank:
    """Recorded noise, synthetic music and voices to mix from, and the responses of measured and of box-shaped rooms."""

    noises: Sequence[Clip]
    music: Sequence[Clip]
    voices: Sequence[Clip]
    rooms: Sequence[Samples]
    boxes: Sequence[Samples]

    @classmethod
    def load(cls, cache: Path | str) -> NoiseBank:
        """Load everything in the cache for the training split (development noise stays unheard)."""
        noises: list[Clip] = []
        music: list[Clip] = []
        voices: list[Clip] = []
        for clip in load_corpus(cache, "train"):
            if clip.corpus == "noise_synthetic":
                if clip.voice == "music":
                    music.append(clip)
            elif clip.corpus.startswith("noise_"):
                noises.append(clip)
            elif not clip.corpus.startswith("synthetic_espeak"):
                voices.append(clip)
        rooms, boxes = (_responses(Path(cache) / name) for name in ("rooms.npz", "boxes.npz"))
        return cls(noises, music, voices, rooms, boxes)

    def room(self, random: np.random.Generator) -> Samples:
        """Draw a room: mostly image-source boxes, whose echoes repeat as in real rooms; else decaying noise or a measured
        one."""
        kind = float(random.random())
        kept = self.boxes if kind < 0.55 else self.rooms if kind < 0.65 else ()
        return kept[int(random.integers(len(kept)))] if kept else room_response(random)

    def recorded_noise(self, count: int, random: np.random.Generator) -> Samples:
        """Draw recorded background noise, root mean square 1: pieces in turn with short fades."""
        return self._join(self.noises, count, random)

    def some_music(self, count: int, random: np.random.Generator) -> Samples:
        """Draw music without a voice, root mean square 1; made on the spot if the cache has none."""
        return self._join(self.music, count, random) if self.music else music(count, random)

    def babble(self, count: int, random: np.random.Generator) -> Samples:
        """Mix three to seven people talking at once, root mean square 1."""
        sound = np.zeros(count, dtype=np.float32)
        for _ in range(int(random.integers(3, 8))):
            sound += self._join(self.voices, count, random) * float(random.uniform(0.4, 1.0))
        return sound / max(float(np.std(sound)), 1e-9)

    def _join(self, clips: Sequence[Clip], count: int, random: np.random.Generator) -> Samples:
        sound = np.zeros(count, dtype=np.float32)
        position = 0
        while position < count and clips:
            clip = clips[int(random.integers(len(clips)))]
            first = int(random.integers(0, max(1, clip.length - SAMPLE_RATE // 2)))
            piece = clip.samples(first, count - position)
            fade = min(400, len(piece) // 4)
            if fade:
                piece[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
                piece[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
            level = float(np.std(piece))
            if level > 1e-5:
                sound[position : position + len(piece)] += piece / level
            position += max(1, len(piece))
        return sound / max(float(np.std(sound)), 1e-9)


def _responses(path: Path) -> list[Samples]:
    if not path.is_file():
        return []
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


def draw_noise(count: int, random: np.random.Generator, bank: NoiseBank) -> Samples:
    """Draw noise of a random kind, root mean square 1."""
    kind = float(random.random())
    if kind < 0.45 or not (bank.noises and bank.voices):
        noise = coloured_noise(count, random, float(random.uniform(-0.3, 2.2)))
        if random.random() < 0.3:
            # Wind, traffic: a level that wanders.
            wander = np.interp(np.arange(count), np.linspace(0, count, 12), random.uniform(-8, 8, 12))
            noise = noise * (10 ** (wander / 20)).astype(np.float32)
        return noise
    if kind < 0.65:
        return bank.recorded_noise(count, random)
    if kind < 0.85:
        return bank.babble(count, random)
    if kind < 0.92:
        return hum(count, random)
    return bank.some_music(count, random) if kind < 0.98 else tones(count, random)


def draw_crowd(count: int, random: np.random.Generator, bank: NoiseBank) -> Samples:
    """Draw what hides lip sounds most, babble or nearly white noise, root mean square 1."""
    if random.random() < 0.55 and bank.voices:
        return bank.babble(count, random)
    return coloured_noise(count, random, float(random.uniform(-0.1, 0.4)))


def augment(
    samples: Samples, random: np.random.Generator, bank: NoiseBank, *, crowded: bool = False, distant: bool = False
) -> Samples:
    """Augment a sound as another microphone might have recorded it: room, tone, noise, line, level; same length and times.

    One in eight only changes in level and gets a faint noise floor. All others are loud with babble or white noise where it
    is ``crowded``, and in a room or on a telephone, with little noise, where the voice is ``distant``.
    """
    count = len(samples)
    sound = samples.astype(np.float32)
    plain = random.random() < 0.125
    loudness = active_power(sound)
    speaks = loudness > 1e-9
    if not plain and speaks:
        calls = distant and random.random() < 0.45
        equalise, room = random.random() < 0.6, random.random() < (0.25 if calls else 1.0 if distant else 0.6)
        if equalise or room:
            response = bank.room(random) if room else None
            size = fft_size(count + (len(response) if response is not None else 1600))
            spectrum = np.fft.rfft(sound, size)
            if response is not None:
                spectrum *= np.fft.rfft(response, size)
            if equalise:
                spectrum *= _equaliser(np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE), random)
            sound = np.fft.irfft(spectrum, size)[:count].astype(np.float32)
            loudness = active_power(sound)
        if crowded:
            decibels = float(random.uniform(4.0, 16.0))
            sound = sound + draw_crowd(count, random, bank) * np.float32(np.sqrt(loudness) * 10 ** (-decibels / 20))
        elif random.random() < (0.35 if distant else 0.7):
            # Mostly quiet noise; 10 dB and worse now and then.
            decibels = float(random.uniform(3.0, 20.0) if random.random() < 0.55 else random.uniform(20.0, 45.0))
            noise = draw_noise(count, random, bank)
            if random.random() < 0.25:
                noise = 0.7 * noise + 0.7 * draw_noise(count, random, bank)
            sound = sound + noise * np.float32(np.sqrt(loudness) * 10 ** (-decibels / 20))
        line = random.random()
        if calls or line < 0.15:
            sound = telephone_band(sound, random)
        elif line < 0.2:
            sound = mu_law(sound)
        if random.random() < 0.06:
            limit = float(random.uniform(0.15, 0.7)) * max(float(np.max(np.abs(sound))), 1e-6)
            sound = np.clip(sound, -limit, limit)
    # Level over the voice, from a whisper far from the microphone to full scale.
    if speaks:
        wanted = float(random.uniform(-42.0, -12.0))
        gain = 10 ** (wanted / 20) / np.sqrt(max(active_power(sound), 1e-12))
        sound = sound * np.float32(min(gain, 0.99 / max(float(np.max(np.abs(sound))), 1e-6)) if random.random() < 0.9 else gain)
    else:
        sound = sound * np.float32(10 ** (random.uniform(-20, 6) / 20))
    floor = 10 ** (float(random.uniform(-95.0, -60.0)) / 20)
    if random.random() < 0.9:
        sound = sound + random.standard_normal(count, dtype=np.float32) * np.float32(floor)
    return np.clip(sound, -1.0, 1.0).astype(np.float32)
