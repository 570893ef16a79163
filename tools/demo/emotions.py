# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo.emotions``: the demo character says one sentence neutrally, with joy and with anger.

The output is a film of three faces side by side and a contact sheet of its widest moments.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import bpy

from ...blender import scene as scenes
from ...blender.ending import end_process
from ...blender.films import render_film
from ...inference.package import find_model
from ...operators.animate import animate_character
from ...takes.record import SoundStrip
from ...takes.settings import TakeSettings
from ..registered import run_registered
from . import rows, stage
from .__main__ import step
from .character import build_character
from .speech import Timed, read_speech

FACES = (("Neutral", {}), ("Joy", {"joy": 1.0}), ("Anger", {"anger": 1.0}))
"""Faces from left to right, with the emotion's sliders."""
SENTENCE = 1
SHOWN = ("AA", "AE", "AY", "IY", "W", "F", "V", "B")


def main(argv: list[str] | None = None) -> int:
    """Make film and sheet; return 0 if both were written."""
    parser = argparse.ArgumentParser(prog="emotions", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder to write to (default: build/demo)")
    parser.add_argument("--model", help="folder of a model package, or the name of a bundled one")
    parser.add_argument("--size", type=int, default=960, help="width of the film in pixels (default: 960)")
    parser.add_argument("--no-film", action="store_true", help="the contact sheet only")
    arguments = parser.parse_args(argv)
    output = arguments.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    return run_registered(
        "emotions", lambda: make_emotions(output, arguments.model, arguments.size, with_film=not arguments.no_film)
    )


def make_emotions(output: Path, model: str | None, size: int, *, with_film: bool) -> None:
    """Write everything of ``make emotions`` to ``output``. Raises VoxrigError."""
    speech = read_speech()
    sentence = speech.sentences[SENTENCE]
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    strip = stage.add_sound(scene, speech.sound, "Demo Speech")
    for index, (name, emotion) in enumerate(FACES):
        with step(name):
            character = build_character()
            rows.place_in_row(character.armature, index, len(FACES))
            settings = TakeSettings(emotion=emotion)
            animate_character(scene, character.armature, SoundStrip(strip), find_model(model), settings)
    rows.set_row_camera(scene, len(FACES))
    scene.frame_start, scene.frame_end = (_frame_at(scene, seconds) for seconds in (sentence.start, sentence.end))
    phones = [phone for phone in speech.phones if sentence.start <= phone.middle < sentence.end]
    height = round(size * 0.45) // 2 * 2
    with step("contact sheet"):
        frames = [_frame_at(scene, phone.middle) for phone in choose_phones(phones)]
        rows.write_row_sheet(scene, frames, output, "emotions", size, height)
    if with_film:
        with step("film"):
            render_film(scene, output / "voxrig_emotions.mp4", size, height=height)
    print(f"Written to {output}")


def choose_phones(phones: list[Timed]) -> list[Timed]:
    """Choose the longest of each of SHOWN, at most four, in order of time: vowels, a closure, teeth on the lip."""
    longest: dict[str, Timed] = {}
    for phone in sorted(phones, key=lambda phone: phone.start - phone.end):
        if phone.text in SHOWN:
            longest.setdefault(phone.text, phone)
    chosen = sorted(longest.values(), key=lambda phone: SHOWN.index(phone.text))[:4]
    return sorted(chosen, key=lambda phone: phone.start)


def _frame_at(scene: Any, seconds: float) -> int:
    return round(scenes.frame_of_seconds(scene, seconds, stage.FIRST_FRAME))


if __name__ == "__main__":
    end_process(main())
