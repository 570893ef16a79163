# SPDX-License-Identifier: GPL-3.0-or-later
"""The Redo panel's settings, and a sound dropped onto the 3D View. Both as a person uses them: tests/gui."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import bpy
import pytest
from characters import choose
from file_state import fingerprint

pytestmark = pytest.mark.usefixtures("registered")


def settings_of(scene: Any) -> dict[str, Any]:
    """Return the values of the sliders."""
    from voxrig.operators.redo import SLIDERS

    return {name: getattr(scene.voxrig, name) for name in (*SLIDERS, "has_own_lead")}


def test_the_properties_are_those_of_the_scene() -> None:
    from voxrig.operators.redo import SLIDERS
    from voxrig.operators.takes import VOXRIG_OT_retake
    from voxrig.properties.scene import VOXRIG_PG_scene

    for operator in ("animate_from_audio", "animate_from_file", "retake"):
        own = getattr(bpy.ops.voxrig, operator).get_rna_type().properties
        for name in VOXRIG_OT_retake.redo if operator == "retake" else SLIDERS:
            stored = VOXRIG_PG_scene.bl_rna.properties[name]
            assert (own[name].name, own[name].description) == (stored.name, stored.description)
            assert own[name].type == stored.type and own[name].is_skip_save
            if stored.type == "FLOAT":
                assert (own[name].default, own[name].hard_max) == (stored.default, stored.hard_max)


def test_a_take_is_made_again_with_other_settings_and_they_become_the_scenes(
    scene: Any, face: Any, voice: Path, model_folder: Path
) -> None:
    choose(scene, face, voice, model_folder)
    scene.voxrig.strength = 1.5
    bpy.ops.ed.undo_push(message="Start")
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    bpy.ops.ed.undo_push(message="Animate from Audio")
    first = fingerprint()
    # What Blender does when a value of the Redo panel changes: undo, then execute with the operator's properties.
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    assert not bpy.data.actions and scene.voxrig.strength == 1.5
    assert bpy.ops.voxrig.animate_from_audio(strength=0.5, density=2) == {"FINISHED"}
    face = scene.voxrig.character
    assert (scene.voxrig.strength, scene.voxrig.density) == (0.5, 2)
    assert not scene.voxrig.has_own_lead, "a lead that nobody set stays the model's"
    assert len(face.voxrig.takes) == 1
    again = fingerprint()
    assert again != first
    bpy.ops.ed.undo_push(message="Animate from Audio")
    # The same with the scene's own sliders gives the same keys.
    bpy.ops.ed.undo()
    scene = bpy.context.scene
    scene.voxrig.strength, scene.voxrig.density = 0.5, 2
    bpy.ops.voxrig.animate_from_audio()
    assert fingerprint() == again


def test_a_take_before_this_one_does_not_follow(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    record = face.voxrig.takes[0].record
    scene.voxrig.start_frame = 101
    bpy.ops.voxrig.animate_from_audio(strength=0.25)
    assert len(face.voxrig.takes) == 2
    assert face.voxrig.takes[0].record == record


def test_an_error_leaves_the_sliders_where_they_were(scene: Any, face: Any, tmp_path: Path, model_folder: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("This is a text.\n", encoding="utf-8")
    choose(scene, face, broken, model_folder)
    before = settings_of(scene), fingerprint()
    with pytest.raises(RuntimeError, match="broken.wav"):
        bpy.ops.voxrig.animate_from_audio(strength=0.5, lead=80.0, keys="EVERY")
    assert (settings_of(scene), fingerprint()) == before


def test_a_retake_takes_its_range_from_the_operator(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    assert bpy.ops.voxrig.retake(retake_first=10, retake_last=20, retake_regions={"JAW"}, strength=0.5) == {"FINISHED"}
    assert (scene.voxrig.retake_first, scene.voxrig.retake_last) == (10, 20)
    assert scene.voxrig.retake_regions == {"JAW"}
    assert face.voxrig.takes[-1].about.startswith("voice.wav, 10 to 20, jaw")


@pytest.mark.parametrize("mode", ["OBJECT", "POSE"])
def test_animating_works_in_object_and_pose_mode(
    scene: Any, face: Any, make_rig: Any, voice: Path, model_folder: Path, mode: str
) -> None:
    rig = make_rig()
    face.parent = rig
    choose(scene, rig, voice, model_folder)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode=mode)
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert bpy.context.mode == mode
    assert bpy.ops.voxrig.retake(retake_first=5, retake_last=12) == {"FINISHED"}
    assert len(rig.voxrig.takes) == 2


def test_sounds_are_offered_where_there_is_a_character(scene: Any, face: Any) -> None:
    from types import SimpleNamespace

    from voxrig.operators.drop import VOXRIG_FH_sound

    assert bpy.types.VOXRIG_FH_sound is VOXRIG_FH_sound
    operator = getattr(bpy.ops.voxrig, VOXRIG_FH_sound.bl_import_operator.partition(".")[2])
    assert "filepath" in operator.get_rna_type().properties, "Blender fills this one"
    assert {".wav", ".flac", ".mp3", ".ogg"} <= set(VOXRIG_FH_sound.bl_file_extensions.split(";"))

    from voxrig.operators.sound import VOXRIG_FH_panel_sound

    def over(area: str, region: str = "WINDOW") -> Any:
        layer = bpy.context.view_layer
        places = {"area": SimpleNamespace(type=area), "region": SimpleNamespace(type=region)}
        return SimpleNamespace(scene=scene, view_layer=layer, **places)

    def offered(area: str) -> bool:
        return VOXRIG_FH_sound.poll_drop(over(area))

    # On the tab a sound is only chosen.
    assert VOXRIG_FH_panel_sound.poll_drop(over("VIEW_3D", "UI")) and not VOXRIG_FH_panel_sound.poll_drop(over("VIEW_3D"))

    bpy.context.view_layer.objects.active = None
    assert not offered("VIEW_3D")
    bpy.context.view_layer.objects.active = face
    assert offered("VIEW_3D") and not offered("SEQUENCE_EDITOR")
    bpy.context.view_layer.objects.active = None
    scene.voxrig.character = face
    assert offered("VIEW_3D") and not VOXRIG_FH_sound.poll_drop(over("VIEW_3D", "UI"))


def test_a_dropped_sound_animates_the_active_object(
    scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    choose(scene, face, voice, model_folder)
    scene.voxrig.character, scene.voxrig.sound_file, scene.voxrig.sound_source = None, "", "STRIP"
    bpy.context.view_layer.objects.active = face
    dropped = tmp_path / "dropped line.wav"
    shutil.copy(voice, dropped)
    assert not bpy.ops.voxrig.animate_from_audio.poll()
    before = fingerprint()
    with pytest.raises(RuntimeError, match=r"gone\.wav"):
        bpy.ops.voxrig.animate_from_file(filepath=str(tmp_path / "gone.wav"))
    assert fingerprint() == before and scene.voxrig.sound_file == "" and scene.voxrig.character is None
    assert bpy.ops.voxrig.animate_from_file("INVOKE_DEFAULT", filepath=str(dropped)) == {"FINISHED"}
    assert scene.voxrig.character == face
    assert (scene.voxrig.sound_source, scene.voxrig.sound_file) == ("FILE", str(dropped))
    assert face.voxrig.takes[0].about.startswith("dropped line.wav, 1 to ")


def test_a_chosen_sound_starts_beside_the_blend(scene: Any, voice: Path, tmp_path: Path) -> None:
    from voxrig.operators.sound import first_folder

    assert first_folder(scene) == ""
    assert bpy.ops.voxrig.choose_sound(filepath=str(voice)) == {"FINISHED"}
    assert scene.voxrig.sound_file == str(voice) and first_folder(scene) == str(voice.parent)
    scene.voxrig.sound_file = ""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert first_folder(bpy.context.scene) == str(tmp_path)
    (tmp_path / "line.wav").write_bytes(voice.read_bytes())
    bpy.ops.voxrig.choose_sound(filepath=str(tmp_path / "line.wav"))
    assert bpy.context.scene.voxrig.sound_file == "//line.wav"
    with pytest.raises(RuntimeError, match="There is no file 'gone.wav'; choose a sound"):
        bpy.ops.voxrig.choose_sound(filepath=str(tmp_path / "gone.wav"))
    assert bpy.context.scene.voxrig.sound_file == "//line.wav"
