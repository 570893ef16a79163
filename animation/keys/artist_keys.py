# SPDX-License-Identifier: GPL-3.0-or-later
"""Safe retakes: tell the artist's keys from generated ones, bend curves to them, and fade at the seams.

Every generated key carries a mark, a number of its own that goes with it wherever it is moved, scaled or pasted; and all
that Blender stores of the key at the time of writing is recorded under that mark (a fingerprint). A key without a mark was
made by the artist; one that differs from its record was changed by them. Keys are rows ``[key, 14]``: frame, value, left
handle (frame, value), right handle (frame, value), interpolation, mark, easing, type of the left and of the right handle,
type of the key, overshoot ('back') and period, enums by Blender's numbers.

The mark is the key's amplitude, which Blender uses only for Elastic interpolation, where all marks have the same effect as
0.
"""

from __future__ import annotations

import base64
import binascii
import functools
import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .reduction import KeyedCurve

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]

CONSTANT, BEZIER = 0, 2
"""Blender's numbers for the interpolations of generated keys."""
SAME_FRAME = 0.01
"""Blender takes keys that are closer than this for one key (BEZT_BINARYSEARCH_THRESH in its fcurve.cc)."""

WIDTH = 14
"""Columns of a row."""
_INTERPOLATION, _MARK, _EASING, _LEFT_TYPE, _RIGHT_TYPE, _KEY_TYPE, _BACK, _PERIOD = range(6, WIDTH)
_FREE, ALIGNED = 0, 3
# Key types that generated keys never have.
_KEYFRAME, _MOVING_HOLD = 0, 4

# Marks are floats from 2**-100 on, in the order of their bits.
_FIRST_MARK, _MARK_COUNT = 27 << 23, 64 << 23

# Fingerprints had these columns before keys had marks.
_OLD_WIDTH = 7
_OLD_PLAIN, _PLAIN, _PACKED = "-", "~", "="
"""First characters of text that is neither old nor compressed; base64 never starts with them."""
# A key moved by less than this was rounded, not moved.
_ROUNDED_FRAMES = 1e-3
_ROUNDED_VALUE = 1e-6
# Handles are equal within this and this many steps of float32, in which Blender computes them.
_ROUNDED_HANDLE = np.array([1e-4, 1e-5])
_ROUNDED_STEPS = 8.0
# The shares of two handles that Blender shortened together add up to 1 within this.
_ROUNDED_SHARE = 1e-4


def no_rows() -> Rows:
    """Return a table without rows."""
    return np.zeros((0, WIDTH), np.float32)


def key_rows(curve: KeyedCurve, interpolation: int = BEZIER) -> Rows:
    """Convert the keys of a curve to rows, float32 ``[key, 14]``, without marks and with 0 for all that a curve does not
    store."""
    rows = np.zeros((len(curve), WIDTH), np.float32)
    rows[:, 0], rows[:, 1], rows[:, 2:4], rows[:, 4:6] = curve.frames, curve.values, curve.left, curve.right
    rows[:, _INTERPOLATION] = interpolation
    return rows


def make_marks(content: bytes, count: int, taken: ArrayLike) -> NDArray[np.float32]:
    """Make marks for ``count`` keys, float32 ``[key]``: the same for the same ``content``, but none of those ``taken``."""
    used = np.ascontiguousarray(taken, np.float32).view(np.uint32)
    start = zlib.crc32(content) % (_MARK_COUNT - count)
    while np.any((used >= _FIRST_MARK + start) & (used < _FIRST_MARK + start + count)):
        start = (start + count) % (_MARK_COUNT - count)
    return (np.arange(count, dtype=np.uint32) + np.uint32(_FIRST_MARK + start)).view(np.float32)


def marks_in(rows: Rows) -> NDArray[np.float32]:
    """Return the marks of rows, without those of keys that have none."""
    return rows[rows[:, _MARK] != 0, _MARK]


def pack_rows(rows: Rows, *, compress: bool = True) -> str:
    """Pack rows as text for a Blender property, which ``unpack_rows`` reverses exactly.

    Text that is soon replaced need not be compressed, which takes most of the time.
    """
    # By column, neighbouring numbers resemble each other and pack well.
    data = np.ascontiguousarray(rows.T, "<f4").tobytes()
    if not compress:
        return _PLAIN + base64.b64encode(data).decode("ascii")
    return _PACKED + base64.b64encode(zlib.compress(data, 1)).decode("ascii")


@functools.lru_cache(maxsize=1024)
def unpack_rows(text: str) -> Rows:
    """Unpack the text of ``pack_rows``, read-only. Damaged or empty text yields no rows: all keys then count as the artist's.

    Text of an earlier Voxrig has no marks (0) and no types of keys and handles (NaN).
    """
    kind = text[:1] if text[:1] in (_OLD_PLAIN, _PLAIN, _PACKED) else ""
    width = WIDTH if kind in (_PLAIN, _PACKED) else _OLD_WIDTH
    try:
        data = base64.b64decode(text[len(kind) :], validate=True)
        if data and kind not in (_OLD_PLAIN, _PLAIN):
            data = zlib.decompress(data)
    except (ValueError, zlib.error, binascii.Error):
        data = b""
    if len(data) % (4 * width):
        data = b""
    rows = np.zeros((len(data) // (4 * width), WIDTH), np.float32)
    rows[:, :width] = np.frombuffer(data, "<f4").reshape(width, -1).T
    if width == _OLD_WIDTH:
        rows[:, [_LEFT_TYPE, _RIGHT_TYPE, _KEY_TYPE]] = np.nan
    rows.flags.writeable = False
    return rows


def replace_rows(rows: Rows, fresh: Rows, first_frame: float, last_frame: float) -> Rows:
    """Return the fingerprint after ``fresh`` was written between two frames (both included), in order of time."""
    outside = (rows[:, 0] < first_frame - SAME_FRAME) | (rows[:, 0] > last_frame + SAME_FRAME)
    merged = np.concatenate([rows[outside], fresh])
    return merged[np.argsort(merged[:, 0], kind="stable")]


def find_artist_keys(present: Rows, generated: Rows) -> NDArray[np.bool_]:
    """Find the keys on a curve that differ from the generated ones, bool ``[key]``; both are in order of time.

    A key is the artist's if its mark is not on record, or if anything about it differs from the record of its mark. Only
    Blender's own changes to handles do not count as edits: at every edit of a curve it turns aligned ones to the line of
    their other side, and where a key is inserted it shortens the handles that face it
    (``BKE_fcurve_bezt_subdivide_handles`` in its fcurve.cc) as the curve is cut. Keys generated before marks existed are
    recognised by frame and value.
    """
    count = present.shape[0]
    if count == 0 or generated.shape[0] == 0:
        return np.ones(count, bool)
    if np.array_equal(present, generated):
        return np.zeros(count, bool)
    matched = _match_rows(present, generated)
    now, then = present.astype(np.float64), generated[np.maximum(matched, 0)].astype(np.float64)
    changed = matched < 0
    changed |= np.abs(now[:, 0] - then[:, 0]) > _ROUNDED_FRAMES
    changed |= np.abs(now[:, 1] - then[:, 1]) > _ROUNDED_VALUE * np.maximum(1.0, np.abs(then[:, 1]))
    exact = [_INTERPOLATION, _EASING, _BACK, _PERIOD]
    changed |= (now[:, exact] != then[:, exact]).any(axis=1)
    types = [_LEFT_TYPE, _RIGHT_TYPE, _KEY_TYPE]
    changed |= ((now[:, types] != then[:, types]) & ~np.isnan(then[:, types])).any(axis=1)
    unknown = np.isnan(then[:, _KEY_TYPE])
    changed |= unknown & np.isin(now[:, _KEY_TYPE], (_KEYFRAME, _MOVING_HOLD))
    changed |= unknown & ~np.isin(now[:, [_LEFT_TYPE, _RIGHT_TYPE]], (_FREE, ALIGNED)).all(axis=1)
    shares = _find_cuts(now, generated.astype(np.float64), matched)
    may_turn = (then[:, [_LEFT_TYPE, _RIGHT_TYPE]] != _FREE).all(axis=1)
    return changed | ~_has_same_handles(now, then, shares, may_turn)


def _match_rows(present: Rows, generated: Rows) -> NDArray[np.int64]:
    """Match every present key with the generated one that it was, by its mark; -1 if there is none."""
    matched = np.full(present.shape[0], -1, np.int64)
    marks, known = (np.ascontiguousarray(rows[:, _MARK]).view(np.uint32) for rows in (present, generated))
    order = np.argsort(known, kind="stable")
    first, end = (np.searchsorted(known[order], marks, side=side) for side in ("left", "right"))
    is_known = (first < end) & (marks != 0)
    matched[is_known] = order[first[is_known]]
    # A mark on record twice belongs to the nearest key.
    for key in np.flatnonzero(is_known & (end - first > 1)).tolist():
        same = order[first[key] : end[key]]
        matched[key] = same[np.argmin(np.abs(generated[same, 0] - present[key, 0]))]
    unmarked = np.flatnonzero(known == 0)
    if unmarked.size:
        plain = np.flatnonzero(marks == 0)
        nearest = _nearest(generated[unmarked, 0].astype(np.float64), present[plain, 0].astype(np.float64))
        matched[plain] = unmarked[nearest]
    return matched


def _find_cuts(now: Floats, generated: Floats, matched: NDArray[np.int64]) -> Floats:
    """Find the share of its length that each handle kept after keys were inserted beside it, ``[key, left and right]``.

    Inserting a key cuts a segment in two at the key (de Casteljau): the handles that face it keep the share of the curve's
    parameter on their side. A key that was moved after its insertion is still recognised by both shares together.
    """
    shares = np.ones((now.shape[0], 2))
    followed = np.zeros(now.shape[0], bool)
    followed[:-1] = matched[1:] == matched[:-1] + 1
    starts = np.flatnonzero((matched >= 0) & (matched < generated.shape[0] - 1) & ~followed)
    place = {row: key for key, row in enumerate(matched.tolist()) if row >= 0}
    for key in starts.tolist():
        row = int(matched[key])
        other = place.get(row + 1)
        if key + 1 >= now.shape[0]:
            continue
        left, right = generated[row], generated[row + 1]
        control = np.array([left[0], left[4], right[2], right[0]])
        if left[0] < now[key + 1, 0] < right[0]:
            shares[key, 1] = _parameter_at(control, now[key + 1, 0])
        if other is None or other == 0:
            continue
        if left[0] < now[other - 1, 0] < right[0]:
            shares[other, 0] = 1.0 - _parameter_at(control, now[other - 1, 0])
        if other == key + 2:
            measured = _share(now[key, 4] - now[key, 0], left[4] - left[0])
            facing = _share(now[other, 2] - now[other, 0], right[2] - right[0])
            if 0.0 < measured < 1.0 and abs(measured + facing - 1.0) <= _ROUNDED_SHARE:
                shares[key, 1], shares[other, 0] = measured, facing
    return shares


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _parameter_at(control: Floats, frame: float) -> float:
    """Find the parameter at which a segment, given by the frames of its four control points, passes a frame."""
    low, high = 0.0, 1.0
    for _ in range(50):
        t = 0.5 * (low + high)
        s = 1.0 - t
        at = s**3 * control[0] + 3 * s * s * t * control[1] + 3 * s * t * t * control[2] + t**3 * control[3]
        low, high = (t, high) if at < frame else (low, t)
    return 0.5 * (low + high)


def _has_same_handles(now: Floats, then: Floats, shares: Floats, may_turn: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether both handles of each key are unchanged, apart from Blender's own changes."""
    reach = {side: then[:, column : column + 2] - then[:, :2] for side, column in enumerate((2, 4))}
    lengths = np.stack([np.hypot(*reach[side].T) for side in (0, 1)], axis=1)
    step = np.spacing(np.abs(then[:, :2]).astype(np.float32)).astype(np.float64)
    same = np.ones(now.shape[0], bool)
    for side, column in enumerate((2, 4)):
        found = now[:, column : column + 2] - now[:, :2]
        ratio = np.divide(lengths[:, side], lengths[:, 1 - side], out=np.ones(len(now)), where=lengths[:, 1 - side] > 0)
        width, rise = reach[side].T
        steepness = np.abs(np.divide(rise, width, out=np.zeros(len(now)), where=width != 0))
        slack = (_ROUNDED_HANDLE + _ROUNDED_STEPS * step) * (1.0 + ratio)[:, None]
        slack[:, 1] += steepness * slack[:, 0]
        fits = np.zeros(now.shape[0], bool)
        for share in (np.ones(now.shape[0]), shares[:, side]):
            kept = (np.abs(found - share[:, None] * reach[side]) <= slack).all(axis=1)
            turned = (np.abs(found + (share * ratio)[:, None] * reach[1 - side]) <= slack).all(axis=1)
            fits |= kept | (turned & may_turn)
        same &= fits
    return same


def fade_weights(frames: ArrayLike, fade_frames: float, *, at_start: bool, at_end: bool) -> Floats:
    """Return the weight of the new take at each frame, ``[frame]``: 0 at a seam, 1 from ``fade_frames`` on, with a smooth ramp.

    A fade takes at most a third of the range, so that some of the new take always shows fully.
    """
    x = np.asarray(frames, np.float64)
    weights = np.ones(x.size)
    if x.size < 2 or fade_frames <= 0:
        return weights
    width = min(fade_frames, (x[-1] - x[0]) / 3.0)
    if at_start:
        weights *= _smooth_step((x - x[0]) / width)
    if at_end:
        weights *= _smooth_step((x[-1] - x) / width)
    return weights


def bend_to_pins(frames: ArrayLike, values: ArrayLike, pin_frames: ArrayLike, pin_values: ArrayLike, reach: float) -> Floats:
    """Bend the curve ``[frame]`` smoothly through the pins, within ``reach`` frames to each side.

    At every frame the result is a mean of the curve and the pins in reach, so it leaves neither's range. A pin's reach ends at
    the next pin and at the ends of the frames.
    """
    x = np.asarray(frames, np.float64)
    pins, heights = np.asarray(pin_frames, np.float64), np.asarray(pin_values, np.float64)
    base = np.asarray(values, np.float64)
    bent = base.copy()
    for i, (pin, height) in enumerate(zip(pins.tolist(), heights.tolist())):
        before = max(pin - reach, float(x[0] if i == 0 else pins[i - 1]))
        after = min(pin + reach, float(x[-1] if i == pins.size - 1 else pins[i + 1]))
        part = slice(*np.searchsorted(x, np.array([before, np.nextafter(after, np.inf)])).tolist())
        here = x[part]
        # Closer than Blender tells keys apart there is no room to bend.
        rising = _smooth_step((here - before) / (pin - before)) if pin - before > SAME_FRAME else (here >= pin).astype(float)
        falling = _smooth_step((after - here) / (after - pin)) if after - pin > SAME_FRAME else (here <= pin).astype(float)
        bent[part] += np.where(here <= pin, rising, falling) * (height - base[part])
    return bent


def with_pin_frames(frames: ArrayLike, values: ArrayLike, pin_frames: ArrayLike) -> tuple[Floats, Floats]:
    """Add samples at pins between frames to the frames and the curve, so that each pin can have a key."""
    x, y = np.asarray(frames, np.float64), np.asarray(values, np.float64)
    pins = np.asarray(pin_frames, np.float64)
    pins = pins[(pins >= x[0]) & (pins <= x[-1])]
    # A sample next to a pin would become a key that Blender merges with the pin.
    extra = pins[np.abs(x[_nearest(x, pins)] - pins) > SAME_FRAME]
    merged = np.union1d(x, extra)
    return merged, np.interp(merged, x, y)


def without_frames(curve: KeyedCurve, frames: ArrayLike) -> KeyedCurve:
    """Return the curve without its keys on ``frames``, where the artist's own keys are."""
    taken = np.asarray(frames, np.float64)
    if taken.size == 0 or len(curve) == 0:
        return curve
    keep = np.abs(curve.frames[:, None].astype(np.float64) - taken[None]).min(axis=1) > SAME_FRAME
    return KeyedCurve(curve.frames[keep], curve.values[keep], curve.left[keep], curve.right[keep])


def with_outer_handles(
    curve: KeyedCurve, before: tuple[float, float] | None = None, after: tuple[float, float] | None = None
) -> KeyedCurve:
    """Give the curve outer handles that continue its surroundings: (slope, distance to the next key) on each side."""
    if len(curve) == 0:
        return curve
    left, right = curve.left.copy(), curve.right.copy()
    if before is not None:
        slope, distance = before
        left[0] = curve.frames[0] - distance / 3.0, curve.values[0] - slope * distance / 3.0
    if after is not None:
        slope, distance = after
        right[-1] = curve.frames[-1] + distance / 3.0, curve.values[-1] + slope * distance / 3.0
    return KeyedCurve(curve.frames, curve.values, left, right)


def _smooth_step(share: Floats) -> Floats:
    """Ease 0..1 with flat ends."""
    t = np.clip(share, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _nearest(sorted_numbers: Floats, wanted: Floats) -> NDArray[np.int64]:
    """Find the index of the nearest of ``sorted_numbers`` to each of ``wanted``."""
    right = np.clip(np.searchsorted(sorted_numbers, wanted), 1, max(sorted_numbers.size - 1, 1))
    right = np.minimum(right, sorted_numbers.size - 1)
    left = np.maximum(right - 1, 0)
    nearer_left = np.abs(sorted_numbers[left] - wanted) <= np.abs(sorted_numbers[right] - wanted)
    return np.where(nearer_left, left, right)
