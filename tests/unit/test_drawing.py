# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes that are drawn: seeds, pieces, pins, guidance, and packages with a graph that draws."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from drawing_graphs import write_drawing_package
from model_packages import CHANNELS, HOP, SAMPLE_RATE, noise
from voxrig.errors import ModelError
from voxrig.inference import diffusion
from voxrig.inference.audio import Waveform
from voxrig.inference.diffusion import Channels, Conditions, Pin, Variation, interpolate_rows, open_drawer, rule_take
from voxrig.inference.generate import generate_all, generate_drawn
from voxrig.inference.package import load_package
from voxrig.inference.session import open_session
from voxrig.takes.drawing import make_variation
from voxrig.takes.settings import TakeSettings
from voxrig.takes.variations import mix, vary

RATE = SAMPLE_RATE / HOP
SOUND = noise(6.0)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return load_package(write_drawing_package(tmp_path_factory.mktemp("drawing") / "small"))


@pytest.fixture(scope="module")
def draw(package):
    session = open_session(package, "CPU", 1)
    drawer = open_drawer(package.folder, package.drawing, package.name, 1)

    def draw(variation: Variation, sound: np.ndarray = SOUND, **options: object) -> np.ndarray:
        made = generate_drawn(session, drawer, Waveform(sound, SAMPLE_RATE), None, variation, **options)
        return np.array(made.curves.values)

    draw.mean = generate_all(session, Waveform(SOUND, SAMPLE_RATE)).curves.values
    return draw


def test_the_same_seed_draws_the_same_bytes_and_another_one_another_take(draw):
    first = draw(Variation(3))
    assert first.shape == (300, len(CHANNELS))
    assert first.tobytes() == draw(Variation(3)).tobytes()
    assert np.abs(first - draw(Variation(4))).mean() > 0.02
    # Takes lie around the regression, as far apart as was learned.
    several = np.stack([draw(Variation(seed)) for seed in range(12)])
    assert 0.5 < several.std(axis=0).mean() / 0.12 < 1.5
    assert np.abs(several.mean(axis=0) - draw.mean)[::2].mean() < 0.08
    assert np.abs(draw(Variation(1, spread=0.0))[::2] - draw.mean[::2]).max() < 0.01


def test_a_long_sound_is_drawn_in_pieces_that_leave_no_trace(draw, monkeypatch):
    whole = draw(Variation(5))
    monkeypatch.setattr(diffusion, "_PIECE_ROWS", 31)
    assert np.abs(draw(Variation(5)) - whole).max() < 1e-5


def test_drawn_rows_go_through_the_filter_of_the_package(tmp_path, draw, monkeypatch):
    taps = (-0.05, -0.15, 1.4, -0.15, -0.05)
    package = load_package(write_drawing_package(tmp_path / "sharp", row_taps=taps))
    session, drawer = open_session(package, "CPU", 1), open_drawer(package.folder, package.drawing, package.name, 1)

    def sharp() -> np.ndarray:
        return generate_drawn(session, drawer, Waveform(SOUND, SAMPLE_RATE), None, Variation(5)).curves.values

    whole, plain = sharp(), draw(Variation(5))[::2]
    expected = np.stack([np.convolve(plain[:, c], taps, mode="valid") for c in range(len(CHANNELS))], axis=1)
    inside = (plain[2:-2] > 0.0) & (plain[2:-2] < 1.0) & (expected > 0.0) & (expected < 1.0)
    assert np.abs(whole[4:-4:2] - expected)[inside].max() < 0.02
    monkeypatch.setattr(diffusion, "_PIECE_ROWS", 31)
    assert np.abs(sharp() - whole).max() < 1e-5


def test_a_trimmed_sound_keeps_its_noise(draw):
    whole = draw(Variation(5))
    late = draw(Variation(5), SOUND[102 * HOP :], start_seconds=102 / RATE)
    # A row depends on a second of sound, and a step on eight rows.
    assert np.abs(late[150:] - whole[252:]).max() < 1e-4


def test_the_last_minute_of_a_long_sound_is_the_same_drawn_alone(draw):
    # More than a piece of the drawing and windows of hearing, at an odd row.
    sound = noise(200.0, seed=8)
    late_row = 133 * 50 + 1
    whole = draw(Variation(5), sound)
    late = draw(Variation(5), sound[late_row * HOP :], start_seconds=late_row / RATE)
    assert np.abs(late[-3000:] - whole[-3000:]).max() < 1e-4
    assert np.abs(whole[-3000:-1] - whole[-6000:-3001]).max() > 0.05


def test_of_what_is_heard_only_what_a_piece_needs_is_kept():
    def hear(count: int, part: int):
        for first in range(0, count, part):
            yield Conditions(np.full((part, 300), first, np.float32), np.zeros((part, 1), np.float32))

    def peak(count: int) -> int:
        tracemalloc.start()
        edges = [
            (start, stop, low, len(c.heard)) for start, stop, low, c in diffusion._cut_pieces(hear(count, 1000), count, 400)
        ]
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert [edge[:2] for edge in edges] == [(first, min(first + 3000, count)) for first in range(0, count, 3000)]
        assert [edge[2:] for edge in edges[:2]] == [(0, 3400), (2600, 3800)]
        return found

    assert peak(40_000) < 1.05 * peak(10_000)


def test_face_parts_come_from_takes_of_their_own(draw):
    mixed = draw(Variation(1, region_seeds={"lips": 2}))
    first, second = draw(Variation(1)), draw(Variation(2))
    lips = [CHANNELS.index(name) for name in ("mouthPucker", "mouthSmileLeft")]
    others = [index for index in range(len(CHANNELS)) if index not in lips]
    assert np.array_equal(mixed[:, lips], second[:, lips])
    assert np.array_equal(mixed[:, others], first[:, others])


def test_the_settings_of_a_mix_draw_parts_of_takes(draw):
    takes = vary(TakeSettings(), 3, is_drawn=True)
    mixed = make_variation(mix(takes[0], {"brows": takes[2], "mouth": takes[1]}))
    made, brow = draw(mixed), CHANNELS.index("browInnerUp")
    assert np.array_equal(made[:, brow], draw(make_variation(takes[2]))[:, brow])
    assert np.array_equal(made[:, 0], draw(make_variation(takes[1]))[:, 0])


def test_every_take_passes_through_the_pins_smoothly(draw):
    pins = (Pin(1.013, "jawOpen", 0.9), Pin(2.0, "jawOpen", 0.1), Pin(2.0, "browInnerUp", 0.7), Pin(99.0, "jawOpen", 0.5))
    for seed in range(3):
        free, made = draw(Variation(seed)), draw(Variation(seed, pins=pins))
        for pin in pins[:3]:
            curve = made[:, CHANNELS.index(pin.channel)]
            assert np.interp(pin.seconds * RATE, np.arange(len(curve)), curve) == pytest.approx(pin.value, abs=1e-3)
        speed = np.abs(np.diff(made[:, 0]))
        assert speed.max() < 2.0 * np.quantile(np.abs(np.diff(free[:, 0])), 0.99)
        # Far from the pins nothing changes.
        assert np.abs(made[200:] - free[200:]).max() < 1e-4


def test_contradicting_pins_one_frame_apart_are_both_met(draw):
    made = draw(Variation(0, pins=(Pin(1.0, "jawOpen", 0.0), Pin(1.0 + 1 / 30, "jawOpen", 1.0))))
    curve = made[:, 0]
    assert curve[50] == pytest.approx(0.0, abs=1e-3)
    assert np.interp(50 + RATE / 30, np.arange(len(curve)), curve) == pytest.approx(1.0, abs=1e-3)
    assert np.isfinite(made).all()


@pytest.mark.parametrize("changes", [{"sound_guidance": 0.0}, {"sound_guidance": 10.0}, {"style_guidance": 10.0}, {"steps": 1}])
def test_extremes_stay_within_the_limits(draw, changes):
    made = draw(Variation(2, **changes))
    assert np.isfinite(made).all()
    assert made.min() >= 0.0
    assert made.max() <= 1.0


def test_a_thousand_steps_draw_what_fifty_do(draw):
    many, fifty, one = (draw(Variation(2, steps=steps), SOUND[: 40 * HOP]) for steps in (1000, 50, 1))
    assert np.abs(many - fifty).mean() < 0.2 * np.abs(one - fifty).mean()


def test_guidance_by_sound_and_by_style_are_separate(draw):
    deaf = draw(Variation(2, sound_guidance=0.0, style_guidance=0.0, spread=0.0))
    assert np.ptp(deaf, axis=0).max() < 0.01
    larger = draw(Variation(2, styles={"size": 1.0}, spread=0.0)) - draw(Variation(2, spread=0.0))
    twice = draw(Variation(2, styles={"size": 1.0}, style_guidance=2.0, spread=0.0)) - draw(Variation(2, spread=0.0))
    assert np.median(larger) == pytest.approx(0.3 * 0.12, rel=0.2)
    assert np.median(twice) == pytest.approx(2 * np.median(larger), rel=0.2)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Variation(1 << 63), "whole number from 0"),
        (lambda: Variation(-1), "whole number from 0"),
        (lambda: Variation(0, {"jaw": 1 << 70}), "whole number from 0"),
        (lambda: Variation(sound_guidance=10.5), "guidance of the sound"),
        (lambda: Variation(style_guidance=-0.1), "guidance of the style"),
        (lambda: Variation(steps=1001), "choose 1 to 1000"),
        (lambda: Variation(spread=3.0), "from 0 to 2"),
        (lambda: Variation(styles={"mood": 1.0}), "style 'mood'"),
        (lambda: Variation(pins=(Pin(1.0, "a", 0.0), Pin(1.0, "a", 1.0))), "pinned to two values"),
        (lambda: Variation(pins=(Pin(float("nan"), "a", 0.0),)), "not a number"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(make, words):
    with pytest.raises(ModelError, match=words) as caught:
        make()
    assert not str(caught.value).endswith(".")


def test_a_pin_of_an_unknown_channel_is_refused(draw):
    with pytest.raises(ModelError, match="no such channel"):
        draw(Variation(pins=(Pin(1.0, "earWiggle", 1.0),)))


def test_lips_meet_and_rest_where_the_regression_says():
    names = ("jawOpen", "mouthPress", "browInnerUp")
    channels = Channels(names, ("jaw", "lips", "brows"), np.zeros(3, np.float32), np.ones(3, np.float32))
    phones = np.zeros((200, 3), np.float32)
    phones[:, 1] = 1.0
    phones[98:107] = [0.0, 0.0, 1.0]
    phones[150:] = [1.0, 0.0, 0.0]

    def rule(jaw: float, press: float) -> np.ndarray:
        regressed = np.full((200, 3), 0.3, np.float32)
        regressed[98:107] = [0.1, 0.5, 0.3]
        regressed[150:] = 0.05
        drawn = np.tile(np.array([jaw, press, 0.8], np.float32), (200, 1))
        return rule_take(drawn, regressed, phones, ("SIL", "AA", "B"), channels, RATE)

    # Lips that are too far apart are closed as in the regression.
    made = rule(0.8, 0.2)
    assert made[[101, 103], 0] == pytest.approx(0.1, abs=0.01)
    assert made[[101, 103], 1] == pytest.approx(0.5, abs=0.01)
    assert made[[50, 120], 0] == pytest.approx(0.8)
    assert made[180] == pytest.approx([0.05, 0.05, 0.8], abs=0.01)
    assert made[:, 2] == pytest.approx(0.8)
    assert np.abs(np.diff(made[:145, 0])).max() < 0.3
    # Those that are closer already are left alone.
    assert rule(0.04, 0.9)[80:140] == pytest.approx(np.tile([0.04, 0.9, 0.8], (60, 1)), abs=1e-6)


def test_rows_between_those_drawn_are_on_smooth_curves():
    thin = np.sin(np.arange(40) / 3.0).astype(np.float32)
    full = interpolate_rows(thin, 1, 2, 81)
    assert np.array_equal(full[1::2][:39], thin[:39])
    assert np.abs(full[12:68] - np.sin((np.arange(12, 68) - 1) / 6.0)).max() < 0.01
    # Fast motion is kept: seven in 25 rows.
    fast = np.sin(np.arange(100) * 2 * np.pi * 7 / 25).astype(np.float32)
    assert np.abs(interpolate_rows(fast, 0, 2, 199)[20:180] - np.sin(np.arange(20, 180) * np.pi * 7 / 25)).max() < 0.03
    assert np.ptp(interpolate_rows(np.full(9, 0.3, np.float32), 2, 3, 25)) < 1e-6


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"sha256": "0" * 64}, "drawing.onnx is damaged"),
        ({"mean": [0.0]}, "1 numbers for 4 channels"),
        ({"deviation": [0.0] * 4}, "not above 0"),
        ({"steps": 0}, "drawing.steps"),
        ({"row_taps": [0.6, 0.4]}, "row_taps has 2 numbers"),
        ({"stride": 1.5}, "drawing.stride"),
        ({"file": "../drawing.onnx"}, "plain name"),
    ],
)
def test_a_damaged_drawing_is_refused(tmp_path, changes, words):
    with pytest.raises(ModelError, match=words):
        load_package(write_drawing_package(tmp_path / "small", **changes))


def test_a_drawing_for_other_channels_is_refused(tmp_path):
    import json

    folder = write_drawing_package(tmp_path / "small")
    description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    # The ordinary graph is no drawing.
    description["drawing"] |= {"file": "model.onnx", "sha256": description["graph"]["sha256"]}
    (folder / "model.json").write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(ModelError, match="no input 'noisy'"):
        load_package(folder)
