# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels moved by life: ARKit's shapes of eyes, brows, cheeks, nose and mouth corners, head and eyes in radians, breath.

Rotations have the signs of Live Link Face's eyes, measured on captured takes: yaw is positive to the head's own right, pitch
positive down, roll positive towards the own right shoulder.
"""

from __future__ import annotations

from ..face.channels import Channel

LOOK_RANGES = {"Out": 0.64, "In": 0.56, "Up": 0.43, "Down": 0.61}
"""Radians that a weight of 1 of ARKit's eyeLook shapes turns an eye, measured on captured takes (Live Link Face)."""


def _weights(region: str, *names: str) -> list[Channel]:
    return [Channel(name, region, "life", 0.0, 0.0, 1.0, "weight") for name in names]


def _angles(region: str, largest: float, *names: str) -> list[Channel]:
    return [Channel(name, region, "life", 0.0, -largest, largest, "radians") for name in names]


def _sides(*names: str) -> list[str]:
    return [name + side for name in names for side in ("Left", "Right")]


CHANNELS: tuple[Channel, ...] = (
    *_weights("eyes", *_sides("eyeBlink", *(f"eyeLook{way}" for way in LOOK_RANGES), "eyeSquint", "eyeWide")),
    *_angles("eyes", 0.9, "leftEyeYaw", "leftEyePitch", "rightEyeYaw", "rightEyePitch"),
    *_weights("brows", "browInnerUp", *_sides("browOuterUp", "browDown")),
    *_weights("cheeks", *_sides("cheekSquint")),
    *_weights("nose", *_sides("noseSneer")),
    *_weights("lips", *_sides("mouthSmile", "mouthFrown", "mouthPress", "mouthDimple")),
    *_weights("jaw", "jawOpen"),
    *_angles("head", 1.2, "headYaw", "headPitch", "headRoll"),
    *_weights("head", "breath"),
)
"""In the order of the rendered columns."""

CHANNEL_NAMES: tuple[str, ...] = tuple(channel.name for channel in CHANNELS)

LITERAL_NAMES = frozenset(
    name for name in CHANNEL_NAMES if "Blink" in name or "Look" in name or name.endswith(("Yaw", "Pitch"))
)
"""Channels without a strength: lids must shut and eyes must meet their target."""
