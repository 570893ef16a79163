# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels of the bundled face model, read from ``channels.json``."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

REGIONS = ("jaw", "lips", "tongue", "cheeks", "nose", "brows", "eyes", "head")
"""Face parts by which strengths, smoothing and retakes are chosen."""


@dataclass(frozen=True)
class Channel:
    """One named output: its face part, its group ('face', 'expression' or 'viseme'), rest value, limits and unit."""

    name: str
    region: str
    group: str
    rest: float
    minimum: float
    maximum: float
    unit: str


def load_channels(path: Path) -> tuple[Channel, ...]:
    """Read the channels of a file laid out like ``channels.json``. Raises ValueError for a duplicate or invalid channel."""
    entries = json.loads(path.read_text(encoding="utf-8"))["channels"]
    channels = tuple(Channel(**entry) for entry in entries)
    if len({channel.name for channel in channels}) != len(channels):
        raise ValueError(f"{path}: a channel name repeats")
    for channel in channels:
        if channel.region not in REGIONS:
            raise ValueError(f"{path}: {channel.name} has the unknown region {channel.region}")
        if not channel.minimum <= channel.rest <= channel.maximum:
            raise ValueError(f"{path}: the rest of {channel.name} is outside its limits")
    return channels


@functools.cache
def face_channels() -> tuple[Channel, ...]:
    """Return the channels of the bundled face model, in the order of all its arrays (read once, at first use)."""
    return load_channels(Path(__file__).with_name("channels.json"))


@functools.cache
def face_channel_names() -> tuple[str, ...]:
    """Return the names of :func:`face_channels`, in order."""
    return tuple(channel.name for channel in face_channels())


def expand_sides(pose: dict[str, float], names: tuple[str, ...]) -> dict[str, float]:
    """Expand entries of a pose such as 'mouthSmile' into 'mouthSmileLeft' and 'mouthSmileRight'.

    Raises KeyError for an entry that is neither a channel in ``names`` nor a pair of them.
    """
    expanded: dict[str, float] = {}
    for name, value in pose.items():
        if name in names:
            expanded[name] = value
        elif f"{name}Left" in names and f"{name}Right" in names:
            expanded[f"{name}Left"] = expanded[f"{name}Right"] = value
        else:
            raise KeyError(name)
    return expanded
