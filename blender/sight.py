# SPDX-License-Identifier: GPL-3.0-or-later
"""The directions in which a character sees things of its scene over a line: cameras, objects, bones, other characters' eyes.

Places are sampled in a scene of their own (scene.separate_scene), so neither the artist's frame nor an unkeyed pose changes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import bpy
import numpy as np
from mathutils import Euler, Matrix, Quaternion, Vector
from numpy.typing import NDArray

from ..animation.life.bones import find_bones
from ..animation.life.stage import AHEAD, Target
from ..animation.rig.mapping import Mapping
from ..animation.rig.mapping import Target as RigTarget
from ..animation.rig.names import names_in_path, unescape
from . import compat, ledger, outputs, rigs
from . import scene as scenes
from .life import LAYER, is_animated

CAMERA = "camera"
"""The name of whatever camera the scene shows, across its cuts."""

_STEP_SECONDS = 0.125
_MOST_SAMPLES = 1200
# Nobody's head and eyes reach further to a side.
_FURTHEST = math.radians(100.0)


@dataclass(frozen=True)
class Eyes:
    """The point between a character's eyes, in the space of ``holder`` at rest.

    ``holder`` is an armature or a mesh. With ``base``, the bone below neck and head, the point goes along with that bone: what
    the head itself does is left out, because eyes and head find their target from there. ``pose`` is what neck and head do all
    along, posed without keys, in the armature's space.
    """

    holder: Any
    point: Vector
    base: str = ""
    pose: Matrix = field(default_factory=lambda: Matrix.Identity(4))

    def space(self, evaluated: Any) -> Matrix:
        """Return the matrix from the holder's space at rest to the world; ``evaluated`` is the holder on some frame."""
        bone = evaluated.pose.bones.get(self.base) if self.base else None
        if bone is None:
            return evaluated.matrix_world @ self.pose
        return evaluated.matrix_world @ bone.matrix @ bone.bone.matrix_local.inverted() @ self.pose


def find_eyes(character: rigs.Character, mapping: Mapping, *, goes_with_head: bool = False) -> Eyes:
    """Find the point between a character's eyes, by its eye bones, the shapes that shut them, its head bone or its size.

    A head that somebody animated carries the eyes (``goes_with_head``): they find their target from where it is.
    """
    armature = next((item for item in character.objects if item.pose is not None), None)
    shut = _shut_point(character, mapping)
    if armature is not None:
        names = [bone.name for bone in armature.pose.bones]
        found = find_bones(names)
        bones = armature.data.bones
        first = next((found[role][0] for role in ("neck", "head") if role in found), "")
        base = bones[first].parent.name if first and bones[first].parent is not None else ""
        pose = _still_pose(armature, (*found.get("neck", ()), *found.get("head", ())), mapping)
        if goes_with_head and "head" in found:
            base, pose = found["head"][0], Matrix.Identity(4)
        eyes = found.get("lookTarget", ("",))[1:] or tuple(found[role][0] for role in ("eyeLeft", "eyeRight") if role in found)
        if eyes:
            return Eyes(armature, sum((bones[eye].head_local for eye in eyes), Vector()) / len(eyes), base, pose)
        if shut is not None:
            mesh, point = shut
            return Eyes(armature, armature.matrix_world.inverted_safe() @ mesh.matrix_world @ point, base, pose)
        if "head" in found:
            head = bones[found["head"][0]]
            return Eyes(armature, 0.5 * (head.head_local + head.tail_local), base, pose)
    if shut is not None:
        return Eyes(*shut)
    holder = character.objects[0]
    return Eyes(holder, sum((Vector(corner) for corner in holder.bound_box), Vector()) / 8.0)


def _still_pose(armature: Any, names: Sequence[str], mapping: Mapping) -> Matrix:
    """Return what bones, parents first, do to the eyes while their links are at rest, in the armature's space."""
    rests = {link.target: link.rest for link in mapping.links if link.enabled}
    whole = Matrix.Identity(4)
    for name in names:
        bone = armature.pose.bones[name]
        if bone.rotation_mode == "AXIS_ANGLE":  # life leaves it alone
            continue
        kind = "rotation_quaternion" if bone.rotation_mode == "QUATERNION" else "rotation_euler"
        path = f'pose.bones["{bpy.utils.escape_identifier(name)}"].{kind}'
        # Where keys turn the bone, its present pose is that of some frame.
        unturned = [1.0, 0.0, 0.0, 0.0] if bone.rotation_mode == "QUATERNION" else [0.0, 0.0, 0.0]
        present = unturned if is_animated(armature, name) else list(getattr(bone, kind))
        values = [rests.get(RigTarget("OBJECT", armature.name_full, path, index), value) for index, value in enumerate(present)]
        turn = Quaternion(values).normalized() if len(values) == 4 else Euler(values, bone.rotation_mode)
        local = bone.bone.matrix_local
        whole = whole @ local @ turn.to_matrix().to_4x4() @ local.inverted()
    return whole


def _shut_point(character: rigs.Character, mapping: Mapping) -> tuple[Any, Vector] | None:
    """Return the mesh and the middle of what the shapes that shut both eyes move, in its space."""
    meshes = {item.data.shape_keys: item for item in character.objects if getattr(item.data, "shape_keys", None) is not None}
    points: list[NDArray[np.float64]] = []
    mesh: Any = None
    for link in mapping.links:
        if link.channel not in ("eyeBlinkLeft", "eyeBlinkRight") or link.target.id_type != "KEY":
            continue
        keys = bpy.data.shape_keys.get(link.target.id_name)
        names = names_in_path(link.target.data_path)
        block = keys.key_blocks.get(unescape(names[0])) if keys is not None and names else None
        if block is None or keys not in meshes or mesh not in (None, meshes[keys]):
            continue
        mesh = meshes[keys]
        moved, rest = (np.empty(3 * len(block.data), np.float32) for _ in range(2))
        block.data.foreach_get("co", moved)
        block.relative_key.data.foreach_get("co", rest)
        weights = np.linalg.norm((moved - rest).reshape(-1, 3), axis=1)
        if weights.sum() > 1e-6:
            points.append(np.average(rest.reshape(-1, 3), axis=0, weights=weights))
    return None if not points else (mesh, Vector(np.mean(points, axis=0).tolist()))


def find_targets(
    scene: bpy.types.Scene,
    eyes: Eyes,
    names: Iterable[str],
    frames: tuple[float, float],
    other_eyes: dict[Any, Eyes],
) -> tuple[tuple[Target, ...], tuple[int, ...], list[str]]:
    """Find the targets ``names`` as ``eyes`` see them between two frames, seconds counted from the first.

    A name is an object's, 'ARMATURE:BONE', or CAMERA; ``other_eyes`` are those of objects that belong to characters. Returns
    the targets in the order of names, the frames within on which the camera is cut, and sentences on names that lead nowhere.
    """
    first, last = math.floor(frames[0]), max(math.ceil(frames[1]), math.floor(frames[0]) + 1)
    cuts = _camera_cuts(scene)
    found: dict[str, list[tuple[int, _Point]]] = {}
    notes: list[str] = []
    inside: set[int] = set()
    for name in names:
        if name in found or name == AHEAD.name:
            continue
        try:
            if name.casefold() == CAMERA and scene.objects.get(name) is None:
                shown = _shown_cameras(scene, cuts, first)
                inside |= {frame for frame, _ in shown if first < frame <= last}
                found[name] = [(frame, _Point(camera)) for frame, camera in shown]
            else:
                found[name] = [(first, _find_point(scene, name, eyes, other_eyes))]
        except LookupError as error:
            notes.append(str(error))
    if not found:
        return (), (), notes
    points = [point for parts in found.values() for _, point in parts]
    samples = _sample_frames(scene, eyes, points, first, last, inside)
    rate = scenes.frames_per_second(scene)
    metres = scene.unit_settings.scale_length
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in found}
    holders = (eyes.holder, *(point.holder for point in points))
    with without_layers(holders), scenes.separate_scene(holders) as apart:
        for frame in samples:
            apart.frame_set(frame)
            depsgraph = apart.view_layers[0].depsgraph
            space = eyes.space(eyes.holder.evaluated_get(depsgraph))
            for name, parts in found.items():
                point = next((one for start, one in reversed(parts) if start <= frame), parts[0][1])
                seen[name].append(_direction(space, eyes.point, point.at(depsgraph), metres))
    seconds = (np.array(samples, np.float64) - frames[0]) / rate
    targets: list[Target] = []
    for name, rows in seen.items():
        yaw, pitch, distance = np.array(rows, np.float64).T
        yaw = np.unwrap(yaw)
        if np.all(np.abs(yaw) > _FURTHEST):
            notes.append(f"'{name}' is behind the character all along, so its head turns only as far as it can")
        targets.append(Target(name, np.clip(yaw, -_FURTHEST, _FURTHEST), pitch, distance, seconds))
    return tuple(targets), tuple(sorted(inside)), notes


@dataclass(frozen=True)
class _Point:
    """An object, one of its bones, or a character's eyes."""

    holder: Any
    bone: str = ""
    eyes: Eyes | None = None

    def at(self, depsgraph: Any) -> Vector:
        """Return the place in the world on the frame of ``depsgraph``."""
        holder = self.holder.evaluated_get(depsgraph)
        if self.eyes is not None:
            return self.eyes.space(holder) @ self.eyes.point
        if self.bone:
            return holder.matrix_world @ holder.pose.bones[self.bone].head
        return holder.matrix_world.translation.copy()


def _find_point(scene: bpy.types.Scene, name: str, eyes: Eyes, other_eyes: dict[Any, Eyes]) -> _Point:
    """Find what a name means. Raises LookupError with a sentence."""
    item, bone = scene.objects.get(name), ""
    if item is None and ":" in name:
        owner, _, bone = name.rpartition(":")
        item = scene.objects.get(owner)
        if item is not None and (item.pose is None or bone not in item.pose.bones):
            raise LookupError(f"'{owner}' has no bone '{bone}' to look at, so the eyes look ahead; choose another target")
    if item is None:
        known = bpy.data.objects.get(name)
        where = "does not exist" if known is None else f"is in {'another' if known.users_scene else 'no'} scene"
        raise LookupError(f"The target '{name}' {where}, so the eyes look ahead; choose another target under Life")
    if bone:
        return _Point(item, bone)
    theirs = other_eyes.get(item)
    if item == eyes.holder or (theirs is not None and theirs.holder == eyes.holder):
        raise LookupError(f"'{name}' belongs to the character itself, so the eyes look ahead; choose another target under Life")
    return _Point(theirs.holder, eyes=theirs) if theirs is not None else _Point(item)


def _camera_cuts(scene: bpy.types.Scene) -> list[tuple[int, Any]]:
    bound = [(marker.frame, marker.camera) for marker in scene.timeline_markers if marker.camera is not None]
    return sorted(bound, key=lambda cut: cut[0])


def _shown_cameras(scene: bpy.types.Scene, cuts: Sequence[tuple[int, Any]], first: int) -> list[tuple[int, Any]]:
    """Return (frame, camera) from the one shown on ``first`` on. Raises LookupError with a sentence."""
    if not cuts:
        if scene.camera is None:
            raise LookupError("The scene has no camera to look at, so the eyes look ahead; add one or choose another target")
        return [(first, scene.camera)]
    # As in Blender: before the first marker, its camera is shown.
    before = [cut for cut in cuts if cut[0] <= first] or cuts[:1]
    shown = [(first, before[-1][1]), *(cut for cut in cuts if cut[0] > first)]
    return [cut for i, cut in enumerate(shown) if i == 0 or cut[1] != shown[i - 1][1]]


def _direction(space: Matrix, point: Vector, place: Vector, metres: float) -> tuple[float, float, float]:
    """Return yaw (to the own right), pitch (down) and distance in metres of a place in the world."""
    away = space.inverted_safe() @ place - point
    distance = (place - space @ point).length * metres
    return math.atan2(-away.x, -away.y), math.atan2(-away.z, math.hypot(away.x, away.y)), max(distance, 0.05)


@contextlib.contextmanager
def without_layers(holders: Iterable[Any]) -> Iterator[None]:
    """Mute what takes add to bones that somebody animated, for as long as their own movement is looked at."""
    strips = [pair for item in set(holders) for pair in outputs.list_strips(item)]
    muted = [track for track, strip in strips if not track.mute and _is_layer(strip)]
    for track in muted:
        track.mute = True
    try:
        yield
    finally:
        for track in muted:
            track.mute = False


def _is_layer(strip: Any) -> bool:
    place = compat.strip_place(strip)
    entries = ledger.entries_at(place).values() if place is not None else ()
    return any(hold.name.endswith(LAYER) for entry in entries for hold in entry.holds)


def _sample_frames(
    scene: bpy.types.Scene, eyes: Eyes, points: Sequence[_Point], first: int, last: int, cuts: Iterable[int]
) -> list[int]:
    """Return the frames to look at: the first one alone where nothing moves, and both sides of each cut."""
    bones = [(eyes.holder, eyes.base), *((point.holder, point.bone) for point in points)]
    bones += [(point.eyes.holder, point.eyes.base) for point in points if point.eyes is not None]
    sides = {frame for cut in cuts for frame in (cut - 1, cut)}
    if not any(_moves(holder, bone) for holder, bone in bones):
        return sorted({first} | sides)
    rate = scenes.frames_per_second(scene)
    step = max(1, round(_STEP_SECONDS * rate), math.ceil((last - first) / _MOST_SAMPLES))
    return sorted({*range(first, last, step), last} | sides)


def _moves(item: Any, bone: str) -> bool:
    """Return whether an object, one of its parents or the bone may move: by F-Curves, drivers or constraints."""
    names: set[str] = set()
    pose = item.pose.bones.get(bone) if bone and item.pose is not None else None
    while pose is not None:
        if any(not one.mute for one in pose.constraints):
            return True
        names.add(pose.name)
        pose = pose.parent
    while item is not None:
        data = item.animation_data
        if any(not one.mute for one in item.constraints) or (data is not None and len(data.drivers)):
            return True
        curves = list(compat.curves_of(item) or ())
        for _, strip in outputs.list_strips(item):
            curves += list(compat.curves_at(compat.strip_place(strip)) or ())
        for curve in curves:
            if not curve.data_path.startswith("pose.bones"):
                return True
            if names.intersection(unescape(name) for name in names_in_path(curve.data_path)[:1]):
                return True
        if item.parent is not None and item.parent_bone:
            return _moves(item.parent, item.parent_bone)
        item = item.parent
    return False
