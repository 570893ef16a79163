# SPDX-License-Identifier: GPL-3.0-or-later
"""A microphone that is really captured, the monitor of a sink of PulseAudio, which needs no sound card, and then unplugged."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from stream_packages import write_stream
from voxrig.inference.package import load_package
from voxrig.inference.stream import open_stream
from voxrig.live.engine import LiveEngine
from voxrig.live.microphone import Microphone, list_microphones
from voxrig.live.recording import Recording
from voxrig.live.shaping import LiveShaper

pytestmark = pytest.mark.skipif(
    shutil.which("pulseaudio") is None or shutil.which("pacat") is None, reason="needs the programs of PulseAudio"
)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A sound server of its own with one sink."""
    socket = tmp_path / "sound.socket"
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{socket}")
    options = ["--daemonize=no", "--exit-idle-time=-1", "-n", "--use-pid-file=no", "--disable-shm=yes", "-L",
               f"module-native-protocol-unix auth-anonymous=1 socket={socket}", "-L",
               "module-null-sink sink_name=desk sink_properties=device.description=Desk"]  # fmt: skip
    process = subprocess.Popen(["pulseaudio", *options], stderr=subprocess.DEVNULL, env=dict(os.environ))
    until = time.monotonic() + 10.0
    while not socket.exists() and time.monotonic() < until:
        time.sleep(0.05)
    yield socket
    process.terminate()
    process.wait(10)


def test_what_is_said_is_kept_when_the_microphone_is_unplugged(server: Path, tmp_path: Path) -> None:
    names = [name for name in list_microphones() if "Desk" in name]
    assert names, "the monitor of the sink is not listed"
    tone = (0.3 * np.sin(2 * np.pi * 440 * np.arange(4 * 48_000) / 48_000)).astype(np.float32)
    soundfile.write(tmp_path / "tone.wav", tone, 48_000)
    microphone = Microphone("desk")
    package = load_package(write_stream(tmp_path / "stream"))
    recording = Recording(tmp_path / "said.wav", microphone.sample_rate)
    engine = LiveEngine(microphone, open_stream(package), LiveShaper(package.channels, 50.0), recording=recording)
    engine.start()
    player = subprocess.Popen(["pacat", "--playback", "--device=desk", "--file-format=wav", str(tmp_path / "tone.wav")])
    try:
        assert wait_until(lambda: engine.level().peak_db > -20.0, 10.0), "nothing is heard"
        time.sleep(1.0)
        assert engine.trouble() is None
        subprocess.run(["pactl", "unload-module", "module-null-sink"], check=True)
        assert wait_until(lambda: "connect it again" in (engine.trouble() or ""), 10.0), engine.trouble()
    finally:
        player.kill()
        player.wait()
        engine.stop()
    kept, rate = soundfile.read(recording.keep(), dtype="float32")
    assert rate == 48_000 and kept.size / rate > 1.0
    assert np.abs(kept).max() == pytest.approx(0.3, abs=0.02)
    first = int(np.flatnonzero(np.abs(kept) > 0.1)[0])
    spectrum = np.abs(np.fft.rfft(kept[first : first + 24_000] * np.hanning(24_000)))
    assert 2 * int(spectrum.argmax()) == pytest.approx(440, abs=2)


def wait_until(is_true, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if is_true():
            return True
        time.sleep(0.05)
    return False
