# SPDX-License-Identifier: GPL-3.0-or-later
"""Animate one sound on two rigs: the demo head with shape keys, and a face that Rigify generates (`make rigs-faces`).

Writes the scene and a picture of both faces at sounds of each kind, and prints the gap of the lips there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import matplotlib

matplotlib.use("Agg")

import matplotlib.image
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from voxrig.blender import scene as scenes
from voxrig.blender.ending import end_process
from voxrig.inference.package import find_model, load_package
from voxrig.operators.animate import animate_character
from voxrig.operators.mapping import match_channels
from voxrig.takes.record import SoundStrip
from voxrig.takes.settings import TakeSettings
from voxrig.tools.demo import sheets, stage
from voxrig.tools.demo.character import UNITS_PER_CENTIMETRE, DemoCharacter, build_character, sculpt_face
from voxrig.tools.demo.rigify import build_rigify_character
from voxrig.tools.demo.speech import read_speech
from voxrig.tools.registered import run_registered

SIZE = 240


def compare_faces(output: Path, model: str | None = None) -> None:
    """Build, animate, measure and picture both faces. Raises VoxrigError, for example without Rigify."""
    output.mkdir(parents=True, exist_ok=True)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    context: Any = bpy.context
    context.preferences.filepaths.save_version = 0
    scene = context.scene
    stage.set_stage(scene)
    print("Rigify generates a face (10 to 60 seconds) ...", flush=True)
    faces = {"Rigify": build_rigify_character(), "shape keys": build_character()}
    speech = read_speech()
    strip = stage.add_sound(scene, speech.sound, "Speech")
    folder = find_model(model)
    for name, face in faces.items():
        match = match_channels(face.armature, load_package(folder))
        take = animate_character(scene, face.armature, SoundStrip(strip), folder, TakeSettings())
        print(f"{name}: {match.title}, {match.share:.0%} found; {take.summary(face.armature.name)}")
        scene.frame_start, scene.frame_end = take.first_frame, take.last_frame
    moments = sheets.choose_moments(speech, scenes.frames_per_second(scene), stage.FIRST_FRAME, per_kind=2)
    pictures: dict[str, list[Path]] = {}
    gaps: dict[str, list[float]] = {}
    for name, face in faces.items():
        for other in faces.values():
            for thing in other.meshes:
                thing.hide_render = other is not face
        frames = [moment.frame for moment in moments]
        pictures[name] = stage.render_frames(scene, frames, "Close", SIZE, output / name.replace(" ", "_"))
        gaps[name] = []
        for frame in frames:
            scene.frame_set(frame)
            gaps[name].append(measure_gap(face))
    print("largest gap between the lips in centimetres:")
    for i, moment in enumerate(moments):
        shown = ", ".join(f"{name} {gaps[name][i]:.2f}" for name in faces)
        print(f"  /{moment.phone.text.lower()}/ in '{moment.word}' ({moment.kind}): {shown}")
    draw_faces(moments, {name: pictures[name] for name in ("shape keys", "Rigify")}, output / "rig_faces.jpg")
    bpy.data.sounds[0].pack()
    bpy.ops.wm.save_as_mainfile(filepath=str(output / "rig_faces.blend"), copy=True, compress=True)
    print(f"Written to {output}")


def measure_gap(face: DemoCharacter) -> float:
    """Measure the largest height of the opening between the inner lips, in centimetres."""
    positions = read_positions(face.face) / UNITS_PER_CENTIMETRE
    loop = sculpt_face()[0].surface.mouth.loop("seam_front")
    half = len(loop) // 2
    return float(np.max(positions[loop[1:half], 2] - positions[loop[:half:-1], 2]))


def read_positions(thing: Any) -> NDArray[np.float32]:
    """Read the vertices ``[vertex, 3]`` of a mesh after shape keys and bones."""
    context: Any = bpy.context
    evaluated = thing.evaluated_get(context.evaluated_depsgraph_get())
    positions = np.zeros(3 * len(evaluated.data.vertices), np.float32)
    evaluated.data.vertices.foreach_get("co", positions)
    return positions.reshape(-1, 3)


def draw_faces(moments: Sequence[sheets.Moment], pictures: dict[str, list[Path]], output: Path) -> None:
    """Draw a row for each face, a column for each moment."""
    figure, axes = plt.subplots(len(pictures), len(moments), figsize=(1.5 * len(moments), 1.6 * len(pictures)), squeeze=False)
    for cell, moment in zip(axes[0], moments):
        cell.set_title(f"/{moment.phone.text.lower()}/ in “{moment.word}”", fontsize=8)
    for row, (name, paths) in zip(axes, pictures.items()):
        for cell, path in zip(row, paths):
            cell.imshow(matplotlib.image.imread(path))
            cell.set_axis_off()
        row[0].text(-0.04, 0.5, name, rotation=90, ha="right", va="center", transform=row[0].transAxes, fontsize=9)
    figure.tight_layout(pad=0.3)
    figure.savefig(output, dpi=130, pil_kwargs={"quality": 88})
    plt.close(figure)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the rigs; returns 2 after printing a sentence if that is impossible."""
    parser = argparse.ArgumentParser(prog="rig_faces", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/rigs"), help="folder to write to (default: build/rigs)")
    parser.add_argument("--model", help="folder of a model package, or the name of a bundled one")
    options = parser.parse_args(arguments)
    return run_registered("rig_faces", lambda: compare_faces(options.output.absolute(), options.model))


if __name__ == "__main__":
    end_process(main())
