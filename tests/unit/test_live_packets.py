# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets of Live Link Face, iFacialMocap and VMC: there and back, as others write them, and hostile ones."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import numpy as np
import pytest
from voxrig.animation.interchange.arkit import ARKIT_NAMES, ROTATION_NAMES
from voxrig.live import ifacialmocap, live_link_face, osc, vmc
from voxrig.live.frame import FACE_NAMES, FaceFrame


def some_face(seed: int = 1) -> FaceFrame:
    random = np.random.default_rng(seed)
    values = {name: float(random.uniform(0.0, 1.0)) for name in ARKIT_NAMES}
    values |= {name: float(random.uniform(-0.6, 0.6)) for name in ROTATION_NAMES}
    return FaceFrame(values, "Anna")


def test_live_link_face_there_and_back() -> None:
    (packet,) = live_link_face.encode_frame(some_face(), 12345, 60)
    read = live_link_face.decode_packet(packet)
    assert read is not None and read.source == "Anna"
    assert read.values == pytest.approx(some_face().values, abs=1e-6)


def test_live_link_face_as_the_app_writes_it() -> None:
    """Built by hand from the layout, so that an error of both directions would show."""
    numbers = [0.0] * 61
    numbers[17], numbers[52] = 0.75, -0.25  # jawOpen, head yaw
    name = b"iPhone"
    packet = struct.pack("<i", 6) + b"$1B4FC8A2-7A1C-4E5B-9A53-1D2C3B4A5F60" + struct.pack("!i", 6) + name
    packet += struct.pack("!ifiiB", 100, 0.5, 60, 1, 61) + struct.pack("!61f", *numbers)
    read = live_link_face.decode_packet(packet)
    assert read is not None
    assert (read.values["jawOpen"], read.values["headYaw"], read.source) == (0.75, -0.25, "iPhone")
    assert read.seconds == pytest.approx(100.5 / 60)
    assert live_link_face.decode_packet(packet[:58]) is None  # no face in view


def test_ifacialmocap_there_and_back() -> None:
    (packet,) = ifacialmocap.encode_frame(some_face())
    read = ifacialmocap.decode_packet(packet)
    assert read is not None
    assert read.values == pytest.approx(some_face().values, abs=1e-4)


@pytest.mark.parametrize("mark", ["-", "&"])
def test_ifacialmocap_as_the_app_writes_it(mark: str) -> None:
    weights = {"mouthSmile_R": 30, "eyeBlink_L": 100, "jawOpen": 42, "mouthLeft": 7, "tongueOut": 0, "browInnerUp": 5}
    weights |= {"eyeLookOut_L": 1, "jawRight": 2, "cheekPuff": 3, "mouthPucker": 4}
    text = "|".join(f"{name}{mark}{value}" for name, value in weights.items())
    text += "|=head#-21.488958,-6.038993,-6.6019735,-0.030653415,-0.10287084,-0.6584072"
    text += "|rightEye#6.0297494,2.4403017,0.25649446|leftEye#6.034903,-1.6660284,-0.17520553|"
    read = ifacialmocap.decode_packet(text.encode())
    assert read is not None
    assert read.values["mouthSmileRight"] == 0.30 and read.values["jawOpen"] == 0.42
    assert read.values["headPitch"] == pytest.approx(math.radians(-21.488958))
    assert read.values["leftEyeYaw"] == pytest.approx(math.radians(-1.6660284))


def test_vmc_there_and_back() -> None:
    reader = vmc.VmcReader()
    faces = [reader.read(packet) for packet in vmc.encode_frame(some_face())]
    assert faces[-1] is not None and not any(faces[:-1])
    sent = {name: value for name, value in some_face().values.items() if name in ARKIT_NAMES or name in ROTATION_NAMES[:3]}
    assert faces[-1].values == pytest.approx(sent, abs=1e-5)
    assert all(len(packet) < 1472 for packet in vmc.encode_frame(some_face()))


@pytest.mark.parametrize("protocol", [vmc, live_link_face])
def test_a_face_keeps_the_time_of_its_sender(protocol) -> None:
    reader = vmc.VmcReader() if protocol is vmc else live_link_face.LiveLinkReader()
    for seconds in (0.0, 3.46):
        face = FaceFrame(some_face().values, "Anna", seconds)
        read = [reader.read(packet) for packet in protocol.encode_frame(face)][-1]
        assert read is not None and read.seconds == pytest.approx(seconds, abs=1e-4)


def test_vmc_as_vsee_face_and_others_write_it() -> None:
    reader = vmc.VmcReader()
    value = b"/VMC/Ext/Blend/Val\0\0,sf\0A\0\0\0" + struct.pack("!f", 0.5)
    blink = b"/VMC/Ext/Blend/Val\0\0,sf\0Blink_L\0" + struct.pack("!f", 1.5)
    assert reader.read(value) is None and reader.read(blink) is None
    read = reader.read(b"/VMC/Ext/Blend/Apply\0\0\0\0,\0\0\0")
    assert read is not None and read.values == {"viseme_aa": 0.5, "eyeBlinkLeft": 1.5}


@pytest.mark.parametrize("axis", range(3))
def test_a_head_turns_about_one_axis_of_unity(axis: int) -> None:
    turn = [0.0, 0.0, 0.0]
    turn[axis] = 0.4
    x, y, z, w = vmc.quaternion(*turn)
    # Yaw is about y, pitch about x; roll about z has the other sign in left-handed axes.
    expected = [0.0, 0.0, 0.0]
    expected[(1, 0, 2)[axis]] = math.sin(0.2) * (1, 1, -1)[axis]
    assert (x, y, z) == pytest.approx(expected)
    assert vmc.angles(x, y, z, w) == pytest.approx(turn)


READERS: dict[str, Callable[[], live_link_face.LiveLinkReader | ifacialmocap.MocapReader | vmc.VmcReader]] = {
    "live_link_face": live_link_face.LiveLinkReader,
    "ifacialmocap": ifacialmocap.MocapReader,
    "vmc": vmc.VmcReader,
}
GOOD: dict[str, list[bytes]] = {
    "live_link_face": live_link_face.encode_frame(some_face()),
    "ifacialmocap": ifacialmocap.encode_frame(some_face()),
    "vmc": vmc.encode_frame(some_face()),
}


def hostile_packets(good: list[bytes], count: int, seed: int) -> list[bytes]:
    """Damage good packets in every cheap way: cut, lengthened, flipped, shuffled, numbers of all kinds, plain noise."""
    random = np.random.default_rng(seed)
    made: list[bytes] = []
    for _ in range(count):
        packet = bytearray(good[int(random.integers(len(good)))])
        kind = int(random.integers(6))
        if kind == 0:
            packet = packet[: int(random.integers(0, len(packet)))]
        elif kind == 1:
            packet += random.bytes(int(random.integers(1, 64)))
        elif kind == 2:
            for at in random.integers(0, len(packet), 8):
                packet[at] = int(random.integers(256))
        elif kind == 3:
            at = int(random.integers(0, max(1, len(packet) - 4)))
            huge = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FC00000, 0x7F800000)[int(random.integers(5))]
            packet[at : at + 4] = struct.pack("!I", huge)
        elif kind == 4:
            packet = bytearray(random.bytes(int(random.integers(0, 400))))
        else:
            first, second = sorted(int(at) for at in random.integers(0, len(packet), 2))
            packet = packet[second:] + packet[first:second] + packet[:first]
        made.append(bytes(packet))
    return made


@pytest.mark.parametrize("protocol", READERS)
def test_ten_thousand_hostile_packets_are_ignored(protocol: str) -> None:
    """None raises, none leaves more than known channels with finite values within limits, and a good face still arrives."""
    reader = READERS[protocol]()
    known = {*FACE_NAMES, *(f"viseme_{name}" for name in ("aa", "I", "U", "E", "O"))}
    taken = 0
    for packet in hostile_packets(GOOD[protocol], 10_000, 7):
        face = reader.read(packet)
        if face is not None:
            taken += 1
            assert set(face.values) <= known
            assert all(math.isfinite(value) and abs(value) <= math.pi for value in face.values.values())
    assert taken < 8_000
    if isinstance(reader, vmc.VmcReader):
        assert set(reader.pending) <= known
    last = [reader.read(packet) for packet in GOOD[protocol]][-1]
    assert last is not None and last.values["jawOpen"] == pytest.approx(some_face().values["jawOpen"], abs=1e-4)


def test_osc_arguments_of_every_type_come_back() -> None:
    message = osc.Message("/any/where", ("text", "", 7, -1.5, b"abc", True, False, None))
    assert osc.decode_packet(osc.encode_message(message)) == [message]
    assert osc.decode_packet(osc.encode_bundle([message, osc.Message("/b")])) == [message, osc.Message("/b")]


def test_bundles_within_bundles_end() -> None:
    packet = osc.encode_message(osc.Message("/a"))
    for _ in range(2000):
        packet = b"#bundle\0" + bytes(8) + struct.pack("!i", len(packet)) + packet
    assert osc.decode_packet(packet) == []
