# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the .blend files that tests/blender/test_legacy_files.py opens: takes and edits as an earlier Voxrig left them.

Run it with the Python of each Blender and the checkout of the Voxrig whose files are wanted, under the name ``voxrig``:

    PYTHONPATH=<folder that holds voxrig> python tests/data/make_legacy_files.py tests/data/legacy/blender-4.2.blend

The files of tests/data/legacy were made at commit 10f51ff. The sound is the bundled demo speech; it is stored as
``//demo.flac``, so that the tests put it beside a copy of the file. The text 'Expected' says which keys are the artist's.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import bpy

KEYS = ("jawOpen", "mouthFunnel", "mouthPucker", "mouthSmileLeft", "browInnerUp")
LAST_FRAME = 72
COLUMNS = ("co", "handle_left", "handle_right", "interpolation", "easing", "handle_left_type", "handle_right_type", "type")


def make_character(name: str) -> Any:
    """Make a head with shape keys on an armature whose bone and property follow channels, too; its mapping is stored."""
    from voxrig.animation.mapping import Link, Mapping, Target
    from voxrig.properties.links import store_mapping

    rig = bpy.data.objects.new(f"{name} Rig", bpy.data.armatures.new(f"{name} Rig"))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    rig.data.edit_bones.new("jaw").tail = (0, 0, 1)
    bpy.ops.object.mode_set(mode="OBJECT")
    rig.pose.bones["jaw"].rotation_mode = "XYZ"
    rig["blink"] = 0.0
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    head = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(head)
    head.modifiers.new("Armature", "ARMATURE").object = rig
    head.shape_key_add(name="Basis")
    for key in KEYS:
        head.shape_key_add(name=key, from_mix=False).data[2].co.z = 0.5
    shape_keys = mesh.shape_keys.name_full
    links = [Link(key, Target("KEY", shape_keys, f'key_blocks["{key}"].value')) for key in KEYS]
    links.append(Link("jawOpen", Target("OBJECT", rig.name_full, 'pose.bones["jaw"].rotation_euler', 0), 0.5))
    links.append(Link("eyeBlinkLeft", Target("OBJECT", rig.name_full, '["blink"]')))
    store_mapping(head, Mapping(tuple(links)))
    return head


def animate(head: Any, *, output: str = "ACTION", last_frame: int | None = LAST_FRAME, **settings: Any) -> None:
    """Animate from the start of the speech."""
    from voxrig.inference.package import bundled_packages
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import Scope, TakeSettings

    animate_character(
        bpy.context.scene,
        head,
        SoundFile("//demo.flac", 1.0),
        bundled_packages()[0],
        TakeSettings(provider="CPU", **settings),
        scope=Scope(last_frame=last_frame, output=output),
    )


def owners_of(head: Any) -> tuple[Any, Any]:
    return head.data.shape_keys, bpy.data.objects[f"{head.name} Rig"]


def find_curve(owner: Any, path: str) -> Any:
    from voxrig.blender import compat

    return next(curve for curve in compat.curves_of(owner) if curve.data_path == path)


def nearest_key(curve: Any, frame: float) -> Any:
    return min(curve.keyframe_points, key=lambda key: abs(key.co[0] - frame))


def edit_by_hand(head: Any) -> list[dict[str, Any]]:
    """Edit a take like an artist: move a key on the face and on the bone, turn and lengthen a handle, set a key."""
    keys, rig = owners_of(head)
    edited: list[tuple[Any, str, float]] = []
    for owner, path, frame, value in (
        (keys, 'key_blocks["jawOpen"].value', 20.0, 0.95),
        (rig, 'pose.bones["jaw"].rotation_euler', 30.0, 0.4),
    ):
        curve = find_curve(owner, path)
        key = nearest_key(curve, frame)
        key.co_ui = (key.co[0], value)
        edited.append((owner, path, float(key.co[0])))
        curve.update()
    curve = find_curve(keys, 'key_blocks["mouthFunnel"].value')
    key = nearest_key(curve, 40.0)
    key.handle_left_type = key.handle_right_type = "FREE"
    key.handle_right = (key.co[0] + 1.0, key.co[1] + 0.3)
    edited.append((keys, curve.data_path, float(key.co[0])))
    curve.update()
    curve = find_curve(keys, 'key_blocks["mouthPucker"].value')
    taken = {round(key.co[0]) for key in curve.keyframe_points}
    free = next(frame for frame in range(24, LAST_FRAME) if frame not in taken)
    keys.key_blocks["mouthPucker"].value = 0.7
    keys.key_blocks["mouthPucker"].keyframe_insert("value", frame=free)
    edited.append((keys, curve.data_path, float(free)))
    return [describe_key(owner, path, frame) for owner, path, frame in edited]


def describe_key(owner: Any, path: str, frame: float) -> dict[str, Any]:
    """Return a key as values that JSON holds exactly."""
    key = nearest_key(find_curve(owner, path), frame)
    values = {name: getattr(key, name) for name in COLUMNS}
    values = {name: value if isinstance(value, str) else list(value) for name, value in values.items()}
    return {"id_type": owner.id_type, "id_name": owner.name_full, "path": path, "key": values}


def fill_scene() -> dict[str, Any]:
    """Make all characters; returns the expected content of the file."""
    from voxrig.inference.package import bundled_packages
    from voxrig.operators.takes import retake
    from voxrig.takes.settings import RegionModel, Scope, TakeSettings

    model = bundled_packages()[0]
    animate(make_character("Sparse"), last_frame=None, emotion={"joy": 0.5}, region_models=(RegionModel(model, ("brows",)),))
    animate(make_character("Every"), keys="EVERY", emotion={"anger": [(1.0, 0.0), (40.0, 1.0)]}, lead_seconds=0.05)
    animate(make_character("Strip"), output="STRIP", strength=1.5)
    layered = make_character("Layer")
    for frame, value in ((-20, 0.1), (100, 0.2)):
        layered.data.shape_keys.key_blocks["browInnerUp"].value = value
        layered.data.shape_keys.key_blocks["browInnerUp"].keyframe_insert("value", frame=frame)
    animate(layered, output="LAYER", strength=0.5)
    edited = make_character("Edited")
    animate(edited)
    artists = edit_by_hand(edited)
    retake(bpy.context.scene, edited, Scope(10, 50, fade_frames=4.0), TakeSettings(provider="CPU", strength=0.6))
    artists_now = [describe_key(*_place(found)) for found in artists]
    if artists_now != artists:
        raise RuntimeError("the retake has changed keys of the artist's")
    return {
        "blender": list(bpy.app.version),
        "takes": {"Sparse": 1, "Every": 1, "Strip": 1, "Layer": 1, "Edited": 2},
        "artists": {"Edited": artists},
    }


def _place(found: dict[str, Any]) -> tuple[Any, str, float]:
    blocks = bpy.data.shape_keys if found["id_type"] == "KEY" else bpy.data.objects
    return blocks[found["id_name"]], found["path"], found["key"]["co"][0]


def main(path: Path) -> None:
    """Write one file. The Voxrig that is imported as ``voxrig`` makes it."""
    import voxrig

    voxrig.register()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.context.scene.render.fps = 24
    sound = path.with_name("demo.flac")
    shutil.copyfile(Path(voxrig.__file__).parent / "tools" / "demo" / "speech" / "demo.flac", sound)
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
    bpy.data.texts.new("Expected").write(json.dumps(fill_scene()))
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=True)
    sound.unlink()


if __name__ == "__main__":
    from voxrig.blender.ending import end_process

    main(Path(sys.argv[1]).resolve())
    end_process(0)
