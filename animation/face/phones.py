# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of phones: silence, then ARPAbet without stress digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SILENCE = "SIL"

# The 39 phones of the CMU Pronouncing Dictionary, which are also those of the aligner's acoustic model. The order is part of
# every trained model (model.json repeats it), so new phones may only be appended.
PHONES: tuple[str, ...] = (
    SILENCE,
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY",
    "F", "G", "HH", "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P",
    "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip

PHONE_INDEX: dict[str, int] = {phone: index for index, phone in enumerate(PHONES)}

VOWELS: frozenset[str] = frozenset(("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"))

BILABIALS: frozenset[str] = frozenset(("P", "B", "M"))

TONGUE_CONSONANTS: frozenset[str] = frozenset(
    ("T", "D", "K", "G", "N", "NG", "S", "Z", "SH", "ZH", "CH", "JH", "L", "R", "TH", "DH", "HH")
)
"""Phones made without the lips, which keep the shape of their neighbours."""


@dataclass(frozen=True, slots=True)
class TimedPhone:
    """One phone and when it sounds: ``start`` and ``end`` in seconds, ``stress`` 0 none, 1 primary, 2 secondary.

    Only vowels have stress; 0 also stands for unknown stress.
    """

    phone: str
    start: float
    end: float
    stress: int = 0


SHORTEST_SECONDS = 0.04
"""A shorter run of likeliest phones is doubt between two phones rather than a phone."""


def decode_phones(
    likelihood: ArrayLike, names: Sequence[str], frame_rate: float, *, shortest_seconds: float = SHORTEST_SECONDS
) -> tuple[TimedPhone, ...]:
    """Decode the likeliest phones in turn, without silence, from ``[time, phone]`` with one column for each of ``names``.

    A stretch shorter than ``shortest_seconds`` is dropped, and equal phones on both sides of it are joined. Seconds count from
    row 0. Raises ValueError if the shapes disagree or the rate is not positive.
    """
    p = np.asarray(likelihood)
    if p.ndim != 2 or p.shape[1] != len(names):
        raise ValueError(f"likelihoods {p.shape} do not go with {len(names)} phones")
    if not frame_rate > 0:
        raise ValueError(f"{frame_rate} rows a second is not positive")
    best: NDArray[np.int64] = p.argmax(axis=1) if len(p) else np.zeros(0, np.int64)
    first = np.flatnonzero(np.diff(best, prepend=-1))
    last = np.append(first[1:], best.size)[: first.size]
    long = last - first >= shortest_seconds * frame_rate - 1e-6
    first, last = first[long], last[long]
    begins = np.diff(best[first], prepend=-1) != 0
    ends = np.append(begins[1:], True)[: first.size]
    found: list[int] = best[first[begins]].tolist()
    spans = zip(found, first[begins].tolist(), last[ends].tolist(), strict=True)
    phones = (TimedPhone(names[phone], begin / frame_rate, end / frame_rate) for phone, begin, end in spans)
    return tuple(phone for phone in phones if phone.phone != SILENCE)
