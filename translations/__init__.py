# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages: one JSON file each, English text to translated text. English itself is in the source.

Error messages and reports are English everywhere, because people search for them and send them to each other.
"""

import json
from pathlib import Path

import bpy

CONTEXT = "Voxrig"
"""For words with another meaning in Blender: without it, Lead is the metal in German. It is spelled out where it is used."""

_FOLDER = Path(__file__).parent


def load_translations() -> dict[str, dict[tuple[str, str], str]]:
    """Load the table for ``bpy.app.translations``: by language, and then by context and English text.

    Names of operators have their own context in Blender, and so have Voxrig's names that Blender's translations take for
    something else (CONTEXT); each text is in all of them.
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
    """Remove the translations."""
    bpy.app.translations.unregister(__name__)
