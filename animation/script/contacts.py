# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a script's sounds into the curves of a model where both agree: closures, lip to teeth, rounding, and open vowels.

The articulation rules of the script's timed phones (animation/face/articulation.py) are an expert that knows which sounds come
and when; the model hears how they are said. Within words that were surely found the two are averaged, then the contacts that
the script has and the sound does not contradict are made exact. Elsewhere the model's curves stay as they are, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..curves import ChannelCurves
from ..face.articulation import articulate, default_rules
from ..face.lips import GAP_CENTIMETRES, LOWER_LIP_CENTIMETRES, SEALED_SHARE, channel_weights, lip_gap
from ..face.phones import SILENCE, VOWELS, TimedPhone
from ..speech.phrases import stretches
from .alignment import FITTING
from .exports import SpokenWord
from .opening import correct_opening

Floats = NDArray[np.float64]

EXPERT_SHARE = 0.2
"""Share of the articulation rules in a mouth whose word is certain."""
OPENING_SHARE = 0.6
"""Share of the opening that a talker has at the script's phones (opening.py) in the gap of such a mouth: the best one for the
sentences of a verb that was held out when it was fitted."""
_JAW_SHARE = 0.6
"""What the lips open more than the model has it, the jaw does to this share, and the lips to the rest."""
_BILABIAL = ("P", "B", "M")
_LABIODENTAL = ("F", "V")
_EDGE_SECONDS = 0.06
_CLOSING_SECONDS, _OPENING_SECONDS = 0.08, 0.06
_LEAST_HEARD, _LEAST_HEARD_IN_SURE_WORDS = 0.01, 0.002
"""A contact is not made where its sounds are heard with less than this likelihood all the while."""
_LEAST_FITTING = 0.35
"""Words from this confidence on have contacts where these are heard, though they change nothing else below FITTING."""
_SURE = 0.6
_NEAR_SECONDS = 0.04
_SHAPE_SHARE = 0.3
_SHORTEST_VOWEL = 0.018
_MOST_INSET = 0.02
_PARTED_SHARE = 0.3
"""Lips that part for a vowel or a sound of the tongue do so by at least this share of the clip's 95th percentile."""
_HELD_VOWEL_SECONDS, _UNHEARD_SHARE = 0.5, 0.8
"""In a vowel held longer than this the rules have that share of a mouth that the model takes for a silent one."""
_HELD_SECONDS, _LATER_SHARE = 0.05, 0.5
"""The vowel before p, b or m that lasts longer than this stays open for that share of the rest."""
_MOST_EARLY = 0.02
_BITTEN = 0.9
_SHOWN, _BITTEN_SHARE = 0.3, 0.2
"""From this closeness of the lower lip to the teeth on, the lips are apart by that share of the clip's 95th percentile."""
_SHAPE = frozenset(("mouthPucker", "mouthStretchLeft", "mouthStretchRight", "mouthSmileLeft", "mouthSmileRight"))
_CHANNELS = frozenset(
    ("jawOpen", "jawForward", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRollLower")
    + tuple(
        f"mouth{name}{side}" for name in ("LowerDown", "UpperUp", "Press", "Stretch", "Smile") for side in ("Left", "Right")
    )
)


def trust_words(words: Sequence[SpokenWord], frame_rate: float, start_seconds: float, count: int) -> Floats:
    """Return how far each row may follow the script, 0..1 ``[time]``: 1 inside certain words, with soft edges."""
    seconds = start_seconds + np.arange(count) / frame_rate
    trust = np.zeros(count)
    for first, last, confidence in _stretches(words):
        inside = np.clip(np.minimum(seconds - first, last - seconds) / _EDGE_SECONDS + 1.0, 0.0, 1.0)
        trust = np.maximum(trust, inside * confidence)
    return trust


def _stretches(words: Sequence[SpokenWord]) -> list[tuple[float, float, float]]:
    """Join certain words that follow one another: (start, end, mean confidence as a weight 0..1)."""
    found: list[list[float]] = []
    for word in words:
        if word.confidence < FITTING or not word.phones:
            continue
        weight = float(np.clip((word.confidence - FITTING) / (0.75 - FITTING), 0.0, 1.0))
        if found and word.start - found[-1][1] < 0.12 and abs(weight - found[-1][2]) < 0.2:
            found[-1][1] = word.end
            found[-1][2] = 0.5 * (found[-1][2] + weight)
        else:
            found.append([word.start, word.end, weight])
    return [(first, last, weight) for first, last, weight in found]


def apply_script(
    curves: ChannelCurves,
    words: Sequence[SpokenWord],
    likelihood: ChannelCurves,
    loudness_db: NDArray[np.floating[Any]] | None = None,
    *,
    share: float = EXPERT_SHARE,
) -> ChannelCurves:
    """Return the curves with the script's sounds.

    Times of ``words`` count from the sound's start, as the rows of ``likelihood``. ``curves`` may begin at another time: their
    rows are those of the likelihood, shifted by the model's lead. Without a certain word, the same object is returned.
    """
    certain = [word for word in words if word.confidence >= FITTING and word.phones]
    if not certain or not {"jawOpen", "mouthClose"} <= set(curves.names):
        return curves
    count, rate = curves.frame_count, curves.frame_rate
    trust = trust_words(words, rate, likelihood.start_seconds, count)
    phones = _without_overlaps([phone for word in certain for phone in word.phones])
    expert = articulate(phones, rate, count / rate + 1e-6, loudness_db)
    values = np.asarray(curves.values, np.float64).copy()
    mixed = [name for name in curves.names if name in _CHANNELS and name in expert.names]
    columns = [curves.names.index(name) for name in mixed]
    wanted = np.asarray(expert.values, np.float64)[:count][:, [expert.names.index(name) for name in mixed]]
    if len(wanted) < count:
        wanted = np.pad(wanted, ((0, count - len(wanted)), (0, 0)), mode="edge")
    shares = np.tile([_SHAPE_SHARE if name in _SHAPE else share for name in mixed], (count, 1))
    unheard = _find_unheard(phones, likelihood, count)[:, None]
    shares += unheard * np.maximum(_UNHEARD_SHARE - shares, 0.0)
    values[:, columns] += np.maximum(trust[:, None], unheard) * shares * (wanted - values[:, columns])
    aim = np.maximum(wanted @ channel_weights(GAP_CENTIMETRES, mixed) + correct_opening(phones, rate, count), 0.0)
    gap = lip_gap(values, curves.names)
    _open_lips(values, curves.names, trust * OPENING_SHARE * (aim - gap))
    likely = [word for word in words if word.confidence >= _LEAST_FITTING and word.phones]
    _make_contacts(values, curves.names, likely, likelihood, rate)
    return curves.with_values(values.astype(np.float32))


def _open_lips(values: Floats, names: Sequence[str], wider: Floats) -> None:
    """Open the lips by ``wider`` centimetres ``[time]``, or close them where it is negative, in place."""
    column = names.index
    jaw = values[:, column("jawOpen")]
    unit = GAP_CENTIMETRES["jawOpen"]
    moved = np.maximum(_JAW_SHARE * wider / unit, -np.maximum(jaw, 0.0))
    jaw += moved
    rest = wider - moved * unit
    lips = [
        name for name in ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight") if name in names
    ]
    lips_unit = sum(GAP_CENTIMETRES[name] for name in lips)
    if lips:
        least = values[:, [column(name) for name in lips]].min(axis=1)
        parted = np.maximum(rest / lips_unit, -np.maximum(least, 0.0))
        for name in lips:
            values[:, column(name)] += parted
        rest = rest - parted * lips_unit
    values[:, column("mouthClose")] += np.maximum(-rest, 0.0) / -GAP_CENTIMETRES["mouthClose"]


def _find_unheard(phones: Sequence[TimedPhone], likelihood: ChannelCurves, count: int) -> Floats:
    """Return how far each row is in a vowel, held as in singing, that the model takes for silence, 0..1 ``[time]``."""
    seconds = likelihood.start_seconds + np.arange(count) / likelihood.frame_rate
    silence = np.zeros(count)
    heard = likelihood.values[:count, likelihood.names.index(SILENCE)]
    silence[: len(heard)] = heard > 0.5
    inside = np.zeros(count)
    for phone in phones:
        if phone.phone in VOWELS and phone.end - phone.start > _HELD_VOWEL_SECONDS:
            inside[(seconds >= phone.start) & (seconds <= phone.end)] = 1.0
    width = 2 * round(0.5 * _EDGE_SECONDS * likelihood.frame_rate) + 1
    return np.minimum(np.convolve(np.pad(inside * silence, width // 2), np.ones(width) / width, "valid"), 1.0)


def _without_overlaps(phones: Sequence[TimedPhone]) -> list[TimedPhone]:
    made: list[TimedPhone] = []
    for phone in sorted(phones, key=lambda one: one.start):
        start = max(phone.start, made[-1].end if made else 0.0)
        if phone.end > start:
            made.append(TimedPhone(phone.phone, start, phone.end, phone.stress))
    return made


def _heard(likelihood: ChannelCurves, names: Sequence[str], start: float, end: float) -> float:
    rate = likelihood.frame_rate
    first = max(int((start - likelihood.start_seconds - _NEAR_SECONDS) * rate), 0)
    last = max(int((end - likelihood.start_seconds + _NEAR_SECONDS) * rate) + 1, first + 1)
    return float(_sum_likelihoods(likelihood, names, first, last).max(initial=0.0))


def _mean_heard(likelihood: ChannelCurves, names: Sequence[str], start: float, end: float) -> float:
    """Return the mean likelihood of any of some phones from ``start`` to ``end``, in seconds."""
    first = max(round((start - likelihood.start_seconds) * likelihood.frame_rate), 0)
    after = max(round((end - likelihood.start_seconds) * likelihood.frame_rate) + 1, first + 1)
    heard = _sum_likelihoods(likelihood, names, first, after)
    return float(heard.mean()) if heard.size else 0.0


def _sum_likelihoods(likelihood: ChannelCurves, names: Sequence[str], first: int, after: int) -> NDArray[np.float32]:
    """Return the likelihood of any of some phones in rows ``first`` to ``after``, ``[time]``."""
    return likelihood.values[first:after, [likelihood.names.index(name) for name in names if name in likelihood.names]].sum(
        axis=1
    )


def _longest(flags: NDArray[np.bool_]) -> int:
    return max((after - first for first, after in stretches(flags)), default=0)


def _make_contacts(
    values: Floats, names: Sequence[str], words: Sequence[SpokenWord], likelihood: ChannelCurves, rate: float
) -> None:
    """Part the lips in vowels, close them for p, b and m, and bring the lower lip to the teeth for f and v, in place."""
    settings = default_rules().settings
    seconds = likelihood.start_seconds + np.arange(len(values)) / rate
    spread = float(np.percentile(lip_gap(values, names), 95.0))
    gap_weights = channel_weights(GAP_CENTIMETRES, names)
    column = names.index
    phones = _without_overlaps([phone for word in words for phone in word.phones])
    sure = [(word.start - 1e-6, word.end + 1e-6) for word in words if word.confidence >= _SURE]

    def agrees(phone: TimedPhone, group: Sequence[str]) -> bool:
        is_sure = any(start <= phone.start and phone.end <= end for start, end in sure)
        least = _LEAST_HEARD_IN_SURE_WORDS if is_sure else _LEAST_HEARD
        return _heard(likelihood, group, phone.start, phone.end) >= least

    floor = _find_floor(phones, likelihood, seconds, spread)
    _part_lips(values, names, floor)
    # What the model closes by itself keeps its own timing.
    shut = values @ gap_weights < 0.8 * SEALED_SHARE * spread
    needed = int(np.ceil(0.06 * rate))
    sealed, touching = np.zeros(len(values), bool), np.zeros(len(values), bool)
    closed = np.ones(len(values))
    bitten = np.zeros(len(values))
    seal, bite = settings["closure"], settings["labiodental"]
    for phone in phones:
        if phone.phone in _BILABIAL and agrees(phone, _BILABIAL):
            own = shut & (seconds >= phone.start - 0.05) & (seconds <= phone.end + 0.03)
            if _longest(own) >= needed:
                touching |= own
                continue
            start, end = _place_seal(phone, seal)
            before = np.clip((start - seconds) / _CLOSING_SECONDS, 0.0, 1.0)
            after = np.clip((seconds - end) / _OPENING_SECONDS, 0.0, 1.0)
            closed = np.minimum(closed, np.maximum(before * before * (3.0 - 2.0 * before), after))
            sealed |= (seconds >= start - 1e-6) & (seconds <= end + 1e-6)
        elif phone.phone in _LABIODENTAL and agrees(phone, _LABIODENTAL):
            middle = 0.5 * (phone.start + phone.end)
            half = max(0.5 * (phone.end - phone.start), 0.5 * bite["shortest"] + 0.01)
            before = np.clip(1.0 - (middle - half - seconds) / bite["closing"], 0.0, 1.0)
            after = np.clip(1.0 - (seconds - middle - half) / bite["opening"], 0.0, 1.0)
            bitten = np.maximum(bitten, np.minimum(before, after) ** 2)
    # The lower lip meets the teeth: less jaw first, then the lip rolls in, then the lips' own closing.
    missing = np.maximum(bite["height"] - values @ channel_weights(LOWER_LIP_CENTIMETRES, names), 0.0) * bitten
    for name, most in (
        ("mouthRollLower", np.maximum(bite["roll"] - values[:, column("mouthRollLower")], 0.0)),
        ("mouthFunnel", values[:, column("mouthFunnel")].copy()),
        ("jawOpen", np.maximum(values[:, column("jawOpen")] - bite["jaw"], 0.0)),
        ("mouthClose", np.ones(len(values))),
    ):
        unit = LOWER_LIP_CENTIMETRES[name]
        moved = np.minimum(missing / abs(unit), most)
        missing -= abs(unit) * moved
        values[:, column(name)] += np.sign(unit) * moved
    # Lips that the closing brings together: the gap follows its own height times the openness, below zero where sealed, but
    # a vowel stays open up to its end.
    gap = values @ gap_weights
    aim = gap * closed - seal["margin"] * (1.0 - closed) ** 2
    aim = np.where(sealed, np.minimum(aim, -seal["margin"]), np.maximum(aim, np.minimum(gap, floor)))
    values[:, column("mouthClose")] += np.maximum(gap - aim, 0.0) / -GAP_CENTIMETRES["mouthClose"]
    _part_lips(values, names, np.where(sealed | (bitten > _BITTEN), -np.inf, floor))
    # Lips that f and v bring together leave the teeth in sight, else they look like those of p, b and m.
    shown = (bitten > _SHOWN) & (closed > _SHOWN) & ~sealed & ~touching
    _raise_upper_lip(values, names, np.where(shown, _BITTEN_SHARE * spread, -np.inf))


def _place_seal(phone: TimedPhone, seal: Mapping[str, Any]) -> tuple[float, float]:
    """Return when the lips of p, b or m are shut, in seconds."""
    end = phone.end - seal["before_end"]
    start = min(phone.start + seal["from_start"], end - seal["shortest_seal"])
    end = max(end, start + seal["shortest_seal"])
    start, end = max(start, phone.start - _MOST_EARLY, 0.0), min(end, phone.end + 0.02)
    return start, max(end, start + 0.05)  # a sound that begins with the lips shut shows it from its first frame


def _find_floor(phones: Sequence[TimedPhone], likelihood: ChannelCurves, seconds: Floats, spread: float) -> Floats:
    """Return the least gap of the lips in centimetres inside vowels and sounds of the tongue, ``[time]``; elsewhere -inf.

    A sound is left out where the model hears p, b or m instead.
    """
    rules = default_rules()
    floor_rules = rules.settings["floor"]
    kind_of = dict(zip(rules.phones, rules.kinds, strict=True)) | dict.fromkeys(rules.glides, "vowel")
    height = max(_PARTED_SHARE * spread, floor_rules["least"])
    floor = np.full(len(seconds), -np.inf)
    for place, phone in enumerate(phones):
        kind, length = kind_of.get(phone.phone, ""), phone.end - phone.start
        is_vowel = kind == "vowel" and length > _SHORTEST_VOWEL
        if not is_vowel and not (kind in ("tongue", "sibilant", "liquid") and length > 0.03):
            continue
        if _mean_heard(likelihood, _BILABIAL, phone.start, phone.end) > 0.5:
            continue
        start = phone.start + (min(floor_rules["inset"] * length, _MOST_INSET) if is_vowel else 0.05 * length)
        end = phone.end - 0.05 * length
        follower = phones[place + 1] if place + 1 < len(phones) else None
        if is_vowel and follower is not None and follower.phone in _BILABIAL and follower.start - phone.end < 0.03:
            # The boundary of a long closure is the least sure.
            end = follower.start + _LATER_SHARE * max(follower.end - follower.start - _HELD_SECONDS, 0.0)
        floor[(seconds >= start) & (seconds <= end)] = height
    return floor


def _raise_upper_lip(values: Floats, names: Sequence[str], floor: Floats) -> None:
    """Part the lips to at least ``floor`` centimetres by the upper lip alone, in place."""
    upper = [names.index(name) for name in ("mouthUpperUpLeft", "mouthUpperUpRight") if name in names]
    if upper:
        parting = np.maximum(floor - values @ channel_weights(GAP_CENTIMETRES, names), 0.0)
        values[:, upper] += (parting / (len(upper) * GAP_CENTIMETRES["mouthUpperUpLeft"]))[:, None]


def _part_lips(values: Floats, names: Sequence[str], floor: Floats) -> None:
    """Part the lips to at least ``floor`` centimetres, in place."""
    parting = np.maximum(floor - values @ channel_weights(GAP_CENTIMETRES, names), 0.0)
    column = names.index
    # What the lips' own closing holds together it lets go, the rest is parted.
    back = np.minimum(parting / -GAP_CENTIMETRES["mouthClose"], np.maximum(values[:, column("mouthClose")], 0.0))
    values[:, column("mouthClose")] -= back
    parting -= back * -GAP_CENTIMETRES["mouthClose"]
    for name in ("mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight"):
        if name in names:
            values[:, column(name)] += parting / (2.0 * (0.29 + 0.35))
