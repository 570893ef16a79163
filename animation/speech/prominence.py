# SPDX-License-Identifier: GPL-3.0-or-later
"""Find syllables, and rate how much each stands out from its neighbours: longer, louder, higher, with a full vowel.

The weights in ``prominence.json`` are a logistic regression on synthetic speech whose stress is known;
``training.speech.prominence`` writes them and lists the voices.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.phones import SILENCE, VOWELS, TimedPhone
from .voice import FRAME_RATE, Floats, Voice, running_mean

ACCENTED = 0.5
"""Syllables of at least this prominence are accents."""
_NEAR_SECONDS = 3.0
_LINKED_SECONDS = 0.6
_DIP_DB = 3.0
_BURST_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Syllable:
    """A vowel with the consonants nearest to it, in seconds; the vowel is from ``nucleus_start`` to ``nucleus_end``.

    ``vowel`` and ``onset`` (the phone before it) are '' where no phones are known, ``prominence`` is 0..1, ``is_burst`` is
    set if the sound hardly continues to the next syllable.
    """

    start: float
    end: float
    nucleus_start: float
    nucleus_end: float
    vowel: str
    onset: str
    prominence: float
    is_burst: bool

    @property
    def middle(self) -> float:
        """The instant halfway through the vowel."""
        return 0.5 * (self.nucleus_start + self.nucleus_end)


@dataclass(frozen=True)
class Nucleus:
    """A vowel, or a peak of the sonority, in seconds, and its known properties."""

    start: float
    end: float
    vowel: str
    onset: str


def find_syllables(
    voice: Voice, speech: Sequence[tuple[float, float]], phones: Sequence[TimedPhone] | None
) -> tuple[Syllable, ...]:
    """Find the syllables of stretches of ``speech`` (start and end in seconds)."""
    nuclei = find_nuclei(voice, speech, phones)
    if not nuclei:
        return ()
    prominence = 1.0 / (1.0 + np.exp(-_weigh(voice, nuclei, phones is not None)))
    bursts = _are_bursts(voice, nuclei)
    found: list[Syllable] = []
    for index, nucleus in enumerate(nuclei):
        before = next((span for span in speech if span[0] <= nucleus.end and nucleus.start <= span[1]), None)
        low = before[0] if before else nucleus.start
        high = before[1] if before else nucleus.end
        if index:
            low = max(low, 0.5 * (nuclei[index - 1].end + nucleus.start))
        if index + 1 < len(nuclei):
            high = min(high, 0.5 * (nucleus.end + nuclei[index + 1].start))
        start, end = min(low, nucleus.start), max(high, nucleus.end)
        found.append(
            Syllable(
                start,
                end,
                nucleus.start,
                nucleus.end,
                nucleus.vowel,
                nucleus.onset,
                float(prominence[index]),
                bool(bursts[index]),
            )
        )
    return tuple(found)


def find_nuclei(voice: Voice, speech: Sequence[tuple[float, float]], phones: Sequence[TimedPhone] | None) -> list[Nucleus]:
    """Find the nuclei of syllables, from phones if they are known, else from the sound."""
    return _nuclei_of_sound(voice, speech) if phones is None else _nuclei_of_phones(phones)


def _nuclei_of_phones(phones: Sequence[TimedPhone]) -> list[Nucleus]:
    found: list[Nucleus] = []
    for index, phone in enumerate(phones):
        if phone.phone in VOWELS:
            before = phones[index - 1] if index else None
            onset = before.phone if before is not None and phone.start - before.end < 0.05 else ""
            found.append(Nucleus(phone.start, phone.end, phone.phone, "" if onset == SILENCE else onset))
    return found


def _nuclei_of_sound(voice: Voice, speech: Sequence[tuple[float, float]]) -> list[Nucleus]:
    """Find peaks of the sonority that stand out by some dB from the dips on both sides (Mermelstein 1975), where it is
    voiced."""
    if not speech:
        return []
    level = np.convolve(np.pad(voice.sonority, 1, mode="edge"), np.full(3, 1 / 3), mode="valid")
    found: list[Nucleus] = []
    for start, end in speech:
        first, last = int(start * FRAME_RATE), min(int(end * FRAME_RATE) + 1, level.size)
        peaks: list[int] = []
        low, best = np.inf, -1
        for row in range(first, last):
            value = level[row]
            if best >= 0 and value > level[best]:
                best = row
            elif best >= 0 and level[best] - value > _DIP_DB:
                peaks.append(best)
                low, best = value, -1
            low = min(low, value)
            if best < 0 and value - low > _DIP_DB:
                best = row
        if best >= 0:
            peaks.append(best)
        for peak in peaks:
            if not voice.voiced[max(peak - 1, 0) : peak + 2].any():
                continue
            a = b = peak
            while a > first and level[a - 1] > level[peak] - _DIP_DB:
                a -= 1
            while b < last - 1 and level[b + 1] > level[peak] - _DIP_DB:
                b += 1
            found.append(Nucleus(a / FRAME_RATE, (b + 1) / FRAME_RATE, "", ""))
    return found


def _rows(voice: Voice, nucleus: Nucleus) -> slice:
    first = min(int(nucleus.start * FRAME_RATE + 0.5), max(len(voice) - 1, 0))
    return slice(first, max(int(nucleus.end * FRAME_RATE + 0.5), first + 1))


def _are_bursts(voice: Voice, nuclei: Sequence[Nucleus]) -> NDArray[np.bool_]:
    """Return whether the sound falls by 10 dB, or its voice stops, before the next nucleus or within 0.3 s."""
    result = np.zeros(len(nuclei), bool)
    for index, nucleus in enumerate(nuclei):
        rows = _rows(voice, nucleus)
        after = nuclei[index + 1].start if index + 1 < len(nuclei) else nucleus.end + 0.2
        gap = slice(rows.stop, max(min(int(after * FRAME_RATE), rows.stop + 15), rows.stop + 1))
        if gap.start >= len(voice):
            result[index] = True
            continue
        drop = float(voice.sonority[rows].max(initial=-99.0)) - float(voice.sonority[gap].min(initial=99.0))
        voiced = float(np.mean(voice.voiced[rows.start : gap.stop]))
        result[index] = drop > 10.0 and voiced < _BURST_SHARE
    return result


FEATURES = (
    *(f"{name}{part}" for name in ("length", "loudness", "pitch") for part in ("", " over the last", " over the next")),
    *("slope", "balance", "first", "last"),
)
"""The columns of :func:`describe_nuclei`."""


def describe_nuclei(voice: Voice, nuclei: Sequence[Nucleus]) -> Floats:
    """Describe how each nucleus stands out from those within 3 s on both sides, ``[nucleus, FEATURES]``."""
    times = np.array([0.5 * (nucleus.start + nucleus.end) for nucleus in nuclei])
    length = np.log(np.array([max(nucleus.end - nucleus.start, 0.02) for nucleus in nuclei]))
    loud, pitch, slope, balance = (np.zeros(len(nuclei)) for _ in range(4))
    semitones = 12.0 * np.log2(np.where(voice.voiced, voice.pitch, 100.0) / 100.0)
    semitones -= running_mean(semitones, voice.voiced, round(_NEAR_SECONDS * FRAME_RATE))
    for index, nucleus in enumerate(nuclei):
        rows = _rows(voice, nucleus)
        loud[index] = voice.sonority[rows].max(initial=-100.0)
        balance[index] = voice.balance[rows].mean()
        part = semitones[rows][voice.voiced[rows]]
        if part.size:
            pitch[index], slope[index] = part.max(), part[-1] - part[0]
    first = np.searchsorted(times, times - _NEAR_SECONDS)
    last = np.searchsorted(times, times + _NEAR_SECONDS, side="right")

    def over_mean(values: Floats) -> Floats:
        total = np.concatenate([[0.0], np.cumsum(values)])
        return values - (total[last] - total[first]) / (last - first)

    apart = np.diff(times, prepend=-np.inf, append=np.inf)
    has_last, has_next = apart[:-1] < _LINKED_SECONDS, apart[1:] < _LINKED_SECONDS
    columns: list[Floats] = []
    for values in (over_mean(length), over_mean(loud) / 6.0, pitch / 3.0):
        held = np.clip(values, -3.0, 3.0)
        columns += [held, has_last * (held - np.roll(held, 1)), has_next * (held - np.roll(held, -1))]
    columns += [np.clip(slope / 3.0, -3.0, 3.0), np.clip(over_mean(balance) / 6.0, -3.0, 3.0), ~has_last + 0.0, ~has_next + 0.0]
    return np.stack(columns, axis=1)


@functools.cache
def _weights() -> tuple[Floats, Floats, dict[str, float], dict[str, float]]:
    table = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    sound, phones = (np.array([*table[name]["features"].values(), table[name]["constant"]]) for name in ("sound", "phones"))
    return sound, phones, table["phones"]["vowels"], table["phones"]["onsets"]


def _weigh(voice: Voice, nuclei: Sequence[Nucleus], has_phones: bool) -> Floats:
    """Compute the log-odds of being stressed, ``[nucleus]``."""
    of_sound, of_phones, vowels, onsets = _weights()
    weights = of_phones if has_phones else of_sound
    odds = describe_nuclei(voice, nuclei) @ weights[:-1] + weights[-1]
    if has_phones:
        odds += np.array([vowels.get(nucleus.vowel, 0.0) + onsets.get(nucleus.onset, 0.0) for nucleus in nuclei])
    return odds
