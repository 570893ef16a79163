# SPDX-License-Identifier: GPL-3.0-or-later
"""The README says that Blender's own exporter writes animated shape keys as a glTF morph track; here it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from voxrig.animation.keys.reduction import reduce_to_keys
from voxrig.animation.rig.mapping import Target
from voxrig.blender.actions import write_target_curves


def test_shape_key_curves_become_a_morph_track(tmp_path: Path) -> None:
    if not hasattr(bpy.ops.export_scene, "gltf") or "io_scene_gltf2" not in bpy.context.preferences.addons:
        pytest.skip("this Blender comes without its glTF exporter")
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 25, 1.0
    scene.frame_start, scene.frame_end = 1, 26
    mesh: Any = bpy.data.meshes.new("Face")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    face: Any = bpy.data.objects.new("Face", mesh)
    scene.collection.objects.link(face)
    for name in ("Basis", "jawOpen", "mouthClose"):
        key = face.shape_key_add(name=name)
        key.data[0].co.z = 0.0 if name == "Basis" else -1.0
        key.value = 0.0  # from 5.0 on a new shape key starts at 1
    frames = np.arange(1, 27, dtype=np.float64)
    jaw = np.interp(frames, [1, 13, 26], [0.0, 0.75, 0.0])
    keyed = reduce_to_keys(frames, jaw[:, None], 0.005)
    target = Target("KEY", mesh.shape_keys.name, 'key_blocks["jawOpen"].value')
    write_target_curves([(target, keyed[0])], 1, 26)

    path = tmp_path / "face.gltf"
    bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLTF_SEPARATE")
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["meshes"][0]["extras"]["targetNames"] == ["jawOpen", "mouthClose"]
    (animation,) = document["animations"]
    (channel,) = [entry for entry in animation["channels"] if entry["target"]["path"] == "weights"]
    sampler = animation["samplers"][channel["sampler"]]
    seconds, weights = (read_floats(document, path, sampler[key]) for key in ("input", "output"))
    weights = weights.reshape(seconds.size, 2)
    # The exporter's second 0 is frame 0, not the first frame.
    assert np.interp(seconds, frames / 25, jaw) == pytest.approx(weights[:, 0], abs=0.01)
    assert weights[:, 0].max() > 0.7
    assert not weights[:, 1].any()


def read_floats(document: dict[str, Any], path: Path, index: int) -> np.ndarray:
    """Return the float32 values of an accessor."""
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    data = (path.parent / document["buffers"][view["buffer"]]["uri"]).read_bytes()
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    return np.frombuffer(data, "<f4", accessor["count"], start)
