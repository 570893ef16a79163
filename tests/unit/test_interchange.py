# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of other programs: the layouts they write, what is odd about them, and round trips within each one's precision."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.channels import face_channel_names
from voxrig.animation.face.lips import lip_gap
from voxrig.animation.interchange import (
    FORMATS,
    ImportedCurves,
    format_of_path,
    import_curves,
    parse_curves,
    rhubarb,
    write_curves,
)
from voxrig.animation.interchange import live_link_face as llf
from voxrig.animation.interchange.arkit import ARKIT_NAMES, ROTATION_NAMES, arkit_name, pascal_case
from voxrig.animation.interchange.audio2face import from_arkit, to_arkit
from voxrig.animation.interchange.mediapipe import COLUMN_NAMES as MEDIAPIPE_NAMES
from voxrig.animation.interchange.timecode import TimecodeRate, count_frames, exact_rate, format_label, parse_label
from voxrig.errors import InterchangeError

RHUBARB_FORMATS = tuple(name for name in FORMATS if name.startswith("rhubarb-"))
NTSC30, NTSC60 = 30 / 1.001, 60 / 1.001
DROP30, DROP60 = TimecodeRate(30, True, NTSC30), TimecodeRate(60, True, NTSC60)

QUICK = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def make_curves(
    names: tuple[str, ...] | list[str], frames: int, rate: float = 60.0, start: float = 0.0, seed: int = 0
) -> ChannelCurves:
    values = np.random.default_rng(seed).random((frames, len(names)), dtype=np.float32)
    return ChannelCurves(tuple(names), rate, values, start)


def round_trip(tmp_path: Path, curves: ChannelCurves, file_format: str, **options: Any) -> ImportedCurves:
    path = tmp_path / f"take.{file_format}"
    write_curves(path, curves, file_format, **options)
    imported = import_curves(path)
    assert imported.format == file_format
    return imported


def parse(text: str, **options: Any) -> ImportedCurves:
    return parse_curves(text.encode(), "take.csv", **options)


# --- names


def test_every_spelling_of_a_shape_is_its_own() -> None:
    names = [*ARKIT_NAMES, *ROTATION_NAMES]
    assert len(names) == len(set(names)) == 61
    for name in names:
        assert {arkit_name(spelling) for spelling in (name, pascal_case(name), name.lower())} == {name}
    assert arkit_name("MouthSmile_L") == "mouthSmileLeft"
    assert arkit_name("viseme_aa") is None


def test_columns_are_in_the_order_of_each_program() -> None:
    assert ",".join(pascal_case(name) for name in llf.COLUMN_NAMES).startswith(
        "EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,EyeSquintLeft,EyeWideLeft,EyeBlinkRight,"
        "EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,EyeSquintRight,EyeWideRight,JawForward,JawRight,"
        "JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,MouthSmileLeft"
    )
    assert llf.COLUMN_NAMES[-10:] == ("tongueOut", *ROTATION_NAMES)
    assert len(MEDIAPIPE_NAMES) == 52
    assert MEDIAPIPE_NAMES[:4] == ("_neutral", "browDownLeft", "browDownRight", "browInnerUp")
    assert MEDIAPIPE_NAMES[23:28] == ("jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose")


# --- round trips


@st.composite
def curves_of(draw: st.DrawFn, names: tuple[str, ...], rates: tuple[float, ...]) -> ChannelCurves:
    frames = draw(st.integers(2, 40))
    start = draw(st.integers(0, 500)) / 100
    return make_curves(names, frames, draw(st.sampled_from(rates)), start, draw(st.integers(0, 10_000)))


RATES = (24 / 1.001, 24.0, 25.0, NTSC30, 30.0, 48.0, 50.0, NTSC60, 60.0, 100.0, 86.1328125)
ARKIT = tuple(ARKIT_NAMES)


@QUICK
@given(curves_of(("jawOpen", 'ein, "Name"', "口", "a;b"), RATES))
def test_own_csv_comes_back_to_five_decimals(tmp_path_factory: pytest.TempPathFactory, curves: ChannelCurves) -> None:
    back = round_trip(tmp_path_factory.mktemp("csv"), curves, "csv").curves
    assert back.names == curves.names
    assert back.values.shape == curves.values.shape
    assert back.frame_rate == pytest.approx(curves.frame_rate, rel=1e-4)
    assert back.start_seconds == pytest.approx(curves.start_seconds, abs=1e-6)
    assert np.abs(back.values - curves.values).max() <= 5.1e-6


@QUICK
@given(curves_of(("jawOpen", "口"), RATES))
def test_own_npz_loses_nothing(tmp_path_factory: pytest.TempPathFactory, curves: ChannelCurves) -> None:
    back = round_trip(tmp_path_factory.mktemp("npz"), curves, "npz").curves
    assert (back.names, back.frame_rate, back.start_seconds) == (curves.names, curves.frame_rate, curves.start_seconds)
    assert np.array_equal(back.values, curves.values)


@QUICK
@given(curves_of(llf.COLUMN_NAMES, (30.0, 60.0, NTSC30, NTSC60)))
def test_live_link_face_comes_back_to_eight_decimals(tmp_path_factory: pytest.TempPathFactory, curves: ChannelCurves) -> None:
    folder = tmp_path_factory.mktemp("llf")
    imported = round_trip(folder, curves, "live-link-face", start_timecode="14:03:52:10.000")
    # Under a second from label 10 on, nothing tells 60 from 30 (see the module): then the user says it.
    back = imported.curves
    if back.frame_rate != curves.frame_rate:
        assert curves.frame_rate >= 59
        back = import_curves(folder / "take.live-link-face", frame_rate=curves.frame_rate).curves
    assert back.names == curves.names
    assert back.frame_rate == pytest.approx(curves.frame_rate, rel=1e-9)
    assert back.values.shape == curves.values.shape
    assert np.abs(back.values - curves.values).max() < 1e-7
    rate = llf.written_rate(curves.frame_rate)
    assert rate is not None
    shift = curves.start_seconds * curves.frame_rate
    assert imported.start_timecode == format_label(count_frames(parse_label("14:03:52:10.000"), rate) + shift, rate)


@QUICK
@given(curves_of(ARKIT, RATES), st.sampled_from(["audio2face-csv", "audio2face-json"]), st.booleans())
def test_audio2face_comes_back_to_seven_digits(
    tmp_path_factory: pytest.TempPathFactory, curves: ChannelCurves, file_format: str, has_jaw: bool
) -> None:
    path = tmp_path_factory.mktemp("a2f") / "take"
    assert write_curves(path, curves, file_format, jaw_in_mouth_close=has_jaw) == ()
    back = import_curves(path, jaw_in_mouth_close=has_jaw).curves
    assert back.names == curves.names
    assert back.frame_rate == pytest.approx(curves.frame_rate, rel=1e-6)
    assert back.start_seconds == pytest.approx(curves.start_seconds if file_format.endswith("csv") else 0.0)
    assert np.abs(back.values - curves.values).max() < 2e-7


@QUICK
@given(curves_of(MEDIAPIPE_NAMES[1:], RATES))
def test_mediapipe_loses_nothing(tmp_path_factory: pytest.TempPathFactory, curves: ChannelCurves) -> None:
    back = round_trip(tmp_path_factory.mktemp("mp"), curves, "mediapipe").curves
    assert back.names == curves.names
    assert back.frame_rate == pytest.approx(curves.frame_rate, rel=1e-4)
    assert back.start_seconds == pytest.approx(curves.start_seconds, abs=1e-6)
    assert np.array_equal(back.values, curves.values)


@st.composite
def cue_lists(draw: st.DrawFn) -> tuple[list[tuple[float, str]], float]:
    """Return cues of 40 ms and more in hundredths of a second, neighbours of different shapes, from 0 on."""
    cues: list[tuple[float, str]] = []
    time = 0
    for _ in range(draw(st.integers(1, 12))):
        others = [shape for shape in "ABCDEFGHX" if not cues or shape != cues[-1][1]]
        cues.append((time / 100, draw(st.sampled_from(others))))
        time += draw(st.integers(4, 60))
    return cues, time / 100


@settings(QUICK, max_examples=300)
@given(cue_lists())
def test_rhubarb_cues_come_back_at_their_times(cues_and_end: tuple[list[tuple[float, str]], float]) -> None:
    cues, end = cues_and_end
    tsv = "".join(f"{start:.2f}\t{shape}\n" for start, shape in cues) + f"{end:.2f}\tX\n"
    curves = parse(tsv).curves
    assert curves.duration_seconds == pytest.approx(end)
    for file_format in RHUBARB_FORMATS:
        data = rhubarb.write(curves, file_format, 100.0)
        again = parse_curves(data, "take", frame_rate=100.0)
        assert again.format == file_format
        assert np.abs(again.curves.values - curves.values).max() < 1e-5
    assert rhubarb.write(curves, "rhubarb-tsv").decode() == tsv


# --- what each program writes, as in its documentation


def test_rhubarbs_own_examples() -> None:
    tsv = "0.00\tX\n0.05\tD\n0.27\tC\n0.31\tB\n0.43\tX\n0.47\tX\n"
    xml = (
        '<?xml version="1.0" encoding="utf-8"?>\n<rhubarbResult>\n  <metadata>\n    <soundFile>C:\\hi.wav</soundFile>\n'
        '    <duration>0.47</duration>\n  </metadata>\n  <mouthCues>\n    <mouthCue start="0.00" end="0.05">X</mouthCue>\n'
        '    <mouthCue start="0.05" end="0.27">D</mouthCue>\n    <mouthCue start="0.27" end="0.31">C</mouthCue>\n'
        '    <mouthCue start="0.31" end="0.43">B</mouthCue>\n    <mouthCue start="0.43" end="0.47">X</mouthCue>\n'
        "  </mouthCues>\n</rhubarbResult>\n"
    )
    cues = [(0.0, 0.05, "X"), (0.05, 0.27, "D"), (0.27, 0.31, "C"), (0.31, 0.43, "B"), (0.43, 0.47, "X")]
    document = {
        "metadata": {"soundFile": "C:\\hi.wav", "duration": 0.47},
        "mouthCues": [{"start": start, "end": end, "value": shape} for start, end, shape in cues],
    }
    dat = "MohoSwitch1\n1 rest\n2 AI\n7 E\n8 etc\n11 rest\n12 rest\n"
    imported = [parse(text) for text in (tsv, xml, json.dumps(document), dat)]
    assert [entry.format for entry in imported] == ["rhubarb-tsv", "rhubarb-xml", "rhubarb-json", "rhubarb-dat"]
    first = imported[0].curves
    assert first.duration_seconds == pytest.approx(0.47)
    assert first.channel("viseme_aa")[15] == 1.0
    assert first.channel("viseme_sil")[[0, 46]] == pytest.approx([1.0, 1.0])
    assert first.channel("jawOpen").max() == pytest.approx(0.2)
    for other in imported[1:3]:
        assert np.array_equal(other.curves.values, first.values)
    assert "default of 24" in imported[3].warnings[0]
    assert rhubarb.find_cues(imported[3].curves)[0][1] == (pytest.approx(1 / 24, abs=0.01), "D")
    assert rhubarb.write(first, "rhubarb-xml").decode() == xml.replace("C:\\hi.wav", "")


def test_shapes_are_faces_that_do_what_rhubarb_says() -> None:
    data = rhubarb.shapes()
    assert data.letters == tuple("ABCDEFGHX")
    pure = [row.argmax() for row in data.prototypes if row.max() == 1.0 and np.count_nonzero(row) == 1]
    assert set(pure) == set(range(15)), "every viseme stands at some shape"
    gaps = dict(zip(data.letters, lip_gap(data.poses, data.channels)))
    assert max(gaps["A"], gaps["X"], gaps["G"]) < 0.1 < min(gaps["B"], gaps["C"], gaps["D"], gaps["E"], gaps["H"])
    assert gaps["B"] < gaps["C"] < gaps["H"] < gaps["D"]
    assert gaps["E"] <= gaps["C"] + 0.15
    assert data.poses[:, [data.channels.index(name) for name in data.visemes]].sum(axis=1) == pytest.approx(1.0)


def test_a_live_link_face_recording() -> None:
    header = "Timecode,BlendShapeCount," + ",".join(pascal_case(name) for name in llf.COLUMN_NAMES)
    rows = [f"14:03:5{2 + i // 60}:{i % 60:02d}.207,61,{','.join(['0.25000000'] * 61)}" for i in range(28, 70)]
    imported = parse("\n".join([header, *rows]))
    assert imported.format == "live-link-face"
    assert imported.curves.names == llf.COLUMN_NAMES
    assert (imported.curves.frame_rate, imported.curves.frame_count, imported.curves.start_seconds) == (60.0, 42, 0.0)
    assert imported.start_timecode == "14:03:52:28.207"
    assert imported.warnings == ()
    assert imported.extra is None


def llf_text(labels: list[str], values: list[float] | None = None) -> str:
    values = values or [0.01 * i for i in range(len(labels))]
    rows = [f"{label},61,{value}" for label, value in zip(labels, values)]
    return "\n".join(["Timecode,BlendShapeCount,JawOpen", *rows])


@pytest.mark.parametrize("nominal", [24, 25, 30, 50, 60])
def test_the_rate_is_seen_in_the_labels(nominal: int) -> None:
    labels = [format_label(i, TimecodeRate(nominal, False, nominal)) for i in range(2 * nominal + 3)]
    curves = parse(llf_text(labels)).curves
    assert (curves.frame_rate, curves.frame_count) == (nominal, 2 * nominal + 3)


@pytest.mark.parametrize("rate", [DROP30, DROP60])
@pytest.mark.parametrize("mark", [":", ";"])
def test_drop_frame_is_seen_at_the_minute(rate: TimecodeRate, mark: str) -> None:
    start = count_frames(parse_label("10:00:59:20"), rate)
    labels = [format_label(start + i, rate).replace(";", mark) for i in range(rate.nominal)]
    assert any(f"10:01:00{mark}0{rate.nominal // 15}" in label for label in labels)
    imported = parse(llf_text(labels))
    assert imported.curves.frame_rate == pytest.approx(rate.exact)
    assert imported.curves.frame_count == rate.nominal
    assert imported.warnings == ()


def test_drop_frame_labels_follow_the_clock() -> None:
    # SMPTE ST 12-1: 17 982 frames in ten minutes at 29.97; the first label after the first minute is 00:01:00;02.
    assert format_label(1800, DROP30) == "00:01:00;02.000"
    assert format_label(1799, DROP30) == "00:00:59;29.000"
    assert format_label(17_982, DROP30) == "00:10:00;00.000"
    assert count_frames(parse_label("01:00:00;00"), DROP30) == 107_892
    assert format_label(3600, DROP60) == "00:01:00;04.000"


@settings(QUICK, max_examples=300)
@given(
    st.integers(0, 30 * 86_400 - 100_000), st.sampled_from([DROP30, DROP60, TimecodeRate(25, False, 25.0)]), st.integers(0, 999)
)
def test_labels_come_back(frame: int, rate: TimecodeRate, thousandths: int) -> None:
    frames = frame + thousandths / 1000
    if frame / rate.exact < 86_400:
        assert count_frames(parse_label(format_label(frames, rate)), rate) == pytest.approx(frames, abs=6e-4)


def test_a_rounded_rate_means_the_exact_one() -> None:
    assert exact_rate(29.97) == 30 / 1.001
    assert exact_rate(59.94) == 60 / 1.001
    assert exact_rate(23.976) == 24 / 1.001
    assert [exact_rate(rate) for rate in (24.0, 25.0, 30.0)] == [24.0, 25.0, 30.0]


def test_omniverse_json() -> None:
    document = {
        "exportFps": 30.0,
        "trackPath": "C:/voice.wav",
        "numPoses": 3,
        "numFrames": 2,
        "facsNames": ["jawOpen", "mouthClose", "tongueTipUp"],
        "weightMat": [[0.0, 0.0, 0.5], [0.25, 0.25, 0]],
        "joints": ["jaw"],
        "rotations": [],
    }
    imported = parse(json.dumps(document))
    assert imported.format == "audio2face-json"
    assert imported.curves.names == ("jawOpen", "mouthClose", "tongueTipUp")
    assert imported.curves.frame_rate == 30.0
    assert imported.curves.values == pytest.approx(np.array([[0, 0, 0.5], [0.5, 0.25, 0]]))
    assert parse(json.dumps(document), jaw_in_mouth_close=False).curves.values[1].tolist() == [0.25, 0.25, 0]
    assert "states 5 frames" in parse(json.dumps({**document, "numFrames": 5})).warnings[0]


def test_audio2face_csv_as_pandas_writes_it() -> None:
    text = ",timeCode,blendShapes.EyeBlinkLeft,blendShapes.JawOpen,blendShapes.TongueTipUp\n"
    text += "".join(f"{i},{i / 30},0.5,{i / 10},0.25\n" for i in range(4))
    imported = parse(text)
    assert imported.format == "audio2face-csv"
    assert imported.curves.names == ("eyeBlinkLeft", "jawOpen", "tongueTipUp")
    assert imported.curves.frame_rate == 30.0
    assert imported.warnings == ()


@QUICK
@given(curves_of(ARKIT, (30.0,)))
def test_mouth_close_means_the_same_face_either_way(curves: ChannelCurves) -> None:
    back = to_arkit(from_arkit(curves))
    assert np.abs(back.values - curves.values).max() < 2e-7


def test_a_seal_of_audio2face_is_a_seal_of_arkit() -> None:
    # Lips closed on a jaw open by 0.3: in Audio2Face one shape does it alone.
    sealed = to_arkit(ChannelCurves(("mouthClose",), 30.0, np.array([[0.3]], np.float32)))
    assert (float(sealed.channel("jawOpen")[0]), float(sealed.channel("mouthClose")[0])) == pytest.approx((0.3, 0.3))
    assert lip_gap(sealed.values, sealed.names)[0] == 0.0


def test_mediapipe_tables_of_several_scripts() -> None:
    body = [(0, 0.0), (1, 33.3), (2, 66.7), (3, 100.0)]
    for title, factor in (("timestamp_ms", 1.0), ("timestamp", 1.0), ("time", 1e-3), ("timestamp", 1e3)):
        rows = "".join(f"{i},{t * factor:.4f},0.01,{i / 10}\n" for i, t in body)
        imported = parse(f"frame,{title},_neutral,jawOpen\n{rows}")
        assert (imported.format, imported.curves.frame_rate, imported.curves.names) == ("mediapipe", 30.0, ("jawOpen",))
        assert imported.curves.channel("jawOpen") == pytest.approx([0, 0.1, 0.2, 0.3])
    numbered = parse("frame,_neutral,jawOpen\n0,0,0.0\n2,0,0.2\n", frame_rate=25.0)
    assert numbered.curves.frame_rate == 25.0
    assert numbered.curves.channel("jawOpen") == pytest.approx([0, 0.1, 0.2])
    assert "30 frames a second are assumed" in parse("frame,_neutral,jawOpen\n0,0,0.0\n").warnings[0]


def test_a_frame_without_a_face_is_filled_in() -> None:
    imported = parse("frame,timestamp_ms,_neutral,jawOpen\n0,0,0,0.0\n1,40,,\n2,80,nan,0.2\n4,160,0,0.4\n")
    assert imported.curves.channel("jawOpen") == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert imported.curves.frame_rate == 25.0
    assert any("1 frames are missing" in note and "after line 4" in note for note in imported.warnings)
    assert any("1 blank cells" in note and "line 3" in note for note in imported.warnings)


# --- what is odd


def test_dropped_frames_are_filled_evenly() -> None:
    labels = [f"00:00:01:{frame:02d}.000" for frame in range(60) if frame not in (20, 21, 40)]
    values = [frame / 100 for frame in range(60) if frame not in (20, 21, 40)]
    imported = parse(llf_text(labels, values))
    assert imported.curves.frame_count == 60
    assert imported.curves.channel("jawOpen") == pytest.approx(np.arange(60) / 100)
    assert imported.warnings == ("take.csv: 3 frames are missing and were filled in, first after line 21",)


def test_drifting_subframes_are_sampled_evenly() -> None:
    # Real recordings run a little beside their labels; a straight line must stay one.
    times = [i * 1.01 for i in range(50)]
    labels = [format_label(time, TimecodeRate(60, False, 60.0)) for time in times]
    curves = parse(llf_text(labels, [time / 100 for time in times]), frame_rate=60.0).curves
    assert curves.frame_count == 50
    assert curves.channel("jawOpen") == pytest.approx(np.arange(50) / 100, abs=1e-5)


def test_past_midnight() -> None:
    labels = ["23:59:59:58.000", "23:59:59:59.000", "00:00:00:00.000", "00:00:00:01.000"]
    curves = parse(llf_text(labels)).curves
    assert curves.channel("jawOpen") == pytest.approx([0, 0.01, 0.02, 0.03])


def test_two_rows_of_one_instant() -> None:
    labels = ["00:00:00:30.000", "00:00:00:31.000", "00:00:00:31.000", "00:00:00:32.000"]
    imported = parse(llf_text(labels, [0.0, 0.9, 0.1, 0.2]))
    assert imported.curves.channel("jawOpen") == pytest.approx([0, 0.1, 0.2])
    assert "1 rows repeat" in imported.warnings[0]


OWN = "seconds,jawOpen,mouthFunnel\n0.000000,0.50000,0.10000\n0.020000,0.60000,0.20000\n0.040000,0.70000,0.30000\n"


@pytest.mark.parametrize(
    "data",
    [
        OWN.encode("utf-8-sig"),
        OWN.encode("utf-16"),
        OWN.replace("\n", "\r\n").encode(),
        OWN.replace("\n", "\r").encode(),
        OWN.replace(",", ";").replace(".", ",").encode(),
        OWN.replace(",", "\t").replace(".", ",").encode(),
        OWN.replace("0.50000", '"0,5"').encode(),
        OWN.replace("\n", ",,\n").encode(),
        OWN.rstrip("\n").encode(),
        ("\n\n" + OWN.replace("\n", "\n\n")).encode(),
        (b"Seconds,mouthFunnel,jawOpen\n0,.1,.5\n2e-2,0.2,0.6\n0.04,0.3,0.7"),
    ],
    ids=["mark", "utf-16", "crlf", "cr", "semicolons", "tabs", "quoted", "trailing", "no end", "blank lines", "other order"],
)
def test_how_other_programs_save_a_table(data: bytes) -> None:
    imported = parse_curves(data, "take.csv")
    assert imported.format == "csv"
    assert imported.curves.frame_rate == 50.0
    assert imported.curves.select(["jawOpen", "mouthFunnel"]).values == pytest.approx(
        np.array([[0.5, 0.1], [0.6, 0.2], [0.7, 0.3]])
    )
    assert imported.warnings == ()


def test_live_link_face_columns_in_any_order_with_unknown_ones() -> None:
    header = "MouthSmile_L,Joy,Timecode,note,JAWOPEN,BlendShapeCount"
    text = f"{header}\n0.1,1,00:00:00:00.000,hi,0.3,61\n0.2,0,00:00:00:01.000,ho,0.4,61"
    imported = parse(text)
    assert imported.curves.names == ("mouthSmileLeft", "jawOpen")
    assert imported.curves.values == pytest.approx(np.array([[0.1, 0.3], [0.2, 0.4]]))
    assert imported.extra is not None
    assert (imported.extra.names, imported.extra.values.ravel().tolist()) == (("Joy",), [1.0, 0.0])
    assert imported.warnings == (
        "take.csv: unknown columns were kept aside: Joy",
        "take.csv: columns without numbers were ignored: note",
    )


def test_writing_says_what_is_lost(tmp_path: Path) -> None:
    curves = make_curves(face_channel_names(), 50, 50.0)
    notes = write_curves(tmp_path / "take", curves, "live-link-face")
    assert "resampled to 60" in notes[0]
    assert "no column for 18 channels" in notes[1]
    assert import_curves(tmp_path / "take").curves.frame_rate == 60.0
    assert "19 channels" in write_curves(tmp_path / "take", curves, "mediapipe")[0]
    assert "visemes" in write_curves(tmp_path / "take", curves, "audio2face-json")[0]
    with pytest.raises(InterchangeError, match="no viseme channels"):
        write_curves(tmp_path / "take", curves.select(["jawOpen"]), "rhubarb-tsv")


def test_the_models_visemes_make_mouth_cues() -> None:
    names = tuple(name for name in face_channel_names() if name.startswith("viseme_"))
    order = ["sil", "PP", "aa", "nn", "U", "FF", "sil"]
    values = np.zeros((7 * 10, 15), np.float32)
    for i, viseme in enumerate(order):
        values[10 * i : 10 * i + 10, names.index(f"viseme_{viseme}")] = 1.0
    cues, end = rhubarb.find_cues(ChannelCurves(names, 50.0, values))
    assert end == pytest.approx(1.4)
    assert [shape for _start, shape in cues] == list("XADBFGX")
    assert [start for start, _shape in cues] == pytest.approx([0, 0.19, 0.39, 0.59, 0.79, 0.99, 1.19], abs=0.011)


def test_cues_begin_with_the_sound() -> None:
    values = np.ones((50, 1), np.float32)
    assert rhubarb.find_cues(ChannelCurves(("viseme_aa",), 50.0, values, 0.5)) == ([(0.0, "X"), (0.5, "D")], 1.5)
    assert rhubarb.find_cues(ChannelCurves(("viseme_aa",), 50.0, values, -0.5)) == ([(0.0, "D")], 0.5)


def test_a_frame_rate_can_be_asked_for(tmp_path: Path) -> None:
    curves = make_curves(("jawOpen",), 101, 50.0)
    write_curves(tmp_path / "take.csv", curves, frame_rate=25.0)
    read = import_curves(tmp_path / "take.csv").curves
    assert (read.frame_rate, read.frame_count) == (25.0, 51)


def test_writing_leaves_the_curves_and_replaces_whole_files(tmp_path: Path) -> None:
    curves = make_curves(face_channel_names(), 30, 30.0)
    before = curves.values.copy()
    path = tmp_path / "deep" / "take.csv"
    for file_format in FORMATS:
        write_curves(path, curves, file_format)
        assert [entry.name for entry in path.parent.iterdir()] == ["take.csv"]
    assert np.array_equal(curves.values, before)


def test_endings_stand_for_formats() -> None:
    assert [format_of_path(f"a{suffix}") for suffix in (".csv", ".NPZ", ".json", ".tsv", ".xml", ".dat")] == [
        "csv",
        "npz",
        "audio2face-json",
        "rhubarb-tsv",
        "rhubarb-xml",
        "rhubarb-dat",
    ]
    with pytest.raises(InterchangeError, match="ends in none of"):
        format_of_path("a.fbx")


# --- what is damaged


LLF = "Timecode,BlendShapeCount,JawOpen\n00:00:00:00.000,61,0.1\n00:00:00:01.000,61,0.2\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LLF + "00:00:00:02.000,61,abc\n", "line 4: 'abc' in the column JawOpen is not a usable number"),
        (LLF + "00:00:00:02.000,61\n", "line 4: it has 2 cells where the header has 3"),
        (LLF + "00:00:02.000,61,0\n", "line 4: '00:00:02.000' is not a timecode"),
        (LLF + "00:00:00:00.000,61,0\n", "line 4: it is earlier than the line before it"),
        (LLF + "00:05:00:00.000,61,0\n", "line 4: it is 300 s later"),
        (LLF + "00:00:00:02.000,61,inf\n", "line 4: 'inf'"),
        (LLF + '00:00:00:02.000,61,"0\n', "line 4: it cannot be split"),
        (LLF.replace("JawOpen", "JawOpen,jaw_open").replace(".1\n", ".1,1\n").replace(".2\n", ".2,1\n"), "the same channel"),
        ("Timecode,BlendShapeCount,JawOpen\n", "has a header but no rows"),
        ("Timecode,BlendShapeCount,Nose\n00:00:00:00,61,0", "line 1: no column is a blend shape"),
        (OWN + "0.06,,x\n", "line 5: 'x' in the column mouthFunnel"),
        (OWN + ",0.1,0.2\n", "line 5: it has no time"),
        (OWN.replace("mouthFunnel", "jawOpen"), "line 1: the columns 'jawOpen' and 'jawOpen' are the same"),
        ("seconds,jawOpen\n0,0.1\n", "only one instant"),
        ("seconds,jawOpen\n0,0.1\n1e-9,0.1\n", "not a frame rate"),
        (",timeCode,blendShapes.JawOpen\n0,0,0.1\n1,,0.2\n", "line 3: it has no timeCode"),
        ("frame,_neutral,jawOpen\n0,0,0.1\n,0,0.2\n", "line 3: it has no frame"),
        ("0.00\tX\n0.05\tQ\n", "line 2: it is not a time, a tab and one of the shapes"),
        ("0.00\tX\n0.50\tA\n0.10\tX\n", "line 3: it is earlier"),
        ("MohoSwitch1\n1 A\nx\n", "line 3: it is not a frame and a shape"),
        ("MohoSwitch1\n1 A\n5 MBP\n", "line 2: 'A' on frame 1 is not a mouth shape"),
        ("MohoSwitch1\n", "has no mouth cues"),
        ('<rhubarbResult>\n<mouthCue start="0" end="1">A</mouthCue>\n<x', "line 3: it is not XML"),
        ('<rhubarbResult>\n<mouthCue start="0" end="1">Q</mouthCue></rhubarbResult>', "line 2: 'Q' is not a mouth shape"),
        ('<rhubarbResult>\n<mouthCue end="1">A</mouthCue></rhubarbResult>', "line 2: a mouthCue has no usable 'start'"),
        ("<html>\n</html>", "line 1: <html> is not <rhubarbResult>"),
        ('<!DOCTYPE r [<!ENTITY a "b">]>\n<rhubarbResult/>', "line 1: it declares a document type"),
        ('{\n"mouthCues": [\n}', "is not usable JSON (line 3: "),
        ('{"mouthCues": [{"start": 0, "end": 1, "value": "A"}, {"start": 0, "end": 1}]}', "cue 2: it needs start"),
        ('{"mouthCues": []}', "has no mouth cues"),
        ('{"facsNames": ["a"], "weightMat": [[0], [0, 1]], "exportFps": 30}', "frame 1 of 'weightMat': it does not have 1"),
        ('{"facsNames": ["a"], "weightMat": [[0], [null]], "exportFps": 30}', "frame 1 of 'weightMat': a weight is not"),
        ('{"facsNames": ["a"], "weightMat": [[NaN]], "exportFps": 30}', "frame 0 of 'weightMat': a weight is not"),
        ('{"facsNames": ["a", "A"], "weightMat": [[0, 0]], "exportFps": 30}', "names a shape twice"),
        ('{"facsNames": ["a"], "weightMat": [[0]]}', "states no usable 'exportFps'"),
        ("{}", "is not a curve file that Voxrig knows"),
        ("[" * 100_000, "is not a curve file that Voxrig knows"),
        ('{"weightMat": ' + "[" * 100_000, "is not usable JSON"),
        ("", "is not a curve file"),
        ("hello, world\n1, 2\n", "is not a curve file"),
    ],
)  # fmt: skip
def test_a_damaged_file_says_where(text: str, problem: str) -> None:
    with pytest.raises(InterchangeError) as caught:
        parse(text)
    sentence = str(caught.value)
    assert problem in sentence
    assert "take.csv" in sentence
    assert "\n" not in sentence


def test_bytes_that_are_no_text_name_their_line() -> None:
    with pytest.raises(InterchangeError, match=r"take.csv, line 3: it is not text"):
        parse_curves(b"seconds,jawOpen\n0,1\n0.1,\xff\n", "take.csv")


def test_damaged_npz(tmp_path: Path) -> None:
    write_curves(tmp_path / "take.npz", make_curves(("jawOpen",), 5))
    whole = (tmp_path / "take.npz").read_bytes()
    with pytest.raises(InterchangeError, match="take.npz is damaged"):
        parse_curves(whole[:-20], "take.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(InterchangeError, match="has no array 'names'"):
        import_curves(tmp_path / "other.npz")
    np.savez(tmp_path / "pickled.npz", names=np.array([{}], dtype=object), values=np.zeros((1, 1)), frame_rate=1.0)
    with pytest.raises(InterchangeError, match=r"pickled.npz is damaged"):
        import_curves(tmp_path / "pickled.npz")
    np.savez(tmp_path / "nan.npz", names=np.array(["a"]), values=np.full((1, 1), math.nan), frame_rate=1.0)
    with pytest.raises(InterchangeError, match="finite numbers"):
        import_curves(tmp_path / "nan.npz")


def test_files_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(InterchangeError, match="cannot be read"):
        import_curves(tmp_path / "nowhere.csv")
    with pytest.raises(InterchangeError, match="cannot be read"):
        import_curves(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InterchangeError, match="cannot be written"):
        write_curves(tmp_path / "file" / "take.csv", make_curves(("jawOpen",), 3))
    with pytest.raises(InterchangeError, match="no frames"):
        write_curves(tmp_path / "take.csv", make_curves(("jawOpen",), 0))
    with pytest.raises(InterchangeError, match="there is no format 'fbx'"):
        write_curves(tmp_path / "take.csv", make_curves(("jawOpen",), 3), "fbx")
    with pytest.raises(InterchangeError, match="which a table cannot hold"):
        write_curves(tmp_path / "take.csv", make_curves(("",), 3))
    with pytest.raises(InterchangeError, match="not a usable rate"):
        parse(OWN, frame_rate=0.0)
