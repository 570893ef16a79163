# SPDX-License-Identifier: GPL-3.0-or-later
"""Life as channel curves on the frames of a scene, and the frames on which its events need keys.

Keys fall on whole frames and values ease between them as Blender draws them, so that a reducer finds the curve in the keys.
A blink has three or four keys and one frame at least is fully shut at any frame rate; a gaze shift has two for each
control. Eyes turn against the head in between, with an extra key only where a straight line would be off by more than a
degree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..curves import ChannelCurves
from .channels import CHANNEL_NAMES, CHANNELS, LOOK_RANGES
from .events import Event, of_part
from .face import drift_face, side_gains
from .gaze import DEGREE, saccade_seconds
from .head import AXES, drift_head
from .noise import ease
from .planning import Life
from .stage import Floats

# Below this rate the left and the right lid shut on the same frame, and a shut lid is one key.
_FINE_RATE = 48.0
_TAIL_SHARE, _TAIL = 0.6, 0.16
_OFF_TARGET = 1.0 * DEGREE
# Later, the head takes a share of the excess of a wide look.
_EYES_ONLY, _HEAD_SHARE, _HEAD_LATE, _HEAD_SECONDS = 10.0 * DEGREE, 0.65, 0.1, 0.45
_LID_FOLLOWS, _WIDE_FOLLOWS = 0.74, 0.5
_HALF_APART, _VERGENCE_METRES = 0.032, 3.0
_CLOSEST_KEY = 0.01
_BESIDE_SECONDS = 0.09
# An hour at once would take the memory of its curves twice more.
_ROWS_AT_ONCE = 8192
# Controls whose two sides differ slightly; lids meet and eyes share a target.
_SIDED = ("browOuterUp", "browDown", "cheekSquint", "eyeSquint", "noseSneer", "mouth")


@dataclass(frozen=True)
class RenderedLife:
    """``curves`` to be added to those of the mouth, and ``keys`` (bool ``[time, channel]``), frames that need a key."""

    curves: ChannelCurves
    keys: NDArray[np.bool_]


def render_life(life: Life, frame_rate: float, first_seconds: float = 0.0, frame_count: int | None = None) -> RenderedLife:
    """Render ``life`` at ``first_seconds + k / frame_rate`` for k = 0, 1, ..., to the end of its stage without ``frame_count``.

    Raises ValueError for a rate that is not positive.
    """
    if not (math.isfinite(frame_rate) and frame_rate > 0):
        raise ValueError(f"{frame_rate} frames a second is not positive")
    if frame_count is None:
        frame_count = max(1, math.ceil((life.stage.seconds - first_seconds) * frame_rate))
    grid = _Grid(frame_rate, first_seconds, frame_count)
    board = _Board(grid)
    _draw_added(life, board)
    head = _draw_head(life, board)
    eyes = _draw_eyes(life, board, head)
    _draw_lids(life, board, eyes)
    columns = [index for index, name in enumerate(CHANNEL_NAMES) if name.startswith(_SIDED)]
    names, seconds = [CHANNEL_NAMES[index] for index in columns], grid.seconds()
    for first in range(0, grid.count, _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        board.values[rows, columns] *= side_gains(life.stage, names, seconds[rows])
    low, high = (np.array([getattr(channel, end) for channel in CHANNELS]) for end in ("minimum", "maximum"))
    np.clip(board.values, low, high, out=board.values)
    values = board.values.astype(np.float32)
    values.flags.writeable = False  # handed over, not copied
    return RenderedLife(ChannelCurves(CHANNEL_NAMES, frame_rate, values, first_seconds), board.keys)


@dataclass(frozen=True)
class _Grid:
    rate: float
    first: float
    count: int

    def seconds(self) -> Floats:
        return self.first + np.arange(self.count) / self.rate

    def frame(self, seconds: float) -> int:
        """Return the nearest frame, which may be outside."""
        return round((seconds - self.first) * self.rate)

    def frames(self, seconds: float) -> int:
        """Return a length in frames, at least one."""
        return max(1, round(seconds * self.rate))


class _Board:
    """Values and keys ``[time, channel]`` to draw on."""

    def __init__(self, grid: _Grid) -> None:
        self.grid = grid
        self.values = np.zeros((grid.count, len(CHANNEL_NAMES)))
        self.keys = np.zeros((grid.count, len(CHANNEL_NAMES)), bool)

    def add(self, name: str, values: Floats) -> None:
        self.values[:, CHANNEL_NAMES.index(name)] += values

    def mark(self, name: str, frames: Sequence[int]) -> None:
        for frame in frames:
            if 0 <= frame < self.grid.count:
                self.keys[frame, CHANNEL_NAMES.index(name)] = True

    def add_eased(self, name: str, frames: Sequence[int], values: Sequence[float]) -> None:
        """Add eased movement through keys; nothing before the first and after the last."""
        column = CHANNEL_NAMES.index(name)
        for a, b, low, high in zip(frames, frames[1:], values, values[1:]):
            first, last = max(a, 0), min(b, self.grid.count)
            if first < last:
                share = ease((np.arange(first, last) - a) / (b - a))
                self.values[first:last, column] += low + (high - low) * share
        self.mark(name, frames)

    def level_beside(self, name: str, first: int, last: int, reach: int) -> None:
        """Level the drawn values over ``reach`` frames before ``first`` and after ``last``."""
        column = self.values[:, CHANNEL_NAMES.index(name)]
        before, after = max(first - reach, 0), min(last + reach, column.size - 1)
        if 0 < first < column.size:
            column[before : first + 1] = column[before]
        if 0 <= last < column.size:
            column[last : after + 1] = column[after]

    def replace_eased(self, name: str, frames: Sequence[int], shares: Sequence[float], goal: float) -> None:
        """Replace the drawn values with eased movement to ``goal`` by the ``shares`` at keys, and back."""
        column = self.values[:, CHANNEL_NAMES.index(name)]
        start, end = (float(column[min(max(frame, 0), column.size - 1)]) for frame in (frames[0], frames[-1]))
        peak = max(range(len(shares)), key=shares.__getitem__)
        values = [(start if index <= peak else end) for index in range(len(shares))]
        values = [value + share * (goal - value) for value, share in zip(values, shares, strict=True)]
        if start == end == goal:
            return
        for a, b, low, high in zip(frames, frames[1:], values, values[1:]):
            first, last = max(a, 0), min(b + 1, column.size)
            if first < last:
                column[first:last] = low + (high - low) * ease((np.arange(first, last) - a) / (b - a))


def _snap(grid: _Grid, event: Event, keys: Sequence[tuple[float, float]]) -> list[int]:
    """Snap keys to frames, each after the last."""
    frames: list[int] = []
    for seconds, _ in keys:
        frame = grid.frame(event.seconds + seconds)
        frames.append(max(frame, frames[-1] + 1) if frames else frame)
    return frames


def _draw_added(life: Life, board: _Board) -> None:
    """Draw brows, face, nods and parted lips, whose tracks are added up, and breath, a level that is held."""
    grid = board.grid
    seconds = grid.seconds()
    for name, values in drift_face(life.stage, seconds).items():
        board.add(name, values)
    level: list[tuple[int, float]] = []
    for event in life.events:
        if event.part in ("blinks", "gaze"):
            continue
        for name, keys in event.tracks.items():
            frames = _snap(grid, event, keys)
            if name == "breath":
                level += zip(frames, (value for _, value in keys), strict=True)
            elif frames[-1] >= 0 and frames[0] < grid.count:
                board.add_eased(name, frames, [value for _, value in keys])
    if level:
        frames, values = _in_turn(level)
        board.add("breath", _held(grid, frames, values))
        board.mark("breath", frames)


def _in_turn(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    """Sort points by time, keeping the last of those on one frame."""
    kept = dict(points)
    frames = sorted(kept)
    return frames, [kept[frame] for frame in frames]


def _held(grid: _Grid, frames: Sequence[int], values: Sequence[float]) -> Floats:
    """Ease through keys, holding the first and the last value, ``[time]``."""
    x, y = np.asarray(frames, np.float64), np.asarray(values, np.float64)
    at = np.arange(grid.count, dtype=np.float64)
    if x.size == 1:
        return np.full(grid.count, y[0])
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, x.size - 2)
    return y[left] + (y[left + 1] - y[left]) * ease(np.clip((at - x[left]) / (x[left + 1] - x[left]), 0.0, 1.0))


def _draw_head(life: Life, board: _Board) -> Floats:
    """Draw drift, wide looks and nods of the head; returns its angles ``[time, AXES]``."""
    grid = board.grid
    total = drift_head(life.stage, grid.seconds()) + _follow_looks(life, grid)
    for column, axis in enumerate(AXES):
        board.add(axis, total[:, column])
    return board.values[:, [CHANNEL_NAMES.index(axis) for axis in AXES]]


def _gaze_keys(life: Life, grid: _Grid) -> tuple[list[int], Floats, list[tuple[int, str]]]:
    """Find the frames of gaze keys, their offsets from the target ``[key, 2]``, and the frames from which targets hold."""
    frames: list[int] = []
    offsets: list[tuple[float, float]] = []
    holds: list[tuple[int, str]] = [(-(10**9), life.targets[0].name)]
    here = (0.0, 0.0)
    for event in of_part(life.events, "gaze"):
        goal = (event.tracks["gazeYaw"][-1][1], event.tracks["gazePitch"][-1][1])
        start = grid.frame(event.seconds)
        if frames and start <= frames[-1]:
            start = frames[-1]
        last = start + grid.frames(saccade_seconds(event.size))
        if not frames or start > frames[-1]:
            frames.append(start)
            offsets.append(here)
        frames.append(last)
        offsets.append(goal)
        here = goal
        if event.kind == "look":
            holds.append((last, event.label))
    return frames, np.array(offsets, np.float64).reshape(-1, 2), holds


def _gaze_directions(life: Life, grid: _Grid) -> tuple[Floats, Floats, list[int]]:
    """Compute the direction of the eyes in the scene ``[time, yaw and pitch]``, the distance ``[time]``, and the frames of
    keys."""
    frames, offsets, holds = _gaze_keys(life, grid)
    seconds = grid.seconds()
    directions = np.zeros((grid.count, 2))
    distance = np.full(grid.count, np.inf)
    targets = {target.name: target for target in life.targets}
    edges = [*(max(frame, 0) for frame, _ in holds[1:]), grid.count]
    first = 0
    for (_, name), last in zip(holds, edges, strict=True):
        last = min(last, grid.count)
        if first < last:
            yaw, pitch, away = targets[name].at(seconds[first:last])
            directions[first:last, 0], directions[first:last, 1], distance[first:last] = yaw, pitch, away
            first = last
    if frames:
        for column in range(2):
            directions[:, column] += _held(grid, frames, offsets[:, column].tolist())
    return directions, distance, frames


def _follow_looks(life: Life, grid: _Grid) -> Floats:
    """Compute how far the head follows the eyes, ``[time, AXES]``: its share of the excess of a wide look."""
    directions, _, _ = _gaze_directions(life, grid)
    result = np.zeros((grid.count, len(AXES)))
    reach = np.hypot(directions[:, 0], directions[:, 1])
    share = _HEAD_SHARE * np.maximum(reach - _EYES_ONLY, 0.0) / np.maximum(reach, 1e-9)
    if not share.any():
        return result
    late, width = round(_HEAD_LATE * grid.rate), max(1, round(_HEAD_SECONDS * grid.rate))
    kernel = np.hanning(width + 2)[1:-1]
    kernel /= kernel.sum()
    for column in range(2):
        wanted = directions[:, column] * share
        padded = np.concatenate([np.full(late + width - 1, wanted[0]), wanted])
        result[:, column] = np.convolve(padded, kernel, mode="full")[width - 1 : width - 1 + grid.count]
    # A head that turns far to a side leans slightly with it.
    result[:, 2] = 0.15 * result[:, 0]
    return result


def _draw_eyes(life: Life, board: _Board, head: Floats) -> Floats:
    """Draw the eyes in the head; returns their angles ``[time, eye and axis]``: left yaw, left pitch, right yaw, right
    pitch."""
    grid = board.grid
    directions, distance, frames = _gaze_directions(life, grid)
    inward = np.where(distance < _VERGENCE_METRES, np.arctan(_HALF_APART / np.maximum(distance, 0.05)), 0.0)
    keyed = [frame for frame in frames if 0 <= frame < grid.count]
    eyes = np.zeros((grid.count, 4))
    for column, (axis, toward) in enumerate(((0, 1.0), (1, 0.0), (0, -1.0), (1, 0.0))):
        wanted = directions[:, axis] + toward * inward - head[:, axis]
        eyes[:, column] = _thin(np.clip(wanted, -0.9, 0.9), keyed)
    names = ("leftEyeYaw", "leftEyePitch", "rightEyeYaw", "rightEyePitch")
    for column, name in enumerate(names):
        board.add(name, eyes[:, column])
    for side, yaw, pitch, out in (("Left", eyes[:, 0], eyes[:, 1], -1.0), ("Right", eyes[:, 2], eyes[:, 3], 1.0)):
        ways = {"Out": out * yaw, "In": -out * yaw, "Up": -pitch, "Down": pitch}
        for way, angle in ways.items():
            board.add(f"eyeLook{way}{side}", np.maximum(angle, 0.0) / LOOK_RANGES[way])
    moving = [*names, *(f"eyeLook{way}{side}" for way in LOOK_RANGES for side in ("Left", "Right"))]
    for name in moving:
        column = board.values[:, CHANNEL_NAMES.index(name)]
        for first, last in zip(keyed, keyed[1:]):
            if last - first <= max(3, 0.12 * grid.rate) and abs(column[last] - column[first]) > _CLOSEST_KEY:
                board.mark(name, (first, last))
    return eyes


def _thin(values: Floats, frames: Sequence[int]) -> Floats:
    """Interpolate ``values`` ``[time]`` through keys on ``frames`` and as few extra ones as keep within _OFF_TARGET."""
    keys = sorted({0, *frames, values.size - 1})
    spans = list(zip(keys, keys[1:]))
    chosen = set(keys)
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        between = np.arange(first + 1, last)
        line = values[first] + (values[last] - values[first]) * (between - first) / (last - first)
        off = np.abs(values[between] - line)
        if off.max() > _OFF_TARGET:
            middle = int(between[off.argmax()])
            chosen.add(middle)
            spans += [(first, middle), (middle, last)]
    at = np.array(sorted(chosen))
    return _monotone(at.astype(np.float64), values[at], np.arange(values.size, dtype=np.float64))


def _monotone(x: Floats, y: Floats, at: Floats) -> Floats:
    """Interpolate cubic pieces through keys that never overshoot (Fritsch and Butland 1984)."""
    if x.size == 1:
        return np.full(at.size, y[0])
    step, rise = np.diff(x), np.diff(y)
    slope = rise / step
    tangent = np.zeros(x.size)
    if x.size > 2:
        before, after = slope[:-1], slope[1:]
        same = before * after > 0
        w1, w2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
        safe = np.where(same, before, 1.0), np.where(same, after, 1.0)
        tangent[1:-1] = np.where(same, (w1 + w2) / (w1 / safe[0] + w2 / safe[1]), 0.0)
    left = np.clip(np.searchsorted(x, at, side="right") - 1, 0, x.size - 2)
    h = step[left]
    t = (at - x[left]) / h
    return (
        y[left] * (1 + 2 * t) * (1 - t) ** 2
        + y[left + 1] * t * t * (3 - 2 * t)
        + h * t * (1 - t) * ((1 - t) * tangent[left] - t * tangent[left + 1])
    )


def _draw_lids(life: Life, board: _Board, eyes: Floats) -> None:
    """Draw lids that follow the eyes, and blinks in place of that: from the lid's position to shut and to its later
    position."""
    grid = board.grid
    lid = life.stage.manner_rows("lid", grid.seconds())
    for side, pitch in (("Left", eyes[:, 1]), ("Right", eyes[:, 3])):
        down, wide = f"eyeBlink{side}", f"eyeWide{side}"
        board.add(down, np.clip(_LID_FOLLOWS * np.maximum(pitch, 0.0) + np.maximum(lid, 0.0), 0.0, 0.8))
        board.add(wide, _WIDE_FOLLOWS * np.maximum(-pitch, 0.0) + np.maximum(-lid, 0.0))
        after = -1
        for event in of_part(life.events, "blinks"):
            frames, values = blink_frames(event, f"blink{side}", grid.rate, grid.first)
            if frames[0] < after:
                continue
            after = frames[-1]
            # Within a blink nobody sees the lids follow the eyes; a step at its ends would cost keys.
            for name in (down, wide):
                board.level_beside(name, frames[0], frames[-1], max(1, round(_BESIDE_SECONDS * grid.rate)))
            board.replace_eased(down, frames, values, 1.0)
            board.replace_eased(wide, frames, values, 0.0)
            board.mark(down, frames)


def blink_frames(event: Event, side: str, frame_rate: float, first_seconds: float = 0.0) -> tuple[list[int], list[float]]:
    """Return frames and values of the keys of one lid ('blinkLeft' or 'blinkRight') in a blink.

    They are open, shut, (shut, at fine rates) or (nearly open, at coarse ones), open.
    """
    grid = _Grid(frame_rate, first_seconds, 0)
    (start, _), (down, _), (held, _), (end, _) = event.tracks[side]
    first = grid.frame(event.seconds + (start if frame_rate > _FINE_RATE else 0.0))
    shut = first + grid.frames(down - start)
    opening = end - held
    if frame_rate > _FINE_RATE:
        until = shut + grid.frames(held - down)
        return [first, shut, until, until + grid.frames(opening)], [0.0, 1.0, 1.0, 0.0]
    last = shut + grid.frames(opening + 0.5 * (held - down))
    tail = shut + round(_TAIL_SHARE * (last - shut))
    if last - shut >= 3 and shut < tail < last:
        return [first, shut, tail, last], [0.0, 1.0, _TAIL, 0.0]
    return [first, shut, last], [0.0, 1.0, 0.0]
