# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening conditions that the speech model must withstand: noisy, reverberant and telephone copies of a sound, and sounds
without speech.

Everything is made with numpy from fixed seeds, so every run and every machine scores the same samples. Waveforms
are float32 ``[samples]`` at 16 kHz.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..corpora.clips import SAMPLE_RATE
from ..corpora.rooms import box_response

Samples = NDArray[np.float32]


def level_db(samples: Samples) -> float:
    """Return the root mean square in dB of full scale; -200 for digital silence."""
    return 10.0 * float(np.log10(max(np.mean(np.square(samples, dtype=np.float64)), 1e-20))) if len(samples) else -200.0


def active_level_db(samples: Samples) -> float:
    """Return the level of the 20 ms pieces within 30 dB of the loudest: that of the speech without its pauses."""
    count = len(samples) // 320
    if count == 0:
        return level_db(samples)
    power = np.mean(np.square(samples[: count * 320].astype(np.float64)).reshape(count, 320), axis=1)
    loud = power[power >= 1e-3 * np.max(power)]
    return 10.0 * float(np.log10(max(np.mean(loud), 1e-20)))


def pink_noise(count: int, seed: int) -> Samples:
    """Make noise with equal power in every octave from 50 Hz to 8 kHz, root mean square 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(max(count, 2)))
    hertz = np.fft.rfftfreq(max(count, 2), 1.0 / SAMPLE_RATE)
    spectrum *= np.where(hertz >= 50.0, 1.0 / np.sqrt(np.maximum(hertz, 50.0)), 0.0)
    noise = np.fft.irfft(spectrum, max(count, 2))[:count]
    return (noise / max(np.sqrt(np.mean(noise * noise)), 1e-12)).astype(np.float32)


def add_noise(samples: Samples, snr_db: float = 10.0, seed: int = 7) -> Samples:
    """Add pink noise; the ratio is that of the active speech level to the noise's level."""
    gain = 10.0 ** ((active_level_db(samples) - snr_db) / 20.0)
    return _within_full_scale(samples + gain * pink_noise(len(samples), seed))


def add_white_noise(samples: Samples, snr_db: float = 10.0, seed: int = 17) -> Samples:
    """Add white noise."""
    return mix(samples, np.random.default_rng(seed).standard_normal(len(samples)).astype(np.float32), snr_db)


def add_music(samples: Samples, snr_db: float = 10.0) -> Samples:
    """Add music without a voice."""
    return mix(samples, music(len(samples) / SAMPLE_RATE + 0.1)[: len(samples)], snr_db)


def add_babble(samples: Samples, others: Sequence[Samples], snr_db: float = 10.0) -> Samples:
    """Add ``others``, who talk at once and equally loud, each repeated at its end."""
    crowd = np.zeros(len(samples), np.float32)
    for other in others:
        crowd += np.resize(other, len(samples)) * np.float32(10.0 ** (-active_level_db(other) / 20.0))
    return mix(samples, crowd, snr_db)


def mix(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Mix two sounds; the ratio is that of the active speech level to the noise's level."""
    gain = 10.0 ** ((active_level_db(samples) - snr_db - level_db(noise)) / 20.0)
    return _within_full_scale(samples + np.float32(gain) * noise)


@functools.cache
def small_room_response(absorption: float = 0.25, seconds: float = 0.4) -> Samples:
    """Compute the response of a 4.0 x 3.0 x 2.5 m room from a talker to a microphone 1.5 m away, the direct path first and 1.

    Image-source method (Allen & Berkley 1979) with walls that absorb a quarter of the energy: Sabine's
    reverberation time is 0.33 s. The direct path is at sample 0, so the lips' timing does not move.
    """
    kept = box_response((4.0, 3.0, 2.5), (1.4, 1.3, 1.5), (2.6, 2.1, 1.1), np.sqrt(1.0 - absorption), seconds)
    kept.flags.writeable = False
    return kept


def add_room(samples: Samples, response: Samples | None = None) -> Samples:
    """Put the sound in the small room, at its old length and level."""
    response = small_room_response() if response is None else response
    size = 1 << int(np.ceil(np.log2(len(samples) + len(response))))
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)[: len(samples)].astype(np.float32)
    gain = 10.0 ** ((level_db(samples) - level_db(wet)) / 20.0) if np.any(wet) else 1.0
    return _within_full_scale(wet * np.float32(gain))


def telephone(samples: Samples) -> Samples:
    """Pass the sound through an old telephone: 300 to 3400 Hz, 8 kHz, 8-bit mu-law (G.711's curve), no delay."""
    count = len(samples)
    padded = count + count % 2
    spectrum = np.fft.rfft(samples, padded)
    hertz = np.fft.rfftfreq(padded, 1.0 / SAMPLE_RATE)
    # Half a raised cosine over 100 Hz at both edges.
    band = np.clip((hertz - 250.0) / 100.0, 0, 1) * np.clip((3450.0 - hertz) / 100.0, 0, 1)
    band = 0.5 - 0.5 * np.cos(np.pi * band)
    narrow = np.fft.irfft(spectrum * band, padded)[::2]
    coded = np.sign(narrow) * np.log1p(255.0 * np.minimum(np.abs(narrow), 1.0)) / np.log(256.0)
    coded = np.rint(coded * 127.0) / 127.0
    narrow = np.sign(coded) * np.expm1(np.abs(coded) * np.log(256.0)) / 255.0
    wide = np.zeros(padded // 2 + 1, np.complex128)
    half = np.fft.rfft(narrow)
    wide[: len(half)] = 2.0 * half
    wide[hertz > 3500.0] = 0.0
    return np.fft.irfft(wide, padded)[:count].astype(np.float32)


def _within_full_scale(samples: NDArray[np.floating]) -> Samples:
    peak = float(np.max(np.abs(samples), initial=0.0))
    return (samples / max(peak, 1.0)).astype(np.float32)


def hum(seconds: float, hertz: float, level: float = -35.0, seed: int = 3) -> Samples:
    """Make mains hum: the tone and eight overtones falling by 5 dB each, over a faint hiss."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    random = np.random.default_rng(seed)
    sound = sum(10 ** (-0.25 * k) * np.sin(2 * np.pi * hertz * (k + 1) * time + random.uniform(0, 6.28)) for k in range(9))
    sound = sound + 0.02 * pink_noise(len(time), seed)
    return _at_level(np.asarray(sound), level)


def breath(seconds: float, level: float = -38.0, seed: int = 5) -> Samples:
    """Make breathing: noise between 400 Hz and 5 kHz that swells for a second in every four."""
    count = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1.0 / SAMPLE_RATE)
    spectrum *= np.exp(-0.5 * (np.log(np.maximum(hertz, 1.0) / 1400.0) / 0.6) ** 2)
    swell = np.maximum(0.0, np.sin(2 * np.pi * np.arange(count) / SAMPLE_RATE / 4.0)) ** 2
    return _at_level(np.fft.irfft(spectrum, count) * (0.03 + swell), level)


def music(seconds: float, level: float = -20.0, seed: int = 11) -> Samples:
    """Make music without a voice: plucked chords, a bass and a noise drum at 108 beats a minute."""
    random = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    sound = np.zeros(count)
    beat = 60.0 / 108.0
    chords = ((0, 4, 7, 12), (-3, 0, 4, 9), (-7, -3, 0, 5), (-5, -1, 2, 7))
    for index in range(int(seconds / (beat / 2))):
        start = round(index * beat / 2 * SAMPLE_RATE)
        length = min(count - start, round(0.9 * SAMPLE_RATE))
        if length <= 0:
            break
        time = np.arange(length) / SAMPLE_RATE
        chord = chords[index // 8 % 4]
        pitch = 261.63 * 2.0 ** (chord[index * 3 % 4] / 12.0)
        pluck = sum(np.sin(2 * np.pi * pitch * k * time) * np.exp(-time * (2.5 + 1.6 * k)) / k for k in range(1, 8))
        sound[start : start + length] += 0.5 * np.asarray(pluck)
        if index % 2 == 0:
            bass = 130.81 * 2.0 ** (chord[0] / 12.0)
            sound[start : start + length] += 0.7 * np.sin(2 * np.pi * bass * time) * np.exp(-3.0 * time)
            sound[start : start + length] += 0.25 * random.standard_normal(length) * np.exp(-40.0 * time)
    return _at_level(sound, level)


def _at_level(sound: NDArray[np.floating], level: float) -> Samples:
    current = level_db(sound.astype(np.float32))
    return _within_full_scale(sound * 10.0 ** ((level - current) / 20.0))


def join_pieces(pieces: list[Samples], seconds: float, fade_seconds: float = 0.05) -> list[Samples]:
    """Join short recordings with cross-fades to sounds of about ``seconds``, each begun with a new piece."""
    fade = round(fade_seconds * SAMPLE_RATE)
    ramp = np.sqrt(np.linspace(0.0, 1.0, fade)).astype(np.float32)
    joined: list[Samples] = []
    current: Samples | None = None
    for piece in pieces:
        if len(piece) < 2 * fade:
            continue
        if current is None:
            current = piece.astype(np.float32)
        else:
            seam = current[-fade:] * ramp[::-1] + piece[:fade] * ramp
            current = np.concatenate((current[:-fade], seam, piece[fade:])).astype(np.float32)
        if len(current) >= seconds * SAMPLE_RATE:
            joined.append(current)
            current = None
    if current is not None:
        joined.append(current)
    return joined


def still_sounds(room_noise: list[Samples], seconds: float = 10.0) -> dict[str, list[Samples]]:
    """Make sounds during which a mouth rests, by kind. ``room_noise`` are recordings without speech; the rest is synthetic."""
    sounds = {kind: list(made) for kind, made in _made_sounds(seconds).items()}
    if room_noise:
        sounds["room noise"] = join_pieces(room_noise, seconds)
    return sounds


@functools.cache
def _made_sounds(seconds: float) -> dict[str, list[Samples]]:
    count = round(seconds * SAMPLE_RATE)
    return {
        "digital silence": [np.zeros(count, np.float32)],
        "hum": [hum(seconds, 50.0), hum(seconds, 60.0, level=-25.0, seed=4)],
        "music": [music(seconds), music(seconds, level=-30.0, seed=12)],
        "breath": [breath(seconds), breath(seconds, level=-45.0, seed=6)],
        "room tone": [_at_level(pink_noise(count, 8), -60.0), _at_level(pink_noise(count, 9), -40.0)],
    }
