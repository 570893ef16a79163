# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo.filmed FILM...``: films of faces beside the takes read from them, and pictures beside poses.

All films are of one person. The first becomes a film of the talker beside the demo character, with its sound: the lips follow
the sound, the rest of the face is the filmed one. From every film the frame that differs most from its usual face becomes a
picture beside the pose that is read from it. PyAV reads and writes films.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av as untyped_av
import bpy
import matplotlib.image
import numpy as np
import soundfile

from ...animation.curves import ChannelCurves
from ...animation.interchange import write_curves
from ...blender import compat, poses
from ...blender.ending import end_process
from ...blender.films import render_stills
from ...inference.faces.cropping import Region
from ...inference.faces.detecting import find_faces
from ...inference.faces.films import read_frames
from ...inference.faces.package import FaceGraphs, load_face_package
from ...inference.faces.performance import ANGLE_NAMES, find_rest, read_face, take_out
from ...inference.package import find_model
from ...operators.animate import animate_character
from ...operators.guides import pose_of_face
from ...takes.record import SoundFile
from ...takes.settings import TakeSettings
from ..registered import run_registered
from . import stage
from .__main__ import step
from .character import build_character

av: Any = untyped_av
_RATE = 16_000


def main(argv: list[str] | None = None) -> int:
    """Make film and pictures; return 0 if both were written."""
    parser = argparse.ArgumentParser(prog="filmed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path, nargs="*", metavar="FILM", help="films of a face")
    parser.add_argument("--data", type=Path, help="a folder with face_video/, whose films are used")
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder to write to (default: build/demo)")
    parser.add_argument("--size", type=int, default=360, help="height of the film in pixels (default: 360)")
    arguments = parser.parse_args(argv)
    films = [*arguments.films, *(sorted((arguments.data / "face_video").glob("*.flv")) if arguments.data else [])]
    if not films:
        parser.error("name a film, or --data with a folder that holds face_video/")
    output = arguments.output.absolute()
    (output / "frames").mkdir(parents=True, exist_ok=True)
    return run_registered("filmed", lambda: make_filmed([film.absolute() for film in films], output, arguments.size))


def make_filmed(films: Sequence[Path], output: Path, size: int) -> None:
    """Write ``voxrig_filmed.mp4`` of the first film and ``voxrig_pictures.png`` of all. Raises VoxrigError."""
    pairs: list[Any] = []
    with step(f"{len(films)} films"):
        reads = calibrate([read_face(film).curves for film in films])
    for number, (film, read) in enumerate(zip(films, reads, strict=True)):
        with step(film.stem):
            _heads.clear()
            if number == 0:
                show_film(film, read, output, size)
            pairs.append(show_picture(film, read, output, size))
    matplotlib.image.imsave(output / "voxrig_pictures.png", np.concatenate(pairs))
    print(f"Written to {output}")


def calibrate(films: Sequence[ChannelCurves]) -> list[ChannelCurves]:
    """Return the curves of films of one person without the face at rest and the usual turn of the head in all of them."""
    shapes = len(films[0].names) - len(ANGLE_NAMES)
    together = np.concatenate([film.values for film in films])
    rest = find_rest(together[:, :shapes], films[0].names[:shapes])
    usual = np.median(together[:, shapes:], axis=0)
    return [
        film.with_values(np.concatenate([take_out(film.values[:, :shapes], rest), film.values[:, shapes:] - usual], axis=1))
        for film in films
    ]


def set_scene(size: int) -> Any:
    """Set an empty stage with the character, and return scene and armature."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    return scene, build_character().armature


def show_picture(film: Path, read: ChannelCurves, output: Path, size: int) -> Any:
    """Return the frame furthest from the film's usual face beside the pose that is read from it, ``[row, 2 x size, 3]``."""
    shapes = read.values[:, : -len(ANGLE_NAMES)]
    open_eyes = read.channel("eyeBlinkLeft") < 0.35
    far = np.abs(shapes - np.median(shapes, axis=0)).sum(axis=1) * open_eyes
    best = int(far.argmax())
    picture = next(frame.picture for index, frame in enumerate(read_frames(film)) if index == best)
    scene, rig = set_scene(size)
    row = ChannelCurves(read.names, 1.0, read.values[best : best + 1])
    poses.set_pose(pose_of_face(rig, row, with_mouth=True))
    path = output / "frames" / f"picture_{film.stem}.png"
    render_stills(scene, [1], [path], size)
    return beside(picture, path, size)


def show_film(film: Path, read: ChannelCurves, output: Path, size: int) -> None:
    """Animate the character from the film and its sound, and write both side by side."""
    scene, rig = set_scene(size)
    scene.render.fps, scene.render.fps_base = Fraction(read.frame_rate).limit_denominator(1001).as_integer_ratio()
    curves, sound = output / "voxrig_filmed.csv", output / "voxrig_filmed.flac"
    write_curves(curves, read)
    soundfile.write(sound, read_sound_of(film), _RATE)
    settings = TakeSettings(film=str(curves), life_blinks=0.0)
    take = animate_character(scene, rig, SoundFile(str(sound), 1.0), find_model(None), settings)
    compat.new_strips(scene).new_sound(film.stem, str(sound), 1, 1)
    frames = list(range(1, 1 + min(read.frame_count, round(take.last_frame))))
    paths = [output / "frames" / f"filmed_{frame:04d}.png" for frame in frames]
    render_stills(scene, frames, paths, size)
    pictures = (beside(frame.picture, path, size) for frame, path in zip(read_frames(film), paths))
    write_film(output / "voxrig_filmed.mp4", pictures, read.frame_rate, film)


def read_sound_of(film: Path) -> Any:
    """Read the sound of a film, mono at 16 kHz, ``[sample]``."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
    with av.open(str(film)) as container:
        pieces = [
            made.to_ndarray()[0] for frame in container.decode(container.streams.audio[0]) for made in resampler.resample(frame)
        ]
    return np.concatenate(pieces)


_heads: list[Region] = []


def find_head(picture: Any) -> Region:
    """Return the square around the head of the picture, of a film that of the first one, so that it does not shake."""
    if not _heads:
        face = find_faces(FaceGraphs(load_face_package()), picture)[0].region.enlarge(1.9)
        _heads.append(replace(face, turn=0.0, y=face.y - 0.08 * face.height))
    return _heads[0]


def beside(picture: Any, rendered: Path, size: int) -> Any:
    """Return the head of a picture, ``size`` pixels high and wide, beside a rendered one, 8 bits, ``[size, 2 x size, 3]``."""
    region = find_head(picture)
    across, down = np.meshgrid(*[(np.arange(size) + 0.5) / size] * 2)
    columns, lines = np.moveaxis(region.point_at(across, down), -1, 0).astype(int)
    square = picture[np.clip(lines, 0, picture.shape[0] - 1), np.clip(columns, 0, picture.shape[1] - 1)]
    made = (255 * np.clip(matplotlib.image.imread(rendered)[..., :3], 0.0, 1.0)).astype(np.uint8)
    return np.ascontiguousarray(np.concatenate([square, made], axis=1))


def write_film(path: Path, pictures: Any, rate: float, sound: Path) -> None:
    """Write pictures as MP4 with the sound of another film."""
    with av.open(str(path), "w") as container, av.open(str(sound)) as heard:
        stream = container.add_stream("libx264", rate=Fraction(rate).limit_denominator(1001))
        stream.pix_fmt = "yuv420p"
        voice = container.add_stream("aac", rate=_RATE, layout="mono")
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=_RATE)
        for frame in heard.decode(heard.streams.audio[0]):
            for made in resampler.resample(frame):
                container.mux(voice.encode(made))
        container.mux(voice.encode())


if __name__ == "__main__":
    end_process(main())
