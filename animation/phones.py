# SPDX-License-Identifier: GPL-3.0-or-later
"""The one list of phones: ARPAbet without stress digits, and silence first."""

from __future__ import annotations

from dataclasses import dataclass

SILENCE = "SIL"

# The 39 phones of the CMU Pronouncing Dictionary, which is also what the aligner's acoustic model knows.
# The order is part of every trained model (model.json repeats it), so new phones may only be appended.
PHONES: tuple[str, ...] = (
    SILENCE,
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY",
    "F", "G", "HH", "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P",
    "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip

PHONE_INDEX: dict[str, int] = {phone: index for index, phone in enumerate(PHONES)}

VOWELS: frozenset[str] = frozenset(("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"))

TONGUE_CONSONANTS: frozenset[str] = frozenset(
    ("T", "D", "K", "G", "N", "NG", "S", "Z", "SH", "ZH", "CH", "JH", "L", "R", "TH", "DH", "HH")
)
"""Made without the lips, which stay where the neighbours have them."""


@dataclass(frozen=True, slots=True)
class TimedPhone:
    """One phone and when it sounds: ``start`` and ``end`` in seconds, ``stress`` 0 none, 1 primary, 2 secondary.

    Stress is only ever given to vowels; 0 also stands for stress that nobody knows.
    """

    phone: str
    start: float
    end: float
    stress: int = 0
