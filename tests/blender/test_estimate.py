# SPDX-License-Identifier: GPL-3.0-or-later
"""How many keys there would be is known before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import pytest
from characters import choose
from file_state import curves_of, fingerprint

pytestmark = pytest.mark.usefixtures("registered")


def test_an_estimate_writes_nothing_and_is_what_is_written(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.properties.settings import shown_estimate
    from voxrig.takes.hearing import forget_heard

    forget_heard()
    settings = choose(scene, face, voice, model_folder)
    settings.live_update = False
    settings.density = 3
    assert shown_estimate(scene) == ""  # no model runs for a slider
    before = fingerprint()
    assert bpy.ops.voxrig.estimate_keys() == {"FINISHED"}
    assert fingerprint() == before and not curves_of(face.data.shape_keys)
    estimate = shown_estimate(scene)
    assert "keys/s per control, largest error 0.0" in estimate
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert face.voxrig.takes[-1].density == estimate


def test_it_follows_the_sliders_and_never_shows_for_another_choice(
    scene: Any, face: Any, voice: Path, model_folder: Path
) -> None:
    from voxrig.properties.settings import shown_estimate

    settings = choose(scene, face, voice, model_folder)
    settings.live_update = False
    bpy.ops.voxrig.estimate_keys()
    found = {4: shown_estimate(scene)}
    for density in (1, 7):
        settings.density = density
        found[density] = shown_estimate(scene)
    rates = {density: float(text.split()[0]) for density, text in found.items()}
    errors = {density: float(text.split()[-1]) for density, text in found.items()}
    assert rates[1] < rates[4] < rates[7] and errors[1] > errors[4] > errors[7]
    settings.start_frame = 50
    assert shown_estimate(scene) == ""
    settings.sound_file = "nothing.wav"
    settings.strength = 0.5
    assert shown_estimate(scene) == ""
