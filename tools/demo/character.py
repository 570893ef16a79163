# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the demo character in the open Blender file: meshes with shape keys, an armature and its drivers.

One Blender unit is ten centimetres of the character. Jaw and brows are driven by custom properties of the pose
bones 'jaw' and 'brows', as on many production rigs; everything else is a plain shape key.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from . import parts
from .sculpt import Points
from .shapes import ARKIT_NAMES, FaceShapes, smooth_step
from .topology import build_surface

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


@dataclass(frozen=True)
class DemoCharacter:
    """The result of `build_character`."""

    armature: Any
    face: Any
    meshes: tuple[Any, ...]


def _linear(srgb: Points) -> Points:
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


def add_mesh(part: parts.Part, collection: Any) -> Any:
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


@functools.cache
def sculpt_face() -> tuple[FaceShapes, dict[str, Points]]:
    """Sculpt the neutral face and its shapes; always the same, so computed once."""
    shapes = FaceShapes(build_surface())
    return shapes, shapes.compute()


def build_character() -> DemoCharacter:
    """Add the character to the open file, in its own collection."""
    shapes, face_shapes = sculpt_face()
    surface = shapes.surface
    face = parts.Part(
        "Face",
        surface.positions,
        [list(dict.fromkeys(quad)) for quad in surface.faces.tolist()],
        parts.face_colours(shapes),
        shapes=face_shapes,
    )
    face.roughness = 0.5
    collection = bpy.data.collections.new("Vox")
    context: Any = bpy.context
    context.scene.collection.children.link(collection)
    armature = _add_armature(collection)
    everything = [
        face, parts.ears(), parts.eyes(), parts.eye_lights(),
        parts.lashes(shapes, face_shapes), parts.brows(shapes, face_shapes),
        parts.upper_teeth(), parts.lower_teeth(), parts.tongue(), parts.hair(), parts.shoulders(),
    ]  # fmt: skip
    meshes = []
    for part in everything:
        thing = add_mesh(part, collection)
        z = part.positions[:, 2]
        if part is face:
            head = smooth_step(z, -13.0, -9.0)
            weights = {"head": head, "neck": 1.0 - head}
        else:
            weights = {part.bone: np.ones(len(z))}
        _carry(thing, armature, weights)
        _drive(thing, armature)
        meshes.append(thing)
    return DemoCharacter(armature, meshes[0], tuple(meshes))


__all__ = ["ARKIT_NAMES", "DRIVEN", "DemoCharacter", "build_character"]
