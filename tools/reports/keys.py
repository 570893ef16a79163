# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the cost and error of each way of placing keys on real speech, and prove that takes leave all other keys alone (`make
keys`).

Needs the bpy module.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import voxrig
from numpy.typing import NDArray
from voxrig.animation.keys.placing import DENSITIES
from voxrig.blender import compat
from voxrig.blender.actions import read_keys, write_target_curves
from voxrig.blender.ending import end_process
from voxrig.inference.package import bundled_packages, read_description
from voxrig.operators.animate import animate_character, gather
from voxrig.operators.takes import retake, update_take
from voxrig.takes.job import compute
from voxrig.takes.record import SoundFile
from voxrig.takes.settings import Scope, TakeSettings
from voxrig.takes.shaping import Take

from ..benchmarks.key_writing import benchmark_key_writing

SPEECH = Path(__file__).parents[1] / "demo" / "speech" / "demo.flac"
FPS = 24
ARTISTS = ("jawOpen", "mouthSmileLeft", "browInnerUp", "Artist")
ARTISTS_FRAMES = np.arange(20, 200, 12) + 0.5
RETAKE = Scope(60, 100, ("lips",), 4.0)


def modes() -> dict[str, TakeSettings]:
    """Return every way of placing keys by its title in the table."""
    found = {f"Sparse, density {density}": TakeSettings(density=density) for density in DENSITIES}
    found["Every frame"] = TakeSettings(keys="EVERY")
    found["On twos"] = TakeSettings(keys="STEP", key_step=2)
    found["On threes"] = TakeSettings(keys="STEP", key_step=3)
    found["Poses (held)"] = TakeSettings(keys="POSES")
    return found


def table_of_modes() -> str:
    """Tabulate keys a second and control, errors over all frames and controls, and seconds to place and to write, as
    Markdown."""
    lines = ["| keys | keys/s a control | largest error | mean error | place | write |", "|---|---|---|---|---|---|"]
    for name, settings in modes().items():
        scene, head = new_character()
        job = gather(scene, head, SoundFile(str(SPEECH)), _model(), settings)
        compute(job)  # the model's output is cached from here on
        start = time.process_time()
        take = compute(job)
        placed = time.process_time()
        write_target_curves(take.curves, take.first_frame, take.last_frame, placing=take.dense.placing)
        written = time.process_time()
        errors = measure_errors(take, head.data.shape_keys)
        rate = take.key_count / len(take.curves) / (len(take.dense.frames) / FPS)
        lines.append(
            f"| {name} | {rate:.1f} | {errors.max():.4f} | {errors.mean():.4f} | {1e3 * (placed - start):.0f} ms "
            f"| {1e3 * (written - placed):.0f} ms |"
        )
    return "\n".join(lines)


def measure_errors(take: Take, keys: Any) -> NDArray[Any]:
    """Measure how far the controls in Blender stray from the take's dense curves, ``[frame, control]``."""
    found = {fcurve.data_path: fcurve for fcurve in compat.curves_of(keys) or ()}
    shown = [[found[target.data_path].evaluate(float(frame)) for target in take.dense.targets] for frame in take.dense.frames]
    return np.abs(np.array(shown) - take.dense.values)


def prove_untouched() -> str:
    """Prove by the hash of their bytes that retake, undo and update leave other keys alone; returns a line for the report.

    Raises AssertionError if a byte differs.
    """
    scene, head = new_character()
    keys = head.data.shape_keys
    sound = SoundFile(str(SPEECH))
    animate_character(scene, head, sound, _model())
    for name in ARTISTS:
        for frame in ARTISTS_FRAMES.tolist():
            keys.key_blocks[name].keyframe_insert("value", frame=frame)
    job = gather(scene, head, sound, _model(), TakeSettings(), RETAKE)
    lips = {target.data_path for target in job.parts[0].targets or ()}
    bpy.ops.ed.undo_push(message="Keys of the artist's")

    def everything(_path: str, frames: NDArray[Any]) -> NDArray[Any]:
        return np.ones(frames.size, bool)

    def artists(path: str, frames: NDArray[Any]) -> NDArray[Any]:
        is_theirs = any(path == f'key_blocks["{name}"].value' for name in ARTISTS)
        return np.isin(frames, ARTISTS_FRAMES) & is_theirs

    def beside_retake(path: str, frames: NDArray[Any]) -> NDArray[Any]:
        inside = (frames >= float(RETAKE.first_frame or 0)) & (frames <= float(RETAKE.last_frame or 0))
        return ~inside | (path not in lips) | artists(path, frames)

    before, aside, theirs = (hash_keys(keys, chosen) for chosen in (everything, beside_retake, artists))
    retake(scene, head, RETAKE, TakeSettings(strength=1.5))
    assert hash_keys(keys, everything) != before, "the retake changed nothing"
    assert hash_keys(keys, beside_retake) == aside, "the retake changed keys outside its range and regions"
    bpy.ops.ed.undo_push(message="Retake")
    bpy.ops.ed.undo()
    scene: Any = bpy.data.scenes[0]
    head: Any = bpy.data.objects["Head"]
    keys = head.data.shape_keys
    assert hash_keys(keys, everything) == before, "undo did not bring every key back"
    update_take(scene, head)
    assert hash_keys(keys, artists) == theirs, "the update changed keys of the artist's"
    return (
        f"untouched keys, sha256: beside the retake {aside[1]} {aside[0][:16]} = after it; all {before[1]} {before[0][:16]} = "
        f"after undo; the artist's {theirs[1]} {theirs[0][:16]} = after update"
    )


def hash_keys(keys: Any, chosen: Callable[[str, NDArray[Any]], NDArray[Any]]) -> tuple[str, int]:
    """Hash all that Blender stores of the chosen keys of all F-Curves with sha256; also returns their number."""
    digest, count = hashlib.sha256(), 0
    for fcurve in sorted(compat.curves_of(keys) or (), key=lambda fcurve: fcurve.data_path):
        table = read_keys(fcurve)
        table = table[chosen(fcurve.data_path, table["co"][:, 0])]
        digest.update(fcurve.data_path.encode() + table.tobytes())
        count += len(table)
    return digest.hexdigest(), count


def new_character() -> tuple[Any, Any]:
    """Create an empty scene with a mesh that has a shape key for every channel of the model, and one of the artist's own."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    blender: Any = bpy.context
    scene = blender.scene
    scene.render.fps, scene.render.fps_base = FPS, 1.0
    mesh = bpy.data.meshes.new("Head")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    head = bpy.data.objects.new("Head", mesh)
    scene.collection.objects.link(head)
    for name in ["Basis", *read_description(_model()).channel_names, "Artist"]:
        head.shape_key_add(name=name)
    return scene, head


def _model() -> Path:
    return next(folder for folder in bundled_packages() if folder.name == "speech")


def main() -> None:
    """Print the whole report."""
    voxrig.register()
    try:
        print(f"Blender {bpy.app.version_string}, the demo's speech at {FPS} frames a second\n")
        print(table_of_modes(), "\n")
        print(prove_untouched(), "\n")
    finally:
        voxrig.unregister()
    print(benchmark_key_writing().table())


if __name__ == "__main__":
    end_process(main())
