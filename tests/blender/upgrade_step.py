# SPDX-License-Identifier: GPL-3.0-or-later
"""The step of one Blender in test_upgrades.py: make a file, or open the one before it, update its take and edit a key.

python tests/blender/upgrade_step.py <file> <file or -> <folder of the model> <sound>

Prints one line of JSON: the keys of the artist's and how many Voxrig kept when it updated the take.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import bpy

ROOT = Path(__file__).resolve().parents[2]
CHANNELS = ("jawOpen", "mouthPucker", "browInnerUp")


def curves() -> dict[str, Any]:
    from voxrig.blender import compat

    return {curve.data_path: curve for curve in compat.curves_of(bpy.data.objects["Face"].data.shape_keys)}


def list_artists_keys() -> list[list[object]]:
    """Return the artist's keys, as Voxrig knows them."""
    from voxrig.blender.takes import find_curves, read_present

    found: list[list[object]] = []
    for (path, _index), curve in find_curves(bpy.data.objects["Face"].data.shape_keys).items():
        present = read_present(curve)
        for key in present.keys[present.is_artists]:
            found.append(
                [path, *(round(float(number), 5) for name in ("co", "handle_left", "handle_right") for number in key[name])]
            )
    return found


def make_face(sound: str, model: str) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    mesh = bpy.data.meshes.new("Face")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    face = bpy.data.objects.new("Face", mesh)
    bpy.context.scene.collection.objects.link(face)
    face.shape_key_add(name="Basis")
    for name in CHANNELS:
        face.shape_key_add(name=name, from_mix=False).data[2].co.z = 1.0
    animate_character(bpy.context.scene, face, SoundFile(sound, 1.0), model, TakeSettings(provider="CPU", life=0.0))


def edit(step: int) -> None:
    """Move a key of one curve, and change a handle of another."""
    jaw, lips = (curves()[f'key_blocks["{name}"].value'] for name in CHANNELS[:2])
    key = jaw.keyframe_points[3 + 2 * step]
    key.co_ui = (key.co[0], 0.9)
    jaw.update()
    key = lips.keyframe_points[3 + 2 * step]
    key.handle_left_type = key.handle_right_type = "FREE"
    key.handle_right = (key.co[0] + 0.5, key.co[1] + 0.1)
    lips.update()


def main(target: str, source: str, model: str, sound: str) -> None:
    import voxrig

    voxrig.register()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    kept, step = 0, 0
    if source == "-":
        make_face(sound, model)
    else:
        from voxrig.operators.takes import update_take

        bpy.ops.wm.open_mainfile(filepath=source)
        step = bpy.context.scene["step"] + 1
        before = list_artists_keys()
        kept = update_take(bpy.context.scene, bpy.data.objects["Face"]).kept_count
        assert list_artists_keys() == before
    edit(step)
    bpy.context.scene["step"] = step
    print(json.dumps({"kept": kept, "artists": len(list_artists_keys())}))
    bpy.ops.wm.save_as_mainfile(filepath=target)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tests")]
    import conftest  # noqa: F401  # makes this checkout the package 'voxrig'
    from voxrig.blender.ending import end_process

    main(*sys.argv[1:])
    end_process(0)
