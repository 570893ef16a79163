# SPDX-License-Identifier: GPL-3.0-or-later
"""Markers of phones: where the take puts the phones, replaced in their range only, and the artist's own stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from characters import animate, choose
from demo_speech import CHANNELS, MODEL, SPEECH
from voxrig.animation.face.phones import decode_phones

pytestmark = pytest.mark.usefixtures("registered")

ARTISTS = (("v:M", 40), ("Beat", 41), ("v:AA", 90))


@pytest.fixture
def head(make_face: Any) -> Any:
    """A face with every channel of the bundled model."""
    return make_face("Head", CHANNELS)


def all_markers(scene: Any) -> list[tuple[int, str]]:
    return sorted((marker.frame, marker.name) for marker in scene.timeline_markers)


def phones_of(sound: Path, fps: float, start_frame: float, lead_seconds: float) -> list[tuple[int, str]]:
    """Return the model's own phones, without the operators."""
    from voxrig.inference.audio import read_sound
    from voxrig.inference.generate import generate_outputs
    from voxrig.inference.package import load_package
    from voxrig.inference.session import open_session

    package = load_package(MODEL)
    waveform = read_sound(sound, package.sample_rate)
    likelihood = generate_outputs(open_session(package, "CPU"), waveform, outputs=("phones",))["phones"]
    phones = decode_phones(likelihood, package.phones, package.frame_rate)
    return [(round(start_frame + (phone.start - lead_seconds) * fps), f"v:{phone.phone}") for phone in phones]


def test_markers_stand_where_the_phones_are(scene: Any, head: Any) -> None:
    from voxrig.operators.animate import gather
    from voxrig.takes.job import recall_take
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    animate(scene, head, SPEECH, MODEL)
    assert not scene.timeline_markers, "off by default"
    job = gather(scene, head, SoundFile(str(SPEECH)), MODEL, TakeSettings(provider="CPU", life=0.0, phone_markers=True))
    recalled = recall_take(job)
    assert recalled is not None and recalled.phones, "the model need not run again"
    take = animate(scene, head, SPEECH, MODEL, start_frame=11.0, lead_seconds=0.05, phone_markers=True)
    wanted = phones_of(SPEECH, 24.0, 11.0, 0.05)
    assert len(wanted) > 50 and len({name for _frame, name in wanted}) > 15 and "v:SIL" not in dict(wanted).values()
    assert all_markers(scene) == sorted(place for place in wanted if take.first_frame <= place[0] <= take.last_frame)
    assert len(all_markers(scene)) >= len(wanted) - 2


def test_an_update_replaces_them_and_a_retake_those_in_its_range(scene: Any, head: Any) -> None:
    from voxrig.operators.takes import apply_settings, retake, update_take
    from voxrig.takes.settings import Scope, TakeSettings

    animate(scene, head, SPEECH, MODEL, phone_markers=True)
    before = all_markers(scene)
    for name, frame in ARTISTS:
        scene.timeline_markers.new(name, frame=frame)
    artists = [(frame, name) for name, frame in ARTISTS]
    update_take(scene, head)
    assert all_markers(scene) == sorted(before + artists)
    # A retake on later frames: markers inside move, those outside stay.
    later = TakeSettings(provider="CPU", life=0.0, phone_markers=True, lead_seconds=-0.25)
    retake(scene, head, Scope(60, 100), later)
    outside = [place for place in before if not 60 <= place[0] <= 100]
    inside = [place for place in phones_of(SPEECH, 24.0, 1.0, -0.25) if 60 <= place[0] <= 100]
    assert len(inside) > 5 and set(inside) != set(before) - set(outside)
    assert all_markers(scene) == sorted(outside + inside + artists)
    # One that the artist moves, renames or binds a camera to is theirs.
    moved, renamed, bound = [marker for marker in scene.timeline_markers if (marker.frame, marker.name) in inside][:3]
    moved.frame, renamed.name = 500, "Line 3"
    bound.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    theirs = [*artists, (500, moved.name), (renamed.frame, "Line 3"), (bound.frame, bound.name)]
    apply_settings(scene, head, TakeSettings(provider="CPU", life=0.0))
    assert len(all_markers(scene)) == len(outside + inside + artists), "without the option nothing changes"
    bpy.ops.voxrig.clear_phone_markers()
    assert all_markers(scene) == sorted(theirs)
    assert not bpy.ops.voxrig.clear_phone_markers.poll()


def test_characters_keep_their_own(scene: Any, head: Any, make_face: Any) -> None:
    other = make_face("Other", CHANNELS)
    animate(scene, head, SPEECH, MODEL, phone_markers=True)
    one = all_markers(scene)
    animate(scene, other, SPEECH, MODEL, phone_markers=True)
    assert all_markers(scene) == sorted(one + one)
    animate(scene, other, SPEECH, MODEL, phone_markers=True, lead_seconds=0.5)
    assert all_markers(scene) != sorted(one + one)
    left = all_markers(scene)
    for place in one:
        left.remove(place)  # raises where one of the first character's is gone
    bpy.ops.voxrig.clear_phone_markers()
    assert not scene.timeline_markers


def test_the_button_writes_them_and_undo_takes_them_back(scene: Any, head: Any) -> None:
    settings = choose(scene, head, SPEECH, MODEL)
    settings.phone_markers = True
    scene.timeline_markers.new("Beat", frame=41)
    bpy.ops.ed.undo_push(message="Before")
    bpy.ops.voxrig.animate_from_audio()
    bpy.ops.ed.undo_push(message="Animate")
    made = all_markers(bpy.data.scenes[0])
    assert len(made) > 50
    bpy.ops.ed.undo()
    assert all_markers(bpy.data.scenes[0]) == [(41, "Beat")]
    bpy.ops.ed.redo()
    assert all_markers(bpy.data.scenes[0]) == made
    bpy.ops.voxrig.clear_phone_markers()
    assert all_markers(bpy.data.scenes[0]) == [(41, "Beat")]


def test_a_model_without_phones_says_so(scene: Any, head: Any, tmp_path: Path) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import CurvesFile
    from voxrig.takes.settings import TakeSettings

    file = tmp_path / "curves.csv"
    file.write_text("time,jawOpen\n0,0\n1,1\n2,0\n", encoding="utf-8")
    settings = TakeSettings(provider="CPU", life=0.0, phone_markers=True)
    take = animate_character(scene, head, CurvesFile(str(file)), MODEL, settings)
    assert any("does not recognise phones" in warning for warning in take.warnings)
    assert not scene.timeline_markers


def test_the_command_line_writes_them(scene: Any, head: Any, tmp_path: Path) -> None:
    from voxrig.cli import main as cli

    source, output = tmp_path / "scene.blend", tmp_path / "out.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(source), copy=True)
    words = ["animate", "--blend", source, "--character", "Head", "--audio", SPEECH, "--model", MODEL, "--output", output]
    assert cli.main([*map(str, words), "--provider", "cpu", "--markers"]) == 0
    bpy.ops.wm.open_mainfile(filepath=str(output))
    written = all_markers(bpy.data.scenes[0])
    assert len(written) > 50
    animate(bpy.data.scenes[0], bpy.data.objects["Head"], SPEECH, MODEL, phone_markers=True)
    assert all_markers(bpy.data.scenes[0]) == written
