# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever bytes come, an importer gives sound curves or raises InterchangeError with one sentence; 1,000 cases for each."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.channels import face_channel_names
from voxrig.animation.interchange import FORMATS, parse_curves, tables
from voxrig.animation.interchange.audio2face import write_csv, write_json
from voxrig.animation.interchange.live_link_face import write as write_live_link_face
from voxrig.animation.interchange.mediapipe import write as write_mediapipe
from voxrig.animation.interchange.rhubarb import write as write_rhubarb
from voxrig.errors import InterchangeError

CASES = settings(max_examples=1000, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def sound_files() -> dict[str, bytes]:
    """Return a short, sound file of each format."""
    names = [*face_channel_names()[:4], "viseme_sil", "viseme_aa"]
    curves = ChannelCurves(tuple(names), 30.0, np.random.default_rng(0).random((4, len(names)), dtype=np.float32))
    writers: dict[str, Callable[[], bytes]] = {
        "csv": lambda: b"".join(tables.write_own_csv(curves)),
        "npz": lambda: tables.write_own_npz(curves),
        "live-link-face": lambda: write_live_link_face(curves)[0],
        "audio2face-csv": lambda: write_csv(curves)[0],
        "audio2face-json": lambda: write_json(curves)[0],
        "mediapipe": lambda: write_mediapipe(curves)[0],
    }
    return {name: writers[name]() if name in writers else write_rhubarb(curves, name) for name in FORMATS}


FILES = sound_files()

# Pieces that importers trip over, put anywhere.
PIECES = st.sampled_from(
    [b"", b",", b";", b"\t", b'"', b"\n", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"nan", b"-inf", b"1e308",
     b"1e-320", b"-1", b"0,5", b"99:99:99:99", b"00:00:00;02", b"9999999999999999", b"[", b"{", b"}", b"null", b"true", b"<a>",
     b"</mouthCue>", b"&#0;", b"&x;", b"<!--", b"X", b"Q", b"MBP", b"_neutral", b"seconds",
     b"timeCode", b"PK\x03\x04", "口\u2028".encode()]
)  # fmt: skip


@st.composite
def damaged_files(draw: st.DrawFn, sound: bytes) -> bytes:
    """Return a sound file after up to four kinds of damage."""
    data = sound
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.integers(0, 6))
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(0, 12))
        if kind == 0:
            data = data[:at] + draw(PIECES) + data[at:]
        elif kind == 1:
            data = data[:at] + draw(PIECES) + data[at + length :]
        elif kind == 2:
            data = data[:at] + draw(st.binary(max_size=8)) + data[at + length :]
        elif kind == 3:
            data = data[:at]
        elif kind == 4:
            lines = data.split(b"\n")
            i, j = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
            lines[i], lines[j] = lines[j], lines[i]
            data = b"\n".join(lines)
        elif kind == 5:
            lines = data.split(b"\n")
            i = draw(st.integers(0, len(lines) - 1))
            cells = lines[i].split(b",")
            cells[draw(st.integers(0, len(cells) - 1))] = draw(PIECES)
            lines[i] = b",".join(cells)
            data = b"\n".join(lines)
        else:
            # The first line, by which a format is known, stays; the rest is anything.
            head, _, _ = data.partition(b"\n")
            data = head + b"\n" + draw(st.binary(max_size=40))
    return data


def check(data: bytes, **options: float) -> bool:
    """Return whether the bytes were read; asserts that they were, or that the one documented error was raised in one
    sentence."""
    try:
        imported = parse_curves(data, "take.bin", **options)
    except InterchangeError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 600
        return False
    assert imported.format in FORMATS
    for curves in (imported.curves, imported.extra):
        if curves is not None:
            assert np.isfinite(curves.values).all()
            assert np.isfinite(curves.start_seconds)
            assert curves.frame_rate > 0
            assert curves.values.nbytes < 200e6
    return True


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_sound_file_is_read(file_format: str) -> None:
    assert parse_curves(FILES[file_format], "take").format == file_format


@pytest.mark.parametrize("file_format", FORMATS)
def test_damage_of_any_kind_is_one_sentence_or_curves(file_format: str) -> None:
    outcomes = {True: 0, False: 0}

    @CASES
    @given(damaged_files(FILES[file_format]))
    def run(data: bytes) -> None:
        outcomes[check(data)] += 1

    run()
    # The damage is such that both happen, so both ways are under test.
    assert min(outcomes.values()) > 10
    assert sum(outcomes.values()) >= 1000


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, -(10**400), "A", "X", "", "0.5", [], {}]),
    st.text(max_size=3),
)


@CASES
@given(
    st.one_of(
        st.fixed_dictionaries(
            {"weightMat": st.one_of(CELLS, st.lists(st.one_of(CELLS, st.lists(CELLS, max_size=3)), max_size=4))},
            optional={
                "facsNames": st.one_of(CELLS, st.lists(CELLS, max_size=3)),
                "exportFps": CELLS,
                "numFrames": CELLS,
            },
        ),
        st.fixed_dictionaries(
            {
                "mouthCues": st.one_of(
                    CELLS,
                    st.lists(
                        st.one_of(
                            CELLS,
                            st.fixed_dictionaries(
                                {},
                                optional={
                                    "start": st.one_of(CELLS, st.floats(0, 5)),
                                    "end": st.one_of(CELLS, st.floats(0, 5)),
                                    "value": st.one_of(CELLS, st.sampled_from("ABCX")),
                                },
                            ),
                        ),
                        max_size=4,
                    ),
                )
            }
        ),
    )
)
def test_json_of_any_types(document: dict[str, object]) -> None:
    check(json.dumps(document).encode())


@CASES
@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(), st.floats(0, 10), st.integers(0, 100), st.sampled_from([1e-9, 1e9, 59.0])),
            st.one_of(st.floats(), st.floats(-1, 2), st.just("")),
        ),
        max_size=8,
    ),
    st.sampled_from(
        ["seconds,jawOpen", ",timeCode,blendShapes.JawOpen", "timestamp,_neutral,jawOpen", "frame,_neutral,jawOpen"]
    ),
    st.sampled_from([None, 1.0, 29.97, 1000.0]),
)
def test_tables_of_any_numbers(rows: list[tuple[float, float | str]], header: str, frame_rate: float | None) -> None:
    blank = header.count(",") - 1
    lines = [f"0,{time},{value}" if header.startswith(",") else f"{time},{'0,' * blank}{value}" for time, value in rows]
    options = {} if frame_rate is None else {"frame_rate": frame_rate}
    check("\n".join([header, *lines]).encode(), **options)


@CASES
@given(st.lists(st.from_regex(r"[0-2][0-9]:[0-5][0-9]:[0-5][0-9][:;][0-9]{1,4}(\.[0-9]{1,3})?", fullmatch=True), max_size=6))
def test_timecodes_of_any_order(labels: list[str]) -> None:
    check("\n".join(["Timecode,BlendShapeCount,JawOpen", *(f"{label},61,0.5" for label in labels)]).encode())


@CASES
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    check(data)
