# SPDX-License-Identifier: GPL-3.0-or-later
"""The preset files, and what happens to damaged ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from voxrig.animation.face.channels import face_channel_names
from voxrig.animation.rig.presets import PresetControl, bundled_presets, load_presets
from voxrig.errors import RigError

# Gaze has no channel in the bundled model yet, but models may have it.
GAZE = {f"eyeLook{way}{side}" for way in ("Up", "Down", "In", "Out") for side in ("Left", "Right")}

SMALL: dict[str, Any] = {
    "format": "voxrig-preset",
    "version": 1,
    "family": "small",
    "title": "Small",
    "sources": ["made for this test"],
    "unit": ["lips.L", "lips.R"],
    "links": {
        "jawOpen": "Open|Mouth",
        "mouthSmile*": {"Smile_<L|R>": 0.5},
        "cheekPuff": ["Puff_L", "Puff_R"],
        "mouthStretch*": {"lips.<L|R>": {"move": [0.2, 0.1, -0.3]}},
        "jawLeft": {"jaw": {"turn": [1, 2, 3]}},
        "mouthPress*": {"lid.<L|R>": {"turn": [1, 2, 3], "gain": 1}},
    },
}


def write(folder: Path, document: dict[str, Any], name: str = "small.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_bundled_presets_are_whole() -> None:
    presets = bundled_presets()
    known = {*face_channel_names(), *GAZE}
    assert len(presets) >= 24 and len({preset.family for preset in presets}) == len(presets)
    for preset in presets:
        assert preset.title and preset.sources and preset.links
        assert {*preset.links, *preset.made_up} <= known, preset.family
        # A side that was not spelled out would be looked for by its pattern.
        names = [name for controls in preset.links.values() for control in controls for name in control.names]
        assert not [name for name in names if "<" in name or ">" in name]
        spoken = {"jawOpen"} if preset.mouth == "face" else {"viseme_aa"}
        assert spoken <= {*preset.links, *preset.made_up}, preset.family


def test_short_forms_are_spelled_out(tmp_path: Path) -> None:
    (preset,) = load_presets([write(tmp_path, SMALL)])
    assert preset.links["jawOpen"] == (PresetControl(("Open", "Mouth")),)
    assert preset.links["mouthSmileRight"] == (PresetControl(("Smile_R",), gain=0.5),)
    assert [control.names[0] for control in preset.links["cheekPuff"]] == ["Puff_L", "Puff_R"]
    # The right side is the left one in a mirror.
    assert preset.links["mouthStretchLeft"][0].move == (0.2, 0.1, -0.3)
    assert preset.links["mouthStretchRight"][0].move == (-0.2, 0.1, -0.3)
    assert preset.links["jawLeft"][0].turn == (1, 2, 3)
    assert preset.links["mouthPressRight"][0].turn == (1, -2, -3)


def test_a_control_may_have_a_measure_and_a_pivot_of_its_own(tmp_path: Path) -> None:
    lids = {
        "lid.<L|R>": {"move": [0, 0, -1], "unit": ["up.<L|R>", "low.<L|R>"]},
        "lip.<L|R>": {"turn": [1, 2, 0], "about": "jaw"},
    }
    document = {**SMALL, "links": {"eyeBlink*": lids}}
    links = load_presets([write(tmp_path, document)])[0].links
    assert links["eyeBlinkRight"] == (
        PresetControl(("lid.R",), move=(0, 0, -1), unit=("up.R", "low.R")),
        PresetControl(("lip.R",), turn=(1, -2, 0), about="jaw"),
    )


def test_a_preset_like_another(tmp_path: Path) -> None:
    other = SMALL | {
        "family": "other",
        "like": ["small"],
        "links": {"jawOpen": "Mund"},
        "made_up": {"cheekPuff": "a", "tongueOut": "b"},
    }
    presets = {p.family: p for p in load_presets([write(tmp_path, SMALL), write(tmp_path, other, "other.json")])}
    assert presets["other"].links["jawOpen"] == (PresetControl(("Mund",)),)
    assert presets["other"].links["cheekPuff"] == presets["small"].links["cheekPuff"]
    assert set(presets["other"].made_up) == {"tongueOut"}  # nothing is made up that has a control


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: data.update(version=9), "version 1"),
        (lambda data: data.update(format="other"), "not a Voxrig preset"),
        (lambda data: data.update(colour="red"), "'colour'"),
        (lambda data: data.update(title=7), "'title'"),
        (lambda data: data.pop("sources"), "'sources'"),
        (lambda data: data.update(sources=[]), "'sources'"),
        (lambda data: data.update(mouth="nose"), "'mouth'"),
        (lambda data: data.update(least=2), "'least'"),
        (lambda data: data.update(spellings=["("]), "not a valid pattern"),
        (lambda data: data.update(spellings=["a.*"]), "group 'name'"),
        (lambda data: data.update(unit=["jaw"]), "'unit'"),
        (lambda data: data.pop("unit"), "'unit' is missing"),
        (lambda data: data.update(links={}), "links nothing"),
        (lambda data: data.update(links=[]), "not an object"),
        (lambda data: data.update(like=["nobody"]), "'nobody'"),
        (lambda data: data.update(like=["small"]), "'small'"),
        (lambda data: data["links"].update(jawOpen=[]), "jawOpen"),
        (lambda data: data["links"].update(jawOpen=""), "jawOpen"),
        (lambda data: data["links"].update(jawOpen={"a||b": 1}), "no name"),
        (lambda data: data["links"].update(jawOpen={"a": "much"}), "not an object"),
        (lambda data: data["links"].update(jawOpen={"a": {"gain": "much"}}), "not a number"),
        (lambda data: data["links"].update(jawOpen={"a": {"move": [1, 2]}}), "three numbers"),
        (lambda data: data["links"].update(jawOpen={"a": {"size": 1}}), "'size'"),
        (lambda data: data["links"].update(jawOpen={"a": {"move": [1, 0, 0], "unit": ["b"]}}), "two bones"),
        (lambda data: data["links"].update(jawOpen={"a": {"turn": [1, 0, 0], "unit": ["b", "c"]}}), "'unit' belongs"),
        (lambda data: data["links"].update(jawOpen={"a": {"move": [1, 0, 0], "about": "b"}}), "'about'"),
        (lambda data: data["links"].update(jawOpen={"a": {"turn": [1, 0, 0], "about": ""}}), "'about'"),
    ],
)
def test_damaged_presets_are_named(tmp_path: Path, change: Callable[[dict[str, Any]], object], named: str) -> None:
    document = json.loads(json.dumps(SMALL))
    change(document)
    with pytest.raises(RigError) as caught:
        load_presets([write(tmp_path, document)])
    assert named in str(caught.value)


def test_files_that_are_no_presets(tmp_path: Path) -> None:
    path = tmp_path / "small.json"
    for text in ("", "{", "[]", "7"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(RigError):
            load_presets([path])
    with pytest.raises(RigError, match="cannot be read"):
        load_presets([tmp_path / "none.json"])
    with pytest.raises(RigError, match="repeats"):
        load_presets([write(tmp_path, SMALL), write(tmp_path, SMALL, "again.json")])
