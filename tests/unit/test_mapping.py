# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels, targets and names."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.rig.mapping import (
    Link,
    Mapping,
    Target,
    apply_mapping,
    ease_channel,
    from_json,
    to_json,
)
from voxrig.errors import RigError

JAW = Target("KEY", "Key", 'key_blocks["jawOpen"].value')
BONE = Target("OBJECT", "Rig", 'pose.bones["Kiefer ü"]["auf"]')
TURN = Target("OBJECT", "Rig", 'pose.bones["head"].rotation_euler', 2)
MAPPING = Mapping(
    (
        Link("jawOpen", JAW, 0.5, 0.1, 0.0, 1.0),
        Link("jawOpen", BONE, rest=1.0, ease=-0.5, confidence="LIKELY"),
        Link("headYaw", TURN, enabled=False),
    )
)


def test_json_keeps_everything() -> None:
    assert from_json(to_json(MAPPING)) == MAPPING
    assert from_json(to_json(Mapping())) == Mapping()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda data: data.update(version=2), "version 2"),
        (lambda data: data.update(format="other"), "not a Voxrig mapping"),
        (lambda data: data.update(links=None), "no list of links"),
        (lambda data: data["links"][1].pop("channel"), "link 2 lacks 'channel'"),
        (lambda data: data["links"][0].update(gain="much"), "'gain' of link 1"),
        (lambda data: data["links"][0].update(gain=float("nan")), "'gain' of link 1"),
        (lambda data: data["links"][0].update(enabled=1), "'enabled' of link 1"),
        (lambda data: data["links"][0].update(colour="red"), "'colour'"),
        (lambda data: data["links"][1].update(confidence="maybe"), "'confidence' of link 2"),
        (lambda data: data["links"][0]["target"].pop("data_path"), "target of link 1 lacks 'data_path'"),
        (lambda data: data["links"][2].update(target=[]), "'target' of link 3"),
    ],
)
def test_damaged_files_are_named(change: Callable[[dict], object], named: str) -> None:
    data = json.loads(to_json(MAPPING))
    change(data)
    with pytest.raises(RigError) as caught:
        from_json(json.dumps(data))
    assert named in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(RigError):
        from_json(text)


def test_links_add_up_and_are_clamped() -> None:
    curves = ChannelCurves(("a", "b"), 50.0, np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]), 2.0)
    mapping = Mapping(
        (Link("a", JAW, gain=2.0, offset=-0.5, minimum=0.0), Link("b", JAW, maximum=1.5), Link("b", BONE, gain=-1.0))
    )
    result = apply_mapping(mapping, curves)
    assert result.targets == (JAW, BONE)
    assert result.values.tolist() == [[0.0, 0.0], [1.0, -0.5], [1.5, -1.0]]
    assert (result.frame_rate, result.start_seconds) == (50.0, 2.0)


def test_a_file_from_before_rest_and_ease_is_read() -> None:
    data = json.loads(to_json(MAPPING))
    for link in data["links"]:
        for name in ("rest", "ease", "confidence"):
            del link[name]
    links = from_json(json.dumps(data)).links
    assert links[0] == MAPPING.links[0]
    assert (links[1].rest, links[1].ease, links[1].confidence) == (0.0, 0.0, "SURE")


def test_the_rest_of_a_target_counts_once() -> None:
    curves = ChannelCurves(("a", "b"), 50.0, np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]))
    mapping = Mapping((Link("a", JAW, gain=0.5, rest=1.0), Link("b", JAW, gain=-0.25, rest=1.0), Link("b", BONE, ease=1.0)))
    assert apply_mapping(mapping, curves).values.tolist() == [[1.0, 0.0], [1.5, 0.0], [1.25, 1.0]]


@pytest.mark.parametrize("ease", [-1.0, -0.3, 0.0, 0.3, 1.0])
def test_ease_bends_between_its_ends(ease: float) -> None:
    given = np.linspace(-1.5, 1.5, 3001)
    bent = ease_channel(given, ease)
    assert np.interp([-1.0, 0.0, 1.0], given, bent).tolist() == pytest.approx([-1.0, 0.0, 1.0], abs=1e-9)
    slope = np.gradient(bent, given)
    assert (slope > 0).all() and slope[-1] == pytest.approx(4.0**ease)
    assert slope[1500] == pytest.approx(4.0**-ease, rel=0.01)
    np.testing.assert_allclose(bent, -bent[::-1], atol=1e-12)


def test_links_that_are_off_or_unknown_take_no_part() -> None:
    curves = ChannelCurves(("jawOpen",), 50.0, np.ones((2, 1)))
    mapping = Mapping((*MAPPING.links, Link("unknown", TURN)))
    assert apply_mapping(mapping, curves).targets == (JAW, BONE)
    with pytest.raises(RigError, match="drives nothing"):
        apply_mapping(Mapping(MAPPING.links[2:]), curves)
    with pytest.raises(RigError, match="exclude each other"):
        apply_mapping(Mapping((Link("jawOpen", JAW, minimum=1.0, maximum=0.0),)), curves)
