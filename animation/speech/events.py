# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech events: one frozen value shared by life, script and feeling, found once in a sound.

Every judgement is relative to a few seconds around it, never to the whole line, so that editing the end of a line keeps the
events of its beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..face.phones import TimedPhone
from ..samples import Samples
from .outbursts import find_outbursts
from .phrases import Breath, Pause, Phrase, Turn, find_breaths, find_pauses, find_phrases, find_speech, find_turns, stretches
from .prominence import ACCENTED, Syllable, find_syllables
from .voice import FRAME_RATE, Floats, Voice, running_mean, track_voice

# The balance of a usual voice and its range in each direction (make life). Microphones differ by as much, so most of it is
# compared with the neighbourhood.
_USUAL_BALANCE, _BALANCE_SPREAD, _OWN_SHARE = -10.0, 6.0, 0.25
_PITCH_SPREAD = 5.0  # semitones above the median of the neighbourhood
_EFFORT_REACH = 18  # rows on each side: +-0.36 s
_NEAR_REACH = 250  # rows on each side to compare a voice with: +-5 s
# A shout is bright and high at once, for a while.
_SHOUT_BALANCE, _SHOUT_HZ, _SHOUT_SECONDS = -5.0, 270.0, 0.24


@dataclass(frozen=True, slots=True)
class Accent:
    """A syllable that stands out.

    It has the instant of its vowel's middle, ``size`` 0..1 and the pitch's ``rise`` in semitones over the neighbourhood (0 if
    nothing is voiced).
    """

    seconds: float
    start: float
    end: float
    size: float
    rise: float


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in seconds."""

    start: float
    end: float


@dataclass(frozen=True, eq=False)
class SpeechEvents:
    """The events in a sound of ``duration`` seconds, each list in order of time.

    ``effort`` ``[time]``, 0..1 at 50 rows a second, is how hard the voice works at any level of the recording: 0.5 is usual,
    0 where nobody speaks.
    """

    duration: float
    phones: tuple[TimedPhone, ...]
    syllables: tuple[Syllable, ...]
    accents: tuple[Accent, ...]
    phrases: tuple[Phrase, ...]
    pauses: tuple[Pause, ...]
    turns: tuple[Turn, ...]
    breaths: tuple[Breath, ...]
    laughter: tuple[Span, ...]
    shouts: tuple[Span, ...]
    effort: Floats
    voice: Voice
    gasps: tuple[Breath, ...] = ()
    sighs: tuple[Breath, ...] = ()

    def effort_at(self, seconds: float) -> float:
        """Return the effort at an instant."""
        if not self.effort.size:
            return 0.0
        return float(np.interp(seconds * FRAME_RATE, np.arange(self.effort.size), self.effort))


def find_events(samples: Samples, sample_rate: int, phones: Sequence[TimedPhone] | None = None) -> SpeechEvents:
    """Find the events of a mono sound ``samples`` ``[n]``; ``phones`` are a model's, with times from the first sample.

    Without phones syllables are found by loudness. Raises ValueError like :func:`.voice.track_voice`.
    """
    voice = track_voice(samples, sample_rate)
    duration = samples.size / sample_rate
    known = tuple(phone for phone in phones or () if phone.start < duration)
    speech = find_speech(voice, known or None)
    pauses = find_pauses(speech, duration)
    turns = find_turns(speech)
    syllables = find_syllables(voice, speech, known or None)
    effort = _measure_effort(voice, syllables)
    outbursts = find_outbursts(voice, pauses)
    return SpeechEvents(
        duration=duration,
        phones=known,
        syllables=syllables,
        accents=tuple(_find_accents(voice, syllables)),
        phrases=find_phrases(speech, voice),
        pauses=pauses,
        turns=turns,
        breaths=find_breaths(voice, pauses),
        laughter=_find_laughter(syllables),
        shouts=_find_shouts(voice),
        effort=effort,
        voice=voice,
        gasps=outbursts.gasps,
        sighs=outbursts.sighs,
    )


def join_events(parts: Sequence[tuple[float, SpeechEvents]], duration: float) -> SpeechEvents:
    """Join the speech of several sounds, each with the second at which it begins, to that of ``duration`` seconds.

    Only when somebody speaks is kept: phrases, pauses and turns, as a listener needs them. Without parts it is silence.
    """
    none = np.zeros(0)
    phrases: list[Phrase] = []
    turns: list[Turn] = []
    for start, part in sorted(parts, key=lambda one: one[0]):
        phrases += [replace(one, start=one.start + start, end=one.end + start) for one in part.phrases]
        turns += [replace(one, start=one.start + start, end=one.end + start) for one in part.turns]
    phrases = sorted((one for one in phrases if one.end > 0.0 and one.start < duration), key=lambda one: one.start)
    edges = [0.0, *(edge for one in phrases for edge in (max(one.start, 0.0), one.end)), duration]
    pauses = [Pause(first, last) for first, last in zip(edges[::2], edges[1::2]) if last - first > 1e-6]
    return SpeechEvents(
        duration=duration,
        phones=(),
        syllables=(),
        accents=(),
        phrases=tuple(phrases),
        pauses=tuple(pauses),
        turns=tuple(sorted((one for one in turns if one.end > 0.0 and one.start < duration), key=lambda one: one.start)),
        breaths=(),
        laughter=(),
        shouts=(),
        effort=none,
        voice=Voice(none, none, none, none, none, none),
    )


def _pitch_semitones(voice: Voice) -> Floats:
    """Compute semitones over the mean of the neighbourhood, 0 where nothing is voiced."""
    voiced = voice.voiced
    semitones = 12.0 * np.log2(np.where(voiced, voice.pitch, 100.0) / 100.0)
    return np.where(voiced, semitones - running_mean(semitones, voiced, _NEAR_REACH), 0.0)


def _find_accents(voice: Voice, syllables: Sequence[Syllable]) -> list[Accent]:
    pitch = _pitch_semitones(voice)
    found: list[Accent] = []
    for syllable in syllables:
        if syllable.prominence < ACCENTED:
            continue
        rows = slice(int(syllable.nucleus_start * FRAME_RATE), int(syllable.nucleus_end * FRAME_RATE) + 1)
        size = (syllable.prominence - ACCENTED) / (1.0 - ACCENTED)
        rise = float(pitch[rows].max(initial=-99.0))
        found.append(
            Accent(syllable.middle, syllable.nucleus_start, syllable.nucleus_end, size, 0.0 if rise == -99.0 else rise)
        )
    return found


def _measure_effort(voice: Voice, syllables: Sequence[Syllable]) -> Floats:
    """Average balance of the spectrum, pitch and haste of the syllables over a syllable or two, 0..1."""
    voiced = voice.voiced
    if not voiced.any():
        return np.zeros(len(voice))
    weights = voiced.astype(np.float64)
    usual = running_mean(voice.balance, weights, _NEAR_REACH)
    usual += _OWN_SHARE * np.clip(_USUAL_BALANCE - usual, -_BALANCE_SPREAD, _BALANCE_SPREAD)
    balance = (voice.balance - usual) / _BALANCE_SPREAD
    pitch = _pitch_semitones(voice) / _PITCH_SPREAD
    strain = running_mean(0.6 * balance + 0.8 * pitch, weights, _EFFORT_REACH)
    rate = np.zeros(len(voice))
    for first, second in zip(syllables, syllables[1:]):
        apart = second.middle - first.middle
        if apart < 0.6:
            rate[int(first.middle * FRAME_RATE) : int(second.middle * FRAME_RATE)] = np.log2(0.2 / max(apart, 0.06))
    strain += 0.25 * running_mean(rate, rate != 0, 40)
    near = running_mean(voiced, np.ones(len(voice)), _EFFORT_REACH)
    return np.clip(1.0 / (1.0 + np.exp(-1.4 * strain)) * np.clip(4.0 * near, 0.0, 1.0), 0.0, 1.0)


def _find_shouts(voice: Voice) -> tuple[Span, ...]:
    strong = running_mean((voice.balance > _SHOUT_BALANCE) & (voice.pitch > _SHOUT_HZ), voice.voiced, 5) * voice.voiced > 0.7
    spans = [Span(first / FRAME_RATE, after / FRAME_RATE) for first, after in stretches(strong)]
    return tuple(span for span in spans if span.end - span.start >= _SHOUT_SECONDS)


def _find_laughter(syllables: Sequence[Syllable]) -> tuple[Span, ...]:
    """Find laughter ("ha ha ha").

    It is four or more bursts in even steps of 0.13 to 0.3 s, each voiced for less than two thirds of its step, with the pitch
    level or falling from one to the next. Chuckles within words are not found.
    """
    found: list[Span] = []
    run: list[Syllable] = []

    def close() -> None:
        if len(run) >= 4:
            steps = np.diff([syllable.middle for syllable in run])
            even = float(np.std(steps)) < 0.18 * float(np.mean(steps))
            alike = sum(first.onset == "HH" or first.onset == "" for first in run) >= 0.75 * len(run)
            if even and alike and all(syllable.is_burst for syllable in run):
                found.append(Span(run[0].start, run[-1].end))
        run.clear()

    for syllable in syllables:
        if run and not 0.13 <= syllable.middle - run[-1].middle <= 0.3:
            close()
        if run and not syllable.is_burst:
            close()
        run.append(syllable)
        if not syllable.is_burst:
            run.clear()
    close()
    return tuple(found)
