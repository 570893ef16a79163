# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo.emoji``: the pose of every smiley on the demo character's face, in one picture."""

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
from ...animation.rig.mapping import apply_mapping
from ...blender import poses, rigs
from ...blender.ending import end_process
from ...blender.films import render_stills
from ...operators.mapping import find_character
from ..registered import run_registered
from . import stage
from .__main__ import step
from .character import build_character

_FONT_SHARE = 0.3


def main(argv: list[str] | None = None) -> int:
    """Make the picture; return 0 if it was written."""
    parser = argparse.ArgumentParser(prog="emoji", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder to write to (default: build/demo)")
    parser.add_argument("--size", type=int, default=112, help="width of a face in pixels (default: 112)")
    parser.add_argument("--distinct", action="store_true", help="one smiley of each pose only")
    parser.add_argument("--columns", type=int, default=16, help="faces in a row (default: 16)")
    arguments = parser.parse_args(argv)
    output = arguments.output.absolute()
    output.mkdir(parents=True, exist_ok=True)
    return run_registered("emoji", lambda: make_sheet(output, arguments.size, arguments.columns, distinct=arguments.distinct))


def make_sheet(output: Path, size: int, columns: int, *, distinct: bool) -> None:
    """Write ``voxrig_emoji.png``. Smileys that feel the same share a picture."""
    table = load_smiley_faces()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    camera: Any = bpy.data.objects["Camera"]
    camera.location, camera.rotation_euler = (0.0, -14.0, 0.02), (np.pi / 2, 0.0, 0.0)
    camera.data.type, camera.data.ortho_scale = "ORTHO", 1.9
    rig: Any = build_character().armature
    names = list(pose_smiley(next(iter(table.values()))).names)
    mapping = rigs.match_channels(find_character(rig), names).mapping
    pictures: dict[tuple[tuple[str, float], ...], Any] = {}
    faces: list[tuple[str, str, Any]] = []
    path = output / "frames" / "emoji.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with step(f"{len(table)} smileys"):
        for smiley, entry in table.items():
            mix = (*sorted(entry.emotions.items()), *sorted(entry.pose.items()))
            if mix not in pictures:
                shown = apply_mapping(mapping, pose_smiley(entry))
                poses.set_pose(dict(zip(shown.targets, shown.values[0].tolist(), strict=True)))
                render_stills(scene, [1], [path], size)
                pictures[mix] = matplotlib.image.imread(path)[..., :3]
            elif distinct:
                continue
            faces.append((smiley, entry.name, pictures[mix]))
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


if __name__ == "__main__":
    end_process(main())
