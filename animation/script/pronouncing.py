# SPDX-License-Identifier: GPL-3.0-or-later
"""From written words to the sounds that they may have, in English by its own dictionary, else by IPA from outside."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import islice, product
from pathlib import Path

from ...errors import ScriptError
from ...storage.reading import read_text
from ..face.phones import PHONES, SILENCE, VOWELS
from .alignment import Pronunciation
from .english import MOST_VARIANTS, Dictionary, english_data, look_up, parse_sounds, pronounce_english
from .ipa import ipa_to_sounds
from .numbers import read_number
from .text import Script, ScriptWord, find_writing

Phonemise = Callable[[Sequence[str], str], list[list[str]]]
"""Transcribe words of a language: for each word its possible transcriptions in IPA."""

LARGEST_DICTIONARY = 16 << 20


def read_dictionary(path: str | Path) -> Dictionary:
    """Read an artist's own dictionary: a line for each pronunciation, the word and its sounds ('Zyra Z IY1 R AH0').

    Lines that begin with ';' or '#' are remarks. Raises ScriptError, which names a line that is not understood.
    """
    try:
        lines = read_text(path, LARGEST_DICTIONARY).splitlines()
    except OSError as error:
        raise ScriptError(f"The dictionary {path} cannot be read ({error.strerror}); choose another file") from None
    words: dict[str, tuple[Pronunciation, ...]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip()[0] in ";#":
            continue
        word, _, rest = line.strip().replace("\t", " ").partition(" ")
        sounds = parse_sounds(rest.upper())
        wrong = next((phone for phone, _ in sounds if phone not in PHONES or phone == SILENCE), None)
        if wrong is not None or not sounds:
            told = f"'{wrong}' is not one of the sounds {', '.join(PHONES[1:])}" if wrong else f"'{word}' has no sounds"
            raise ScriptError(f"Line {number} of the dictionary {path} cannot be used: {told}; correct it")
        key = re.sub(r"\(\d+\)$", "", word).lower()
        words[key] = (*words.get(key, ()), sounds)
    return words


def pronounce_script(
    script: Script, language: str = "en", own: Dictionary | None = None, phonemise: Phonemise | None = None
) -> list[tuple[Pronunciation, ...]]:
    """Return the pronunciations of each written word. English needs no ``phonemise``.

    Raises ScriptError for a text in another system of writing than the language's.
    """
    check_writing(script, language)
    if is_english(language):
        return [pronounce_word(word, own) for word in script.words]
    if phonemise is None:
        raise ScriptError(f"Texts in the language '{language}' need espeak-ng, which this installation lacks; reinstall Voxrig")
    return [
        (own or {}).get(word.text.lower(), ()) or tuple(_from_ipa(known, language))
        for word, known in zip(script.words, phonemise([w.text + w.ends for w in script.words], language), strict=True)
    ]


def _from_ipa(transcriptions: Sequence[str], language: str) -> list[Pronunciation]:
    found: list[Pronunciation] = []
    for one in transcriptions:
        sounds = ipa_to_sounds(one, language)
        if sounds and sounds not in found:
            found.append(sounds)
    return found


def is_english(language: str) -> bool:
    """Return whether a language code is one of English."""
    return language.lower().replace("_", "-").split("-")[0] == "en"


_LATIN_EXCEPTIONS = {
    "ru": "Cyrillic", "uk": "Cyrillic", "bg": "Cyrillic", "sr": "", "mk": "Cyrillic", "be": "Cyrillic", "kk": "Cyrillic",
    "el": "Greek", "ar": "Arabic", "fa": "Arabic", "ur": "Arabic", "he": "Hebrew", "hi": "Devanagari", "mr": "Devanagari",
    "ne": "Devanagari", "ja": "Japanese", "ko": "Korean", "zh": "Chinese", "cmn": "Chinese", "yue": "Chinese",
    "bn": "Bengali", "ta": "Tamil", "te": "Telugu", "gu": "Gujarati", "pa": "Gurmukhi", "kn": "Kannada", "ml": "Malayalam",
    "th": "Thai", "ka": "Georgian", "hy": "Armenian", "am": "Ethiopic",
}  # fmt: skip
_BOTH = frozenset(("zh", "cmn", "sr", "ja", "ko", "hi"))
"""Languages that are also written in Latin letters."""


def check_writing(script: Script, language: str) -> None:
    """Raise ScriptError if the text is written in a system that the language does not use."""
    writing = find_writing(script.plain)
    code = language.lower().replace("_", "-").split("-")[0]
    expected = _LATIN_EXCEPTIONS.get(code, "Latin")
    if code == "ja" and writing == "Chinese":
        raise ScriptError("The text is written in Chinese characters only; write Japanese in kana, as it is said")
    if not writing or not expected or writing == expected or (writing == "Latin" and code in _BOTH):
        return
    raise ScriptError(f"The text is written in {writing} letters, but its language is '{language}'; choose the text's language")


def pronounce_word(word: ScriptWord, own: Dictionary | None = None) -> tuple[Pronunciation, ...]:
    """Return the pronunciations of an English written word, the usual one first."""
    found: list[Pronunciation] = []
    for way in spoken_words(word.text, own):
        parts = [pronounce_english(part, own) for part in way]
        parts = [part for part in parts if part]
        for chosen in islice(product(*parts), MOST_VARIANTS):
            sounds = tuple(sound for part in chosen for sound in part)
            if sounds and sounds not in found:
                found.append(sounds)
    return tuple(found[: 2 * MOST_VARIANTS])


def spoken_words(written: str, own: Dictionary | None = None) -> list[list[str]]:
    """Return the ways to say an English written word, each a list of words: '42' is 'forty two'."""
    bare = written.replace("\u2019", "'")
    lowered = bare.lower()
    data = english_data()
    if own and lowered in own:
        return [[bare]]
    short = lowered.rstrip(".")
    if short in data["abbreviations"]:
        ways = [data["abbreviations"][short].split()]
        return [*ways, [bare]] if look_up(short) else ways
    if any(letter.isdigit() for letter in bare):
        known = read_number(bare)
        if known:
            return known
        parts = re.findall(r"\d+|[^\W\d_]+", bare)
        return [[said for part in parts for said in (read_number(part)[0] if part.isdigit() else [part])]]
    if re.fullmatch(r"(?:[^\W\d_]\.){2,}[^\W\d_]?\.?", bare):  # initials: U.S.A.
        return [[f"{letter.lower()}." for letter in bare if letter.isalpha()]]
    if look_up(lowered):
        return [[bare]]
    pieces = [piece for piece in re.split(r"[-\u2010\u2011\u2013_.&@+=%$#\u00b0]|(?<=[a-z])(?=[A-Z])", bare) if piece]
    signs = [data["signs"][sign] for sign in bare if sign in data["signs"]]
    if not pieces:
        return [[sign] for sign in signs]
    return [[*pieces[:1], *(word for sign in signs for word in sign.split()), *pieces[1:]]] if signs else [pieces]


def looks_foreign(script: Script) -> bool:
    """Return whether an English text has so few known words that it is probably in another language."""
    words = [word.text.lower().strip("'’") for word in script.words if word.text.isalpha()]
    return len(words) >= 6 and sum(bool(look_up(word)) for word in words) < 0.5 * len(words)


def mark_stress(sounds: Sequence[tuple[str, int]]) -> Pronunciation:
    """Return sounds with stress on vowels only."""
    return tuple((phone, stress if phone in VOWELS else 0) for phone, stress in sounds)
