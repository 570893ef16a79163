# SPDX-License-Identifier: GPL-3.0-or-later
"""From likelihoods to phones."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.face.phones import PHONES, TimedPhone, decode_phones

NAMES = ("SIL", "M", "AA")


def spoken(text: str) -> np.ndarray:
    """Return one row for each letter, '-' for silence; the likeliest phone has 0.6."""
    rows = np.array(["-MA".index(letter) for letter in text], np.int64)
    return np.where(np.arange(3) == rows[:, None], 0.6, 0.2).astype(np.float32)


def test_phones_are_the_likeliest_in_turn_without_silence() -> None:
    likelihood = spoken("---MMMAAAA--AA")
    before = likelihood.copy()
    wanted = (TimedPhone("M", 0.06, 0.12), TimedPhone("AA", 0.12, 0.2), TimedPhone("AA", 0.24, 0.28))
    assert decode_phones(likelihood, NAMES, 50.0) == wanted
    assert np.array_equal(likelihood, before)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("MMAMM", [("M", 0.0, 0.1)]),
        ("-MAM-", []),
        ("MM-MM", [("M", 0.0, 0.1)]),
        ("MM--MM", [("M", 0.0, 0.04), ("M", 0.08, 0.12)]),
        ("MMAAM", [("M", 0.0, 0.04), ("AA", 0.04, 0.08)]),
        ("", []),
        ("--", []),
        ("MM", [("M", 0.0, 0.04)]),
    ],
)
def test_stretches_below_40_milliseconds_are_left_out(text: str, wanted: list[tuple[str, float, float]]) -> None:
    found = decode_phones(spoken(text), NAMES, 50.0)
    assert [phone.phone for phone in found] == [phone for phone, _start, _end in wanted]
    assert np.allclose([(phone.start, phone.end) for phone in found], [times for _phone, *times in wanted])


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ValueError, match="do not go with 40 phones"):
        decode_phones(spoken("MM"), PHONES, 50.0)
    with pytest.raises(ValueError, match="0 rows a second"):
        decode_phones(spoken("MM"), NAMES, 0.0)
