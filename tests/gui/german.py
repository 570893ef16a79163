# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: the tab in German, and each of its panels open, at the width in which the sidebar opens."""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver


def scenario() -> driver.Steps:
    bpy.context.preferences.use_preferences_save = False  # the next scenario speaks English
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
    taken: list[str] = []

    def show(label: str) -> None:
        driver.picture(driver.slug(label))
        taken.append(label)

    yield from driver.show_each_panel(show)
    driver.note(taken=taken)


driver.play(scenario)
