# SPDX-License-Identifier: GPL-3.0-or-later
"""Model packages of a session: their descriptions, read again when they change, and the open one."""

from __future__ import annotations

import functools
import threading
from pathlib import Path

from ..errors import ModelError
from ..inference.diffusion import Drawer, open_drawer
from ..inference.package import ModelPackage, load_package, read_description
from ..inference.session import Session, default_threads, open_session


def describe_package(folder: str | Path) -> ModelPackage:
    """Return the contents of ``model.json``, read again only if the file has changed. Raises ModelError."""
    try:
        status = (Path(folder) / "model.json").stat()
    except OSError:
        return read_description(folder)
    return _read_description(Path(folder), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=16)
def _read_description(folder: Path, _changed: int, _size: int) -> ModelPackage:
    return read_description(folder)


_opened: dict[tuple[object, ...], Session] = {}
_opening = threading.Lock()


def open_model(folder: Path, provider: str, threads: int | None) -> Session:
    """Return the model, checked and ready. Raises ModelError.

    The last one stays open, because opening takes longer than a short line of speech.
    """
    with _opening:
        key = model_key(folder, provider, threads)
        if key not in _opened:
            opened = open_session(load_package(folder), provider, threads)
            _opened.clear()
            _opened[key] = opened
        return _opened[key]


_drawers: dict[tuple[object, ...], Drawer] = {}


def open_drawing(folder: Path, threads: int | None) -> Drawer:
    """Return the graph of a model that draws takes, ready to run. Raises ModelError if the model has none."""
    with _opening:
        key = model_key(folder, "CPU", threads)
        if key not in _drawers:
            package = load_package(folder)
            if package.drawing is None:
                raise ModelError(f"Model '{package.title}' draws no takes; train one with network = 'diffusion'")
            opened = open_drawer(folder, package.drawing, package.name, threads or default_threads())
            _drawers.clear()
            _drawers[key] = opened
        return _drawers[key]


def model_key(folder: Path, provider: str, threads: int | None) -> tuple[object, ...]:
    """Return everything that an open model depends on: its files, and where it runs. Raises OSError."""
    stamps = tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(folder.glob("*")))
    return folder, stamps, provider, threads
