# SPDX-License-Identifier: GPL-3.0-or-later
"""Live in Blender: files as microphones, a phone on the loopback, takes of what was recorded, mishaps."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from characters import choose
from model_packages import noise

bpy = pytest.importorskip("bpy", reason="needs Blender as a module")

RATE = 16_000
FACE = ("jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthSmileLeft", "browInnerUp", "eyeBlinkLeft")


@pytest.fixture
def live(registered: None, make_face: Any, scene: Any, voice: Path, model_folder: Path, tmp_path: Path) -> Iterator[Any]:
    """The chosen face of a saved file, and the live operators; whatever was live ends."""
    from voxrig.operators import speak

    face = make_face(keys=FACE)
    for key in face.data.shape_keys.key_blocks[1:]:
        key.value = 0.0  # Blender 5 makes new ones with 1
    choose(scene, face, voice, model_folder)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    yield speak
    speak.end_live()


def speech(seconds: float = 1.6) -> np.ndarray:
    """Vowel-like pulses at five syllables a second, which open the mouth of the streaming model."""
    at = np.arange(round(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * k * at) / (1 + abs(120 * k - 700) / 150) for k in range(1, 30))
    return (0.25 * voice * (0.5 - 0.5 * np.cos(2 * np.pi * 5 * at)) / np.abs(voice).max()).astype(np.float32)


def source(seconds: float = 1.6, *, paced: bool = False) -> Any:
    from voxrig.live.microphone import FileAsMicrophone

    return FileAsMicrophone(speech(seconds), RATE, paced=paced)


def curves_of(owner: Any) -> Any:
    from voxrig.blender import compat

    return compat.curves_of(owner) or ()


def values(face: Any) -> dict[str, float]:
    return {key.name: key.value for key in face.data.shape_keys.key_blocks}


def follow(speak: Any, seconds: float = 20.0) -> list[dict[str, float]]:
    """Show every face that comes until the sound ends, as the timer does."""
    seen: list[dict[str, float]] = []
    until = time.monotonic() + seconds
    run = speak.running()
    while time.monotonic() < until and (run.engine.is_running or not seen):
        if speak.show_newest():
            seen.append(values(bpy.context.scene.voxrig.character))
        time.sleep(0.004)
    speak.show_newest()
    return seen


class TestSpeaking:
    def test_the_face_moves_without_keys_and_goes_back(self, live: Any, scene: Any) -> None:
        face = scene.voxrig.character
        face.data.shape_keys.key_blocks["jawOpen"].value = 0.125
        before = values(face)
        live.start_live(scene, source(paced=True))
        seen = follow(live)
        assert len(seen) > 20
        assert np.ptp([one["jawOpen"] for one in seen]) > 0.02
        delays = live.running().delays
        # Nothing can be shown before its look-ahead is over, but the last faces, after which there is only silence.
        assert len(delays) > 20 and 0.055 < np.median(delays) < 1.0
        live.end_live()
        assert values(face) == before
        assert face.data.shape_keys.animation_data is None

    def test_a_saved_file_and_an_undo_never_hold_a_live_value(self, live: Any, scene: Any, tmp_path: Path) -> None:
        live.start_live(scene, source())
        follow(live)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "while.blend"), copy=True)
        live.end_live()
        with bpy.data.libraries.load(str(tmp_path / "while.blend")) as (there, here):
            here.objects = there.objects
        assert all(value == 0.0 for name, value in values(here.objects[0]).items() if name != "Basis")

    def test_what_plays_stays_below(self, live: Any, scene: Any) -> None:
        """A frame change sets animated values; the live face is over them, and Stop shows the animation."""
        face = scene.voxrig.character
        key = face.data.shape_keys.key_blocks["jawOpen"]
        for frame, value in ((1, 0.0), (11, 1.0)):
            key.value = value
            key.keyframe_insert("value", frame=frame)
        scene.frame_set(1)
        live.start_live(scene, source())
        follow(live)
        shown = key.value
        scene.frame_set(6)
        assert key.value == pytest.approx(shown)
        live.end_live()
        curve = next(iter(curves_of(face.data.shape_keys)))
        assert key.value == pytest.approx(curve.evaluate(6), abs=1e-5)
        assert len(curve.keyframe_points) == 2

    def test_the_look_ahead_is_that_of_the_settings(self, live: Any, scene: Any) -> None:
        for milliseconds in ("0", "120"):
            scene.voxrig_live.look_ahead = milliseconds
            run = live.start_live(scene, source())
            assert run.engine.stream.look_ahead_seconds == pytest.approx(int(milliseconds) / 1000)
            live.end_live()

    def test_only_the_chosen_parts_move(self, live: Any, scene: Any) -> None:
        scene.voxrig_live.regions = {"LIPS"}
        live.start_live(scene, source())
        follow(live)
        assert values(scene.voxrig.character)["jawOpen"] == 0.0
        live.end_live()
        scene.voxrig_live.regions = {"TONGUE"}
        from voxrig.errors import RigError

        with pytest.raises(RigError, match="under Move"):
            live.start_live(scene, source())
        assert live.running() is None

    def test_the_head_lives_as_much_as_the_settings_say(self, live: Any, scene: Any) -> None:
        shut = []
        for amount in (1.0, 0.0):
            scene.voxrig.life = amount
            live.start_live(scene, source(4.0))
            shut.append(max(one["eyeBlinkLeft"] for one in follow(live)))
            live.end_live()
        assert shut[0] > 0.01 and shut[1] == 0.0  # lids follow the eyes at least, and blink

    def test_recorded_speech_becomes_a_take(self, live: Any, scene: Any, tmp_path: Path) -> None:
        if not bpy.app.build_options.audaspace:
            pytest.skip("this Blender is built without sound: no strip can be made")
        scene.frame_set(25)
        live.start_live(scene, source(paced=True))
        bpy.ops.voxrig.live_record()
        follow(live)
        assert bpy.ops.voxrig.live_keep() == {"FINISHED"}
        kept, rate = soundfile.read(tmp_path / "shot_live.wav", dtype="float32")
        assert rate == RATE and 1.3 < kept.size / rate <= 1.6
        (strip,) = [strip for strip in sequencer(scene) if strip.type == "SOUND"]
        from voxrig.blender import compat

        assert compat.strip_timing(strip)[1] == 25
        curves = list(curves_of(scene.voxrig.character.data.shape_keys))
        frames = [point.co.x for curve in curves for point in curve.keyframe_points]
        # With the way from rest and back around the sound.
        assert frames and min(frames) >= 25 - 12 and max(frames) <= 25 + 24 * 2 + 12
        assert len(scene.voxrig.character.voxrig.takes) == 1

    def test_a_file_without_a_place_is_said(self, live: Any, scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        from voxrig.errors import LiveError

        live.start_live(scene, source())
        monkeypatch.setattr(live, "recording_folder", live.recording_folder)
        bpy.ops.wm.read_homefile(use_factory_startup=True)
        assert live.running() is None  # another file ends it
        with pytest.raises(LiveError, match="save it"):
            live.recording_folder()


class TestPunchIn:
    def test_a_range_is_spoken_over_and_nothing_else_changes(self, live: Any, scene: Any) -> None:
        face = scene.voxrig.character
        assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
        jaw = {curve.data_path: curve for curve in curves_of(face.data.shape_keys)}['key_blocks["jawOpen"].value']
        mine = jaw.keyframe_points.insert(20, 0.77)
        mine.interpolation = "BEZIER"
        before = keys_of(face)
        scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 14, 30
        scene.voxrig.retake_fade = 2.0
        live.start_live(scene, source(paced=True))
        assert bpy.ops.voxrig.live_punch() == {"FINISHED"}
        assert scene.frame_current == 14
        follow(live)
        run = live.running()
        for frame in range(14, 30):
            scene.frame_set(frame)
            assert not live.has_left_range(run, scene)
        scene.frame_set(30)
        assert live.has_left_range(run, scene)
        assert bpy.ops.voxrig.live_keep() == {"FINISHED"}
        after = keys_of(face)
        outside = [{key for key in keys if not 14 <= key[1] <= 30} for keys in (before, after)]
        assert outside[0] == outside[1] and len(outside[0]) > 10
        assert ('key_blocks["jawOpen"].value', 20.0, 0.77) in after
        assert after - before
        assert [take.about.split(", ", 1)[1][:8] for take in face.voxrig.takes] == ["1 to 49", "14 to 30"]

    def test_a_loop_that_starts_again_ends_it(self, live: Any, scene: Any) -> None:
        scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 5, 40
        live.start_live(scene, source())
        live.begin_punch(scene)
        run = live.running()
        scene.frame_set(39)
        assert not live.has_left_range(run, scene)
        scene.frame_set(5)
        assert live.has_left_range(run, scene)

    def test_without_a_preview_range_it_is_the_whole_scene(self, live: Any, scene: Any) -> None:
        scene.frame_start, scene.frame_end, scene.use_preview_range = 3, 77, False
        assert live.punch_range(scene) == (3, 77)


def keys_of(face: Any) -> set[tuple[str, float, float]]:
    return {
        (curve.data_path, round(point.co.x, 3), round(point.co.y, 4))
        for curve in curves_of(face.data.shape_keys)
        for point in curve.keyframe_points
    }


def sequencer(scene: Any) -> list[Any]:
    from voxrig.blender import compat

    return list(compat.sequencer_strips(scene))


class TestMishaps:
    def test_a_character_that_is_deleted_ends_it(self, live: Any, scene: Any) -> None:
        from voxrig.properties.session import session

        live.start_live(scene, source())
        follow(live)
        bpy.data.objects.remove(scene.voxrig.character)
        live.show_newest()
        assert live.running() is None
        assert session.live_trouble == "Live has stopped: The character 'Face' is gone"

    def test_a_recording_survives_a_deleted_scene(self, live: Any, scene: Any, tmp_path: Path) -> None:
        from voxrig.properties.session import session

        live.start_live(scene, source())
        live.begin_recording(scene)
        follow(live)
        bpy.data.scenes.new("Other")
        bpy.data.scenes.remove(scene)
        live.show_newest()
        assert live.running() is None
        assert "shot_live.wav" in session.live_trouble and (tmp_path / "shot_live.wav").is_file()

    def test_another_scene_in_the_window_changes_nothing(self, live: Any, scene: Any) -> None:
        live.start_live(scene, source(paced=True))
        bpy.context.window.scene = bpy.data.scenes.new("Other") if bpy.context.window else scene
        time.sleep(0.3)
        assert live.show_newest()
        live.end_live()

    def test_an_undo_while_live_goes_on(self, live: Any, scene: Any) -> None:
        from voxrig.blender.live import LivePose

        live.start_live(scene, source())
        follow(live)
        pose: LivePose = live.running().pose
        face = scene.voxrig.character
        pose._step_aside()
        assert all(value == 0.0 for name, value in values(face).items() if name != "Basis")
        pose._forget()
        live.running().shown_at = -1.0
        assert live.show_newest()
        live.end_live()
        assert all(value == 0.0 for name, value in values(face).items() if name != "Basis")

    def test_two_at_once_and_no_character_are_sentences(self, live: Any, scene: Any) -> None:
        from voxrig.errors import LiveError, RigError

        live.start_live(scene, source())
        with pytest.raises(LiveError, match="live already"):
            live.start_live(scene, source())
        live.end_live()
        scene.voxrig.character = None
        with pytest.raises(RigError, match="No character"):
            live.start_live(scene, source())

    def test_a_lost_recording_is_found_and_placed(self, live: Any, scene: Any, tmp_path: Path) -> None:
        if not bpy.app.build_options.audaspace:
            pytest.skip("this Blender is built without sound: no strip can be made")
        from voxrig.live.recording import Recording

        recording = Recording(tmp_path / "shot_live.wav", RATE)
        recording.add(noise(1.0))
        live.find_lost()
        assert bpy.ops.voxrig.live_recover() == {"FINISHED"}
        assert (tmp_path / "shot_live.wav").is_file()
        assert len(sequencer(scene)) == 1


class TestPhones:
    @pytest.mark.parametrize("protocol", ["LLF", "VMC"])
    def test_a_phone_moves_the_face_and_becomes_a_take(self, live: Any, scene: Any, protocol: str) -> None:
        from voxrig.live.frame import FaceFrame
        from voxrig.live.network import Address, Sender

        settings = scene.voxrig_live
        settings.source, settings.host, settings.port = protocol, "127.0.0.1", free_port()
        live.start_live(scene)
        live.begin_recording(scene)
        sender = Sender(Address(protocol.lower(), "127.0.0.1", live.running().receiver.port))
        sender.open()
        jaw = [0.5 - 0.5 * float(np.cos(0.15 * i)) for i in range(90)]
        for value in jaw:
            sender.send(FaceFrame({"jawOpen": value, "eyeBlinkLeft": 1.0 - value}))
            time.sleep(0.008)
            live.show_newest()
        sender.close()
        face = values(scene.voxrig.character)
        assert face["jawOpen"] == pytest.approx(jaw[-1], abs=1e-4)
        assert face["eyeBlinkLeft"] == pytest.approx(1.0 - jaw[-1], abs=1e-4)
        assert bpy.ops.voxrig.live_keep() == {"FINISHED"}
        curves = {curve.data_path: curve for curve in curves_of(scene.voxrig.character.data.shape_keys)}
        moved = curves['key_blocks["jawOpen"].value']
        span = np.ptp([point.co.y for point in moved.keyframe_points])
        assert span > 0.9 and len(moved.keyframe_points) < 30

    def test_what_voxrig_sends_becomes_the_same_take(self, live: Any, scene: Any, tmp_path: Path) -> None:
        """``voxrig live --file`` sends by VMC, Blender receives and records: the take is that of the curves it kept itself."""
        from voxrig.animation.interchange import import_curves
        from voxrig.cli.main import main

        sound = tmp_path / "line.wav"
        soundfile.write(sound, speech(4.0), RATE)
        settings = scene.voxrig_live
        settings.source, settings.host, settings.port = "VMC", "127.0.0.1", free_port()
        live.start_live(scene)
        live.begin_recording(scene)
        address = f"vmc://127.0.0.1:{live.running().receiver.port}"
        direct = tmp_path / "direct.csv"
        command = ["live", "--file", str(sound), "--send", address, "--life", "0", "--output", str(direct)]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            sending = pool.submit(main, command)
            while not sending.done():
                live.show_newest()
                time.sleep(0.005)
        live.show_newest()
        assert sending.result() == 0
        assert bpy.ops.voxrig.live_keep() == {"FINISHED"}
        curve = {curve.data_path: curve for curve in curves_of(scene.voxrig.character.data.shape_keys)}[
            'key_blocks["jawOpen"].value'
        ]
        said = import_curves(direct).curves
        wanted = said.channel("jawOpen")
        rs = []
        # The take counts from Record, the curves from the file's first sample: the best shift is the time between.
        for shift in np.arange(0.0, 12.0, 0.02):
            frames = scene.frame_current + (said.seconds() + shift) * scene.render.fps
            with np.errstate(invalid="ignore"):
                rs.append(np.corrcoef([curve.evaluate(frame) for frame in frames], wanted)[0, 1])
        print(f"round trip: r {np.nanmax(rs):.4f}, {len(curve.keyframe_points)} keys for {len(wanted)} rows")
        assert np.nanmax(rs) > 0.95
        assert len(curve.keyframe_points) < 0.4 * len(wanted)

    def test_a_port_in_use_is_said_and_nothing_runs(self, live: Any, scene: Any) -> None:
        from voxrig.errors import LiveError
        from voxrig.live.network import Address, Receiver

        first = Receiver(Address("llf", "127.0.0.1", 0))
        first.open()
        settings = scene.voxrig_live
        settings.source, settings.host, settings.port = "LLF", "127.0.0.1", first.port
        with pytest.raises(LiveError, match="another port"):
            live.start_live(scene)
        first.close()
        assert live.running() is None

    def test_what_is_spoken_is_sent(self, live: Any, scene: Any) -> None:
        from voxrig.live.network import Address, Receiver

        receiver = Receiver(Address("vmc", "127.0.0.1", 0))
        receiver.open()
        scene.voxrig_live.send = f"vmc://127.0.0.1:{receiver.port}"
        live.start_live(scene, source(paced=True))
        faces = []
        while live.running().engine.is_running:
            time.sleep(0.01)
            faces += receiver.poll()
        receiver.close()
        assert len(faces) > 60 and max(face.frame.values["jawOpen"] for face in faces) > 0.02


def free_port() -> int:
    from voxrig.live.network import Address, Receiver

    receiver = Receiver(Address("llf", "127.0.0.1", 0))
    receiver.open()
    port = receiver.port
    receiver.close()
    return port


class TestAlign:
    def test_a_face_recorded_elsewhere_finds_its_sound(self, live: Any, scene: Any, tmp_path: Path) -> None:
        if not bpy.app.build_options.audaspace:
            pytest.skip("this Blender is built without sound: no strip can be made")
        from voxrig.animation.curves import ChannelCurves
        from voxrig.animation.interchange import write_curves
        from voxrig.live.recording import next_name
        from voxrig.live.taking import measure_loudness

        random = np.random.default_rng(8)
        swell = np.clip(np.convolve(random.standard_normal(800), np.hanning(25), "same") / 3.0, 0.0, 1.0)
        sound = (0.3 * np.interp(np.arange(8 * RATE) / RATE, np.arange(800) / 100, swell)).astype(np.float32)
        sound *= np.sign(np.sin(2 * np.pi * 150 * np.arange(sound.size) / RATE)).astype(np.float32)
        path = next_name(tmp_path / "said.wav")
        soundfile.write(path, sound, RATE)
        live.place_recording(scene, live.Kept(41, path))
        # The phone began to record 1.5 s before the sound.
        jaw = np.concatenate([np.zeros(90), np.interp(np.arange(480) / 60, np.arange(800) / 100, swell)])
        jaw = np.clip(jaw + 0.05 * random.standard_normal(jaw.size), 0.0, 1.0)
        write_curves(tmp_path / "phone.csv", ChannelCurves(("jawOpen",), 60.0, jaw[:, None].astype(np.float32)))
        assert measure_loudness(sound, RATE, 100.0).size == 800
        scene.voxrig.sound_source, scene.voxrig.curves_file = "CURVES", str(tmp_path / "phone.csv")
        assert bpy.ops.voxrig.align_curves() == {"FINISHED"}
        assert scene.voxrig.start_frame == pytest.approx(41 - 1.5 * scene.render.fps, abs=1)

    def test_a_face_of_another_sound_and_no_sound_are_sentences(self, live: Any, scene: Any, tmp_path: Path) -> None:
        from voxrig.animation.curves import ChannelCurves
        from voxrig.animation.interchange import write_curves

        write_curves(tmp_path / "phone.csv", ChannelCurves(("jawOpen",), 60.0, np.eye(60, 1, dtype=np.float32)))
        scene.voxrig.sound_source, scene.voxrig.curves_file = "CURVES", str(tmp_path / "phone.csv")
        with pytest.raises(RuntimeError, match="No sound is in the sequencer"):
            bpy.ops.voxrig.align_curves()
        assert scene.voxrig.start_frame == 1
