# SPDX-License-Identifier: GPL-3.0-or-later
"""The measures on constructed curves whose scores follow from the definitions by hand."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.phones import TimedPhone
from voxrig.training.evaluation import measures
from voxrig.training.evaluation.measures import Tally, TrackedMouth

RATE = 50.0


def jaw_curve(jaw: np.ndarray, rate: float = RATE, start: float = 0.0) -> ChannelCurves:
    return ChannelCurves(("jawOpen",), rate, np.asarray(jaw, np.float32)[:, None], start)


def open_but(seconds: float, *closed: tuple[float, float], rate: float = 200.0) -> ChannelCurves:
    """Return jaw open at 0.3 all the time, at 0 within the given stretches (first and last instant included)."""
    time = np.arange(round(seconds * rate) + 1) / rate
    jaw = np.full(len(time), 0.3)
    for start, end in closed:
        jaw[(time >= start - 1e-9) & (time <= end + 1e-9)] = 0.0
    return jaw_curve(jaw, rate)


def value(tallies: dict[str, Tally], name: str) -> float:
    return measures.ratio([tallies[name]])


def bumps(time: np.ndarray) -> np.ndarray:
    """Return openings of different sizes at uneven times, smooth."""
    centres, sizes = (0.6, 0.95, 1.5, 1.8, 2.3), (0.3, 0.2, 0.35, 0.15, 0.25)
    return sum(size * np.exp(-0.5 * ((time - centre) / 0.08) ** 2) for centre, size in zip(centres, sizes, strict=True))


def test_a_still_face_closes_nothing_and_follows_nobody() -> None:
    still = jaw_curve(np.full(150, 0.08))
    phones = [TimedPhone("B", 0.5, 0.6), TimedPhone("AA", 0.6, 0.9), TimedPhone("F", 1.0, 1.1), TimedPhone("T", 1.2, 1.3)]
    tallies = measures.measure_contacts(still, phones)
    assert value(tallies, "closure_recall") == 0
    assert value(tallies, "false_closure") == 0
    assert value(tallies, "sealed_tongue") == 0
    # 0.08 of jaw lowers the lip by 0.28 cm, past the 0.13 cm at which it still meets the teeth.
    assert value(tallies, "labiodental_recall") == 0
    time = (np.arange(60) + 0.5) / 25
    tracked = TrackedMouth(time, bumps(time), bumps(time), bumps(time))
    against, by_lag = measures.measure_tracked(still, tracked)
    assert value(against, "opening_r") == value(against, "width_r") == value(against, "jaw_r") == 0
    assert against["mtm"] == Tally(0, 0) and value(against, "mtm_matched") == 0
    lag = measures.best_lag(by_lag[None])
    assert np.isnan(lag.of_mean) and lag.r == 0
    assert measures.motion_energy(still) == 0
    assert np.isnan(measures.ratio([measures.measure_jitter(still)]))


def test_a_mouth_that_never_opens_seals_nothing_but_touches_the_teeth() -> None:
    shut = jaw_curve(np.zeros(100))
    tallies = measures.measure_contacts(
        shut, [TimedPhone("M", 0.5, 0.6), TimedPhone("V", 1.0, 1.1), TimedPhone("IY", 1.1, 1.3)]
    )
    assert value(tallies, "closure_recall") == 0
    assert value(tallies, "labiodental_recall") == 1
    assert value(tallies, "false_labiodental") == 1


@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        ((0.52, 0.58), 1.0),
        ((0.45, 0.485), 1.0),  # 8 grid points = 40 ms, all inside 60 ms before the start
        ((0.45, 0.48), 0.0),  # 35 ms
        ((0.30, 0.43), 0.0),  # over before the window begins
        ((0.61, 0.70), 0.0),  # 35 ms of it lie inside 40 ms after the end
        ((0.605, 0.70), 1.0),
    ],
)
def test_closure_needs_40_ms_within_the_window(closed: tuple[float, float], expected: float) -> None:
    tallies = measures.measure_contacts(open_but(1.0, closed), [TimedPhone("P", 0.5, 0.6)])
    assert value(tallies, "closure_recall") == expected
    assert value(tallies, "closure_recall/P") == expected


def test_two_short_seals_do_not_add_up() -> None:
    tallies = measures.measure_contacts(open_but(1.0, (0.50, 0.53), (0.55, 0.58)), [TimedPhone("P", 0.5, 0.6)])
    assert value(tallies, "closure_recall") == 0


def test_closure_does_not_depend_on_the_frame_rate() -> None:
    phones = [TimedPhone("B", 0.5, 0.6), TimedPhone("M", 1.2, 1.3)]
    for rate in (25.0, 50.0, 100.0):
        time = np.arange(round(2 * rate) + 1) / rate
        jaw = np.where((np.abs(time - 0.54) <= 0.081) | (np.abs(time - 1.24) <= 0.081), 0.0, 0.3)
        assert value(measures.measure_contacts(jaw_curve(jaw, rate), phones), "closure_recall") == 1.0


def test_frames_count_for_more_than_the_time_between_them() -> None:
    jaw = np.full(60, 0.3)
    jaw[27:29] = 0.0  # two frames at 0.54 and 0.56 s: 20 ms between them and a little on both sides
    tallies = measures.measure_contacts(jaw_curve(jaw), [TimedPhone("P", 0.5, 0.6)])
    assert value(tallies, "closure_recall") == 0
    assert value(tallies, "closure_recall_frames") == 1


def test_a_lifted_lower_lip_seals_only_with_the_jaw_formula_of_the_lips_module() -> None:
    # jawOpen 0.1 opens by 0.289 cm, mouthClose 0.0777 closes that again.
    values = np.tile(np.array([[0.3, 0.0]], np.float32), (60, 1))
    values[25:30] = (0.1, 0.0777)
    curves = ChannelCurves(("jawOpen", "mouthClose"), RATE, values)
    assert value(measures.measure_contacts(curves, [TimedPhone("B", 0.5, 0.6)]), "closure_recall") == 1


def test_vowels_count_only_their_middle() -> None:
    vowel = [TimedPhone("AA", 0.5, 0.7)]
    assert value(measures.measure_contacts(open_but(1.0, (0.4, 0.53)), vowel), "false_closure") == 0
    assert value(measures.measure_contacts(open_but(1.0, (0.4, 0.55)), vowel), "false_closure") == 1
    short = [TimedPhone("AH", 0.5, 0.56)]
    assert "false_closure" not in measures.measure_contacts(open_but(1.0, (0.4, 0.6)), short)


def test_tongue_consonants_count_when_sealed_half_their_time() -> None:
    consonant = [TimedPhone("T", 0.5, 0.6)]
    assert value(measures.measure_contacts(open_but(1.0, (0.4, 0.54)), consonant), "sealed_tongue") == 0
    assert value(measures.measure_contacts(open_but(1.0, (0.4, 0.56)), consonant), "sealed_tongue") == 1
    assert "sealed_tongue" not in measures.measure_contacts(open_but(1.0, (0.4, 0.6)), [TimedPhone("D", 0.5, 0.53)])
    assert measures.measure_contacts(open_but(1.0), [TimedPhone("W", 0.5, 0.6), TimedPhone("SIL", 0.6, 0.9)]) == {}


def test_labiodental_contact_is_lip_height() -> None:
    jaw = np.full(101, 0.3)
    jaw[50:61] = 0.036  # -3.52 * 0.036 = -0.127 cm: just within 0.13
    assert value(measures.measure_contacts(jaw_curve(jaw, 100.0), [TimedPhone("F", 0.5, 0.6)]), "labiodental_recall") == 1
    jaw[50:61] = 0.038
    assert value(measures.measure_contacts(jaw_curve(jaw, 100.0), [TimedPhone("F", 0.5, 0.6)]), "labiodental_recall") == 0


@pytest.mark.parametrize("shift", [-0.08, -0.03, 0.0, 0.04, 0.1])
def test_a_shifted_curve_gives_its_shift_as_lag_and_as_mtm(shift: float) -> None:
    time = np.arange(151) / RATE
    frames = (np.arange(75) + 0.5) / 25
    tracked = TrackedMouth(frames, 0.05 * bumps(frames) + 0.01, -0.1 * bumps(frames) + 0.5, 0.2 * bumps(frames) + 0.8)
    tallies, by_lag = measures.measure_tracked(jaw_curve(bumps(time - shift)), tracked)
    lag = measures.best_lag(np.stack([by_lag, by_lag]))
    assert lag.of_mean == pytest.approx(shift, abs=0.004)
    assert lag.median == pytest.approx(shift, abs=0.006)
    assert lag.r == pytest.approx(1.0, abs=0.01)
    assert value(tallies, "mtm") == pytest.approx(abs(shift), abs=0.012)
    assert value(tallies, "mtm_matched") == 1
    if shift == 0:
        assert value(tallies, "opening_r") == pytest.approx(1.0, abs=0.005)
        assert value(tallies, "jaw_r") == pytest.approx(1.0, abs=0.005)
        # Jaw alone narrows the mouth, as the tracked width does here.
        assert value(tallies, "width_r") == pytest.approx(1.0, abs=0.005)
    else:
        assert value(tallies, "opening_r") < 0.97


def test_extrema_ignore_ripple_and_ends() -> None:
    time = np.arange(0, 2, 0.005)
    values = np.sin(2 * np.pi * time) + 0.05 * np.sin(2 * np.pi * 20 * time)
    found = measures.find_extrema(time, values)
    assert found.kinds.tolist() == [1, -1, 1, -1]
    assert found.seconds == pytest.approx([0.25, 0.75, 1.25, 1.75], abs=0.03)


def test_a_plateau_turns_in_its_middle() -> None:
    time = np.arange(101) / 100
    values = np.interp(time, [0, 0.3, 0.4, 0.6, 0.7, 1.0], [1, 1, 0, 0, 1, 1])
    found = measures.find_extrema(time, values)
    assert found.kinds.tolist() == [-1]
    assert found.seconds == pytest.approx([0.5], abs=0.006)


def test_extrema_are_matched_in_order_one_to_one_and_within_reach() -> None:
    kinds = np.array([1, -1, 1], np.int8)
    reference = measures.Extrema(np.array([1.0, 1.3, 2.0]), kinds)
    found = measures.Extrema(np.array([1.05, 1.24, 2.5]), kinds)
    offsets, missed = measures.match_extrema(found, reference)
    assert offsets == pytest.approx([0.05, -0.06])
    assert missed == 1
    nothing, missed = measures.match_extrema(measures.Extrema(np.zeros(0), np.zeros(0, np.int8)), reference)
    assert len(nothing) == 0 and missed == 3


@pytest.mark.parametrize(("hertz", "share"), [(4.0, 0.0), (16.0, 1.0)])
def test_jitter_is_the_share_above_10_hz(hertz: float, share: float) -> None:
    time = np.arange(501) / RATE
    tally = measures.measure_jitter(jaw_curve(0.5 + 0.1 * np.sin(2 * np.pi * hertz * time)))
    assert measures.ratio([tally]) == pytest.approx(share, abs=0.01)


def test_jitter_weighs_by_speed_and_adds_over_clips() -> None:
    time = np.arange(501) / RATE
    slow = 0.1 * np.sin(2 * np.pi * 4 * time)
    fast = 0.1 / 4 * np.sin(2 * np.pi * 16 * time)  # a quarter as far at four times the rate: nearly the same speed
    tally = measures.measure_jitter(jaw_curve(slow + fast))
    # Differences between frames shrink a sine by sinc(f / 50): 0.979 at 4 Hz, 0.839 at 16 Hz.
    expected = 0.8396**2 / (0.8396**2 + 0.9793**2)
    assert measures.ratio([tally]) == pytest.approx(expected, abs=0.01)
    # Parseval: the whole is the energy of the speed.
    speed = np.diff(slow + fast) * RATE
    assert tally.denominator == pytest.approx(np.sum(speed**2) / RATE, rel=0.01)


def test_motion_energy_is_speed_squared_and_leaves_visemes_out() -> None:
    ramp = np.arange(101, dtype=np.float32)[:, None] / 100 * np.array([1.0, 2.0, 50.0], np.float32)
    curves = ChannelCurves(("jawOpen", "mouthFunnel", "viseme_aa"), RATE, ramp)
    # 0.5 and 1.0 units a second.
    assert measures.motion_energy(curves) == pytest.approx(0.25 + 1.0, rel=1e-4)
    assert measures.motion_energy(jaw_curve(np.zeros(1))) == 0


def test_seals_are_counted_within_speech() -> None:
    curves = open_but(3.0, (0.0, 0.3), (0.8, 0.9), (1.5, 1.52), (2.0, 2.1), (2.8, 3.0))
    assert measures.count_seals(curves, 0.5, 2.6) == 2


def test_pearson_knows_constants_and_signs() -> None:
    ramp = np.arange(10.0)
    assert measures.pearson(ramp, 3 * ramp + 1) == pytest.approx(1)
    assert measures.pearson(ramp, -ramp) == pytest.approx(-1)
    assert measures.pearson(np.full(10, np.float32(0.1)), ramp) == 0


def test_curves_that_begin_later_are_timed_by_their_start() -> None:
    late = open_but(1.0, (0.5, 0.6))
    moved = ChannelCurves(late.names, late.frame_rate, late.values, 2.0)
    assert value(measures.measure_contacts(moved, [TimedPhone("P", 2.5, 2.6)]), "closure_recall") == 1
    assert value(measures.measure_contacts(moved, [TimedPhone("P", 0.5, 0.6)]), "closure_recall") == 0


def test_ratio_adds_before_dividing_and_the_bootstrap_draws_groups() -> None:
    assert measures.ratio([Tally(1, 2), Tally(0, 8)]) == 0.1
    assert np.isnan(measures.ratio([]))
    alike = {str(k): [Tally(3, 10)] for k in range(20)}
    assert measures.bootstrap_error(alike) == pytest.approx(0, abs=1e-12)
    assert np.isnan(measures.bootstrap_error({"one": [Tally(1, 2), Tally(2, 2)]}))
    # 20 speakers, half of them at 0 and half at 1: sqrt(0.25 / 20) = 0.112.
    mixed = {str(k): [Tally(10.0 * (k % 2), 10)] for k in range(20)}
    assert measures.bootstrap_error(mixed, draws=4000) == pytest.approx(0.1118, abs=0.006)


def test_measuring_does_not_change_its_input() -> None:
    curves = open_but(1.0, (0.5, 0.6))
    before = curves.values.copy()
    measures.measure_contacts(curves, [TimedPhone("P", 0.5, 0.6)])
    measures.measure_jitter(curves)
    assert np.array_equal(curves.values, before)


def test_curves_without_any_sample_are_refused() -> None:
    with pytest.raises(ValueError, match="without a sample"):
        measures.measure_contacts(jaw_curve(np.zeros(0)), [TimedPhone("P", 0.5, 0.6)])
