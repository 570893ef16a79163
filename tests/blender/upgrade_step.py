# SPDX-License-Identifier: GPL-3.0-or-later
"""The step of one Blender in test_upgrades.py: make a file, or open the one before it, update its takes and edit keys.

python tests/blender/upgrade_step.py <file> <file or -> <folder of the model> <sound>

Prints one line of JSON with numbers for each face: the artist's keys, how many Voxrig kept when it updated the take, and the
lists and places that the file brought along.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import bpy

ROOT = Path(__file__).resolve().parents[2]
CHANNELS = ("jawOpen", "mouthPucker", "browInnerUp")
FACES = {"Face": "ACTION", "In a Strip": "STRIP", "On a Layer": "LAYER"}
"""Faces with a take each, and where it is."""


def find(name: str) -> dict[str, Any]:
    """Return the F-Curves of a face's take, wherever it is, by data path."""
    from voxrig.blender.takes import find_curves

    face = bpy.data.objects[name]
    found = find_curves(face.data.shape_keys, face.voxrig.takes[0].mark)
    return {path: curve for (path, _index), curve in found.items()}


def list_artists_keys(name: str) -> list[list[object]]:
    """Return the artist's keys on a face, as Voxrig knows them."""
    from voxrig.blender.takes import read_present

    found: list[list[object]] = []
    for path, curve in find(name).items():
        present = read_present(curve)
        for key in present.keys[present.is_artists]:
            found.append(
                [path, *(round(float(number), 5) for name in ("co", "handle_left", "handle_right") for number in key[name])]
            )
    return found


def make_face(name: str, output: str, sound: str, model: str) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import Scope, TakeSettings

    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    face = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(face)
    face.shape_key_add(name="Basis")
    for channel in CHANNELS:
        face.shape_key_add(name=channel, from_mix=False).data[2].co.z = 1.0
    if output == "LAYER":  # on top of what somebody animated
        face.data.shape_keys.key_blocks[CHANNELS[0]].keyframe_insert("value", frame=1)
    settings = TakeSettings(provider="CPU", life=0.0)
    animate_character(bpy.context.scene, face, SoundFile(sound, 1.0), model, settings, scope=Scope(output=output))


def edit(name: str, step: int) -> None:
    """Move a key of one curve, and change a handle of another."""
    found = find(name)
    jaw, lips = (found[f'key_blocks["{channel}"].value'].fcurve for channel in CHANNELS[:2])
    key = jaw.keyframe_points[3 + 2 * step]
    key.co_ui = (key.co[0], 0.9)
    jaw.update()
    key = lips.keyframe_points[3 + 2 * step]
    key.handle_left_type = key.handle_right_type = "FREE"
    key.handle_right = (key.co[0] + 0.5, key.co[1] + 0.1)
    lips.update()


def describe(name: str) -> str:
    """Return everything of a face that a later Blender must find as it was: mapping, takes, ledger, strips."""
    from voxrig.animation.rig.mapping import to_json
    from voxrig.properties.links import read_mapping

    face = bpy.data.objects[name]
    keys = face.data.shape_keys
    takes = [[take.title, take.mark, take.record] for take in face.voxrig.takes]
    tracks = [[[strip.name, strip.action_frame_start, strip.action_frame_end, strip.blend_type] for strip in track.strips]
              for track in keys.animation_data.nla_tracks]  # fmt: skip
    marked = {path: [curve.entry.keys, len(curve.entry.holds)] for path, curve in find(name).items()}
    return json.dumps([json.loads(to_json(read_mapping(face))), takes, tracks, marked])


def main(target: str, source: str, model: str, sound: str) -> None:
    import voxrig

    voxrig.register()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene, kept, step = bpy.context.scene, dict.fromkeys(FACES, 0), 0
    if source == "-":
        for name, output in FACES.items():
            make_face(name, output, sound, model)
    else:
        from voxrig.operators.takes import update_take

        bpy.ops.wm.open_mainfile(filepath=source)
        scene = bpy.context.scene
        step = scene["step"] + 1
        for name in FACES:
            face = bpy.data.objects[name]
            assert describe(name) == scene[f"{name} as it was"], name
            before = list_artists_keys(name)
            tracks = len(face.data.shape_keys.animation_data.nla_tracks)
            kept[name] = update_take(scene, face).kept_count
            assert list_artists_keys(name) == before, name
            assert (len(face.voxrig.takes), len(face.data.shape_keys.animation_data.nla_tracks)) == (1, tracks), name
    for name in FACES:
        edit(name, step)
        scene[f"{name} as it was"] = describe(name)
    scene["step"] = step
    print(json.dumps({name: [kept[name], len(list_artists_keys(name))] for name in FACES}))
    bpy.ops.wm.save_as_mainfile(filepath=target)


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tests")]
    import conftest  # noqa: F401  # makes this checkout the package 'voxrig'
    from voxrig.blender.ending import end_process

    main(*sys.argv[1:])
    end_process(0)
