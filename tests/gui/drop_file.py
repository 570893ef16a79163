# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop a file onto Blender's window as a file manager does: the source's side of X11's drag and drop (XDND 5).

python3 drop_file.py <file> <x> <y>, counted from the upper left corner of the screen. Ends with 0 when Blender took the file.
https://www.freedesktop.org/wiki/Specifications/XDND/
"""

from __future__ import annotations

import ctypes
import sys
import time
from pathlib import Path

Window = Atom = ctypes.c_ulong
CLIENT_MESSAGE, SELECTION_REQUEST, SELECTION_NOTIFY, REPLACE = 33, 30, 31, 0
ATOM, INTEGER_BYTES = 4, 8
SECONDS = 20.0


class _Head(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("sent", ctypes.c_int), ("display", ctypes.c_void_p))


class _Message(_Head):
    _fields_ = (("window", Window), ("kind", Atom), ("format", ctypes.c_int), ("data", ctypes.c_long * 5))


class _Request(_Head):
    _fields_ = (
        ("owner", Window), ("requestor", Window), ("selection", Atom), ("target", Atom), ("property", Atom),
        ("time", ctypes.c_ulong),
    )  # fmt: skip


class _Answer(_Head):
    _fields_ = (("requestor", Window), ("selection", Atom), ("target", Atom), ("property", Atom), ("time", ctypes.c_ulong))


class _Event(ctypes.Union):
    _fields_ = (("type", ctypes.c_int), ("message", _Message), ("request", _Request), ("answer", _Answer),
                ("room", ctypes.c_long * 24))  # fmt: skip


x11 = ctypes.CDLL("libX11.so.6")
for _name in ("XOpenDisplay", "XDefaultRootWindow", "XCreateSimpleWindow", "XInternAtom"):
    getattr(x11, _name).restype = ctypes.c_void_p if _name == "XOpenDisplay" else ctypes.c_ulong


class Source:
    """A window that offers one file."""

    def __init__(self, path: Path) -> None:
        self.content = f"{path.as_uri()}\r\n".encode()
        self.display = ctypes.c_void_p(x11.XOpenDisplay(None))
        self.root = Window(x11.XDefaultRootWindow(self.display))
        self.window = Window(x11.XCreateSimpleWindow(self.display, self.root, 0, 0, 1, 1, 0, Atom(0), Atom(0)))
        x11.XSetSelectionOwner(self.display, self.atom("XdndSelection"), self.window, Atom(0))

    def atom(self, name: str) -> Atom:
        return Atom(x11.XInternAtom(self.display, name.encode(), 0))

    def find_aware(self) -> Window:
        """Return the window on the screen that takes drops. Raises LookupError."""
        above, parent, children = Window(), Window(), ctypes.POINTER(Window)()
        count, aware = ctypes.c_uint(), self.atom("XdndAware").value
        out = ctypes.byref
        x11.XQueryTree(self.display, self.root, out(above), out(parent), out(children), out(count))
        x11.XListProperties.restype = ctypes.POINTER(Atom)
        for window in (Window(children[i]) for i in range(count.value)):
            known = ctypes.c_int()
            atoms = x11.XListProperties(self.display, window, out(known))
            if aware in {atoms[i] for i in range(known.value)}:
                return window
        raise LookupError("no window takes drops")

    def send(self, window: Window, kind: str, *numbers: int) -> None:
        """Send a message of XDND, which begins with the source's window."""
        event = _Event()
        event.message.type, event.message.display, event.message.window = CLIENT_MESSAGE, self.display, window
        event.message.kind, event.message.format = self.atom(kind), 32
        for place, number in enumerate((self.window.value or 0, *numbers)):
            event.message.data[place] = number
        x11.XSendEvent(self.display, window, 0, ctypes.c_long(0), ctypes.byref(event))
        x11.XFlush(self.display)

    def answer(self, asked: _Request) -> None:
        """Hand the file over as a list of URIs."""
        x11.XChangeProperty(
            self.display, Window(asked.requestor), Atom(asked.property), Atom(asked.target), INTEGER_BYTES, REPLACE,
            self.content, len(self.content),
        )  # fmt: skip
        event = _Event()
        event.answer.type, event.answer.display = SELECTION_NOTIFY, self.display
        for name in ("requestor", "selection", "target", "property", "time"):
            setattr(event.answer, name, getattr(asked, name))
        x11.XSendEvent(self.display, Window(asked.requestor), 0, ctypes.c_long(0), ctypes.byref(event))
        x11.XFlush(self.display)

    def wait_for(self, *kinds: str) -> bool:
        """Answer requests until one of some messages comes. Returns whether it said yes. Raises TimeoutError."""
        wanted = {self.atom(kind).value for kind in kinds}
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            while x11.XPending(self.display):
                event = _Event()
                x11.XNextEvent(self.display, ctypes.byref(event))
                if event.type == SELECTION_REQUEST:
                    self.answer(event.request)
                elif event.type == CLIENT_MESSAGE and event.message.kind in wanted:
                    return bool(event.message.data[1] & 1)
            time.sleep(0.02)
        raise TimeoutError(f"no {' or '.join(kinds)} within {SECONDS:.0f} s")


def main(path: str, x: int, y: int) -> int:
    source = Source(Path(path))
    window = source.find_aware()
    copy = source.atom("XdndActionCopy").value or 0
    source.send(window, "XdndEnter", 5 << 24, source.atom("text/uri-list").value or 0, 0, 0)
    # A person's mouse moves, and Blender looks at what is below it between two messages.
    for step in (-6, -3, 0):
        source.send(window, "XdndPosition", 0, (x + step) << 16 | y, 0, copy)
        if not source.wait_for("XdndStatus"):
            raise SystemExit("Blender does not take the file there")
        time.sleep(0.3)
    source.send(window, "XdndDrop", 0, 0, 0)
    source.wait_for("XdndFinished")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
