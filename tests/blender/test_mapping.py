# SPDX-License-Identifier: GPL-3.0-or-later
"""The mapping as a person meets it: matched by name, edited in the list, saved and loaded."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import bpy
import model_packages
import pytest
from file_state import fingerprint
from voxrig.animation.rig.mapping import Link, Mapping, Target
from voxrig.errors import RigError

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def settings(scene: Any, face: Any, model_folder: Path) -> Any:
    """The panel with a character and a model chosen."""
    scene.voxrig.character = face
    scene.voxrig.model = "FOLDER"
    scene.voxrig.model_folder = str(model_folder)
    return scene.voxrig


def test_matching_fills_the_list_and_counts(settings: Any, face: Any) -> None:
    from voxrig.properties.links import count_mapped

    assert count_mapped(settings) == (0, 4)
    assert bpy.ops.voxrig.match_channels() == {"FINISHED"}
    assert [link.channel for link in face.voxrig.links] == list(model_packages.CHANNELS)
    assert all(link.owner == face and link.id_type == "KEY" and link.enabled for link in face.voxrig.links)
    assert count_mapped(settings) == (4, 4)
    face.voxrig.links[0].enabled = False
    assert count_mapped(settings) == (3, 4)


def write_model_with_visemes(folder: Path) -> Path:
    """Return the small model with its last channel turned into a viseme."""

    def change(description: dict[str, Any]) -> None:
        description["channels"][3] |= {"name": "viseme_PP", "region": "lips", "group": "viseme"}

    return model_packages.write_package(folder, change=change)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("jawOpen", "viseme_PP"), ["jawOpen"]),
        (("viseme_PP",), ["viseme_PP"]),
        (("browInnerUp", "viseme_PP"), ["viseme_PP"]),
    ],
)
def test_a_mouth_is_driven_by_shapes_or_visemes_never_both(
    keys: tuple[str, ...], expected: list[str], settings: Any, make_face: Any, tmp_path: Path
) -> None:
    settings.model_folder = str(write_model_with_visemes(tmp_path / "visemes"))
    settings.character = make_face("Other", keys)
    bpy.ops.voxrig.match_channels()
    assert [link.channel for link in settings.character.voxrig.links] == expected


def test_a_stored_mapping_reads_back_equal(settings: Any, face: Any) -> None:
    from voxrig.properties.links import read_mapping, store_mapping

    face["Jaw"] = 0.0
    face.data["Width"] = 0.0
    mapping = Mapping(
        (
            Link("jawOpen", Target("KEY", face.data.shape_keys.name, 'key_blocks["jawOpen"].value'), 0.5, 0.25, 0.0, 0.75),
            Link("jawOpen", Target("OBJECT", "Face", '["Jaw"]'), -2.0, 1.0, None, 3.0, False),
            Link("mouthPucker", Target("MESH", "Face", '["Width"]'), 1.0, 0.0, -1.0, None),
            Link("browInnerUp", Target("OBJECT", "Face", "location", 2)),
        )
    )
    store_mapping(face, mapping)
    assert read_mapping(face) == mapping


def test_names_may_change_after_mapping(settings: Any, face: Any, voice: Path) -> None:
    bpy.ops.voxrig.match_channels()
    face.name, face.data.shape_keys.name = "Renamed", "Renamed Keys"
    settings.sound_file = str(voice)
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert face.data.shape_keys.animation_data.action is not None


def test_saving_and_loading(settings: Any, face: Any, tmp_path: Path) -> None:
    from voxrig.properties.links import read_mapping

    bpy.ops.voxrig.match_channels()
    face.voxrig.links[1].gain = 0.5
    before = read_mapping(face)
    path = tmp_path / "Größe 1.json"
    assert bpy.ops.voxrig.save_mapping(filepath=str(path)) == {"FINISHED"}
    face.voxrig.links.clear()
    assert bpy.ops.voxrig.load_mapping(filepath=str(path)) == {"FINISHED"}
    assert read_mapping(face) == before


def test_a_full_disk_leaves_the_mapping_that_was_there(settings: Any, face: Any, tmp_path: Path) -> None:
    bpy.ops.voxrig.match_channels()
    path = tmp_path / "mapping.json"
    bpy.ops.voxrig.save_mapping(filepath=str(path))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(RuntimeError, match="cannot be written"):
            bpy.ops.voxrig.save_mapping(filepath=str(path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before and [item.name for item in tmp_path.iterdir()] == ["mapping.json"]


@pytest.mark.parametrize("case", ["missing", "damaged", "not a text", "of another rig"])
def test_a_mapping_file_that_cannot_be_used_changes_nothing(case: str, settings: Any, face: Any, tmp_path: Path) -> None:
    bpy.ops.voxrig.match_channels()
    path = tmp_path / "mapping.json"
    bpy.ops.voxrig.save_mapping(filepath=str(path))
    if case == "missing":
        path.unlink()
    elif case == "damaged":
        path.write_text("{", encoding="utf-8")
    elif case == "not a text":
        path.write_bytes(b"\xff\xfe\xff")
    else:
        document = json.loads(path.read_text(encoding="utf-8"))
        document["links"][2]["target"]["data_path"] = 'key_blocks["wink"].value'
        path.write_text(json.dumps(document), encoding="utf-8")
    face.voxrig.links[0].gain = 3.0
    before = fingerprint()
    with pytest.raises(RuntimeError, match={"of another rig": "wink"}.get(case, "mapping")):
        bpy.ops.voxrig.load_mapping(filepath=str(path))
    assert fingerprint() == before


def test_editing_the_list_by_hand(settings: Any, face: Any, voice: Path) -> None:
    from voxrig.blender.rigs import list_targets
    from voxrig.operators.mapping import VOXRIG_OT_remove_link, find_character

    assert VOXRIG_OT_remove_link.disabled_reason(bpy.context) == "Choose a link in the list first"
    bpy.ops.voxrig.add_link()
    link = face.voxrig.links[0]
    settings.sound_file = str(voice)
    with pytest.raises(RuntimeError, match="has no channel"):
        bpy.ops.voxrig.animate_from_audio()
    link.channel = "mouthPucker"
    with pytest.raises(RuntimeError, match="has no target"):
        bpy.ops.voxrig.animate_from_audio()
    labels = [label for label, _target, _limits in list_targets(find_character(face))]
    assert bpy.ops.voxrig.choose_target(target=str(labels.index("Face: jawOpen"))) == {"FINISHED"}
    assert link.data_path == 'key_blocks["jawOpen"].value' and link.use_maximum and link.maximum == 1.0
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert len(face.voxrig.links) == 1
    bpy.ops.voxrig.remove_link()
    assert len(face.voxrig.links) == 0


def test_nothing_to_match_and_nothing_to_save(settings: Any, make_face: Any, tmp_path: Path) -> None:
    settings.character = make_face("Bare", ())
    before = fingerprint()
    with pytest.raises(RuntimeError, match="has neither shape keys nor custom properties"):
        bpy.ops.voxrig.match_channels()
    with pytest.raises(RuntimeError, match="no mapping to save"):
        bpy.ops.voxrig.save_mapping(filepath=str(tmp_path / "mapping.json"))
    settings.character = None
    assert not bpy.ops.voxrig.match_channels.poll()
    assert fingerprint() == before


def test_a_target_that_no_object_has_is_refused(settings: Any, face: Any) -> None:
    from voxrig.properties.links import store_mapping

    bpy.ops.voxrig.match_channels()
    before = fingerprint()
    with pytest.raises(RigError, match="no key 'Nobody'"):
        store_mapping(face, Mapping((Link("jawOpen", Target("KEY", "Nobody", 'key_blocks["a"].value')),)))
    assert fingerprint() == before


def test_the_list_of_models(settings: Any, model_folder: Path, tmp_path: Path) -> None:
    """Own models are found below the folder of the preferences, a damaged one says so, and the choice is kept by name."""
    from voxrig.properties.models import chosen_model, list_models

    own = tmp_path / "own"
    model_packages.write_package(own / "mine", change=lambda text: text.update(name="mine", title="Mine 2"))
    (own / "broken").mkdir()
    (own / "broken" / "model.json").write_text("{", encoding="utf-8")
    addon = bpy.context.preferences.addons.new()
    try:
        addon.module = "voxrig"
        addon.preferences.models_folder = str(own)
        assert [entry.title for entry in list_models(str(own))][-2:] == ["broken (damaged)", "Mine 2"]
        settings.model = "mine"
        assert chosen_model(settings).folder == own / "mine"
        assert settings.model == "mine"
    finally:
        bpy.context.preferences.addons.remove(addon)
    # Without the folder the name is unknown, and the chosen folder counts.
    assert settings.model == "FOLDER"
    assert chosen_model(settings).folder == model_folder
