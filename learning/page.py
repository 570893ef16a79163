# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the report on a collected show as one self-contained HTML file with text, tables and SVG drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..animation.face.channels import REGIONS
from ..errors import ShowError
from ..storage.writing import write_whole
from .quality import (
    LAG_SECONDS,
    ControlQuality,
    ShotQuality,
    ShowQuality,
    emotion_minutes,
    inspect_show,
    lag_axis,
    missing_seconds,
)

REPORT_FILE = "report.html"

# Of a long shot only the first seconds are drawn over time, so that syllables are visible.
_TRACK_SECONDS = 30.0
_COLOURS: dict[str, str] = dict(
    zip(REGIONS, ("#c0504d", "#d98032", "#b05a86", "#b0913a", "#6f8f3a", "#3d8f86", "#3a6fb0", "#6a5aa8"))
)
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1080px;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}small,.dim{color:#666}
table{border-collapse:collapse;width:100%}td,th{padding:.25rem .6rem;text-align:left;border-bottom:1px solid #e4e4e4}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.bad{color:#b3261e;font-weight:600}
ul.problems li{margin:.3rem 0}svg{display:block;max-width:100%}svg text{font:12px system-ui,sans-serif;fill:#444}
.figures span{display:inline-block;margin-right:2.2rem}.figures b{display:block;font-size:1.5rem}
"""


@dataclass(frozen=True)
class Report:
    """The page that was written, and its figures."""

    path: Path
    quality: ShowQuality

    def summary(self) -> str:
        """Summarise the whole show in one line."""
        return self.quality.summary()


def write_report(folder: str | Path, path: str | Path | None = None) -> Report:
    """Inspect a dataset folder and write the findings as a page, beside the shots unless ``path`` is given.

    Raises ShowError if there is nothing to report or the page cannot be written.
    """
    quality = inspect_show(folder)
    path = Path(folder) / REPORT_FILE if path is None else Path(path)
    try:
        write_whole(path, draw_page(quality))
    except OSError as error:
        raise ShowError(f"{path} cannot be written ({error.strerror}); choose another place") from None
    return Report(path, quality)


def draw_page(quality: ShowQuality) -> str:
    """Draw the whole page."""
    show = quality.show
    title = f"Show report: {escape(show.rig)}"
    figures = [
        (f"{show.minutes:.1f}", "minutes with sound"),
        (str(len(quality.shots)), "shots"),
        (str(len(quality.controls)), "controls that move"),
        (str(len(show.still)), "never move, left out"),
        (f"{missing_seconds(show):.0f} s", "without sound"),
    ]
    parts = [
        f"<h1>{title}</h1><p class=figures>",
        *(f"<span><b>{number}</b>{what}</span>" for number, what in figures),
        "</p>",
        _draw_problems(quality),
        "<h2>Shots</h2>",
        _draw_shots(quality.shots),
        "<h2>Sound and motion</h2><p class=dim>How well the face's motion agrees with the loudness of the sound when moved "
        "against it. The peaks should stand above each other; right of 0 the face is later than the sound.</p>",
        _draw_lags(quality.shots),
        "<p class=dim>The first half minute of each shot. Grey: loudness. Line: the loudness that the motion suggests, by "
        "what the other shots show.</p>",
        *(_draw_track(shot) for shot in quality.shots),
        "<h2>Controls</h2><p class=dim>Range: lowest and highest value within the control's limits. Activity: ranges moved "
        "in a second. Moving: share of frames.</p>",
        *(_draw_region(region, quality) for region in REGIONS),
    ]
    if show.still:
        parts.append(f"<h2>Never move</h2><p class=dim>{escape(', '.join(show.still))}</p>")
    minutes = emotion_minutes(show)
    if minutes:
        listed = ", ".join(f"{escape(name)} {value:.1f}" for name, value in minutes.items())
        parts.append(f"<h2>Emotions</h2><p>Minutes: {listed}</p>")
    body = "\n".join(parts)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>'
        f"<body>\n{body}\n</body></html>\n"
    )


def _draw_problems(quality: ShowQuality) -> str:
    if not quality.all_problems:
        return "<h2>Remarks</h2><p>None: nothing seems wrong.</p>"
    unusable = "".join(f"<li class=bad>{escape(text)}</li>" for text in quality.left_out)
    others = "".join(f"<li>{escape(text)}</li>" for text in quality.all_problems[len(quality.left_out) :])
    return f"<h2>Remarks</h2><ul class=problems>{unusable}{others}</ul>"


def _draw_shots(shots: Sequence[ShotQuality]) -> str:
    rows = ["<table><tr><th>Shot<th class=n>Seconds<th class=n>Frames/s<th class=n>Lag<th class=n>r<th class=n>Silence"
            "<th class=n>Clipped<th class=n>Held frames<th>Emotions<th>Sound</tr>"]  # fmt: skip
    for item in shots:
        shot = item.shot
        name = f"<span class=bad>{escape(shot.name)}</span>" if item.problems else escape(shot.name)
        lag = f"{item.lag_seconds * shot.frame_rate:+.0f} fr"
        rows.append(
            f"<tr><td>{name}<td class=n>{shot.common_seconds:.1f}<td class=n>{shot.frame_rate:g}<td class=n>{lag}"
            f"<td class=n>{item.lag_r:.2f}<td class=n>{item.silent_share:.0%}<td class=n>{item.clipped_share:.2%}"
            f"<td class=n>{item.held_share:.0%}<td>{escape(', '.join(shot.emotions))}<td>{escape(shot.sound_file)}</tr>"
        )
    return "".join(rows) + "</table>"


def _polyline(x: NDArray[np.float64], y: NDArray[np.float64], colour: str, width: float = 1.5) -> str:
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def _draw_lags(shots: Sequence[ShotQuality]) -> str:
    """Draw correlation against lag, a line for every shot; those with remarks in red."""
    width, height, left, bottom = 1040, 260, 40, 30
    plot_width, plot_height = width - left - 10, height - bottom - 10

    def place_x(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        return left + (seconds + LAG_SECONDS) / (2 * LAG_SECONDS) * plot_width

    def place_y(r: NDArray[np.float64]) -> NDArray[np.float64]:
        return 10 + (1.0 - (np.clip(r, -0.5, 1.0) + 0.5) / 1.5) * plot_height

    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">']
    for r in (-0.5, 0.0, 0.5, 1.0):
        y = float(place_y(np.array([r]))[0])
        parts.append(f'<line x1="{left}" x2="{width - 10}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>'
                     f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{r:g}</text>')  # fmt: skip
    for milliseconds in range(-600, 601, 200):
        x = float(place_x(np.array([milliseconds / 1000.0]))[0])
        stroke = "#999" if milliseconds == 0 else "#eee"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="10" y2="{height - bottom}" stroke="{stroke}"/>'
                     f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle">{milliseconds:+d} ms</text>')  # fmt: skip
    for item in sorted(shots, key=lambda item: bool(item.problems)):
        colour = "#b3261e" if item.problems else "#3a6fb0"
        axis = lag_axis(item.shot.frame_rate)
        parts.append(_polyline(place_x(axis), place_y(item.by_lag), colour))
        x, y = place_x(np.array([item.lag_seconds]))[0], place_y(np.array([item.lag_r]))[0]
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{escape(item.shot.name)}</title></circle>'
        )
        if item.problems:
            parts.append(f'<text x="{x + 7:.1f}" y="{y - 5:.1f}" style="fill:{colour}">{escape(item.shot.name)}</text>')
    return "".join(parts) + "</svg>"


def _draw_track(item: ShotQuality) -> str:
    """Draw loudness and motion of a shot over time."""
    width, height = 1040, 80
    count = min(len(item.loudness), round(_TRACK_SECONDS * item.shot.frame_rate))
    x = np.linspace(0.0, width, count)

    def place(values: NDArray[np.float64]) -> NDArray[np.float64]:
        low, high = np.percentile(values, [2, 98])
        share = np.clip((values[:count] - low) / max(high - low, 1e-6), 0.0, 1.0)
        return height - 1 - (height - 22) * share

    loud, motion = place(item.loudness), place(item.motion)
    area = f"0,{height} " + " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, loud)) + f" {width},{height}"
    colour = "#b3261e" if item.problems else "#3a6fb0"
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f'<polygon points="{area}" fill="#dcdcdc"/>{_polyline(x, motion, colour, 1.2)}'
        f'<text x="4" y="12">{escape(item.shot.name)}</text></svg>'
    )


def _draw_region(region: str, quality: ShowQuality) -> str:
    """Draw the controls of a face part: their range within their limits, and how much they move."""
    limits = {control.name: (control.minimum, control.maximum) for control in quality.show.controls}
    found: list[ControlQuality] = [control for control in quality.controls if control.region == region]
    if not found:
        return ""
    row, top, name_width, bar_width, activity_x = 20, 22, 300, 340, 700
    most = max(control.activity for control in quality.controls)
    parts = [
        f'<h3>{region.title()} <small>{len(found)}</small></h3><svg viewBox="0 0 1040 {top + row * len(found)}" width="1040" '
        f'height="{top + row * len(found)}" role="img"><text x="{name_width}" y="12">range</text>'
        f'<text x="{activity_x}" y="12">activity</text><text x="{activity_x + 270}" y="12">moving</text>'
    ]
    for number, control in enumerate(sorted(found, key=lambda control: -control.activity)):
        y = top + number * row
        low, high = limits[control.name]
        start, end = ((value - low) / (high - low) * bar_width for value in (control.lowest, control.highest))
        length = 180 * control.activity / max(most, 1e-9)
        parts.append(
            f'<text x="{name_width - 8}" y="{y + 12}" text-anchor="end">{escape(control.name[:44])}</text>'
            f'<rect x="{name_width}" y="{y + 2}" width="{bar_width}" height="12" fill="#efefef"/>'
            f'<rect x="{name_width + start:.1f}" y="{y + 2}" width="{max(end - start, 1):.1f}" height="12" '
            f'fill="{_COLOURS[region]}"><title>{control.lowest:.3g} to {control.highest:.3g}</title></rect>'
            f'<rect x="{activity_x}" y="{y + 2}" width="{length:.1f}" height="12" fill="#8a8a8a"/>'
            f'<text x="{activity_x + length + 6:.1f}" y="{y + 12}">{control.activity:.2f}/s</text>'
            f'<text x="{activity_x + 270}" y="{y + 12}">{control.moving_share:.0%}</text>'
        )
    return "".join(parts) + "</svg>"
