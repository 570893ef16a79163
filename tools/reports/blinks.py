# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.reports.blinks``: blinks read from renders of the demo character, beside those that it made.

The head speaks and lives for some seconds with lids shut at known frames; every frame is rendered, tracked and read like a
film. A blink is found if the read lids rise by half of their range within two frames of one that was made.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import matplotlib.image
import numpy as np

from ...blender.ending import end_process
from ...blender.films import render_stills
from ...inference.faces.films import Frame
from ...inference.faces.performance import read_face
from ...inference.package import find_model
from ...operators.animate import animate_character
from ...takes.record import SoundStrip
from ...takes.settings import TakeSettings
from ..demo import stage
from ..demo.character import build_character
from ..demo.speech import read_speech
from ..registered import run_registered

_NEAR_FRAMES = 2
_SHUT, _READ_SHUT = 0.9, 0.5


def find_blinks(lids: np.ndarray, level: float) -> list[int]:
    """Return the frames of the highest value of each stretch of ``lids`` ``[frame]`` above ``level``."""
    above = np.flatnonzero(np.diff(np.concatenate([[0], lids > level, [0]]).astype(int)))
    return [int(first + lids[first:after].argmax()) for first, after in above.reshape(-1, 2)]


def score_blinks(seconds: float, size: int, blinks: float) -> None:
    """Render, read and print how many blinks were made, found and false."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    strip = stage.add_sound(scene, read_speech().sound, "Demo Speech")
    rig: Any = build_character().armature
    take = animate_character(scene, rig, SoundStrip(strip), find_model(None), TakeSettings(life_blinks=blinks))
    column = next(i for i, target in enumerate(take.dense.targets) if "eyeBlinkLeft" in target.data_path)
    count = min(round(seconds * stage.FRAMES_PER_SECOND), len(take.dense.frames))
    frames = [int(frame) for frame in take.dense.frames[:count]]
    made = find_blinks(take.dense.values[:count, column], _SHUT)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{frame:04d}.png" for frame in frames]
        render_stills(scene, frames, paths, size)

        def read(_path: Path) -> Iterator[Frame]:
            for index, path in enumerate(paths):
                picture = (255 * matplotlib.image.imread(path)[..., :3]).astype(np.uint8)
                yield Frame(index / stage.FRAMES_PER_SECOND, picture, index / len(paths))

        curves = read_face(Path("render"), reader=read).curves
    lids = np.minimum(curves.channel("eyeBlinkLeft"), curves.channel("eyeBlinkRight"))
    low, high = np.quantile(lids, [0.2, 1.0])
    found = find_blinks(lids, low + _READ_SHUT * (high - low))
    hits = [at for at in made if any(abs(at - other) <= _NEAR_FRAMES for other in found)]
    false = [at for at in found if not any(abs(at - other) <= _NEAR_FRAMES for other in made)]
    print("| measure | floor | value |\n| --- | --- | --- |")
    title = f"blinks found, {len(made)} in {count} rendered frames of {size} pixels"
    print(f"| {title} | >= 0.95 | {len(hits) / max(len(made), 1):.3f} |")
    print(f"| false ones among {len(found)} found | <= 0.05 | {len(false) / max(len(found), 1):.3f} |")


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="blinks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="length of the film (default: 12)")
    parser.add_argument("--size", type=int, default=256, help="width of a frame in pixels (default: 256)")
    parser.add_argument("--blinks", type=float, default=2.0, help="how often the head blinks, 1 is usual (default: 2)")
    options = parser.parse_args(argv)
    return run_registered("blinks", lambda: score_blinks(options.seconds, options.size, options.blinks))


if __name__ == "__main__":
    end_process(main())
