# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the demo character in the open Blender file: meshes with shape keys, an armature and its drivers.

Its points are in ``demo/head.npz``, which tools/demo/head.py sculpts. One Blender unit is ten centimetres of the character.
Jaw and brows are driven by custom properties of the pose bones 'jaw' and 'brows', as on many production rigs; everything else
is a plain shape key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "demo"
LINE = FOLDER / "line.flac"
"""A sentence to animate the character with."""
UNITS_PER_CENTIMETRE = 0.1
DRIVEN = {
    "jaw": ("jawOpen", "jawForward", "jawLeft", "jawRight"),
    "brows": ("browInnerUp", "browDownLeft", "browDownRight", "browOuterUpLeft", "browOuterUpRight"),
}
"""Driven shape keys, by the pose bone that carries the properties of the same names."""

BONES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float], str | None]] = {
    "root": ((0.0, 2.0, -24.0), (0.0, 2.0, -14.0), None),
    "neck": ((0.0, 2.0, -14.0), (0.0, 0.8, -7.5), "root"),
    "head": ((0.0, 0.8, -7.5), (0.0, 0.4, 11.0), "neck"),
    "jaw": ((0.0, 0.4, -1.8), (0.0, -8.0, -8.2), "head"),
    "brows": ((0.0, -8.6, 3.0), (0.0, -10.6, 3.0), "head"),
}
"""Head and tail of each bone in centimetres, and its parent."""


@dataclass
class MeshPart:
    """One mesh: positions in centimetres and colours (sRGB 0..1) ``[vertex, 3]``, faces as lists of vertices, the displacements
    of its shapes by name, and the ``bone`` that carries it."""

    name: str
    positions: NDArray[Any]
    faces: Sequence[Sequence[int]]
    colours: NDArray[Any]
    bone: str = "head"
    shapes: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, NDArray[Any]])
    roughness: float = 0.5


@dataclass(frozen=True)
class DemoCharacter:
    """The result of `build_character`."""

    armature: Any
    face: Any
    meshes: tuple[Any, ...]


def read_parts() -> Iterator[MeshPart]:
    """Read the meshes from ``head.npz``, as ``tools/demo/head.py`` has written them."""
    with np.load(FOLDER / "head.npz", allow_pickle=False) as stored:
        for name, bone, roughness in zip(stored["names"], stored["bones"], stored["roughness"]):
            positions = stored[f"{name}/positions"]
            ends = np.cumsum(stored[f"{name}/face_sizes"].astype(np.int64))
            faces = [corners.tolist() for corners in np.split(stored[f"{name}/corners"], ends[:-1])]
            shapes: dict[str, NDArray[Any]] = {}
            for shape in stored[f"{name}/shapes"]:
                shapes[str(shape)] = np.zeros_like(positions)
                shapes[str(shape)][stored[f"{name}/{shape}/rows"]] = stored[f"{name}/{shape}/motion"]
            colours = stored[f"{name}/colours"].astype(np.float32)
            yield MeshPart(str(name), positions, faces, colours, str(bone), shapes, float(roughness))


def _linear(srgb: NDArray[Any]) -> NDArray[Any]:
    """Convert sRGB 0..1 to scene-linear values (IEC 61966-2-1)."""
    srgb = np.clip(srgb, 0.0, 1.0)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _material(name: str, roughness: float, skin: bool) -> Any:
    """Create a material that shows the mesh's colours in every engine."""
    material: Any = bpy.data.materials.new(name)
    if material.node_tree is None:  # Blender 5 makes the nodes by itself
        material.use_nodes = True
    tree: Any = material.node_tree
    nodes, links = tree.nodes, tree.links
    surface = nodes["Principled BSDF"]
    colour = nodes.new("ShaderNodeVertexColor")
    colour.layer_name = "Colour"
    colour.location = (-300.0, 300.0)
    links.new(colour.outputs["Color"], surface.inputs["Base Color"])
    surface.inputs["Roughness"].default_value = roughness
    if skin:
        surface.inputs["Subsurface Weight"].default_value = 0.18
        surface.inputs["Subsurface Radius"].default_value = (0.10, 0.04, 0.025)
        surface.inputs["Subsurface Scale"].default_value = 0.6
    material.roughness = roughness
    return material


def add_mesh(part: MeshPart, collection: Any) -> Any:
    """Add a part with its colours and shape keys to a collection and return its object."""
    mesh: Any = bpy.data.meshes.new(part.name)
    mesh.from_pydata((part.positions * UNITS_PER_CENTIMETRE).tolist(), [], part.faces)
    mesh.shade_smooth()
    colours = mesh.color_attributes.new("Colour", "FLOAT_COLOR", "POINT")
    rgba = np.ones((len(part.positions), 4), dtype=np.float32)
    rgba[:, :3] = _linear(part.colours)
    colours.data.foreach_set("color", rgba.ravel())
    mesh.color_attributes.active_color = colours
    mesh.color_attributes.render_color_index = 0
    mesh.materials.append(_material(part.name, part.roughness, part.name in ("Face", "Ears")))
    thing: Any = bpy.data.objects.new(part.name, mesh)
    collection.objects.link(thing)
    if part.shapes:
        thing.shape_key_add(name="Basis", from_mix=False)
        mesh.shape_keys.name = part.name
        for name, motion in part.shapes.items():
            key = thing.shape_key_add(name=name, from_mix=False)
            key.data.foreach_set("co", ((part.positions + motion) * UNITS_PER_CENTIMETRE).astype(np.float32).ravel())
            key.value = 0.0
    return thing


def _add_armature(collection: Any) -> Any:
    data: Any = bpy.data.armatures.new("Vox")
    armature: Any = bpy.data.objects.new("Vox", data)
    collection.objects.link(armature)
    context: Any = bpy.context
    context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for name, (head, tail, parent) in BONES.items():
        bone = data.edit_bones.new(name)
        bone.head = [value * UNITS_PER_CENTIMETRE for value in head]
        bone.tail = [value * UNITS_PER_CENTIMETRE for value in tail]
        if parent is not None:
            bone.parent = data.edit_bones[parent]
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone in armature.pose.bones:
        bone.rotation_mode = "XYZ"
        for name in DRIVEN.get(bone.name, ()):
            bone[name] = 0.0
            bone.id_properties_ui(name).update(
                min=0.0, max=1.0, soft_min=0.0, soft_max=1.0, default=0.0, description=f"Drives the shape keys {name}"
            )
            bone.property_overridable_library_set(f'["{name}"]', True)
    return armature


def _carry(thing: Any, armature: Any, weights: dict[str, np.ndarray]) -> None:
    """Bind a mesh to bones with ``weights`` per vertex."""
    for bone, values in weights.items():
        group = thing.vertex_groups.new(name=bone)
        for level in np.unique(np.round(values, 2)):
            if level > 0.0:
                group.add(np.flatnonzero(np.round(values, 2) == level).tolist(), float(level), "REPLACE")
    modifier = thing.modifiers.new("Armature", "ARMATURE")
    modifier.object = armature
    thing.parent = armature


def _drive(thing: Any, armature: Any) -> None:
    keys = thing.data.shape_keys
    if keys is None:
        return
    for bone, names in DRIVEN.items():
        for name in names:
            if name not in keys.key_blocks:
                continue
            driver = keys.key_blocks[name].driver_add("value").driver
            driver.type = "SUM"
            variable = driver.variables.new()
            variable.type = "SINGLE_PROP"
            variable.targets[0].id = armature
            variable.targets[0].data_path = f'pose.bones["{bone}"]["{name}"]'


def _head_share(height: NDArray[Any]) -> NDArray[Any]:
    """Return how far the head carries the face at a height in centimetres; the neck carries the rest."""
    share = np.clip((height + 13.0) / 4.0, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def build_character() -> DemoCharacter:
    """Add the character to the open file, in its own collection. Object Mode is required."""
    collection = bpy.data.collections.new("Vox")
    context: Any = bpy.context
    context.scene.collection.children.link(collection)
    armature = _add_armature(collection)
    meshes: list[Any] = []
    for part in read_parts():
        thing = add_mesh(part, collection)
        height = part.positions[:, 2]
        if part.name == "Face":
            weights = {"head": _head_share(height), "neck": 1.0 - _head_share(height)}
        else:
            weights = {part.bone: np.ones(len(height))}
        _carry(thing, armature, weights)
        _drive(thing, armature)
        meshes.append(thing)
    return DemoCharacter(armature, meshes[0], tuple(meshes))
