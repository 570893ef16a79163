# SPDX-License-Identifier: GPL-3.0-or-later
"""Emotions on a speaking face: poses from action units, and their effect on speech.

The formula uses operations that every tensor library has, so that the shipped graph contains exactly the same one. With
v ``[time, channel]`` the neutral face, w ``[time, emotion]`` weights held within 0..1, energy ``[time, 1]`` 0..1 and the
fields of :class:`Expressions`::

swell  = w * (least + (1 - least) * energy)                              [time, emotion]
near   = clip((apart_gap - v @ gap) / (apart_gap - near_gap), 0, 1)      [time, 1]  1: lips (all but) touch
speaks = 1 - clip(4 * v[silent] - 3, 0, 1)                               [time, 1]  0: a mouth that rests
hold   = max(near * speaks, clip(1.25 * v[biting], 0, 1))                [time, 1]  1: lips or teeth must meet
tight  = clip(2 * near - 1, 0, 1)                                        [time, 1]  1: lips near enough to press
let    = 1 - hold * opening - (1 - tight) * closing                      [time, channel]
moved  = swell @ poses + sum over emotions of swell[:, e] * (v @ shapes[e])
result = clip(v + let * moved, minimum, maximum)

``opening`` marks the channels that part the lips or lower the lower lip: they do not move while the lips must meet, so a
seal stays a seal under any mix. ``closing`` marks those that press the lips: they act only on lips that are near each
other, so that no vowel is sealed. Nothing but w's own factor depends on w: every channel is linear, hence monotone, in each
emotion's weight until it reaches its limit, and weights of 0 give v back unchanged.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..samples import Samples
from .channels import Channel, expand_sides, face_channels
from .lips import GAP_CENTIMETRES, LOWER_LIP_CENTIMETRES, channel_weights

Floats = NDArray[np.float64]

SILENT_CHANNEL = "viseme_sil"
BITING_CHANNEL = "viseme_FF"

_PIECE_SAMPLES, _PIECE_ROWS = 1 << 18, 1 << 15


@dataclass(frozen=True)
class Expressions:
    """``expressions.json`` as arrays over the face's channels: the fields of the formula above."""

    emotions: tuple[str, ...]
    names: tuple[str, ...]
    poses: Floats
    """[emotion, channel]: the pose of the whole emotion, before the voice's swelling."""
    shapes: Floats
    """[emotion, source channel, target channel]: how speech itself changes."""
    opening: Floats
    """[channel] 1 or 0: does not move while the lips must meet."""
    closing: Floats
    """[channel] 1 or 0: acts only on lips that are near each other."""
    gap: Floats
    """[channel] centimetres of lip gap, :data:`.lips.GAP_CENTIMETRES`."""
    minimum: Floats
    maximum: Floats
    silent: int
    """Column of the silent viseme."""
    biting: int
    """Column of the viseme of f and v."""
    near_gap: float
    apart_gap: float
    least: float
    quiet_db: float
    loud_db: float
    window_seconds: float


def build_expressions(settings: dict[str, Any], channels: tuple[Channel, ...]) -> Expressions:
    """Build expressions from the contents of ``expressions.json`` over ``channels``.

    Raises KeyError for an action unit or channel that does not exist, ValueError where an emotion would push one
    channel both ways (its intensity would not be monotone) or a pose is negative.
    """
    names = tuple(channel.name for channel in channels)
    column = {name: index for index, name in enumerate(names)}
    emotions = tuple(settings["emotions"])
    poses = np.zeros((len(emotions), len(names)))
    shapes = np.zeros((len(emotions), len(names), len(names)))
    for row, emotion in enumerate(emotions):
        entry = settings["emotions"][emotion]
        for unit, intensity in entry["action_units"].items():
            for name, share in expand_sides(settings["action_units"][unit]["channels"], names).items():
                poses[row, column[name]] += intensity * share
        for name, share in expand_sides(entry["articulation"], names).items():
            shapes[row, column[name], column[name]] += share
        for source, parts in entry["visemes"].items():
            for goal, share in parts.items():
                shapes[row, column[f"viseme_{source}"], column[f"viseme_{source}"]] -= share
                shapes[row, column[f"viseme_{source}"], column[f"viseme_{goal}"]] += share
        effects = np.concatenate([poses[row][None], shapes[row]])
        both = np.any(effects > 0, axis=0) & np.any(effects < 0, axis=0)
        if np.any(both):
            raise ValueError(f"{emotion} pushes {names[int(np.argmax(both))]} both ways")
    if np.any(poses < 0):
        raise ValueError("an action unit has a negative share")
    gap = channel_weights(GAP_CENTIMETRES, names)
    height = channel_weights(LOWER_LIP_CENTIMETRES, names)
    opening = ((gap > 0) | (height < 0)).astype(np.float64)
    # Channels that close an open jaw must not slacken in a seal, and neither must rounding, whose loss opens the gap a little.
    opening[[column["mouthClose"], column["mouthPucker"]]] = 1.0
    closing = np.array(
        [name.startswith(("mouthPress", "mouthRollLower", "mouthShrugLower")) for name in names], dtype=np.float64
    )
    lips, energy = settings["lips"], settings["energy"]
    return Expressions(
        emotions=emotions,
        names=names,
        poses=poses,
        shapes=shapes,
        opening=opening,
        closing=closing,
        gap=gap,
        minimum=np.array([channel.minimum for channel in channels]),
        maximum=np.array([channel.maximum for channel in channels]),
        silent=column[SILENT_CHANNEL],
        biting=column[BITING_CHANNEL],
        near_gap=float(lips["near"]),
        apart_gap=float(lips["apart"]),
        least=float(energy["least"]),
        quiet_db=float(energy["quiet_db"]),
        loud_db=float(energy["loud_db"]),
        window_seconds=float(energy["window_seconds"]),
    )


@functools.cache
def load_expressions() -> Expressions:
    """Return the bundled expressions (read once, at first use)."""
    settings = json.loads(Path(__file__).with_name("expressions.json").read_text(encoding="utf-8"))
    return build_expressions(settings, face_channels())


def apply_expression(
    values: NDArray[np.floating[Any]],
    weights: NDArray[np.floating[Any]],
    energy: NDArray[np.floating[Any]] | None = None,
    *,
    expressions: Expressions | None = None,
) -> NDArray[np.floating[Any]]:
    """Apply the emotions ``weights`` ``[time, emotion]`` to the face ``values`` ``[time, channel]``; returns a new array of
    their type.

    ``energy`` ``[time]``, 0..1, is how loud the voice is (:func:`voice_energy`); None counts as loud throughout.
    Weights are clamped to 0..1. The formula is in this module's docstring. Raises ValueError when the shapes
    do not fit the face's channels and emotions.
    """
    rules = load_expressions() if expressions is None else expressions
    count = len(values)
    if np.shape(values) != (count, len(rules.names)) or np.shape(weights) != (count, len(rules.emotions)):
        raise ValueError(
            f"values {np.shape(values)} and weights {np.shape(weights)} are not "
            f"[time, {len(rules.names)}] and [time, {len(rules.emotions)}]"
        )
    loud = np.ones(count) if energy is None else np.asarray(energy, dtype=np.float64)
    if loud.shape != (count,):
        raise ValueError(f"energy {loud.shape} is not [{count}]")
    if count > _PIECE_ROWS:
        # Every row stands for itself; an hour at once would take 0.6 GB in double precision.
        whole = np.empty_like(values)
        for begin in range(0, count, _PIECE_ROWS):
            rows = slice(begin, begin + _PIECE_ROWS)
            whole[rows] = apply_expression(values[rows], weights[rows], loud[rows], expressions=rules)
        return whole
    face = np.asarray(values, dtype=np.float64)
    swell = np.clip(np.asarray(weights, dtype=np.float64), 0.0, 1.0)
    swell = swell * (rules.least + (1.0 - rules.least) * np.clip(loud, 0.0, 1.0))[:, None]
    near = np.clip((rules.apart_gap - face @ rules.gap) / (rules.apart_gap - rules.near_gap), 0.0, 1.0)[:, None]
    speaks = 1.0 - np.clip(4.0 * face[:, rules.silent] - 3.0, 0.0, 1.0)[:, None]
    hold = np.maximum(near * speaks, np.clip(1.25 * face[:, rules.biting], 0.0, 1.0)[:, None])
    tight = np.clip(2.0 * near - 1.0, 0.0, 1.0)
    let = 1.0 - hold * rules.opening - (1.0 - tight) * rules.closing
    moved = swell @ rules.poses
    for index in np.flatnonzero(swell.any(axis=0)).tolist():
        moved += swell[:, index, None] * (face @ rules.shapes[index])
    result = np.clip(face + let * moved, rules.minimum, rules.maximum)
    return result.astype(np.asarray(values).dtype)


def voice_energy(
    samples: Samples,
    sample_rate: int,
    frame_rate: float,
    *,
    frame_count: int | None = None,
    expressions: Expressions | None = None,
) -> NDArray[np.float32]:
    """Measure how loud the voice is, 0..1, at every frame i / ``frame_rate`` that begins within ``samples`` ``[n]``,
    ``[time]``.

    ``frame_count`` asks for another number of frames; silence is beyond the samples.

    The measure is the mean power in a window around the frame (zeros beyond the ends), in dB of full scale, scaled from
    ``quiet_db`` (0) to ``loud_db`` (1). The window is a whole number of frames on each side, so that a graph can average
    whole frames.
    """
    rules = load_expressions() if expressions is None else expressions
    count = int(np.floor(samples.size * frame_rate / sample_rate + 1e-6)) if frame_count is None else frame_count
    reach = round(rules.window_seconds / 2 * frame_rate) * sample_rate / frame_rate
    centre = np.arange(count) * sample_rate / frame_rate
    first = np.clip(np.round(centre - reach), 0, samples.size).astype(np.int64)
    last = np.clip(np.round(centre + reach), 0, samples.size).astype(np.int64)
    power = _power_up_to(samples, np.concatenate([first, last]))
    level = 10.0 * np.log10(np.maximum((power[count:] - power[:count]) / (2.0 * reach), 1e-10))
    return np.clip((level - rules.quiet_db) / (rules.loud_db - rules.quiet_db), 0.0, 1.0).astype(np.float32)


def _power_up_to(samples: Samples, ends: NDArray[np.int64]) -> Floats:
    """Return the sum of squares of ``samples[:end]`` for each of ``ends``, in one pass over short pieces of the sound.

    An hour at 16 kHz has 460 MB of running sums in double precision; one piece of them is held at a time.
    """
    sums = np.zeros(len(ends))
    order = np.argsort(ends, kind="stable")
    ordered = ends[order]
    before = 0.0
    for begin in range(0, samples.size, _PIECE_SAMPLES):
        piece = np.square(np.asarray(samples[begin : begin + _PIECE_SAMPLES], dtype=np.float64))
        piece[0] += before
        running = np.cumsum(piece)
        before = running[-1]
        # Ends within (begin, begin + piece]; an end of 0 sums nothing.
        low, high = np.searchsorted(ordered, (begin, begin + len(piece)), side="right")
        sums[order[low:high]] = running[ordered[low:high] - begin - 1]
    return sums
