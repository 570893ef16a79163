# SPDX-License-Identifier: GPL-3.0-or-later
"""The panels draw in every state, name only what exists, and do no work. What they look like is tested in a real window."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

pytestmark = pytest.mark.usefixtures("registered")


class Layout:
    """Stands in for Blender's layout, which only exists in a window: checks what it is given and remembers the texts."""

    def __init__(self, drawn: list[str] | None = None) -> None:
        self.drawn: list[str] = [] if drawn is None else drawn

    def _part(self, **_looks: Any) -> Layout:
        return Layout(self.drawn)

    row = column = split = grid_flow = _part

    def separator(self) -> None:
        pass

    def label(self, *, text: str = "", icon: str = "NONE", translate: bool = True) -> None:
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items
        if text:
            self.drawn.append(text)

    def prop(self, data: Any, name: str, *, text: str | None = None, icon: str = "NONE", **_looks: object) -> None:
        assert name in data.bl_rna.properties, name
        getattr(data, name)
        self.drawn.append(name)

    def prop_search(self, data: Any, name: str, owner: Any, collection: str, *, icon: str = "NONE") -> None:
        self.prop(data, name, icon=icon)
        getattr(owner, collection)

    def operator(self, name: str, *, text: str | None = None, icon: str = "NONE", **_looks: bool) -> SimpleNamespace:
        group, _, function = name.partition(".")
        assert getattr(getattr(bpy.ops, group), function).get_rna_type()
        assert icon in bpy.types.UILayout.bl_rna.functions["operator"].parameters["icon"].enum_items
        self.drawn.append(name)
        return SimpleNamespace()

    def operator_menu_enum(self, name: str, enum: str, *, text: str = "", icon: str = "NONE") -> None:
        self.operator(name, text=text, icon=icon)
        assert getattr(bpy.ops.voxrig, name.partition(".")[2]).get_rna_type().properties[enum].type == "ENUM"

    def progress(self, *, text: str = "", factor: float = 0.0, type: str = "BAR") -> None:
        assert 0.0 <= factor <= 1.0
        self.drawn.append(text)

    def template_list(self, kind: str, _id: str, data: Any, name: str, active: Any, active_name: str, *, rows: int) -> None:
        assert hasattr(bpy.types, kind)
        links = getattr(bpy.types, kind)
        for item in getattr(data, name):
            links.draw_row(None, self, item)


def draw_all() -> list[str]:
    """Draw every panel of the tab; the properties, operators and texts drawn."""
    from voxrig.registration import PANELS

    layout = Layout()
    for module in PANELS:
        for panel in module.CLASSES:
            if issubclass(panel, bpy.types.Panel):
                panel.draw(SimpleNamespace(layout=layout), bpy.context)
    return layout.drawn


def test_an_empty_scene(scene: Any) -> None:
    drawn = draw_all()
    assert (
        drawn.index("character")
        < drawn.index("sound_file")
        < drawn.index("voxrig.animate_from_audio")
        < drawn.index("strength")
    )
    for name in (
        "strength",
        "jaw_strength",
        "lips_strength",
        "brows_strength",
        "smoothing",
        "density",
        "voxrig.match_channels",
    ):
        assert name in drawn


def test_a_character_shows_how_much_of_it_is_mapped(scene: Any, make_face: Any, model_folder: Path) -> None:
    scene.voxrig.character = make_face("Face", ("jawOpen", "mouthPucker", "browInnerUp"))
    scene.voxrig.model = "FOLDER"
    assert "model_folder" in draw_all()
    scene.voxrig.model_folder = str(model_folder)
    assert "Not mapped yet, will match by name" in draw_all()
    assert {"Runs on: CPU", "Runs on: CUDA"} & set(draw_all())
    bpy.ops.voxrig.match_channels()
    drawn = draw_all()
    assert "3 of 4 channels mapped" in drawn
    assert "jawOpen" in drawn and drawn.count("Face") >= 3
    for name in ("gain", "offset", "use_minimum", "minimum", "maximum", "enabled", "voxrig.choose_target"):
        assert name in drawn
    scene.voxrig.character.voxrig.links[0].owner = None
    assert "Deleted" in draw_all()
    for link in scene.voxrig.character.voxrig.links:
        link.enabled = False
    assert "No channel mapped" in draw_all()


def test_a_model_with_emotions_offers_their_sliders(scene: Any, face: Any, model_folder: Path) -> None:
    from voxrig.panels.emotion import VOXRIG_PT_emotion
    from voxrig.properties.models import shown_emotions

    scene.voxrig.model, scene.voxrig.model_folder = "FOLDER", ""
    assert not VOXRIG_PT_emotion.poll(bpy.context)
    scene.voxrig.model_folder = str(model_folder)
    scene.voxrig.character = face
    assert VOXRIG_PT_emotion.poll(bpy.context)
    assert [emotion.name for emotion in shown_emotions(scene.voxrig)] == ["joy", "anger"]
    assert draw_all().count("weight") == 2


def test_takes_are_listed_once_there_are_any(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    settings = scene.voxrig
    settings.character, settings.sound_file, settings.model_folder = face, str(voice), str(model_folder)
    settings.model = "FOLDER"
    assert "No take yet" in draw_all() and "voxrig.retake" not in draw_all()
    bpy.ops.voxrig.animate_from_audio()
    drawn = draw_all()
    for name in ("voice.wav, 1 to 49", "voxrig.update_take", "retake_first", "retake_regions", "voxrig.retake"):
        assert name in drawn


def test_the_provider_that_ran_is_shown(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    settings = scene.voxrig
    settings.character, settings.sound_file, settings.model_folder = face, str(voice), str(model_folder)
    settings.model = "FOLDER"
    bpy.ops.voxrig.animate_from_audio()
    assert "Runs on: CPU" in draw_all() or "Runs on: CUDA" in draw_all()


def test_a_run_shows_its_progress_and_a_way_to_stop(scene: Any) -> None:
    from voxrig.properties.session import Run, session

    session.run = Run("Face", 0.42)
    drawn = draw_all()
    assert "Listening 42%, Esc stops" in drawn and "voxrig.stop" in drawn and "voxrig.animate_from_audio" not in drawn
    assert bpy.ops.voxrig.stop() == {"FINISHED"}
    assert session.run.cancelled
    assert "Stopping" in draw_all()
    session.run = None
    assert not bpy.ops.voxrig.stop.poll()


def test_drawing_reads_no_file(scene: Any, face: Any, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.voxrig.character, scene.voxrig.model_folder = face, str(model_folder)
    scene.voxrig.model = "FOLDER"
    first = draw_all()

    def refuse(*_arguments: Any, **_names: Any) -> Any:
        raise AssertionError("a panel touched the disk")

    with monkeypatch.context() as patched:
        for name in ("open", "read_text", "read_bytes", "glob", "iterdir", "stat"):
            patched.setattr(Path, name, refuse)
        again = draw_all()
    assert again == first


def test_the_search_of_the_list_looks_at_channels_and_targets(scene: Any, face: Any, model_folder: Path) -> None:
    from voxrig.panels.mapping import VOXRIG_UL_links

    scene.voxrig.character, scene.voxrig.model_folder = face, str(model_folder)
    scene.voxrig.model = "FOLDER"
    bpy.ops.voxrig.match_channels()
    links = SimpleNamespace(
        filter_name="SMILE", region="ALL", status="ALL", bitflag_filter_item=1 << 30, use_filter_sort_alpha=False
    )

    def shown() -> list[bool]:
        flags, order = VOXRIG_UL_links.filter_items(links, bpy.context, face.voxrig, "links")
        assert order == [0, 1, 2, 3]
        return [bool(flag) for flag in flags]

    assert shown() == [False, False, True, False]
    links.filter_name, links.region = "", "BROWS"
    assert shown() == [False, False, False, True]
    links.region, links.status = "ALL", "OPEN"
    assert shown() == [False] * 4
    face.voxrig.links[1].confidence = "LIKELY"
    face.voxrig.links[2].data_path = 'key_blocks["gone"].value'
    assert shown() == [False, True, True, False]
    links.status = "BROKEN"
    assert shown() == [False, False, True, False]
    # Links in any order are listed by face part.
    face.voxrig.links.move(3, 0)
    links.status = "ALL"
    assert VOXRIG_UL_links.filter_items(links, bpy.context, face.voxrig, "links")[1] == [3, 0, 1, 2]


def test_the_order_of_the_panels(scene: Any) -> None:
    from voxrig.registration import PANELS

    panels = [cls for module in PANELS for cls in module.CLASSES if issubclass(cls, bpy.types.Panel)]
    below: dict[str, list[str]] = {}
    for panel in panels:
        below.setdefault(getattr(panel, "bl_parent_id", ""), []).append(panel.bl_label)
    assert below[""] == ["Voxrig"]
    order = ["Style", "Emotion", "Life", "Takes", "Dialogue", "Advanced"]
    assert [label for label in below["VOXRIG_PT_main"] if label in order] == order
    inside = ["Mapping", "Keys", "Output", "Regions", "Channels", "Model", "Learn a Show"]
    assert [label for label in below["VOXRIG_PT_advanced"] if label in inside] == inside
    outer = [panel for panel in panels if getattr(panel, "bl_parent_id", "") in ("VOXRIG_PT_main", "VOXRIG_PT_advanced")]
    assert all("DEFAULT_CLOSED" in panel.bl_options for panel in outer), "all but the first steps is closed"
