# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets of Epic's Live Link Face app, UDP port 11111, its ARKit mode.

Little-endian int32 version (6), 37 bytes of an identity ('$' and a UUID), then big-endian: int32 length of the device's name,
the name, int32 frame, float32 sub-frame, int32 rate, int32 denominator, uint8 61, and 61 float32: ARKit's 52 weights in Apple's
order, head yaw, pitch and roll, and those of both eyes. A packet without that tail says that there is no face.
"""

from __future__ import annotations

import math
import struct
import uuid
from types import MappingProxyType

from .frame import FACE_NAMES, FaceFrame, clean_name, hold_value

PORT = 11111
_VERSION = 6
_IDENTITY = 37
_HEAD = 4 + _IDENTITY + 4
_TIME, _VALUES = struct.Struct("!ifiiB"), struct.Struct("!61f")


def encode_frame(frame: FaceFrame, number: int = 0, frame_rate: int = 60, identity: str = "") -> list[bytes]:
    """Encode a face as one packet.

    ``number`` is the frame of the day's clock where the face has no time of its own, ``identity`` a UUID, by default one that
    follows from the name.
    """
    name = (frame.source or "Voxrig").encode("utf-8")[:64]
    identity = identity or str(uuid.uuid5(uuid.NAMESPACE_DNS, name.decode("utf-8", "ignore")))
    values = [float(frame.values.get(channel, 0.0)) for channel in FACE_NAMES]
    part = 0.0
    if frame.seconds is not None:
        part, whole = math.modf(max(0.0, frame.seconds) * frame_rate)
        number = int(whole)
    return [
        struct.pack("<i", _VERSION)
        + f"${identity}".encode("ascii")[:_IDENTITY].ljust(_IDENTITY, b"0")
        + struct.pack("!i", len(name))
        + name
        + _TIME.pack(number % (1 << 31), part, frame_rate, 1, len(FACE_NAMES))
        + _VALUES.pack(*values)
    ]


def decode_packet(packet: bytes) -> FaceFrame | None:
    """Decode a packet, None if it is anything else or holds no face."""
    if len(packet) < _HEAD or packet[4:5] != b"$":
        return None
    (length,) = struct.unpack_from("!i", packet, _HEAD - 4)
    if not 0 < length <= 64 or len(packet) != _HEAD + length + _TIME.size + _VALUES.size:
        return None
    name = clean_name(packet[_HEAD : _HEAD + length])
    if name is None:
        return None
    number, part, rate, divisor, count = _TIME.unpack_from(packet, _HEAD + length)
    if count != len(FACE_NAMES):
        return None
    # The frame of the day's clock; a part that is not a number is no time.
    seconds = (number + part) * divisor / rate if rate > 0 and divisor > 0 and 0.0 <= part < 1.0 else None
    numbers = _VALUES.unpack_from(packet, _HEAD + length + _TIME.size)
    held = {channel: hold_value(channel, number) for channel, number in zip(FACE_NAMES, numbers)}
    values = {channel: value for channel, value in held.items() if value is not None}
    return FaceFrame(MappingProxyType(values), name, seconds) if len(values) == len(held) else None


class LiveLinkReader:
    """Read packets in turn, each on its own."""

    def read(self, packet: bytes) -> FaceFrame | None:
        """Read a packet; returns its face, or None."""
        return decode_packet(packet)
