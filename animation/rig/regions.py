# SPDX-License-Identifier: GPL-3.0-or-later
"""Guess the part of the face that a control moves, from its name alone."""

from __future__ import annotations

from .names import split_words
from .recognition import read_meaning

# Earlier parts win: 'cheekSquintEye' belongs to the cheek, 'jaw_mouth_open' to the jaw.
_REGION_OF = {
    "tongue": "tongue", "jaw": "jaw", "brow": "brows", "cheek": "cheeks", "nose": "nose", "eye": "eyes", "mouth": "lips",
    "viseme": "lips", "lip": "lips", "lips": "lips", "teeth": "jaw", "tooth": "jaw", "chin": "jaw", "lid": "eyes",
    "eyelid": "eyes", "head": "head", "neck": "head",
}  # fmt: skip


def guess_region(name: str) -> str | None:
    """Return the one of channels.REGIONS that a word of the name stands for, or None."""
    words = read_meaning(name).words | set(split_words(name))
    return next((region for word, region in _REGION_OF.items() if word in words), None)
