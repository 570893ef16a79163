# SPDX-License-Identifier: GPL-3.0-or-later
"""Open Sound Control 1.0 packets: messages of an address and arguments, and bundles of them.

Decoding never fails: whatever is not a well-formed packet holds no messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LARGEST_PACKET = 65_507
"""Bytes that a UDP packet can hold."""
_DEEPEST = 4
_MOST_MESSAGES = 1024
_BUNDLE = b"#bundle\0"
_NOW = struct.pack("!Q", 1)


@dataclass(frozen=True)
class Message:
    """One message: an address such as '/VMC/Ext/Blend/Val', and its arguments."""

    address: str
    arguments: tuple[str | int | float | bytes | bool | None, ...] = ()


def encode_message(message: Message) -> bytes:
    """Encode a message; arguments are str ('s'), int ('i', 32 bits), float ('f') or bytes ('b')."""
    tags, parts = ",", b""
    for argument in message.arguments:
        if isinstance(argument, str):
            tags, parts = f"{tags}s", parts + _pad_text(argument)
        elif isinstance(argument, bytes):
            tags, parts = f"{tags}b", parts + struct.pack("!i", len(argument)) + argument + b"\0" * (-len(argument) % 4)
        elif isinstance(argument, bool):
            tags = f"{tags}{'T' if argument else 'F'}"
        elif isinstance(argument, int):
            tags, parts = f"{tags}i", parts + struct.pack("!i", argument)
        elif argument is None:
            tags = f"{tags}N"
        else:
            tags, parts = f"{tags}f", parts + struct.pack("!f", argument)
    return _pad_text(message.address) + _pad_text(tags) + parts


def encode_bundle(messages: Sequence[Message]) -> bytes:
    """Encode messages that belong to one instant, to be acted on at once."""
    parts = [encode_message(message) for message in messages]
    return _BUNDLE + _NOW + b"".join(struct.pack("!i", len(part)) + part for part in parts)


def decode_packet(packet: bytes) -> list[Message]:
    """Decode a packet: its messages in order, those of bundles included; empty for anything else."""
    if len(packet) > LARGEST_PACKET:
        return []
    try:
        messages: list[Message] = []
        for message in _decode(packet, 0):
            if len(messages) == _MOST_MESSAGES:
                return []
            messages.append(message)
        return messages
    except (ValueError, struct.error, UnicodeDecodeError):
        return []


def _pad_text(text: str) -> bytes:
    data = text.encode("utf-8")
    return data + b"\0" * (4 - len(data) % 4)


def _decode(data: bytes, depth: int) -> Iterator[Message]:
    if depth > _DEEPEST:
        raise ValueError("bundles within bundles")
    if not data.startswith(_BUNDLE):
        yield _decode_message(data)
        return
    at = len(_BUNDLE) + len(_NOW)
    if len(data) < at:
        raise ValueError("cut off")
    while at < len(data):
        (size,) = struct.unpack_from("!i", data, at)
        at += 4
        if size <= 0 or size % 4 or at + size > len(data):
            raise ValueError("cut off")
        yield from _decode(data[at : at + size], depth + 1)
        at += size


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(b"\0", at)
    return data[at:end].decode("utf-8"), end + 4 - (end - at) % 4


def _decode_message(data: bytes) -> Message:
    address, at = _read_text(data, 0)
    if not address.startswith("/"):
        raise ValueError("no address")
    if at >= len(data):
        return Message(address)
    tags, at = _read_text(data, at)
    if not tags.startswith(","):
        raise ValueError("no types")
    arguments: list[str | int | float | bytes | bool | None] = []
    for tag in tags[1:]:
        if tag in "ifhdt":
            kind = {"i": "!i", "f": "!f", "h": "!q", "d": "!d", "t": "!Q"}[tag]
            arguments.append(struct.unpack_from(kind, data, at)[0])
            at += struct.calcsize(kind)
        elif tag in "sS":
            text, at = _read_text(data, at)
            arguments.append(text)
        elif tag == "b":
            (size,) = struct.unpack_from("!i", data, at)
            at += 4
            if not 0 <= size <= len(data) - at:
                raise ValueError("cut off")
            arguments.append(data[at : at + size])
            at += size + -size % 4
        elif tag in "TFN":
            arguments.append({"T": True, "F": False, "N": None}[tag])
        else:
            raise ValueError("an unknown type")
    return Message(address, tuple(arguments))
