# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of the articulation rules that hold for every string of phones."""

import copy

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from voxrig.animation.face import lips
from voxrig.animation.face.articulation import articulate, build_rules, default_rules, load_settings
from voxrig.animation.face.channels import face_channels
from voxrig.animation.face.phones import PHONES, SILENCE, VOWELS, TimedPhone

RATE = 50.0
BILABIALS = ("P", "B", "M")
TONGUE = ("T", "D", "K", "G", "N", "NG", "S", "Z", "SH", "ZH", "CH", "JH", "L", "R", "TH", "DH", "HH")
VISEMES = [index for index, channel in enumerate(face_channels()) if channel.group == "viseme"]


def say(text: str, seconds: float = 0.1, before: float = 0.6) -> list[TimedPhone]:
    """Return phones of one length each, after silence."""
    return [TimedPhone(phone, before + i * seconds, before + (i + 1) * seconds) for i, phone in enumerate(text.split())]


def animate(phones, after=0.6, **more):
    return articulate(phones, RATE, phones[-1].end + after, **more)


@st.composite
def spoken(draw):
    """Draw random phones of 40 to 200 ms with vowels, as in speech, between silences."""
    now = draw(st.floats(0.0, 0.8))
    phones = []
    for phone in draw(st.lists(st.sampled_from(PHONES), min_size=2, max_size=25)):
        length = draw(st.floats(0.04, 0.2))
        phones.append(TimedPhone(phone, now, now + length, draw(st.integers(0, 2)) if phone in VOWELS else 0))
        now += length
    # A wide vowel gives every clip the opening that seals are measured against.
    phones.append(TimedPhone("AA", now, now + 0.3))
    return phones


def longest(flags) -> int:
    run = best = 0
    for flag in flags:
        run = run + 1 if flag else 0
        best = max(best, run)
    return best


def rows(curves, start, end):
    seconds = curves.seconds()
    return (seconds >= start - 1e-6) & (seconds <= end + 1e-6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoken())
def test_constraints_hold_for_any_phones(phones):
    curves = animate(phones)
    gap = lips.lip_gap(curves.values, curves.names)
    sealed = gap < lips.SEALED_SHARE * np.percentile(gap, 95)
    teeth = lips.labiodental_frames(curves.values, curves.names)
    for phone in phones:
        window = rows(curves, phone.start - 0.06, phone.end + 0.04)
        length = phone.end - phone.start
        if phone.phone in BILABIALS:
            # Rows of 20 ms: two lie 20 ms apart, and the way into and out of the seal adds the rest of 40 ms.
            assert longest(sealed[window] & (gap[window] <= 1e-6)) >= 2
        if phone.phone in ("F", "V"):
            assert longest(teeth[window]) >= 2
        if phone.phone in VOWELS and length > 0.06:
            assert not sealed[rows(curves, phone.start + 0.2 * length, phone.end - 0.2 * length)].any()
        if phone.phone in TONGUE and length > 0.06 and (inside := rows(curves, phone.start, phone.end)).any():
            assert sealed[inside].mean() < 0.5


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoken(), st.integers(0, 2**32 - 1))
def test_values_are_sound(phones, seed):
    random = np.random.default_rng(seed)
    loudness = random.normal(-30, 12, size=random.integers(1, 400))
    pitch = np.where(random.random(loudness.size) < 0.5, 0.0, 120.0)
    kept = copy.deepcopy(phones), loudness.copy(), pitch.copy()
    curves = animate(phones, loudness_db=loudness, pitch_hz=pitch)
    again = animate(phones, loudness_db=loudness, pitch_hz=pitch)
    assert np.array_equal(curves.values, again.values)
    assert phones == kept[0]
    assert np.array_equal(loudness, kept[1])
    assert np.array_equal(pitch, kept[2])
    assert np.isfinite(curves.values).all()
    for column, channel in enumerate(face_channels()):
        assert curves.values[:, column].min() >= channel.minimum
        assert curves.values[:, column].max() <= channel.maximum
    assert np.allclose(curves.values[:, VISEMES].sum(axis=1), 1.0, atol=1e-5)


def test_silence_rests_exactly():
    rest = np.array([channel.rest for channel in face_channels()], np.float32)
    assert np.array_equal(articulate([], RATE, 1.0).values, np.tile(rest, (50, 1)))
    curves = animate(say("B AA T", before=2.0), after=2.0)
    assert np.array_equal(curves.values[: int(1.2 * RATE)], np.tile(rest, (int(1.2 * RATE), 1)))
    assert np.array_equal(curves.values[-int(1.0 * RATE) :], np.tile(rest, (int(1.0 * RATE), 1)))


def test_rows_and_rates():
    phones = say("AA M AA")
    assert articulate(phones, 50.0, 1.01).frame_count == 50
    assert articulate(phones, 100.0, 1.01).frame_count == 101
    assert articulate(phones, 50.0, 0.0).frame_count == 0
    fast, slow = articulate(phones, 100.0, 1.2), articulate(phones, 50.0, 1.2)
    assert np.abs(fast.values[::2, 0] - slow.values[:, 0]).max() < 0.02


def gap_at(curves, second):
    return np.interp(second, curves.seconds(), lips.lip_gap(curves.values, curves.names))


def test_lips_open_after_b_as_measured():
    """Tracked /b/: sealed until 30 ms before the end, half open around 40 ms after it and nearly all at 80."""
    curves = animate(say("AE B AA", seconds=0.12))
    end = 0.6 + 0.24
    widest = max(gap_at(curves, end + offset) for offset in np.arange(0.0, 0.12, 0.01))
    assert gap_at(curves, end - 0.05) == 0.0
    assert gap_at(curves, end) / widest < 0.35
    assert 0.3 < gap_at(curves, end + 0.04) / widest < 0.75
    assert gap_at(curves, end + 0.08) / widest > 0.8


def test_rounding_starts_early_and_ends_late():
    """Protrusion for 'w' is under way 100 ms before it, and over neighbours that only the tongue makes (JALI)."""
    curves = animate(say("AA T T W T T AA"))
    pucker = curves.channel("mouthPucker")
    peak = pucker.max()
    at = lambda second: np.interp(second, curves.seconds(), pucker)  # noqa: E731
    assert at(0.9 - 0.1) > 0.1 * peak
    assert at(1.0 + 0.1) > 0.25 * peak


@pytest.mark.parametrize("phone", ["T", "D", "K", "G", "N", "NG", "L"])
def test_the_tongue_leaves_the_lips_shape_alone(phone):
    """Between two rounded vowels the lips stay as rounded as without the consonant (JALI), within a tenth."""
    with_tongue, without = animate(say(f"UW {phone} UW")), animate(say("UW UW UW"))
    middle = rows(with_tongue, 0.7, 0.8)
    assert with_tongue.channel("mouthPucker")[middle].min() > 0.9 * without.channel("mouthPucker")[middle].min()


def test_sibilants_narrow_the_jaw():
    wide, narrow = animate(say("AA HH AA", seconds=0.15)), animate(say("AA S AA", seconds=0.15))
    middle = rows(wide, 0.78, 0.87)
    assert narrow.channel("jawOpen")[middle].max() <= default_rules().settings["sibilant"]["jaw"] + 1e-6
    assert wide.channel("jawOpen")[middle].max() > 0.2


def test_doubled_visemes_count_once():
    """The lips of 'top boy' do not part between p and b."""
    curves = animate(say("AA P B AA"))
    between = rows(curves, 0.74, 0.85)
    assert np.all(lips.lip_gap(curves.values, curves.names)[between] == 0.0)


def test_pauses_hold_relax_and_close():
    def opening(pause):
        start = 0.8
        again = start + pause
        phones = [TimedPhone("AA", 0.5, start), TimedPhone(SILENCE, start, again), TimedPhone("AA", again, again + 0.3)]
        return gap_at(articulate(phones, RATE, 3.0), start + 0.55 * pause)

    held, relaxed, closed = opening(0.1), opening(0.3), opening(1.2)
    assert held > 0.6
    assert 0.02 < relaxed < 0.6 * held
    assert closed == 0.0


def test_loudness_and_stress_open_the_mouth():
    phones = say("AA T AA T AA T AA")
    rising = np.linspace(-40, -15, 90)
    flat = articulate(phones, RATE, 1.8, np.full(90, -25.0)).channel("jawOpen")
    loud = articulate(phones, RATE, 1.8, rising).channel("jawOpen")
    last = slice(int(1.2 * RATE), int(1.3 * RATE))
    first = slice(int(0.6 * RATE), int(0.7 * RATE))
    assert loud[last].mean() > 1.03 * flat[last].mean()
    assert loud[first].mean() < 0.99 * flat[first].mean()
    stressed = [TimedPhone(p.phone, p.start, p.end, 1 if p.start > 1.15 and p.phone == "AA" else 0) for p in phones]
    with_stress, without = (articulate(these, RATE, 1.8).channel("jawOpen") for these in (stressed, phones))
    assert with_stress[last].mean() > 1.03 * without[last].mean()


def test_every_phone_is_known_and_others_are_named():
    assert set(PHONES) <= set(default_rules().known_phones())
    with pytest.raises(ValueError, match="'QQ'"):
        articulate([TimedPhone("QQ", 0.0, 0.1)], RATE, 1.0)


@pytest.mark.parametrize(
    "phones",
    [
        [TimedPhone("AA", 0.2, 0.1)],
        [TimedPhone("AA", 0.0, 0.3), TimedPhone("T", 0.1, 0.4)],
        [TimedPhone("AA", float("nan"), 0.1)],
    ],
)
def test_impossible_times_are_refused(phones):
    with pytest.raises(ValueError, match="AA|T"):
        articulate(phones, RATE, 1.0)


def test_impossible_rates_are_refused():
    for rate, duration in ((0.0, 1.0), (50.0, -1.0), (float("inf"), 1.0)):
        with pytest.raises(ValueError, match="rate"):
            articulate([], rate, duration)


def test_rules_that_do_not_fit_are_refused():
    changed = load_settings()
    changed["phones"]["AA"]["pose"]["earWiggle"] = 1.0
    with pytest.raises(ValueError, match="AA"):
        build_rules(changed)
    changed = load_settings()
    changed["phones"]["AA"]["visemes"] = {"aa": 0.5}
    with pytest.raises(ValueError, match="AA"):
        build_rules(changed)


def test_every_rule_has_a_source():
    changed = load_settings()
    for name, group in changed["groups"].items():
        assert group["source"], name
    for name in ("pauses", "closure", "labiodental", "sibilant", "lips", "floor", "emphasis"):
        assert changed[name]["source"], name
