# SPDX-License-Identifier: GPL-3.0-or-later
"""The 52 ARKit blend shapes and the 9 rotations of Live Link Face in Voxrig's spelling, whatever the spelling of a file."""

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
"""Head and eyes, named and ordered as in Live Link Face; values keep the unit of the file."""


@functools.cache
def _spellings() -> dict[str, str]:
    return {normalise_name(name): name for name in (*ARKIT_NAMES, *ROTATION_NAMES)}


def arkit_name(name: str) -> str | None:
    """Return the channel that a column stands for, such as 'eyeBlinkLeft' for 'EyeBlinkLeft', 'eyeBlink_L' or
    'eye_blink_left'."""
    return _spellings().get(normalise_name(name))


def pascal_case(name: str) -> str:
    """Capitalise a name as Live Link Face and Audio2Face-3D write it: 'JawOpen' for 'jawOpen'."""
    return name[:1].upper() + name[1:]
