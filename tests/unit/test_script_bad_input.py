# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts that nobody should write: each is answered by one sentence, or aligned as far as it can be, and nothing breaks."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest
from voxrig.animation.face.phones import PHONE_INDEX, PHONES, SILENCE
from voxrig.animation.script.alignment import align
from voxrig.animation.script.pronouncing import pronounce_script
from voxrig.animation.script.subtitles import find_lines, find_spoken_words, write_lines
from voxrig.animation.script.text import parse_line
from voxrig.cli.main import main
from voxrig.errors import ScriptError
from voxrig.inference import espeak

SOUND = Path(__file__).resolve().parents[2] / "tools" / "demo" / "speech" / "demo.flac"
SRT = "1\n00:00:{0:02},000 --> 00:00:{1:02},000\nBob's mum made a big pumpkin pie for the baby bumblebee.\n"


@pytest.mark.parametrize(
    ("name", "content", "more", "told"),
    [
        ("empty.txt", b"", (), "no words"),
        ("blank.txt", b" \n\t\n", (), "no words"),
        ("emoji.txt", "\U0001f600 \U0001f389".encode(), (), "no words"),
        ("arabic.txt", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0643".encode(), (), "Arabic"),
        ("hebrew.txt", "\u05e9\u05dc\u05d5\u05dd".encode(), ("--language", "de"), "Hebrew"),
        ("kanji.txt", "\u6771\u4eac".encode(), ("--language", "ja"), "kana"),
        ("picture.txt", bytes(range(256)) * 4, (), "not text"),
        ("zeros.txt", b"\0" * 200, (), "not text"),
        ("times.srt", b"1\n99:99 --> soon\nHello\n", (), "no line with times"),
        ("marks.txt", b"[nod] [look Bob] (sighs) ***", (), "no words"),
        ("long.txt", b"la " * 700_000, (), "characters"),
        ("line.txt", b"hello", ("--dictionary", "{folder}/bad.dict"), "Line 2 of the dictionary"),
        ("line.txt", b"hello", ("--dictionary", "{folder}"), "cannot be read"),
        ("line.txt", b"hello", ("--language", "elvish"), "no language 'elvish'"),
    ],
)
def test_one_sentence_and_no_file(
    name: str, content: bytes, more: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, output = tmp_path / name, tmp_path / "words.csv"
    text.write_bytes(content)
    (tmp_path / "bad.dict").write_text("Zyra Z IY1 R AH0\nZorro Z QQ R OW0\n", encoding="utf-8")
    command = ["align", str(SOUND), str(text), "-o", str(output), "--model", "speech_fast", "--provider", "cpu"]
    assert main([*command, *(option.format(folder=tmp_path) for option in more)]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1 and "Traceback" not in error
    assert not output.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("Bob's mum [made a big) pumpkin (pie *for the baby bumblebee", "has no partner"),
        ("[dance wildly] Bob's mum made a big pumpkin pie", "[dance wildly]"),
        ("Bob's mum [at 99] made a big pumpkin pie for the baby bumblebee", "after the end of the sound"),
        (SRT.format(50, 58), ""),
        ("BOB: Bob's mum made a big pumpkin pie\nBob (O.S.): for the baby bumblebee", ""),
        ("Bob\u2019s mum made a \u202bbig\u202c pumpkin pie for the baby \U0001f41d bumblebee", ""),
        ("Der Bauer hat heute morgen schon wieder vergessen, die alten K\u00fche zu melken.", "not what is said"),
        ("Der Bauer hat heute morgen schon wieder vergessen, die alten K\u00fche zu melken.", "looks German"),
        ("Bob's", ""),
    ],
)
def test_what_can_be_aligned_is_aligned_with_a_warning(
    content: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, output = tmp_path / "line.txt", tmp_path / "words.csv"
    text.write_text(content, encoding="utf-8")
    command = ["align", str(SOUND), str(text), "-o", str(output), "--model", "speech_fast", "--provider", "cpu"]
    assert main(command) == 0
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error
    rows = list(csv.DictReader(output.open(encoding="utf-8")))
    assert len(rows) == len(find_spoken_words(write_lines(content)))
    starts = [float(row["start"]) for row in rows]
    assert starts == sorted(starts) and all(0.0 <= start <= 11.0 for start in starts)
    if "pumpkin" in content and "[" not in content:
        pumpkin = next(row for row in rows if row["word"] == "pumpkin")
        assert abs(float(pumpkin["start"]) - 1.7) < 0.4 and float(pumpkin["confidence"]) > 0.5


def silence_with(phones: str, seconds: float) -> np.ndarray:
    heard = np.full((round(seconds * 50), len(PHONES)), 1e-4, np.float32)
    heard[:, PHONE_INDEX[SILENCE]] = 1.0
    for place, phone in enumerate(phones.split()):
        rows = slice(100 + 5 * place, 105 + 5 * place)
        heard[rows, PHONE_INDEX[SILENCE]], heard[rows, PHONE_INDEX[phone]] = 1e-4, 1.0
    return heard


def test_fifty_thousand_words_on_a_short_line_and_five_words_on_five_minutes() -> None:
    started = time.process_time()
    many = parse_line("banana orange purple window candle " * 10_000)
    found = align(silence_with("HH AH L OW", 5.0), PHONES, 50.0, pronounce_script(many))
    assert len(found.words) == 50_000 and not found.is_said
    few = parse_line("hello there my old friend")
    found = align(silence_with("HH AH L OW DH EH R M AY OW L D F R EH N D", 300.0), PHONES, 50.0, pronounce_script(few))
    assert found.is_said and abs(found.words[0].start - 2.0) < 0.1
    assert time.process_time() - started < 60.0


def hear_chatter(seconds: float, said: str, at: float) -> np.ndarray:
    """Hear many short utterances of other sounds, and in between what is said at a second."""
    random = np.random.default_rng(3)
    heard = np.full((round(seconds * 50), len(PHONES)), 1e-4, np.float32)
    row = 0
    while row < len(heard):
        for phone in random.permutation(len(PHONES))[: random.integers(4, 9)]:
            heard[row : row + 4, phone] = 1.0
            row += 4
        heard[row : row + 15, PHONE_INDEX[SILENCE]] = 1.0
        row += 15
    for place, phone in enumerate(["SIL", *said.split(), "SIL"], round(at * 10) - 1):
        heard[5 * place : 5 * place + 5] = 1e-4
        heard[5 * place : 5 * place + 5, PHONE_INDEX[phone]] = 1.0
    return heard


def test_an_excerpt_is_found_in_minutes_of_other_speech_and_another_text_is_not() -> None:
    heard = hear_chatter(120.0, "HH AH L OW DH EH R M AY OW L D F R EH N D", 50.0)
    found = align(heard, PHONES, 50.0, pronounce_script(parse_line("hello there my old friend")))
    assert found.is_said and all(word.confidence > 0.5 for word in found.words)
    assert abs(found.words[0].start - 50.0) < 0.1 and found.words[-1].end < 52.0
    # Each of the words is elsewhere, too, and clearer.
    apart = ("SIL HH AH L OW SIL", "SIL DH EH R SIL", "SIL M AY SIL", "SIL OW L D SIL", "SIL F R EH N D SIL")
    for phones, second in zip(apart, (10, 20, 60, 70, 100)):
        for place, phone in enumerate(phones.split(), 10 * second):
            heard[5 * place : 5 * place + 5] = 1e-4
            heard[5 * place : 5 * place + 5, PHONE_INDEX[phone]] = 1.0
    heard[2500:2600] = np.maximum(0.8 * heard[2500:2600], 2e-2)
    found = align(heard, PHONES, 50.0, pronounce_script(parse_line("hello there my old friend")))
    assert found.is_said and abs(found.words[0].start - 50.0) < 0.1
    other = align(heard, PHONES, 50.0, pronounce_script(parse_line("bring seven purple candles tomorrow")))
    assert not other.is_said


@pytest.mark.parametrize("text", ["", "   ", "\n\n", "WEBVTT\n\n"])
def test_texts_without_lines_are_no_scene(text: str) -> None:
    try:
        assert not [line for line in find_lines(text) if parse_line(line.text)]
    except ScriptError as error:
        assert str(error) and "\n" not in str(error)


@pytest.mark.parametrize("text", ["", "\0\0", "..."])
def test_a_scratch_voice_has_nothing_to_say(text: str) -> None:
    with pytest.raises(ScriptError, match="write words"):
        espeak.speak(text, "en")
