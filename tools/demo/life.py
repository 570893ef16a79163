# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo.life``: the demo character as a mask, alive, sad, angry, and listening to the living one.

The output is a film of five faces side by side with the sound, a sheet of moments, and a plot of the events under the waveform.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import bpy
import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from ...blender import rigs
from ...blender import scene as scenes
from ...blender.ending import end_process
from ...blender.films import render_film
from ...blender.sight import CAMERA
from ...inference.audio import read_sound
from ...inference.package import find_model
from ...operators.animate import animate_character, listening_scope
from ...takes.record import Listening, SoundChoice, SoundStrip
from ...takes.settings import Scope, TakeSettings
from ...takes.shaping import Take
from ..registered import run_registered
from . import rows, stage
from .__main__ import step
from .character import build_character
from .speech import Speech, read_speech

FACES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mask", {"life": 0.0}),
    ("alive", {"life_markers": True}),
    ("sadness", {"emotion": {"sadness": 0.8}}),
    ("anger", {"emotion": {"anger": 0.8}}),
    ("listener", {}),
)
"""Faces from left to right, with what differs in their settings."""
PLOTTED = {
    "lid": ("eyeBlinkLeft",),
    "eyes": ("eyeLookOutLeft", "eyeLookInLeft", "eyeLookUpLeft", "eyeLookDownLeft"),
    "brows": ("browInnerUp", "browDownLeft"),
    "head, radians": ("headYaw", "headPitch", "headRoll"),
    "face": ("mouthSmileLeft", "cheekSquintLeft", "eyeSquintLeft"),
}
COLOURS = ("#b5533c", "#3b6ea5", "#6a8f3c", "#8a5aa8")


def main(argv: list[str] | None = None) -> int:
    """Make film, sheet and plot; return 0 if all were written."""
    parser = argparse.ArgumentParser(prog="life", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder to write to (default: build/demo)")
    parser.add_argument("--model", help="folder of a model package, or the name of a bundled one")
    parser.add_argument("--size", type=int, default=1280, help="width of the film in pixels (default: 1280)")
    parser.add_argument("--no-film", action="store_true", help="sheet and plot only")
    arguments = parser.parse_args(argv)
    output = arguments.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    return run_registered("life", lambda: make_life(output, arguments.model, arguments.size, with_film=not arguments.no_film))


def make_life(output: Path, model: str | None, size: int, *, with_film: bool) -> None:
    """Write everything of ``make life-film`` to ``output``. Raises VoxrigError."""
    speech = read_speech()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    strip = stage.add_sound(scene, speech.sound, "Demo Speech")
    rows.set_row_camera(scene, len(FACES))
    takes: dict[str, Take] = {}
    speaker = ""
    for index, (name, changes) in enumerate(FACES):
        with step(name):
            character = build_character()
            rig: Any = character.armature
            rows.place_in_row(rig, index, len(FACES))
            sound: SoundChoice = SoundStrip(strip)
            scope, settings = Scope(), TakeSettings(look_at=CAMERA, **changes)
            if name == "listener":
                end = takes["alive"].last_frame
                sound, scope = (
                    Listening((strip,), (speaker,), float(stage.FIRST_FRAME), float(end)),
                    listening_scope(scene, scope),
                )
            takes[name] = animate_character(scene, rig, sound, find_model(model), settings, scope=scope)
            speaker = rig.name if name == "alive" else speaker
    scene.frame_start, scene.frame_end = takes["alive"].first_frame, takes["alive"].last_frame
    draw_plot(speech, takes["alive"], scene, output / "voxrig_life_plot.png")
    height = round(size * 0.28) // 2 * 2
    with step("sheet"):
        rows.write_row_sheet(scene, choose_frames(takes["alive"]), output, "life", size, height)
    if with_film:
        with step("film"):
            render_film(scene, output / "voxrig_life.mp4", size, height=height)
    print(f"Written to {output}")


def choose_frames(take: Take, count: int = 8) -> list[int]:
    """Choose frames: the first blink and brow, beats of the head, and others evenly over the take."""
    rate = take.frames_per_second
    frames = [stage.FIRST_FRAME + round(at * rate) for name, at in take.marks if name in ("blink", "brows", "beat")][
        : count // 2
    ]
    evenly = np.linspace(take.first_frame + 6, take.last_frame - 6, count).round().astype(int).tolist()
    for frame in evenly:
        if len(frames) < count and all(abs(frame - other) > 8 for other in frames):
            frames.append(frame)
    return sorted(frames)


def draw_plot(speech: Speech, take: Take, scene: Any, path: Path) -> None:
    """Draw the sound, below it the curves of the living head on every frame with their keys, and the events."""
    waveform = read_sound(speech.sound, 16_000)
    seconds = [scenes.seconds_of_frame(scene, frame, stage.FIRST_FRAME) for frame in take.dense.frames]
    columns = {rigs.control_name(target): i for i, target in enumerate(take.dense.targets)}
    head = [i for i, target in enumerate(take.dense.targets) if '"head"].rotation' in target.data_path]
    figure, axes = plt.subplots(len(PLOTTED) + 1, 1, figsize=(13, 9), sharex=True, constrained_layout=True)
    axes[0].plot(np.arange(waveform.samples.size) / waveform.sample_rate, waveform.samples, color="#777777", linewidth=0.4)
    axes[0].set_ylabel("sound")
    for name, at in take.marks:
        axes[0].text(at, 0.0, name, rotation=90, fontsize=7, ha="center", va="center")
    for axis, (label, channels) in zip(axes[1:], PLOTTED.items(), strict=True):
        shown = [(name, columns[name]) for name in channels if name in columns]
        shown = [(f"head {'XYZ'[k]}", i) for k, i in enumerate(head)] if label.startswith("head") else shown
        for colour, (name, column) in zip(COLOURS, shown):
            axis.plot(seconds, take.dense.values[:, column], color=colour, linewidth=0.9, label=name)
            keyed = take.dense.keyed[column]
            at = [scenes.seconds_of_frame(scene, frame, stage.FIRST_FRAME) for frame in keyed.frames]
            axis.plot(at, keyed.values, ".", color=colour, markersize=3.5)
        axis.set_ylabel(label)
        axis.legend(loc="upper right", fontsize=7, ncols=4)
    axes[-1].set_xlabel("seconds")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    end_process(main())
