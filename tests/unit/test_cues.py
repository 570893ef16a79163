# SPDX-License-Identifier: GPL-3.0-or-later
"""Cues: text, markers that were moved, deleted and added, and what they change in the plan of a head, and only that."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from babble import speech
from voxrig.animation.life.cues import Cue, parse_cue, revise_cues
from voxrig.animation.life.events import Event, of_part
from voxrig.animation.life.planning import Life, find_marks, instant_of, plan_life
from voxrig.animation.life.rendering import render_life
from voxrig.animation.life.stage import LifeSettings
from voxrig.animation.life.stage import Target as Seen
from voxrig.animation.rig.mapping import Link, Mapping, Target
from voxrig.inference.package import find_model, load_package
from voxrig.takes.curves import find_source, make_curves
from voxrig.takes.job import share_regions
from voxrig.takes.record import SoundFile
from voxrig.takes.settings import Scope, TakeSettings
from voxrig.takes.shaping import Part, Place

BOB = Seen("Bob", 0.4)


def plan(*cues: Cue, seed: int = 3) -> Life:
    return plan_life(speech(), LifeSettings(seed), targets=[Seen("camera"), BOB], cues=cues)


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of noise that comes and goes like syllables."""
    path = tmp_path_factory.mktemp("sounds") / "voice.wav"
    time = np.arange(2 * 16_000) / 16_000
    noise = 0.1 * np.random.default_rng(1).standard_normal(time.size) * (np.sin(2 * np.pi * 4 * time) > 0)
    soundfile.write(path, noise.astype(np.float32), 16_000)
    return path


def differing(first: Life, second: Life) -> list[Event]:
    """Return the events that only one of two lives has."""
    mine, theirs = ([repr(event) for event in life.events] for life in (first, second))
    return [one for one in (*first.events, *second.events) if (repr(one) in mine) != (repr(one) in theirs)]


@pytest.mark.parametrize(
    "text", ["nod@1.2", "look Bob@2.5", "look Bob the 2nd@2.5", "brows*0.5@3", "blink@2.4>3", "blink@2.4>", "accent@-0.25"]
)
def test_a_cue_is_read_as_it_is_written(text: str) -> None:
    assert str(parse_cue(text)) == text
    assert parse_cue(str(parse_cue(text))) == parse_cue(text)


@pytest.mark.parametrize(
    "text", ["nod", "dance@2", "look@2", "nod Bob@2", "nod@", "nod@nan", "nod@1e9", "blink@>", "nod@1@2", ""]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_cue(text)


@pytest.mark.parametrize("kind", ["blink", "nod", "beat", "brows"])
def test_a_cue_adds_its_event_and_changes_no_other(kind: str) -> None:
    before, after = plan(), plan(Cue(kind, 11.3))
    added = [event for event in after.events if repr(event) not in [repr(one) for one in before.events]]
    assert [instant_of(event) for event in added] == [pytest.approx(11.3, abs=1e-6)]
    removed = [event for event in differing(before, after) if event is not added[0]]
    assert all(kind == "blink" == event.kind and abs(event.seconds - 11.3) < 0.5 for event in removed)


@pytest.mark.parametrize("kind", ["blink", "nod", "brows"])
def test_a_marker_that_was_moved_or_deleted_changes_its_event_only(kind: str) -> None:
    before = plan()
    marks = find_marks(before.events)
    name, at = next(mark for mark in marks if mark[0] == kind and mark[1] > 6.0)
    gone = plan(*revise_cues((), marks, [mark for mark in marks if mark != (name, at)]))
    (lost,) = differing(before, gone)
    assert instant_of(lost) == pytest.approx(at)
    cues = revise_cues((), marks, [(name, at + 0.15) if mark == (name, at) else mark for mark in marks])
    assert cues == (Cue(kind, at + 0.15, replaces=at),)
    moved = plan(*cues)
    was, now = differing(before, moved)
    assert instant_of(now) - instant_of(was) == pytest.approx(0.15)
    assert now.tracks == was.tracks
    # Moved once more, and then deleted: the cue stands for the event as it was planned.
    written = find_marks(moved.events)
    here = next(mark for mark in written if mark[0] == name and mark[1] == pytest.approx(at + 0.15))
    again = revise_cues(cues, written, [(name, at + 0.4) if mark == here else mark for mark in written])
    assert again == (Cue(kind, at + 0.4, replaces=at),)
    assert revise_cues(again, [(name, at + 0.4)], []) == (Cue(kind, None, replaces=at),)


def test_markers_that_are_no_cues_are_ignored() -> None:
    assert revise_cues((), [], [("chorus", 2.0), ("look", 3.0), ("nod twice", 3.0)]) == ()
    assert revise_cues((), [], [("Look Bob", 2.0), ("blink", 3.0)]) == (Cue("look", 2.0, "Bob"), Cue("blink", 3.0))
    added = revise_cues((), [], [("nod", 4.0)])
    assert revise_cues(added, [("nod", 4.0)], []) == ()


def test_eyes_look_at_a_target_of_a_cue() -> None:
    life = plan(Cue("look", 20.0, "Bob"))
    rendered = render_life(life, 24.0)
    yaw = rendered.curves.channel("leftEyeYaw") + rendered.curves.channel("headYaw")
    assert yaw[24 * 24 : 24 * 30].mean() - yaw[24 * 14 : 24 * 19].mean() == pytest.approx(0.4, abs=0.12)
    assert ("look Bob", 20.0) in find_marks(life.events)
    with pytest.raises(KeyError):
        plan(Cue("look", 20.0, "Eve"))


def test_an_accent_of_a_cue_moves_head_or_brows_more_often() -> None:
    syllables = [one.middle for one in speech().syllables if one.prominence < 0.3][5::12]
    counts = []
    for cues in ((), [Cue("accent", at) for at in syllables]):
        near = 0
        for seed in range(12):
            events = plan(*cues, seed=seed).events
            tops = [event.anchor for part in ("head", "brows") for event in of_part(events, part)]
            near += sum(any(abs(top - at) < 0.02 for top in tops) for at in syllables)
        counts.append(near)
    assert counts[1] > counts[0] + 3 * len(syllables)


@pytest.mark.parametrize(
    ("parts", "regions"),
    [(("mouth",), {"jaw", "lips", "tongue"}), (("brows", "eyes"), {"brows", "eyes"}), (("breath",), {"head"})],
)
def test_curves_hold_the_chosen_parts_only(parts: tuple[str, ...], regions: set[str], voice: Path) -> None:
    package = load_package(find_model(None))
    settings, place = TakeSettings(provider="CPU", life=1.0), Place(0.0, package.frame_rate)
    source = find_source(SoundFile(str(voice)), package.folder, settings, place)
    curves, _ = make_curves(source, settings, place, scope=Scope(parts=parts))
    known = {channel.name: channel.region for channel in source.describe().channels}
    assert {known[name] for name in curves.names} == regions
    assert ("breath" in curves.names) == (parts == ("breath",))


def test_a_cue_after_the_end_of_the_sound_is_named(voice: Path) -> None:
    package = load_package(find_model("speech_fast"))
    cues = (Cue("nod", 1.0), Cue("nod", 999.0), Cue("style", 60.0, "furious"), Cue("blink", None, replaces=0.5))
    settings, place = TakeSettings(provider="CPU", cues=cues), Place(0.0, package.frame_rate)
    _, heard = make_curves(find_source(SoundFile(str(voice)), package.folder, settings, place), settings, place)
    late = [told for told in heard.warnings if "has no effect" in told]
    assert ["nod@999" in late[0], "style furious@60" in late[1], "at 2.00 s" in late[0], len(late)] == [True, True, True, 2]


def test_a_model_for_brows_has_these_instead_of_life(voice: Path) -> None:
    package = load_package(find_model(None))
    settings, place = TakeSettings(provider="CPU"), Place(0.0, package.frame_rate)
    source = find_source(SoundFile(str(voice)), package.folder, settings, place)
    names = ("browInnerUp", "browDownLeft", "eyeBlinkLeft", "headYaw", "jawOpen")
    targets = {name: Target("KEY", "Key", f'key_blocks["{name}"].value') for name in names}
    part = Part(source, Mapping(tuple(Link(name, target) for name, target in targets.items())))
    main, other = share_regions(part, [(part, ("brows",))], Scope())
    assert main.targets == {targets[name] for name in ("eyeBlinkLeft", "headYaw", "jawOpen")}
    assert other.targets == {targets["browInnerUp"], targets["browDownLeft"]}
