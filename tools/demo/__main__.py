# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo``: make scene, CSV, plot, contact sheet and film from bundled speech with the bundled model."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...animation.curves import ChannelCurves
from ...animation.interchange import write_curves
from ...animation.performance import Performance, apply_performance
from ...blender import rigs
from ...blender import scene as scenes
from ...blender.ending import end_process
from ...blender.films import render_film
from ...blender.sight import CAMERA
from ...inference.audio import Waveform, read_sound
from ...inference.generate import generate_curves
from ...inference.package import find_model, load_package
from ...inference.session import open_session
from ...operators.animate import animate_character
from ...takes.record import SoundStrip
from ...takes.settings import TakeSettings
from ...takes.shaping import Take
from ..registered import run_registered
from . import sheets, stage
from .character import build_character
from .speech import Speech, read_speech


def main(argv: list[str] | None = None) -> int:
    """Run the demo; return 0 if everything was written."""
    parser = argparse.ArgumentParser(prog="voxrig demo", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder to write to (default: build/demo)")
    parser.add_argument("--model", help="folder of a model package, or the name of a bundled one")
    parser.add_argument("--size", type=int, default=480, help="width and height of the film in pixels (default: 480)")
    parser.add_argument("--no-film", action="store_true", help="write everything but the film")
    arguments = parser.parse_args(argv)
    output = arguments.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    return run_registered("demo", lambda: make_demo(output, arguments.model, None if arguments.no_film else arguments.size))


def make_demo(output: Path, model: str | None, film_size: int | None) -> None:
    """Write everything of ``make demo`` to ``output``. Raises VoxrigError."""
    speech = read_speech()
    model_folder = find_model(model)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.context.preferences.filepaths.save_version = 0
    scene: Any = bpy.context.scene
    with step("character"):
        stage.set_stage(scene)
        character = build_character()
    strip = stage.add_sound(scene, speech.sound, "Demo Speech")
    # The rest of the head lives as in any take; it talks to whoever watches.
    settings = TakeSettings(look_at=CAMERA)
    with step("animation"):
        take = animate_character(scene, character.armature, SoundStrip(strip), model_folder, settings)
        print(f"  {take.summary(character.armature.name)}")
    scene.frame_start, scene.frame_end = take.first_frame, take.last_frame
    with step("scene, CSV, plot"):
        numbers = collect_numbers(speech, model_folder, take, scene)
        write_curves(output / "voxrig_demo.csv", numbers.curves)
        plotted = (numbers.waveform.samples, numbers.waveform.sample_rate, numbers.performed, numbers.keys)
        sheets.draw_plot(speech, *plotted, output / "voxrig_demo_plot.png")
        scene.frame_set(take.first_frame)
        bpy.data.sounds[0].pack()
        bpy.ops.wm.save_as_mainfile(filepath=str(output / "voxrig_demo.blend"), copy=True, compress=True)
    with step("contact sheet"):
        moments = sheets.choose_moments(speech, scenes.frames_per_second(scene), stage.FIRST_FRAME)
        pictures = stage.render_frames(scene, [moment.frame for moment in moments], "Close", 300, output / "frames")
        sheets.draw_contact_sheet(moments, pictures, output / "voxrig_demo_sheet.png")
        faces = sheets.pick_faces(moments, pictures, numbers.performed)
        sheets.draw_overview(speech, *plotted, faces, output / "voxrig_demo_overview.png")
    if film_size is not None:
        with step("film"):
            render_film(scene, output / "voxrig_demo.mp4", film_size)
    print(f"Written to {output}")


@dataclass(frozen=True)
class Numbers:
    """Data of the pictures: the sound, the model's output, the same with the demo's strength, and the keyframes."""

    waveform: Waveform
    curves: ChannelCurves
    performed: ChannelCurves
    keys: dict[str, sheets.Keys]


def collect_numbers(speech: Speech, model_folder: Path, take: Take, scene: Any) -> Numbers:
    """Compute the dense curves again, as ``voxrig curves`` writes them, beside the written keyframes."""
    package = load_package(model_folder)
    waveform = read_sound(speech.sound, package.sample_rate)
    curves = generate_curves(open_session(package, "CPU"), waveform)
    regions = {channel.name: channel.region for channel in package.channels}
    performed = apply_performance(curves, Performance(), regions)
    keys: dict[str, sheets.Keys] = {}
    for target, curve in take.curves:
        seconds = [scenes.seconds_of_frame(scene, frame, stage.FIRST_FRAME) for frame in curve.frames]
        keys.setdefault(rigs.control_name(target), (np.array(seconds), np.asarray(curve.values, np.float64)))
    return Numbers(waveform, curves, performed, keys)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print the name of a step and how long it took."""
    print(f"{name} ...", flush=True)
    started = time.perf_counter()
    yield
    print(f"  {time.perf_counter() - started:.1f} s", flush=True)


if __name__ == "__main__":
    end_process(main())
