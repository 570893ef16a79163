# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the most memory that long sounds take: ``python -m voxrig.tools.benchmarks.memory``, some minutes.

An hour through ``animate`` on a face of shape keys, with and without an emotion, and three hours through ``curves``. Each runs
in a process of its own; with Blender as a module the process starts at about 250 MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...blender.ending import end_process
from .speed import name_machine, write_long_speech

LARGEST_MB = 1000.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 if something takes a gigabyte or more."""
    parser = argparse.ArgumentParser(prog="memory", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 for an hour of animate and three of curves (default)")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(MEASUREMENTS[options.measure[0]](*options.measure[1:])))
        return 0
    print(f"Measured on {name_machine()}.\n")
    print("| what | peak memory | seconds |\n|---|--:|--:|")
    largest = 0.0
    with tempfile.TemporaryDirectory(prefix="voxrig-memory-") as folder:
        hour, three = Path(folder) / "hour.flac", Path(folder) / "three.flac"
        write_long_speech(hour, 60 * options.scale)
        write_long_speech(three, 180 * options.scale)
        for what, measure in (
            (f"animate, {60 * options.scale:g} min", ("animate", str(hour), "")),
            (f"animate with joy, {60 * options.scale:g} min", ("animate", str(hour), "joy")),
            (f"curves, {180 * options.scale:g} min to NPZ", ("curves", str(three), str(Path(folder) / "three.npz"))),
            (f"curves, {180 * options.scale:g} min to CSV", ("curves", str(three), str(Path(folder) / "three.csv"))),
        ):
            found = _measure_in_process(*measure)
            largest = max(largest, found["peak_bytes"] / 1e6)
            print(f"| {what} | {found['peak_bytes'] / 1e6:.0f} MB | {found['seconds']:.0f} |", flush=True)
    return int(largest >= LARGEST_MB)


def _measure_in_process(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "voxrig.tools.benchmarks.memory", "--measure", *arguments]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(next(line for line in output.splitlines() if line.startswith("{")))


def _peak_since(start: float, children: bool = False) -> dict[str, float]:
    unit = 1 if sys.platform == "darwin" else 1024
    usage = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF)
    return {"peak_bytes": usage.ru_maxrss * unit, "seconds": time.perf_counter() - start}


def measure_animate(sound: str, emotion: str) -> dict[str, float]:
    """Press Animate from Audio on a mesh that has every channel of the bundled model as a shape key."""
    import bpy

    from ... import registration
    from ...inference.package import find_model, read_description
    from ...properties.access import scene_settings

    registration.register()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    mesh = bpy.data.meshes.new("Head")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    head = bpy.data.objects.new("Head", mesh)
    scene.collection.objects.link(head)
    for name in ("Basis", *read_description(find_model(None)).channel_names):
        head.shape_key_add(name=name).value = 0.0
    settings: Any = scene_settings(scene)
    settings.character, settings.sound_file = head, sound
    if emotion:
        settings.emotions[emotion].weight = 0.5
    start = time.perf_counter()
    operators: Any = bpy.ops
    if operators.voxrig.animate_from_audio() != {"FINISHED"}:
        raise RuntimeError("nothing was animated")
    return _peak_since(start)


def measure_curves(sound: str, output: str) -> dict[str, float]:
    """Run ``voxrig curves``."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "voxrig", "curves", sound, "--output", output, "--format", output[-3:]]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return _peak_since(start, children=True)


MEASUREMENTS = {"animate": measure_animate, "curves": measure_curves}


if __name__ == "__main__":
    end_process(main())
