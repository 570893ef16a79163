# SPDX-License-Identifier: GPL-3.0-or-later
"""Which part of the face a control moves, from its name alone."""

from __future__ import annotations

from .names import split_words
from .recognition import read_meaning

# Earlier parts win: 'cheekSquintEye' is of the cheek, 'jaw_mouth_open' of the jaw.
_REGION_OF = {
    "tongue": "tongue", "jaw": "jaw", "brow": "brows", "cheek": "cheeks", "nose": "nose", "eye": "eyes", "mouth": "lips",
    "viseme": "lips", "lip": "lips", "lips": "lips", "teeth": "jaw", "tooth": "jaw", "chin": "jaw", "lid": "eyes",
    "eyelid": "eyes", "head": "head", "neck": "head",
}  # fmt: skip


def guess_region(name: str) -> str | None:
    """One of channels.REGIONS where the name has a word for a part of the face, else None."""
    words = read_meaning(name).words | set(split_words(name))
    return next((region for word, region in _REGION_OF.items() if word in words), None)
