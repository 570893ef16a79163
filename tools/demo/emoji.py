# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo.emoji``: the pose of every smiley on the demo character's face, in one picture.

``--voices calm.wav angry.wav sad.wav`` instead animates it from recordings side by side, with no slider touched: a film with
the first one's sound, and a contact sheet.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import bpy
import matplotlib

matplotlib.use("Agg")

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np

from ...animation.curves import ChannelCurves
from ...animation.face.expression import apply_expression, load_expressions
from ...animation.feeling import words
from ...animation.rig.mapping import apply_mapping
from ...blender import poses, rigs
from ...blender.ending import end_process
from ...blender.films import render_film, render_stills
from ...inference.package import find_model
from ...operators.animate import animate_character
from ...operators.mapping import find_character
from ...takes.record import SoundFile, SoundStrip
from ...takes.settings import TakeSettings
from ..registered import run_registered
from . import stage
from .__main__ import step
from .character import build_character

APART = 2.45
_FONT_SHARE = 0.3


def main(argv: list[str] | None = None) -> int:
    """Make the picture; return 0 if it was written."""
    parser = argparse.ArgumentParser(prog="emoji", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder to write to (default: build/demo)")
    parser.add_argument("--size", type=int, default=112, help="width of a face in pixels (default: 112)")
    parser.add_argument("--distinct", action="store_true", help="one smiley of each pose only")
    parser.add_argument("--columns", type=int, default=16, help="faces in a row (default: 16)")
    parser.add_argument("--voices", type=Path, nargs="+", metavar="SOUND", help="recordings to compare instead")
    parser.add_argument("--model", help="folder of a model package, or the name of a bundled one")
    parser.add_argument("--no-film", action="store_true", help="the contact sheet of the recordings only")
    arguments = parser.parse_args(argv)
    output = arguments.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    if arguments.voices:
        sounds = [path.absolute() for path in arguments.voices]
        return run_registered("emoji", lambda: make_voices(output, sounds, arguments.model, with_film=not arguments.no_film))
    return run_registered("emoji", lambda: make_sheet(output, arguments.size, arguments.columns, distinct=arguments.distinct))


def make_sheet(output: Path, size: int, columns: int, *, distinct: bool) -> None:
    """Write ``voxrig_emoji.png``. Smileys that feel the same share a picture."""
    table = json.loads(Path(words.__file__).with_name("emoji.json").read_text(encoding="utf-8"))["faces"]
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    camera: Any = bpy.data.objects["Camera"]
    camera.location, camera.rotation_euler = (0.0, -14.0, 0.02), (np.pi / 2, 0.0, 0.0)
    camera.data.type, camera.data.ortho_scale = "ORTHO", 1.9
    rules = load_expressions()
    rig: Any = build_character().armature
    mapping = rigs.match_channels(find_character(rig), list(rules.names)).mapping
    pictures: dict[tuple[tuple[str, float], ...], Any] = {}
    faces: list[tuple[str, str, Any]] = []
    path = output / "frames" / "emoji.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with step(f"{len(table)} smileys"):
        for smiley, entry in table.items():
            mix = tuple(sorted(entry["emotions"].items()))
            if mix not in pictures:
                weights = np.array([[entry["emotions"].get(name, 0.0) for name in rules.emotions]], np.float32)
                # At rest, so that lips may part.
                silent = (np.arange(len(rules.names)) == rules.silent).astype(np.float32)[None]
                face = apply_expression(silent, weights) * (1.0 - silent)
                shown = apply_mapping(mapping, ChannelCurves(rules.names, 1.0, face))
                poses.set_pose(dict(zip(shown.targets, shown.values[0].tolist(), strict=True)))
                render_stills(scene, [1], [path], size)
                pictures[mix] = matplotlib.image.imread(path)[..., :3]
            elif distinct:
                continue
            faces.append((smiley, str(entry["name"]), pictures[mix]))
    _draw_faces(faces, size, columns, output / "voxrig_emoji.png")
    print(f"{len(faces)} smileys, {len(pictures)} poses: {output / 'voxrig_emoji.png'}")


def _draw_faces(faces: list[tuple[str, str, Any]], size: int, columns: int, path: Path) -> None:
    """Draw faces in rows, each with its smiley, where the font has it, and its name."""
    rows = -(-len(faces) // columns)
    cell = size * (1 + _FONT_SHARE)
    figure = plt.figure(figsize=(columns * size / 100, rows * cell / 100), dpi=100)
    known = matplotlib.font_manager.get_font(matplotlib.font_manager.findfont("DejaVu Sans")).get_charmap()
    for index, (smiley, name, picture) in enumerate(faces):
        row, column = divmod(index, columns)
        left, top = column / columns, 1 - row / rows
        axis = figure.add_axes((left, top - 1 / rows / (1 + _FONT_SHARE), 1 / columns, 1 / rows / (1 + _FONT_SHARE)))
        axis.imshow(np.clip(picture, 0.0, 1.0))
        axis.axis("off")
        glyph = f"{smiley} " if all(ord(sign) in known for sign in smiley) else ""
        text = name if len(name) <= 34 else name[:33] + "…"
        words_of = text.split()
        middle = (len(words_of) + 1) // 2
        label = glyph + " ".join(words_of[:middle]) + "\n" + " ".join(words_of[middle:])
        figure.text(left + 0.5 / columns, top - 0.995 / rows, label, ha="center", va="bottom", fontsize=size / 17)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def make_voices(output: Path, sounds: list[Path], model: str | None, *, with_film: bool) -> None:
    """Write ``voxrig_voices_sheet.png`` and ``voxrig_voices.mp4``: a face for each recording, no slider touched."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    strip = stage.add_sound(scene, sounds[0], "Voice")
    camera: Any = bpy.data.objects["Camera"]
    camera.location, camera.rotation_euler = (0.0, -14.0, -0.12), (np.pi / 2, 0.0, 0.0)
    camera.data.type, camera.data.ortho_scale = "ORTHO", APART * len(sounds)
    last = 1
    for index, path in enumerate(sounds):
        with step(path.name):
            rig: Any = build_character().armature
            rig.location.x = (index - (len(sounds) - 1) / 2) * APART
            choice = SoundStrip(strip) if index == 0 else SoundFile(str(path), float(stage.FIRST_FRAME))
            take = animate_character(scene, rig, choice, find_model(model), TakeSettings())
            last = max(last, take.last_frame)
    scene.frame_start, scene.frame_end = stage.FIRST_FRAME, last
    width = 320 * len(sounds)
    height = round(width / len(sounds) * 1.1) // 2 * 2
    frames = np.linspace(stage.FIRST_FRAME, last, 7).round().astype(int)[1:-1].tolist()
    paths = [output / "frames" / f"voices_{frame:04d}.png" for frame in frames]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    render_stills(scene, frames, paths, width, height=height)
    sheet = np.concatenate([matplotlib.image.imread(path)[..., :3] for path in paths])
    matplotlib.image.imsave(output / "voxrig_voices_sheet.png", np.clip(sheet, 0.0, 1.0))
    if with_film:
        with step("film"):
            render_film(scene, output / "voxrig_voices.mp4", width, height=height)
    print(f"Written to {output}")


if __name__ == "__main__":
    end_process(main())
