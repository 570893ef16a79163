# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bones of a rig are its head, neck, eyes and chest, by the names that rig families give them."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROLES = ("head", "neck", "eyeLeft", "eyeRight", "lookTarget", "chest")
_DEGREES = 57.29577951308232


@dataclass(frozen=True)
class BoneTurn:
    """A channel that turns a bone: ``degrees`` about the axes of the armature (x to the character's left, y to its back, z
    up) for a channel of 1; with ``target_of`` the bone is what two eyes look at and moves instead, by the angle times its
    distance."""

    channel: str
    bone: str
    degrees: tuple[float, float, float]
    target_of: tuple[str, str] | None = None


@functools.cache
def load_bones() -> dict[str, Any]:
    """Return ``bones.json`` (read once, at first use)."""
    return json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


def find_bones(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the bones for each of ROLES that a rig with bones ``names`` has."""
    table = load_bones()
    prefix = re.compile(table["prefixes"])
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(prefix.sub("", name), name)
    found: dict[str, tuple[str, ...]] = {}
    for role in ROLES:
        for bones in table[role]:
            if all(bone in plain for bone in bones):
                found[role] = tuple(plain[bone] for bone in bones)
                break
    return found


def turn_bones(names: Sequence[str], channels: Sequence[str]) -> list[BoneTurn]:
    """Return what turns which bone of a rig with bones ``names``; ``channels`` that other controls follow already are left out.

    Where shapes turn the eyes the eye bones rest, and where a rig has a target that both eyes look at, that one moves.
    """
    table, found = load_bones(), find_bones(names)
    turns: list[BoneTurn] = []
    neck = found.get("neck", ())
    share = float(table["neckShare"]) if neck and "head" in found else 0.0
    for channel, degrees in _directions("headYaw", "headPitch", "headRoll"):
        for bone in found.get("head", ()):
            turns.append(BoneTurn(channel, bone, _scaled(degrees, 1.0 - share)))
        for bone in neck:
            turns.append(BoneTurn(channel, bone, _scaled(degrees, (share or 1.0) / len(neck))))
    if not any(channel.startswith("eyeLook") for channel in channels):
        turns += _turn_eyes(found)
    for bone in found.get("chest", ()):
        turns.append(BoneTurn("breath", bone, (-float(table["chestDegrees"]), 0.0, 0.0)))
    return [turn for turn in turns if turn.channel not in channels]


def _turn_eyes(found: dict[str, tuple[str, ...]]) -> list[BoneTurn]:
    turns: list[BoneTurn] = []
    if "lookTarget" in found:
        target, left, right = found["lookTarget"]
        for side in ("left", "right"):  # the target stands for both eyes: half of each
            for channel, degrees in _directions(f"{side}EyeYaw", f"{side}EyePitch"):
                turns.append(BoneTurn(channel, target, _scaled(degrees, 0.5), (left, right)))
        return turns
    for side, role in (("left", "eyeLeft"), ("right", "eyeRight")):
        for channel, degrees in _directions(f"{side}EyeYaw", f"{side}EyePitch"):
            turns += [BoneTurn(channel, bone, degrees) for bone in found.get(role, ())]
    return turns


def _directions(*channels: str) -> list[tuple[str, tuple[float, float, float]]]:
    """Return yaw to the own right, pitch down and roll to the own right shoulder about the axes of an armature."""
    ways = ((0.0, 0.0, -_DEGREES), (_DEGREES, 0.0, 0.0), (0.0, -_DEGREES, 0.0))
    return list(zip(channels, ways))


def _scaled(degrees: tuple[float, float, float], share: float) -> tuple[float, float, float]:
    return degrees[0] * share, degrees[1] * share, degrees[2] * share
