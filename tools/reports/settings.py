# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/settings.md: every setting of a take with its names, default and limits, from the one table.

``python -m voxrig.tools.reports.settings > docs/settings.md``, or ``make docs`` for all generated pages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from voxrig.takes.settings import Scope, Setting, TakeSettings, list_settings

INTRODUCTION = """\
# Settings

*Generated from `takes/settings.py` by `make docs`; edit that table, not this page.*

The panel, the Redo panel, the command line, batch tables and stored takes share one table of settings. *Runs again* says how
much is done when a setting changes: *hearing* runs the model, *shaping* moves its curves, *placing* sets keys, *writing* puts
them into the file. A batch column is called like the option, with underscores: `region_strength`."""

TABLES: tuple[tuple[str, str, type[Any]], ...] = (
    ("How a sound becomes keyframes", "TakeSettings", TakeSettings),
    ("What of a character may change", "Scope", Scope),
)


def write_page() -> str:
    """Return the page as Markdown."""
    blocks = [INTRODUCTION]
    for heading, name, owner in TABLES:
        blocks.append(f"## {heading}")
        blocks.append(f"Scripts set these in a `{name}` of `takes.settings`.")
        head = [
            "| in the panel | option | in scripts | default | values | runs again | what it does |",
            "|---|---|---|---|---|---|---|",
        ]
        blocks.append("\n".join([*head, *(_draw_row(row) for row in list_settings(owner))]))
    rows = [row for _heading, _name, owner in TABLES for row in list_settings(owner) if row.choices and row.kind == "choice"]
    for row in rows:
        blocks.append(f"## Values of {row.label}")
        table = ["| value | in the panel | meaning |", "|---|---|---|"]
        table += [f"| `{_option_value(choice.name)}` | {choice.label} | {choice.help} |" for choice in row.choices]
        blocks.append("\n".join(table))
    return "\n\n".join(blocks) + "\n"


def _draw_row(row: Setting) -> str:
    labels = ", ".join(dict.fromkeys(text.label for text in row.regions.values())) or (row.label if row.panel else "")
    options = ", ".join(f"`--{option}`" for option in (row.option, *row.shortcuts))
    return f"| {labels} | {options} | `{row.name}` | {_default(row)} | {_values(row)} | {row.step} | {_escape(row.help)} |"


def _default(row: Setting) -> str:
    if row.regions:
        return f"{row.resting:g}"
    if row.default is None or row.default in ((), {}):
        return ""
    if isinstance(row.default, bool):
        return "on" if row.default else "off"
    if isinstance(row.default, str):
        return f"`{_option_value(row.default)}`"
    return f"{row.default * row.option_divisor:g}"


def _values(row: Setting) -> str:
    """Return the limits in the unit of the option, or how a value is written."""
    if row.choices:
        return ", ".join(f"`{_option_value(choice.name)}`" for choice in row.choices)
    parts = list(_limits(row))
    written = (
        f"`{row.metavar}`" if row.metavar else "`REGION=NUMBER`" if row.regions else "yes or no" if row.kind == "switch" else ""
    )
    return " ".join(part for part in (written, *parts) if part)


def _limits(row: Setting) -> Iterator[str]:
    if not math.isinf(row.minimum) and abs(row.minimum) < 1e6:
        yield f"{row.minimum * row.option_divisor:g} to {row.maximum * row.option_divisor:g}"
    if row.option_unit:
        yield row.option_unit


def _option_value(name: str) -> str:
    return name.lower().replace("_", "-")


def _escape(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Print the page."""
    print(write_page(), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
