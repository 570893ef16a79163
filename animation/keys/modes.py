# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of ways to place keyframes, and of places for them.

Imports nothing, so that a command line may name them before numpy is loaded.
"""

from __future__ import annotations

from typing import NamedTuple


class Choice(NamedTuple):
    """One value of a setting with a few: its identifier, its label in the panel, and one phrase on it."""

    name: str
    label: str
    help: str


KEY_MODES = (
    Choice("SPARSE", "Sparse", "As few as the density allows, on extremes, closures and vowels"),
    Choice("EVERY", "Every Frame", "One on each frame: exactly the model's curves"),
    Choice("STEP", "Every Nth Frame", "On twos, on threes, or any other step"),
    Choice("POSES", "Poses", "Held poses on closures and wide vowels, for blocking"),
    Choice("SHOW", "Like the Show", "Where the animators of a trained show would set them; for models that learned it"),
)
MODES = tuple(mode.name for mode in KEY_MODES)

DENSITIES = range(1, 8)
"""Steps of the density slider, from fewest keys to most."""
DEFAULT_DENSITY = 4

OUTPUT_PLACES = (
    Choice("ACTION", "Active Action", "Keyframes in the character's Action; all its other keyframes stay"),
    Choice("NEW_ACTION", "New Action", "An Action of the take's own, played instead of the present one, which is kept"),
    Choice("NEW_SLOT", "New Slot", "A slot of the take's own in the character's Action, played instead of the present one"),
    Choice("STRIP", "NLA Strip", "A strip on a track of the take's own; the Action stays as it is"),
    Choice("LAYER", "Additive Layer", "A strip that adds to the Action and to the strips below it"),
)
OUTPUTS = tuple(place.name for place in OUTPUT_PLACES)
