# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves from a file in place of a model: its content, described as a model describes its channels."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..animation.curves import ChannelCurves
from ..animation.face.channels import Channel, face_channels
from ..animation.interchange import ImportedCurves, import_curves
from ..errors import InterchangeError
from .package import ModelPackage


@dataclass(frozen=True)
class Imported:
    """The curves of a file, the package that represents it (with the file's channels), and notes on how it was read."""

    curves: ChannelCurves
    package: ModelPackage
    warnings: tuple[str, ...]

    @property
    def duration_seconds(self) -> float:
        """Time of the last row, counted from the start."""
        return max(0.0, float(self.curves.seconds()[-1]))


def read_imported(path: str | Path, package: ModelPackage) -> Imported:
    """Read a file of curves in any of the known formats; ``package`` describes channels of the same names.

    A channel unknown to both it and the face model becomes a weight without a specific face part. Raises InterchangeError.
    """
    path = Path(path)
    try:
        status = path.stat()
    except OSError as error:
        raise InterchangeError(f"{path} cannot be read ({error.strerror}); choose it again") from None
    imported = _import(path, status.st_mtime_ns, status.st_size)
    known = {channel.name: channel for channel in (*face_channels(), *package.channels)}
    curves = imported.curves
    channels = tuple(known.get(name) or _describe(name, curves.values[:, column]) for column, name in enumerate(curves.names))
    stands_for = replace(package, title=path.name, channels=channels, emotions=(), phones=(), expression_rules=False)
    return Imported(curves, stands_for, imported.warnings)


@functools.lru_cache(maxsize=2)
def _import(path: Path, _changed: int, _size: int) -> ImportedCurves:
    return import_curves(path)


def _describe(name: str, values: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Channel:
    least, most = float(min(values.min(), 0.0)), float(max(values.max(), 1.0))
    return Channel(name, "", "viseme" if name.startswith("viseme_") else "face", 0.0, least, most, "weight")
