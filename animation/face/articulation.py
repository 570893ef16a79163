# SPDX-License-Identifier: GPL-3.0-or-later
"""Articulation rules: turn timed phones, and the loudness and pitch of the voice, into face channels.

Every phone aims at a pose and at a lip aperture, the gap between the lips in centimetres, which jaw and lips reach together
(a tract variable of articulatory phonology, Browman and Goldstein 1989). Both are blended by dominance (Cohen and Massaro
1993): with the phones' weights w_p(t) in a group of channels, the track is sum(w_p * pose_p) / sum(w_p). A weight holds
over most of its phone and falls off before and after it as ``dominance * (1 - distance / reach) ** sharpness``, a kernel of
finite length, so that silence far from speech is exactly at rest. Reach differs by group: rounding starts early and ends
late. Sounds of the tongue have almost no dominance over the shape of the lips, which follows their neighbours.

Targets that must not be averaged are met after the blend, measured in centimetres with the formulas of :mod:`.lips`: the
lips close fully for p, b and m and the lower lip meets the teeth for f and v, each as a maximum over time and held;
sibilants cap the jaw; vowels and sounds of the tongue keep the lips apart. All numbers are in ``articulation.json`` with
their sources.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..curves import ChannelCurves
from .channels import expand_sides, face_channel_names, face_channels
from .lips import GAP_CENTIMETRES, LOWER_LIP_CENTIMETRES, channel_weights
from .phones import SILENCE, TimedPhone

Floats = NDArray[np.float64]

GROUPS = ("jaw", "aperture", "rounding", "spreading", "tongue")
APERTURE = "lipAperture"
_VISEME_PREFIX = "viseme_"
_EDGE_SECONDS = 1e-6
_SHORTEST_SEAL_SECONDS = 0.04


@dataclass(frozen=True)
class ArticulationRules:
    """The contents of ``articulation.json`` as arrays; fields whose index is an entry of ``phones`` are ``[phone, ...]``."""

    settings: dict[str, Any]
    phones: tuple[str, ...]
    kinds: tuple[str, ...]
    aliases: dict[str, str]
    glides: dict[str, tuple[tuple[str, float], ...]]
    dominance: Floats
    """[phone, group]"""
    poses: tuple[Floats, ...]
    """Per group [phone, column]."""
    columns: tuple[tuple[str, ...], ...]
    """Per group, channels without side."""
    visemes: Floats
    """[phone, viseme]"""

    def known_phones(self) -> tuple[str, ...]:
        """Return every phone name that :func:`articulate` accepts."""
        return tuple(sorted({*self.phones, *self.aliases, *self.glides} - {"PAUSE"}))

    def vowels(self) -> frozenset[str]:
        """Return the names of vowels, including glides."""
        return frozenset(self.glides) | {p for p, kind in zip(self.phones, self.kinds, strict=True) if kind == "vowel"}


def build_rules(settings: dict[str, Any]) -> ArticulationRules:
    """Build rules from the contents of ``articulation.json``. Raises ValueError or KeyError if they are inconsistent."""
    table = settings["phones"]
    phones = tuple(table)
    columns = tuple(tuple(settings["groups"][group]["channels"]) for group in GROUPS)
    known = {column for group in columns for column in group}
    names = face_channel_names()
    for column in known - {APERTURE}:
        expand_sides({column: 0.0}, names)
    for phone, entry in table.items():
        if unknown := set(entry["pose"]) - known:
            raise ValueError(f"the pose of {phone} names {sorted(unknown)}, which no group holds")
    visemes = tuple(name[len(_VISEME_PREFIX) :] for name in names if name.startswith(_VISEME_PREFIX))
    for phone, entry in table.items():
        if set(entry["visemes"]) - set(visemes) or abs(sum(entry["visemes"].values()) - 1.0) > 1e-9:
            raise ValueError(f"the visemes of {phone} are not shares of 1 of known visemes")
    return ArticulationRules(
        settings=settings,
        phones=phones,
        kinds=tuple(table[phone]["kind"] for phone in phones),
        aliases=dict(settings["aliases"]),
        glides={phone: tuple((part, float(share)) for part, share in parts) for phone, parts in settings["glides"].items()},
        dominance=np.array([table[phone]["dominance"] for phone in phones], dtype=np.float64),
        poses=tuple(
            np.array([[table[phone]["pose"].get(column, 0.0) for column in group] for phone in phones], dtype=np.float64)
            for group in columns
        ),
        columns=columns,
        visemes=np.array([[table[phone]["visemes"].get(viseme, 0.0) for viseme in visemes] for phone in phones]),
    )


def load_settings() -> dict[str, Any]:
    """Read the contents of ``articulation.json`` into a new dictionary that the caller may change."""
    return json.loads(Path(__file__).with_name("articulation.json").read_text(encoding="utf-8"))


@functools.cache
def default_rules() -> ArticulationRules:
    """Return the bundled rules, read once at first use."""
    return build_rules(load_settings())


def articulate(
    phones: Sequence[TimedPhone],
    frame_rate: float,
    duration: float,
    loudness_db: NDArray[np.floating[Any]] | None = None,
    pitch_hz: NDArray[np.floating[Any]] | None = None,
    *,
    rules: ArticulationRules | None = None,
) -> ChannelCurves:
    """Compute face channels for ``phones`` over ``duration`` seconds: rows at ``i / frame_rate``, ``duration * frame_rate`` of
    them.

    ``loudness_db`` and ``pitch_hz`` (0 where there is no voice) are ``[time]`` at the same rows; missing rows at the end
    repeat the last one. Each vowel is compared with the mean and deviation of its clip. Time that no phone covers is
    silence. If no phone is stressed, stress counts as unknown and has no effect.

    Raises ValueError for an unknown phone, for times that are not finite, run backwards or overlap by more than
    rounding, and for a rate or duration that is not positive or finite.
    """
    rules = default_rules() if rules is None else rules
    if not (np.isfinite(frame_rate) and frame_rate > 0 and np.isfinite(duration) and duration >= 0):
        raise ValueError(f"rate {frame_rate} and duration {duration} must be finite and positive")
    frame_count = int(np.floor(duration * frame_rate + 1e-6))
    timeline = _read_timeline(phones, rules)
    emphasis = _weigh_vowels(timeline, frame_rate, frame_count, loudness_db, pitch_hz, rules)
    segments = _lay_segments(timeline, emphasis, rules)

    tracks: dict[str, Floats] = {}
    reaches = [rules.settings["groups"][group] for group in GROUPS] + [rules.settings["groups"]["visemes"]]
    kernel_frames = _spread_frames(
        segments.start - max(r["before"] + r["lead"] for r in reaches),
        segments.end + max(r["after"] for r in reaches),
        frame_rate,
        frame_count,
    )
    for index, group in enumerate(GROUPS):
        poses = rules.poses[index][segments.code]
        if group in ("jaw", "aperture"):
            poses = poses * segments.gain[:, None]
        blended = _blend(
            segments, kernel_frames, poses, rules.dominance[segments.code, index], reaches[index], frame_rate, frame_count
        )
        for column, name in enumerate(rules.columns[index]):
            tracks[name] = blended[:, column]
    shares = rules.visemes[segments.code].copy()
    quiet = np.clip(segments.gain, 0.0, 1.0)[:, None]
    shares *= quiet
    shares[:, 0] += (1.0 - quiet)[:, 0]
    visemes = _blend(segments, kernel_frames, shares, np.ones(len(segments.code)), reaches[-1], frame_rate, frame_count)

    names = face_channel_names()
    values = np.zeros((frame_count, len(names)), dtype=np.float64)
    aperture = tracks.pop(APERTURE)
    for column, track in tracks.items():
        for name in expand_sides({column: 0.0}, names):
            values[:, names.index(name)] = track
    visemes = _keep_constraints(values, aperture, visemes, names, timeline, frame_rate, rules)
    values[:, [i for i, name in enumerate(names) if name.startswith(_VISEME_PREFIX)]] = visemes
    channels = face_channels()
    np.clip(values, [channel.minimum for channel in channels], [channel.maximum for channel in channels], out=values)
    return ChannelCurves(names, frame_rate, values.astype(np.float32))


@dataclass(frozen=True)
class _Timeline:
    """The phones as spoken, with silence filled in, [phone]; the first and last are silence without an outer end."""

    names: list[str]
    kind: NDArray[np.str_]
    start: Floats
    end: Floats
    stress: NDArray[np.int64]

    def lengths(self) -> Floats:
        return self.end - self.start


@dataclass(frozen=True)
class _Segments:
    """The units that are blended: glides are split, short pauses dropped and doubled visemes joined, [segment]."""

    code: NDArray[np.int64]
    start: Floats
    end: Floats
    gain: Floats


_FAR_SECONDS = 1e4


def _read_timeline(phones: Sequence[TimedPhone], rules: ArticulationRules) -> _Timeline:
    names: list[str] = [SILENCE]
    start: list[float] = [-_FAR_SECONDS]
    end: list[float] = [0.0]
    stress: list[int] = [0]
    known = set(rules.known_phones())
    now = 0.0
    for timed in phones:
        name = rules.aliases.get(timed.phone, timed.phone)
        if name not in known:
            raise ValueError(f"unknown phone {timed.phone!r}")
        if not (np.isfinite(timed.start) and np.isfinite(timed.end)) or timed.end < timed.start or timed.start < now - 0.005:
            raise ValueError(
                f"phone {timed.phone} from {timed.start} to {timed.end} s runs backwards or overlaps the one before"
            )
        begins = max(timed.start, now)
        if timed.end <= begins:
            continue
        if name != SILENCE:
            if begins > now + 1e-3 and names[-1] != SILENCE:
                names.append(SILENCE)
                start.append(now)
                end.append(begins)
                stress.append(0)
            elif names[-1] == SILENCE:
                end[-1] = begins
            names.append(name)
            start.append(begins)
            end.append(timed.end)
            stress.append(timed.stress)
        elif names[-1] == SILENCE:
            end[-1] = timed.end
        else:
            names.append(SILENCE)
            start.append(begins)
            end.append(timed.end)
            stress.append(0)
        now = timed.end
    if names[-1] == SILENCE:
        end[-1] = _FAR_SECONDS + now
    else:
        names.append(SILENCE)
        start.append(now)
        end.append(now + _FAR_SECONDS)
        stress.append(0)
    kind_of = dict(zip(rules.phones, rules.kinds, strict=True)) | dict.fromkeys(rules.glides, "vowel")
    return _Timeline(
        names, np.array([kind_of[name] for name in names]), np.array(start), np.array(end), np.array(stress, dtype=np.int64)
    )


def _weigh_vowels(
    timeline: _Timeline,
    frame_rate: float,
    frame_count: int,
    loudness_db: NDArray[np.floating[Any]] | None,
    pitch_hz: NDArray[np.floating[Any]] | None,
    rules: ArticulationRules,
) -> Floats:
    """Weigh how far each phone opens relative to its pose, [phone]: 1 except for vowels (JALI: per vowel against the clip)."""
    settings = rules.settings["emphasis"]
    gain = np.ones(len(timeline.names))
    vowels = np.flatnonzero(timeline.kind == "vowel")
    if vowels.size == 0:
        return gain
    first = np.clip(np.floor(timeline.start[vowels] * frame_rate).astype(np.int64), 0, max(frame_count - 1, 0))
    last = np.clip(np.ceil(timeline.end[vowels] * frame_rate).astype(np.int64), first + 1, max(frame_count, 1))
    weight = np.ones(vowels.size)
    for rows, share in ((loudness_db, settings["loudness"]), (pitch_hz, settings["pitch"])):
        if rows is None or len(rows) == 0 or share == 0.0:
            continue
        track = np.asarray(rows, dtype=np.float64)
        track = np.where(np.isfinite(track), track, -100.0 if rows is loudness_db else 0.0)
        track = track[np.minimum(np.arange(max(frame_count, 1)), len(track) - 1)]
        # Unvoiced rows (0 Hz) carry no pitch; pitches are compared in octaves.
        heard = np.ones_like(track) if rows is loudness_db else (track > 0).astype(np.float64)
        track = np.maximum(track, -60.0) if rows is loudness_db else np.log2(np.maximum(track, 1.0))
        sums = np.concatenate([[0.0], np.cumsum(track * heard)])
        counts = np.concatenate([[0.0], np.cumsum(heard)])
        number = counts[last] - counts[first]
        valid = number > 0
        level = (sums[last] - sums[first]) / np.maximum(number, 1.0)
        if np.count_nonzero(valid) < 3:
            continue
        mean, deviation = level[valid].mean(), level[valid].std()
        if deviation < 1e-3:
            continue
        weight += np.where(valid, share * np.tanh(0.5 * (level - mean) / deviation) * 2.0, 0.0)
    if np.any(timeline.stress > 0):
        weight += np.asarray(settings["stress"])[np.clip(timeline.stress[vowels], 0, 2)]
    gain[vowels] = np.clip(weight, settings["least"], settings["most"])
    return gain


def _lay_segments(timeline: _Timeline, emphasis: Floats, rules: ArticulationRules) -> _Segments:
    pauses = rules.settings["pauses"]
    index_of = {phone: index for index, phone in enumerate(rules.phones)}
    code: list[int] = []
    start: list[float] = []
    end: list[float] = []
    gain: list[float] = []
    last = len(timeline.names) - 1
    starts, ends, gains = timeline.start.tolist(), timeline.end.tolist(), emphasis.tolist()
    for position, name in enumerate(timeline.names):
        begins, finishes = starts[position], ends[position]
        parts: tuple[tuple[str, float], ...] = ((name, 1.0),)
        if name == SILENCE and 0 < position < last:
            if finishes - begins < pauses["hold_seconds"]:
                end[-1] = finishes
                continue
            if finishes - begins < pauses["relax_seconds"]:
                parts = (("PAUSE", 1.0),)
        elif name in rules.glides:
            parts = rules.glides[name]
        for part, share in parts:
            finishes = begins + share * (ends[position] - starts[position])
            index = index_of[part]
            # Doubled visemes count once (JALI): 'bad time' has one tongue closure, 'top boy' one seal of the lips.
            if code and rules.kinds[index] in ("bilabial", "labiodental", "sibilant", "tongue"):
                before = code[-1]
                if (
                    rules.kinds[before] == rules.kinds[index]
                    and rules.settings["phones"][part]["visemes"] == (rules.settings["phones"][rules.phones[before]]["visemes"])
                ):
                    end[-1] = finishes
                    begins = finishes
                    continue
            code.append(index)
            start.append(begins)
            end.append(finishes)
            gain.append(gains[position])
            begins = finishes
    return _Segments(np.array(code, dtype=np.int64), np.array(start), np.array(end), np.array(gain))


def _spread_frames(
    start: Floats, end: Floats, frame_rate: float, frame_count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair every span with each frame inside it, ends included. Returns (span index, frame index), both ``[pair]``."""
    first = np.clip(np.ceil((start - _EDGE_SECONDS) * frame_rate), 0, frame_count).astype(np.int64)
    stop = np.clip(np.floor((end + _EDGE_SECONDS) * frame_rate) + 1, first, frame_count).astype(np.int64)
    counts = stop - first
    spans = np.repeat(np.arange(len(first)), counts)
    frames: NDArray[np.int64] = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(
        np.cumsum(counts) - counts - first, counts
    )
    return spans, frames


def _weights(
    segments: _Segments,
    spans: NDArray[np.int64],
    frames: NDArray[np.int64],
    dominance: Floats,
    reach: dict[str, float],
    frame_rate: float,
) -> Floats:
    """Return how strongly each segment of ``spans`` pulls at the frame beside it in ``frames``, ``[pair]``."""
    plateau_start = segments.start - reach["lead"]
    length = segments.end - segments.start
    # Silence holds to its end: no sound is left that could decay.
    plateau_end = plateau_start + np.where(length > 1.0, 1.0, reach["hold"]) * length
    seconds = frames / frame_rate
    distance = np.maximum((plateau_start[spans] - seconds) / reach["before"], (seconds - plateau_end[spans]) / reach["after"])
    return dominance[spans] * np.clip(1.0 - distance, 0.0, 1.0) ** reach["sharpness"]


def _blend(
    segments: _Segments,
    pairs: tuple[NDArray[np.int64], NDArray[np.int64]],
    poses: Floats,
    dominance: Floats,
    reach: dict[str, float],
    frame_rate: float,
    frame_count: int,
) -> Floats:
    """Blend ``poses`` [segment, column] into their dominance-weighted mean at every frame, ``[time, column]``."""
    spans, frames = pairs
    weights = _weights(segments, spans, frames, dominance, reach, frame_rate)
    near = np.flatnonzero(weights)
    spans, frames, weights = spans[near], frames[near], weights[near]
    total = np.bincount(frames, weights, frame_count)
    blended = np.zeros((frame_count, poses.shape[1]))
    for column in np.flatnonzero(np.any(poses != 0.0, axis=0)):
        blended[:, column] = np.bincount(frames, weights * poses[spans, column], frame_count)
    return blended / np.maximum(total, 1e-9)[:, None]


def _keep_constraints(
    values: Floats,
    aperture: Floats,
    visemes: Floats,
    names: tuple[str, ...],
    timeline: _Timeline,
    frame_rate: float,
    rules: ArticulationRules,
) -> Floats:
    """Write the constraints that must hold into ``values`` [time, channel] (in place) and return the visemes to match."""
    frame_count = len(values)
    if frame_count == 0:
        return visemes
    settings = rules.settings
    column = names.index
    gap_weights = channel_weights(GAP_CENTIMETRES, names)
    height_weights = channel_weights(LOWER_LIP_CENTIMETRES, names)

    # Sibilants: the jaw is capped, never averaged upwards by a wide neighbour.
    sibilant = _holds(
        timeline, ("sibilant",), settings["sibilant"]["ramp"], settings["sibilant"]["ramp"], frame_rate, frame_count
    )
    jaw = values[:, column("jawOpen")]
    jaw -= sibilant * np.maximum(jaw - settings["sibilant"]["jaw"], 0.0)

    # f and v: reduce the jaw's opening first, then roll the lower lip, then use the lips' own closing for the rest.
    bite_rules = settings["labiodental"]
    bite_start, bite_end, _ = _place_holds(timeline, "labiodental", bite_rules["shortest"], 0.0, 0.0)
    bite = 1.0 - _openness(bite_start, bite_end, bite_rules["closing"], bite_rules["opening"], 1.0, frame_rate, frame_count)
    jaw -= bite * np.maximum(jaw - bite_rules["jaw"], 0.0)

    missing = np.maximum(bite_rules["height"] - values @ height_weights, 0.0)
    for name, most in (
        ("mouthRollLower", np.maximum(bite_rules["roll"] - values[:, column("mouthRollLower")], 0.0)),
        ("mouthFunnel", values[:, column("mouthFunnel")].copy()),
        ("jawOpen", jaw.copy()),
        ("mouthClose", np.ones(frame_count)),
    ):
        unit = LOWER_LIP_CENTIMETRES[name]
        moved = np.minimum(missing / abs(unit), most)
        missing = missing - abs(unit) * moved
        values[:, column(name)] += np.sign(unit) * bite * moved

    # p, b, m: mouthClose brings the gap to zero and below; vowels and sounds of the tongue stay open.
    seal_rules = settings["closure"]
    openness, sealed = _lip_openness(timeline, seal_rules, frame_rate, frame_count)
    gap = values @ gap_weights
    aperture = aperture * (1.0 - bite) + np.minimum(aperture, bite_rules["aperture"]) * bite
    aim = aperture * openness - seal_rules["margin"] * (1.0 - openness) ** 2
    floor = _open_floor(timeline, aim, frame_rate, frame_count, settings["floor"])
    aim = np.where(sealed, -seal_rules["margin"], np.maximum(aim, floor))
    # The lips close what jaw and rounding leave too open and part what they leave too narrow. Where the lower lip meets the
    # teeth only the upper one may move.
    lips_rules = settings["lips"]
    closing = np.maximum(gap - aim, 0.0)
    values[:, column("mouthClose")] += closing / -GAP_CENTIMETRES["mouthClose"]
    parting = np.maximum(aim - gap, 0.0)
    upper_unit = 2.0 * GAP_CENTIMETRES["mouthUpperUpLeft"]
    lower_unit = 2.0 * GAP_CENTIMETRES["mouthLowerDownLeft"]
    share = lips_rules["upper_share"]
    upper = (share + (1.0 - share) * bite) * parting / upper_unit
    upper = np.clip(lips_rules["upper_most"] - values[:, column("mouthUpperUpLeft")], 0.0, upper)
    lower = (1.0 - bite) * (parting - upper * upper_unit) / lower_unit
    # Beyond the reach of the lower lip the jaw opens (short sounds on its slow way), except for a sibilant.
    over = np.clip(values[:, column("mouthLowerDownLeft")] + lower - lips_rules["lower_most"], 0.0, lower)
    lower -= over
    over *= 1.0 - sibilant
    jaw += over * lower_unit / GAP_CENTIMETRES["jawOpen"]
    reached = gap + upper * upper_unit + (lower + over) * lower_unit
    upper += np.clip(np.minimum(aim, floor) - reached, 0.0, None) / upper_unit
    for side in ("Left", "Right"):
        values[:, column(f"mouthUpperUp{side}")] += upper
        values[:, column(f"mouthLowerDown{side}")] += lower

    order = [name[len(_VISEME_PREFIX) :] for name in names if name.startswith(_VISEME_PREFIX)]
    for activity, viseme in ((bite, "FF"), (1.0 - openness, "PP")):
        held = (activity * activity)[:, None]
        visemes = visemes * (1.0 - held)
        visemes[:, order.index(viseme)] += held[:, 0]
    return visemes / np.maximum(visemes.sum(axis=1, keepdims=True), 1e-9)


def _lip_openness(
    timeline: _Timeline, settings: dict[str, Any], frame_rate: float, frame_count: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how far the seals of p, b and m leave the aperture open (1 to 0) and where the lips must touch, both
    ``[time]``."""
    start, end, follows_silence = _place_holds(
        timeline, "bilabial", settings["shortest_seal"], settings["from_start"], settings["before_end"]
    )
    touching = np.zeros(frame_count, dtype=np.bool_)
    touching[_spread_frames(start, end, frame_rate, frame_count)[1]] = True
    # A mouth at rest does not open on its way to a seal, although the vowel after it already pulls.
    start = start - np.where(follows_silence, settings["silence_lead"], 0.0)
    ramps = settings["closing"], settings["opening"], settings["opening_power"]
    return _openness(start, end, *ramps, frame_rate, frame_count), touching


def _joined(timeline: _Timeline, kind: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the first and last phone of every run of phones of one kind, [run]."""
    is_kind = timeline.kind == kind
    first = np.flatnonzero(is_kind & ~np.concatenate([[False], is_kind[:-1]]))
    last = np.flatnonzero(is_kind & ~np.concatenate([is_kind[1:], [False]]))
    return first, last


def _place_holds(
    timeline: _Timeline, kind: str, shortest: float, from_start: float, before_end: float
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Place the spans in which the lips are held for every run of ``kind``: (start, end, follows a long silence), [run].

    A span lasts at least ``shortest`` seconds, which samples every 20 ms cannot miss. Where the sound is shorter, the span
    extends beyond it as far as the open part of its neighbours allows.
    """
    first, last = _joined(timeline, kind)
    start, end = timeline.start[first], timeline.end[last]
    lengths = timeline.lengths()
    # Between a sealed row and an open one, a curve still counts as sealed for over half of the way.
    give = {"vowel": (0.2, 0.014), "tongue": (0.1, 0.005), "sibilant": (0.1, 0.005), "liquid": (0.1, 0.005)}
    shares, spared = np.array([give.get(kind_of, (1.0, 0.0)) for kind_of in timeline.kind]).T
    room = shares * lengths - spared
    earliest = start - np.minimum(room[first - 1], 0.05)
    latest = end + np.minimum(room[last + 1], 0.035)
    hold_start, hold_end = start + from_start, end - before_end
    hold_start = np.minimum(hold_start, hold_end - shortest)
    # Nothing is shown before the clip starts.
    hold_start = np.maximum(np.maximum(hold_start, earliest), 0.0)
    hold_end = np.minimum(np.maximum(hold_end, hold_start + shortest), latest)
    # Two short vowels may leave too little room; the closure wins, because viewers notice when it is missing.
    hold_end = np.maximum(hold_end, hold_start + _SHORTEST_SEAL_SECONDS)
    follows_silence = (timeline.kind[first - 1] == "silence") & (lengths[first - 1] > 0.35)
    return hold_start, hold_end, follows_silence


def _openness(
    start: Floats, end: Floats, closing: float, opening: float, power: float, frame_rate: float, frame_count: int
) -> Floats:
    """Return openness ``[time]``: 1 away from the spans, 0 inside, with a smooth ramp before and a ramp ** power after; the
    least wins."""
    result = np.ones(frame_count)
    spans, frames = _spread_frames(start - closing, end + opening, frame_rate, frame_count)
    seconds = frames / frame_rate
    before = np.clip((start[spans] - seconds) / closing, 0.0, 1.0)
    after = np.clip((seconds - end[spans]) / opening, 0.0, 1.0) ** power
    before = before * before * (3.0 - 2.0 * before)
    np.minimum.at(result, frames, np.maximum(before, after))
    return result


def _holds(
    timeline: _Timeline, kinds: tuple[str, ...], before: float, after: float, frame_rate: float, frame_count: int
) -> Floats:
    """Return 1 inside phones of ``kinds``, falling to 0 over ``before`` and ``after`` seconds around them, ``[time]``."""
    chosen = np.flatnonzero(np.isin(timeline.kind, kinds))
    start, end = timeline.start[chosen], timeline.end[chosen]
    return 1.0 - _openness(start, end, before, after, 1.0, frame_rate, frame_count)


def _open_floor(timeline: _Timeline, gap: Floats, frame_rate: float, frame_count: int, settings: dict[str, Any]) -> Floats:
    """Return the least gap in centimetres, ``[time]``: above the seal's threshold in vowels and sounds of the tongue, else
    0."""
    floor = np.full(frame_count, -np.inf)
    height = max(settings["share"] * float(np.percentile(np.maximum(gap, 0.0), 95.0)), settings["least"])
    length = timeline.lengths()
    # Short ones are not visible (Rhubarb) and would open a mouth that is closing.
    vowels = (timeline.kind == "vowel") & (length > 0.05)
    others = np.isin(timeline.kind, ("tongue", "sibilant", "liquid")) & (length > 0.03)
    for chosen, margin, beyond in ((vowels, settings["inset"], 0.5 / frame_rate), (others, 0.05, 0.0)):
        start = timeline.start[chosen] + margin * length[chosen] - beyond
        end = timeline.end[chosen] - margin * length[chosen] + beyond
        floor[_spread_frames(start, end, frame_rate, frame_count)[1]] = height
    return floor
