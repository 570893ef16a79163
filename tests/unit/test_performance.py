# SPDX-License-Identifier: GPL-3.0-or-later
"""Strength and smoothing, and that neither opens closed lips."""

from __future__ import annotations

import numpy as np
import pytest
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face import lips
from voxrig.animation.face.channels import face_channels
from voxrig.animation.performance import Performance, apply_performance, in_style, smooth
from voxrig.animation.styles import SPEECH_STYLES

REGIONS = {channel.name: channel.region for channel in face_channels()}


def talking() -> ChannelCurves:
    """Make opening and closing lips at 50 frames a second; sealed for 60 ms six times by mouthClose, with rounding
    throughout."""
    t = np.arange(200) / 50.0
    jaw = 0.25 + 0.1 * np.sin(2 * np.pi * 1.5 * t)
    names = ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "browInnerUp")
    values = np.stack([jaw, np.zeros(200), np.full(200, 0.2), np.full(200, 0.1), 0.5 + 0.0 * t], axis=1)
    for row in range(20, 200, 30):
        part = slice(row, row + 3)
        values[part, 1] = (2.89 * values[part, 0] + 1.08 * 0.2 - 0.13 * 0.1) / 3.72
    return ChannelCurves(names, 50.0, values)


def test_the_defaults_change_nothing() -> None:
    curves = talking()
    assert apply_performance(curves, Performance(), REGIONS) is curves


@pytest.mark.parametrize(
    "performance",
    [
        Performance(strength=0.5),
        Performance(strength=1.8),
        Performance(region_strengths={"jaw": 2.0}),
        Performance(region_strengths={"jaw": 0.3}),
        Performance(region_strengths={"lips": 2.0}),
        Performance(region_strengths={"lips": 0.0, "jaw": 2.0}),
        Performance(smoothing_seconds=0.04),
        Performance(smoothing_seconds=0.2, region_strengths={"jaw": 1.5}),
    ],
)
def test_closed_lips_stay_closed(performance: Performance) -> None:
    curves = talking()
    sealed = lips.sealed_frames(curves.values, curves.names)
    assert 15 <= sealed.sum() <= 25
    result = apply_performance(curves, performance, REGIONS)
    assert (
        np.max(lips.lip_gap(result.values[sealed], curves.names))
        <= np.max(lips.lip_gap(curves.values[sealed], curves.names)) + 1e-3
    )
    assert result.channel("mouthClose").max() <= 1.0


def test_closed_lips_stay_closed_without_mouth_close() -> None:
    curves = talking().select(["jawOpen", "mouthFunnel"])
    values = curves.values.copy()
    values[20:23] = 0.0
    result = apply_performance(curves.with_values(values), Performance(smoothing_seconds=0.05), REGIONS)
    assert np.max(lips.lip_gap(result.values[20:23], result.names)) < 0.2 * np.max(lips.lip_gap(values, result.names))


def test_strengths_scale_their_regions_from_rest() -> None:
    curves = talking()
    result = apply_performance(
        curves, Performance(strength=0.5, region_strengths={"brows": 3.0}), REGIONS, rest={"browInnerUp": 0.4}
    )
    assert result.channel("browInnerUp") == pytest.approx(np.full(200, 0.55), abs=1e-6)
    assert result.channel("mouthFunnel") == pytest.approx(0.5 * curves.channel("mouthFunnel"), abs=1e-6)
    assert result.channel("jawOpen") == pytest.approx(0.5 * curves.channel("jawOpen"), abs=1e-6)
    lips_only = apply_performance(curves, Performance(region_strengths={"lips": 0.5}), REGIONS)
    assert np.array_equal(lips_only.channel("jawOpen"), curves.channel("jawOpen"))
    assert lips_only.channel("mouthFunnel") == pytest.approx(0.5 * curves.channel("mouthFunnel"), abs=1e-6)


def test_gains_and_offsets_are_taken_literally() -> None:
    result = apply_performance(talking(), Performance(gains={"mouthPucker": 3.0}, offsets={"mouthPucker": -0.1}), REGIONS)
    assert result.channel("mouthPucker") == pytest.approx(np.full(200, 0.2), abs=1e-6)


def test_smoothing_halves_at_the_half_life_and_does_not_delay() -> None:
    impulse = np.zeros((401, 1))
    impulse[200] = 1.0
    result = smooth(impulse, 5.0)[:, 0]
    assert np.argmax(result) == 200
    assert result[205] == pytest.approx(result[200] / 2)
    assert result[195] == pytest.approx(result[205])
    assert result.sum() == pytest.approx(1.0)
    assert np.array_equal(smooth(np.full((50, 2), 0.3), 8.0), np.full((50, 2), 0.3))
    assert np.array_equal(smooth(impulse, 0.0), impulse)


def test_input_is_unchanged_and_nonsense_refused() -> None:
    curves = talking()
    before = curves.values.copy()
    apply_performance(curves, Performance(region_strengths={"jaw": 2.0}, smoothing_seconds=0.1), REGIONS)
    assert np.array_equal(curves.values, before)
    with pytest.raises(ValueError):
        Performance(smoothing_seconds=-1.0)
    with pytest.raises(ValueError):
        Performance(strength=float("nan"))


def _articulated(axis: str, amount: float) -> Performance:
    return Performance(articulation=amount) if axis == "articulation" else Performance(region_strengths={axis: amount})


@pytest.mark.parametrize("axis", ["articulation", "jaw", "lips"])
def test_articulation_is_monotone_changes_nothing_at_one_and_keeps_seals(axis: str) -> None:
    curves = talking()
    sealed = lips.sealed_frames(curves.values, curves.names)
    amounts = np.linspace(0.0, 2.0, 9)
    results = [apply_performance(curves, _articulated(axis, float(amount)), REGIONS) for amount in amounts]
    assert results[4] is curves
    shown = np.array([np.abs(result.values[~sealed]).sum() for result in results])
    assert np.all(np.diff(shown) > 0)
    limit = np.max(lips.lip_gap(curves.values[sealed], curves.names)) + 1e-3
    for result in results:
        assert np.max(lips.lip_gap(result.values[sealed], curves.names)) <= limit
        assert np.array_equal(result.channel("browInnerUp"), curves.channel("browInnerUp"))
    if axis != "lips":
        opening = np.array([result.channel("jawOpen").max() for result in results])
        assert np.all(np.diff(opening) > 0)


def test_both_axes_of_articulation_keep_seals_together() -> None:
    curves = talking()
    sealed = lips.sealed_frames(curves.values, curves.names)
    limit = np.max(lips.lip_gap(curves.values[sealed], curves.names)) + 1e-3
    for jaw in (0.0, 0.5, 1.5, 2.0):
        for lip in (0.0, 0.5, 1.5, 2.0):
            result = apply_performance(
                curves, Performance(region_strengths={"jaw": jaw, "lips": lip}, articulation=0.9), REGIONS
            )
            assert np.max(lips.lip_gap(result.values[sealed], curves.names)) <= limit


def test_regions_are_smoothed_by_themselves() -> None:
    curves = talking()
    result = apply_performance(curves, Performance(region_smoothing={"lips": 0.1}), REGIONS)
    assert np.array_equal(result.channel("jawOpen"), curves.channel("jawOpen"))
    wave = curves.with_values(curves.values + 0.1 * np.sin(np.arange(200.0))[:, None])
    by_region = apply_performance(wave, Performance(smoothing_seconds=0.01, region_smoothing={"brows": 0.05}), REGIONS)
    alone = apply_performance(wave, Performance(smoothing_seconds=0.06), REGIONS)
    assert by_region.channel("browInnerUp") == pytest.approx(alone.channel("browInnerUp"), abs=1e-4)
    # 'mouthClose' goes with the jaw that it closes, or it would open the lips.
    softer = apply_performance(wave, Performance(region_smoothing={"jaw": 0.02}), REGIONS)
    assert np.ptp(np.diff(softer.channel("mouthClose"))) < np.ptp(np.diff(wave.channel("mouthClose")))


def test_offsets_of_regions_move_them_and_keep_seals() -> None:
    names = ("jawOpen", "mouthClose", "mouthLowerDownLeft", "mouthPressLeft", "browInnerUp", "browDownLeft", "eyeBlinkLeft")
    source = talking()
    values = np.zeros((200, len(names)))
    values[:, :2] = source.values[:, :2]
    values[:, 6] = 0.1
    curves = ChannelCurves(names, 50.0, values)
    sealed = lips.sealed_frames(curves.values, names)
    assert sealed.sum() > 10
    limit = np.max(lips.lip_gap(curves.values[sealed], names)) + 1e-3
    moved = apply_performance(
        curves, Performance(region_offsets={"lips": 0.2, "jaw": 0.1, "brows": -0.3, "eyes": 0.4}), REGIONS
    )
    assert moved.channel("mouthLowerDownLeft") == pytest.approx(0.2)
    assert moved.channel("jawOpen")[~sealed] == pytest.approx(curves.channel("jawOpen")[~sealed] + 0.1, abs=0.03)
    assert moved.channel("browDownLeft") == pytest.approx(0.3) and not moved.channel("browInnerUp").any()
    assert moved.channel("eyeBlinkLeft") == pytest.approx(0.5)
    assert np.max(lips.lip_gap(moved.values[sealed], names)) <= limit
    pressed = apply_performance(curves, Performance(region_offsets={"lips": -0.2, "brows": 0.3}), REGIONS)
    assert pressed.channel("mouthPressLeft") == pytest.approx(0.2) and pressed.channel("browInnerUp") == pytest.approx(0.3)
    with pytest.raises(ValueError, match="no face part 'ears'"):
        Performance(region_offsets={"ears": 1.0})


def test_styles_are_ordered_and_keep_closed_lips_closed() -> None:
    curves = talking()
    sealed = lips.sealed_frames(curves.values, curves.names)
    shown = {style.name: apply_performance(curves, in_style(Performance(), style.name), REGIONS) for style in SPEECH_STYLES}
    assert [style.name for style in SPEECH_STYLES] == ["NATURAL", "CLEAR", "BROAD", "MUMBLE"]
    assert shown["NATURAL"] is curves, "the default is the model's output"
    jaw = {name: float(np.ptp(result.channel("jawOpen"))) for name, result in shown.items()}
    assert jaw["MUMBLE"] < 0.6 * jaw["NATURAL"] < jaw["NATURAL"] < jaw["CLEAR"] < 0.8 * jaw["BROAD"]
    for name, result in shown.items():
        assert np.max(lips.lip_gap(result.values[sealed], curves.names)) <= 1e-3, name


def test_sliders_go_on_from_the_style() -> None:
    performance = in_style(Performance(articulation=2.0, region_strengths={"lips": 0.5}, smoothing_seconds=0.1), "MUMBLE")
    assert performance.articulation == pytest.approx(1.4) and performance.smoothing_seconds == pytest.approx(0.12)
    assert performance.region_strengths == pytest.approx({"lips": 0.425, "jaw": 0.7})
    with pytest.raises(ValueError, match="no style"):
        in_style(Performance(), "SHOUT")
