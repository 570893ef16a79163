# SPDX-License-Identifier: GPL-3.0-or-later
"""One value for every setting that is not its default, as text that options and cells share."""

from __future__ import annotations

from voxrig.takes.settings import Setting

_BY_KIND = {
    "switch": "yes",
    "channels": "mouthPucker=0.7,0.05",
    "emotions": "joy=0.5",
    "emotion": "0.5",
    "flags": "brows",
    "text": "Bob",
    "script": "[angry 0.6] You *really* came, Bob?",
    "cues": "nod@1.2; look Bob@2.5; brows*0.5@3; blink@2.4>",
}


def example_text(row: Setting) -> str:
    """Return a value of the setting, other than its default, as it is typed."""
    if row.kind in _BY_KIND:
        return _BY_KIND[row.kind]
    if row.kind == "choice":
        return next(choice.name for choice in reversed(row.choices) if choice.name != row.default).lower().replace("_", "-")
    if row.kind == "regions":
        return f"brows={example_number(row):g}"
    return f"{example_number(row) * row.option_divisor:g}"


def example_number(row: Setting) -> float:
    """Return a number of the setting, other than its default, that single precision holds."""
    if row.kind == "whole":
        return min(row.maximum, max(row.minimum, (row.default or 0) + 3))
    # An eighth of the way from the default to the upper end, or a quarter frame.
    upper = row.maximum if row.maximum < 1000 else 16.0
    default = row.resting if row.kind == "regions" else row.default or 0.0
    return default + 0.125 * (upper - default)
