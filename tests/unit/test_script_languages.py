# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of thirteen languages by espeak-ng, hand-picked for their lips, and its voice."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.script.pronouncing import pronounce_script
from voxrig.animation.script.text import parse_line
from voxrig.errors import ScriptError
from voxrig.inference import espeak

# The lips of each word: B for p b m, F for f v, U for rounded vowels and w, '-' for the rest.
WORDS = {
    "de": {"B\u00e4ume": "BUB-", "fr\u00fch": "F-U", "Wasser": "F---", "\u00fcber": "UB-", "Apfel": "-BF--"},
    "fr": {"peuple": "BUB-", "beau": "BU", "femme": "F-B", "vin": "F-", "bonjour": "BU-U-"},
    "es": {"ma\u00f1ana": "B-----", "jefe": "--F-", "queso": "---U", "padre": "B----", "fuma": "FUB-"},
    "it": {"bambino": "B-BB--U", "figlio": "F--U", "mamma": "B-BB-"},
    "pt": {"vov\u00f3": "FUFU", "bebe": "B-B-", "fama": "F-B-"},
    "nl": {"boom": "BUB", "vuur": "FU-", "appel": "-B--"},
    "pl": {"pies": "B--", "mama": "B-B-", "foka": "FU--"},
    "ru": {"\u043c\u0430\u043c\u0430": "B-B-", "\u0432\u043e\u0434\u0430": "F---", "\u0444\u0438\u043b\u044c\u043c": "F--B"},
    "tr": {"bebek": "B-B--", "var": "F--", "baba": "B-B-"},
    "ja": {"\u307e\u307e": "B-B-", "\u3075\u3058": "F---", "\u3071\u3071": "B-B-"},
    "cmn-latn-pinyin": {"ma1ma5": "B-B-", "bu4": "BU", "fu4": "FU"},
    "ko": {"\ubc25": "B-B", "\uc5c4\ub9c8": "-BB-", "\ubb34": "BU"},
    "hi": {"\u092a\u093e\u092a\u093e": "B-B-", "\u092e\u093e\u0901": "B-", "\u092b\u0932": "B--"},
}
_LIPS = {"P": "B", "B": "B", "M": "B", "F": "F", "V": "F"} | dict.fromkeys(("UW", "UH", "OW", "AO", "OY", "W"), "U")


@pytest.mark.parametrize("language", sorted(WORDS))
def test_words_have_their_lips(language: str) -> None:
    for word, lips in WORDS[language].items():
        pronunciations = pronounce_script(parse_line(word), language, phonemise=espeak.phonemise)[0]
        found = ["".join(_LIPS.get(phone, "-") for phone, _ in one) for one in pronunciations]
        assert lips in found, f"{word}: {pronunciations}"


def test_a_word_is_known_beside_its_neighbours_and_a_language_must_be_one() -> None:
    assert len(espeak.phonemise(["guten", "Morgen", "guten"], "de")) == 3
    with pytest.raises(ScriptError, match="no language 'elvish'"):
        espeak.phonemise(["nuqneH"], "elvish")
    with pytest.raises(ScriptError, match="need espeak-ng"):
        pronounce_script(parse_line("guten Morgen"), "de")


def test_a_scratch_voice_says_a_line_with_its_phones() -> None:
    sound, rate, phones = espeak.speak("My mom found a big map.", "en-us", pitch=60)
    seconds = sound.size / rate
    assert 1.0 < seconds < 4.0
    assert [p.phone for p in phones if p.phone in ("M", "B", "P", "F")] == ["M", "M", "M", "F", "B", "M", "P"]
    assert all(0.0 <= p.start <= p.end <= seconds + 1e-6 for p in phones)
    assert any(p.stress == 1 for p in phones)
    # The closure of the last 'p' of 'map' is silent, the vowel before it is not.
    loud = np.abs(sound.astype(np.float64))
    last = next(p for p in reversed(phones) if p.phone == "P")
    vowel = next(p for p in reversed(phones) if p.phone == "AE")

    def level(start: float, end: float) -> float:
        return float(loud[int(start * rate) : int(end * rate)].mean())

    assert level(vowel.start + 0.03, vowel.end - 0.02) > 3.0 * level(last.start + 0.02, last.start + 0.05)
    with pytest.raises(ScriptError, match="says nothing"):
        espeak.speak("...", "en-us")
