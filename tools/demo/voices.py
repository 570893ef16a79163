# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo.voices SOUND...``: a demo character for each recording, one after the other, no slider touched.

The output is a film of the faces side by side and a sheet of the frames where each jaw is widest.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import bpy

from ...blender import compat, rigs
from ...blender import scene as scenes
from ...blender.ending import end_process
from ...blender.films import render_film
from ...inference.audio import read_sound
from ...inference.package import find_model
from ...operators.animate import animate_character
from ...takes.record import SoundStrip
from ...takes.settings import TakeSettings
from ...takes.shaping import Take
from ..registered import run_registered
from . import rows, stage
from .__main__ import step
from .character import build_character

PAUSE_SECONDS = 0.6


def main(argv: list[str] | None = None) -> int:
    """Make film and sheet; return 0 if both were written."""
    parser = argparse.ArgumentParser(prog="voices", description=__doc__)
    parser.add_argument("sounds", type=Path, nargs="+", metavar="SOUND", help="recordings, heard from left to right")
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder to write to (default: build/demo)")
    parser.add_argument("--model", help="folder of a model package, or the name of a bundled one")
    parser.add_argument("--size", type=int, default=960, help="width of the film in pixels (default: 960)")
    parser.add_argument("--no-film", action="store_true", help="the sheet only")
    arguments = parser.parse_args(argv)
    output = arguments.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    sounds = [sound.absolute() for sound in arguments.sounds]
    with_film = not arguments.no_film

    def work() -> None:
        make_voices(output, sounds, arguments.model, arguments.size, with_film=with_film)

    return run_registered("voices", work)


def make_voices(
    output: Path, sounds: list[Path], model: str | None, size: int, *, with_film: bool, name: str = "voices"
) -> list[Take]:
    """Write film and sheet of ``sounds`` to ``output``, and return their takes. Raises VoxrigError."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    frame = stage.FIRST_FRAME
    frames: list[int] = []
    takes: list[Take] = []
    for index, sound in enumerate(sounds):
        with step(sound.stem):
            strip = compat.new_strips(scene).new_sound(sound.stem, str(sound), 1, frame)
            character = build_character()
            rows.place_in_row(character.armature, index, len(sounds))
            takes.append(
                animate_character(scene, character.armature, SoundStrip(strip.name), find_model(model), TakeSettings())
            )
            frames.append(find_widest(takes[-1]))
        frame = round(scenes.frame_of_seconds(scene, read_sound(sound, 16_000).duration_seconds + PAUSE_SECONDS, frame))
    scene.frame_start, scene.frame_end = stage.FIRST_FRAME, frame
    rows.set_row_camera(scene, len(sounds))
    height = round(size * 1.35 / len(sounds)) // 2 * 2
    with step("sheet"):
        rows.write_row_sheet(scene, frames, output, name, size, height)
    if with_film:
        with step("film"):
            render_film(scene, output / f"voxrig_{name}.mp4", size, height=height)
    print(f"Written to {output}")
    return takes


def find_widest(take: Take) -> int:
    """Find the frame at which the take's jaw is widest."""
    column = next(i for i, target in enumerate(take.dense.targets) if rigs.control_name(target) == "jawOpen")
    return round(float(take.dense.frames[take.dense.values[:, column].argmax()]))


if __name__ == "__main__":
    end_process(main())
