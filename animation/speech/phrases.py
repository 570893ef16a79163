# SPDX-License-Identifier: GPL-3.0-or-later
"""Find speech: phrases, pauses, turns, and audible breaths in pauses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..face.phones import TimedPhone
from .voice import FRAME_RATE, Floats, Voice, running_extreme

SHORTEST_PAUSE = 0.18
"""Seconds: anything shorter is the closure of a stop."""
TURN_PAUSE = 1.2
"""Seconds of silence after which a new turn begins."""
_SHORTEST_SPEECH = 0.08
NEAR_ROWS = 200
"""Rows on each side that a sound is compared with: 4 s."""
# A pause is this far below the loudest of its neighbourhood, and nearer to the floor than to that.
_BELOW_DB = 26.0
_BREATH_SECONDS = 0.15
_BREATH_DB = (6.0, 38.0)  # over the floor, and at most this far below speech
_NOISY = 0.12
_END_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Phrase:
    """Speech between two pauses, in seconds.

    ``rise`` is how many semitones the pitch rises at its end, as in a question.
    """

    start: float
    end: float
    rise: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence or breath between two phrases, in seconds; also before the first and after the last one."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Turn:
    """Phrases without a silence longer than TURN_PAUSE between them, in seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Breath:
    """An audible breath, in seconds."""

    start: float
    end: float


def stretches(marked: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first row of each stretch of ``marked`` ``[time]`` and the row after its last."""
    padded = np.concatenate([[False], marked, [False]])
    first, after = np.flatnonzero(padded[1:] & ~padded[:-1]), np.flatnonzero(~padded[1:] & padded[:-1])
    return list(zip(first.tolist(), after.tolist(), strict=True))


def find_speech(voice: Voice, phones: Sequence[TimedPhone] | None) -> list[tuple[float, float]]:
    """Find start and end in seconds of speech without pauses.

    It is where phones are audible; without phones, where the sound is well above the floor and something is voiced.
    """
    if len(voice) == 0:
        return []
    loud = running_extreme(voice.loudness, NEAR_ROWS, np.maximum)
    floor = running_extreme(_smooth(voice.loudness), NEAR_ROWS, np.minimum)
    limit = np.maximum(np.maximum(loud - _BELOW_DB, 0.65 * floor + 0.35 * loud), -62.0)
    heard = voice.loudness > limit
    if phones is not None:
        said = np.zeros(len(voice), bool)
        for phone in phones:
            said[round(phone.start * FRAME_RATE) : max(round(phone.end * FRAME_RATE), round(phone.start * FRAME_RATE) + 1)] = (
                True
            )
        # A phone's closure is silent; the sound's edge is sharper than the model's.
        joined = [(a, b) for a, b in stretches(said)]
        joined = _join(joined, SHORTEST_PAUSE)
        found: list[tuple[int, int]] = []
        for first, last in joined:
            rows = np.flatnonzero(heard[max(first - 2, 0) : last + 3]) + max(first - 2, 0)
            if rows.size:
                found += _join([(a, b) for a, b in _runs(rows)], SHORTEST_PAUSE)
    else:
        found = _join(stretches(heard), SHORTEST_PAUSE)
        found = [(a, b) for a, b in found if np.mean(voice.voiced[a:b]) > 0.25]
    found = [(a, b) for a, b in _join(found, SHORTEST_PAUSE) if b - a >= _SHORTEST_SPEECH * FRAME_RATE]
    return [(a / FRAME_RATE, b / FRAME_RATE) for a, b in found]


def _smooth(values: Floats) -> Floats:
    """Average five rows, so that the floor is not a single dip."""
    return np.convolve(np.pad(values, 2, mode="edge"), np.full(5, 0.2), mode="valid")


def _runs(rows: NDArray[np.int64]) -> list[tuple[int, int]]:
    cuts = np.flatnonzero(np.diff(rows) > 1)
    first = rows[np.concatenate([[0], cuts + 1])]
    last = rows[np.concatenate([cuts, [rows.size - 1]])]
    return list(zip(first.tolist(), (last + 1).tolist(), strict=True))


def _join(spans: Sequence[tuple[int, int]], seconds: float) -> list[tuple[int, int]]:
    """Join spans of rows that are closer than ``seconds``."""
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and first - joined[-1][1] < seconds * FRAME_RATE - 1e-6:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def find_pauses(speech: Sequence[tuple[float, float]], duration: float) -> tuple[Pause, ...]:
    """Find the pauses between the stretches of ``speech``, before the first and after the last."""
    edges = [0.0, *(edge for span in speech for edge in span), duration]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple(Pause(start, end) for start, end in pairs if end - start >= SHORTEST_PAUSE)


def find_phrases(speech: Sequence[tuple[float, float]], voice: Voice) -> tuple[Phrase, ...]:
    """Find the stretches of ``speech`` with the rise of the pitch at their ends."""
    return tuple(Phrase(start, end, _final_rise(voice, start, end)) for start, end in speech)


def _final_rise(voice: Voice, start: float, end: float) -> float:
    """Return semitones from the lowest voiced row of the last half second to the mean of the last three, 0 for too few."""
    first, last = int(max(start, end - _END_SECONDS) * FRAME_RATE), int(end * FRAME_RATE) + 1
    pitch = voice.pitch[first:last]
    pitch = pitch[pitch > 0]
    if pitch.size < 6:
        return 0.0
    semitones = 12.0 * np.log2(pitch)
    return float(np.mean(semitones[-3:]) - np.min(semitones[:-3])) if np.argmin(semitones) < semitones.size - 3 else 0.0


def find_turns(speech: Sequence[tuple[float, float]]) -> tuple[Turn, ...]:
    """Join the stretches of ``speech`` over pauses shorter than TURN_PAUSE."""
    joined: list[tuple[float, float]] = []
    for start, end in speech:
        if joined and start - joined[-1][1] < TURN_PAUSE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return tuple(Turn(start, end) for start, end in joined)


def find_breaths(voice: Voice, pauses: Sequence[Pause]) -> tuple[Breath, ...]:
    """Find the longest stretch of noise in each pause that is well above the floor and below speech."""
    spans = find_noise(voice, pauses)
    found: list[Breath] = []
    for pause in pauses:
        inside = [span for span in spans if int(pause.start * FRAME_RATE) <= span[0] and span[1] <= int(pause.end * FRAME_RATE)]
        if inside:
            a, b = max(inside, key=lambda span: span[1] - span[0])
            if b - a >= _BREATH_SECONDS * FRAME_RATE:
                found.append(Breath(a / FRAME_RATE, b / FRAME_RATE))
    return tuple(found)


def find_noise(voice: Voice, pauses: Sequence[Pause]) -> list[tuple[int, int]]:
    """Find the stretches of noise in pauses, well above the floor and below speech: first row and the row after the last."""
    if len(voice) == 0:
        return []
    loud = running_extreme(voice.loudness, NEAR_ROWS, np.maximum)
    floor = running_extreme(_smooth(voice.loudness), NEAR_ROWS, np.minimum)
    over, below = _BREATH_DB
    noisy = (voice.loudness > floor + over) & (voice.loudness > loud - below) & (voice.flatness > _NOISY) & ~voice.voiced
    found: list[tuple[int, int]] = []
    for pause in pauses:
        first, last = int(pause.start * FRAME_RATE), int(pause.end * FRAME_RATE)
        found += [(first + a, first + b) for a, b in _join(stretches(noisy[first:last]), 0.06)]
    return found
