# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxrig never uses the network and writes nowhere but where it was told to, for as long as it runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from model_packages import noise

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ROOT / "models" / "speech"

# onnxruntime's telemetry looks up its host about two seconds after the first session was opened, then every few seconds.
SECONDS = 12.0

# This checkout as the package voxrig; without the tests' own conftest.py, which switches the telemetry off as well.
LOAD = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "voxrig", {str(ROOT / "__init__.py")!r}, submodule_search_locations=[{str(ROOT)!r}]
)
sys.modules["voxrig"] = importlib.util.module_from_spec(spec)
"""

LISTEN = f"""{LOAD}
import time
from voxrig.inference.audio import read_sound
from voxrig.inference.generate import generate_all
from voxrig.inference.package import load_package
from voxrig.inference.session import open_session
package = load_package({str(SPEECH)!r})
session = open_session(package, "CPU", threads=1)
end = time.monotonic() + float(sys.argv[2])
while True:
    waveform = read_sound(sys.argv[1], package.sample_rate)
    assert len(generate_all(session, waveform).curves.values) > 0
    if time.monotonic() > end:
        break
    time.sleep(0.2)  # the telemetry has a thread of its own
"""

# What onnxruntime does where nobody asks it not to.
UNASKED = f"""
import onnxruntime, time
onnxruntime.InferenceSession({str(SPEECH / "model.onnx")!r}, providers=["CPUExecutionProvider"])
time.sleep(0.5)
"""


class Place:
    """A home, a folder for temporary files and a sound, for a process that finds nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sound = folder / "line.flac"
        soundfile.write(self.sound, 0.3 * noise(3.0, 44_100), 44_100)
        self.home, self.temporary, self.work = (folder / name for name in ("home", "temporary", "work"))
        for each in (self.home, self.temporary, self.work):
            each.mkdir()
        # Nothing of this process' own: the telemetry holds back where it finds the variables of a CI.
        kept = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "PYTHONPATH")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ}
        self.environment.update(dict.fromkeys(("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA"), str(self.home)))
        self.environment.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.temporary)))
        self.environment["PYTHONDONTWRITEBYTECODE"] = "1"

    def run(self, *command: str, under: tuple[str, ...] = ()) -> None:
        result = subprocess.run(
            [*under, sys.executable, *command],
            env=self.environment,
            cwd=self.work,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert result.returncode == 0, result.stderr

    def left_behind(self) -> list[Path]:
        return sorted(path for folder in (self.home, self.temporary) for path in folder.rglob("*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def trace(place: Place, *command: str) -> list[str]:
    """Trace the system calls of a command and its threads that reach out: sockets, look-ups of names, and all writing."""
    if shutil.which("strace") is None:
        if os.environ.get("CI"):
            pytest.fail("CI has to have strace")
        pytest.skip("strace is not installed")
    log = place.folder / "trace.txt"
    place.run(*command, under=("strace", "-f", "-qq", "-y", "-e", "trace=%network,%file", "-o", str(log)))
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    allowed = (str(place.work), "/dev/null", "/dev/shm", "/proc/self/")
    found: list[str] = []
    for line in lines:
        call = re.match(r"\d+ +(\w+)\((.*)", line)
        if call is None:  # signals, and the second half of a call that was interrupted
            continue
        name, rest = call.groups()
        if name in ("socket", "connect", "sendto", "sendmsg", "sendmmsg", "bind") or re.search(
            r'"/etc/(resolv\.conf|hosts|nsswitch\.conf)"', rest
        ):
            found.append(line)
        writes = name in ("mkdir", "mkdirat", "creat", "truncate", "symlink", "symlinkat", "link", "linkat", "mknod", "mknodat")
        writes = writes or name.startswith(("rename", "unlink", "chmod", "fchmodat"))
        writes = writes or (name.startswith("open") and re.search(r"\bO_(WRONLY|RDWR|CREAT|TRUNC)\b", rest) is not None)
        if writes:
            relative_to = re.match(r"(?:AT_FDCWD|\d+)<([^>]*)>", rest)
            path = re.search(r'"([^"]*)"', rest)
            assert path is not None, line
            full = os.path.join(relative_to.group(1) if relative_to else str(place.work), path.group(1))
            if not full.startswith(allowed):
                found.append(line)
    return found


def test_a_long_run_reaches_for_nothing(place: Place) -> None:
    assert trace(place, "-c", LISTEN, str(place.sound), str(SECONDS)) == []
    assert place.left_behind() == []


def test_the_command_line_reaches_for_nothing(place: Place) -> None:
    assert trace(place, str(ROOT), "curves", str(place.sound), "--output", str(place.work / "line.csv")) == []
    assert (place.work / "line.csv").is_file()
    assert place.left_behind() == []


def test_a_run_leaves_nothing_in_the_home(place: Place) -> None:
    """The same without a tracer, on every system."""
    place.run("-c", LISTEN, str(place.sound), "1")
    assert place.left_behind() == []


def test_the_telemetry_is_seen_where_it_is_on(place: Place) -> None:
    """Hold the tests above to account: they would see it. Ends before the telemetry looks for the network."""
    found = trace(place, "-c", UNASKED)
    assert any("deviceid" in line for line in found)
    assert place.left_behind() != []


def test_a_process_started_later_inherits_the_switch() -> None:
    code = (
        f"{LOAD}\nimport os\nfrom voxrig.inference.runtime import TELEMETRY_SWITCH, import_onnxruntime\n"
        "os.environ[TELEMETRY_SWITCH] = '0'; import_onnxruntime(); print(os.environ[TELEMETRY_SWITCH])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["1"], result.stderr
