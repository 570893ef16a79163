# SPDX-License-Identifier: GPL-3.0-or-later
"""Phones that a scratch voice knows exactly, kept in its sound file in a RIFF chunk of their own.

Programs that do not know a chunk skip it (RIFF's rule), so the file is an ordinary WAV; and a recording that replaces the file
has no such chunk, so the times can never be those of another sound.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..animation.curves import ChannelCurves
from ..animation.face.phones import PHONES, SILENCE, TimedPhone

_CHUNK = b"vxph"
_LARGEST_CHUNK = 16 << 20
_CERTAIN = 0.98


def add_phones(wave: bytes, phones: Sequence[TimedPhone]) -> bytes:
    """Return the bytes of a WAV file with its phones added at the end."""
    rows = [[phone.phone, round(phone.start, 5), round(phone.end, 5), phone.stress] for phone in phones]
    data = json.dumps(rows, separators=(",", ":")).encode("ascii")
    chunk = _CHUNK + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return wave[:4] + struct.pack("<I", len(wave) - 8 + len(chunk)) + wave[8:] + chunk


def read_phones(
    content: str | bytes, offset_seconds: float = 0.0, duration_seconds: float | None = None
) -> tuple[TimedPhone, ...] | None:
    """Return the phones of the stretch of a sound file (a path, or its bytes), None where the file does not tell. Never raises.

    Times count from the beginning of the stretch.
    """
    try:
        data = _find_chunk(content)
        rows = json.loads(data) if data else None
        if not rows:
            return None
        known = [TimedPhone(str(name), float(start), float(end), int(stress)) for name, start, end, stress in rows]
    except (OSError, ValueError, TypeError, struct.error, RecursionError):
        return None
    last = math.inf if duration_seconds is None else duration_seconds
    found: list[TimedPhone] = []
    for phone in known:
        start, end = max(phone.start - offset_seconds, 0.0), min(phone.end - offset_seconds, last)
        if phone.phone not in PHONES or not math.isfinite(phone.start + phone.end):
            return None
        if end > start and start >= (found[-1].end - 1e-4 if found else 0.0):
            found.append(TimedPhone(phone.phone, start, end, phone.stress))
    return tuple(found)


def _find_chunk(content: str | bytes) -> bytes:
    """Return the content of the chunk, b'' where there is none. Chunks are skipped, not read."""
    import io

    with io.BytesIO(content) if isinstance(content, bytes) else Path(content).open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return b""
        for _ in range(1000):
            header = file.read(8)
            if len(header) < 8:
                return b""
            size = struct.unpack("<I", header[4:])[0]
            if header[:4] == _CHUNK:
                return file.read(size) if size <= _LARGEST_CHUNK else b""
            file.seek(size + size % 2, 1)
        return b""


def make_likelihood(phones: Sequence[TimedPhone], like: ChannelCurves) -> ChannelCurves:
    """Return the likelihood of each phone over time for phones that are known, on the rows and columns of ``like``.

    A row is the mean over the time between its neighbours' middles, so boundaries between rows are not lost.
    """
    names = list(like.names)
    values = np.full(like.values.shape, (1.0 - _CERTAIN) / len(names), np.float64)
    edges = (np.arange(like.frame_count + 1) - 0.5) / like.frame_rate + like.start_seconds
    share = np.zeros(like.values.shape)
    for phone in phones:
        if phone.phone in names:
            inside = np.clip(np.minimum(edges[1:], phone.end) - np.maximum(edges[:-1], phone.start), 0.0, None)
            share[:, names.index(phone.phone)] += inside * like.frame_rate
    if SILENCE in names:
        share[:, names.index(SILENCE)] += np.maximum(1.0 - share.sum(axis=1), 0.0)
    values += _CERTAIN * share / np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
    return like.with_values(values.astype(np.float32))


def snap_phones(phones: Sequence[TimedPhone], known: Sequence[TimedPhone]) -> tuple[TimedPhone, ...]:
    """Return phones with the exact times of those of the same name that they share most time with."""
    made: list[TimedPhone] = []
    for phone in phones:
        shared = [
            (min(one.end, phone.end) - max(one.start, phone.start), place)
            for place, one in enumerate(known)
            if one.phone == phone.phone
        ]
        best = max(shared, default=(0.0, 0))
        exact = known[best[1]] if best[0] > 0.0 else phone
        start = max(exact.start, made[-1].end) if made else exact.start
        made.append(TimedPhone(phone.phone, start, max(exact.end, start), phone.stress))
    return tuple(made)
