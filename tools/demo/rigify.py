# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo head on a face that Blender's Rigify add-on generates: bones where the other head has shape keys."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np

from ...errors import RigError
from . import parts
from .character import UNITS_PER_CENTIMETRE, DemoCharacter, add_mesh, sculpt_face
from .sculpt import EYE, JAW_HINGE, Points, project_to_head
from .shapes import FaceShapes, smooth_step

# Bones of the metarig that lie inside the head; all others lie on the skin.
INSIDE = ("face", "jaw", "eye", "teeth", "tongue")
# What is fast to a control; ears, hair, eyes and shoulders stay where the armature is.
CARRIED = {"Teeth Upper": "teeth.T", "Teeth Lower": "teeth.B", "Tongue": "tongue_master"}


def enable_rigify() -> Any:
    """Enable the Rigify add-on and give its module of the face. Raises RigError where this Blender lacks it."""
    try:
        if "rigify" not in bpy.context.preferences.addons:
            bpy.ops.preferences.addon_enable(module="rigify")
        from rigify.rigs.faces import super_face
    except (ImportError, RuntimeError) as error:
        raise RigError(
            f"This Blender has no Rigify add-on with its face ({str(error).strip()}); use one that has it."
        ) from None
    return super_face


def generate_rigify_face(shape: Any = None) -> Any:
    """Add Rigify's sample face, let the add-on generate its rig (10 to 60 seconds), and give the rig's object.

    ``shape`` is called with the metarig in Edit Mode before that, to bring its bones to where they belong. Raises RigError
    where the add-on is missing or generates nothing.
    """
    super_face = enable_rigify()
    context: Any = bpy.context
    data = bpy.data.armatures.new("Metarig")
    metarig = bpy.data.objects.new("Metarig", data)
    context.scene.collection.objects.link(metarig)
    context.view_layer.objects.active = metarig
    bpy.ops.object.mode_set(mode="EDIT")
    super_face.create_sample(metarig)
    if shape is not None:
        shape(data.edit_bones)
    bpy.ops.object.mode_set(mode="OBJECT")
    # The generator wants to know where the buttons of each bone go.
    layer = data.collections.new("Face")
    layer.rigify_ui_row = 1
    for bone in data.bones:
        layer.assign(bone)
    before = set(bpy.data.objects)
    try:
        bpy.ops.pose.rigify_generate()
    except RuntimeError as error:
        raise RigError(f"Rigify did not generate a face: {str(error).strip()}") from None
    made = [thing for thing in bpy.data.objects if thing not in before and thing.type == "ARMATURE"]
    bpy.data.objects.remove(metarig)
    return made[0]


def landmarks(shapes: FaceShapes) -> dict[str, Points]:
    """Where joints of the metarig's left half and middle lie on the demo head, in centimetres.

    'lip.T.L' is the head of that bone, 'jaw tail' the tail of that.
    """
    p, surface = shapes.p, shapes.surface
    lips, lid = surface.mouth.loop("lip_crest"), surface.eye_left.loop("margin_front")
    found: dict[str, Any] = {"lip.T.L": p[lips[len(lips) // 4]], "lip.B.L": p[lips[-len(lips) // 4]]}
    found |= {"lip.T.L.001": p[lips[len(lips) // 8]], "lip.B.L.001": p[lips[-len(lips) // 8]]}
    found["lip.T.L.001 tail"] = p[lips[0]]
    for i, name in enumerate(("lid.T.L", "lid.T.L.001", "lid.T.L.002", "lid.T.L.003", "lid.B.L", "lid.B.L.001", "lid.B.L.002")):
        found[name] = p[lid[len(lid) * i // 8]]
    found["lid.B.L.003"] = p[lid[-len(lid) // 8]]
    found |= {"eye.L": EYE.centre, "jaw": (0.0, -4.0, -8.0), "jaw.L": (6.4, *JAW_HINGE[1:]), "face": (0.0, -0.1, -6.0)}
    on_skin = {
        "jaw tail": (0.0, -8.2, -9.3), "chin tail": (0.0, -8.5, -8.2), "chin.001 tail": (0.0, -8.3, -6.95),
        "jaw.L.001": (4.9, -1.5, -5.8), "chin.L": (2.0, -7.0, -8.4), "cheek.B.L.001": (5.0, -6.0, -4.8),
        "nose": (0.0, -8.5, 0.9), "nose.002": (0.0, -10.1, -2.4), "nose.004 tail": (0.0, -9.2, -3.9),
        "nose.L": (1.1, -7.8, -0.2), "nose.L.001": (1.4, -8.9, -2.8), "cheek.T.L.001": (3.7, -8.0, -2.6),
        "brow.T.L": (5.9, -4.0, 0.0), "brow.T.L.001": (5.5, -6.0, 2.9), "brow.T.L.002": (3.6, -8.0, 3.3),
        "brow.T.L.003": (1.35, -8.5, 2.85), "brow.B.L": (5.4, -5.8, 1.7), "brow.B.L.002": (3.6, -7.7, 2.4),
        "brow.B.L.003 tail": (1.7, -8.1, 1.3), "forehead.L": (1.2, -7.5, 6.5), "forehead.L.002": (5.0, -5.0, 6.5),
        "temple.L": (6.2, -2.5, 5.0), "ear.L": (6.6, 0.0, -1.0), "ear.L.002": (7.4, 1.5, 2.0),
    }  # fmt: skip
    names = list(on_skin)
    found |= dict(zip(names, project_to_head(np.array([on_skin[name] for name in names]))))
    return {name: np.asarray(place, np.float64) for name, place in found.items()}


def fit_metarig(edit_bones: Any, shapes: FaceShapes) -> None:
    """Bring the metarig's joints to the demo head: the landmarks exactly, the rest as smoothly as they allow."""
    from scipy.interpolate import RBFInterpolator

    places = landmarks(shapes)
    pairs = []
    for name, place in places.items():
        bone = edit_bones[name.removesuffix(" tail")]
        pairs.append((bone.tail if name.endswith(" tail") else bone.head, place))
    joints = np.array([joint for joint, _ in pairs])
    goals = np.array([place for _, place in pairs]) * UNITS_PER_CENTIMETRE
    aside = np.abs(joints[:, 0]) > 1e-3
    flip = np.array([-1.0, 1.0, 1.0])
    warp = RBFInterpolator(
        np.concatenate([joints, joints[aside] * flip]),
        np.concatenate([goals, goals[aside] * flip]),
        kernel="thin_plate_spline",
    )
    for end in ("head", "tail"):
        bones = [bone for bone in edit_bones if end == "tail" or not bone.use_connect]
        moved = warp(np.array([getattr(bone, end) for bone in bones]))
        on_skin = np.array([not bone.name.startswith(INSIDE) or bone.name.startswith(("jaw.", "chin")) for bone in bones])
        on_skin &= np.array([not bone.name.startswith(("lip", "lid")) for bone in bones])
        moved[on_skin] = project_to_head(moved[on_skin] / UNITS_PER_CENTIMETRE) * UNITS_PER_CENTIMETRE
        for bone, place in zip(bones, moved):
            setattr(bone, end, place)


def build_rigify_character() -> DemoCharacter:
    """Add the demo head, without shape keys, on a generated Rigify face, in a collection of its own. Raises RigError."""
    shapes, _motions = sculpt_face()
    return dress_rig(generate_rigify_face(lambda bones: fit_metarig(bones, shapes)), shapes)


def dress_rig(rig: Any, shapes: FaceShapes) -> DemoCharacter:
    """Build the demo head's meshes on a rig that was generated for it."""
    rig.name = rig.data.name = "Rigify"
    collection = bpy.data.collections.new("Rigify")
    context: Any = bpy.context
    context.scene.collection.children.link(collection)
    for other in list(rig.users_collection):
        other.objects.unlink(rig)
    collection.objects.link(rig)
    surface = shapes.surface
    faces = [list(dict.fromkeys(quad)) for quad in surface.faces.tolist()]
    face = parts.Part("Face", surface.positions, faces, parts.face_colours(shapes), roughness=0.5)
    everything = [
        face, parts.ears(), parts.eyes(), parts.eye_lights(), parts.lashes(shapes, {}), parts.brows(shapes, {}),
        parts.upper_teeth(), parts.lower_teeth(), parts.tongue(), parts.hair(), parts.shoulders(),
    ]  # fmt: skip
    meshes = []
    for part in everything:
        part.shapes = {}
        thing = add_mesh(part, collection)
        thing.parent = rig
        meshes.append(thing)
        if part.name in CARRIED:
            _carry(thing, rig, CARRIED[part.name])
    _bind_skin(meshes[0], rig, shapes)
    for thing in meshes:
        if thing.name.startswith(("Lashes", "Brows")):
            _follow_skin(thing, meshes[0], rig)
    return DemoCharacter(rig, meshes[0], tuple(meshes))


def _carry(thing: Any, rig: Any, bone: str) -> None:
    """Fasten a whole mesh to a bone, where it is."""
    thing.parent_type, thing.parent_bone = "BONE", bone
    # Children of bones hang on their tails.
    context: Any = bpy.context
    context.view_layer.update()
    pose_bone = rig.pose.bones[bone]
    from mathutils import Matrix

    thing.matrix_parent_inverse = (pose_bone.matrix @ Matrix.Translation((0.0, pose_bone.length, 0.0))).inverted()


def _bind_skin(face: Any, rig: Any, shapes: FaceShapes) -> None:
    """Blender's automatic weights, but that upper and lower lip keep apart inside, and that neck and skull hold still."""
    context: Any = bpy.context
    bpy.ops.object.select_all(action="DESELECT")
    face.select_set(True)
    rig.select_set(True)
    context.view_layer.objects.active = rig
    bpy.ops.object.parent_set(type="ARMATURE_AUTO")
    weights = _read_weights(face)
    mouth = shapes.surface.mouth
    crest, bag = mouth.first("lip_crest"), mouth.first("bag_gum")
    for i in range(crest + 1, bag):
        weights[mouth.vertices[i]] = weights[mouth.vertices[crest]]
    weights[shapes.bag_vertices] = 0.0
    weights[shapes.bag_vertices, face.vertex_groups["DEF-jaw"].index] = 1.0
    p = shapes.p
    share = smooth_step(p[:, 2], -11.0, -9.0) * smooth_step(p[:, 1], 2.0, -1.0)
    share[shapes.bag_vertices] = shapes.jaw_weight[shapes.bag_vertices]
    # Blender mixes what the bones do with the mesh at rest by this group.
    face.vertex_groups.new(name="Face")
    _write_weights(face, np.column_stack([weights, share]))
    face.modifiers["Armature"].vertex_group = "Face"


def _follow_skin(thing: Any, face: Any, rig: Any) -> None:
    """Give a mesh the weights of the nearest places of the skin."""
    from scipy.spatial import KDTree

    weights = _read_weights(face)
    skin, points = (np.array([vertex.co for vertex in mesh.data.vertices]) for mesh in (face, thing))
    distance, nearest = KDTree(skin).query(points, k=6)
    share = 1.0 / np.maximum(distance, 0.002) ** 2
    share /= share.sum(axis=1, keepdims=True)
    for group in face.vertex_groups:
        thing.vertex_groups.new(name=group.name)
    _write_weights(thing, np.einsum("vk,vkg->vg", share, weights[nearest]))
    thing.modifiers.new("Armature", "ARMATURE").object = rig


def _read_weights(thing: Any) -> np.ndarray:
    """``[vertex, group]``."""
    weights = np.zeros((len(thing.data.vertices), len(thing.vertex_groups)))
    for vertex in thing.data.vertices:
        for entry in vertex.groups:
            weights[vertex.index, entry.group] = entry.weight
    return weights


def _write_weights(thing: Any, weights: np.ndarray) -> None:
    for group, column in zip(thing.vertex_groups, weights.T):
        group.remove(list(range(len(column))))
        for i in np.flatnonzero(column > 1e-3):
            group.add([int(i)], float(column[i]), "REPLACE")
