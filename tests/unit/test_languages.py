# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling by the order of phones that a language is not English, and the table that it is told by."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.face.languages import FEWEST_PHONES, english_evidence
from voxrig.animation.face.phones import PHONE_INDEX, PHONES, SILENCE
from voxrig.training.corpora.languages import count_pairs, log_ratios

# I want to go home and then I'll go to bed.
ENGLISH = "AY W AA N T AH G OW HH OW M AH N D DH EH N AY L G OW T AH B EH D".split()
# Domani mattina andiamo al mercato a comprare il pane. / Я хочу пойти домой и потом спать.
OTHERS = (
    "D OW M AA N IY M AA T IY N AA N D IY AA M OW AA L M EH R K AA T OW AA K OW M P R AA R EH IY L P AA N EH".split(),
    "Y AA HH AA CH UW P AA Y T IY D AA M OY IY P AA T OW M S P AA T".split(),
)


def test_english_is_told_from_italian_and_russian() -> None:
    english = english_evidence(ENGLISH)
    assert english is not None and english > 5.0
    for phones in OTHERS:
        other = english_evidence(phones)
        assert other is not None and other < -5.0


def test_silence_and_repetition_change_nothing_and_few_phones_say_nothing() -> None:
    assert english_evidence([SILENCE, *ENGLISH, SILENCE]) == pytest.approx(english_evidence(ENGLISH))
    assert english_evidence([ENGLISH[0], *ENGLISH]) == pytest.approx(english_evidence(ENGLISH))
    assert english_evidence(ENGLISH[: FEWEST_PHONES - 1]) is None
    assert english_evidence([]) is None


class Spoken:
    """As much of a clip as is counted."""

    def __init__(self, language: str, text: str) -> None:
        self.language = language
        self.phone = np.array([PHONE_INDEX[phone] for phone in text.split()], np.uint8)


def test_the_table_says_which_pairs_are_english() -> None:
    clips = [Spoken("en", "SIL DH AH SIL AH DH AH"), *[Spoken(name, "T S T S") for name in ("de", "ru")]]
    counts = count_pairs(clips * 50)  # type: ignore[arg-type]
    names = [phone for phone in PHONES if phone != SILENCE]
    the, ts = (names.index("DH"), names.index("AH")), (names.index("T"), names.index("S"))
    assert counts["en"][the] == 100 and counts["en"].sum() == 150, "across silence, without repetition"
    ratios = log_ratios(counts)
    assert ratios[the] > 1.0 and ratios[ts] < -1.0
    assert np.isfinite(ratios).all()
