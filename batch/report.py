# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the report page of a batch: one self-contained file, except for films, which are beside it."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..animation.script.alignment import FITTING
from ..storage.writing import write_whole
from .jobs import Line
from .journal import JournalError, Outcome

_WIDTH, _HEIGHT = 420, 84
_TRACKS = (("jaw", "#b5533c"), ("lips", "#3b6ea5"), ("rounding", "#6a8f3c"))

_STYLE = """
:root { color-scheme: light dark; }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4em .7em; border-bottom: 1px solid #8884; }
th { position: sticky; top: 0; background: Canvas; cursor: pointer; white-space: nowrap; }
th[aria-sort=ascending]::after { content: " \\25b4"; } th[aria-sort=descending]::after { content: " \\25be"; }
.number { text-align: right; } .failed { color: #c0392b; } .warned { color: #b9770e; } .done { color: #2e7d32; }
ul { margin: 0; padding-left: 1.1em; } svg { display: block; background: #8881; } img { height: 90px; } video { height: 160px; }
.words { max-width: 420px; margin: .2em 0 0; font-size: 12px; } .unheard { color: #c0392b; text-decoration: line-through; }
"""

_SCRIPT = """
function sortRows(rows, column, descending) {
  const value = row => row.cells[column].dataset.value;
  const numeric = rows.every(row => value(row) === "" || !isNaN(value(row)));
  const order = (a, b) => numeric ? Number(value(a)) - Number(value(b)) : value(a).localeCompare(value(b));
  return rows.map((row, place) => [row, place])
    .sort((a, b) => (descending ? -1 : 1) * order(a[0], b[0]) || a[1] - b[1]).map(pair => pair[0]);
}
if (typeof document !== "undefined") {
  const heads = [...document.querySelectorAll("th")], body = document.querySelector("tbody");
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const descending = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.append(...sortRows([...body.rows], column, descending));
  }));
}
"""

_COLUMNS = ("Line", "Name", "State", "Look at", "Seconds", "Frames", "Keys", "Sound, <b style='color:#b5533c'>jaw</b>, "
            "<b style='color:#3b6ea5'>lips</b>, <b style='color:#6a8f3c'>rounding</b>", "Face")  # fmt: skip


def write_report(folder: Path, lines: Sequence[Line], outcomes: Sequence[Outcome | None]) -> Path:
    """Write ``report.html`` in ``folder``, completely or not at all; failures come first, then warnings.

    Raises JournalError.
    """
    rows = sorted(zip(lines, outcomes), key=lambda row: (_rank(row[1]), row[0].number))
    failed = sum(_rank(outcome) == 0 for outcome in outcomes)
    warned = sum(_rank(outcome) == 1 for outcome in outcomes)
    head = f"{len(lines) - failed} of {len(lines)} lines done, {warned} of them with something to look at, {failed} failed"
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Voxrig batch: {head}</title>\n'
        f"<style>{_STYLE}</style></head><body>\n<h1>Voxrig batch</h1>\n<p>{head}. Click a heading to sort.</p>\n"
        "<table><thead><tr>"
        + "".join(f"<th>{name}</th>" for name in _COLUMNS)
        + "</tr></thead><tbody>\n"
        + "\n".join(_row(folder, line, outcome) for line, outcome in rows)
        + f"\n</tbody></table>\n<script>{_SCRIPT}</script></body></html>\n"
    )
    path = folder / "report.html"
    try:
        write_whole(path, page)
    except OSError as error:
        raise JournalError(f"The page {path} cannot be written ({error.strerror}); choose another folder") from None
    return path


def _rank(outcome: Outcome | None) -> int:
    return 0 if outcome is None or outcome.why else 1 if outcome.warnings else 2


def _row(folder: Path, line: Line, outcome: Outcome | None) -> str:
    state = ("failed", "warned", "done")[_rank(outcome)]
    facts: dict[str, Any] = outcome.facts if outcome is not None else {}
    sentences = [outcome.why, *outcome.warnings] if outcome is not None else ["not done yet"]
    notes = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences if sentence)
    source, name = html.escape(line.audio or line.curves), html.escape(line.name)

    def number(name: str) -> str:
        value = html.escape(str(facts.get(name, "")))
        return f'<td class="number" data-value="{value}">{value}</td>'

    return (
        f'<tr><td class="number" data-value="{line.number}">{line.number}</td>'
        f'<td data-value="{name}" title="{source}">{name}<br><small>{html.escape(line.character)}</small></td>'
        f'<td class="{state}" data-value="{_rank(outcome)}">{state}</td>'
        f'<td data-value="{len(sentences) if notes else 0}"><ul>{notes}</ul></td>'
        f"{number('seconds')}{number('frames')}{number('keys')}"
        f'<td data-value="{_loudness(facts)}">{draw_tracks(facts.get("tracks", {}))}{_words(facts)}</td>'
        f'<td data-value="">{_pictures(folder, facts)}{_film(folder, line, outcome)}</td></tr>'
    )


def _loudness(facts: dict[str, Any]) -> str:
    sound = facts.get("tracks", {}).get("sound", [])
    return str(max(sound)) if sound else ""


def _words(facts: dict[str, Any]) -> str:
    """Write what is said; a word that is not heard is struck out, and the pointer over a word shows its second."""
    words = [
        f'<span{"" if confidence >= FITTING else " class=unheard"} title="{seconds:.2f} s, {confidence:.0%}">'
        f"{html.escape(text)}</span>"
        for text, seconds, confidence in facts.get("words", ())
    ]
    return f'<p class="words">{" ".join(words)}</p>' if words else ""


def draw_tracks(tracks: dict[str, list[int]]) -> str:
    """Draw the sound as a filled shape and the main channels as lines over it, as SVG."""
    if not tracks:
        return ""
    parts = [f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}">']
    sound = tracks.get("sound", [])
    if sound:
        step, middle = _WIDTH / len(sound), _HEIGHT / 2
        above = [f"{i * step:.1f},{middle - value / 100 * middle:.1f}" for i, value in enumerate(sound)]
        below = [f"{i * step:.1f},{middle + value / 100 * middle:.1f}" for i, value in enumerate(sound)]
        parts.append(f'<polygon fill="#8886" points="{" ".join([*above, *reversed(below)])}"/>')
    for name, colour in _TRACKS:
        values = tracks.get(name, [])
        points = " ".join(
            f"{i * _WIDTH / max(1, len(values) - 1):.1f},{_HEIGHT - 2 - value / 100 * (_HEIGHT - 4):.1f}"
            for i, value in enumerate(values)
        )
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>')
    return "".join([*parts, "</svg>"])


def _pictures(folder: Path, facts: dict[str, Any]) -> str:
    found = [folder / "sheets" / name for name in facts.get("sheet", ())]
    return "".join(
        f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}">'
        for path in found
        if path.is_file()
    )


def _film(folder: Path, line: Line, outcome: Outcome | None) -> str:
    if not line.output_film or outcome is None or outcome.why:
        return ""
    place = html.escape(Path(os.path.relpath(line.output_film, folder)).as_posix())
    return f'<br><video controls preload="none" src="{place}"></video>'
