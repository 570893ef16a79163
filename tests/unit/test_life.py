# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a head: what is planned from speech, what chance may change, and what is rendered on frames."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from babble import RATE, silence, speech, syllable
from hypothesis import given, settings
from hypothesis import strategies as st
from voxrig.animation.face.channels import REGIONS
from voxrig.animation.keys.reduction import evaluate_keys, reduce_to_keys
from voxrig.animation.life.channels import CHANNELS, LOOK_RANGES
from voxrig.animation.life.cues import Cue
from voxrig.animation.life.events import PARTS, of_part
from voxrig.animation.life.gaze import DEGREE, saccade_seconds
from voxrig.animation.life.noise import Dice, draw, drift, make_key
from voxrig.animation.life.outbursts import laughing_share
from voxrig.animation.life.planning import Life, find_marks, plan_life
from voxrig.animation.life.rendering import blink_frames, render_life
from voxrig.animation.life.stage import LifeSettings, Target, load_manners, temperaments
from voxrig.animation.speech.events import find_events, join_events


def state(life: Life) -> dict[str, str]:
    return {part: repr(of_part(life.events, part)) for part in PARTS}


def rate_of_blinks(life: Life) -> float:
    return len(of_part(life.events, "blinks")) / life.stage.seconds * 60


def test_chance_is_the_same_for_one_and_for_many() -> None:
    key = make_key(3, "blinks", 7)
    dice = Dice(key, 1.25)
    assert [dice.uniform() for _ in range(4)] == draw(key, 1250 * 64 + np.arange(1, 5)).tolist()
    assert make_key(3, "blinks", 7) != make_key(3, "blinks", 8)
    numbers = draw(key, np.arange(20_000))
    assert numbers.min() >= 0.0
    assert numbers.max() < 1.0
    assert np.histogram(numbers, 10)[0] == pytest.approx(2000, abs=200)


@given(first=st.floats(-20, 500), period=st.floats(0.5, 5.0))
@settings(max_examples=30, deadline=None)
def test_drift_depends_on_the_instant_only_and_never_jumps(first: float, period: float) -> None:
    at = first + np.arange(400) * 0.02
    whole = drift(5, at, period)
    assert np.allclose(whole[100:], drift(5, at[100:], period), atol=1e-9)
    assert np.abs(np.diff(whole)).max() <= 1.5 * 5.0 * 0.02 / (0.5 * period) + 1e-9


def test_the_same_seed_returns_the_same_bytes() -> None:
    lives = [plan_life(speech(), LifeSettings(11)) for _ in range(2)]
    assert state(lives[0]) == state(lives[1])
    first, second = (render_life(life, 24.0) for life in lives)
    assert first.curves.values.tobytes() == second.curves.values.tobytes()
    assert state(plan_life(speech(), LifeSettings(12))) != state(lives[0])


@pytest.mark.parametrize("part", PARTS)
def test_a_part_changes_nothing_but_itself(part: str) -> None:
    before = state(plan_life(speech(), LifeSettings(4)))
    rolled = state(plan_life(speech(), LifeSettings(4, rolls={part: 1})))
    louder = state(plan_life(speech(), LifeSettings(4, amounts={part: 0.5})))
    none = plan_life(speech(), LifeSettings(4, amounts={part: 0.0}))
    for other in PARTS:
        assert (rolled[other] == before[other]) == (other != part), other
        assert (louder[other] == before[other]) == (other != part), other
    assert not of_part(none.events, part)


def test_a_changed_end_keeps_the_beginning() -> None:
    first, second = (plan_life(speech(40.0, 0, changed), LifeSettings(2)) for changed in (math.inf, 30.0))
    early = [[event for event in life.events if event.end < 22.0] for life in (first, second)]
    assert len(early[0]) > 40
    assert repr(early[0]) == repr(early[1])
    shown = [render_life(life, 24.0).curves.values[: 24 * 20] for life in (first, second)]
    assert np.abs(shown[0] - shown[1]).max() < 2e-3
    assert repr(first.events) != repr(second.events)


def test_blinks_keep_to_the_bands() -> None:
    lives = [plan_life(speech(120.0, seed), LifeSettings(seed)) for seed in range(3)]
    assert 12 <= np.mean([rate_of_blinks(life) for life in lives]) <= 32
    listening = plan_life(silence(120.0), LifeSettings(1), partner=speech(120.0))
    assert 8 <= rate_of_blinks(listening) <= 20
    intervals = np.concatenate([np.diff([event.seconds for event in of_part(life.events, "blinks")]) for life in lives])
    assert intervals.min() > 0.41
    assert np.mean(intervals < 7.6) > 0.9
    near = [
        any(abs(event.anchor - phrase.end) <= 0.4 for phrase in life.stage.speech.phrases)
        or any(pause.start <= event.anchor <= pause.end for pause in life.stage.speech.pauses)
        or any(abs(event.anchor - look.seconds) < 0.4 and look.size > 8 * DEGREE for look in of_part(life.events, "gaze"))
        for life in lives
        for event in of_part(life.events, "blinks")
    ]
    assert np.mean(near) > 0.7


def test_a_tense_voice_presses_the_brows() -> None:
    tension = np.zeros(401)
    tension[50:90] = 0.5
    tense = plan_life(speech(40.0), emotion={"anger": tension}, emotion_rate=10.0, tension=tension)
    frowns = [
        [event for event in of_part(life.events, "brows") if event.kind == "frown"] for life in (plan_life(speech(40.0)), tense)
    ]
    assert len(frowns[1]) == len(frowns[0]) + 1
    (frown,) = (event for event in frowns[1] if 4.5 < event.seconds < 5.1)
    assert 0.15 < frown.tracks["browDownLeft"][1][1] < 0.45 and frown.end > 8.9
    lifted = [event for event in of_part(tense.events, "brows") if event.kind == "raise" and 5.0 < event.seconds < 8.5]
    assert all(event.tracks["browDownLeft"][1][1] > event.tracks["browInnerUp"][1][1] for event in lifted)


def test_a_listener_smiles_faintly_and_keeps_its_mouth() -> None:
    life = plan_life(silence(60.0), LifeSettings(1), partner=speech(60.0))
    smiles = [event for event in of_part(life.events, "face") if event.kind == "corner"]
    assert 2 <= len(smiles) <= 14
    assert all(any(0.0 < event.seconds - phrase.end < 0.7 for phrase in life.stage.partner.phrases) for event in smiles)
    curves = render_life(life, 24.0).curves
    assert 0.06 < curves.channel("mouthSmileLeft").max() < 0.4
    alone = plan_life(silence(60.0), LifeSettings(1))
    assert not of_part(alone.events, "face"), "nobody to smile at"


@pytest.mark.parametrize("seed", range(12))
def test_a_short_line_blinks(seed: int) -> None:
    for events in (speech(2.5, seed), silence(2.5)):
        assert of_part(plan_life(events, LifeSettings(seed), emotion={"fear": 1.0}).events, "blinks")


def test_feelings_change_the_manner() -> None:
    rates: dict[str, float] = {}
    for feeling in ("", "fear", "anger"):
        mix = {feeling: 1.0} if feeling else {}
        rates[feeling] = float(
            np.mean([rate_of_blinks(plan_life(speech(120.0), LifeSettings(i), emotion=mix)) for i in range(6)])
        )
    assert rates["fear"] < 0.5 * rates[""]
    assert 1.15 * rates[""] < rates["anger"] < 1.6 * rates[""]
    neutral, anger = (plan_life(speech(120.0), LifeSettings(1), emotion=mix) for mix in ({}, {"anger": 1.0}))
    accents = [event for event in of_part(anger.events, "brows") if event.kind == "raise"]
    assert accents
    assert all("browDownLeft" in event.tracks and "browInnerUp" not in event.tracks for event in accents)
    assert any("browInnerUp" in event.tracks for event in of_part(neutral.events, "brows"))
    with pytest.raises(KeyError, match="envy"):
        plan_life(speech(), emotion={"envy": 1.0})


def test_manners_are_complete() -> None:
    table = load_manners()
    assert set(temperaments()) == {"Calm", "Lively", "Nervous", "Child", "Elderly", "Weary"}
    for manner in table["emotions"].values():
        assert set(manner) <= set(table["default"])
    for amounts in temperaments().values():
        assert set(amounts) - {"articulation"} == set(PARTS)
        LifeSettings(amounts={part: amounts[part] for part in PARTS})


@pytest.mark.parametrize("bad", [{"ears": 1.0}, {"gaze": -0.1}, {"head": math.nan}])
def test_settings_are_checked(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="life has no part|is not 0 or more"):
        LifeSettings(amounts=bad)


def test_listeners_look_and_nod() -> None:
    life = plan_life(silence(120.0), LifeSettings(5), partner=speech(120.0))
    nods = [event for event in of_part(life.events, "head") if event.kind == "nod"]
    assert nods
    ends = np.array([phrase.end for phrase in speech(120.0).phrases])
    assert all(np.min(np.abs(ends - event.anchor)) < 1e-9 and 0.0 < event.seconds - event.anchor < 2.0 for event in nods)
    away = sum(
        second.seconds - first.seconds
        for first, second in itertools.pairwise([e for e in of_part(life.events, "gaze") if e.kind in ("glance", "back")])
        if first.kind == "glance"
    )
    assert away < 0.1 * life.stage.seconds


@pytest.mark.parametrize("fps", [1.0, 8.0, 12.0, 24.0, 24 / 1.001, 30.0, 60.0, 240.0])
def test_a_blink_is_fully_shut_at_any_frame_rate(fps: float) -> None:
    life = plan_life(speech(), LifeSettings(3))
    rendered = render_life(life, fps)
    for side in ("Left", "Right"):
        lid = rendered.curves.channel(f"eyeBlink{side}")
        shown, last = 0, -1
        for event in of_part(life.events, "blinks"):
            frames, _ = blink_frames(event, f"blink{side}", fps)
            if frames[0] < max(last, 0) or frames[-1] >= rendered.curves.frame_count:
                continue
            last = frames[-1]
            shown += 1
            assert lid[frames[1]] == 1.0
            assert rendered.keys[frames, rendered.curves.names.index(f"eyeBlink{side}")].all()
        assert shown >= (3 if fps == 1.0 else 10)
    with pytest.raises(ValueError, match="not positive"):
        render_life(life, 0.0)


def test_few_keys_hold_every_event() -> None:
    life = plan_life(speech(), LifeSettings(6))
    rendered = render_life(life, 24.0)
    frames = np.arange(rendered.curves.frame_count)
    keys = reduce_to_keys(frames, rendered.curves.values, 0.01, required=rendered.keys, coarser_steps=3)
    column = rendered.curves.names.index("eyeBlinkLeft")
    lid = evaluate_keys(keys[column], frames)
    for event in of_part(life.events, "blinks"):
        first, *_, last = blink_frames(event, "blinkLeft", 24.0)[0]
        if last < frames.size:
            assert lid[first : last + 1].max() > 0.99
            assert 3 <= np.sum((keys[column].frames >= first) & (keys[column].frames <= last)) <= 4
    yaw = keys[rendered.curves.names.index("leftEyeYaw")].frames
    counts = []
    for event in of_part(life.events, "gaze"):
        first = round(event.seconds * 24)
        last = first + max(1, round(saccade_seconds(event.size) * 24))
        counts.append(np.sum((yaw >= first) & (yaw <= last)))
    assert np.mean(counts) <= 2.0


def test_curves_keep_to_their_limits_and_regions() -> None:
    life = plan_life(speech(), LifeSettings(7, amounts=dict.fromkeys((*PARTS, "asymmetry"), 2.0)))
    curves = render_life(life, 24.0).curves
    for channel in CHANNELS:
        values = curves.channel(channel.name)
        assert np.isfinite(values).all()
        assert channel.minimum <= values.min()
        assert values.max() <= channel.maximum
        assert channel.region in REGIONS


def test_eyes_turn_against_the_head() -> None:
    """Without glances the eyes stay on somebody straight ahead within a little more than a degree, whatever the head does."""
    life = plan_life(speech(), LifeSettings(8, amounts={"gaze": 0.0}))
    curves = render_life(life, 24.0).curves
    for eye, axis in (("leftEyeYaw", "headYaw"), ("rightEyeYaw", "headYaw"), ("leftEyePitch", "headPitch")):
        assert curves.channel(axis).std() > 0.5 * DEGREE
        assert np.abs(curves.channel(eye) + curves.channel(axis)).max() < 1.5 * DEGREE
    out = curves.channel("eyeLookOutLeft") - curves.channel("eyeLookInLeft") * LOOK_RANGES["In"] / LOOK_RANGES["Out"]
    assert np.allclose(out, -curves.channel("leftEyeYaw") / LOOK_RANGES["Out"], atol=1e-5)


def test_wide_looks_turn_the_head_later_and_in_part() -> None:
    targets = (Target("Camera"), Target("Bob", yaw=0.6, distance=1.0))
    still = {"gaze": 0.0, "head": 0.0, "blinks": 0.0}
    life = plan_life(silence(8.0), LifeSettings(1, amounts=still), targets=targets, looks=((4.0, "Bob"),))
    curves = render_life(life, 48.0).curves
    head, eye = curves.channel("headYaw"), curves.channel("leftEyeYaw")
    assert abs(float(head[4 * 48])) < 0.01
    at_once = round(4.12 * 48)
    assert eye[at_once] > 0.5
    assert head[at_once] < 0.1
    assert 0.25 < head[6 * 48] < 0.45
    # Both eyes meet at the target, a metre away.
    right = curves.channel("rightEyeYaw")
    assert head[6 * 48] + 0.5 * (eye + right)[6 * 48] == pytest.approx(0.6, abs=0.03)
    assert (eye - right)[6 * 48] == pytest.approx(2 * math.atan(0.032), abs=0.02)
    with pytest.raises(KeyError, match="Eve"):
        plan_life(silence(8.0), targets=targets, looks=((1.0, "Eve"),))


def test_moving_an_event_moves_just_that() -> None:
    life = plan_life(speech(), LifeSettings(9))
    nod = next(event for event in life.events if event.kind == "nod" and 10.0 < event.seconds < 30.0)
    events = [event.moved(event.seconds + 0.5) if event is nod else event for event in life.events]
    before, after = (render_life(one, 24.0).curves for one in (life, life.with_events(events)))
    changed = np.flatnonzero(np.abs(before.channel("headPitch") - after.channel("headPitch")) > 1e-6) / 24
    assert nod.seconds - 0.1 <= changed.min()
    assert changed.max() <= nod.end + 0.6
    assert np.array_equal(before.channel("browInnerUp"), after.channel("browInnerUp"))


def test_lips_part_in_pauses_only() -> None:
    life = plan_life(speech(), LifeSettings(10))
    curves = render_life(life, 50.0).curves
    jaw = curves.channel("jawOpen")
    assert jaw.max() > 0.02
    for phrase in life.stage.speech.phrases:
        assert not jaw[math.ceil(phrase.start * 50) : math.floor(phrase.end * 50)].any()


def test_a_silent_line_lives_on() -> None:
    life = plan_life(silence(30.0), LifeSettings(1))
    kinds = {event.kind for event in life.events}
    assert {"blink", "glance", "inhale"} <= kinds
    inhales = sum(event.kind == "inhale" for event in life.events)
    assert 12 <= inhales * 2 <= 18
    assert render_life(life, 24.0).curves.channel("headYaw").std() > 0.3 * DEGREE


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.3])
def test_very_short_lines(seconds: float) -> None:
    rendered = render_life(plan_life(silence(seconds)), 24.0)
    assert np.isfinite(rendered.curves.values).all()
    assert rendered.curves.frame_count >= 1


def test_a_range_is_a_part_of_the_whole() -> None:
    life = plan_life(speech(), LifeSettings(4))
    whole = render_life(life, 24.0).curves
    part = render_life(life, 24.0, 240 / 24.0, 120).curves
    names = [name for name in whole.names if not name.startswith(("eyeLook", "leftEye", "rightEye", "eyeBlink", "eyeWide"))]
    assert np.allclose(whole.select(names).values[240:360], part.select(names).values, atol=1e-5)


def test_a_voice_that_leaps_up_lifts_the_brows() -> None:
    sizes: dict[float, list[float]] = {}
    for semitones in (2.0, 9.0):
        pieces: list[np.ndarray] = []
        for index in range(36):
            strong = index == 18
            hertz = 110.0 * (1.0 + 0.03 * math.sin(index)) * (2.0 ** (semitones / 12.0) if strong else 1.0)
            pieces += [syllable(hertz, 0.24 if strong else 0.14, 0.12 if strong else 0.05), np.zeros(800, np.float32)]
        sound = np.concatenate(pieces)
        at = sum(piece.size for piece in pieces[:36]) / RATE + 0.12
        events = find_events(sound + 1e-4 * np.random.default_rng(1).standard_normal(sound.size).astype(np.float32), RATE)
        for seed in range(8):
            curves = render_life(plan_life(events, LifeSettings(seed)), 48.0).curves
            rows = slice(round((at - 0.1) * 48), round((at + 0.5) * 48))
            sizes.setdefault(semitones, []).append(float(curves.channel("browInnerUp")[rows].max()))
    assert min(sizes[9.0]) > 0.25
    assert np.mean(sizes[2.0]) < 0.5 * np.mean(sizes[9.0])


@pytest.mark.parametrize(
    ("kind", "control", "least"),
    [
        ("laugh", "mouthSmileLeft", 0.4),
        ("gasp", "eyeWideRight", 0.3),
        ("sigh", "headPitch", 0.03),
        ("shout", "browDownLeft", 0.3),
    ],
)
def test_outbursts_have_shapes_of_their_own(kind: str, control: str, least: float) -> None:
    speech = join_events((), 6.0)
    plain = render_life(plan_life(speech), 25.0).curves
    told = render_life(plan_life(speech, cues=[Cue(kind, 2.0)]), 25.0).curves
    moved = told.channel(control) - plain.channel(control)
    assert moved[50:90].max() > least and np.abs(moved[:45]).max() < 1e-6 and np.abs(moved[125:]).max() < 1e-6
    still = LifeSettings(amounts={"face": 0.0})
    without = render_life(plan_life(speech, still, cues=[Cue(kind, 2.0)]), 25.0).curves
    np.testing.assert_array_equal(without.values, render_life(plan_life(speech, still), 25.0).curves.values)


def test_a_laugh_goes_by_its_bursts_and_not_by_visemes() -> None:
    speech = join_events((), 6.0)
    events = plan_life(speech, cues=[Cue("laugh", 2.0)]).events
    share = laughing_share(events, np.arange(150) / 25.0)
    assert share[60:75].max() < 0.3 and share[:45].min() == 1.0 and share[105:].min() == 1.0
    jaw = render_life(plan_life(speech, cues=[Cue("laugh", 2.0)]), 50.0).curves.channel("jawOpen")[95:180]
    peaks = np.flatnonzero((jaw[1:-1] > jaw[:-2]) & (jaw[1:-1] >= jaw[2:]))
    assert len(peaks) >= 4 and find_marks(events).count(("laugh", 2.0)) == 1
