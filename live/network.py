# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces to and from other programs over UDP. The only module with sockets; each is opened by a caller's ``open``."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..errors import LiveError
from . import ifacialmocap, live_link_face, vmc
from .frame import FaceFrame
from .osc import LARGEST_PACKET


class Reader(Protocol):
    """Reads packets of a protocol in turn."""

    def read(self, packet: bytes) -> FaceFrame | None:
        """Read a packet; returns the face that it completes, or None."""
        ...


@dataclass(frozen=True)
class Wire:
    """One protocol: its name for people, its usual port, and both directions."""

    title: str
    port: int
    reader: Callable[[], Reader]
    encode: Callable[[FaceFrame, int], list[bytes]]
    asks: bytes = b""
    """Sent to a sender that waits to be asked."""


PROTOCOLS = {
    "llf": Wire(
        "Live Link Face",
        live_link_face.PORT,
        live_link_face.LiveLinkReader,
        lambda frame, number: live_link_face.encode_frame(frame, number),
    ),
    "vmc": Wire("VMC", vmc.PORT, vmc.VmcReader, lambda frame, _number: vmc.encode_frame(frame)),
    "ifm": Wire(
        "iFacialMocap",
        ifacialmocap.PORT,
        ifacialmocap.MocapReader,
        lambda frame, _number: ifacialmocap.encode_frame(frame),
        ifacialmocap.START_WORD,
    ),
}


@dataclass(frozen=True)
class Address:
    """Where faces go to or come from."""

    protocol: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read 'vmc://127.0.0.1:39539'; without a port the protocol's own. Raises LiveError."""
    protocol, mark, rest = text.strip().partition("://")
    host, colon, number = rest.rpartition(":") if ":" in rest else (rest, "", "")
    known = ", ".join(f"{name}://" for name in PROTOCOLS)
    if not mark or protocol not in PROTOCOLS:
        raise LiveError(f"'{text}' is not an address; begin it with one of {known}, such as vmc://127.0.0.1:39539")
    port = PROTOCOLS[protocol].port
    if colon:
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= 65_535:
            raise LiveError(f"'{text}' has no port between 1 and 65535; write it like {protocol}://127.0.0.1:{port}")
        port = int(number)
    if not host or any(letter.isspace() for letter in host) or len(host) > 253:
        raise LiveError(f"'{text}' names no host; write it like {protocol}://127.0.0.1:{port}")
    return Address(protocol, host, port)


class Sender:
    """Sends faces to one address; a receiver that is not there is not a problem."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.sent = 0
        self._number = 0
        self._socket: socket.socket | None = None
        self._place: tuple[str, int] | None = None

    def open(self) -> None:
        """Open the socket. Raises LiveError for a host that is not known."""
        try:
            family, kind, _, _, place = socket.getaddrinfo(
                self.address.host, self.address.port, socket.AF_INET, socket.SOCK_DGRAM
            )[0]
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise LiveError(f"The host '{self.address.host}' is not known ({reason}); give its IP address") from None
        self._socket = socket.socket(family, kind)
        self._socket.setblocking(False)
        self._place = (str(place[0]), int(place[1]))

    def send(self, frame: FaceFrame) -> None:
        """Send a face; what the network cannot take now is lost, as with any live stream."""
        if self._socket is None or self._place is None:
            return
        for packet in PROTOCOLS[self.address.protocol].encode(frame, self._number):
            with contextlib.suppress(OSError):
                self._socket.sendto(packet, self._place)
                self.sent += 1
        self._number += 1

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass(frozen=True)
class Received:
    """A face and when it arrived (``time.monotonic``)."""

    at: float
    frame: FaceFrame


class Receiver:
    """Receives faces on one port: only what the user chose, from whoever sends; anything else is counted and ignored."""

    MOST_PACKETS_A_POLL = 2000

    def __init__(self, address: Address) -> None:
        self.address = address
        self.last_sender = ""
        self.packets = self.ignored = 0
        self._times: deque[float] = deque(maxlen=240)
        self._reader = PROTOCOLS[address.protocol].reader()
        self._socket: socket.socket | None = None

    def open(self, ask: str = "") -> None:
        """Bind the port, and ask the phone at the host ``ask`` to send where its protocol waits to be asked.

        Raises LiveError if the port is taken or the address is not this machine's.
        """
        created = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            created.bind((self.address.host, self.address.port))
        except (OSError, UnicodeError) as error:
            created.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise LiveError(
                f"Port {self.address.port} of '{self.address.host}' cannot be used ({reason}); close the program that uses it, "
                "or choose another port here and in the sender"
            ) from None
        created.setblocking(False)
        self._socket = created
        word = PROTOCOLS[self.address.protocol].asks
        if word and ask:
            try:
                created.sendto(word, (ask, PROTOCOLS[self.address.protocol].port))
            except (OSError, UnicodeError) as error:
                self.close()
                raise LiveError(f"The phone at '{ask}' cannot be reached ({error}); give its IP address") from None

    @property
    def port(self) -> int:
        """The port that is bound, of use where 0 let the system choose."""
        return self.address.port if self._socket is None else int(self._socket.getsockname()[1])

    def poll(self) -> list[Received]:
        """Return the faces that arrived since the last call; never waits, never raises."""
        faces: list[Received] = []
        if self._socket is None:
            return faces
        for _ in range(self.MOST_PACKETS_A_POLL):
            try:
                packet, sender = self._socket.recvfrom(LARGEST_PACKET)
            except BlockingIOError:
                break
            except OSError:  # Windows reports a sender's closed port here
                continue
            now = time.monotonic()
            self.packets += 1
            self._times.append(now)
            face = self._reader.read(packet)
            if face is not None:
                self.last_sender = str(sender[0])
                faces.append(Received(now, face))
            elif self.address.protocol != "vmc":
                self.ignored += 1
        return faces

    def packets_per_second(self) -> float:
        """Return the rate of the last two seconds."""
        now = time.monotonic()
        return sum(now - at < 2.0 for at in self._times) / 2.0

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def own_address() -> str:
    """Return this machine's address in its network, for people to type into a phone; sends nothing. Only after Start."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.connect(("192.0.2.1", 9))  # TEST-NET-1: connecting a datagram socket only chooses a route
        return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"
    finally:
        probe.close()
