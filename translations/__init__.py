# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages: one JSON file each, English text to translated text. English itself is in the source.

Error messages and reports are English everywhere: they are what people look up and send to each other.
"""

import json
from pathlib import Path

import bpy

CONTEXT = "Voxrig"
"""For words that mean something else in Blender: without it, Lead is the metal in German. Written out where it is used."""

_FOLDER = Path(__file__).parent


def load_translations() -> dict[str, dict[tuple[str, str], str]]:
    """What ``bpy.app.translations`` wants: by language, and there by context and English text.

    Names of operators have a context of their own in Blender, and so have ours that Blender's own translations take for
    something else (CONTEXT); each text stands in all of them.
    """
    contexts = ("*", bpy.app.translations.contexts.operator_default, CONTEXT)
    languages: dict[str, dict[tuple[str, str], str]] = {}
    for path in sorted(_FOLDER.glob("*.json")):
        texts: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        languages[path.stem] = {(context, english): text for english, text in texts.items() for context in contexts}
    return languages


def register() -> None:
    """Let Blender translate the interface."""
    bpy.app.translations.register(__name__, load_translations())  # pyright: ignore[reportArgumentType]


def unregister() -> None:
    """Take the translations back."""
    bpy.app.translations.unregister(__name__)
