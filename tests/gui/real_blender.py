# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's Blender in a root of its own: running it, giving it a virtual screen, playing scenarios in its window."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from screen_film import ScreenFilm, add_sound

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PICTURES = ROOT / "build" / "gui"
SCREEN = (1440, 1080)


class RealBlender:
    """Debian's Blender in its root. Paths with ``inside`` in their name are as Blender sees them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inside = Path("/voxrig-tests") / uuid.uuid4().hex[:8]
        self.folder = root / self.inside.relative_to("/")
        self.folder.mkdir(parents=True)

    def inside_of(self, path: Path) -> str:
        """Return a path below ``folder`` as Blender sees it."""
        return str(self.inside / path.relative_to(self.folder))

    def run(
        self, *command: str, display: str = "", timeout: float = 300, user: str = "user"
    ) -> subprocess.CompletedProcess[str]:
        """Run something in the root, with Blender's user folder in this run's own."""
        environment = [
            "HOME=/root",
            "PATH=/usr/bin:/bin:/usr/sbin:/sbin",
            "LANG=C.UTF-8",
            f"BLENDER_USER_RESOURCES={self.inside / user}",
            "LIBGL_ALWAYS_SOFTWARE=1",
            f"DISPLAY={display}",
        ]
        return subprocess.run(
            ["chroot", str(self.root), "env", "-i", *environment, *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def blender(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Blender, with the options of ``run``. Without a display it must be told ``--background`` or ``--command``."""
        return self.run("blender", *arguments, **options)

    def play(
        self, scenario: str, scene: str, *, timeout: float = 400, user: str = "user", is_filmed: bool = False
    ) -> dict[str, Any]:
        """Open a scene in a window, play ``tests/gui/<scenario>.py`` in it, and return what it noted.

        ``user`` is Blender's user folder: 'user' has the extension, any other one is new. The scenario's pictures go to
        build/gui/<scenario>-<name>.png, and with ``is_filmed`` a film of the screen to build/gui/<scenario>.mp4 with the line's
        sound from where the scenario notes 'sound_began'. Fails where the scenario did not reach its end.
        """
        folder = self.folder / scenario
        folder.mkdir()
        with contextlib.ExitStack() as stack:
            film = None
            display = stack.enter_context(virtual_screen(self.root, self.inside_of(folder) if is_filmed else ""))
            stack.enter_context(kept_pictures(folder, scenario))
            if is_filmed:
                film = stack.enter_context(ScreenFilm(folder / "Xvfb_screen0", folder / "film.mp4"))
            window = ["--window-geometry", "0", "0", *map(str, SCREEN), "--enable-event-simulate", "--no-window-focus"]
            script = ["--python-exit-code", "3", "--python", str(self.inside / "checkout" / "gui" / f"{scenario}.py")]
            arguments = ["--", self.inside_of(folder), str(self.inside)]
            result = self.blender(*window, scene, *script, *arguments, display=display, timeout=timeout, user=user)
        report = folder / "result.json"
        seen: dict[str, Any] = json.loads(report.read_text("utf-8")) if report.is_file() else {}
        printed = f"{result.stdout}\n{result.stderr}"[-4000:]
        assert seen.get("ended") == "done", f"{seen.get('ended', 'no end')}\nnoted: {seen}\nexit {result.returncode}\n{printed}"
        seen["printed"] = printed
        if film is not None:
            output = PICTURES / f"{scenario}.mp4"
            add_sound(film.output, self.folder / "line.flac", seen["sound_began"] - film.began, output)
        return seen


@contextlib.contextmanager
def kept_pictures(folder: Path, scenario: str) -> Iterator[None]:
    """Copy a scenario's pictures and what it noted to build/gui however it ends, also when it takes too long."""
    try:
        yield
    finally:
        PICTURES.mkdir(parents=True, exist_ok=True)
        for picture in sorted(folder.glob("*.png")):
            shutil.copy(picture, PICTURES / f"{scenario}-{picture.name}")
        if (folder / "result.json").is_file():
            shutil.copy(folder / "result.json", PICTURES / f"{scenario}.json")


@contextlib.contextmanager
def virtual_screen(root: Path, frame_buffer: str = "") -> Iterator[str]:
    """Run an X server without a screen in the root; it picks a free display and is ended by its process id.

    Its frame buffer is a file in the folder ``frame_buffer`` of the root, if one is given.
    """
    size = f"{SCREEN[0]}x{SCREEN[1]}x24"
    command = ["chroot", str(root), "Xvfb", "-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp"]
    command += ["-fbdir", frame_buffer] if frame_buffer else []
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        number = server.stdout.readline().strip() if server.stdout else ""
        assert number.isdigit(), "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait(timeout=30)
