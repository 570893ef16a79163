# SPDX-License-Identifier: GPL-3.0-or-later
"""One life of the extension, from the zip to nothing: run by test_life_cycle.py in a process of its own.

``python life_cycle.py ZIP SOUND FOLDER`` with BLENDER_USER_RESOURCES set to an empty folder. Writes what it saw to
``FOLDER/seen.json`` after every step, so that a crash still shows how far it came.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path

import bpy

REPOSITORY = "user_default"
MODULE = f"bl_ext.{REPOSITORY}.voxrig"
SHAPE_KEYS = ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouth_smile_L", "mouth_smile_R")
HEAVY = ("onnxruntime", "soundfile", "_soundfile", "soxr", "cffi", "typing_extensions")


def make_character() -> bpy.types.Object:
    """Make a mesh 'Face' with a few of ARKit's shape keys, two of them named in another manner."""
    mesh = bpy.data.meshes.new("Face")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    face = bpy.data.objects.new("Face", mesh)
    bpy.context.scene.collection.objects.link(face)
    face.shape_key_add(name="Basis")
    for index, name in enumerate(SHAPE_KEYS):
        face.shape_key_add(name=name).data[index % 3].co.z += 0.1
    return face


def read_curves(blend_file: Path) -> dict[str, list[tuple[float, float]]]:
    """Return the keys of every F-Curve of the shape keys in a saved file, by data path, in any Blender."""
    bpy.ops.wm.open_mainfile(filepath=str(blend_file))
    animation = bpy.data.objects["Face"].data.shape_keys.animation_data
    action = animation.action
    if hasattr(action, "slots"):
        fcurves = [
            fcurve
            for layer in action.layers
            for strip in layer.strips
            for bag in strip.channelbags
            if bag.slot_handle == animation.action_slot_handle
            for fcurve in bag.fcurves
        ]
    else:
        fcurves = list(action.fcurves)
    return {fcurve.data_path: [tuple(key.co) for key in fcurve.keyframe_points] for fcurve in fcurves}


def main() -> None:
    zip_file, sound, folder = (Path(argument) for argument in sys.argv[1:4])
    seen: dict[str, object] = {"blender": bpy.app.version_string}

    def note(**facts: object) -> None:
        seen.update(facts)
        (folder / "seen.json").write_text(json.dumps(seen), encoding="utf-8")

    note(classes_before=sorted(name for name in dir(bpy.types) if "VOXRIG" in name.upper()))
    result = bpy.ops.extensions.package_install_files(
        filepath=str(zip_file), repo=REPOSITORY, enable_on_install=True, overwrite=True
    )
    note(
        installed=sorted(result),
        enabled=MODULE in bpy.context.preferences.addons.keys(),  # noqa: SIM118 (not a dict)
        classes_enabled=sorted(name for name in dir(bpy.types) if "VOXRIG" in name.upper()),
        heavy_after_enable=sorted(set(HEAVY) & set(sys.modules)),
    )

    # The command line inside the installed extension, on the scene that is open: what `blender --command` runs.
    make_character()
    scene = folder / "scene.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(scene))
    cli = importlib.import_module(f"{MODULE}.cli.main")
    output = folder / "animated.blend"
    command = ["animate", "--character", "Face", "--audio", str(sound), "--output", str(output)]
    note(animate_code=cli.main(command), output_written=output.is_file())
    note(curves=read_curves(output) if output.is_file() else {})
    curves_file = folder / "curves.csv"
    note(curves_code=cli.main(["curves", str(sound), "-o", str(curves_file)]))
    seconds = [float(line.split(",")[0]) for line in curves_file.read_text("utf-8").splitlines()[1:]]
    note(curve_rows=len(seconds), curve_rate=(len(seconds) - 1) / (seconds[-1] - seconds[0]))

    for name in HEAVY:
        importlib.import_module(name)
    note(
        wheel_files={name: getattr(sys.modules[name], "__file__", "") or "" for name in HEAVY},
        numpy_file=sys.modules["numpy"].__file__,
        modules_outside=sorted(name for name in sys.modules if name.split(".")[0] == "voxrig"),
    )

    result = bpy.ops.preferences.addon_disable(module=MODULE)
    note(
        disabled=sorted(result),
        classes_disabled=sorted(name for name in dir(bpy.types) if "VOXRIG" in name.upper()),
        properties_left=sorted(
            f"{owner.__name__}.{name}"
            for owner in (bpy.types.Scene, bpy.types.Object, bpy.types.WindowManager, bpy.types.Key, bpy.types.Action)
            for name in owner.bl_rna.properties.keys()  # noqa: SIM118 (not a dict)
            if "voxrig" in name.lower()
        ),
    )
    repositories = bpy.context.preferences.extensions.repos
    index = next(i for i, repository in enumerate(repositories) if repository.module == REPOSITORY)
    result = bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="voxrig")
    note(uninstalled=sorted(result), enabled_after=MODULE in bpy.context.preferences.addons.keys(), done=True)  # noqa: SIM118


if __name__ == "__main__":
    main()
    # Without Blender's own clean-up: the bpy module of 4.2 crashes there once a property has had a callback, whoever's.
    sys.stdout.flush()
    os._exit(0)
