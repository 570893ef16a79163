# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of earlier Voxrigs and earlier Blenders: what is in them is read, made again, and nothing of the artist's is lost.

tests/data/make_legacy_files.py made the files, with Voxrig at commit 10f51ff.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import bpy
import pytest
from demo_speech import SPEECH

pytestmark = pytest.mark.usefixtures("registered")

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "data" / "legacy"
FILES = sorted(FOLDER.glob("*.blend"))
UNTOUCHED = ("Sparse", "Every", "Strip", "Layer")


@pytest.fixture(params=[path.stem for path in FILES])
def legacy(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A legacy file, open beside its sound: its scene, and what is to be found in it."""
    made_in = tuple(int(part) for part in request.param.removeprefix("blender-").split("."))
    if made_in > bpy.app.version[:2]:
        pytest.skip(f"Blender {bpy.app.version_string} does not promise to open files of Blender {made_in[0]}.{made_in[1]}")
    path = tmp_path / f"{request.param}.blend"
    shutil.copyfile(FOLDER / path.name, path)
    shutil.copyfile(SPEECH, tmp_path / "demo.flac")
    bpy.ops.wm.open_mainfile(filepath=str(path))
    expected = json.loads(bpy.data.texts["Expected"].as_string())
    assert tuple(expected["blender"][:2]) == made_in
    return expected


def test_there_is_a_file_of_each_blender() -> None:
    assert [path.stem for path in FILES] == [f"blender-{version}" for version in ("4.2", "4.5", "5.0", "5.2")]


def face(name: str) -> Any:
    return bpy.data.objects[name]


def owners_of(name: str) -> tuple[Any, Any]:
    return face(name).data.shape_keys, bpy.data.objects[f"{name} Rig"]


def artists_keys(expected: Any, name: str = "Edited") -> list[Any]:
    return expected["artists"][name]


def find_key(stored: Any) -> Any:
    """Return the key that the artist set, wherever it is played now."""
    from voxrig.blender import compat

    blocks = bpy.data.shape_keys if stored["id_type"] == "KEY" else bpy.data.objects
    curves = compat.curves_of(blocks[stored["id_name"]])
    curve = next(curve for curve in curves if curve.data_path == stored["path"])
    frame = stored["key"]["co"][0]
    return next((key for key in curve.keyframe_points if key.co[0] == frame), None)


def assert_kept(expected: Any) -> None:
    for stored in artists_keys(expected):
        key = find_key(stored)
        assert key is not None, stored
        for name, value in stored["key"].items():
            now = getattr(key, name)
            assert (now if isinstance(now, str) else list(now)) == value, (stored, name)


def test_mappings_and_records_are_read(legacy: Any) -> None:
    from voxrig.properties.links import read_mapping
    from voxrig.takes.record import read_record

    for name, count in legacy["takes"].items():
        mapping = read_mapping(face(name))
        assert len(mapping.links) == 7 and {target.id_name for target in mapping.targets()} == {
            owner.name_full for owner in owners_of(name)
        }
        assert [stored.title for stored in face(name).voxrig.takes] == [f"Take {i + 1}" for i in range(count)]
        for stored in face(name).voxrig.takes:
            record = read_record(stored.record)
            assert record.sound.path == "//demo.flac" and record.mapping == mapping and record.model_folder.is_dir()
    sparse, every = (read_record(face(name).voxrig.takes[0].record) for name in ("Sparse", "Every"))
    assert sparse.settings.emotion == {"joy": 0.5} and sparse.settings.region_models[0].regions == ("brows",)
    assert every.settings.keys == "EVERY" and every.settings.lead_seconds == 0.05
    assert (every.first_frame, every.last_frame) == (1, 72)


@pytest.mark.parametrize("name", UNTOUCHED)
def test_no_generated_key_counts_as_edited(legacy: Any, name: str) -> None:
    from voxrig.operators.takes import update_take

    actions, tracks = len(bpy.data.actions), len(face(name).data.shape_keys.animation_data.nla_tracks)
    for _ in range(2):
        take = update_take(bpy.context.scene, face(name))
        assert take.kept_count == 0 and take.key_count > 50
        assert len(take.curves) == 7 and not take.warnings
    # It went where the take was.
    assert len(bpy.data.actions) == actions and len(face(name).voxrig.takes) == 1
    assert len(face(name).data.shape_keys.animation_data.nla_tracks) == tracks
    assert face(name).voxrig.takes[0].is_shown


def test_edited_keys_are_known_and_stay(legacy: Any, tmp_path: Path) -> None:
    from voxrig.operators.takes import compare_take, retake, update_take
    from voxrig.takes.settings import Scope

    scene = bpy.context.scene
    scene.voxrig.character = face("Edited")
    assert_kept(legacy)
    assert bpy.ops.voxrig.select_edited_keys() == {"FINISHED"}
    chosen = [
        (owner.name_full, curve.data_path, key.co[0])
        for owner in owners_of("Edited")
        for curve in curves_of(owner)
        for key in curve.keyframe_points
        if key.select_control_point
    ]
    artists = [(stored["id_name"], stored["path"], stored["key"]["co"][0]) for stored in artists_keys(legacy)]
    assert sorted(chosen) == sorted(artists)
    # The second take is the retake; it lies over the first one, and the artist's keys lie in both.
    assert update_take(scene, face("Edited"), "2").kept_count == 4
    assert_kept(legacy)
    retake(scene, face("Edited"), Scope(15, 60, fade_frames=3.0), take_name="2")
    assert_kept(legacy)
    path = str(tmp_path / "again.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    scene = bpy.context.scene
    assert update_take(scene, face("Edited"), "3").kept_count == 4
    assert_kept(legacy)
    compare_take(face("Edited"), "1")
    assert_kept(legacy)
    # The first take is shown as the artist left it, with their keys.
    assert update_take(scene, face("Edited"), "1").kept_count == 4
    assert_kept(legacy)


def curves_of(owner: Any) -> Any:
    from voxrig.blender import compat

    return compat.curves_of(owner)
