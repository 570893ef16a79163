# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Animate button does besides writing keys: all of it in one undo, none of it for scripts, updates and batches."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import pytest

pytestmark = pytest.mark.usefixtures("registered")

CAN_HEAR = bool(bpy.app.build_options.audaspace)


def strips_of(scene: Any) -> list[Any]:
    from voxrig.blender import sounds

    return sounds.list_sound_strips(scene)


def selected_keys() -> int:
    from voxrig.blender import compat

    curves = compat.curves_of(bpy.data.objects["Face"].data.shape_keys)
    return sum(point.select_control_point for curve in curves for point in curve.keyframe_points)


@pytest.fixture
def ready(scene: Any, face: Any, voice: Path, model_folder: Path) -> Any:
    """A scene of three frames, where everything is chosen and something else is selected."""
    settings = scene.voxrig
    settings.character, settings.sound_file, settings.model_folder = face, str(voice), str(model_folder)
    settings.model, settings.start_frame = "FOLDER", 10
    scene.frame_start, scene.frame_end = 20, 22
    scene.frame_set(21)
    scene.sync_mode = "NONE"
    other = bpy.data.objects.new("Other", None)
    scene.collection.objects.link(other)
    other.select_set(True)
    bpy.context.view_layer.objects.active = other
    return scene


def press() -> None:
    """Animate as the button does; without a window Blender never invokes an operator."""
    assert bpy.ops.voxrig.animate_from_audio(is_pressed=True) == {"FINISHED"}


def state(scene: Any) -> tuple[Any, ...]:
    active = bpy.context.view_layer.objects.active
    return (
        len(strips_of(scene)),
        scene.sync_mode,
        (scene.frame_start, scene.frame_end, scene.frame_current),
        sorted(item.name for item in bpy.context.view_layer.objects if item.select_get()),
        active.name if active is not None else "",
        scene.voxrig.show_waveform,
    )


def test_the_button_sets_the_stage_and_one_undo_takes_it_back(ready: Any) -> None:
    before = state(ready)
    bpy.ops.ed.undo_push(message="before")
    press()
    take = ready.voxrig.character.voxrig.takes[0]
    assert state(ready) == (1 if CAN_HEAR else 0, "AUDIO_SYNC", (10, 66, 10), ["Face"], "Face", True), take.about
    assert selected_keys() == 0
    if CAN_HEAR:
        strip = strips_of(ready)[0]
        assert strip.name == "voice" and strip.channel == 1
    bpy.ops.ed.undo_push(message="Animate from Audio")
    bpy.ops.ed.undo()
    assert state(bpy.context.scene) == before
    assert not len(bpy.data.objects["Face"].voxrig.takes) and not len(bpy.data.actions)


def test_scripts_and_updates_only_write_keys(ready: Any) -> None:
    before = state(ready)
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert state(ready) == before
    assert bpy.ops.voxrig.update_take() == {"FINISHED"}
    assert state(ready) == before


@pytest.mark.skipif(not CAN_HEAR, reason="this Blender was built without its audio module")
def test_the_sound_is_in_the_sequencer_once(ready: Any, voice: Path, tmp_path: Path) -> None:
    press()
    press()
    assert len(strips_of(ready)) == 1
    # From the strip itself, too.
    ready.voxrig.sound_source, ready.voxrig.strip = "STRIP", strips_of(ready)[0].name
    press()
    assert len(strips_of(ready)) == 1
    # Under another name of the same file; another line goes to a free channel.
    other = tmp_path / "line.wav"
    shutil.copy(voice, other)
    (tmp_path / "same.wav").symlink_to(other)
    ready.voxrig.sound_source, ready.voxrig.sound_file = "FILE", str(other)
    press()
    ready.voxrig.sound_file = str(tmp_path / "same.wav")
    press()
    assert sorted((strip.name, strip.channel) for strip in strips_of(ready)) == [("line", 2), ("voice", 1)]


def test_each_of_it_is_a_preference(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from voxrig.operators import show
    from voxrig.properties.access import AFTER_ANIMATE, Preferences

    before = state(ready)
    off = replace(Preferences(), **dict.fromkeys(AFTER_ANIMATE, False))
    monkeypatch.setattr(show, "preferences", lambda: off)
    press()
    assert state(ready) == before and selected_keys() > 0


def test_bones_that_speak_are_selected(scene: Any, make_rig: Any, voice: Path, model_folder: Path) -> None:
    rig = make_rig("Rig", ("jaw", "arm"))
    rig.pose.bones["jaw"]["jawOpen"] = 0.0
    rig.pose.bones["jaw"].id_properties_ui("jawOpen").update(min=0.0, max=1.0)
    settings = scene.voxrig
    settings.character, settings.sound_file, settings.model_folder = rig, str(voice), str(model_folder)
    settings.model = "FOLDER"
    bpy.ops.object.mode_set(mode="POSE")
    bpy.ops.pose.select_all(action="DESELECT")
    press()
    assert rig.mode == "POSE", "the mode stays"
    assert [bone.name for bone in bpy.context.selected_pose_bones] == ["jaw"]


def test_a_repeated_line_replaces_its_row(ready: Any) -> None:
    settings = ready.voxrig
    character = settings.character
    press()
    character.voxrig.takes[0].title = "Hero"
    mark = character.voxrig.takes[0].mark
    settings.speech_style = "BROAD"
    press()
    assert [(take.title, take.mark) for take in character.voxrig.takes] == [("Hero", mark)]
    # Another place, a seed and an Action of its own are other takes, and a favourite stays.
    settings.start_frame = 100
    press()
    settings.start_frame, settings.life_seed = 10, 5
    press()
    settings.output = "NEW_ACTION"
    press()
    assert len(character.voxrig.takes) == 4
    settings.output, settings.life_seed = "ACTION", 0
    character.voxrig.takes[0].is_favourite = True
    press()
    assert len(character.voxrig.takes) == 5
