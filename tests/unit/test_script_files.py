# SPDX-License-Identifier: GPL-3.0-or-later
"""Screenplays, subtitles and plain scripts, and what is written for other programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from voxrig.animation.face.phones import TimedPhone
from voxrig.animation.script.exports import SpokenWord, write_phones_csv, write_srt, write_textgrid, write_words_csv
from voxrig.animation.script.subtitles import (
    ScriptLine,
    find_lines,
    find_speaker,
    find_spoken_words,
    lines_of,
    read_script,
    read_script_file,
    write_lines,
)
from voxrig.animation.script.text import parse_line, replace_word, set_word_time
from voxrig.errors import ScriptError

FOUNTAIN = """Title: A Line

INT. KITCHEN - DAY

Anna cuts bread. BOB comes in.

ANNA (O.S.)
(whispers)
You're *late*.

BOB ^
Am I? [[a note]]
Well.

> FADE OUT.

ANNA
Sit down.
"""


def test_a_screenplay_has_its_speakers_lines() -> None:
    lines = find_lines(FOUNTAIN)
    assert [line.speaker for line in lines] == ["ANNA", "BOB", "ANNA"]
    assert [line.text for line in lines] == ["(whispers)\nYou're *late*.", "Am I? \nWell.".replace(" \n", "\n"), "Sit down."]
    assert len(lines_of(lines, "anna")) == 2


def test_speakers_stand_before_colons() -> None:
    lines = find_lines("ANNA: Hello, Bob.\nHow are you?\nBob (sighs): Fine: thanks.\nNarrator: So it goes.\n")
    assert lines == [
        ScriptLine("Hello, Bob.\nHow are you?", "ANNA"),
        ScriptLine("(sighs) Fine: thanks.", "Bob"),
        ScriptLine("So it goes.", "Narrator"),
    ]
    assert find_lines("I said: go home now")[0] == ScriptLine("I said: go home now")


def test_subtitles_have_times() -> None:
    srt = "1\n00:00:01,000 --> 00:00:02,500\n<i>Hello there.</i>\n\n2\n00:01:00.25 --> 00:01:02,000\n- BOB: Bye.\n"
    assert find_lines(srt) == [ScriptLine("Hello there.", "", 1.0, 2.5), ScriptLine("Bye.", "BOB", 60.25, 62.0)]
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Anna>Hi!\n"
    assert find_lines(vtt, ".vtt") == [ScriptLine("Hi!", "Anna", 1.0, 2.0)]
    with pytest.raises(ScriptError, match="no line with times"):
        find_lines("1\nHello\n", ".srt")


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "line.txt"
    path.write_bytes("Größe".encode("cp1252"))
    assert read_script_file(path) == "Größe"
    path.write_bytes("Größe".encode("utf-16"))
    assert read_script_file(path) == "Größe"
    path.write_bytes(b"\x00\x01\x02\x00")
    with pytest.raises(ScriptError, match="is not text"):
        read_script_file(path)
    with pytest.raises(ScriptError, match="cannot be read"):
        read_script_file(tmp_path / "missing.txt")


WORDS = (
    SpokenWord("Hello", 0.5, 0.9, 0.9, (TimedPhone("HH", 0.5, 0.6), TimedPhone("OW", 0.6, 0.9)), ","),
    SpokenWord('"Bob"', 0.9, 0.9, 0.0, (), "."),
    SpokenWord("Bye", 2.5, 3.0, 0.8, (TimedPhone("B", 2.5, 2.6),), "!"),
)


def test_words_are_written_for_others() -> None:
    assert write_words_csv(WORDS).splitlines()[:3] == [
        "start,end,word,confidence",
        "0.500,0.900,Hello,0.90",
        '0.900,0.900,"""Bob""",0.00',
    ]
    assert write_phones_csv(WORDS).splitlines()[1] == "0.500,0.600,HH,Hello,0.90"
    grid = write_textgrid(WORDS, 3.5)
    assert grid.count('text = "Hello"') == 1 and "Bob" not in grid and 'name = "phones"' in grid
    assert "xmax = 3.5000" in grid and "intervals: size = 5" in grid
    assert write_srt(WORDS).splitlines() == [
        "1", "00:00:00,500 --> 00:00:00,900", 'Hello, "Bob".', "",
        "2", "00:00:02,500 --> 00:00:03,000", "Bye!",
    ]  # fmt: skip


TWO = "ANNA: Bob, look.\n(She turns.)\nBOB (whispers): I *am* looking\u2026 Anna!\nANNA: Well?\n"


def test_the_words_of_a_scene_are_where_they_stand_with_who_says_them() -> None:
    words = find_spoken_words(TWO)
    assert [TWO[start:end] for start, end, _ in words] == ["Bob", "look", "I", "am", "looking", "Anna", "Well"]
    assert [speaker for _, _, speaker in words] == ["ANNA"] * 2 + ["BOB"] * 4 + ["ANNA"]
    screenplay = "INT. HOUSE - DAY\n\nANNA\nBob, look.\n\nBOB\n(quietly)\nI am\nlooking.\n"
    assert write_lines(screenplay) == "ANNA: Bob, look.\nBOB: (quietly) I am looking."
    assert write_lines(TWO) == TWO
    assert read_script(TWO) == TWO


@pytest.mark.parametrize(
    ("character", "speaker"), [("Anna.001", "ANNA"), ("rig_bob", "BOB"), ("Carol", ""), ("anna", "ANNA"), ("", "")]
)
def test_a_character_speaks_its_own_lines(character: str, speaker: str) -> None:
    assert find_speaker(TWO, character) == speaker
    assert find_speaker("ANNA: I am alone.", "Anna") == ""


def test_a_word_is_set_to_a_second_and_moved_again() -> None:
    spans = [(start, end) for start, end, _ in find_spoken_words(TWO)]
    once = set_word_time(TWO, 3, 1.25, spans)
    assert "I [at 1.250] *am* looking" in once
    again = set_word_time(once, 3, 2.0, [(start, end) for start, end, _ in find_spoken_words(once)])
    assert again == once.replace("1.250", "2.000")
    line = parse_line("Well, [at 1.5] \u201cnever\u201d [at noon] mind")
    assert line.times == {1: 1.5}
    assert any("[at noon]" in warning for warning in line.warnings)
    with pytest.raises(ScriptError, match="number 81"):
        set_word_time(TWO, 80, 1.0)
    for wrong in ("", "...", "[nod]", "two\nlines"):
        with pytest.raises(ScriptError, match="not a word"):
            replace_word(TWO, 0, wrong)
