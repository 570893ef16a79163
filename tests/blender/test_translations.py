# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text of the interface is in every language. What Blender makes of it is seen in a real window: tests/gui."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import bpy
import pytest
from voxrig import registration

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = sorted((ROOT / "translations").glob("*.json"))


def properties_of(rna: Any) -> set[str]:
    """Return names and descriptions of what a class defines itself, with the items of its enumerations."""
    inherited = {prop.identifier for prop in rna.base.properties} if rna.base else {"rna_type"}
    texts: set[str] = set()
    for prop in rna.properties:
        if prop.identifier in inherited or prop.is_hidden:
            continue
        texts |= {prop.name, prop.description}
        if prop.type == "ENUM":
            texts |= {text for item in prop.enum_items_static for text in (item.name, item.description)}
    return texts


def texts_of_classes() -> set[str]:
    """Return every text that Blender knows of the registered classes."""
    texts: set[str] = set()
    for module in registration.MODULES:
        for cls in getattr(module, "CLASSES", ()):
            if issubclass(cls, bpy.types.Operator):
                operator = getattr(bpy.ops.voxrig, cls.bl_idname.partition(".")[2]).get_rna_type()
                texts |= {operator.name, operator.description} | properties_of(operator)
            elif issubclass(cls, (bpy.types.Panel, bpy.types.FileHandler)):
                texts.add(cls.bl_label)
            else:
                texts |= properties_of(cls.bl_rna)
    return texts


def texts_of_panels() -> set[str]:
    """Return every text that the panels' source gives to a layout, or looks up in the translations, as it stands there."""
    texts: set[str] = set()
    for path in (*sorted((ROOT / "panels").glob("*.py")), ROOT / "properties" / "preferences.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            given = [keyword.value for keyword in node.keywords if keyword.arg in ("text", "heading")]
            place = {"iface": 0, "draw_hint": 1, "draw_sentence": 1}.get(getattr(node.func, "id", ""))
            given += [] if place is None else node.args[place : place + 1]
            for value in given:
                branches = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
                texts |= {part.value for part in branches if isinstance(part, ast.Constant) and isinstance(part.value, str)}
                assert not any(isinstance(part, ast.JoinedStr) for part in branches), (
                    f"{path.name}:{value.lineno}: iface('...').format(...) can be translated, an f-string cannot"
                )
    return texts


def interface_texts() -> set[str]:
    """Return all texts to translate."""
    from voxrig.animation.face.expression import load_expressions

    emotions = {name.title() for name in load_expressions().emotions}
    texts = texts_of_classes() | texts_of_panels() | emotions
    return {text for text in texts if text.strip()}


@pytest.mark.parametrize("path", LANGUAGES, ids=lambda path: path.stem)
def test_a_language_is_complete(registered: None, path: Path) -> None:
    table = json.loads(path.read_text(encoding="utf-8"))
    wanted = interface_texts()
    assert len(wanted) > 200, "the texts were found at all"
    missing = sorted(wanted - set(table))
    assert not missing, f"{path.name} lacks:\n" + "\n".join(json.dumps(text, ensure_ascii=False) for text in missing)
    # Blender 4.2 and 4.3 have no slots, so nothing is said of them.
    left_over = sorted(set(table) - wanted) if hasattr(bpy.types, "ActionSlot") else []
    assert not left_over, f"{path.name} translates what nobody says:\n" + "\n".join(left_over)
    for english, text in table.items():
        assert text.strip() == text and text, english
        assert not text.endswith(".") or english.endswith("."), f"{text!r}: no full stop at the end"
        assert re.findall(r"{[^}]*}", text) == re.findall(r"{[^}]*}", english), f"{text!r}: other fields than in English"
    unlike = [english for english, text in table.items() if english != text]
    assert len(unlike) > 0.8 * len(table), "copied, not translated"


def test_there_is_a_language_and_blender_knows_it(registered: None) -> None:
    from voxrig.translations import load_translations

    assert [path.stem for path in LANGUAGES] == ["de"]
    table = load_translations()["de"]
    assert table["Operator", "Animate from Audio"] == table["*", "Animate from Audio"] != "Animate from Audio"
