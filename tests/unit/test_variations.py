# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes by seed, mixes of their parts, and parts that are drawn again."""

from __future__ import annotations

import numpy as np
import pytest
from test_life import speech
from voxrig.animation.life.channels import CHANNELS
from voxrig.animation.life.events import PARTS
from voxrig.animation.life.planning import plan_life
from voxrig.animation.life.rendering import render_life
from voxrig.errors import SettingError
from voxrig.takes.living import life_settings
from voxrig.takes.settings import TakeSettings
from voxrig.takes.variations import MOST_TAKES, mix, number_of, roll, vary

BASE = TakeSettings(life=1.0, life_seed=7)


def render(settings: TakeSettings) -> dict[str, np.ndarray]:
    curves = render_life(plan_life(speech(), life_settings(settings)), 24.0).curves
    return dict(zip(curves.names, curves.values.T))


def of_region(curves: dict[str, np.ndarray], region: str) -> np.ndarray:
    return np.stack([curves[channel.name] for channel in CHANNELS if channel.region == region])


def test_takes_differ_by_their_seeds_alone():
    takes = vary(BASE, 5)
    assert takes[0] == BASE
    assert [take.life_seed for take in takes] == [7, 8, 9, 10, 11]
    assert [take.life_seed for take in vary(TakeSettings(life=1.0, life_seed=999_999), 2)] == [999_999, 0]
    heads = [of_region(render(take), "head") for take in takes]
    assert all(np.abs(first - second).max() > 0.005 for i, first in enumerate(heads) for second in heads[:i])
    assert np.array_equal(of_region(render(vary(BASE, 5)[3]), "head"), heads[3])


def test_a_mix_has_exactly_the_brows_of_one_take_and_the_head_of_another():
    takes = vary(BASE, 4)
    # A head follows the wide looks of the eyes, so both come from one take here.
    made = render(mix(takes[0], {"brows": takes[1], "head": takes[3], "eyes": takes[3]}))
    first, second, fourth = (render(takes[index]) for index in (0, 1, 3))
    assert np.array_equal(made["browInnerUp"], second["browInnerUp"])
    assert np.array_equal(of_region(made, "head"), of_region(fourth, "head"))
    assert np.array_equal(made["eyeBlinkLeft"], fourth["eyeBlinkLeft"])
    assert np.array_equal(made["mouthSmileLeft"], first["mouthSmileLeft"])
    assert np.abs(made["browInnerUp"] - first["browInnerUp"]).max() > 0.01


def test_a_mix_keeps_the_amounts_of_its_parts():
    lively = TakeSettings(life=0.5, life_seed=3, life_brows=1.5)
    mixed = mix(TakeSettings(life=1.0, life_seed=9), {"brows": lively})
    assert (mixed.life, mixed.life_brows, mixed.life_head) == (1.0, 0.75, 1.0)
    assert number_of(mixed, "brows") == 3
    assert number_of(mixed, "head") == 9


def test_a_mix_of_takes_far_apart_is_a_take_with_ordinary_numbers():
    mixed = mix(TakeSettings(life=1.0, life_seed=999_990), {"head": TakeSettings(life=1.0, life_seed=4), "eyes": BASE})
    assert (number_of(mixed, "head"), number_of(mixed, "brows"), number_of(mixed, "gaze")) == (4, 999_990, 7)
    assert all(0 <= getattr(mixed, f"life_{part}_roll") < 1_000_000 for part in PARTS)


def test_a_part_that_is_drawn_again_is_unlike_that_of_every_take():
    takes = vary(BASE, 4)
    rolled = roll(takes[1], ["brows"], takes)
    made = render(rolled)
    assert all(np.abs(made["browInnerUp"] - render(take)["browInnerUp"]).max() > 0.005 for take in takes)
    assert np.array_equal(of_region(made, "head"), of_region(render(takes[1]), "head"))


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: vary(TakeSettings(life=0.0), 3), "set Life above 0"),
        (lambda: vary(BASE, 0), f"1 to {MOST_TAKES}"),
        (lambda: vary(BASE, MOST_TAKES + 1), f"1 to {MOST_TAKES}"),
        (lambda: mix(BASE, {"ears": BASE}), "no part 'ears'"),
        (lambda: roll(BASE, ["ears"]), "no part 'ears'"),
        (lambda: roll(TakeSettings(life=0.0), ["brows"]), "set Life above 0"),
        (lambda: mix(TakeSettings(life=0.5), {"brows": TakeSettings(life=2.0, life_brows=2.0)}), "cannot be mixed"),
    ],
)
def test_what_cannot_be_varied_is_refused_in_a_sentence(make, words):
    with pytest.raises(SettingError, match=words) as caught:
        make()
    assert not str(caught.value).endswith(".")
