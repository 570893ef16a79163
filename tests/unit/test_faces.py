# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces in pictures: the port of FaceLandmarker beside the original, the pose of a head, crops, films and bad input."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from voxrig.animation.life.channels import LOOK_RANGES
from voxrig.cli.main import main
from voxrig.errors import ModelError, PictureError
from voxrig.inference.faces.cropping import Region, cut_region
from voxrig.inference.faces.films import Frame, has_pyav, read_film_turns, read_frames, show_wide_range, typical_rate
from voxrig.inference.faces.package import FaceGraphs, load_face_package
from voxrig.inference.faces.performance import read_face, take_out
from voxrig.inference.faces.pose import find_pose
from voxrig.inference.faces.tracking import FaceTracker

# The demo head (CC0), and what PyPI's mediapipe 1.2.3 makes of it: detect() of a FaceLandmarker in the mode for images.
REFERENCE = Path(__file__).resolve().parents[1] / "data" / "face_reference.npz"
# Three frames of the same picture, which lies on its left side and is turned upright by the film's matrix.
TURNED = REFERENCE.with_name("turned.mp4")


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(REFERENCE) as data:
        return dict(data)


@pytest.fixture(scope="module")
def graphs() -> FaceGraphs:
    return FaceGraphs(load_face_package(), threads=1)


def test_the_face_of_a_picture_is_what_mediapipe_sees(reference, graphs):
    seen = FaceTracker(graphs).read(reference["picture"])
    assert seen is not None and seen.face_count == 1
    assert np.abs(seen.scores - reference["scores"]).mean() < 0.01
    turn = seen.pose.rotation.T @ reference["matrix"][:3, :3]
    assert math.degrees(math.acos(min(1.0, (np.trace(turn) - 1) / 2))) < 0.5
    assert np.abs(seen.pose.place - reference["matrix"][:3, 3]).max() < 0.5  # centimetres


def test_a_turned_picture_turns_the_head_and_little_else(reference, graphs):
    upright = FaceTracker(graphs).read(reference["picture"])
    picture = np.ascontiguousarray(np.rot90(reference["picture"]))
    turned = FaceTracker(graphs).read(picture)
    assert upright is not None and turned is not None
    # A quarter turn to the left in the picture is one to the head's own right shoulder.
    assert turned.pose.angles()[2] - upright.pose.angles()[2] == pytest.approx(math.pi / 2, abs=0.1)
    assert np.abs(turned.scores - upright.scores).mean() < 0.06


@pytest.mark.parametrize(("yaw", "pitch", "roll"), [(0.0, 0.0, 0.0), (0.4, 0.0, 0.0), (0.0, -0.3, 0.0), (0.1, 0.2, 0.5)])
def test_the_pose_of_a_projected_head_is_found(yaw, pitch, roll):
    package = load_face_package()
    about_y, about_x, about_z = -yaw, pitch, roll
    turn = _about(1, about_y) @ _about(0, about_x) @ _about(2, about_z)
    points = package.canonical @ turn.T + np.array([2.0, -1.0, -60.0])
    width, height = 640, 480
    focus = height / 2 / math.tan(math.radians(63.0) / 2)
    depth = -points[:, 2]
    # A network's depth is that of an orthographic view: only its shape is right.
    seen = np.stack(
        [width / 2 + points[:, 0] * focus / depth, height / 2 - points[:, 1] * focus / depth, depth * focus / 60.0], axis=1
    )
    pose = find_pose(package, seen, width, height)
    assert np.degrees(np.array(pose.angles()) - (yaw, pitch, roll)) == pytest.approx(0.0, abs=1.5)
    assert pose.place == pytest.approx([2.0, -1.0, -60.0], abs=1.0)


def _about(axis: int, angle: float) -> np.ndarray:
    first, second = (axis + 1) % 3, (axis + 2) % 3
    turn = np.eye(3)
    turn[first, first] = turn[second, second] = math.cos(angle)
    turn[second, first], turn[first, second] = math.sin(angle), -math.sin(angle)
    return turn


def test_a_region_is_cut_between_pixels_and_beyond_the_edge():
    rows, columns = np.mgrid[0:20, 0:30]
    picture = np.stack([columns * 4, rows * 4, columns * 0 + 200], axis=-1).astype(np.uint8)
    cut = cut_region(picture, Region(10.25, 8.5, 4.0, 4.0), 8, extend=True)
    assert cut[0, 0] == pytest.approx([8.25 * 4, 6.5 * 4, 200], abs=0.1)
    assert cut[4, 2] == pytest.approx([9.25 * 4, 8.5 * 4, 200], abs=0.1)
    outside = Region(-10.0, 8.0, 4.0, 4.0)
    assert cut_region(picture, outside, 4, extend=False).max() == 0.0
    assert cut_region(picture, outside, 4, extend=True)[..., 2].min() == pytest.approx(200.0)


def frames_of(*pictures: np.ndarray | None, step: float = 0.04):
    def read(_path: Path) -> Iterator[Frame]:
        for index, picture in enumerate(pictures):
            empty = np.full((200, 200, 3), 90, np.uint8)
            yield Frame(index * step, empty if picture is None else picture, 1.0)

    return read


def test_frames_without_a_face_are_bridged_and_said(reference):
    picture = reference["picture"]
    read = read_face(Path("film.mp4"), reader=frames_of(picture, picture, None, picture), threads=1)
    assert read.curves.frame_count == 4 and read.curves.frame_rate == 25.0
    assert read.curves.values[2] == pytest.approx(read.curves.values[1], abs=0.05)
    assert len(read.warnings) == 1 and "1 of 4 frames" in read.warnings[0]
    with pytest.raises(PictureError, match="shows no face"):
        read_face(Path("film.mp4"), reader=frames_of(None, None), threads=1)


def test_the_neutral_face_is_taken_out(reference):
    raw = read_face(Path("a.png"), reader=frames_of(reference["picture"]), threads=1).curves
    same = read_face(Path("a.png"), reader=frames_of(reference["picture"]), neutral=raw.values[0, :51], threads=1).curves
    assert raw.values[0, :51].max() > 0.3 and same.values[0, :51].max() < 0.1
    assert take_out(np.array([[0.2, 0.6, 1.0]], np.float32), np.full(3, 0.2, np.float32))[0] == pytest.approx([0, 0.5, 1])


def test_gaze_has_the_signs_of_live_link_face(reference):
    curves = read_face(Path("a.png"), reader=frames_of(reference["picture"]), threads=1).curves
    out, into = curves.channel("eyeLookOutRight")[0], curves.channel("eyeLookInRight")[0]
    assert curves.channel("rightEyeYaw")[0] == pytest.approx(out * LOOK_RANGES["Out"] - into * LOOK_RANGES["In"], abs=1e-5)


def test_the_rate_of_a_film_is_a_usual_one():
    assert typical_rate([i * 1001 / 30000 for i in range(90)]) == pytest.approx(30000 / 1001)
    assert typical_rate([round(i / 30, 3) for i in range(90)]) == 30.0
    varying = np.cumsum(np.random.default_rng(1).choice([0.033, 0.034, 0.067], 200, p=[0.45, 0.45, 0.1])).tolist()
    assert 29.0 < typical_rate(varying) < 31.0


def test_a_damaged_package_is_refused(tmp_path):
    package = load_face_package()
    for file in package.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "detector.onnx").write_bytes(b"\0" * 100)
    with pytest.raises(ModelError, match="detector.onnx is not the file"):
        load_face_package(tmp_path)


@pytest.mark.skipif(not has_pyav(), reason="PyAV is in the development environment only")
def test_a_film_that_is_turned_by_its_metadata_is_read_upright(reference, tmp_path, capsys):
    import av

    picture = np.ascontiguousarray(np.rot90(reference["picture"][:432, :240]))  # lies on its left side
    with av.open(str(tmp_path / "film.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=30)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv420p"
        for packet in (*(p for _ in range(3) for p in stream.encode(av.VideoFrame.from_ndarray(picture))), *stream.encode()):
            film.mux(packet)
    data = (tmp_path / "film.mp4").read_bytes()
    straight = b"".join(value.to_bytes(4, "big") for value in (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30))
    clockwise = b"".join(v.to_bytes(4, "big", signed=True) for v in (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30))
    at = data.index(straight, data.index(b"tkhd"))
    (tmp_path / "film.mp4").write_bytes(data[:at] + clockwise + data[at + 36 :])
    assert main(["face", str(tmp_path / "film.mp4"), "-o", str(tmp_path / "take.csv")]) == 0
    assert "3 frames at 30 a second, 58 channels" in capsys.readouterr().out
    header, *rows = [line.split(",") for line in (tmp_path / "take.csv").read_text().splitlines()]
    assert abs(float(rows[0][header.index("headRoll")])) < 0.1


@pytest.mark.skipif(not has_pyav(), reason="PyAV is in the development environment only")
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.mp4", b"hello", "is no picture or film"),
        ("a.mp4", b"", "is empty"),
        ("tiny.ppm", b"P6 20 20 255\n" + bytes(1200), "only 20 x 20 pixels"),
        ("dark.ppm", b"P6 200 200 255\n" + bytes(120000), "shows no face"),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, capsys, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    assert main(["face", str(tmp_path / name), "-o", str(tmp_path / "take.csv")]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1
    assert not (tmp_path / "take.csv").exists()
    assert main(["face", str(tmp_path / "missing.mp4"), "-o", str(tmp_path / "take.csv")]) == 2
    with pytest.raises(PictureError, match="cannot be read"):
        next(read_frames(tmp_path / "missing.mp4"))


def write_film(path: Path, pictures: list[np.ndarray], times: list[float], codec: str, pixels: str) -> None:
    """Write a film whose frames are shown at ``times`` in seconds."""
    from fractions import Fraction

    import av

    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate=100)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, 100)
        for picture, seconds in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture).reformat(format=pixels)
            frame.pts, frame.time_base = round(100 * seconds), Fraction(1, 100)
            film.mux(stream.encode(frame))
        film.mux(stream.encode())


@pytest.mark.skipif(not has_pyav(), reason="PyAV is in the development environment only")
@pytest.mark.parametrize("kind", ["two faces", "a GIF", "a varying rate", "a breaking off film"])
def test_odd_films_are_read_and_said(reference, tmp_path, kind):
    picture = np.ascontiguousarray(reference["picture"])
    if kind == "two faces":
        smaller = np.full_like(picture, 120)
        smaller[100:316, 60:180] = picture[::2, ::2]
        read = read_face(Path("a.png"), reader=frames_of(np.concatenate([smaller, picture], axis=1)), threads=1)
        alone = read_face(Path("a.png"), reader=frames_of(picture), threads=1)
        assert [sentence for sentence in read.warnings if "2 faces; the largest is read" in sentence]
        assert np.abs(read.curves.values[0, :51] - alone.curves.values[0, :51]).mean() < 0.03
        return
    times = {"a GIF": [0.0, 0.1, 0.2], "a varying rate": [0.0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.32]}.get(
        kind, [0.0, 0.04, 0.08, 0.12]
    )
    path = tmp_path / ("film.gif" if kind == "a GIF" else "film.mkv")
    write_film(path, [picture] * len(times), times, *(("gif", "rgb8") if kind == "a GIF" else ("mjpeg", "yuvj420p")))
    if kind == "a breaking off film":
        path.write_bytes(path.read_bytes()[: int(0.8 * path.stat().st_size)])
    read = read_face(path, threads=1)
    assert (read.curves.frame_count - 1) / read.curves.frame_rate == pytest.approx(
        times[-1] if kind != "a breaking off film" else 0.08, abs=0.045
    )
    assert np.ptp(read.curves.values[:, :51], axis=0).max() < 0.2, "the face holds still"


@pytest.mark.skipif(not has_pyav(), reason="PyAV is in the development environment only")
def test_a_sound_has_no_face(tmp_path, capsys):
    import soundfile

    soundfile.write(tmp_path / "voice.wav", np.zeros(8000, np.float32), 16_000)
    assert main(["face", str(tmp_path / "voice.wav"), "-o", str(tmp_path / "take.csv")]) == 2
    error = capsys.readouterr().err
    assert "holds no pictures, only sound" in error and error.count("\n") == 1


def test_two_small_faces_are_found_and_said(reference):
    """In the whole picture, as wide as the detector sees it, neither is found."""
    small = reference["picture"][::3, ::3]
    picture = np.full((540, 960, 3), 120, np.uint8)
    picture[200:344, 300:380] = small
    picture[200:344, 520:600] = small
    read = read_face(Path("a.png"), reader=frames_of(picture), threads=1)
    assert read.warnings == ("a.png shows 2 faces; the largest is read",)


def test_dark_glasses_are_said(reference, graphs):
    picture = reference["picture"].copy()
    seen = FaceTracker(graphs).read(picture)
    assert seen is not None and 0.7 < seen.lid_light < 1.2
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    for outer, inner in ((33, 133), (263, 362)):
        x, y = (seen.points[outer, :2] + seen.points[inner, :2]) / 2
        radius = 0.85 * np.hypot(*(seen.points[outer, :2] - seen.points[inner, :2]))
        picture[np.hypot(columns - x, rows - y) < radius] = 20
    read = read_face(Path("a.png"), reader=frames_of(picture), threads=1)
    assert len(read.warnings) == 1 and "as behind sunglasses" in read.warnings[0]


def test_light_of_a_high_range_is_shown_as_usual():
    """A grey ramp in PQ and HLG, encoded here by the formulas of the standards, comes out as it was."""
    grey = np.arange(1, 256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    light = (grey / 255.0) ** 2.2
    power = (light * 203.0 / 10_000.0) ** (2610 / 16384)
    perceptual = ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    scene = light * (math.exp((0.75 - 0.55991073) / 0.17883277) + 0.28466892) / 12
    hybrid = np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    )
    for transfer, coded in ((16, perceptual), (18, hybrid)):
        shown = show_wide_range(np.rint(255 * coded).astype(np.uint8), transfer)
        assert np.abs(shown.astype(int) - grey).max() <= 4
    assert show_wide_range(grey, 1) is grey


@pytest.mark.parametrize(("matrix", "turns"), [((0, 1, -1, 0), 3), ((-1, 0, 0, -1), 2), ((0, -1, 1, 0), 1), ((1, 0, 0, 1), 0)])
def test_the_turn_of_a_film_is_read(tmp_path, matrix, turns):
    a, b, c, d = (value * 65536 for value in matrix)
    data = TURNED.read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    words = b"".join(word.to_bytes(4, "big", signed=True) for word in (a, b, 0, c, d))
    (tmp_path / "film.mp4").write_bytes(data[:at] + words + data[at + 20 :])
    assert read_film_turns(tmp_path / "film.mp4") == turns
    for end in (0, 4, 12, at - 20, at + 10):
        (tmp_path / "cut.mp4").write_bytes(data[:end])
        assert read_film_turns(tmp_path / "cut.mp4") == 0
    assert read_film_turns(REFERENCE) == 0


@pytest.mark.skipif(not has_pyav(), reason="PyAV is in the development environment only")
def test_pictures_that_begin_after_the_sound_stay_beside_it(reference, tmp_path):
    import av

    picture = np.ascontiguousarray(reference["picture"])
    with av.open(str(tmp_path / "film.mkv"), "w") as film:
        stream = film.add_stream("mjpeg", rate=25)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuvj420p"
        voice = film.add_stream("pcm_s16le", rate=16_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
        sound.rate, sound.pts = 16_000, 0
        film.mux(voice.encode(sound))
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(picture).reformat(format="yuvj420p")
            frame.pts = 10 + number
            film.mux(stream.encode(frame))
        film.mux(stream.encode())
    assert [frame.seconds for frame in read_frames(tmp_path / "film.mkv")] == pytest.approx([0.4, 0.44, 0.48, 0.52, 0.56])
    curves = read_face(tmp_path / "film.mkv", threads=1).curves
    assert curves.frame_count == 15 and np.ptp(curves.values[:11], axis=0).max() == 0.0
