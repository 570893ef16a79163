# SPDX-License-Identifier: GPL-3.0-or-later
"""The dope sheet of a real take: the types of its keys, and closures that no step between keys loses."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
import pytest
from characters import animate
from demo_speech import CHANNELS, MODEL, SPEECH
from keyframes import evaluate
from voxrig.animation.face.lips import GAP_CENTIMETRES, lip_gap, seal_limit

pytestmark = pytest.mark.usefixtures("registered")

CLOSING = [name for name in CHANNELS if name in GAP_CENTIMETRES]


@pytest.fixture
def head(make_face: Any) -> Any:
    """A face with every channel of the bundled model."""
    return make_face("Head", CHANNELS)


def shown_gap(head: Any, frames: np.ndarray) -> np.ndarray:
    """Return the gap between the lips as Blender shows it, ``[frame]``."""
    values = np.stack([evaluate(head.data.shape_keys, name, frames) for name in CLOSING], axis=1)
    return lip_gap(values, CLOSING)


@pytest.mark.parametrize("mode", ["SPARSE", "EVERY", "STEP", "POSES"])
def test_the_dope_sheet_tells_closures_and_vowels_from_other_keys(scene: Any, head: Any, mode: str) -> None:
    from voxrig.blender import compat

    take = animate(scene, head, SPEECH, MODEL, keys=mode)
    placing = take.dense.placing
    assert len(placing.extremes) > 10 and len(placing.breakdowns) > 10
    kinds = {item.identifier for item in bpy.types.Keyframe.bl_rna.properties["type"].enum_items}
    generated = "GENERATED" if "GENERATED" in kinds else "JITTER"
    # Late builds of 4.2 have it as well.
    assert generated == "GENERATED" or bpy.app.version < (4, 3)
    # Lips can be sealed while the jaw is lowest; then it is the closure that counts.
    expected = dict.fromkeys(placing.breakdowns, "BREAKDOWN") | dict.fromkeys(placing.extremes, "EXTREME")
    seen = set()
    for fcurve in compat.curves_of(head.data.shape_keys):
        for key in fcurve.keyframe_points:
            assert key.type == expected.get(key.co[0], generated), (fcurve.data_path, key.co[0])
            seen.add(key.type)
    assert {"EXTREME", "BREAKDOWN"} <= seen
    curve = compat.curves_of(head.data.shape_keys).find('key_blocks["jawOpen"].value')
    on_jaw = {key.co[0]: key.type for key in curve.keyframe_points}
    assert set(placing.breakdowns) <= set(on_jaw), "every apex is a key of the jaw"
    assert np.all(shown_gap(head, np.array(placing.extremes)) < 0.2), "closures are closed"


@pytest.mark.parametrize(("step", "phase"), [(2, 0), (3, 1), (4, 2)])
def test_on_twos_and_threes_no_closure_is_lost(scene: Any, make_face: Any, step: int, phase: int) -> None:
    dense, stepped = make_face("Dense", CHANNELS), make_face("Stepped", CHANNELS)
    closures = np.array(animate(scene, dense, SPEECH, MODEL, keys="EVERY").dense.placing.extremes)
    take = animate(scene, stepped, SPEECH, MODEL, keys="STEP", key_step=step, key_phase=phase)
    gap = shown_gap(dense, take.dense.frames)
    limit = seal_limit(gap[:, None] / GAP_CENTIMETRES["jawOpen"], ["jawOpen"])
    keyed = take.dense.frames[take.dense.placing.frames_among(take.dense.frames)]
    # What plain steps would show: closures between them are open on the keys to both sides.
    lost = [frame for frame in closures if gap[np.isin(take.dense.frames, keyed)][np.abs(keyed - frame) < step].min() > limit]
    assert lost, "the speech has closures that such steps miss"
    shown = shown_gap(stepped, keyed)
    for frame in closures:
        near = np.abs(keyed - frame) <= step / 2
        assert shown[near].min() <= limit, f"the closure on frame {frame} is open on {keyed[near]}"
