# SPDX-License-Identifier: GPL-3.0-or-later
"""Track the voice in a sound: loudness, pitch, voicing and spectral balance, 50 rows a second.

The pitch is Boersma's: the autocorrelation of a windowed piece over that of the window, and a cheapest path through the
strongest candidates (P. Boersma, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
ratio of a sampled sound", IFA Proceedings 17, 1993), here on sound at 4 kHz, which is enough for a pitch of up to 600 Hz.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..samples import Samples

Floats = NDArray[np.float64]

FRAME_RATE = 50.0
"""Rows a second of every track."""
LOWEST_HZ, HIGHEST_HZ = 60.0, 600.0
# Length of sound analysed at once: memory stays flat over an hour.
_BLOCK_ROWS = 1500
_PITCH_RATE = 4000
_PITCH_WINDOW = 200  # 50 ms at 4 kHz: three periods at 60 Hz
_CANDIDATES = 4
# Boersma's costs; those of jumps are for his 10 ms steps and halved for our 20 ms.
_OCTAVE_COST, _JUMP_COST, _VOICING_COST, _VOICING_LIMIT = 0.06, 0.25, 0.12, 0.45
# Frames this far below the loudest in the neighbourhood are not voiced, whatever their autocorrelation.
_QUIET_DB, _SILENT_DB, _LOUDEST_REACH = 35.0, -75.0, 150


@dataclass(frozen=True)
class Voice:
    """Tracks ``[time]``; row i is the instant ``i / FRAME_RATE``, each measured in a window around it.

    ``loudness`` and ``sonority`` (300 to 3000 Hz) are dB of full scale, ``balance`` is the dB by which 1 to 5 kHz exceed 50 Hz
    to 1 kHz (a voice that works harder has more, at any level), ``pitch`` Hz, 0 where nothing is voiced, ``voicing`` the height
    of the autocorrelation's peak, 0..1, ``flatness`` 0 for a tone to 1 for white noise.
    """

    loudness: Floats
    sonority: Floats
    balance: Floats
    pitch: Floats
    voicing: Floats
    flatness: Floats

    def __len__(self) -> int:
        return int(self.loudness.size)

    @property
    def voiced(self) -> NDArray[np.bool_]:
        """Rows with a pitch."""
        return self.pitch > 0


def track_voice(samples: Samples, sample_rate: int) -> Voice:
    """Track the voice of a mono sound ``samples`` ``[n]`` in -1..1.

    Raises ValueError for other shapes and for rates below 8 kHz.
    """
    if np.ndim(samples[:1]) != 1:
        raise ValueError(f"samples are {np.shape(samples[:1])}, not [n]")
    if sample_rate < 8000:
        raise ValueError(f"a sample rate of {sample_rate} Hz is below 8000")
    count = -(-samples.size * int(FRAME_RATE) // sample_rate)
    names = ("loudness", "sonority", "balance", "flatness")
    tracks = {name: np.zeros(count) for name in names}
    frequencies = np.zeros((count, _CANDIDATES))
    strengths = np.zeros((count, _CANDIDATES))
    blocks = [np.arange(first, min(first + _BLOCK_ROWS, count)) for first in range(0, count, _BLOCK_ROWS)]
    for rows in blocks:
        for name, values in zip(names, _measure_spectrum(samples, sample_rate, rows), strict=True):
            tracks[name][rows] = values
    loudness = tracks["loudness"]
    audible = loudness > np.maximum(running_extreme(loudness, _LOUDEST_REACH, np.maximum) - _QUIET_DB, _SILENT_DB)
    for rows in blocks:
        heard = rows[audible[rows]]
        if heard.size:
            frequencies[heard], strengths[heard] = _find_candidates(samples, sample_rate, heard)
    pitch, voicing = _choose_path(frequencies, strengths)
    return Voice(pitch=pitch, voicing=voicing, **tracks)


def _cut_windows(sound: Samples, centres: NDArray[np.int64], width: int) -> NDArray[np.float32]:
    """Cut pieces of ``width`` samples around ``centres``, ``[row, width]``; silence beyond the ends."""
    low, high = int(centres[0]) - width // 2, int(centres[-1]) + width - width // 2
    piece = np.zeros(high - low, np.float32)
    begin, end = max(low, 0), min(high, sound.size)
    if begin < end:
        piece[begin - low : end - low] = sound[begin:end]
    view = np.lib.stride_tricks.sliding_window_view(piece, width)
    return view[centres - centres[0]]


def _measure_spectrum(sound: Samples, sample_rate: int, rows: NDArray[np.int64]) -> tuple[Floats, ...]:
    """Measure loudness, sonority, balance and flatness of some rows."""
    width = 1 << round(np.log2(0.032 * sample_rate))
    centres = np.rint(rows * (sample_rate / FRAME_RATE)).astype(np.int64)
    window = np.hanning(width + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(_cut_windows(sound, centres, width) * window, axis=1)) ** 2 / float(
        np.sum(window**2) * width / 2
    )
    hertz = np.fft.rfftfreq(width, 1 / sample_rate)

    edges = ((50, sample_rate), (300, 3000), (50, 1000), (1000, 5000))
    bands = np.stack([(hertz >= low) & (hertz < high) for low, high in edges], axis=1).astype(power.dtype)
    everything, sonorant, low, high = (10.0 * np.log10(power @ bands + 1e-10)).T
    middle = power[:, (hertz >= 300) & (hertz < 5000)][:, ::4] + 1e-12  # every fourth is enough to recognise noise
    flatness = np.exp(np.mean(np.log(middle), axis=1)) / np.mean(middle, axis=1)
    return everything, sonorant, high - low, flatness


def _find_candidates(sound: Samples, sample_rate: int, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Find frequencies and strengths of the best pitches of some rows, both ``[row, candidate]``."""
    step = max(1, sample_rate // _PITCH_RATE)
    rate = sample_rate / step
    # Averaging neighbours twice is a good enough low-pass for the lowest harmonics.
    low = max(int(rows[0] / FRAME_RATE * sample_rate) - sample_rate, 0) // step * step
    high = min(int(rows[-1] / FRAME_RATE * sample_rate) + sample_rate, sound.size)
    piece = np.asarray(sound[low : low + (high - low) // step * step], np.float32).reshape(-1, step).mean(axis=1)
    piece = 0.5 * (piece + np.concatenate([piece[:1], piece[:-1]]))
    centres = np.rint(rows * (rate / FRAME_RATE)).astype(np.int64) - low // step
    width = round(_PITCH_WINDOW * rate / _PITCH_RATE)
    window = np.hanning(width + 1)[:-1]
    windows = _cut_windows(piece, centres, width)
    windows = (windows - windows.mean(axis=1, keepdims=True)) * window.astype(np.float32)
    size = width + -(-int(rate / LOWEST_HZ + 4) // 32) * 32
    # Twice the rate, so that a parabola meets the peaks of high voices between samples.
    correlation = np.fft.irfft(np.abs(np.fft.rfft(windows, size, axis=1)) ** 2, 2 * size, axis=1)
    of_window = np.fft.irfft(np.abs(np.fft.rfft(window, size)) ** 2, 2 * size)
    rate *= 2.0
    lags = np.arange(int(rate / HIGHEST_HZ) - 1, int(np.ceil(rate / LOWEST_HZ)) + 3)
    shares = correlation[:, lags] / (correlation[:, :1] + 1e-9) * (of_window[0] / of_window[lags])
    left, middle, right = shares[:, :-2], shares[:, 1:-1], shares[:, 2:]
    peak = (middle > left) & (middle >= right) & (middle > 0.2)
    bend = np.minimum(left - 2 * middle + right, -1e-9)
    offset = np.clip(0.5 * (left - right) / bend, -0.5, 0.5)
    height = np.minimum(middle - 0.25 * (left - right) * offset, 1.0)
    hertz = rate / (lags[1:-1] + offset)
    worth = np.where(peak, height - _OCTAVE_COST * np.log2(HIGHEST_HZ / np.maximum(hertz, 1.0)), -1.0)
    best = np.argpartition(-worth, _CANDIDATES, axis=1)[:, :_CANDIDATES]
    strengths = np.take_along_axis(worth, best, axis=1)
    return np.take_along_axis(hertz, best, axis=1), np.where(strengths > 0, strengths, 0.0)


def _choose_path(frequencies: Floats, strengths: Floats) -> tuple[Floats, Floats]:
    """Choose pitch and voicing along the cheapest path; state 0 is 'not voiced'."""
    count = len(frequencies)
    if count == 0:
        return np.zeros(0), np.zeros(0)
    gains = np.concatenate([np.full((count, 1), _VOICING_LIMIT), strengths], axis=1)
    octaves = np.log2(np.maximum(frequencies, 1.0))
    costs = np.full((_BLOCK_ROWS, _CANDIDATES + 1, _CANDIDATES + 1), _VOICING_COST)
    costs[:, 0, 0] = 0.0
    missing = strengths <= 0
    total = np.where(np.concatenate([[False], missing[0]]), -9.0, gains[0])
    came = np.zeros((count, _CANDIDATES + 1), np.int8)
    gains[:, 1:][missing] = -9.0
    states = np.arange(_CANDIDATES + 1)
    for row in range(1, count):
        at = (row - 1) % _BLOCK_ROWS
        if at == 0:
            near = octaves[row - 1 : row + _BLOCK_ROWS]
            costs[: len(near) - 1, 1:, 1:] = _JUMP_COST * np.abs(near[1:, None, :] - near[:-1, :, None])
        options = total[:, None] - costs[at]
        came[row] = options.argmax(axis=0)
        total = options[came[row], states] + gains[row]
    state = int(total.argmax())
    path = np.zeros(count, np.int64)
    for row in range(count - 1, -1, -1):
        path[row] = state
        state = int(came[row, state])
    voiced = path > 0
    column = np.maximum(path - 1, 0)[:, None]
    pitch = np.where(voiced, np.take_along_axis(frequencies, column, axis=1)[:, 0], 0.0)
    return pitch, np.clip(strengths.max(axis=1), 0.0, 1.0)


def running_extreme(values: Floats, reach: int, extreme: np.ufunc) -> Floats:
    """Return the largest or smallest of ``values`` within ``reach`` rows of each, ``[time]``.

    ``extreme`` is np.maximum or np.minimum.
    """
    result = np.asarray(values, np.float64)
    if not result.size:
        return result
    # Doubling windows, as in van Herk's filter: a handful of passes for any reach.
    left, width = result, 1
    span = 2 * reach + 1
    padded = np.pad(left, reach, mode="edge")
    while width * 2 <= span:
        padded = extreme(padded[:-width], padded[width:])
        width *= 2
    if width < span:
        padded = extreme(padded[: padded.size - (span - width)], padded[span - width :])
    return padded


def running_mean(values: ArrayLike, weights: ArrayLike, reach: int) -> Floats:
    """Average ``values`` with ``weights`` within ``reach`` rows of each row, ``[time]``; 0 where all weights are 0."""
    v, w = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    top = np.concatenate([[0.0], np.cumsum(v * w)])
    bottom = np.concatenate([[0.0], np.cumsum(w)])
    at = np.arange(v.size)
    first, last = np.maximum(at - reach, 0), np.minimum(at + reach + 1, v.size)
    weight = bottom[last] - bottom[first]
    return np.where(weight > 1e-9, (top[last] - top[first]) / np.maximum(weight, 1e-9), 0.0)


def measure_voiced_level(samples: Samples, sample_rate: int, frame_rate: float) -> Floats:
    """Return the level of what has a pitch in a mono sound ``samples`` ``[n]``, dB ``[time]``, -inf elsewhere."""
    voice = track_voice(samples, sample_rate)
    rows = np.rint(np.arange(int(len(voice) * frame_rate / FRAME_RATE)) * FRAME_RATE / frame_rate).astype(int)
    return np.where(voice.pitch > 0, voice.loudness, -np.inf)[np.minimum(rows, len(voice) - 1)]
