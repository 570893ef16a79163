# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts and the bundled model: words of the demo's speech, whose times are known, and what a script does to its curves."""

from __future__ import annotations

import csv
import functools
import json
from pathlib import Path

import numpy as np
import pytest
from voxrig.animation.face.phones import TimedPhone
from voxrig.animation.life.cues import Cue
from voxrig.cli.main import main
from voxrig.errors import ScriptError
from voxrig.inference.package import find_model
from voxrig.takes.curves import find_source, make_curves
from voxrig.takes.hearing import hear, without_rest
from voxrig.takes.record import SoundFile
from voxrig.takes.settings import TakeSettings
from voxrig.takes.shaping import Place
from voxrig.takes.sources import Heard

SPEECH = Path(__file__).resolve().parents[2] / "tools" / "demo" / "speech"
SOUND = SPEECH / "demo.flac"
TRUTH = json.loads((SPEECH / "demo.json").read_text(encoding="utf-8"))
TEXT = " ".join(sentence["text"] for sentence in TRUTH["sentences"])
SMALL = "speech_fast"


@functools.cache
def perform(script: str, **more: object):
    settings = TakeSettings(script=script, provider="CPU", life=0.0, **more)  # type: ignore[arg-type]
    place = Place(1.0, 25.0)
    return make_curves(find_source(SoundFile(str(SOUND)), find_model(SMALL), settings, place), settings, place)


def heard_with(script: str, **more: object) -> Heard:
    return perform(script, **more)[1]


def test_align_writes_every_word_of_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, output = tmp_path / "line.txt", tmp_path / "words.csv"
    written = TEXT.split()
    text.write_text(" ".join([*written[:4], "elephants", *written[4:]]), encoding="utf-8")
    command = ["align", str(SOUND), str(text), "-o", str(output), "--model", SMALL, "--provider", "cpu"]
    assert main(command) == 0
    rows = list(csv.DictReader(output.open(encoding="utf-8")))
    assert [row["word"] for row in rows] == [word.strip(".") for word in [*written[:4], "elephants", *written[4:]]]
    assert float(rows[4]["confidence"]) < 0.45
    assert float(rows[3]["start"]) <= float(rows[4]["start"]) <= float(rows[5]["start"])
    said = [row for number, row in enumerate(rows) if number != 4]
    truth = [word for word in TRUTH["words"] if word["text"]]
    off = [abs(float(row["start"]) - word["start"]) for row, word in zip(said, truth, strict=True)]
    assert np.median(off) < 0.025 and np.mean(np.array(off) > 0.1) < 0.1
    assert "'elephants'" in capsys.readouterr().err

    for name, head in (("words.TextGrid", 'File type = "ooTextFile"'), ("words.srt", "1\n00:00:00")):
        assert main([*command[:4], str(tmp_path / name), *command[5:]]) == 0
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(head)
    assert main([*command, "--phones"]) == 0
    assert output.read_text(encoding="utf-8").startswith("start,end,phone,word,confidence\n")


@pytest.mark.parametrize(
    ("content", "more", "told"),
    [
        ("", (), "no words"),
        ("\U0001f600", (), "no words"),
        ("\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440", (), "Cyrillic"),
        ("hello", ("--language", "elvish"), "no language 'elvish'"),
        ("ANNA: hello", ("--speaker", "Bob"), "nobody called 'Bob'"),
        ("hello", ("--dictionary", "{line}"), "Line 1 of the dictionary"),
    ],
)
def test_align_says_what_is_wrong(
    content: str, more: tuple[str, ...], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, output = tmp_path / "line.txt", tmp_path / "words.csv"
    text.write_text(content, encoding="utf-8")
    given = [option.format(line=text) for option in more]
    assert main(["align", str(SOUND), str(text), "-o", str(output), "--model", SMALL, *given]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not output.exists()


def test_the_wrong_script_changes_nothing_and_says_so() -> None:
    alone, _ = perform("")
    wrong, heard = perform("Please wait outside until your uncle has found the other yellow umbrella in the cellar")
    np.testing.assert_array_equal(wrong.values, alone.values)
    assert any("not what is said" in warning for warning in heard.warnings)
    assert heard.phones == heard_with("").phones


def test_a_script_makes_its_contacts_and_leaves_silence_alone() -> None:
    from voxrig.training.evaluation.measures import measure_contacts, ratio

    alone, _ = perform("")
    told, heard = perform(TEXT)
    phones = [TimedPhone(one["text"], one["start"], one["end"]) for one in TRUTH["phones"]]
    before, after = measure_contacts(alone, phones), measure_contacts(told, phones)
    for name in ("closure_recall", "labiodental_recall"):
        assert ratio([after[name]]) >= max(0.92, ratio([before[name]]))
    assert ratio([after["false_closure"]]) <= 0.02
    assert heard.script_fit > 0.9
    ends = next(word["end"] for word in TRUTH["words"] if word["text"].startswith("bumblebee"))
    begins = next(word["start"] for word in TRUTH["words"] if word["text"] == "Vivian")
    middle = 0.5 * (ends + begins)  # of the pause between two sentences
    assert begins - ends > 0.4
    pause = slice(int((middle - 0.04) * told.frame_rate), int((middle + 0.04) * told.frame_rate))
    np.testing.assert_array_equal(told.values[pause], alone.values[pause])


def test_marks_become_emotions_and_cues_where_they_stand() -> None:
    marked = TEXT.replace("mum", "*mum*").replace("Vivian", "[angry 0.6] [look Bob] Vivian").replace("Our", "[calm] [nod] Our")
    curves, heard = perform(marked)
    times = {word["text"].strip("."): word["start"] for word in TRUTH["words"]}
    kinds = {cue.kind: cue for cue in heard.cues}
    assert set(kinds) == {"accent", "look", "nod"} and kinds["look"].name == "Bob"
    assert abs((kinds["nod"].seconds or 0.0) - times["Our"]) < 0.1
    assert times["mum"] <= (kinds["accent"].seconds or 0.0) <= times["mum"] + 0.4
    assert isinstance(kinds["nod"], Cue)
    plain, _ = perform(TEXT)
    frown = np.abs(curves.channel("browDownLeft") - plain.channel("browDownLeft"))
    rows = (np.array([1.0, 5.5, 9.0]) * curves.frame_rate).astype(int)
    assert frown[rows[1]] > 0.1 and frown[rows[0]] < 1e-6 and frown[rows[2]] < 1e-6


def test_the_way_from_rest_is_added_once_around_the_scripted_mouth() -> None:
    settings = TakeSettings(script=TEXT, provider="CPU", life=0.0)
    source = find_source(SoundFile(str(SOUND)), find_model(SMALL), settings, Place(1.0, 25.0))
    with_rest, alone = hear(source, lambda _fraction: None), source.produce(lambda _fraction: None)
    assert alone.rows_before == 0 and with_rest.rows_before > 0
    np.testing.assert_array_equal(without_rest(with_rest).curves.values, alone.curves.values)
    assert with_rest.words == alone.words


def test_a_script_of_another_kind_is_refused() -> None:
    with pytest.raises(ScriptError, match="no words"):
        perform("[nod]")


def test_curves_are_written_with_a_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "line.txt"
    text.write_text(TEXT, encoding="utf-8")
    command = ["curves", str(SOUND), "--model", SMALL, "--provider", "cpu", "--life", "0", "-o"]
    assert main([*command, str(tmp_path / "alone.npz")]) == 0
    assert main([*command, str(tmp_path / "told.npz"), "--script", str(text)]) == 0
    assert (
        main([*command, str(tmp_path / "wrong.npz"), "--script", "Zwei alte Hexen suchen ihre Katze", "--language", "de"]) == 0
    )
    assert "not what is said" in capsys.readouterr().err
    alone, told, wrong = (np.load(tmp_path / f"{name}.npz")["values"] for name in ("alone", "told", "wrong"))
    assert told.shape == alone.shape and np.abs(told - alone).max() > 0.05
    # Emotions are applied by the graph in one case and after it in the other: equal but for rounding.
    np.testing.assert_allclose(wrong, alone, atol=1e-5)


def test_a_table_names_script_files_from_its_own_folder(tmp_path: Path) -> None:
    from voxrig.batch.jobs import read_jobs

    (tmp_path / "one.txt").write_text("Hello *there*.", encoding="utf-8")
    table = tmp_path / "jobs.csv"
    table.write_text(
        f"audio,output_curves,script,language\n{SOUND},a.csv,one.txt,en\n{SOUND},b.csv,Good morning,de\n"
        f"{SOUND},c.csv,missing.txt,en\n",
        encoding="utf-8",
    )
    one, two, three = read_jobs([str(table)], {})
    assert one.settings["script"] == "Hello *there*." and not one.problem
    assert two.make_settings().script == "Good morning" and two.make_settings().language == "de"
    assert "cannot be read" in three.problem


def test_two_speakers_in_one_sound_are_told_apart_by_the_script() -> None:
    first, second, third = (sentence["text"] for sentence in TRUTH["sentences"][:3])
    scene = f"ANNA: {first}\nBOB: {second}\nANNA: {third}"
    everybody, _ = perform(scene)
    spans = {}
    for name, word in (
        ("ANNA", "mum"),
        ("BOB", "waved"),
        ("last", TRUTH["sentences"][2]["text"].split()[1].strip(".,").lower()),
    ):
        found = next(one for one in TRUTH["words"] if one["text"].strip(".,").lower() == word)
        spans[name] = (found["start"], found["end"])

    def movement(curves, seconds: tuple[float, float]) -> float:
        rows = slice(int((seconds[0] - 0.1) * curves.frame_rate), int((seconds[1] + 0.3) * curves.frame_rate))
        return float(np.ptp(curves.channel("jawOpen")[rows]) + np.abs(curves.channel("jawOpen")[rows]).max())

    for speaker, mine, others in (("anna", ("ANNA", "last"), ("BOB",)), ("Bob", ("BOB",), ("ANNA", "last"))):
        curves, heard = perform(scene, speaker=speaker)
        assert heard.others and all(movement(curves, spans[name]) < 0.01 for name in others), speaker
        for name in mine:
            assert movement(curves, spans[name]) == pytest.approx(movement(everybody, spans[name]), abs=0.02), (speaker, name)
        assert not any(start < phone.start < end for phone in heard.phones or () for start, end in heard.others)
    _, nobody = perform(scene, speaker="Carol")
    assert any("Nobody called 'Carol'" in warning and "ANNA, BOB" in warning for warning in nobody.warnings)
    alone, _ = perform("")
    refused, _ = perform(f"ANNA: Please wait outside until Monday.\nBOB: {'Where is my yellow umbrella? ' * 3}", speaker="Bob")
    np.testing.assert_array_equal(refused.values, alone.values)
