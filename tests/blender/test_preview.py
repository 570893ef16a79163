# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at a mapping without keying anything, and the way back, whatever ends the preview."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from file_state import curves_of, fingerprint
from voxrig.animation.rig.mapping import Link, Mapping, Target
from voxrig.blender import poses
from voxrig.errors import RigError

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def head(scene: Any, make_face: Callable[..., Any], make_rig: Callable[..., Any], model_folder: Path) -> Any:
    """A face with a bone below it: 'jawOpen' drives a shape key of two meshes and a bone."""
    rig = make_rig()
    head, teeth = make_face("Head", ("jawOpen", "mouthSmileLeft")), make_face("Teeth", ("jawOpen",))
    for item in (head, teeth):
        item.modifiers.new("Armature", "ARMATURE").object = rig
        for block in item.data.shape_keys.key_blocks:
            block.value = 0.0  # new shape keys of Blender 5.2 are at 1
    jaw = Target("OBJECT", "Rig", 'pose.bones["jaw"].scale', 1)
    scene.voxrig.character, scene.voxrig.model, scene.voxrig.model_folder = head, "FOLDER", str(model_folder)
    from voxrig.properties.links import store_mapping

    keys = [Target("KEY", item.data.shape_keys.name, 'key_blocks["jawOpen"].value') for item in (head, teeth)]
    smile = Target("KEY", head.data.shape_keys.name, 'key_blocks["mouthSmileLeft"].value')
    store_mapping(
        head,
        Mapping(
            (
                Link("jawOpen", keys[0], gain=0.8),
                Link("jawOpen", keys[1], maximum=0.4),
                Link("jawOpen", jaw, gain=0.5, rest=1.0),
                Link("mouthSmileLeft", smile, enabled=False, confidence="UNSURE"),
            )
        ),
    )
    return head


def values(head: Any) -> list[float]:
    """Return jawOpen of both meshes, the smile, the scale of the jaw bone."""
    blocks, teeth = head.data.shape_keys.key_blocks, bpy.data.objects["Teeth"].data.shape_keys.key_blocks
    scale = bpy.data.objects["Rig"].pose.bones["jaw"].scale[1]
    return [round(v, 5) for v in (blocks["jawOpen"].value, teeth["jawOpen"].value, blocks["mouthSmileLeft"].value, scale)]


def test_the_slider_poses_and_goes_back(head: Any) -> None:
    window = bpy.context.window_manager.voxrig
    head.data.shape_keys.key_blocks["jawOpen"].value = 0.25
    before, handlers = fingerprint(), list(bpy.app.handlers.save_pre)
    window.preview = 1.0
    assert values(head) == [0.8, 0.4, 0.0, 1.5] and window.preview == 1.0
    window.preview = 0.5
    assert values(head) == [0.4, 0.4, 0.0, 1.25] and window.preview == 0.5
    window.preview = 0.0
    assert fingerprint() == before and not poses.is_previewing()
    assert list(bpy.app.handlers.save_pre) == handlers


def test_another_link_ends_it_and_an_unsure_one_can_be_looked_at(head: Any) -> None:
    window = bpy.context.window_manager.voxrig
    window.preview = 1.0
    head.voxrig.active_link = 3
    assert values(head) == [0.0, 0.0, 0.0, 1.0] and window.preview == 0.0
    window.preview = 1.0
    assert values(head) == [0.0, 0.0, 1.0, 1.0]
    assert not head.voxrig.links[3].enabled


@pytest.mark.parametrize("leaving", ["frame", "save", "open", "operator", "unregister", "deleted"])
def test_leaving_ends_it(leaving: str, head: Any, tmp_path: Path) -> None:
    import voxrig

    window = bpy.context.window_manager.voxrig
    path = tmp_path / "face.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    window.preview = 1.0
    assert values(head)[0] == 0.8
    if leaving == "frame":
        bpy.context.scene.frame_set(7)
    elif leaving == "save":
        bpy.ops.wm.save_mainfile()
        assert poses.is_previewing() is False
        bpy.ops.wm.open_mainfile(filepath=str(path))
    elif leaving == "open":
        bpy.ops.wm.open_mainfile(filepath=str(path))
    elif leaving == "operator":
        bpy.ops.voxrig.report_mapping()
    elif leaving == "unregister":
        voxrig.unregister()
        voxrig.register()
    else:
        bpy.data.objects.remove(bpy.data.objects["Teeth"])
        poses.end_preview()
        assert not poses.is_previewing()
        return
    assert values(bpy.data.objects["Head"]) == [0.0, 0.0, 0.0, 1.0]
    assert bpy.context.window_manager.voxrig.preview == 0.0 and not poses.is_previewing()


def test_a_preview_keys_nothing_and_leaves_no_undo_step(head: Any) -> None:
    bpy.ops.ed.undo_push(message="before")
    bpy.context.window_manager.voxrig.preview = 1.0
    poses.end_preview()
    assert curves_of(head.data.shape_keys) == {} and len(bpy.data.actions) == 0


def test_what_cannot_be_previewed_changes_nothing(head: Any) -> None:
    from voxrig.properties.links import preview_link

    head.voxrig.links[2].data_path = 'pose.bones["gone"].scale'
    before = fingerprint()
    with pytest.raises(RigError, match="gone"):
        preview_link(head, 0, 1.0)
    with pytest.raises(RigError, match="No link is chosen"):
        preview_link(head, 9, 1.0)
    bpy.context.window_manager.voxrig.preview = 1.0
    assert bpy.context.window_manager.voxrig.preview == 0.0
    assert fingerprint() == before


def test_a_sweep_visits_every_channel_and_puts_everything_back(head: Any) -> None:
    from voxrig.operators.test_sweep import sweep_channels

    head.voxrig.links[3].enabled = True
    head.voxrig.links[3].gain = 0.0
    before = fingerprint()
    seen: list[tuple[str, list[float]]] = []
    still = sweep_channels(head, lambda channel: seen.append((channel, values(head))))
    assert seen == [("jawOpen", [0.8, 0.4, 0.0, 1.5]), ("mouthSmileLeft", [0.0, 0.0, 0.0, 1.0])]
    assert still == ["mouthSmileLeft"]
    assert fingerprint() == before
    assert bpy.ops.voxrig.test_sweep() == {"FINISHED"}
    for link in head.voxrig.links:
        link.enabled = False
    before = fingerprint()
    with pytest.raises(RuntimeError, match="no link that is on"):
        bpy.ops.voxrig.test_sweep()
    assert fingerprint() == before


def test_a_sweep_that_is_interrupted_puts_everything_back(head: Any) -> None:
    from voxrig.operators.test_sweep import sweep_channels

    def stop(_channel: str) -> None:
        raise KeyboardInterrupt

    before = fingerprint()
    with pytest.raises(KeyboardInterrupt):
        sweep_channels(head, stop)
    assert fingerprint() == before


def test_the_clock_of_a_sweep() -> None:
    from voxrig.operators.test_sweep import sweep_state

    assert sweep_state(("a", "b"), 0.0) == ("a", 0.0)
    channel, amount = sweep_state(("a", "b"), 0.4) or ("", 0.0)
    assert (channel, round(amount, 6)) == ("a", 1.0)
    assert (sweep_state(("a", "b"), 1.5) or ("", 0))[0] == "b"
    assert sweep_state(("a", "b"), 1.6) is None


def test_solo_leaves_the_others_alone(head: Any, voice: Path) -> None:
    from voxrig.properties.links import active_mapping, read_mapping

    head.voxrig.links[2].solo = True
    assert [link.enabled for link in active_mapping(head).links] == [False, False, True, False]
    assert [link.enabled for link in read_mapping(head).links] == [True, True, True, False]
    bpy.context.scene.voxrig.sound_file = str(voice)
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert curves_of(head.data.shape_keys) == {} and len(curves_of(bpy.data.objects["Rig"])) == 1
    # A solo link that is off animates nothing, and says so instead of matching again.
    head.voxrig.links[2].enabled = False
    with pytest.raises(RuntimeError, match="No link"):
        bpy.ops.voxrig.animate_from_audio()
    assert len(head.voxrig.links) == 4


def test_a_retake_of_solo_links_leaves_the_other_controls_alone(head: Any, voice: Path) -> None:
    from voxrig.operators.takes import retake
    from voxrig.takes.settings import Scope, TakeSettings

    bpy.context.scene.voxrig.sound_file = str(voice)
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    keys, rig = head.data.shape_keys, bpy.data.objects["Rig"]
    before, rig_before = curves_of(keys), curves_of(rig)
    assert before and rig_before
    head.voxrig.links[2].solo = True
    retake(bpy.context.scene, head, Scope(), TakeSettings(strength=0.3, life=0.0))
    after, rig_after = curves_of(keys), curves_of(rig)
    assert before.keys() == after.keys()
    for place in before:
        np.testing.assert_array_equal(after[place], before[place], str(place))
    assert any(rig_before[place].tolist() != rig_after[place].tolist() for place in rig_before)
