# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.reports.blinks``: blinks read from renders of the demo character, beside those that it made.

The head speaks and lives for some seconds, seen at several sizes and from several sides, with lids shut at instants that differ
from film to film. Each film is written as MP4 and read as ``voxrig face`` reads it. A blink is found if the read lids rise by
half of their range within two frames of one that was made.
"""

from __future__ import annotations

import argparse
import tempfile
from math import cos, radians, sin
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from ...animation.life.cues import Cue
from ...animation.speech.phrases import stretches
from ...blender.ending import end_process
from ...blender.films import render_film
from ...inference.faces.performance import read_face
from ...inference.package import find_model
from ...operators.animate import animate_character
from ...takes.record import SoundStrip
from ...takes.settings import TakeSettings
from ..demo import stage
from ..demo.character import build_character
from ..demo.speech import read_speech
from ..registered import run_registered

VIEWS = ((256, 8, 0), (192, 0, 0), (256, 20, 5), (256, -20, 10), (320, 30, 0), (320, -10, -10), (160, 8, 0), (384, -30, 5))
"""Each film's width in pixels, and where the camera stands: degrees to the side and above."""
_AIM, _DISTANCE = (0.02, 0.0, -0.10), 7.0
_NEAR_FRAMES = 2
_SHUT, _READ_SHUT = 0.9, 0.5
_LEAST_WAIT, _MOST_WAIT = 0.5, 1.5


def find_blinks(lids: np.ndarray, level: float) -> list[int]:
    """Return the frames of the highest value of each stretch of ``lids`` ``[frame]`` above ``level``."""
    return [int(first + lids[first:after].argmax()) for first, after in stretches(lids > level)]


def draw_instants(seconds: float, seed: int) -> list[float]:
    """Draw the instants at which lids are shut in a film, from half to one and a half seconds apart."""
    dice = np.random.default_rng(seed)
    instants = np.cumsum(dice.uniform(_LEAST_WAIT, _MOST_WAIT, 200))
    return [round(float(at), 3) for at in instants if at < seconds - 0.3]


def place_camera(scene: Any, side: float, above: float) -> None:
    """Turn the camera around the head, degrees to the side and above."""
    camera: Any = bpy.data.objects["Camera"]
    across, up = radians(side), radians(above)
    aim = Vector(_AIM)
    camera.location = aim + _DISTANCE * Vector((-sin(across) * cos(up), -cos(across) * cos(up), sin(up)))
    camera.rotation_euler = (aim - camera.location).to_track_quat("-Z", "Y").to_euler()
    scene.camera = camera


def score_film(seconds: float, view: tuple[int, int, int], seed: int, folder: Path) -> tuple[int, int, int, int]:
    """Render and read one film; returns the numbers of frames, of blinks made and found, and of false ones."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    scene.display.render_aa = "OFF"  # four fifths of the time; a film's compression blurs more than its edges
    size, side, above = view
    place_camera(scene, side, above)
    strip = stage.add_sound(scene, read_speech().sound, "Demo Speech")
    rig: Any = build_character().armature
    cues = tuple(Cue("blink", at) for at in draw_instants(seconds, seed))
    settings = TakeSettings(life_seed=seed, cues=cues)
    take = animate_character(scene, rig, SoundStrip(strip), find_model(None), settings)
    column = next(i for i, target in enumerate(take.dense.targets) if "eyeBlinkLeft" in target.data_path)
    # A scene begins at frame 0 at the earliest, the take before its sound.
    first = int(np.searchsorted(take.dense.frames, stage.FIRST_FRAME))
    count = min(round(seconds * stage.FRAMES_PER_SECOND), len(take.dense.frames) - first)
    scene.frame_start, scene.frame_end = stage.FIRST_FRAME, stage.FIRST_FRAME + count - 1
    made = find_blinks(take.dense.values[first : first + count, column], _SHUT)
    film = folder / f"{seed}.mp4"
    render_film(scene, film, size)
    curves = read_face(film).curves
    lids = np.minimum(curves.channel("eyeBlinkLeft"), curves.channel("eyeBlinkRight"))
    low, high = np.quantile(lids, [0.2, 1.0])
    found = find_blinks(lids, low + _READ_SHUT * (high - low))
    hits = [at for at in made if any(abs(at - other) <= _NEAR_FRAMES for other in found)]
    false = [at for at in found if not any(abs(at - other) <= _NEAR_FRAMES for other in made)]
    return count, len(made), len(hits), len(false)


def score_blinks(seconds: float, films: int) -> None:
    """Render, read and print how many blinks were made, found and false, by film and in all."""
    rows: list[tuple[int, int, int, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed, view in enumerate(VIEWS[:films]):
            rows.append(score_film(seconds, view, seed, Path(folder)))
            size, side, above = view
            count, made, hits, false = rows[-1]
            print(f"{size} pixels, {side} degrees to the side, {above} above: {count} frames, {made} blinks, "
                  f"{hits} found, {false} false", flush=True)  # fmt: skip
    count, made, hits, false = (sum(column) for column in zip(*rows, strict=True))
    print("\n| measure | floor | value |\n| --- | --- | --- |")
    print(f"| blinks found, {made} in {count} rendered frames of {len(rows)} films | >= 0.95 | {hits / max(made, 1):.3f} |")
    print(f"| false ones among {hits + false} found | <= 0.05 | {false / max(hits + false, 1):.3f} |")


def main(argv: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="blinks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each film (default: 5)")
    parser.add_argument("--films", type=int, default=len(VIEWS), help=f"number of films (default: {len(VIEWS)}, the most)")
    options = parser.parse_args(argv)
    return run_registered("blinks", lambda: score_blinks(options.seconds, min(max(options.films, 1), len(VIEWS))))


if __name__ == "__main__":
    end_process(main())
