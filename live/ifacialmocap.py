# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets of the iFacialMocap app, UDP port 49983, and its relatives: text, 50 to 60 times a second.

'mouthSmile_L-42|...|=head#-21.5,-6.0,-6.4,x,y,z|rightEye#6.1,2.5,0|leftEye#...|': weights in percent, rotations in degrees as
Euler x (up and down), y (left and right), z. Version 2 has '&' in place of '-', which leaves room for negative numbers. The app
starts to send to whoever asks with its start word.
"""

from __future__ import annotations

import math
from types import MappingProxyType

from ..animation.interchange.arkit import ARKIT_NAMES, ROTATION_NAMES, arkit_name
from .frame import FaceFrame, hold_value

PORT = 49983
START_WORD = b"iFacialMocap_sahuasouryya9218sauhuiayeta91555dy3719|sendDataVersion=v2"
"""Asks the app for its stream, with '&' between name and value."""
_LARGEST = 8192
_ROTATED = {"=head": ("headYaw", "headPitch", "headRoll"), "rightEye": ROTATION_NAMES[6:], "leftEye": ROTATION_NAMES[3:6]}


def encode_frame(frame: FaceFrame) -> list[bytes]:
    """Encode a face as one packet of version 2."""
    parts: list[str] = []
    for name in ARKIT_NAMES:
        short = name.replace("Left", "_L") if name.endswith("Left") else name.replace("Right", "_R")
        value = frame.values.get(name, 0.0)
        parts.append(f"{name if name in ('mouthLeft', 'mouthRight', 'jawLeft', 'jawRight') else short}&{100 * value:.2f}")
    for part, (yaw, pitch, roll) in _ROTATED.items():
        x, y, z = (math.degrees(frame.values.get(channel, 0.0)) for channel in (pitch, yaw, roll))
        place = ",0,0,0" if part == "=head" else ""
        parts.append(f"{part}#{x:.4f},{y:.4f},{z:.4f}{place}")
    return ["|".join([*parts, ""]).encode("ascii")]


def decode_packet(packet: bytes) -> FaceFrame | None:
    """Decode a packet, None if it is anything else."""
    if not 0 < len(packet) <= _LARGEST:
        return None
    try:
        text = packet.decode("ascii")
    except UnicodeDecodeError:
        return None
    values: dict[str, float] = {}
    for part in text.split("|"):
        name, _, numbers = part.partition("#")
        if name in _ROTATED:
            _read_rotation(values, name, numbers)
            continue
        name, mark, number = part.partition("&")
        if not mark:
            name, mark, number = part.rpartition("-")
        channel = arkit_name(name) if mark and len(name) <= 64 else None
        value = _number(number)
        if channel in ARKIT_NAMES and value is not None:
            held = hold_value(channel, value / 100.0)
            if held is not None:
                values[channel] = held
    return FaceFrame(MappingProxyType(values), "iFacialMocap") if len(values) >= 10 else None


def _number(text: str) -> float | None:
    try:
        return float(text) if len(text) <= 24 else None
    except ValueError:
        return None


def _read_rotation(values: dict[str, float], part: str, numbers: str) -> None:
    read = [_number(number) for number in numbers.split(",", 6)]
    if len(read) < 3:
        return
    yaw, pitch, roll = _ROTATED[part]
    for channel, degrees in zip((pitch, yaw, roll), read[:3]):
        held = None if degrees is None else hold_value(channel, math.radians(degrees))
        if held is not None:
            values[channel] = held


class MocapReader:
    """Read packets in turn, each on its own."""

    def read(self, packet: bytes) -> FaceFrame | None:
        """Read a packet; returns its face, or None."""
        return decode_packet(packet)
