# SPDX-License-Identifier: GPL-3.0-or-later
"""VMC, the protocol of virtual motion capture: OSC messages over UDP, port 39539 (protocol.vmc.info).

A face is a run of '/VMC/Ext/Blend/Val name value' that ends in '/VMC/Ext/Blend/Apply'; the head is a '/VMC/Ext/Bone/Pos Head'
with a position and a quaternion (x y z w) in Unity's left-handed axes: x to the right, y up, z forward. Blend shapes are
ARKit's ('perfect sync') in any spelling, or the vowels and blinks of VRM 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from ..animation.interchange.arkit import ARKIT_NAMES, ROTATION_NAMES, arkit_name
from .frame import FaceFrame, hold_value
from .osc import Message, decode_packet, encode_bundle

PORT = 39539
_VALUE, _APPLY, _BONE, _OK = "/VMC/Ext/Blend/Val", "/VMC/Ext/Blend/Apply", "/VMC/Ext/Bone/Pos", "/VMC/Ext/OK"
_TIME = "/VMC/Ext/T"
_LONGEST_SECONDS = 1e9
_VISEMES = {"aa": "viseme_aa", "ih": "viseme_I", "ou": "viseme_U", "ee": "viseme_E", "oh": "viseme_O"}
_VRM: Mapping[str, tuple[str, ...]] = {
    **{name: (channel,) for name, channel in _VISEMES.items()},
    **dict(zip(("a", "i", "u", "e", "o"), ((channel,) for channel in _VISEMES.values()))),
    "blink": ("eyeBlinkLeft", "eyeBlinkRight"),
    "blink_l": ("eyeBlinkLeft",),
    "blinkleft": ("eyeBlinkLeft",),
    "blink_r": ("eyeBlinkRight",),
    "blinkright": ("eyeBlinkRight",),
}
_MESSAGES_A_PACKET = 24
"""Enough to stay below the 1500 bytes of an Ethernet frame."""


def encode_frame(frame: FaceFrame) -> list[bytes]:
    """Encode a face as packets, in the order to send them."""
    values = frame.values
    messages = [Message(_OK, (1,))]
    if frame.seconds is not None:
        messages.append(Message(_TIME, (float(frame.seconds),)))
    for name, value in values.items():
        if name in ARKIT_NAMES:
            messages.append(Message(_VALUE, (name[:1].upper() + name[1:], float(value))))
    for name, channel in _VISEMES.items():
        if channel in values:
            messages.append(Message(_VALUE, (name, float(values[channel]))))
    messages.append(Message(_APPLY))
    if any(name in values for name in ROTATION_NAMES[:3]):
        yaw, pitch, roll = (float(values.get(name, 0.0)) for name in ROTATION_NAMES[:3])
        messages.insert(1, Message(_BONE, ("Head", 0.0, 0.0, 0.0, *quaternion(yaw, pitch, roll))))
    return [
        encode_bundle(messages[first : first + _MESSAGES_A_PACKET]) for first in range(0, len(messages), _MESSAGES_A_PACKET)
    ]


class VmcReader:
    """Read packets in turn; a face is complete when it is applied. Keeps nothing but known channels."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._changed = False
        self._seconds: float | None = None

    @property
    def pending(self) -> Mapping[str, float]:
        """Values that arrived since the last whole face, and those of it."""
        return MappingProxyType(self._values)

    def read(self, packet: bytes) -> FaceFrame | None:
        """Read a packet; returns the last face that it completed, or None."""
        whole: FaceFrame | None = None
        for message in decode_packet(packet):
            if message.address == _VALUE:
                self._read_value(message)
            elif message.address == _TIME:
                self._read_time(message)
            elif message.address == _BONE:
                self._read_bone(message)
            elif message.address == _APPLY and not message.arguments and self._changed:
                whole = FaceFrame(MappingProxyType(dict(self._values)), "VMC", self._seconds)
                self._changed = False
        return whole

    def _read_value(self, message: Message) -> None:
        if len(message.arguments) != 2:
            return
        name, value = message.arguments
        if not isinstance(name, str) or len(name) > 64 or not isinstance(value, float | int) or isinstance(value, bool):
            return
        found = arkit_name(name)
        for channel in (found,) if found is not None else _VRM.get(name.lower(), ()):
            held = hold_value(channel, float(value))
            if held is not None:
                self._values[channel] = held
                self._changed = True

    def _read_time(self, message: Message) -> None:
        (seconds,) = message.arguments if len(message.arguments) == 1 else (None,)
        if isinstance(seconds, float) and abs(seconds) < _LONGEST_SECONDS:
            self._seconds = seconds

    def _read_bone(self, message: Message) -> None:
        if len(message.arguments) != 8 or message.arguments[0] != "Head":
            return
        numbers = [value for value in message.arguments[4:] if isinstance(value, float)]
        if len(numbers) != 4 or not all(math.isfinite(number) for number in numbers):
            return
        length = math.sqrt(sum(number * number for number in numbers))
        if 0.5 < length < 2.0:
            x, y, z, w = (number / length for number in numbers)
            self._values.update(zip(ROTATION_NAMES[:3], angles(x, y, z, w)))
            self._changed = True


def quaternion(yaw: float, pitch: float, roll: float) -> tuple[float, float, float, float]:
    """Turn radians into a quaternion (x, y, z, w) in Unity's axes: yaw about y, then pitch about x, then roll about z.

    In these left-handed axes a face that looks along +z has its own right at +x: a positive turn about y goes to its own right,
    about x down, about z towards its own left shoulder, so only roll changes its sign.
    """
    (sy, cy), (sx, cx), (sz, cz) = ((math.sin(a / 2), math.cos(a / 2)) for a in (yaw, pitch, -roll))
    return (
        cy * sx * cz + sy * cx * sz,
        sy * cx * cz - cy * sx * sz,
        cy * cx * sz - sy * sx * cz,
        cy * cx * cz + sy * sx * sz,
    )


def angles(x: float, y: float, z: float, w: float) -> tuple[float, float, float]:
    """Turn a unit quaternion in Unity's axes into yaw, pitch and roll in radians; undoes :func:`quaternion`."""
    pitch = math.asin(min(1.0, max(-1.0, 2.0 * (w * x - y * z))))
    yaw = math.atan2(2.0 * (x * z + w * y), 1.0 - 2.0 * (x * x + y * y))
    roll = math.atan2(2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z))
    return yaw, pitch, -roll
