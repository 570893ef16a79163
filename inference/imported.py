# SPDX-License-Identifier: GPL-3.0-or-later
"""Read curves from a file in place of a model, and describe its channels as a model does."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..animation.curves import ChannelCurves
from ..animation.face.channels import Channel, face_channels
from ..animation.interchange import ImportedCurves, import_curves
from ..animation.life.channels import CHANNELS as LIFE_CHANNELS
from ..errors import InterchangeError


@dataclass(frozen=True)
class Imported:
    """The curves of a file, its name, a description of each channel, and sentences on what was lost in reading."""

    curves: ChannelCurves
    title: str
    channels: tuple[Channel, ...]
    warnings: tuple[str, ...]

    @property
    def duration_seconds(self) -> float:
        """Time of the last row, counted from the start."""
        return max(0.0, float(self.curves.seconds()[-1]))


def read_imported(path: str | Path, known_channels: Iterable[Channel] = ()) -> Imported:
    """Read a file of curves in any of the known formats; ``known_channels`` describe channels of the same names.

    A channel that neither they nor the face model describe is a weight of no face part in particular. Raises InterchangeError.
    """
    path = Path(path)
    try:
        status = path.stat()
    except OSError as error:
        raise InterchangeError(f"{path} cannot be read ({error.strerror}); choose it again") from None
    imported = _import(path, status.st_mtime_ns, status.st_size)
    known = {channel.name: channel for channel in (*LIFE_CHANNELS, *face_channels(), *known_channels)}
    curves = imported.curves
    channels = tuple(known.get(name) or _describe(name, curves.values[:, column]) for column, name in enumerate(curves.names))
    return Imported(curves, path.name, channels, imported.warnings)


@functools.lru_cache(maxsize=2)
def _import(path: Path, _changed: int, _size: int) -> ImportedCurves:
    return import_curves(path)


def _describe(name: str, values: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Channel:
    least, most = float(min(values.min(), 0.0)), float(max(values.max(), 1.0))
    return Channel(name, "", "viseme" if name.startswith("viseme_") else "face", 0.0, least, most, "weight")
