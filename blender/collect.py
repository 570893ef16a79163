# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an animated shot: the controls of a character, their evaluated values on every frame, and its emotions."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..animation.face.channels import Channel, face_channels
from ..animation.rig.mapping import Target
from ..animation.rig.regions import guess_region
from ..errors import Cancelled, RigError, ShowError
from . import rigs
from .targets import limits_of, plain_name, rest_of

_UNITS = {"location": "length", "scale": "factor"}
_MARKER = re.compile(r"emotion\s*[:=]\s*(?P<name>[^\d:=]+?)\s*(?P<weight>[\d.]+)?", re.IGNORECASE)
_NO_EMOTION = ("none", "neutral", "off")


@dataclass(frozen=True)
class ShotControls:
    """The controls of a character that a shot is collected from.

    ``targets`` are their places on the rig, by name; ``left_out`` counts the values of the rig that name no part of the face.
    """

    channels: tuple[Channel, ...]
    targets: dict[str, Target]
    left_out: int


def list_controls(character: rigs.Character, mapped: Mapping[Target, str], *, everything: bool = False) -> ShotControls:
    """List every control of ``character`` that is free to be animated, with the same names in every file of the rig.

    Controls are shape keys, custom number properties and the free components of bone transforms, unless a driver controls
    them. ``mapped`` are the targets of the character's mapping and the channels that drive them: they are always among the
    controls, with the region of their channel. The rest are included if they are recognised, name a part of the face or are
    shape keys; with ``everything``, all are. Raises RigError if there are none.
    """
    found: dict[Target, tuple[str, str]] = {}  # label of the place, name
    for label, target, _limits in rigs.list_targets(character):
        if rigs.driver_of(rigs.resolve(target).owner, target) is None:
            name = rigs.control_name(target)
            found[target] = (plain_name(label.removesuffix(f": {name}")), name)
    for label, target in rigs.list_bone_transforms(character):
        found[target] = (plain_name(target.id_name), label.replace(": ", " "))
    for target in mapped:
        found.setdefault(target, (plain_name(target.id_name), f"{rigs.control_name(target)} {target.array_index}"))
    face = {channel.name: channel.region for channel in face_channels()}
    recognised = rigs.match_channels(character, list(face)).mapping.links
    channel_of = {link.target: link.channel for link in recognised if link.enabled} | dict(mapped)
    names = _unique_names(found)
    channels: list[Channel] = []
    targets: dict[str, Target] = {}
    for target, (place, name) in found.items():
        channel = channel_of.get(target, "")
        region = face.get(channel) or guess_region(channel) or guess_region(name) or guess_region(place)
        if region is None and target.id_type == "KEY":
            region = "lips"
        if region is None and (everything or target in mapped):
            region = "head"
        if region is None:
            continue
        low, high = limits_of(target)
        channels.append(
            Channel(
                names[target],
                region,
                "face",
                rest_of(target),
                -math.inf if low is None else low,
                math.inf if high is None else high,
                _unit(target),
            )
        )
        targets[names[target]] = target
    if not channels:
        raise RigError(
            f"No control of '{character.name}' names a part of the face; map the character or collect all of its controls"
        )
    return ShotControls(tuple(channels), targets, len(found) - len(channels))


def rig_name(character: rigs.Character) -> str:
    """Return the name that the shots of one rig share, whatever the number of its copy in a file."""
    return plain_name(character.name)


def _unique_names(found: Mapping[Target, tuple[str, str]]) -> dict[Target, str]:
    """Name targets as briefly as possible: 'smile', 'Face: smile' if another has that name, or the whole path."""
    short = Counter(name for _place, name in found.values())
    long = Counter(found.values())
    names: dict[Target, str] = {}
    for target, (place, name) in found.items():
        if short[name] == 1:
            names[target] = name
        elif long[place, name] == 1:
            names[target] = f"{place}: {name}"
        else:
            names[target] = f"{target.id_type} {plain_name(target.id_name)} {target.data_path} {target.array_index}"
    return names


def _unit(target: Target) -> str:
    kind = re.search(r"(?:^|\.)(location|scale|rotation)(?:_\w+)?$", target.data_path)
    return "weight" if kind is None else _UNITS.get(kind.group(1), "radians")


def sample_targets(
    scene: bpy.types.Scene,
    character: rigs.Character,
    targets: Sequence[Target],
    first_frame: int,
    last_frame: int,
    on_progress: Callable[[float], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> NDArray[np.float32]:
    """Sample ``targets`` on every frame as Blender evaluates them (Actions, NLA, drivers), ``[time, target]``.

    Quaternions keep their sign from frame to frame. The scene returns to its current frame. Raises RigError for a character
    that no view layer of the scene shows, and Cancelled.
    """
    layer = _view_layer(scene, character)
    places: dict[Any, dict[str, list[tuple[int, int]]]] = {}
    for column, target in enumerate(targets):
        paths = places.setdefault(rigs.resolve(target).owner, {})
        paths.setdefault(target.data_path, []).append((column, target.array_index))
    values = np.empty((last_frame - first_frame + 1, len(targets)), np.float32)
    frame, subframe = scene.frame_current, scene.frame_subframe
    try:
        for row in range(len(values)):
            if is_cancelled is not None and is_cancelled():
                raise Cancelled
            if on_progress is not None:
                on_progress(row / len(values))
            scene.frame_set(first_frame + row)
            for owner, paths in places.items():
                evaluated = owner.evaluated_get(layer.depsgraph)
                for path, columns in paths.items():
                    value = evaluated.path_resolve(path)
                    is_number = isinstance(value, (int, float))
                    for column, index in columns:
                        values[row, column] = value if is_number else value[index]
    finally:
        scene.frame_set(frame, subframe=subframe)
    _keep_signs(values, targets)
    return values


def _view_layer(scene: bpy.types.Scene, character: rigs.Character) -> Any:
    top = character.objects[0]
    for layer in scene.view_layers:
        layer.update()
        if top.name in layer.objects:
            return layer
    raise RigError(
        f"'{top.name}' is in no view layer of scene '{scene.name}', so Blender does not animate it; "
        "put it into a collection that is not excluded"
    )


def _keep_signs(values: NDArray[np.float32], targets: Sequence[Target]) -> None:
    """Make quaternions continuous: q and -q are the same rotation, but only one of them is near the frame before."""
    groups: dict[tuple[str, str], list[int]] = {}
    for column, target in enumerate(targets):
        if target.data_path.endswith("rotation_quaternion"):
            groups.setdefault((target.id_name, target.data_path), []).append(column)
    for columns in groups.values():
        turns = values[:, columns].astype(np.float64)
        flips = np.ones(len(turns))
        flips[0] = -1.0 if targets[columns[0]].array_index == 0 and turns[0, 0] < 0 else 1.0
        flips[1:] = np.where((turns[1:] * turns[:-1]).sum(axis=1) < 0, -1.0, 1.0)
        values[:, columns] = turns * np.cumprod(flips)[:, None]


def read_emotions(
    scene: bpy.types.Scene, first_frame: int, last_frame: int, labels: Mapping[str, float]
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Read the emotions of a shot and their weights ``[time, emotion]`` in 0..1.

    ``labels`` hold from the start. A timeline marker such as 'emotion: joy' or 'emotion: joy 0.5' replaces the emotions
    before it, 'emotion: none' ends it. Raises ShowError for a weight that is not from 0 to 1.
    """
    moments: list[tuple[int, dict[str, float]]] = [(first_frame, dict(labels))]
    for marker in sorted(scene.timeline_markers, key=lambda marker: marker.frame):
        match = _MARKER.fullmatch(marker.name.strip())
        if match is None:
            continue
        name = match["name"].strip().lower()
        try:
            weight = 1.0 if match["weight"] is None else float(match["weight"])
        except ValueError:
            weight = -1.0
        if not 0.0 <= weight <= 1.0:
            raise ShowError(f"The marker '{marker.name}' on frame {marker.frame} has no weight from 0 to 1; rename it")
        moments.append((marker.frame, {} if name in _NO_EMOTION else {name: weight}))
    names = tuple(dict.fromkeys(name for frame, weights in moments if frame <= last_frame for name in weights))
    rows = np.zeros((last_frame - first_frame + 1, len(names)), np.float32)
    for frame, weights in moments:
        row = max(0, frame - first_frame)
        rows[row:] = [weights.get(name, 0.0) for name in names]
    return names, rows
