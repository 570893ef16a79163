# SPDX-License-Identifier: GPL-3.0-or-later
"""Film a virtual screen from outside, without disturbing what is drawn on it: the server's frame buffer is a file."""

from __future__ import annotations

import threading
import time
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

RATE = 10
"""Pictures a second."""


def read_screen(path: Path) -> np.ndarray:
    """Read the frame buffer of an Xvfb (an XWD file) as ``[row, column, RGB]``. Raises ValueError for another format."""
    data = np.fromfile(path, np.uint8)
    header = data[:100].view(">u4")
    size, width, height, bits, stride, colours = (int(header[i]) for i in (0, 4, 5, 11, 12, 19))
    if bits != 32 or header[7] != 0:
        raise ValueError(f"the screen has {bits} bits a pixel, or its bytes in another order")
    first = size + 12 * colours
    rows = data[first : first + height * stride].reshape(height, stride)
    return np.ascontiguousarray(rows[:, : 4 * width].reshape(height, width, 4)[..., 2::-1])


class ScreenFilm:
    """A film of a screen for as long as its ``with`` lasts. ``began`` is its second 0, by ``time.monotonic``."""

    def __init__(self, screen: Path, output: Path) -> None:
        self.screen, self.output = screen, output
        self.began = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._film, daemon=True)

    def __enter__(self) -> ScreenFilm:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ending.set()
        self._thread.join(60)

    def _film(self) -> None:
        import av

        with av.open(str(self.output), "w") as file:
            stream: Any = None
            while not self._ending.wait(1 / RATE):
                try:
                    picture = read_screen(self.screen)
                except (OSError, IndexError):
                    continue  # the server has not made it yet
                if stream is None:
                    stream = file.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "26"})
                    stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "yuv420p"
                    stream.time_base = Fraction(1, 1000)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = round(1000 * (time.monotonic() - self.began)), Fraction(1, 1000)
                file.mux(stream.encode(frame))
            if stream is not None:
                file.mux(stream.encode())


def add_sound(film: Path, sound: Path, at_seconds: float, output: Path) -> None:
    """Write a film with a sound that begins at a second of it."""
    import av

    with av.open(str(film)) as pictures, av.open(str(sound)) as heard, av.open(str(output), "w") as file:
        seen = pictures.streams.video[0]
        shown = file.add_stream_from_template(seen)
        spoken: Any = file.add_stream("aac", rate=heard.streams.audio[0].rate, layout="mono")
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=spoken.rate)
        for packet in pictures.demux(seen):
            if packet.dts is not None:
                packet.stream = shown
                file.mux(packet)
        offset = round(at_seconds * spoken.rate)
        for frame in heard.decode(audio=0):
            for piece in resampler.resample(frame):
                piece.pts, piece.time_base = offset, Fraction(1, spoken.rate)
                offset += piece.samples
                file.mux(spoken.encode(piece))
        file.mux(spoken.encode())
