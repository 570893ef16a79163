# SPDX-License-Identifier: GPL-3.0-or-later
"""The report on a collected show: each thing that can be wrong with shots is found, and only there."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from model_packages import SAMPLE_RATE, noise
from shows import CONTROLS, make_shot
from voxrig.animation.rig.mapping import Target
from voxrig.animation.rig.regions import guess_region
from voxrig.errors import ModelError, ShowError
from voxrig.inference.audio import Waveform
from voxrig.inference.package import read_description
from voxrig.learning.page import draw_page, write_report
from voxrig.learning.quality import emotion_minutes, inspect_show, measure_loudness, measure_show
from voxrig.learning.show import Shot, gather_show, read_shot, write_shot


def speaking_shot(name: str, seed: int, late_frames: int = 0, seconds: float = 12.0, **changes: object) -> Shot:
    """Return a shot whose jaw opens with the loudness of syllables at irregular times, ``late_frames`` late, and closes
    negatively."""
    rng = np.random.default_rng(seed)
    samples = 0.002 * rng.standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)
    time = np.arange(len(samples)) / SAMPLE_RATE
    envelope = np.zeros(len(samples))
    at = 0.3
    while at < seconds - 0.3:
        envelope += np.exp(-(((time - at) / 0.06) ** 2))
        at += rng.uniform(0.18, 0.6)
    samples += (0.3 * envelope * rng.standard_normal(len(samples))).clip(-0.9, 0.9).astype(np.float32)
    frames = np.arange(round(seconds * 24))
    jaw = np.interp((frames - late_frames) / 24.0, time, envelope)
    values = np.stack([-jaw, 0.2 * jaw + 0.05 * np.sin(frames / 9.0), np.full(len(frames), 0.25)], axis=1)
    return make_shot(name, **{"values": values, "waveform": Waveform(samples, SAMPLE_RATE)} | changes)


@pytest.fixture(scope="module")
def good() -> list[Shot]:
    return [speaking_shot(f"sh{number}", number) for number in range(4)]


def test_nothing_is_wrong_with_good_shots(good):
    quality = measure_show(gather_show(good))
    assert quality.all_problems == ("There are only 48 seconds; good results need at least five minutes",)
    assert all(abs(shot.lag_seconds) <= 1 / 24 and shot.lag_r > 0.8 for shot in quality.shots)
    jaw, corner = quality.controls
    assert (jaw.name, jaw.region) == ("jaw_ctrl.rotation", "jaw") and jaw.lowest < -0.9 and jaw.highest > -0.1
    assert jaw.activity > corner.activity and 0.3 < jaw.moving_share <= 1.0
    assert "4 shots, 0.8 minutes, 2 controls that move (1 jaw, 1 lips)" in quality.summary()


@pytest.mark.parametrize("late", [-7, 6])
def test_the_shot_whose_sound_is_off_is_flagged_and_no_other(good, late):
    shots = [*good[:2], speaking_shot("off", 8, late_frames=late), *good[2:]]
    quality = measure_show(gather_show(shots))
    flagged = [shot.shot.name for shot in quality.shots if shot.problems]
    assert flagged == ["off"]
    word = "later" if late > 0 else "earlier"
    assert f"'off' is {abs(late)} frames {word} against its sound than in the other shots" in quality.all_problems[-1]


def test_a_show_that_is_late_throughout_is_no_odd_one_out():
    quality = measure_show(gather_show([speaking_shot(f"sh{n}", n, late_frames=5) for n in range(3)]))
    assert not any("against its sound" in problem for problem in quality.all_problems)
    assert all(shot.lag_seconds == pytest.approx(5 / 24, abs=1.5 / 24) for shot in quality.shots)
    alone = measure_show(gather_show([speaking_shot("sh0", 0, late_frames=9)]))
    assert any("9 frames later against its sound than faces are" in problem for problem in alone.all_problems)
    assert any("only one shot" in problem for problem in alone.all_problems)


def test_sound_of_somebody_else_is_flagged(good):
    wrong = replace(good[0], name="wrong", waveform=speaking_shot("x", 99).waveform)
    quality = measure_show(gather_show([*good[1:], wrong]))
    assert [shot.shot.name for shot in quality.shots if shot.problems] == ["wrong"]
    assert "hardly moves with its sound" in quality.all_problems[-1]


def test_clipping_silence_and_copies_are_flagged(good):
    samples = good[0].waveform.samples
    clipped = replace(good[0], name="clipped", waveform=Waveform((4 * samples).clip(-1, 1), SAMPLE_RATE))
    silent = replace(good[1], name="silent", waveform=Waveform(1e-5 * samples, SAMPLE_RATE))
    long = np.concatenate([samples, np.zeros(30 * SAMPLE_RATE, np.float32)])
    still = np.concatenate([good[0].values, np.tile(good[0].values[-1], (30 * 24, 1))])
    waiting = replace(good[0], name="waiting", waveform=Waveform(long, SAMPLE_RATE), values=still)
    copy = replace(good[2], name="copy")
    other = replace(good[3], name="other", values=good[3].values * 0.7)
    quality = measure_show(gather_show([*good, clipped, silent, waiting, copy, other]))
    found = {shot.shot.name: " ".join(shot.problems) for shot in quality.shots if shot.problems}
    assert "is clipped" in found["clipped"] and "is silent throughout" in found["silent"]
    assert re.search(r"silent for [789]\d%", found["waiting"])
    assert set(found) == {"clipped", "silent", "waiting"}
    text = " ".join(quality.problems)
    assert "'copy' is the same as shot 'sh2'" in text and "'sh3' and 'other' have the same sound" in text


def test_held_frames_and_rates_are_told(good):
    held = replace(good[0], name="twos", values=np.repeat(good[0].values[::2], 2, axis=0))
    fast = replace(good[1], name="fast", frame_rate=25.0)
    quality = measure_show(gather_show([*good, held, fast]))
    shares = {shot.shot.name: shot.held_share for shot in quality.shots}
    assert shares["twos"] >= 0.5 > shares["sh1"]
    assert any("24 and 25 frames a second" in problem for problem in quality.problems)


@pytest.mark.parametrize(("frames", "first"), [(2, 1), (2, 12), (3, 1)])
def test_a_show_on_twos_is_known_as_one(good, frames, first):
    shots = [
        replace(shot, first_frame=float(first), values=np.repeat(shot.values[::frames], frames, axis=0)[: len(shot.values)])
        for shot in good
    ]
    hold = gather_show(shots).hold
    assert hold is not None and (hold.frames, hold.phase, hold.frame_rate) == (frames, first % frames, 24.0)
    assert gather_show(good).hold is None
    assert gather_show([*shots, replace(good[1], name="smooth")]).hold is None


def test_emotions_are_counted(good):
    weights = np.zeros((len(good[0].values), 1), np.float32)
    weights[:144] = 0.5
    minutes = emotion_minutes(gather_show([replace(good[0], emotions=("joy",), emotion=weights), good[1]]))
    assert minutes == {"joy": pytest.approx(3 / 60), "neutral": pytest.approx(21 / 60)}


def test_loudness_is_at_its_frames():
    samples = np.zeros(2 * SAMPLE_RATE, np.float32)
    samples[SAMPLE_RATE : SAMPLE_RATE + 100] = 0.5
    level = measure_loudness(Waveform(samples, SAMPLE_RATE), 24.0, 0.5, 24)
    assert abs(int(np.argmax(level)) - 12) <= 1 and level.min() == -60.0


class Page(HTMLParser):
    """A parser of the text that a page shows and the addresses that it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "data", "xlink:href")]

    def handle_data(self, data):
        self.texts.append(data)


def test_the_page_has_plots_and_loads_nothing(good, tmp_path):
    for shot in (*good, speaking_shot("<off> & on", 8, late_frames=6)):
        write_shot(tmp_path, replace(shot, name=shot.name.replace("<", "(").replace(">", ")")))
    report = write_report(tmp_path)
    text = report.path.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.loads == [] and "http" not in text and "script" not in page.tags
    # Lags, a track for each shot, and the controls of two face parts.
    assert page.tags.count("svg") == 1 + 5 + 2 and page.tags.count("polyline") == 10
    assert "(off) & on" in page.texts and any("6 frames later" in item for item in page.texts)
    assert "ear_twitch" in text and "nan" not in text
    assert sorted(path.suffix for path in tmp_path.iterdir()).count(".html") == 1
    elsewhere = write_report(tmp_path, tmp_path.parent / "page.html")
    assert elsewhere.path.read_text(encoding="utf-8") == text


def test_names_cannot_break_the_page(good):
    controls = (replace(CONTROLS[0], name="<b>jaw</b>&"), *CONTROLS[1:])
    text = draw_page(measure_show(gather_show([replace(good[0], rig="<i>", controls=controls)])))
    assert "<b>jaw" not in text and "&lt;b&gt;jaw&lt;/b&gt;&amp;" in text and "<i>" not in text


def test_what_cannot_be_used_is_named_and_the_rest_is_shown(good, tmp_path):
    for shot in good:
        write_shot(tmp_path, shot)
    write_shot(tmp_path, replace(good[0], name="villain", rig="villain"))
    (tmp_path / "sh1.npz").write_bytes(b"x")
    quality = inspect_show(tmp_path)
    assert [shot.shot.name for shot in quality.shots] == ["sh0", "sh2", "sh3"]
    assert len(quality.left_out) == 2
    assert "'sh1' is damaged" in quality.left_out[0] and "of the rig 'villain'" in quality.left_out[1]
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(b"x")
    with pytest.raises(ShowError, match="No shot in .* can be used: Shot 'sh0' is damaged"):
        inspect_show(tmp_path)
    with pytest.raises(ShowError, match="There is no shot"):
        inspect_show(tmp_path.parent)


def test_a_report_that_cannot_be_written(good, tmp_path):
    write_shot(tmp_path, good[0])
    with pytest.raises(ShowError, match="cannot be written"):
        write_report(tmp_path, tmp_path / "sh0.json" / "report.html")


# What a shot knows of its rig


def test_targets_and_origin_come_back(tmp_path):
    target = Target("OBJECT", "Hero", 'pose.bones["jaw"].rotation_euler', 2)
    shot = make_shot("sh", targets={"jaw_ctrl.rotation": target}, origin="abc")
    read = read_shot(write_shot(tmp_path, shot))
    assert read.targets == {"jaw_ctrl.rotation": target} and read.origin == "abc"
    assert gather_show([read]).targets == {"jaw_ctrl.rotation": target}
    text = (tmp_path / "sh.json").read_text()
    (tmp_path / "sh.json").write_text(text.replace('"data_path"', '"path"'))
    with pytest.raises(ShowError, match="'sh' is damaged"):
        read_shot(tmp_path / "sh.json")


def test_a_show_of_regions(good):
    show = gather_show(good)
    assert [control.name for control in show.of_regions(("lips",)).controls] == ["lip_corner_L"]
    with pytest.raises(ShowError, match="No control of the tongue or the nose moves in the shots; choose among jaw, lips"):
        show.of_regions(("tongue", "nose"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"targets": {"gone": {}}}, "targets.gone is not a channel of the model"),
        ({"targets": {"jawOpen": {"id_type": "KEY", "id_name": "K"}}}, "targets.jawOpen.data_path is missing"),
        ({"hold": {"frames": 1, "phase": 0, "frame_rate": 24.0}}, "hold.frames is 1"),
    ],
)
def test_a_package_with_wrong_targets_is_refused(tmp_path, change, sentence):
    from model_packages import write_package

    with pytest.raises(ModelError, match=re.escape(sentence)):
        read_description(write_package(tmp_path / "m", change=lambda description: description.update(change)))


@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("jawOpen", "jaw"), ("CTRL_L_lid_up", "eyes"), ("lip_corner_L", "lips"), ("cheekSquintLeft", "cheeks"),
        ("Brow.L.001", "brows"), ("noseSneerRight", "nose"), ("tongue_01", "tongue"), ("neck", "head"), ("viseme_PP", "lips"),
        ("hand.L", None), ("IK_FK", None), ("spine", None), ("headphones", None), ("forehead", None),
    ],
)  # fmt: skip
def test_the_region_of_a_name(name, region):
    assert guess_region(name) == region


def test_noise_is_no_speech_but_measured():
    quality = measure_show(gather_show([make_shot("a"), make_shot("b", seed=5, waveform=Waveform(noise(4.0), SAMPLE_RATE))]))
    assert all(np.isfinite(shot.by_lag).all() for shot in quality.shots)
