# SPDX-License-Identifier: GPL-3.0-or-later
"""A short random walk (random_walk.py): an artist does anything in any order, and no key of theirs is lost."""

from __future__ import annotations

import os
from pathlib import Path

import bpy
import numpy as np
import pytest
from random_walk import walk
from voxrig.blender.compat import curves_of

pytestmark = pytest.mark.usefixtures("registered")


def test_no_key_is_lost_on_a_random_walk(voice: Path, model_folder: Path, tmp_path: Path) -> None:
    # VOXRIG_STEPS=5000 for a longer one; random_walk.py takes them from the command line.
    steps = int(os.environ.get("VOXRIG_STEPS", "150"))
    artist = walk(7, steps, voice, model_folder, tmp_path, print)
    assert sum(artist.counts.values()) == steps
    # Of the generated keys that nobody touched hardly any counts as edited.
    assert artist.looked_at > 100 * steps and artist.spurious < 0.02 * artist.looked_at


def test_marks_do_not_show_in_any_interpolation(scene: object, face: bpy.types.Object) -> None:
    """The mark of a key is its amplitude; Elastic must look as with the amplitude 0 that keys without marks have."""
    from voxrig.animation.keys.reduction import reduce_to_keys
    from voxrig.animation.rig.mapping import Target
    from voxrig.blender import actions

    frames = np.arange(1.0, 40.0)
    keyed = reduce_to_keys(frames, 0.5 + 0.5 * np.sin(frames / 3.0)[:, None], 0.01)[0]
    keys = face.data.shape_keys
    actions.write_target_curves([(Target("KEY", keys.name, 'key_blocks["jawOpen"].value'), keyed)], 1, 39)
    (curve,) = curves_of(keys)
    marks = [key.amplitude for key in curve.keyframe_points]
    assert min(marks) > 0 and max(marks) < 1e-10 and len(set(marks)) == len(marks)
    between = np.arange(1.0, 39.0, 0.25)
    for kind in ("BEZIER", "ELASTIC", "BACK", "BOUNCE"):
        for key in curve.keyframe_points:
            key.interpolation = kind
        shown = []
        for clear in (False, True):
            for key, mark in zip(curve.keyframe_points, marks):
                key.amplitude = 0.0 if clear else mark
            shown.append([curve.evaluate(frame) for frame in between])
        np.testing.assert_allclose(shown[0], shown[1], atol=1e-6)
        assert np.ptp(shown[0]) > 0.5
