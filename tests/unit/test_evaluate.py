# SPDX-License-Identifier: GPL-3.0-or-later
"""The scoring harness on a made-up development set whose scores are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.face.phones import TimedPhone
from voxrig.tools.reports import peers
from voxrig.training.evaluation import evaluate
from voxrig.training.evaluation.evaluate import Development, Estimate, Recording, Scores
from voxrig.training.evaluation.measures import TrackedMouth

RATE = 16_000
PHONES = (
    TimedPhone("SIL", 0.0, 0.3),
    TimedPhone("B", 0.3, 0.4),
    TimedPhone("AA", 0.4, 0.7),
    TimedPhone("F", 0.7, 0.8),
    TimedPhone("IY", 0.8, 1.1),
    TimedPhone("M", 1.1, 1.2),
    TimedPhone("AH", 1.2, 1.5),
    TimedPhone("T", 1.5, 1.6),
    TimedPhone("SIL", 1.6, 2.0),
)


def speech(seed: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(2 * RATE)).astype(np.float32)


def clip(name: str, speaker: str, groups: tuple[str, ...]) -> Recording:
    return Recording(f"librispeech_subset/{name}", speaker, groups, "en", "bam af", speech(len(name)), PHONES)


@pytest.fixture
def development() -> Development:
    labelled = (
        clip("a", "27", ("men", "native adults")),
        clip("bb", "27", ("men", "native adults")),
        clip("ccc", "9", ("children",)),
    )
    frames = (np.arange(50) + 0.5) / 25
    tracked = TrackedMouth(frames, np.sin(frames * 9), np.cos(frames * 7), np.sin(frames * 9))
    talker = Recording("b1", "grid_lips/s1", (), "en", "", speech(1), PHONES, tracked)
    return Development(labelled, (talker,), (), (), (speech(3),), "fast", "made up")


def jaw_of(phones: tuple[TimedPhone, ...]) -> ChannelCurves:
    time = np.arange(100) / 50
    jaw = np.full(100, 0.2, np.float32)
    for phone in phones:
        if phone.phone in ("B", "M", "F", "SIL"):
            jaw[(time >= phone.start - 1e-6) & (time <= phone.end + 1e-6)] = 0.0
    return ChannelCurves(("jawOpen",), 50.0, jaw[:, None])


def follow(waveform: np.ndarray, phones: tuple[TimedPhone, ...]) -> ChannelCurves:
    return jaw_of(tuple(phones))


def hold(waveform: np.ndarray) -> ChannelCurves:
    return ChannelCurves(("jawOpen",), 50.0, np.full((max(1, len(waveform) // 320), 1), 0.1, np.float32))


def test_a_mouth_driven_by_the_true_phones_scores_full(development: Development) -> None:
    scores = evaluate.score(follow, development, knows_phones=True)
    assert scores["closure_recall"] == scores["labiodental_recall"] == 1
    assert scores["false_closure"] == scores["sealed_tongue"] == 0
    assert scores.estimates["closure_recall"] == Estimate(1, 0, 6)
    assert scores.estimates["closure_recall@children"].count == 2
    assert np.isnan(scores.estimates["closure_recall@children"].error)
    assert "still" not in scores.estimates


def test_a_still_face_scores_nothing_and_stands_still(development: Development) -> None:
    scores = evaluate.score(hold, development)
    assert scores["closure_recall"] == scores["opening_r"] == scores["jaw_r"] == 0
    assert np.isnan(scores["still"])  # nothing moves in speech either, so there is nothing to compare with
    assert scores["letters_recall/en"] == 0
    assert np.isnan(scores["lag"])


def test_stillness_is_motion_without_speech_over_motion_in_speech(development: Development) -> None:
    def louder_is_faster(waveform: np.ndarray) -> ChannelCurves:
        # Motion follows the sample's own level, so digital silence is still and noise is not.
        frames = waveform[: len(waveform) // 320 * 320].reshape(-1, 320)
        return ChannelCurves(("jawOpen",), 50.0, np.abs(frames).max(axis=1, keepdims=True))

    scores = evaluate.score(louder_is_faster, development)
    assert scores["still/digital silence"] == 0
    assert scores["still/room noise"] == pytest.approx(1.0, abs=0.35)  # the same noise as the 'speech'


def test_losses_compare_the_same_clips(development: Development) -> None:
    def only_clean(waveform: np.ndarray, phones: tuple[TimedPhone, ...]) -> ChannelCurves:
        clean = any(np.array_equal(waveform, c.waveform) for c in (*development.labelled, *development.tracked))
        return jaw_of(tuple(phones)) if clean else hold(waveform)

    development = replace(development, subset="standard")
    scores = evaluate.score(only_clean, development, knows_phones=True)
    degraded = [name for name in scores.estimates if name.startswith("closure_recall_loss/")]
    assert set(degraded) == {f"closure_recall_loss/{name}" for name in evaluate.CONDITIONS}
    assert all(scores[name] == 1 for name in degraded)
    plain = evaluate.score(only_clean, development, knows_phones=True, degraded=False)
    assert not any("loss" in name for name in plain.estimates)


def test_scores_survive_their_file(development: Development) -> None:
    scores = evaluate.score(follow, development, knows_phones=True)
    again = Scores.from_json(scores.to_json())
    assert again.facts == scores.facts and again.subset == scores.subset
    assert set(again.estimates) == set(scores.estimates)
    assert again["closure_recall"] == 1
    assert np.isnan(again.get("no such measure"))


def test_the_table_shows_every_system_and_group(development: Development) -> None:
    columns = {"ours": evaluate.score(follow, development, knows_phones=True), "still": evaluate.score(hold, development)}
    table = evaluate.format_table(columns)
    first, second, third = table.splitlines()[:3]
    assert [cell.strip() for cell in first.strip("|").split("|")] == ["measure", "floor / aim", "ours", "still"]
    assert set(second) <= set("|- ")
    assert [cell.strip() for cell in third.strip("|").split("|")] == [
        "closure recall",
        "0.92 / 0.98",
        "1.000 ±0.000",
        "0.000 ±0.000",
    ]
    assert "| children" in table and "3 clips" in table and "phone times: made up" in table


@pytest.mark.parametrize(
    ("text", "closures"),
    [
        ("Bob", 2),
        ("komm bitte", 1),
        ("der Papst", 2),
        ("Philipp", 1),
        ("um Berlin", 1),
        ("Pferd", 1),
        ("de kat", 0),
        ("summer", 1),
    ],
)
def test_closures_promised_by_spelling(text: str, closures: int) -> None:
    assert evaluate.expected_closures(text) == closures


def test_speech_span_leaves_the_pauses_out() -> None:
    sound = np.concatenate([np.zeros(RATE), speech(0), np.zeros(RATE)]).astype(np.float32)
    assert evaluate.speech_span(sound) == (1.0, 3.0)


def test_a_subset_chooses_the_same_clips_every_time(development: Development) -> None:
    many = tuple(clip("x" * k, f"s{k % 2}", ("men",)) for k in range(1, 61))
    whole = Development(many, development.tracked, (), (), (), "whole", "made up")
    fast = whole.choose("fast")
    assert len(fast.labelled) == 2 * evaluate.SUBSETS["fast"].per_speaker["librispeech_subset"]
    shuffled = Development(many[::-1], development.tracked, (), (), (), "whole", "made up")
    assert {c.name for c in shuffled.choose("fast").labelled} == {c.name for c in fast.labelled}


def test_a_folder_without_data_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--data", str(tmp_path)]) == 2
    assert "index.tsv" in capsys.readouterr().err


def test_a_package_is_scored_through_the_way_that_blender_uses(development: Development, tmp_path: Path) -> None:
    packages = pytest.importorskip("model_packages", reason="needs onnx to write a package")
    predict, megabytes = evaluate.load_package_predict(packages.write_package(tmp_path / "small"))
    curves = predict(development.labelled[0].waveform)
    assert curves.names == packages.CHANNELS
    assert curves.frame_count == 100
    assert 0 < megabytes < 1
    scores = evaluate.score(predict, development, degraded=False)
    assert scores.facts["times real time"] > 1
    assert 0 <= scores["closure_recall"] <= 1


def test_rhubarb_cues_become_cross_faded_poses() -> None:
    curves = peers.pose_cues([(0.0, 0.5, "D"), (0.5, 0.8, "A"), (0.8, 1.0, "X")], 1.0)
    jaw = curves.channel("jawOpen")
    close = curves.channel("mouthClose")
    assert jaw[0] == pytest.approx(0.2) and close[0] == 0
    assert jaw[50] == pytest.approx(0.5 * (0.2 + 0.03), abs=1e-6)  # the middle of the fade is the cue's start
    assert (jaw[60], close[60]) == (pytest.approx(0.03), pytest.approx(0.03))
    assert jaw[99] == pytest.approx(0.0, abs=1e-6)


def test_headaudio_weights_become_poses_ahead_of_their_delay() -> None:
    weights = np.zeros((10, 2))
    weights[:, 0] = 0.5
    curves = peers.pose_visemes(("viseme_aa", "viseme_sil"), 125.0, weights)
    assert curves.channel("jawOpen")[3] == pytest.approx(0.1)
    assert curves.start_seconds == pytest.approx(0.008 - 0.1)
