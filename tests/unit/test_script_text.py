# SPDX-License-Identifier: GPL-3.0-or-later
"""Written lines: words, marks and numbers; and how words are said."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from voxrig.animation.script.english import pronounce_english
from voxrig.animation.script.guessing import guess_other_language
from voxrig.animation.script.ipa import ipa_to_sounds, nearest_phone
from voxrig.animation.script.letters import letter_net
from voxrig.animation.script.numbers import read_number
from voxrig.animation.script.pronouncing import looks_foreign, pronounce_script, pronounce_word, read_dictionary, spoken_words
from voxrig.animation.script.text import Mark, ScriptWord, find_writing, parse_line
from voxrig.errors import ScriptError


def say(word: str) -> str:
    return " ".join(phone for phone, _ in pronounce_word(ScriptWord(word))[0])


def test_a_line_has_its_words_and_marks_where_they_stand() -> None:
    line = parse_line("[angry 0.6] Well, *never mind*. [look Bob] (whispers) Come on... [beat 0.5] [calm] now\u2014please?")
    assert [word.text for word in line.words] == ["Well", "never", "mind", "Come", "on", "now", "please"]
    assert [word.text for word in line.words if word.is_emphasised] == ["never", "mind"]
    assert [word.text for word in line.words if word.is_whispered] == ["Come", "on", "now", "please"]
    assert [word.ends for word in line.words] == [",", "", ".", "", ".", ",", "?"]
    assert line.marks == (
        Mark("emotion", 0, "anger", 0.6),
        Mark("look", 3, "Bob"),
        Mark("direction", 3, "whispers"),
        Mark("beat", 5, "", 0.5),
        Mark("emotion", 5, "neutral", 0.0),
    )
    assert line.warnings == ()


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        ("Go [left now", ["Go", "left", "now"], "A bracket '['"),
        ("Go) left", ["Go", "left"], "A bracket ')'"),
        ("[zap 3] Go", ["Go"], "'[zap 3]'"),
        ("Go *now", ["Go", "now"], "An asterisk"),
        ("[angry 7] Go", ["Go"], "outside 0 to 1"),
        ("Go \U0001f600 now \u2026", ["Go", "now"], ""),
    ],
)
def test_what_is_not_understood_is_said_in_a_sentence_and_harms_nothing(text: str, words: list[str], told: str) -> None:
    line = parse_line(text)
    assert [word.text for word in line.words] == words
    assert (told in " ".join(line.warnings)) if told else line.warnings == ()


@pytest.mark.parametrize("text", ["", "  \n", "[nod]", "(laughs)", "\U0001f600\U0001f600", "... \u2014 !"])
def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="no words"):
        parse_line(text)


@pytest.mark.parametrize(
    ("written", "ways"),
    [
        ("42", ["forty two"]),
        ("1984", ["nineteen eighty four", "one thousand nine hundred eighty four"]),
        ("2005", ["two thousand five"]),
        ("3.14", ["three point one four"]),
        ("$5.50", ["five dollars and fifty cents"]),
        ("21st", ["twenty first"]),
        ("10:30", ["ten thirty"]),
        ("50%", ["fifty percent"]),
        ("1,200", ["one thousand two hundred", "twelve hundred"]),
        ("007", ["zero zero seven"]),
        ("90s", ["nineties"]),
        ("-3", ["minus three"]),
    ],
)
def test_numbers_are_read_aloud(written: str, ways: list[str]) -> None:
    found = [" ".join(way) for way in read_number(written)]
    assert found[: len(ways)] == ways or set(ways) <= set(found)


@pytest.mark.parametrize(
    ("written", "sounds"),
    [
        ("through", "TH R UW"),
        ("Blender's", "B L EH N D ER Z"),
        ("FBI", "EH F B IY AY"),
        ("U.S.A.", "Y UW EH S EY"),
        ("Dr", "D AA K T ER"),
        ("hmm", "HH M"),
        ("well-known", "W EH L N OW N"),
        ("googled", "G UW G AH L D"),
        ("R2D2", "AA R T UW D IY T UW"),
        ("don\u2019t", "D OW N T"),
    ],
)
def test_english_words_are_said(written: str, sounds: str) -> None:
    assert say(written) == sounds


def test_unknown_words_are_said_by_their_letters() -> None:
    """The net never saw these: names and inventions whose lips are plain. A third of its words have a wrong sound."""
    said = {word: [sound.rstrip("012") for sound in letter_net().pronounce(word)] for word in ("blorvig", "plimpton", "fabbom")}
    assert said["blorvig"][:2] == ["B", "L"] and "V" in said["blorvig"]
    assert said["plimpton"][0] == "P" and "M" in said["plimpton"]
    assert [s for s in said["fabbom"] if s in ("F", "B", "M")] == ["F", "B", "M"]
    assert pronounce_english("\u0142\u00f3d\u017a")[0]  # letters that English lacks


def test_a_dictionary_of_the_show_comes_first(tmp_path: Path) -> None:
    path = tmp_path / "show.dict"
    path.write_text("; names\nZyra Z IY1 R AH0\nzyra(2) Z AY1 R AH0\n", encoding="utf-8")
    own = read_dictionary(path)
    assert [[phone for phone, _ in one] for one in pronounce_word(ScriptWord("Zyra"), own)] == [
        ["Z", "IY", "R", "AH"],
        ["Z", "AY", "R", "AH"],
    ]
    path.write_text("Zyra Z IY1 R AH0\nQuux K Q X\n", encoding="utf-8")
    with pytest.raises(ScriptError, match="Line 2 .* 'Q'"):
        read_dictionary(path)
    with pytest.raises(ScriptError, match="cannot be read"):
        read_dictionary(tmp_path)


@pytest.mark.parametrize(
    ("text", "language", "writing"),
    [
        ("\u041f\u0440\u0438\u0432\u0435\u0442", "en", "Cyrillic"),
        ("\u05e9\u05dc\u05d5\u05dd", "en", "Hebrew"),
        ("\u0645\u0631\u062d\u0628\u0627", "en", "Arabic"),
        ("hello there", "ru", "Latin"),
    ],
)
def test_a_text_in_another_writing_is_named(text: str, language: str, writing: str) -> None:
    assert find_writing(text) == writing
    with pytest.raises(ScriptError, match=writing):
        pronounce_script(parse_line(text), language, phonemise=lambda words, _language: [[] for _ in words])


def test_a_foreign_text_is_noticed() -> None:
    assert looks_foreign(parse_line("Ich habe heute leider keine Zeit f\u00fcr dich"))
    assert not looks_foreign(parse_line("I have no time for you today, Zyra of Blorvig"))


@pytest.mark.parametrize(
    ("text", "language", "seems"),
    [
        ("Je ne sais pas pourquoi il est venu avec nous", "en", "French"),
        ("Je ne sais pas pourquoi il est venu avec nous", "fr", ""),
        ("I do not know why he came with us", "de", "English"),
        ("I do not know why he came with us", "en-gb", ""),
        ("Vandaag heb ik helaas geen tijd voor jullie", "de", "Dutch"),
        ("Zyra Blorvig of Plimpton", "de", ""),
        ("I do not know why he came with us", "la", ""),
    ],
)
def test_another_language_is_named(text: str, language: str, seems: str) -> None:
    assert guess_other_language(text.split(), language)[1] == seems


def test_sounds_that_english_lacks_have_the_nearest_lips() -> None:
    assert [phone for phone, _ in ipa_to_sounds("b\u0254\u0303\u0292u\u0281", "fr")] == ["B", "AO", "ZH", "UW", "HH"]
    assert [phone for phone, _ in ipa_to_sounds("\u02c8y\u02d0b\u0250", "de")] == ["UW", "B", "AH"]
    assert nearest_phone([0, "trill", 1]) == "B"
    assert nearest_phone([1, "flap", 1]) == "V"
    assert nearest_phone(["vowel", 6, 0, 1]) in ("AO", "OW")


def test_a_long_text_is_read_quickly() -> None:
    words = [f"word{number} apple" for number in range(25_000)]
    started = time.perf_counter()
    line = parse_line(" ".join(words))
    assert len(line.words) == 50_000
    assert time.perf_counter() - started < 5.0
    assert spoken_words("apple") == [["apple"]]
