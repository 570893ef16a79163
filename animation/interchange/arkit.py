# SPDX-License-Identifier: GPL-3.0-or-later
"""The 52 ARKit blend shapes and the 9 rotations of Live Link Face, under our spelling, whatever a file spells."""

from __future__ import annotations

import functools

from ..rig.names import normalise_name

ARKIT_NAMES = (
    "eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft "
    "eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight eyeWideRight "
    "jawForward jawLeft jawRight jawOpen "
    "mouthClose mouthFunnel mouthPucker mouthLeft mouthRight mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight "
    "mouthDimpleLeft mouthDimpleRight mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper "
    "mouthShrugLower mouthShrugUpper mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight "
    "mouthUpperUpLeft mouthUpperUpRight browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight "
    "cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight tongueOut"
).split()
"""In the order of Apple's documentation of ARFaceAnchor.BlendShapeLocation."""

ROTATION_NAMES = (
    "headYaw headPitch headRoll leftEyeYaw leftEyePitch leftEyeRoll rightEyeYaw rightEyePitch rightEyeRoll"
).split()
"""Head and eyes, as Live Link Face names and orders them; in the file's own unit, which Voxrig does not change."""


@functools.cache
def _spellings() -> dict[str, str]:
    return {normalise_name(name): name for name in (*ARKIT_NAMES, *ROTATION_NAMES)}


def arkit_name(name: str) -> str | None:
    """The channel that a column means, such as 'eyeBlinkLeft' for 'EyeBlinkLeft', 'eyeBlink_L' or 'eye_blink_left'."""
    return _spellings().get(normalise_name(name))


def pascal_case(name: str) -> str:
    """'JawOpen' for 'jawOpen': how Live Link Face and Audio2Face-3D write the names."""
    return name[:1].upper() + name[1:]
