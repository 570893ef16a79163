# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: the tab in German, with every panel open."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver


def scenario() -> driver.Steps:
    view = bpy.context.preferences.view
    for language in ("de_DE", "de"):  # as Blender's versions call it
        try:
            view.language = language
            break
        except TypeError:
            continue
    view.use_translate_interface = view.use_translate_tooltips = True
    translations = bpy.app.translations
    driver.note(
        language=view.language,
        label=translations.pgettext_iface("Articulation"),
        lead=translations.pgettext_iface("Lead", "Voxrig"),
        to=translations.pgettext_iface("To", "Voxrig"),
        button=translations.pgettext_iface("Animate from Audio", translations.contexts.operator_default),
    )
    bpy.context.scene.voxrig.character = bpy.data.objects["Face"]
    yield from driver.open_tab("Voxrig")
    yield from driver.settle()
    driver.picture("1-top")
    yield from driver.scroll_sidebar(40)
    driver.picture("2-bottom")


driver.play(scenario)
