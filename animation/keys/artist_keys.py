# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a retake safe: telling the artist's keys from generated ones, bending curves to them, and seams that fade.

Generated keys are remembered as they were written (a fingerprint). A key that is not among them any more was made, moved or
shaped by the artist. Keys are rows ``[key, 7]``: frame, value, left handle (frame, value), right handle (frame, value),
interpolation by Blender's number.
"""

from __future__ import annotations

import base64
import binascii
import functools
import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .reduction import KeyedCurve, evaluate_keys

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]

CONSTANT, BEZIER = 0, 2
"""Blender's numbers for the interpolations of generated keys."""
SAME_FRAME = 0.01
"""Blender takes keys that are closer than this for one key (BEZT_BINARYSEARCH_THRESH in its fcurve.cc)."""

_WIDTH = 7
_PLAIN = "-"
"""What text begins with that is not compressed; no base64 does."""
# A key that was moved by less than this was rounded, not moved.
_ROUNDED_FRAMES = 1e-3
_ROUNDED_VALUE = 1e-6
# Blender re-aligns aligned handles at every edit of their curve, which turns them by rounding.
_HANDLE_FRAMES = 5e-3
_HANDLE_VALUE = 1e-4
_HANDLE_SLOPE = 0.02


def key_rows(curve: KeyedCurve, interpolation: int = BEZIER) -> Rows:
    """The keys of a curve as rows, float32 ``[key, 7]``."""
    kind = np.full(len(curve), interpolation, np.float32)
    return np.column_stack([curve.frames, curve.values, curve.left, curve.right, kind]).astype(np.float32).reshape(-1, _WIDTH)


def pack_rows(rows: Rows, *, compress: bool = True) -> str:
    """Rows as text for a property of Blender's; ``unpack_rows`` gives them back exactly. Text that is soon replaced need not
    be compressed, which takes most of the time."""
    # By column, neighbouring numbers resemble each other and pack well.
    data = np.ascontiguousarray(rows.T, "<f4").tobytes()
    if not compress:
        return _PLAIN + base64.b64encode(data).decode("ascii")
    return base64.b64encode(zlib.compress(data, 1)).decode("ascii")


@functools.lru_cache(maxsize=1024)
def unpack_rows(text: str) -> Rows:
    """Rows out of ``pack_rows``' text, read-only. What is damaged or empty gives none: all keys then count as the artist's."""
    try:
        if text.startswith(_PLAIN):
            data = base64.b64decode(text[len(_PLAIN) :], validate=True)
        else:
            data = zlib.decompress(base64.b64decode(text, validate=True)) if text else b""
    except (ValueError, zlib.error, binascii.Error):
        data = b""
    if len(data) % (4 * _WIDTH):
        data = b""
    rows = np.ascontiguousarray(np.frombuffer(data, "<f4").reshape(_WIDTH, -1).T).astype(np.float32)
    rows.flags.writeable = False
    return rows


def replace_rows(rows: Rows, fresh: Rows, first_frame: float, last_frame: float) -> Rows:
    """The fingerprint after ``fresh`` has been written between two frames (both included), in order of time."""
    outside = (rows[:, 0] < first_frame - SAME_FRAME) | (rows[:, 0] > last_frame + SAME_FRAME)
    merged = np.concatenate([rows[outside], fresh])
    return merged[np.argsort(merged[:, 0], kind="stable")]


def find_artist_keys(present: Rows, generated: Rows) -> NDArray[np.bool_]:
    """Which of the keys on a curve are not as they were generated, bool ``[key]``; both are in order of time.

    A key is the artist's when no generated key has its frame and value, or when a handle was turned or lengthened. A
    handle that only became shorter counts when it faces a generated key: towards a new key Blender shortens the handles
    of the neighbours by itself (``BKE_fcurve_bezt_subdivide_handles`` in its fcurve.cc).
    """
    count = present.shape[0]
    if count == 0 or generated.shape[0] == 0:
        return np.ones(count, bool)
    if np.array_equal(present, generated):
        return np.zeros(count, bool)
    now = present.astype(np.float64)
    nearest = _nearest(generated[:, 0].astype(np.float64), now[:, 0])
    then = generated[nearest].astype(np.float64)
    moved = np.abs(now[:, 0] - then[:, 0]) > _ROUNDED_FRAMES
    moved |= np.abs(now[:, 1] - then[:, 1]) > _ROUNDED_VALUE * np.maximum(1.0, np.abs(then[:, 1]))
    moved |= now[:, 6] != then[:, 6]
    turned = np.zeros(count, bool)
    shortened = np.zeros((count, 2), bool)
    for side, column in enumerate((2, 4)):
        a = now[:, column : column + 2] - now[:, :2]
        b = then[:, column : column + 2] - then[:, :2]
        close = (np.abs(a - b) <= np.array([_HANDLE_FRAMES, _HANDLE_VALUE])).all(axis=1)
        lengths = np.abs(a[:, 0]), np.abs(b[:, 0])
        cross = np.abs(a[:, 1] * lengths[1] - b[:, 1] * lengths[0])
        scale = np.maximum(np.abs(a[:, 1]) * lengths[1], np.abs(b[:, 1]) * lengths[0])
        same_way = (cross <= _HANDLE_SLOPE * scale + _HANDLE_VALUE * lengths[1]) & (a[:, 0] * b[:, 0] > 0)
        close |= same_way & (np.abs(lengths[0] - lengths[1]) <= _HANDLE_FRAMES)
        shorter = same_way & (lengths[0] < lengths[1])
        turned |= ~close & ~shorter
        shortened[:, side] = ~close & shorter
    artist = moved | turned
    faces_left = np.append(False, artist[:-1])
    faces_right = np.append(artist[1:], False)
    return artist | (shortened[:, 0] & ~faces_left) | (shortened[:, 1] & ~faces_right)


def fade_weights(frames: ArrayLike, fade_frames: float, *, at_start: bool, at_end: bool) -> Floats:
    """How much of the new take counts at each frame, ``[frame]``: 0 at a seam, 1 from ``fade_frames`` on, smoothly.

    A fade takes at most a third of the range, so that something of the new take is always heard.
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
    """The curve ``[frame]`` bent so that it passes through the pins, smoothly, within ``reach`` frames to each side.

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
        # Nearer than Blender tells keys apart there is no room for a bend.
        rising = _smooth_step((here - before) / (pin - before)) if pin - before > SAME_FRAME else (here >= pin).astype(float)
        falling = _smooth_step((after - here) / (after - pin)) if after - pin > SAME_FRAME else (here <= pin).astype(float)
        bent[part] += np.where(here <= pin, rising, falling) * (height - base[part])
    return bent


def with_pin_frames(frames: ArrayLike, values: ArrayLike, pin_frames: ArrayLike) -> tuple[Floats, Floats]:
    """The frames and the curve with samples added at pins that lie between frames, so that a key can be set on each pin."""
    x, y = np.asarray(frames, np.float64), np.asarray(values, np.float64)
    pins = np.asarray(pin_frames, np.float64)
    pins = pins[(pins >= x[0]) & (pins <= x[-1])]
    # A sample next to a pin would become a key that Blender takes for the pin.
    extra = pins[np.abs(x[_nearest(x, pins)] - pins) > SAME_FRAME]
    merged = np.union1d(x, extra)
    return merged, np.interp(merged, x, y)


def without_frames(curve: KeyedCurve, frames: ArrayLike) -> KeyedCurve:
    """The curve without its keys on ``frames``: there the artist's own keys stand."""
    taken = np.asarray(frames, np.float64)
    if taken.size == 0 or len(curve) == 0:
        return curve
    keep = np.abs(curve.frames[:, None].astype(np.float64) - taken[None]).min(axis=1) > SAME_FRAME
    return KeyedCurve(curve.frames[keep], curve.values[keep], curve.left[keep], curve.right[keep])


def with_outer_handles(
    curve: KeyedCurve, before: tuple[float, float] | None = None, after: tuple[float, float] | None = None
) -> KeyedCurve:
    """The curve with handles beyond its ends that go on as what is there goes: (slope, distance to the next key) each."""
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


def merge_rows(curve: KeyedCurve, rows: Rows) -> KeyedCurve:
    """Generated and kept keys as one curve, for looking at what Blender will show."""
    merged = np.concatenate([key_rows(curve), rows])
    merged = merged[np.argsort(merged[:, 0], kind="stable")]
    return KeyedCurve(merged[:, 0], merged[:, 1], merged[:, 2:4], merged[:, 4:6])


def largest_miss(curve: KeyedCurve, rows: Rows, frames: ArrayLike, values: ArrayLike) -> float:
    """The largest distance at ``frames`` between dense ``values`` and what generated and kept keys show together."""
    shown = evaluate_keys(merge_rows(curve, rows), frames)
    return float(np.max(np.abs(shown - np.asarray(values, np.float64)), initial=0.0))


def _smooth_step(share: Floats) -> Floats:
    """0..1 with flat ends."""
    t = np.clip(share, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _nearest(sorted_numbers: Floats, wanted: Floats) -> NDArray[np.int64]:
    """The index of the nearest of ``sorted_numbers`` to each of ``wanted``."""
    right = np.clip(np.searchsorted(sorted_numbers, wanted), 1, max(sorted_numbers.size - 1, 1))
    right = np.minimum(right, sorted_numbers.size - 1)
    left = np.maximum(right - 1, 0)
    nearer_left = np.abs(sorted_numbers[left] - wanted) <= np.abs(sorted_numbers[right] - wanted)
    return np.where(nearer_left, left, right)
