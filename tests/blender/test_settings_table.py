# SPDX-License-Identifier: GPL-3.0-or-later
"""Each setting in turn, in Blender: the scene's property, the Redo panel and the basis of the estimate follow the table."""

from typing import Any

import pytest
from setting_examples import example_number, example_text
from voxrig.takes.settings import WRITING, Scope, Setting, list_settings

pytestmark = pytest.mark.usefixtures("registered")

ROWS = [row for row in (*list_settings(), *list_settings(Scope)) if row.panel and row.kind != "models"]


def change(settings: Any, row: Setting) -> Any:
    """Set the property of a setting to its example; return what ``read_settings`` must say, None for a setting of Scope."""
    if row.name == "channels":
        item = settings.channels.add()
        item.channel, item.gain, item.offset = "mouthPucker", 0.75, 0.125
        return {"mouthPucker": (0.75, 0.125)}
    if row.kind == "emotions":
        settings.emotions["joy"].weight = 0.5
        return {**{item.name: 0.0 for item in settings.emotions}, "joy": 0.5}
    if row.name in ("emotion_first", "emotion_last", "emotion_fade"):
        settings.use_emotion_range = True
        setattr(settings, row.panel, 7)
        return 7.0
    if row.kind == "switch":
        setattr(settings, row.panel, not row.default)
        return not row.default
    if row.kind in ("text", "script"):
        setattr(settings, row.panel, example_text(row))
        return example_text(row)
    if row.kind == "choice":
        value: Any = example_text(row).upper().replace("-", "_")
        setattr(settings, row.panel, value)
        return value
    number = 0.5 if row.kind == "emotion" else example_number(row)
    name = f"brows_{row.panel}" if row.regions else row.panel
    setattr(settings, name, int(number) if row.kind == "whole" else number * row.panel_divisor)
    return {"brows": number} if row.regions else number


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_changed_property_is_the_setting_and_an_estimate_knows_it(scene: Any, row: Setting) -> None:
    from voxrig.operators.redo import SLIDERS
    from voxrig.properties.access import scene_settings
    from voxrig.properties.models import offer_emotions
    from voxrig.properties.settings import estimate_basis, read_settings

    settings = scene_settings(scene)
    offer_emotions(settings)
    before, basis = read_settings(scene), estimate_basis(scene)
    wanted = change(settings, row)
    after = read_settings(scene)
    if row in list_settings():
        found = getattr(after, row.name)
        assert found == (pytest.approx(wanted) if row.kind not in ("choice", "channels", "text", "script") else wanted)
        assert found != getattr(before, row.name)
    assert (estimate_basis(scene) != basis) == (row.step != WRITING)
    if row.redo:
        shown = row.shortcuts if row.regions else ("",)
        assert all((f"{region}_{row.panel}" if region else row.panel) in SLIDERS for region in shown)
