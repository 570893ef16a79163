# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the words of a text in the phones that a model hears: Viterbi alignment that forgives a wrong text.

The graph has, for each word, its pronunciations as chains of phones. Between two words there may be silence, or speech that
the text lacks ('filler', which costs a little at every frame); a word may be left out at a cost that grows with its phones.
So every text has a best path through every sound, and how good it is shows in the confidence of its words. All states of a
frame are updated at once. Where sound times text is too much, only a band around anchors is searched: runs of phones that
occur once in the text and once in what the model hears (as in Moreno et al. 1998).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..face.phones import SILENCE, VOWELS, TimedPhone
from ..speech.phrases import stretches

Floats = NDArray[np.float32]
Sound = tuple[str, int]
"""A phone and its stress: 0 none, 1 primary, 2 secondary."""
Pronunciation = tuple[Sound, ...]

FITTING = 0.45
"""Confidence from which a word is taken to be said where it was found."""
LEAST_FIT = 0.55
"""A text of which less than this share of the sounds is heard is another line's.

Among 150 lines of training voices one right text had less (0.5, the next 0.61); of 594 texts of other lines with enough
evidence none had more than 0.5.
"""
LEAST_EVIDENCE = 9.0
"""A text with less evidence than this (see Alignment) is another line's.

Among training voices no right text had less than 10.9. A few texts of other lines had more, up to 14.0, which is why
LEAST_FIT is asked as well.
"""

_PRIOR_SHARE = 0.5
_CLASS_SHARE = 0.06
_FLOOR = 1e-4
_SILENCE_COST = 1.5
_FILLER_COST = 4.0
_FILLER_FRAME_COST = 1.1
_SKIP_COST = 3.0
_SKIP_PHONE_COST = 2.2
_LONGEST_SPOKEN, _HEARD_SECONDS = 0.5, 0.2
"""Spoken vowels, also several in a row, are shorter than the first; of a longer one the second is heard as usual."""
_HELD_COST, _PAUSE_IN_NOTE_COST = 0.3, 1.0
_LEAST_SUNG, _LEAST_NOTE, _BESIDE_SECONDS, _NOTE_DB, _MOST_OF_NOTE, _PITCH_GAP = 0.5, 0.3, 0.25, 5.0, 0.8, 4
"""A note that is taken for silence: seconds of held vowels that a song has and that the note lasts, reach beside it, the dB by
which it may fall, the share of it that must sound, and the frames that may lack a pitch."""
_EXCERPT_SECONDS = 0.3
"""Seconds of sound for each phone of a text from which it may be an excerpt: three times as long as anybody speaks."""
_LONGEST_PAUSE, _BESIDE_EXCERPT, _LEAST_TOGETHER = 1.5, 0.3, 0.6
"""Seconds between two words of one stretch and beside it; the share of an excerpt that its stretches must hold."""
_MOST_CELLS = 60_000_000
_BAND_WORDS = 60
_ANCHOR_PHONES = 5
_NEIGHBOURS = 4
_NEAR_FIT = 0.7
_NONE = np.float32(-1e30)

# Phones that the lips show alike and that accents exchange.
_ALIKE = (
    ("P", "B", "M"), ("F", "V"), ("T", "D", "N"), ("K", "G", "NG"), ("S", "Z"), ("SH", "ZH", "CH", "JH"), ("TH", "DH"),
    ("AA", "AO", "AH"), ("IH", "IY", "EY", "Y"), ("EH", "AE", "AH"), ("UH", "UW", "OW", "W"), ("ER", "R"), ("AY", "AA"),
    ("AW", "AA"), ("OY", "AO"), ("L",), ("HH",),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """A written word in the sound, seconds from its start; ``confidence`` 0..1, 0 for a word that is not said there.

    The times of a word that is not said are interpolated between its neighbours. ``phones`` are those that it was found by.
    """

    index: int
    start: float
    end: float
    confidence: float
    phones: tuple[TimedPhone, ...]


@dataclass(frozen=True)
class Alignment:
    """The words of a text in a sound, one for each written word, in order, and how well all of them fit, 0..1.

    ``evidence`` says how far the text goes better with the sound than texts of the same length with other sounds in it, and
    than none: the difference of the logarithms of their likelihoods over the square root of the number of phones. It grows
    with the length of a right text and does not of a wrong one, whatever model hears. Infinite for a long text.
    """

    words: tuple[AlignedWord, ...]
    fit: float
    evidence: float = 0.0

    @property
    def is_said(self) -> bool:
        """Whether this is a text of the sound, and not another line's."""
        return self.fit >= LEAST_FIT and self.evidence >= LEAST_EVIDENCE

    def phones(self, least: float = 0.0) -> tuple[TimedPhone, ...]:
        """Return the phones of the words with at least this confidence, in order."""
        return tuple(phone for word in self.words if word.confidence >= least for phone in word.phones)


def align(
    likelihood: ArrayLike,
    names: Sequence[str],
    frame_rate: float,
    words: Sequence[Sequence[Pronunciation]],
    *,
    start_seconds: float = 0.0,
    times: Mapping[int, float] | None = None,
    voice_db: ArrayLike | None = None,
) -> Alignment:
    """Align ``words``, each with its possible pronunciations, to the likelihood of each phone ``[time, phone]``.

    ``names`` are those of the columns, ``start_seconds`` is the time of row 0. A word without pronunciation, such as a sign,
    counts as not said. ``times`` are seconds at which words are known to begin, by number: what lies on one side of such a word
    has no influence on the other. ``voice_db`` ``[time]`` is the level of what has a pitch, -inf elsewhere: where the voice of
    a song goes on, a note that the model takes for silence is no pause. Raises ValueError for a phone that no column has.
    """
    p = np.asarray(likelihood, np.float32)
    if p.ndim != 2 or p.shape[1] != len(names):
        raise ValueError(f"likelihoods {p.shape} do not go with {len(names)} phones")
    found: list[AlignedWord | None] = [None] * len(words)
    duration = len(p) / frame_rate
    if not len(p):
        return _place_unsaid(found, duration, start_seconds)
    held = find_held(p, names, frame_rate)
    unheard = find_unheard(p, names, frame_rate, held, np.asarray(voice_db)) if voice_db is not None else np.zeros_like(held)
    emission = score_phones(p, names, held | unheard)
    emission[unheard, names.index(SILENCE)] = np.minimum(emission[unheard, names.index(SILENCE)], -_PAUSE_IN_NOTE_COST)
    scores, phone_count = np.zeros(2 + len(_STEPS)), 0
    for piece, rows in _pieces(len(words), len(p), frame_rate, start_seconds, times or {}):
        spoken = [index for index in piece if any(words[index])]
        if not spoken:
            continue
        graph = _Graph([[one for one in words[index] if one] for index in spoken], names)
        band = _find_band(p[rows], names, graph)
        path = _search(emission[rows], graph, band, names.index(SILENCE))
        begin = start_seconds + rows.start / frame_rate
        for word in _read_path(path, emission[rows], graph, spoken, names, frame_rate, begin):
            found[word.index] = word
        scores += (path.score, *_score_rivals(emission[rows], graph, names, path.score))
        phone_count += graph.least_phones
    evidence = (scores[0] - scores[1:].max()) / np.sqrt(max(phone_count, 1))
    if evidence < LEAST_EVIDENCE and duration > _EXCERPT_SECONDS * max(phone_count, 1):
        found, evidence = _find_excerpt(found, evidence, emission, words, names, frame_rate, start_seconds)
    found = [_begin_at(word, (times or {}).get(word.index)) if word is not None else None for word in found]
    made = _place_unsaid(_doubt_strangers(found), duration, start_seconds)
    return replace(made, evidence=float(np.nan_to_num(evidence, nan=np.inf, posinf=np.inf)))


def _pieces(
    words: int, rows: int, frame_rate: float, start_seconds: float, times: Mapping[int, float]
) -> list[tuple[range, slice]]:
    """Cut words and rows where a word's beginning is known. Times out of order or outside the sound are left out."""
    edges = [(0, 0)]
    for index, seconds in sorted(times.items()):
        row = round((seconds - start_seconds) * frame_rate + 0.5)
        if edges[-1][0] <= index < words and edges[-1][1] <= row < rows:
            edges.append((index, row))
    edges.append((words, rows))
    return [
        (range(one[0], two[0]), slice(one[1], two[1]))
        for one, two in zip(edges, edges[1:])
        if two[0] > one[0] and two[1] > one[1]
    ]


def _begin_at(word: AlignedWord, seconds: float | None) -> AlignedWord:
    """Return a word that begins at a second, if it is found about there."""
    if seconds is None or not word.phones or not seconds < word.phones[0].end:
        return word
    first = replace(word.phones[0], start=seconds)
    return replace(word, start=seconds, phones=(first, *word.phones[1:]))


def _find_excerpt(
    found: list[AlignedWord | None],
    evidence: float,
    emission: Floats,
    words: Sequence[Sequence[Pronunciation]],
    names: Sequence[str],
    frame_rate: float,
    start_seconds: float,
) -> tuple[list[AlignedWord | None], float]:
    """Return the words and the evidence of a text that is said in a small part of a sound, unchanged if it is in none.

    Beside minutes of other speech the best text is none. So words that were found one after the other are searched again, and
    judged, in their own stretch alone. By chance words are found all over a sound, but not the larger part of a text together.
    """
    kept: list[AlignedWord | None] = [None] * len(found)
    best = -np.inf
    runs = _runs_of(found)
    if len(runs) != 1 or len(runs[0]) < len(found):
        # Short words are anywhere in an hour: look for the place where all of them come one after the other.
        spoken = [index for index in range(len(found)) if any(words[index])]
        graph = _Graph([[one for one in words[index] if one] for index in spoken], names)
        if graph.phones.size <= _LONG_TEXT:
            whole = np.tile(np.array([0, graph.count]), (len(emission), 1))
            path = _search(emission, graph, whole, names.index(SILENCE), together=True)
            close: list[AlignedWord | None] = [None] * len(found)
            for word in _read_path(path, emission, graph, spoken, names, frame_rate, start_seconds):
                close[word.index] = word
            runs = _runs_of(close) or runs
    for run in runs:
        spoken = [index for index in range(run[0].index, run[-1].index + 1) if any(words[index])]
        first = max(round((run[0].start - start_seconds - _BESIDE_EXCERPT) * frame_rate), 0)
        rows = slice(first, round((run[-1].end - start_seconds + _BESIDE_EXCERPT) * frame_rate) + 1)
        graph = _Graph([[one for one in words[index] if one] for index in spoken], names)
        part = emission[rows]
        path = _search(part, graph, np.tile(np.array([0, graph.count]), (len(part), 1)), names.index(SILENCE))
        rival = max(_score_rivals(part, graph, names, path.score))
        fair = (path.score - rival) / np.sqrt(max(graph.least_phones, 1))
        if fair >= LEAST_EVIDENCE:
            best = max(best, fair)
            for word in _read_path(path, part, graph, spoken, names, frame_rate, start_seconds + first / frame_rate):
                kept[word.index] = word
    together = _place_unsaid(list(kept), len(emission) / frame_rate, start_seconds).fit
    return (kept, best) if together >= _LEAST_TOGETHER else (found, evidence)


def _runs_of(found: Sequence[AlignedWord | None]) -> list[list[AlignedWord]]:
    """Return the words that were found one after the other, without a longer pause between them."""
    runs: list[list[AlignedWord]] = []
    for word in found:
        if word is None or word.confidence < FITTING:
            continue
        if runs and word.start - runs[-1][-1].end < _LONGEST_PAUSE:
            runs[-1].append(word)
        else:
            runs.append([word])
    return [run for run in runs if len(run) > 1]


# Each sound is replaced by the next one of its cycle, which looks and sounds unlike it.
_CONSONANTS = "M S K V D SH W T F R P Z L B HH N CH G TH Y JH NG DH ZH".split()
_VOWELS = "AH IY AA IH OW AE UW EH AO ER EY UH AY AW OY".split()
_STEPS = ((1, 1), (2, 3))
_LONG_TEXT = 250
"""Phones from which the share that fits says enough: by chance, no text of this length has more than a third."""


def _score_rivals(emission: Floats, graph: _Graph, names: Sequence[str], score: float) -> list[float]:
    """Return the scores of no text, and of texts with other sounds in the place of a graph's; -inf for a long text.

    A text whose ``score`` does not beat that of none is refused without looking at others.
    """
    silence = names.index(SILENCE)
    if graph.phones.size > _LONG_TEXT:
        return [-np.inf] * (1 + len(_STEPS))
    heard = np.delete(emission, silence, axis=1).max(axis=1)
    scores = [float(np.maximum(emission[:, silence], heard - _FILLER_FRAME_COST).sum() - graph.skip[-1])]
    if score - scores[0] < LEAST_EVIDENCE * np.sqrt(max(graph.least_phones, 1)):
        return scores * (1 + len(_STEPS))
    whole = np.tile(np.array([0, graph.count]), (len(emission), 1))
    for steps in _STEPS:
        other = np.arange(len(names))
        for cycle, step in zip((_CONSONANTS, _VOWELS), steps, strict=True):
            known = [names.index(phone) for phone in cycle if phone in names]
            other[known] = np.roll(known, -step)
        scores.append(_search(emission, graph.with_phones(other[graph.phones]), whole, silence, score_only=True).score)
    return scores


def find_held(likelihood: Floats, names: Sequence[str], frame_rate: float) -> NDArray[np.bool_]:
    """Find the frames in which a vowel is held longer than anybody speaks one, as in singing, ``[time]``.

    Its beginning is left out: there the vowel is heard as what it is.
    """
    columns = [index for index, name in enumerate(names) if name in VOWELS]
    held = np.zeros(len(likelihood), bool)
    for first, after in stretches(likelihood[:, columns].sum(axis=1) > 0.5):
        if after - first > _LONGEST_SPOKEN * frame_rate:
            held[first + round(_HEARD_SECONDS * frame_rate) : after] = True
    return held


def find_unheard(
    likelihood: Floats, names: Sequence[str], frame_rate: float, held: NDArray[np.bool_], voice_db: NDArray[np.floating[Any]]
) -> NDArray[np.bool_]:
    """Find the frames of a song that the model takes for silence while the voice goes on, as loud as in the vowel beside."""
    found = np.zeros(len(likelihood), bool)
    if np.count_nonzero(held) < _LEAST_SUNG * frame_rate:
        return found
    level = np.full(len(likelihood), -np.inf)
    count = min(len(likelihood), len(voice_db))
    level[:count] = voice_db[:count]
    near = np.lib.stride_tricks.sliding_window_view(np.pad(level, _PITCH_GAP, constant_values=-np.inf), 2 * _PITCH_GAP + 1)
    sounding: Floats = near.max(axis=1)
    vowels = likelihood[:, [index for index, name in enumerate(names) if name in VOWELS]].sum(axis=1) > 0.5
    reach = round(_BESIDE_SECONDS * frame_rate)
    for first, after in stretches(likelihood[:, names.index(SILENCE)] > 0.3):
        beside = np.zeros(len(level), bool)
        beside[max(first - reach, 0) : first] = beside[after : after + reach] = True
        heard = sounding[beside & vowels]
        heard = heard[np.isfinite(heard)]
        if not heard.size or after - first < _LEAST_NOTE * frame_rate:
            continue
        loud: NDArray[np.bool_] = sounding[first:after] > float(np.median(heard)) - _NOTE_DB
        if np.count_nonzero(loud) > _MOST_OF_NOTE * (after - first):
            found[first:after] = loud
    return found


def score_phones(likelihood: Floats, names: Sequence[str], held: NDArray[np.bool_] | None = None) -> Floats:
    """Return how well each frame goes with each phone, ``[time, phone]``: logarithms, 0 at most.

    Likelihoods are divided by a part of how common a phone is in this sound, and phones that look alike lend each other some.
    While a vowel is ``held`` (bool ``[time]``) every vowel fits nearly as well as the best: on a long note its sound drifts.
    """
    shared = np.eye(len(names), dtype=np.float32) * (1.0 - _CLASS_SHARE)
    for group in _ALIKE:
        rows = [names.index(name) for name in group if name in names]
        shared[np.ix_(rows, rows)] = np.maximum(shared[np.ix_(rows, rows)], _CLASS_SHARE)
    is_held = np.zeros(len(likelihood), bool) if held is None else held
    usual = (likelihood if is_held.all() else likelihood[~is_held]).mean(axis=0) + 0.01
    score = np.log(likelihood @ shared + _FLOOR) - _PRIOR_SHARE * np.log(usual / usual.max())
    score -= score.max(axis=1, keepdims=True)
    is_vowel = np.array([name in VOWELS for name in names])
    score = np.where(is_held[:, None] & is_vowel, np.maximum(score, -_HELD_COST), score)
    return score.astype(np.float32)


class _Graph:
    """The states of all pronunciations one after the other; junction j lies before word j, the last one after all."""

    def __init__(self, words: Sequence[Sequence[Pronunciation]], names: Sequence[str]) -> None:
        column = {name: index for index, name in enumerate(names)}
        phones: list[int] = []
        stress: list[int] = []
        word_of: list[int] = []
        first: list[bool] = []
        ends: list[int] = []
        end_word_starts: list[int] = []
        first_state: list[int] = []
        for index, pronunciations in enumerate(words):
            end_word_starts.append(len(ends))
            first_state.append(len(phones))
            for pronunciation in pronunciations:
                for place, (phone, marked) in enumerate(pronunciation):
                    if phone not in column:
                        raise ValueError(f"the model has no phone {phone!r}")
                    phones.append(column[phone])
                    stress.append(marked)
                    word_of.append(index)
                    first.append(place == 0)
                ends.append(len(phones) - 1)
        self.count = len(words)
        self.phones = np.array(phones)
        self.stress = stress
        self.word_of = np.array(word_of)
        self.first = np.array(first)
        self.ends = np.array(ends)
        self.end_starts = np.array([*end_word_starts, len(ends)])
        self.first_state = np.array([*first_state, len(phones)])
        shortest = np.minimum.reduceat(np.diff(self.ends, prepend=-1), self.end_starts[:-1])
        self.least_phones = int(shortest.sum())
        cost = _SKIP_COST + _SKIP_PHONE_COST * shortest
        self.skip = np.concatenate([[0.0], np.cumsum(cost)]).astype(np.float64)

    def with_phones(self, phones: NDArray[np.int64]) -> _Graph:
        """Return the graph with other phones in its states."""
        made = copy.copy(self)
        made.phones = phones
        return made


@dataclass(frozen=True)
class _Path:
    """The best path: per spoken word its (state, first frame, frame after the last), none if it is left out; its score."""

    runs: list[list[tuple[int, int, int]]]
    score: float


@dataclass(frozen=True)
class _Step:
    """The memory of a frame for its slice of words ``low`` to ``high``."""

    low: int
    entered: NDArray[np.bool_]
    silence_entered: NDArray[np.bool_]
    filler_entered: NDArray[np.bool_]
    source: NDArray[np.int32]
    own: NDArray[np.bool_]


_FROM_SILENCE, _FROM_FILLER, _FROM_NOWHERE = -1, -2, -3


class _Memory:
    """The memory of all frames, in one block for each run of frames with the same words."""

    def __init__(self, band: NDArray[np.int64]) -> None:
        changes = np.flatnonzero((band[1:] != band[:-1]).any(axis=1)) + 1
        self._edges = np.concatenate([[0], changes, [len(band)]])
        self._run_of = np.repeat(np.arange(self._edges.size - 1), np.diff(self._edges))
        self._blocks: list[_Step] = []

    def begin(self, t: int, low: int, words: int, states: int) -> None:
        """Make room for the run that begins at a frame."""
        frames = int(np.diff(self._edges)[self._run_of[t]])
        junctions = (frames, words + 1)
        entered, silence, filler, own = (np.zeros(size, bool) for size in ((frames, states), junctions, junctions, junctions))
        self._blocks.append(_Step(low, entered, silence, filler, np.zeros(junctions, np.int32), own))

    def __len__(self) -> int:
        return self._run_of.size

    def __getitem__(self, t: int) -> _Step:
        run = int(self._run_of[t])
        row = t - int(self._edges[run])
        block = self._blocks[run]
        return _Step(
            block.low,
            block.entered[row],
            block.silence_entered[row],
            block.filler_entered[row],
            block.source[row],
            block.own[row],
        )


def _search(
    emission: Floats,
    graph: _Graph,
    band: NDArray[np.int64],
    silence: int,
    *,
    score_only: bool = False,
    together: bool = False,
) -> _Path:
    """Find the best path, or its score only, without memory of the way.

    ``band`` ``[time, 2]`` are the first word and the word after the last that a frame may be in. Words ``together`` have no
    speech between them that the text lacks.
    """
    frames, words = len(emission), graph.count
    heard = np.delete(emission, silence, axis=1).max(axis=1)
    v = np.full(graph.phones.size, _NONE, np.float32)
    pause = np.full(words + 1, _NONE, np.float32)
    filler = np.full(words + 1, _NONE, np.float32)
    # Before the first frame every junction can be reached by leaving out the words before it.
    junction = (-graph.skip).astype(np.float32)
    steps = _Memory(band)
    low, high, states = -1, -1, slice(0, 0)
    previous = phones = ends = ends_of = offsets = np.zeros(0, np.int64)
    first = np.zeros(0, bool)
    skip = np.zeros(0)
    for t in range(frames):
        if band[t, 0] != low or band[t, 1] != high:
            if band[t, 0] > low >= 0:
                left = graph.first_state[band[t, 0]]
                v[:left] = _NONE
                pause[: band[t, 0]] = filler[: band[t, 0]] = junction[: band[t, 0]] = _NONE
            low, high = int(band[t, 0]), int(band[t, 1])
            states = slice(int(graph.first_state[low]), int(graph.first_state[high]))
            phones, first = graph.phones[states], graph.first[states]
            count = phones.size
            # One gather: the state before, or for the first phone of a pronunciation the junction before its word.
            previous = np.where(first, count + graph.word_of[states] - low, np.arange(count) - 1)
            between = slice(int(graph.end_starts[low]), int(graph.end_starts[high]))
            ends = graph.ends[between] - states.start
            ends_of = graph.end_starts[low:high] - between.start
            offsets = np.repeat(np.arange(high - low), np.diff(np.append(ends_of, ends.size)))
            skip = graph.skip[low : high + 1]
            if not score_only:
                steps.begin(t, low, high - low, count)
        here = slice(low, high + 1)
        before = junction[here]
        entering = np.concatenate([v[states], before])[previous]
        stays = v[states]
        entered = entering > stays
        score = np.where(entered, entering, stays) + emission[t, phones]
        v[states] = score
        silence_entered = before - _SILENCE_COST > pause[here]
        pause[here] = np.where(silence_entered, before - _SILENCE_COST, pause[here]) + emission[t, silence]
        filler_entered = before - _FILLER_COST > filler[here]
        filler[here] = np.where(filler_entered, before - _FILLER_COST, filler[here]) + heard[t] - _FILLER_FRAME_COST
        if together:
            filler[1:words] = _NONE
        ended = score[ends]
        best = np.maximum.reduceat(ended, ends_of)
        arrived = np.full(high - low + 1, _NONE, np.float32)
        arrived[1:] = best
        if score_only:
            arrived = np.maximum(np.maximum(arrived, pause[here]), filler[here])
            junction[here] = np.maximum.accumulate(arrived + skip) - skip
            continue
        source = np.full(high - low + 1, _FROM_NOWHERE, np.int32)
        winners = np.flatnonzero(ended >= best[offsets])[::-1]
        source[1 + offsets[winners]] = ends[winners]
        quiet = pause[here] > arrived
        arrived[quiet], source[quiet] = pause[here][quiet], _FROM_SILENCE
        other = filler[here] > arrived
        arrived[other], source[other] = filler[here][other], _FROM_FILLER
        level = arrived + skip
        reached = np.maximum.accumulate(level)
        junction[here] = reached - skip
        step = steps[t]
        step.entered[:], step.silence_entered[:], step.filler_entered[:] = entered, silence_entered, filler_entered
        step.source[:], step.own[:] = source, level >= reached
    return _Path([] if score_only else _trace(steps, graph, words), float(junction[words]))


def _trace(steps: _Memory, graph: _Graph, words: int) -> list[list[tuple[int, int, int]]]:
    runs: list[list[tuple[int, int, int]]] = [[] for _ in range(words)]
    t, j = len(steps) - 1, words

    def settle(t: int, j: int) -> int:
        """Return the junction that was reached at ``t`` itself, before words were left out."""
        step = steps[t]
        place = min(j - step.low, step.own.size - 1)
        owners = np.flatnonzero(step.own[: place + 1])
        return step.low + int(owners[-1]) if owners.size else step.low

    while t >= 0:
        j = settle(t, j)
        step = steps[t]
        source = int(step.source[j - step.low])
        if source in (_FROM_SILENCE, _FROM_FILLER):
            while t >= 0:
                step = steps[t]
                flags = step.silence_entered if source == _FROM_SILENCE else step.filler_entered
                t -= 1
                if flags[j - step.low]:
                    break
            continue
        if source == _FROM_NOWHERE:
            break
        state = int(graph.first_state[step.low]) + source
        word, last = int(graph.word_of[state]), t
        while t >= 0:
            step = steps[t]
            came = bool(step.entered[state - int(graph.first_state[step.low])])
            t -= 1
            if came:
                runs[word].append((state, t + 1, last + 1))
                last = t
                if graph.first[state]:
                    break
                state -= 1
        else:
            runs[word].append((state, 0, last + 1))
        runs[word].reverse()
        j = word
    return runs


def _read_path(
    path: _Path,
    emission: Floats,
    graph: _Graph,
    spoken: list[int],
    names: Sequence[str],
    frame_rate: float,
    start_seconds: float,
) -> list[AlignedWord]:
    found: list[AlignedWord] = []
    for runs, index in zip(path.runs, spoken, strict=True):
        if not runs:
            continue
        points = [float(emission[first:after, graph.phones[state]].mean()) for state, first, after in runs]
        edges = [_edge(emission, graph, runs, place) for place in range(len(runs) + 1)]
        times = [start_seconds + max(edge, 0.0) / frame_rate for edge in edges]
        phones = tuple(
            TimedPhone(names[int(graph.phones[state])], times[place], times[place + 1], graph.stress[state])
            for place, (state, _, _) in enumerate(runs)
        )
        found.append(AlignedWord(index, times[0], times[-1], _confidence(points), phones))
    return found


def _doubt_strangers(found: list[AlignedWord | None]) -> list[AlignedWord | None]:
    """Lower the confidence of words whose neighbours do not fit: by chance, short words fit anywhere."""
    trust = np.array([word.confidence if word is not None else 0.0 for word in found])
    weight = np.array([len(word.phones) if word is not None else 4 for word in found], np.float64)
    reach = np.ones(2 * _NEIGHBOURS + 1)
    size = len(found)
    near = np.convolve(trust * weight, reach)[_NEIGHBOURS : _NEIGHBOURS + size]
    near /= np.maximum(np.convolve(weight, reach)[_NEIGHBOURS : _NEIGHBOURS + size], 1.0)
    return [
        None if word is None else replace(word, confidence=float(word.confidence * min(1.0, near[i] / _NEAR_FIT)))
        for i, word in enumerate(found)
    ]


def _confidence(points: Sequence[float]) -> float:
    """Return 0..1 from the mean scores of a word's phones, where 0 is what the model would say itself.

    No single phone counts for more than it would at one part in thirty.
    """
    return float(np.exp(0.5 * np.mean(np.maximum(points, -3.5))))


def _edge(emission: Floats, graph: _Graph, runs: list[tuple[int, int, int]], place: int) -> float:
    """Return the boundary before run ``place`` in frames, between two rows where both phones are equally likely.

    A row shows an instant, so a run begins half a frame before its first row.
    """
    at = runs[place][1] if place < len(runs) else runs[-1][2]
    if not 0 < at < len(emission):
        return max(at - 0.5, 0.0)
    # At the ends of a word its neighbour is what the model would say itself.
    a = int(graph.phones[runs[place - 1][0]]) if place else int(emission[at - 1].argmax())
    b = int(graph.phones[runs[place][0]]) if place < len(runs) else int(emission[at].argmax())
    before, after = float(emission[at - 1, a] - emission[at - 1, b]), float(emission[at, a] - emission[at, b])
    if before <= 0.0 or after >= 0.0:
        return at - 0.5
    return at - 1.0 + before / (before - after)


def _place_unsaid(found: list[AlignedWord | None], duration: float, start_seconds: float) -> Alignment:
    """Give words that are not said times between those of their neighbours, and judge the whole."""
    words: list[AlignedWord] = []
    index, now = 0, start_seconds
    while index < len(found):
        word = found[index]
        if word is not None:
            words.append(word)
            now, index = word.end, index + 1
            continue
        after = next((i for i in range(index, len(found)) if found[i] is not None), len(found))
        follower = found[after] if after < len(found) else None
        until = max(now, follower.start if follower is not None else start_seconds + duration)
        edges = np.linspace(now, until, after - index + 1).tolist()
        for place in range(index, after):
            words.append(AlignedWord(place, edges[place - index], edges[place - index + 1], 0.0, ()))
        index = after
    said = sum(len(word.phones) for word in words if word.confidence >= FITTING)
    # A word left out counts like one of four phones.
    total = sum(len(word.phones) or 4 for word in words)
    return Alignment(tuple(words), said / total if total else 0.0)


def _find_band(likelihood: Floats, names: Sequence[str], graph: _Graph) -> NDArray[np.int64]:
    """Return the first word and the word after the last that each frame may be in, ``[time, 2]``."""
    frames, words = len(likelihood), graph.count
    whole = np.tile(np.array([0, words]), (frames, 1))
    if frames * graph.phones.size <= _MOST_CELLS or words <= 4 * _BAND_WORDS:
        return whole
    anchors = find_anchors(likelihood, names, graph.phones, graph.word_of, graph.first)
    at = [0, *(frame for frame, _ in anchors), frames]
    where = [0, *(word for _, word in anchors), words]
    middle = np.interp(np.arange(frames), at, where)
    # Far from an anchor the text may lie anywhere between the two.
    gap = np.zeros(frames)
    for left, right, begins, ends in zip(at, at[1:], where, where[1:]):
        gap[left:right] = 0.5 * (ends - begins)
    reach = _BAND_WORDS + np.minimum(gap, _MOST_CELLS / 4 / max(frames, 1))
    low = np.clip(np.floor((middle - reach) / 20) * 20, 0, words - 1).astype(np.int64)
    high = np.clip(np.ceil((middle + reach) / 20) * 20, 1, words).astype(np.int64)
    low, high = np.maximum.accumulate(low), np.maximum.accumulate(high)
    low[0], high[-1] = 0, words
    return np.stack([low, np.maximum(high, low + 1)], axis=1)


def find_anchors(
    likelihood: Floats, names: Sequence[str], phones: NDArray[np.int64], word_of: NDArray[np.int64], first: NDArray[np.bool_]
) -> list[tuple[int, int]]:
    """Find (frame, word) pairs: runs of phones that are heard once and written once, in the same order in both."""
    best = likelihood.argmax(axis=1)
    starts = np.flatnonzero(np.diff(best, prepend=-1))
    starts = starts[best[starts] != names.index(SILENCE)]
    heard = best[starts]
    # The written phones, by the first pronunciation of each word.
    chain = np.cumsum(first)
    chosen = np.isin(chain, np.unique(chain[np.searchsorted(word_of, np.unique(word_of))]))
    written, owners = phones[chosen], word_of[chosen]
    once_heard, once_written = _runs_once(heard, len(names)), _runs_once(written, len(names))
    common = np.intersect1d(list(once_heard), list(once_written))
    pairs = sorted((int(starts[once_heard[int(key)]]), int(owners[once_written[int(key)]])) for key in common)
    return _rising(pairs)


def _runs_once(phones: NDArray[np.int64], base: int) -> dict[int, int]:
    if phones.size < _ANCHOR_PHONES:
        return {}
    keys = np.zeros(phones.size - _ANCHOR_PHONES + 1, np.int64)
    for place in range(_ANCHOR_PHONES):
        keys = keys * base + phones[place : place + keys.size]
    unique, first, counts = np.unique(keys, return_index=True, return_counts=True)
    return dict(zip(unique[counts == 1].tolist(), first[counts == 1].tolist(), strict=True))


def _rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest chain of pairs that rise in both (patience sorting)."""
    import bisect

    tails: list[int] = []
    tail_index: list[int] = []
    before: list[int] = []
    for index, (_, word) in enumerate(pairs):
        place = bisect.bisect_left(tails, word)
        before.append(tail_index[place - 1] if place else -1)
        if place == len(tails):
            tails.append(word)
            tail_index.append(index)
        else:
            tails[place], tail_index[place] = word, index
    chain: list[tuple[int, int]] = []
    index = tail_index[-1] if tail_index else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]
