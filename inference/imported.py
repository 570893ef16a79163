# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves from a file in the place of a model: what it holds, described as a model describes its channels."""

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
    """The curves of a file, the package that stands for it (its channels are the file's), and what to know about reading."""

    curves: ChannelCurves
    package: ModelPackage
    warnings: tuple[str, ...]

    @property
    def duration_seconds(self) -> float:
        """When the last row is, counted from the start."""
        return max(0.0, float(self.curves.seconds()[-1]))


def read_imported(path: str | Path, package: ModelPackage) -> Imported:
    """Read a file of curves in any of the known formats; ``package`` says what channels of the same names are.

    A channel that neither it nor the face model knows is a weight of no face part in particular. Raises InterchangeError.
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
