# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking a mapping, its report, and repair after renaming; characters that are odd or linked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import pytest
from file_state import fingerprint
from voxrig.animation.rig.mapping import Link, Mapping, Target
from voxrig.errors import RigError

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def settings(scene: Any, face: Any, model_folder: Path) -> Any:
    """The panel with a mapped face and a model chosen."""
    scene.voxrig.character, scene.voxrig.model, scene.voxrig.model_folder = face, "FOLDER", str(model_folder)
    bpy.ops.voxrig.match_channels()
    return scene.voxrig


def test_every_link_says_what_it_is_worth(settings: Any, face: Any) -> None:
    from voxrig.properties.links import link_status

    links = face.voxrig.links
    assert [link_status(link)[0] for link in links] == ["SURE"] * 4
    links[0].confidence = "LIKELY"
    face.data.shape_keys.key_blocks["mouthPucker"].driver_add("value")
    links[2].data_path = 'key_blocks["gone"].value'
    links[3].data_path = ""
    found = [link_status(link) for link in links]
    assert [status for status, _reason in found] == ["LIKELY", "DRIVEN", "BROKEN", "MISSING"]
    assert "driver" in found[1][1] and "gone" in found[2][1] and "no target" in found[3][1]


def test_the_report_names_everything(settings: Any, face: Any) -> None:
    from voxrig.operators.mapping_check import report_mapping

    links = face.voxrig.links
    names = [link.channel for link in links]
    links[0].confidence, links[0].enabled = "UNSURE", False
    links[1].data_path = 'key_blocks["gone"].value'
    links.remove(3)
    report = report_mapping(bpy.context.scene)
    assert report.summary() == "1 mapped, 1 unsure, 1 broken, 1 missing"
    assert report.missing == (names[3],)
    text = report.text()
    assert text.startswith("Voxrig mapping of 'Face' for Small 1: 1 mapped")
    for part in (f"{names[0]} -> '{names[0]}' of 'Face', off", "'gone' of 'Face'", f"Missing (1)\n  {names[3]}"):
        assert part in text, text
    assert bpy.ops.voxrig.report_mapping() == {"FINISHED"}
    settings.character = None
    with pytest.raises(RigError, match="No character"):
        report_mapping(bpy.context.scene)


def test_missing_channels_are_listed_and_confirmed_links_are_on(settings: Any, face: Any) -> None:
    from voxrig.properties.links import link_status, read_mapping

    with pytest.raises(RuntimeError, match="Every channel"):
        bpy.ops.voxrig.add_missing_links()
    last = face.voxrig.links[3].channel
    face.voxrig.links.remove(3)
    assert bpy.ops.voxrig.add_missing_links() == {"FINISHED"}
    assert face.voxrig.links[3].channel == last and link_status(face.voxrig.links[3])[0] == "MISSING"
    assert len(read_mapping(face).links) == 3  # an empty link is no obstacle
    face.voxrig.links[1].confidence, face.voxrig.links[1].enabled = "UNSURE", False
    face.voxrig.links[2].confidence = "LIKELY"
    face.voxrig.active_link = 1
    assert bpy.ops.voxrig.confirm_link() == {"FINISHED"}
    assert face.voxrig.links[1].enabled and face.voxrig.links[1].confidence == "SURE"
    assert bpy.ops.voxrig.confirm_link(scope="LIKELY") == {"FINISHED"}
    assert face.voxrig.links[2].confidence == "SURE"
    with pytest.raises(RuntimeError, match="left to confirm"):
        bpy.ops.voxrig.confirm_link(scope="LIKELY")


def test_renamed_keys_bones_and_objects_are_found_again(settings: Any, face: Any, make_rig: Callable[..., Any]) -> None:
    from voxrig.operators.mapping_check import propose_repairs
    from voxrig.properties.links import link_status, read_mapping, store_mapping

    rig = make_rig()
    face.modifiers.new("Armature", "ARMATURE").object = rig
    rig.pose.bones["jaw"]["open"] = 0.0
    extra = (
        Link("mouthRight", Target("OBJECT", "Rig", 'pose.bones["lip.R"].location', 0), gain=0.5, ease=0.25),
        Link("mouthLeft", Target("OBJECT", "Rig", 'pose.bones["lip.L"].location', 0), gain=-0.5),
        Link("jawForward", Target("OBJECT", "Rig", 'pose.bones["jaw"]["open"]')),
    )
    store_mapping(face, Mapping((*read_mapping(face).links, *extra)))
    before = read_mapping(face)
    # Objects may be renamed freely; the others are what strings can lose.
    face.name, rig.name = "Hero Face", "Hero Rig"
    blocks = face.data.shape_keys.key_blocks
    blocks["mouthPucker"].name = "Mouth_Pucker_v2"
    rig.pose.bones["lip.R"].name = "lips.R"
    rig.pose.bones["lip.L"].name = "lips.L"
    rig.pose.bones["jaw"].name = "chin"
    links = face.voxrig.links
    broken = [i for i, link in enumerate(links) if link_status(link)[0] == "BROKEN"]
    assert [links[i].channel for i in broken] == ["mouthPucker", "mouthRight", "mouthLeft", "jawForward"]
    state = fingerprint()
    repairs, left = propose_repairs(face)
    assert fingerprint() == state and not left
    assert [repair.target.data_path for repair in repairs] == [
        'key_blocks["Mouth_Pucker_v2"].value',
        'pose.bones["lips.R"].location',
        'pose.bones["lips.L"].location',
        'pose.bones["chin"]["open"]',
    ]
    assert bpy.ops.voxrig.repair_links() == {"FINISHED"}
    after = read_mapping(face)
    assert [link.channel for link in after.links] == [link.channel for link in before.links]
    assert [(link.gain, link.ease) for link in after.links] == [(link.gain, link.ease) for link in before.links]
    assert {links[i].confidence for i in broken} == {"LIKELY"}
    with pytest.raises(RuntimeError, match="is broken"):
        bpy.ops.voxrig.repair_links()


def test_nothing_is_repaired_with_something_else(settings: Any, face: Any) -> None:
    """No far name, no driven control, and no control that the channel drives already."""
    links = face.voxrig.links
    links[1].data_path = 'key_blocks["qqq"].value'
    before = fingerprint()
    with pytest.raises(RuntimeError, match="name close enough"):
        bpy.ops.voxrig.repair_links()
    assert fingerprint() == before


def test_two_lost_names_do_not_share_one_control(settings: Any, face: Any) -> None:
    from voxrig.operators.mapping_check import repair_links

    links = face.voxrig.links
    links[0].data_path = links[1].data_path = 'key_blocks["mouthPuckers"].value'
    repaired, left = repair_links(face)
    assert len(repaired) == 1 and len(left) == 1
    assert repaired[0].target.data_path == 'key_blocks["mouthPucker"].value'


# Characters that are odd: one sentence each or simply right, nothing half-applied


def test_five_hundred_keys_and_names_of_all_scripts(scene: Any, make_face: Callable[..., Any], model_folder: Path) -> None:
    from voxrig.operators.mapping_check import report_mapping

    names = (*(f"corrective {i}" for i in range(495)), "jawOpen", "あ", "Größe", "mouthPucker", 'mouth"Smile')
    scene.voxrig.character = head = make_face("Kopf 頭", names)
    scene.voxrig.model, scene.voxrig.model_folder = "FOLDER", str(model_folder)
    assert bpy.ops.voxrig.match_channels() == {"FINISHED"}
    assert {"jawOpen", "mouthPucker"} <= {link.channel for link in head.voxrig.links}
    head.data.shape_keys.key_blocks["あ"].value = 1.0
    assert bpy.ops.voxrig.calibrate(channel="viseme_aa") == {"FINISHED"}
    assert "viseme_aa -> 'あ' of 'Kopf 頭'" in report_mapping(scene).text()


def test_an_armature_without_meshes_says_what_to_do(scene: Any, make_rig: Callable[..., Any], model_folder: Path) -> None:
    scene.voxrig.character = make_rig("Rig", ("thigh.L", "thigh.R"))
    scene.voxrig.model, scene.voxrig.model_folder = "FOLDER", str(model_folder)
    before = fingerprint()
    with pytest.raises(RuntimeError, match="neither shape keys nor custom properties"):
        bpy.ops.voxrig.match_channels()
    assert fingerprint() == before


def test_two_characters_have_two_mappings(scene: Any, make_face: Callable[..., Any], model_folder: Path) -> None:
    scene.voxrig.model, scene.voxrig.model_folder = "FOLDER", str(model_folder)
    first, second = make_face("First"), make_face("Second", ("jawOpen",))
    for item in (first, second):
        item.select_set(True)
        scene.voxrig.character = item
        bpy.ops.voxrig.match_channels()
    assert {link.owner for link in first.voxrig.links} == {first}
    assert {link.owner for link in second.voxrig.links} == {second}


def test_a_linked_character_is_not_changed_and_its_override_is_mapped(
    scene: Any, face: Any, make_rig: Callable[..., Any], model_folder: Path, tmp_path: Path
) -> None:
    rig = make_rig("Hero")
    scene.collection.objects.unlink(face)
    path = tmp_path / "hero.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene = bpy.context.scene
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.objects = ["Hero"]
    rig = wanted.objects[0]
    scene.collection.objects.link(rig)
    scene.voxrig.character = rig
    before = fingerprint()
    for call in (
        lambda: bpy.ops.voxrig.calibrate(channel="jawOpen"),
        lambda: bpy.ops.voxrig.store_neutral_pose(),
        lambda: bpy.ops.voxrig.repair_links(),
        lambda: bpy.ops.voxrig.add_link(),
    ):
        with pytest.raises(RuntimeError, match="library override"):
            call()
    assert fingerprint() == before
    override = rig.override_create(remap_local_usages=True)
    override.override_library.is_system_override = False
    scene.voxrig.character = override
    override.pose.bones["jaw"].location[0] = 0.5
    assert bpy.ops.voxrig.calibrate(channel="jawLeft") == {"FINISHED"}
    shot = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(shot))
    bpy.ops.wm.open_mainfile(filepath=str(shot))
    kept = bpy.context.scene.voxrig.character
    assert [(link.channel, link.data_path, link.gain) for link in kept.voxrig.links] == [
        ("jawLeft", 'pose.bones["jaw"].location', 0.5)
    ]


@pytest.mark.parametrize("case", ["other version", "absent bone", "empty name"])
def test_mapping_files_that_do_not_fit(case: str, settings: Any, face: Any, tmp_path: Path) -> None:
    import json

    path = tmp_path / "mapping.json"
    bpy.ops.voxrig.save_mapping(filepath=str(path))
    document = json.loads(path.read_text(encoding="utf-8"))
    if case == "other version":
        document["version"] = 99
    elif case == "absent bone":
        document["links"][1]["target"] = {
            "id_type": "OBJECT",
            "id_name": "Face",
            "data_path": 'pose.bones["tongue"].location',
            "array_index": 0,
        }
    else:
        document["links"][1]["target"]["id_name"] = ""
    path.write_text(json.dumps(document), encoding="utf-8")
    before = fingerprint()
    said = {"other version": "version 99", "absent bone": "tongue", "empty name": "no longer in the file"}[case]
    with pytest.raises(RuntimeError, match=said):
        bpy.ops.voxrig.load_mapping(filepath=str(path))
    assert fingerprint() == before
