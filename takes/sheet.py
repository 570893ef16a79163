# SPDX-License-Identifier: GPL-3.0-or-later
"""The contact sheet of takes: one page with faces and curves of several takes of a line, side by side in time."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError
from ..storage.writing import write_whole

COLOURS = {"mouth": "#b5533c", "eyes": "#3b6ea5", "brows": "#6a8f3c", "head": "#8a5fa8"}
"""Tracks of a take, by face part."""

_WIDTH, _HEIGHT = 720, 96
_STYLE = """
:root { color-scheme: light dark; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5em; }
section { border-top: 1px solid #8884; padding: .6em 0; } h2 { margin: .1em 0; font-size: 1.05em; }
small { color: #888; } svg { display: block; background: #8881; margin-top: .3em; } img { margin-right: 4px; }
"""


@dataclass(frozen=True)
class SheetTake:
    """A row of the sheet: faces are pictures (JPEG), tracks are curves ``[frame]`` by face part in the sheet's own scale."""

    title: str
    about: str
    is_favourite: bool = False
    faces: tuple[bytes, ...] = ()
    tracks: Mapping[str, NDArray[np.float64]] = field(default_factory=dict[str, NDArray[np.float64]])


def write_sheet(path: str | Path, title: str, frames: Sequence[int], first_frame: int, takes: Sequence[SheetTake]) -> None:
    """Write the page; the pictures are of ``frames``, the tracks begin at ``first_frame``. Raises RigError."""
    legend = ", ".join(f"<b style='color:{colour}'>{name}</b>" for name, colour in COLOURS.items())
    where = f", pictures of the frames {', '.join(map(str, frames))}, where they differ most" if frames else ""
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head><body>\n<h1>{html.escape(title)}</h1>\n<p>{len(takes)} takes: {legend}{where}</p>\n"
        + "\n".join(_row(take, frames, first_frame) for take in takes)
        + "\n</body></html>\n"
    )
    try:
        write_whole(Path(path), page)
    except OSError as error:
        raise RigError(f"The page {path} cannot be written ({error.strerror}); choose another place") from None


def _row(take: SheetTake, frames: Sequence[int], first_frame: int) -> str:
    star = "&#9733; " if take.is_favourite else ""
    faces = "".join(
        f'<img alt="frame {frame}" src="data:image/jpeg;base64,{base64.b64encode(face).decode()}">'
        for frame, face in zip(frames, take.faces)
    )
    return (
        f"<section><h2>{star}{html.escape(take.title)} <small>{html.escape(take.about)}</small></h2>{faces}"
        f"{draw_tracks(take.tracks, [frame - first_frame for frame in frames])}</section>"
    )


def draw_tracks(tracks: Mapping[str, NDArray[np.float64]], marks: Sequence[int] = ()) -> str:
    """Draw tracks in 0..1 as lines of SVG, each in its band, with a vertical line at each of ``marks`` (rows)."""
    drawn = [(name, np.asarray(values, np.float64)) for name, values in tracks.items() if len(values) > 1]
    if not drawn:
        return ""
    band = _HEIGHT / len(drawn)
    step = _WIDTH / (len(drawn[0][1]) - 1)
    parts = [f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">']
    parts += [f'<line x1="{m * step:.1f}" x2="{m * step:.1f}" y1="0" y2="{_HEIGHT}" stroke="#8886"/>' for m in marks]
    for place, (name, values) in enumerate(drawn):
        heights = band * (place + 1) - 2 - np.clip(values, 0.0, 1.0) * (band - 4)
        points = " ".join(f"{x * step:.1f},{y:.1f}" for x, y in enumerate(heights.tolist()))
        colour = COLOURS.get(name, "#888")
        line = f'<polyline fill="none" stroke="{colour}" stroke-width="1.3" points="{points}">'
        parts.append(f"{line}<title>{html.escape(name)}</title></polyline>")
    return "".join([*parts, "</svg>"])


def scale_tracks(takes: Sequence[Mapping[str, NDArray[np.float64]]]) -> list[dict[str, NDArray[np.float64]]]:
    """Scale tracks to 0..1 over all takes, so that they can be compared."""
    scaled: list[dict[str, NDArray[np.float64]]] = [{} for _ in takes]
    for name in dict.fromkeys(name for take in takes for name in take):
        values = [take[name] for take in takes if name in take]
        low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
        for made, take in zip(scaled, takes):
            if name in take:
                made[name] = (take[name] - low) / max(high - low, 1e-9)
    return scaled


def choose_moments(takes: Sequence[Mapping[str, NDArray[np.float64]]], count: int) -> list[int]:
    """Choose rows at which scaled tracks of the takes differ most, apart from one another and in order."""
    names = [name for name in takes[0] if all(name in take for take in takes)] if takes else []
    if not names:
        return []
    rows = min(len(take[name]) for take in takes for name in names)
    spread = np.zeros(rows)
    for name in names:
        together = np.stack([take[name][:rows] for take in takes])
        spread += together.std(axis=0) if len(takes) > 1 else np.abs(together[0] - together[0].mean())
    apart = max(1, rows // (2 * max(count, 1)))
    chosen: list[int] = []
    for row in np.argsort(-spread, kind="stable").tolist():
        if len(chosen) < count and all(abs(row - other) >= apart for other in chosen):
            chosen.append(row)
    return sorted(chosen)
