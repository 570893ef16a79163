# SPDX-License-Identifier: GPL-3.0-or-later
"""Fit: a known relation between what a small model hears and a rig's controls is found again, and the package that is
written shows the same as the numpy that was fitted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from model_packages import FEATURE_WIDTH, PHONES, SAMPLE_RATE, build_graph, noise, write_package
from shows import CONTROLS, make_linear_shot, make_shot
from voxrig.cli import main as cli
from voxrig.errors import Cancelled, ModelError, ShowError
from voxrig.inference.audio import Waveform
from voxrig.inference.generate import generate_curves
from voxrig.inference.package import load_package
from voxrig.inference.session import open_session
from voxrig.learning.fit import Fit, fit_show, hear_shot, lag_hats, predict, write_fit
from voxrig.learning.show import gather_show, write_shot


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return open_session(load_package(write_package(tmp_path_factory.mktemp("trunk") / "small")), "CPU", 1)


@pytest.fixture(scope="module")
def show(session):
    return gather_show([make_linear_shot(session, f"sh{seed}", 8.0, seed) for seed in range(4)])


@pytest.fixture(scope="module")
def fit(session, show):
    return fit_show(session, show)


def correlation(first, second):
    return np.corrcoef(first, second)[0, 1]


def test_the_relation_is_recovered_on_a_sound_never_heard(session, show, fit, tmp_path):
    unseen = make_linear_shot(session, "new", 6.0, seed=77)
    assert [control.name for control in fit.controls] == ["jaw_ctrl.rotation", "lip_corner_L"], "what never moves is dropped"
    package = write_fit(fit, session.package, tmp_path / "hero show")
    curves = generate_curves(open_session(package, "CPU", 1), unseen.waveform)
    for name in curves.names:
        shown = unseen.values[:, unseen.control_names.index(name)]
        made = curves.channel(name)
        assert correlation(made, shown) > 0.99, name
        # In scale and offset too, not only in shape.
        assert np.sqrt(np.mean((made - shown) ** 2)) < 0.15 * shown.std(), name


def test_a_relation_with_another_sound_is_not_invented(session, show):
    shuffled = [
        replace(shot, waveform=Waveform(noise(8.0, seed=500 + number), SAMPLE_RATE)) for number, shot in enumerate(show.shots)
    ]
    wrong = fit_show(session, gather_show(shuffled))
    assert abs(wrong.mean_held_out) < 0.4
    assert max(wrong.ridges.values()) > 1.0, "what does not follow from the sound asks for much regularisation"


def test_the_held_out_scores_tell_what_was_learned(fit):
    assert fit.folds == (4, "shots")
    assert min(fit.held_out) > 0.98 and fit.mean_held_out == pytest.approx(sum(fit.held_out) / 2)
    assert set(fit.ridges) == {"jaw", "lips"}
    assert fit.minutes == pytest.approx(32 / 60, abs=0.01)


def test_the_package_shows_what_the_numpy_shows(session, show, fit, tmp_path):
    onnx = pytest.importorskip("onnx")
    package = write_fit(fit, session.package, tmp_path / "show")
    onnx.checker.check_model(onnx.load(str(package.graph_path)), full_check=True)
    shot = show.shots[0]
    heard = hear_shot(session, shot, show.controls)
    margin = (len(heard.heard) - len(shot.values)) // 2
    expected = predict(fit, heard.heard)[margin : margin + len(shot.values)]
    curves = generate_curves(open_session(package, "CPU", 1), shot.waveform)
    np.testing.assert_allclose(curves.values, expected, atol=2e-4)
    cut = generate_curves(open_session(package, "CPU", 1), shot.waveform, window_seconds=1.3)
    np.testing.assert_allclose(cut.values, curves.values, atol=1e-4)


def test_the_package_says_how_it_came_about(session, fit, tmp_path):
    package = write_fit(fit, session.package, tmp_path / "Hero Show 2", title="Hero", licence="LicenseRef-studio")
    assert (package.name, package.title, package.licence) == ("hero-show-2", "Hero", "LicenseRef-studio")
    assert package.emotions == () and package.phones == PHONES and package.feature_width == FEATURE_WIDTH
    assert package.channels == fit.controls
    assert package.context_before_seconds == session.package.context_before_seconds + 0.5
    assert package.training.hours == pytest.approx(session.package.training.hours + fit.minutes / 60, abs=1e-3)
    assert [corpus.name for corpus in package.training.corpora] == ["random weights", "shots of hero"]
    scores = package.training.scores
    assert scores["method"] == "fit" and scores["held_out_r"].keys() == {"jaw_ctrl.rotation", "lip_corner_L"}
    assert sorted(path.name for path in package.folder.iterdir()) == ["model.json", "model.onnx"]


def test_a_learned_package_can_be_learned_on(session, show, fit, tmp_path):
    first = write_fit(fit, session.package, tmp_path / "first")
    again = fit_show(open_session(first, "CPU", 1), show)
    second = write_fit(again, first, tmp_path / "second")
    assert second.graph_path.read_bytes() == first.graph_path.read_bytes()


def test_values_stay_within_the_limits_of_the_controls(session, show, fit, tmp_path):
    narrow = replace(fit, controls=tuple(replace(control, minimum=-0.1, maximum=0.2, rest=0.0) for control in fit.controls))
    package = write_fit(narrow, session.package, tmp_path / "narrow")
    made = open_session(package, "CPU", 1).run(noise(2.0)[: 100 * 320])["channels"]
    assert made.min() == np.float32(-0.1) and made.max() == np.float32(0.2)


def test_an_emotion_moves_what_it_moved_in_the_show(session, tmp_path):
    shots = [
        make_linear_shot(session, f"sh{seed}", 6.0, seed, ("joy",), lambda row, seed=seed: float((row // 100 + seed) % 2))
        for seed in range(4)
    ]
    fit = fit_show(session, gather_show(shots))
    package = write_fit(fit, session.package, tmp_path / "moody")
    assert package.emotions == ("joy",)
    sound = Waveform(noise(4.0, seed=60), SAMPLE_RATE)
    moody = open_session(package, "CPU", 1)
    calm = generate_curves(moody, sound, [0.0])
    glad = generate_curves(moody, sound, [1.0])
    inner = slice(50, 150)
    moved = (glad.channel("lip_corner_L") - calm.channel("lip_corner_L"))[inner]
    assert moved.mean() == pytest.approx(0.8, abs=0.1)
    assert abs((glad.channel("jaw_ctrl.rotation") - calm.channel("jaw_ctrl.rotation"))[inner].mean()) < 0.05
    weights = np.zeros((200, 1), np.float32)
    heard = hear_shot(session, make_shot(waveform=sound), ())
    margin = (len(heard.heard) - 200) // 2
    np.testing.assert_allclose(calm.values, predict(fit, heard.heard)[margin : margin + 200], atol=2e-4)
    np.testing.assert_array_equal(generate_curves(moody, sound, weights).values, calm.values)


def test_one_shot_is_divided_in_time(session):
    fit = fit_show(session, gather_show([make_linear_shot(session, "only", 20.0, 8)]))
    assert fit.folds == (5, "time")
    assert fit.mean_held_out > 0.95


def test_another_frame_rate_is_learned_as_well(session, show, tmp_path):
    # Every second row of the 50 a second: 25 frames a second, whose movement is slow enough for them.
    slow = [replace(shot, values=shot.values[::2], frame_rate=25.0) for shot in show.shots]
    fit = fit_show(session, gather_show(slow))
    assert fit.mean_held_out > 0.9


def test_the_sound_may_begin_before_the_animation_and_be_at_another_rate(session, show):
    def late(shot):
        return replace(shot, values=shot.values[50:], sound_start_seconds=-1.0)

    fit = fit_show(session, gather_show([late(shot) for shot in show.shots]))
    assert fit.mean_held_out > 0.98
    doubled = Waveform(np.repeat(show.shots[0].waveform.samples, 2), 2 * SAMPLE_RATE)
    heard = hear_shot(session, replace(show.shots[0], waveform=doubled), show.controls)
    assert len(heard.heard) == len(hear_shot(session, show.shots[0], show.controls).heard)


def test_learning_is_deterministic_and_changes_nothing_it_is_given(session, show, fit):
    before = [shot.values.copy() for shot in show.shots]
    again = fit_show(session, show)
    np.testing.assert_array_equal(again.kernel, fit.kernel)
    for shot, values in zip(show.shots, before):
        np.testing.assert_array_equal(shot.values, values)


def test_hats_run_linearly_between_knots_and_sum_to_one():
    hats = lag_hats(50.0)
    assert hats.shape == (13, 51)
    np.testing.assert_allclose(hats.sum(axis=1), 1.0)
    assert hats[6].argmax() == 25 and hats[0].argmax() == 0
    assert (np.count_nonzero(hats, axis=0) <= 2).all()


def test_it_stops_when_asked_and_tells_how_far_it_is(session, show):
    seen: list[float] = []
    fit_show(session, show, on_progress=seen.append)
    assert seen == sorted(seen) and seen[0] == 0.0 and seen[-1] == 1.0
    with pytest.raises(Cancelled):
        fit_show(session, show, is_cancelled=lambda: True)


def test_a_fit_of_another_model_is_refused(session, fit, tmp_path):
    other: Fit = replace(fit, mean=fit.mean[:-1])
    with pytest.raises(ModelError, match="fit it again"):
        write_fit(other, session.package, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_trunk_that_was_replaced_meanwhile_is_refused(fit, tmp_path):
    trunk = load_package(write_package(tmp_path / "small"))
    write_package(tmp_path / "small", graph=build_graph(seed=6))
    with pytest.raises(ModelError, match="was changed since the fit"):
        write_fit(fit, trunk, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(session, fit, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written"):
        write_fit(fit, session.package, tmp_path / "file" / "show")


def test_the_command_line_learns_a_dataset(session, show, tmp_path, capsys):
    for shot in show.shots:
        write_shot(tmp_path / "shots", shot)
    out = tmp_path / "hero"
    command = ["fit", str(tmp_path / "shots"), "-o", str(out), "--model", str(session.package.folder)]
    assert cli.main(command) == 0
    printed = capsys.readouterr().out
    assert "2 controls" in printed and "ear_twitch" in printed and str(out) in printed
    assert load_package(out).channel_names == ("jaw_ctrl.rotation", "lip_corner_L")
    assert json.loads((out / "model.json").read_text())["training"]["scores"]["folds"] == {"count": 4, "of": "shots"}
    (tmp_path / "shots" / "sh1.npz").write_bytes(b"gone")
    assert cli.main([*command[:3], str(tmp_path / "other"), *command[4:]]) == 2
    assert "Shot 'sh1' is damaged on disk" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    assert cli.main([*command[:3], str(tmp_path / "shots"), *command[4:]]) == 2
    assert "already holds other files" in capsys.readouterr().err


def test_too_short_a_show_is_refused(session):
    shot = make_shot("short", seconds=1.0, controls=CONTROLS)
    with pytest.raises(ShowError, match="too little animation"):
        fit_show(session, gather_show([shot]))
