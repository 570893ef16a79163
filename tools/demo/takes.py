# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo.takes``: five takes of one line by seed, and takes that pass through three pinned poses.

The output is a film of five faces side by side, the contact sheet of moments, and for takes with three poses that an artist
keyed a picture of the poses with the curves of all takes through them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import bpy
import matplotlib

matplotlib.use("Agg")

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np

from ...animation.feeling.faces import pose_smiley
from ...animation.feeling.words import load_smiley_faces
from ...blender import poses, rigs
from ...blender.ending import end_process
from ...blender.films import render_film, render_stills
from ...inference.package import find_model
from ...operators.animate import animate_character
from ...operators.guides import pose_of_face
from ...takes.record import SoundStrip
from ...takes.settings import TakeSettings
from ...takes.shaping import Take
from ..registered import run_registered
from . import rows, stage
from .__main__ import step
from .character import build_character
from .speech import read_speech

TAKES = 5
PINS = ((40, "\U0001f928"), (110, "\U0001f609"), (185, "\U0001f622"))
"""Frames at which poses are pinned, and the smileys whose faces they are: a raised eyebrow, a wink, tears."""
PLOTTED = ("browOuterUpLeft", "eyeBlinkLeft", "browInnerUp", "headYaw")
COLOURS = ("#b5533c", "#3b6ea5", "#6a8f3c", "#8a5aa8", "#c79a2b")


def main(argv: list[str] | None = None) -> int:
    """Make film, sheet and curves; return 0 if all were written."""
    parser = argparse.ArgumentParser(prog="takes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder to write to (default: build/demo)")
    parser.add_argument("--model", help="folder of a model package, or the name of a bundled one")
    parser.add_argument("--size", type=int, default=1280, help="width of the film in pixels (default: 1280)")
    parser.add_argument("--no-film", action="store_true", help="sheet and curves only")
    arguments = parser.parse_args(argv)
    output = arguments.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    return run_registered("takes", lambda: make_takes(output, arguments.model, arguments.size, with_film=not arguments.no_film))


def make_takes(output: Path, model: str | None, size: int, *, with_film: bool) -> None:
    """Write everything of ``make takes-film`` to ``output``. Raises VoxrigError."""
    with step(f"{TAKES} takes"):
        scene, takes = animate_row(model, pinned=False)
    frames = np.linspace(takes[0].first_frame + 12, takes[0].last_frame - 12, 6).round().astype(int).tolist()
    height = round(size * 1.2 / TAKES) // 2 * 2
    with step("sheet"):
        rows.write_row_sheet(scene, frames, output, "takes", size, height)
    if with_film:
        with step("film"):
            render_film(scene, output / "voxrig_takes.mp4", size, height=height)
    with step("pins"):
        scene, takes = animate_row(model, pinned=True)
        paths = [output / "frames" / f"pin_{frame:04d}.png" for frame, _smiley in PINS]
        render_stills(scene, [frame for frame, _smiley in PINS], paths, size, height=height)
        draw_pins(takes, sample_takes(scene, takes), paths, output / "voxrig_pins.png")
    print(f"Written to {output}")


def animate_row(model: str | None, *, pinned: bool) -> tuple[Any, list[Take]]:
    """Build a row of characters, each with a take of another seed, all through the pinned poses if asked for."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    strip = stage.add_sound(scene, read_speech().sound, "Demo Speech")
    rows.set_row_camera(scene, TAKES)
    takes: list[Take] = []
    for seed in range(TAKES):
        rig: Any = build_character().armature
        rows.place_in_row(rig, seed, TAKES)
        if pinned:
            for frame, smiley in PINS:
                poses.key_pose(pose_of_face(rig, pose_smiley(load_smiley_faces()[smiley])), frame)
        takes.append(animate_character(scene, rig, SoundStrip(strip), find_model(model), TakeSettings(life_seed=seed)))
    scene.frame_start, scene.frame_end = takes[0].first_frame, takes[0].last_frame
    return scene, takes


def sample_takes(scene: Any, takes: list[Take]) -> list[dict[str, list[float]]]:
    """Return the values that Blender shows of PLOTTED on each frame, by name, for each take."""
    chosen: list[dict[str, Any]] = []
    for take in takes:
        targets = {name: target for target in take.dense.targets if (name := rigs.control_name(target)) in PLOTTED}
        turns = [target for target in take.dense.targets if '"head"].rotation' in target.data_path]
        chosen.append(targets | ({"headYaw": turns[-1]} if turns else {}))
    shown: list[dict[str, list[float]]] = [{name: [] for name in targets} for targets in chosen]
    for frame in range(takes[0].first_frame, takes[0].last_frame + 1):
        scene.frame_set(frame)
        for values, targets in zip(shown, chosen, strict=True):
            for name, target in targets.items():
                values[name].append(rigs.resolve(target).value)
    return shown


def draw_pins(takes: list[Take], shown: list[dict[str, list[float]]], pictures: list[Path], path: Path) -> None:
    """Draw the pinned poses, and below them the curves of all takes with the pins."""
    figure = plt.figure(figsize=(13, 2.7 * len(pictures) + 1.6 * len(PLOTTED)), constrained_layout=True)
    grid = figure.add_gridspec(len(pictures) + len(PLOTTED), 1, height_ratios=[2.7] * len(pictures) + [1.6] * len(PLOTTED))
    for row, (picture, (frame, smiley)) in enumerate(zip(pictures, PINS, strict=True)):
        axis = figure.add_subplot(grid[row])
        axis.imshow(matplotlib.image.imread(picture)[..., :3])
        axis.set_title(
            f"frame {frame}: {load_smiley_faces()[smiley].name}, in takes of the seeds 0 to {len(takes) - 1}", fontsize=9
        )
        axis.axis("off")
    for row, name in enumerate(PLOTTED):
        axis = figure.add_subplot(grid[len(pictures) + row])
        for seed, (take, values, colour) in enumerate(zip(takes, shown, COLOURS, strict=True)):
            if name in values:
                frames = range(take.first_frame, take.last_frame + 1)
                axis.plot(frames, values[name], color=colour, linewidth=0.9, label=f"seed {seed}")
        for frame, smiley in PINS:
            face = pose_smiley(load_smiley_faces()[smiley])
            axis.axvline(frame, color="#999999", linewidth=0.6)
            if name in face.names:
                axis.plot(frame, float(face.channel(name)[0]), "D", color="black", markersize=5)
        axis.set_ylabel(name)
    figure.axes[-1].set_xlabel("frame; diamonds: the artist's keys")
    figure.axes[-1].legend(fontsize=7, ncols=len(takes))
    figure.savefig(path, dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    end_process(main())
