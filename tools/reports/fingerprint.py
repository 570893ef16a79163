# SPDX-License-Identifier: GPL-3.0-or-later
"""Hash what Voxrig produces, to prove that a change of its code leaves its results alone.

``python -m voxrig.tools.reports.fingerprint -o before.json`` stores the sha256 of ``voxrig curves`` for the demo's sentences
with five settings each, and of all keyframes of five takes; ``--compare before.json`` exits with 1 and names what differs.
Hashes agree only on one machine with one model: floating point differs between processors.

It uses only the command line and the operators' names, so that it runs on both sides of a refactoring.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

SPEECH_FOLDER = Path(__file__).parents[1] / "demo" / "speech"
CURVE_SETTINGS: dict[str, list[str]] = {
    "neutral": [],
    "joy": ["--emotion", "joy=1"],
    "anger": ["--emotion", "anger=0.5"],
    "mixed": ["--emotion", "joy=0.3", "--emotion", "sadness=0.6"],
    "npz": ["--format", "npz", "--provider", "cpu"],
}
TAKES: dict[str, dict[str, Any]] = {
    "sparse": {},
    "every frame": {"keys": "EVERY", "lips_strength": 1.4, "smoothing": 0.02, "lead": 60.0},
    "strip": {"output": "STRIP", "output_blend": 4.0, "density": 6, "brows_strength": 1.5},
    "layer": {"output": "LAYER", "keys": "STEP", "key_step": 3, "jaw_offset": 0.1},
    "retake": {"strength": 1.5, "lips_smoothing": 20.0, "articulation": 0.8},
}
"""Settings of the scene for each take; 'retake' changes the lips of 'sparse' from frame 60 to 100."""
_KEY_FIELDS = ("co", "handle_left", "handle_right")
_KEY_ENUMS = ("interpolation", "handle_left_type", "handle_right_type", "type")


def hash_curves(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file that ``voxrig curves`` writes, by sentence and settings."""
    record = json.loads((SPEECH_FOLDER / "demo.json").read_text(encoding="utf-8"))
    samples, rate = soundfile.read(SPEECH_FOLDER / "demo.flac")
    sounds: list[Path] = []
    for number, sentence in enumerate(record["sentences"]):
        sounds.append(folder / f"sentence_{number}.wav")
        soundfile.write(sounds[-1], samples[int(rate * sentence["start"]) : int(rate * sentence["end"])], rate)
    hashes: dict[str, str] = {}
    for name, options in CURVE_SETTINGS.items():
        output = folder / name
        command = [sys.executable, "-m", "voxrig", "curves", *map(str, sounds), "-o", f"{output}/", *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for path in sorted(output.iterdir()):
            hashes[f"curves {name} {path.stem}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashes


def hash_takes() -> dict[str, str]:
    """Return the sha256 over all keyframes of the Blender file after each take."""
    import bpy
    import voxrig

    voxrig.register()
    try:
        return {name: _hash_take(bpy, name) for name in TAKES}
    finally:
        voxrig.unregister()


def _hash_take(bpy: Any, name: str) -> str:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = 24
    mesh = bpy.data.meshes.new("Head")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    head = bpy.data.objects.new("Head", mesh)
    scene.collection.objects.link(head)
    model = json.loads((Path(voxrig_root()) / "models" / "speech" / "model.json").read_text(encoding="utf-8"))
    for key in ["Basis", *(channel["name"] for channel in model["channels"])]:
        head.shape_key_add(name=key).value = 0.0
    settings = scene.voxrig
    settings.character, settings.sound_file = head, str(SPEECH_FOLDER / "demo.flac")
    if name == "retake":
        assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
        settings.live_update = False
        settings.retake_first, settings.retake_last, settings.retake_regions = 60, 100, {"LIPS"}
    for setting, value in TAKES[name].items():
        setattr(settings, setting, value)
    operator = bpy.ops.voxrig.retake if name == "retake" else bpy.ops.voxrig.animate_from_audio
    assert operator() == {"FINISHED"}
    return _hash_actions(bpy)


def _hash_actions(bpy: Any) -> str:
    digest = hashlib.sha256()
    for action in sorted(bpy.data.actions, key=lambda action: action.name):
        if hasattr(action, "slots"):
            bags = [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]
            fcurves = [fcurve for bag in bags for fcurve in bag.fcurves]
        else:
            fcurves = list(action.fcurves)
        for fcurve in sorted(fcurves, key=lambda fcurve: (fcurve.data_path, fcurve.array_index)):
            digest.update(f"{action.name} {fcurve.data_path} {fcurve.array_index}".encode())
            points = fcurve.keyframe_points
            for field in _KEY_FIELDS:
                values = np.empty(2 * len(points), np.float32)
                points.foreach_get(field, values)
                digest.update(values.tobytes())
            digest.update(repr([[getattr(point, field) for field in _KEY_ENUMS] for point in points]).encode())
    return digest.hexdigest()


def voxrig_root() -> Path:
    """Return the folder of the running package."""
    import voxrig

    return Path(str(voxrig.__file__)).parent


def main() -> int:
    """Store or compare the hashes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, help="JSON file to store the hashes in")
    parser.add_argument("--compare", type=Path, help="JSON file that was stored before")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hashes = {**hash_curves(Path(folder)), **hash_takes()}
    if arguments.output is not None:
        arguments.output.write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")
    if arguments.compare is None:
        print(json.dumps(hashes, indent=1))
        return 0
    before = json.loads(arguments.compare.read_text(encoding="utf-8"))
    different = [name for name in {**before, **hashes} if before.get(name) != hashes.get(name)]
    print("\n".join(f"differs: {name}" for name in different) or f"all {len(hashes)} hashes are equal")
    return 1 if different else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    import os

    os._exit(code)  # bpy as a module may crash while Python shuts down
