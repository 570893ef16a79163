# SPDX-License-Identifier: GPL-3.0-or-later
"""Live faces without Blender: files as microphones, loopback sockets, recordings that survive, takes of packets."""

from __future__ import annotations

import concurrent.futures
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from model_packages import noise
from stream_packages import write_stream
from test_live_packets import some_face
from voxrig.animation.life.causal import LiveLife
from voxrig.animation.life.channels import CHANNEL_NAMES
from voxrig.animation.life.stage import LifeSettings
from voxrig.animation.performance import Performance
from voxrig.cli.main import main
from voxrig.errors import LiveError
from voxrig.inference.package import load_package
from voxrig.inference.stream import open_stream
from voxrig.live.engine import LiveEngine
from voxrig.live.frame import FaceFrame
from voxrig.live.microphone import FileAsMicrophone, Meter, Microphone
from voxrig.live.monitor import DelayedSound, Monitor
from voxrig.live.network import Address, Receiver, Sender, parse_address
from voxrig.live.recording import SUFFIX, Recording, find_lost_recordings, next_name, recover
from voxrig.live.shaping import LiveShaper
from voxrig.live.taking import FaceTake, find_offset, measure_loudness

ROOT = Path(__file__).resolve().parents[2]


def make_engine(folder: Path, sound: np.ndarray, rate: int = 16_000, **options) -> LiveEngine:
    package = load_package(write_stream(folder / "stream"))
    source = FileAsMicrophone(sound, rate, paced=False)
    return LiveEngine(source, open_stream(package), LiveShaper(package.channels, 50.0), **options)


def run(engine: LiveEngine) -> None:
    engine.start()
    engine.wait(30)
    engine.stop()


class TestEngine:
    @pytest.mark.parametrize("rate", [8000, 16_000, 48_000, 192_000])
    def test_a_file_as_microphone_gives_a_row_each_20_ms(self, tmp_path: Path, rate: int) -> None:
        engine = make_engine(tmp_path, 0.1 * noise(1.5, rate), rate, keeps_rows=True)
        run(engine)
        start, values = engine.kept_rows()
        assert start == pytest.approx(-0.04)
        assert len(values) == engine.rows == pytest.approx(1.5 * 50 + 3, abs=1)
        newest = engine.newest()
        assert newest is not None and np.array_equal(newest.values, values[-1])
        assert engine.trouble() is None

    def test_it_records_what_it_hears(self, tmp_path: Path) -> None:
        sound = 0.1 * noise(1.0)
        recording = Recording(tmp_path / "said.wav", 16_000)
        run(make_engine(tmp_path, sound, recording=recording))
        kept, rate = soundfile.read(recording.keep(), dtype="float32")
        assert rate == 16_000 and kept.size == sound.size
        assert np.abs(kept - sound).max() < 1e-4

    def test_a_broken_sender_opens_nothing(self, tmp_path: Path) -> None:
        engine = make_engine(tmp_path, noise(0.1), senders=[Sender(Address("vmc", "no such host", 39539))])
        with pytest.raises(LiveError, match="is not known"):
            engine.start()
        assert not engine.is_running

    def test_settings_shape_the_rows_and_keep_seals(self, tmp_path: Path) -> None:
        package = load_package(ROOT / "models" / "speech")
        names = package.channel_names
        row = np.zeros(len(names), np.float32)
        row[names.index("jawOpen")] = 0.3
        sealed = row.copy()
        sealed[names.index("mouthClose")] = 0.3 * 2.89 / 3.72
        from voxrig.animation.face.lips import lip_gap
        from voxrig.inference.stream import StreamedRows

        shaper = LiveShaper(package.channels, 50.0, Performance(strength=1.5))
        rows = StreamedRows(0.0, np.stack([row, sealed] * 20), np.zeros((40, 40), np.float32), np.ones(40, np.float32))
        made = shaper.shape(rows)
        assert made[0, names.index("jawOpen")] == pytest.approx(0.45)
        gap = lip_gap(made, names)
        assert gap[1::2].max() < 0.05 and gap[::2].min() > 1.0

    def test_a_head_lives_over_the_mouth(self, tmp_path: Path) -> None:
        package = load_package(write_stream(tmp_path / "stream"))
        plain, alive = (
            LiveEngine(
                FileAsMicrophone(0.1 * noise(6.0), 16_000, paced=False),
                open_stream(package),
                LiveShaper(package.channels, 50.0, life=life),
                keeps_rows=True,
            )
            for life in (None, LiveLife(LifeSettings(4), 50.0))
        )
        run(plain)
        run(alive)
        names = alive.shaper.names
        assert names[: len(package.channels)] == package.channel_names and "headYaw" in names
        rows, still = alive.kept_rows()[1], plain.kept_rows()[1]
        assert np.ptp(rows[:, names.index("headYaw")]) > 0.005
        mouth = [index for index, name in enumerate(package.channel_names) if name not in CHANNEL_NAMES]
        assert np.array_equal(rows[:, mouth], still[:, mouth])


class TestRecording:
    def test_a_recording_that_was_never_stopped_can_be_played(self, tmp_path: Path) -> None:
        """A process that is killed in the middle leaves a file whose header is right."""
        code = (
            "import os, sys, numpy as np; from pathlib import Path; from voxrig.live.recording import Recording; "
            f"recording = Recording(Path({str(tmp_path / 'take.wav')!r}), 16000); "
            "[recording.add(np.full(1600, 0.25, np.float32)) for _ in range(7)]; os._exit(9)"
        )
        load = (
            "import importlib.util, sys; spec = importlib.util.spec_from_file_location('voxrig', "
            f"{str(ROOT / '__init__.py')!r}, submodule_search_locations=[{str(ROOT)!r}]); "
            "sys.modules['voxrig'] = importlib.util.module_from_spec(spec); "
        )
        assert subprocess.run([sys.executable, "-c", load + code], check=False).returncode == 9
        (lost,) = find_lost_recordings(tmp_path)
        path = recover(lost)
        assert path == tmp_path / "take.wav"
        with wave.open(str(path), "rb") as file:
            assert file.getnframes() == 7 * 1600 and file.getframerate() == 16_000
        assert find_lost_recordings(tmp_path) == []

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
    def test_a_full_disk_keeps_what_was_said(self, tmp_path: Path) -> None:
        recording = Recording(tmp_path / "take.wav", 16_000)
        recording.add(np.full(1600, 0.25, np.float32))
        recording._file.flush()
        full = open("/dev/full", "wb", buffering=0)  # noqa: SIM115
        recording._wave._file, kept = full, recording._wave._file
        recording.add(np.full(1600, 0.25, np.float32))
        recording._wave._file = kept
        full.close()
        assert recording.trouble is not None and "0.1 s" in recording.trouble and "make room" in recording.trouble
        assert soundfile.read(recording.keep())[0].size >= 1600

    def test_a_folder_that_cannot_be_written_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("here")
        with pytest.raises(LiveError, match="choose another folder"):
            Recording(tmp_path / "file" / "take.wav", 16_000)

    def test_a_name_that_cannot_be_given_at_stop_says_where_the_sound_is(self, tmp_path: Path) -> None:
        recording = Recording(tmp_path / "take.wav", 16_000)
        recording.add(np.full(1600, 0.25, np.float32))
        (tmp_path / "take.wav").mkdir()  # somebody else took the name meanwhile
        with pytest.raises(LiveError, match="the sound is in") as error:
            recording.keep()
        assert str(recording.partial) in str(error.value)
        assert soundfile.read(recording.partial)[0].size == 1600

    def test_names_are_never_taken_twice(self, tmp_path: Path) -> None:
        (tmp_path / "a.wav").write_bytes(b"")
        (tmp_path / f"a_2{SUFFIX}").write_bytes(b"")
        assert next_name(tmp_path / "a.wav").name == "a_3.wav"


class TestNetwork:
    @pytest.mark.parametrize("protocol", ["llf", "vmc", "ifm"])
    def test_a_face_sent_is_a_face_received(self, protocol: str) -> None:
        receiver = Receiver(Address(protocol, "127.0.0.1", 0))
        receiver.open()
        sender = Sender(Address(protocol, "127.0.0.1", receiver.port))
        sender.open()
        sender.send(some_face())
        found = wait_for(receiver)
        assert found.frame.values["jawOpen"] == pytest.approx(some_face().values["jawOpen"], abs=1e-4)
        assert receiver.last_sender == "127.0.0.1" and receiver.packets_per_second() > 0
        sender.close()
        receiver.close()

    def test_two_on_one_port_is_one_sentence(self) -> None:
        first = Receiver(Address("llf", "127.0.0.1", 0))
        first.open()
        second = Receiver(Address("llf", "127.0.0.1", first.port))
        with pytest.raises(LiveError, match="another port"):
            second.open()
        first.close()
        second.open()
        second.close()

    def test_hostile_packets_are_counted_and_a_face_still_arrives(self) -> None:
        receiver = Receiver(Address("llf", "127.0.0.1", 0))
        receiver.open()
        sender = Sender(Address("llf", "127.0.0.1", receiver.port))
        sender.open()
        assert sender._socket is not None and sender._place is not None
        for packet in (b"", b"x" * 60_000, bytes(310)):
            sender._socket.sendto(packet, sender._place)
        sender.send(some_face())
        assert wait_for(receiver).frame.source == "Anna"
        assert receiver.ignored == 3
        sender.close()
        receiver.close()

    @pytest.mark.parametrize(
        "text", ["", "vmc", "http://a:1", "vmc://", "vmc://a:0", "vmc://a:70000", "vmc://a:x", "vmc://a b:1", "llf://:11111"]
    )
    def test_a_wrong_address_is_said(self, text: str) -> None:
        with pytest.raises(LiveError, match="'"):
            parse_address(text)

    def test_a_port_may_be_left_out(self) -> None:
        assert parse_address("llf://10.0.0.2") == Address("llf", "10.0.0.2", 11111)
        assert parse_address(" vmc://127.0.0.1:39540 ") == Address("vmc", "127.0.0.1", 39540)


def wait_for(receiver: Receiver):
    for _ in range(200):
        faces = receiver.poll()
        if faces:
            return faces[-1]
        time.sleep(0.01)
    raise AssertionError("nothing arrived")


class TestTakes:
    def test_uneven_packets_become_even_curves(self) -> None:
        random = np.random.default_rng(2)
        times = np.cumsum(random.uniform(0.005, 0.03, 300))
        take = FaceTake()
        for at in times:
            take.add(100.0 + at, FaceFrame({"jawOpen": float(np.sin(3 * at)), "headYaw": 0.1}))
        curves = take.curves(zero=100.0)
        assert curves.names == ("jawOpen", "headYaw") and curves.frame_rate == 60.0
        assert np.abs(curves.channel("jawOpen") - np.sin(3 * curves.seconds())).max() < 0.01

    @pytest.mark.parametrize("speed", [1.0, 1.4])
    def test_the_clock_of_a_sender_evens_out_how_packets_arrive(self, speed: float) -> None:
        """One that runs as the wall's does; another is not believed."""
        random = np.random.default_rng(3)
        at, take, arrived = np.arange(300) / 50.0, FaceTake(), 0.0
        for moment in at:
            arrived = max(arrived + 1e-4, moment + random.exponential(0.08))
            take.add(50.0 + arrived, FaceFrame({"jawOpen": float(np.sin(9 * moment))}, seconds=7.0 + speed * float(moment)))
        curves = take.curves()
        error = np.abs(curves.channel("jawOpen") - np.sin(9 * curves.seconds())).max()
        assert error < 0.03 if speed == 1.0 else error > 0.1

    def test_a_phone_that_is_lost_for_a_moment_holds_its_face(self) -> None:
        take = FaceTake()
        for at, value in ((0.0, 0.2), (0.02, 0.2), (1.02, 0.8), (1.04, 0.8)):
            take.add(at, FaceFrame({"jawOpen": value}))
        take.add(0.5, FaceFrame({"jawOpen": 1.0}))  # late, out of order
        jaw = take.curves().channel("jawOpen")
        assert jaw[:58].max() == pytest.approx(0.2) and jaw[-1] == pytest.approx(0.8)

    def test_nothing_received_is_said(self) -> None:
        with pytest.raises(LiveError, match="No face arrived"):
            FaceTake().curves()

    @pytest.mark.parametrize("late", [-1.7, 0.0, 0.83])
    def test_a_face_recorded_elsewhere_is_aligned_by_its_jaw(self, late: float) -> None:
        random = np.random.default_rng(4)
        steps = np.convolve(random.standard_normal(1200), np.hanning(25), "same")
        loudness = steps[200:1000]
        first = 200 - round(late * 100)
        jaw = np.interp(np.arange(0, 8, 1 / 60), np.arange(800) / 100, steps[first : first + 800])
        jaw = jaw + 0.3 * random.standard_normal(jaw.size)
        offset, r = find_offset(jaw, 60.0, loudness, 100.0)
        assert offset == pytest.approx(late, abs=0.03) and r > 0.8

    def test_loudness_of_a_sound_is_in_decibels_below_its_loudest(self) -> None:
        sound = np.concatenate([np.full(1600, 0.5, np.float32), np.full(1600, 0.05, np.float32), np.zeros(900, np.float32)])
        level = measure_loudness(sound, 16_000, 100.0)
        assert level.size == 26
        assert level[[0, 15, 25]] - level[0] == pytest.approx([0.0, -20.0, -40.0], abs=0.01)

    def test_a_still_face_cannot_be_aligned(self) -> None:
        with pytest.raises(LiveError, match="never moves"):
            find_offset(np.zeros(100), 60.0, np.arange(100.0), 100.0)


class TestCommand:
    def test_a_file_is_sent_and_received(self, tmp_path: Path) -> None:
        sound = tmp_path / "line.wav"
        soundfile.write(sound, 0.1 * noise(1.2), 16_000)
        receiver = Receiver(Address("vmc", "127.0.0.1", 0))
        receiver.open()
        folder = write_stream(tmp_path / "stream")
        command = ["live", "--file", str(sound), "--model", str(folder), "--send", f"vmc://127.0.0.1:{receiver.port}",
                   "--output", str(tmp_path / "faces.csv")]  # fmt: skip
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(main, command)
            faces = []
            while not sending.done():
                faces += receiver.poll()
                time.sleep(0.01)
        faces += receiver.poll()
        receiver.close()
        assert sending.result() == 0
        assert len(faces) == pytest.approx(63, abs=1)
        lines = (tmp_path / "faces.csv").read_text().splitlines()
        jaw = [float(line.split(",")[lines[0].split(",").index("jawOpen")]) for line in lines[1:]]
        assert [face.frame.values["jawOpen"] for face in faces] == pytest.approx(jaw, abs=1e-4)

    @pytest.mark.parametrize("milliseconds", [0, 120])
    def test_the_look_ahead_is_a_choice(self, milliseconds: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        sound = tmp_path / "line.wav"
        soundfile.write(sound, 0.2 * noise(0.3), 16_000)
        assert main(["live", "--file", str(sound), "--look-ahead", str(milliseconds), "--life", "0"]) == 0
        said = capsys.readouterr().out
        assert f"{milliseconds} ms behind" in said and f"{15 + milliseconds // 20} faces" in said

    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ([], "give one of --microphone"),
            (["--microphone", "--file", "a.wav"], "give one of"),
            (["--file", "missing.wav"], "missing.wav"),
            (["--file", "missing.wav", "--send", "vmc:127.0.0.1"], "is not an address"),
            (["--listen", "llf://127.0.0.1:11111", "--record", "a.wav"], "--record"),
            (["--microphone", "--output", "a.txt"], "neither in .csv"),
        ],
    )
    def test_what_cannot_be_done_is_one_line(self, options, sentence, capsys, tmp_path, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        model = ["--model", str(write_stream(tmp_path / "stream"))]
        assert main(["live", *options, *model]) == 2
        error = capsys.readouterr().err
        assert sentence in error and error.count("\n") == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["stream"]


class TestMonitor:
    def test_sound_comes_out_as_late_as_the_face_for_any_chunks(self) -> None:
        random = np.random.default_rng(6)
        sound = np.arange(1, 32_001, dtype=np.float32)
        delayed = DelayedSound(16_000, 0.08)
        heard, at = [], 0
        while at < sound.size:
            size = int(random.integers(1, 500))
            delayed.add(sound[at : at + size])
            heard.append(delayed.take(min(size, sound.size - at)))
            at += size
        made = np.concatenate(heard)
        first = int(np.flatnonzero(made)[0])
        assert first == pytest.approx(0.08 * 16_000, abs=500)
        assert np.array_equal(made[first:], sound[: made.size - first])

    def test_a_hole_is_silence_and_a_lag_is_caught_up(self) -> None:
        delayed = DelayedSound(1000, 0.05)
        delayed.add(np.ones(100, np.float32))
        assert delayed.take(100).sum() == 0.0  # 50 must still wait then
        delayed.add(np.ones(50, np.float32))
        assert delayed.take(100).sum() == 100.0
        assert delayed.take(100).sum() == 50.0
        assert delayed.take(100).sum() == 0.0
        for _ in range(100):
            delayed.add(np.ones(100, np.float32))
        assert delayed.waiting_samples <= 50 + 80 + 100

    def test_a_computer_without_loudspeakers_says_so_and_opens_nothing(self, tmp_path: Path) -> None:
        engine = make_engine(tmp_path, noise(0.2), monitor=Monitor(16_000, 0.08))
        try:
            engine.start()
        except LiveError as error:
            assert "loudspeakers" in str(error) and "switch Monitor off" in str(error)
            assert not engine.is_running and engine.rows == 0
        else:
            engine.stop()
            pytest.skip("this computer has loudspeakers")


class TestMicrophone:
    def test_samples_that_nobody_fetched_are_dropped_counted_and_said(self, tmp_path: Path) -> None:
        microphone = Microphone()
        receiver = microphone._receive()
        next(receiver)
        second = np.full(microphone.sample_rate, 0.5, np.float32)
        for _ in range(25):
            receiver.send(second.tobytes())
        assert microphone.dropped_samples == 5 * microphone.sample_rate
        assert microphone.read().size == 20 * microphone.sample_rate
        package = load_package(write_stream(tmp_path / "stream"))
        engine = LiveEngine(microphone, open_stream(package), LiveShaper(package.channels, 50.0))
        assert engine.trouble() == "5.0 s of sound were lost because this computer was too busy; close other programs"


def test_a_meter_rises_at_once_and_falls_slowly() -> None:
    meter = Meter(16_000)
    meter.add(np.full(1600, 0.5, np.float32))
    assert meter.level().peak_db == pytest.approx(-6.02, abs=0.01)
    meter.add(np.zeros(4800, np.float32))
    assert meter.level().peak_db == pytest.approx(-12.04, abs=0.01)


def test_no_microphone_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has: a name that no device has, or no device at all."""
    with pytest.raises(LiveError, match="There is no microphone"):
        Microphone("no such device, surely").start()
