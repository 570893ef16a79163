# SPDX-License-Identifier: GPL-3.0-or-later
"""Learning a show in Blender: the button is the function, a learned model drives its rig's own controls, several at once."""

from __future__ import annotations

import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
from characters import model_values
from file_state import fingerprint
from shows import make_linear_shot, make_shot
from voxrig.animation.rig.mapping import Target
from voxrig.errors import Cancelled, ModelError, RigError, ShowError

pytestmark = pytest.mark.usefixtures("registered")

JAW = Target("OBJECT", "Hero", 'pose.bones["jaw"].rotation_euler', 0)
SMILE = Target("KEY", "Key", 'key_blocks["mouthSmileLeft"].value')
TARGETS = {"jaw_ctrl.rotation": JAW, "lip_corner_L": SMILE}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shots of a rig whose jaw bone and smile follow by a known rule what the small model hears."""
    from voxrig.inference.package import load_package
    from voxrig.inference.session import open_session
    from voxrig.learning.show import write_shot

    folder = tmp_path_factory.mktemp("shows") / "My Show"
    package = load_package(model_packages.write_package(tmp_path_factory.mktemp("trunk") / "small"))
    session = open_session(package, "CPU", 1)
    for number in range(3):
        shot = make_linear_shot(session, f"sh{number}", 8.0, number, ("joy",), lambda row: float(row // 100 % 2))
        write_shot(folder, replace(shot, rig="Hero", targets=TARGETS))
    return folder


@pytest.fixture
def hero(make_rig: Any, make_face: Any) -> Any:
    """The rig of the shots, which also has the channels of the small model as shape keys."""
    rig = make_rig("Hero", bones=("jaw", "hand"))
    face = make_face("Face")
    face.parent = rig
    assert face.data.shape_keys.name == "Key"
    return rig


def learn(dataset: Path, model_folder: Path, output: Path, **changes: Any) -> Any:
    from voxrig.operators.learn import LearnJob, learn_show

    return learn_show(LearnJob(dataset, model_folder, output, **{"title": "My Show", "provider": "CPU", **changes}))


@pytest.fixture(scope="module")
def learned(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the show."""
    model = model_packages.write_package(tmp_path_factory.mktemp("model") / "small")
    return learn(dataset, model, tmp_path_factory.mktemp("learned") / "my-show").package.folder


def fill_panel(scene: Any, dataset: Path, model_folder: Path, output: Path) -> Any:
    settings = scene.voxrig
    settings.show_folder, settings.learn_folder = str(dataset), str(output)
    settings.model, settings.model_folder = "FOLDER", str(model_folder)
    return settings


def animate(scene: Any, character: Any, voice: Path, folder: Path, **settings: Any) -> Any:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    chosen = TakeSettings(provider="CPU", life=0.0, keys="EVERY", **settings)
    return animate_character(scene, character, SoundFile(str(voice)), folder, chosen)


def curve_of(target: Target, frames: Any) -> np.ndarray:
    from voxrig.blender import compat, rigs

    curve = compat.curves_of(rigs.resolve(target).owner).find(target.data_path, index=target.array_index)
    return np.array([curve.evaluate(float(frame)) for frame in frames])


def has_curve(target: Target) -> bool:
    from voxrig.blender import compat, rigs

    curves = compat.curves_of(rigs.resolve(target).owner)
    return curves is not None and curves.find(target.data_path, index=target.array_index) is not None


# Learning


def test_the_button_is_the_function_and_chooses_the_model(
    scene: Any, hero: Any, dataset: Path, model_folder: Path, tmp_path: Path, voice: Path
) -> None:
    settings = scene.voxrig
    assert not bpy.ops.voxrig.learn_show.poll()
    fill_panel(scene, dataset, model_folder, tmp_path)
    assert bpy.ops.voxrig.learn_show() == {"FINISHED"}
    assert settings.model == "FOLDER" and Path(settings.model_folder) == tmp_path / "my-show"
    by_function = learn(dataset, model_folder, tmp_path / "again" / "my-show").package
    assert (tmp_path / "my-show" / "model.onnx").read_bytes() == by_function.graph_path.read_bytes()
    assert by_function.title == "My Show" and by_function.targets == TARGETS
    # It is built on what the first model heard, not on the learned one, when the show is learned again.
    from voxrig.properties.models import chosen_model

    model = chosen_model(settings)
    assert model is not None and model.is_learned
    # It knows the show's emotion.
    assert [emotion.name for emotion in settings.emotions if emotion.name in model.emotions] == ["joy"]


def test_a_learned_model_appears_in_the_list(scene: Any, dataset: Path, model_folder: Path, tmp_path: Path) -> None:
    from voxrig.properties import access, models

    addon = bpy.context.preferences.addons.new()
    addon.module = access.PACKAGE
    try:
        addon.preferences.models_folder = str(tmp_path)
        settings = fill_panel(scene, dataset, model_folder, tmp_path)
        settings.learn_folder = ""
        settings.learn_title = "Hero Talks"
        assert bpy.ops.voxrig.learn_show() == {"FINISHED"}
        assert settings.model == "hero-talks"
        assert "Hero Talks" in [entry.title for entry in models.list_models(str(tmp_path))]
    finally:
        bpy.context.preferences.addons.remove(addon)
        models.forget_models()


def test_only_chosen_regions_are_learned(scene: Any, dataset: Path, model_folder: Path, tmp_path: Path) -> None:
    fill_panel(scene, dataset, model_folder, tmp_path).learn_regions = {"JAW"}
    assert bpy.ops.voxrig.learn_show() == {"FINISHED"}
    assert model_names(tmp_path / "my-show") == ("jaw_ctrl.rotation",)
    with pytest.raises(ShowError, match="No control of the tongue moves in the shots; choose among jaw, lips"):
        learn(dataset, model_folder, tmp_path / "x", regions=("tongue",))


def model_names(folder: Path) -> tuple[str, ...]:
    from voxrig.inference.package import load_package

    return load_package(folder).channel_names


def test_stopping_leaves_nothing(dataset: Path, model_folder: Path, tmp_path: Path) -> None:
    from voxrig.operators.learn import LearnJob, learn_show

    job = LearnJob(dataset, model_folder, tmp_path / "out", "My Show", provider="CPU")
    for count in (0, 1, 3, 6):
        asked = iter(range(count + 1))
        with pytest.raises(Cancelled):
            learn_show(job, None, lambda asked=asked: next(asked, None) is None)
        assert not (tmp_path / "out").exists()


def test_learning_in_the_background_shows_progress_and_can_be_stopped(
    scene: Any, dataset: Path, model_folder: Path, tmp_path: Path
) -> None:
    from voxrig.operators.background import Work
    from voxrig.operators.learn import LearnJob, learn_show
    from voxrig.properties.session import Run

    job = LearnJob(dataset, model_folder, tmp_path / "out", "My Show", provider="CPU")
    work = Work(job, Run("My Show", doing="learned"), learn_show)
    seen = {0.0}
    work.start()
    while work.is_alive():
        seen.add(work.state.progress)
        time.sleep(0.002)
    assert work.result().package.folder == tmp_path / "out" and work.state.progress == 1.0 and len(seen) > 2
    stopped = Work(replace(job, output=tmp_path / "stopped"), Run("My Show"), learn_show)
    stopped.state.cancelled = True
    stopped.start()
    stopped.join()
    with pytest.raises(Cancelled):
        stopped.result()
    assert not (tmp_path / "stopped").exists()


@pytest.mark.parametrize("damage", ["arrays", "json", "empty"])
def test_a_damaged_show_changes_nothing(scene: Any, dataset: Path, model_folder: Path, tmp_path: Path, damage: str) -> None:
    import shutil

    folder = tmp_path / "show"
    shutil.copytree(dataset, folder)
    if damage == "arrays":
        content = (folder / "sh1.npz").read_bytes()
        (folder / "sh1.npz").write_bytes(content[: len(content) // 2])
    elif damage == "json":
        (folder / "sh1.json").write_text("{")
    else:
        for path in folder.iterdir():
            path.unlink()
    fill_panel(scene, folder, model_folder, tmp_path / "models")
    before = fingerprint()
    sentence = "no shot" if damage == "empty" else "Shot 'sh1' is damaged on disk"
    with pytest.raises(RuntimeError, match=sentence):
        bpy.ops.voxrig.learn_show()
    assert fingerprint() == before and not (tmp_path / "models").exists()


def test_one_shot_alone_can_be_learned(dataset: Path, model_folder: Path, tmp_path: Path) -> None:
    import shutil

    (tmp_path / "show").mkdir()
    for name in ("sh0.json", "sh0.npz"):
        shutil.copy(dataset / name, tmp_path / "show" / name)
    assert learn(tmp_path / "show", model_folder, tmp_path / "out").fit.folds[1] == "time"


# Driving the rig


def test_a_learned_model_drives_its_own_controls_without_a_mapping(scene: Any, hero: Any, learned: Path, voice: Path) -> None:
    scene.render.fps = 50
    take = animate(scene, hero, voice, learned)
    frames = np.arange(1, 100)
    says = model_values(voice, learned)
    np.testing.assert_allclose(curve_of(JAW, frames), says.channel("jaw_ctrl.rotation")[:99], atol=1e-3)
    np.testing.assert_allclose(curve_of(SMILE, frames), says.channel("lip_corner_L")[:99], atol=1e-3)
    assert take.warnings == () and len(hero.voxrig.links) == 0


def test_the_mapping_of_other_models_stays_and_is_not_used(
    scene: Any, hero: Any, learned: Path, model_folder: Path, voice: Path
) -> None:
    animate(scene, hero, voice, model_folder)
    links = [(link.channel, link.gain) for link in hero.voxrig.links]
    assert links
    animate(scene, hero, voice, learned)
    assert [(link.channel, link.gain) for link in hero.voxrig.links] == links
    assert has_curve(JAW)


def test_a_copy_of_the_rig_is_as_good(scene: Any, hero: Any, learned: Path, voice: Path) -> None:
    hero.name = "Hero.004"
    hero.children[0].data.shape_keys.name = "Key.002"
    take = animate(scene, hero, voice, learned)
    assert take.warnings == ()
    assert {target.id_name for target, _curve in take.curves} == {"Hero.004", "Key.002"}


def test_another_rig_says_what_it_lacks(scene: Any, make_rig: Any, hero: Any, learned: Path, voice: Path) -> None:
    hero.children[0].data.shape_keys.key_blocks["mouthSmileLeft"].name = "smile_L"
    take = animate(scene, hero, voice, learned)
    assert take.warnings == ("'Hero' lacks 1 controls that 'My Show' was learned on: lip_corner_L",)
    other = make_rig("Other", bones=("chin",))
    with pytest.raises(RigError, match="'Other' has none of the controls .* \\(jaw_ctrl.rotation, lip_corner_L\\)"):
        animate(scene, other, voice, learned)
    scene.voxrig.model, scene.voxrig.model_folder = "FOLDER", str(learned)
    scene.voxrig.character = hero
    assert bpy.ops.voxrig.check_learned() == {"FINISHED"}
    scene.voxrig.character = other
    with pytest.raises(RuntimeError, match="has none of the controls"):
        bpy.ops.voxrig.check_learned()


def test_the_emotion_of_the_show_is_felt(scene: Any, hero: Any, learned: Path, voice: Path) -> None:
    scene.render.fps = 50
    animate(scene, hero, voice, learned)
    frames = np.arange(10, 90)
    plain = curve_of(SMILE, frames)
    animate(scene, hero, voice, learned, emotion={"joy": 1.0})
    assert (curve_of(SMILE, frames) - plain).mean() == pytest.approx(0.8, abs=0.15)
    with pytest.raises(ModelError, match="has no emotion 'anger'"):
        animate(scene, hero, voice, learned, emotion={"anger": 1.0})


# Several models


@pytest.fixture
def jaw_only(dataset: Path, model_folder: Path, tmp_path: Path) -> Path:
    return learn(dataset, model_folder, tmp_path / "jaw-only", regions=("jaw",), title="Jaw Only").package.folder


def region_model(folder: Path, *regions: str) -> Any:
    from voxrig.takes.settings import RegionModel

    return RegionModel(folder, regions)


def test_each_region_can_have_a_model_of_its_own(
    scene: Any, hero: Any, learned: Path, jaw_only: Path, model_folder: Path, voice: Path
) -> None:
    scene.render.fps = 50
    take = animate(scene, hero, voice, model_folder, region_models=(region_model(jaw_only, "jaw"),))
    frames = np.arange(1, 100)
    np.testing.assert_allclose(
        curve_of(JAW, frames), model_values(voice, jaw_only).channel("jaw_ctrl.rotation")[:99], atol=1e-3
    )
    keys = hero.children[0].data.shape_keys
    smile = model_values(voice, model_folder).channel("mouthSmileLeft")[:99]
    np.testing.assert_allclose(curve_of(SMILE, frames), smile, atol=1e-3)
    # The jaw of the chosen model is replaced, its other regions stay.
    assert not has_curve(Target("KEY", keys.name, 'key_blocks["jawOpen"].value'))
    assert has_curve(Target("KEY", keys.name, 'key_blocks["browInnerUp"].value'))
    assert take.model_title.endswith(" + Jaw Only")


def test_a_control_that_two_models_drive_belongs_to_the_one_with_the_region(
    scene: Any, hero: Any, learned: Path, model_folder: Path, voice: Path
) -> None:
    scene.render.fps = 50
    take = animate(scene, hero, voice, model_folder, region_models=(region_model(learned, "lips"),))
    targets = [target for target, _curve in take.curves]
    assert targets.count(SMILE) == 1
    frames = np.arange(1, 100)
    np.testing.assert_allclose(curve_of(SMILE, frames), model_values(voice, learned).channel("lip_corner_L")[:99], atol=1e-3)


def test_every_region_may_belong_to_learned_models(scene: Any, hero: Any, learned: Path, jaw_only: Path, voice: Path) -> None:
    from voxrig.animation.face.channels import REGIONS

    rest = tuple(region for region in REGIONS if region != "jaw")
    take = animate(scene, hero, voice, learned, region_models=(region_model(jaw_only, "jaw"), region_model(learned, *rest)))
    assert {target for target, _curve in take.curves} == {JAW, SMILE}
    assert take.model_title == "Jaw Only + My Show"


def test_the_models_of_a_take_are_recorded_and_updated(
    scene: Any, hero: Any, jaw_only: Path, model_folder: Path, voice: Path
) -> None:
    from voxrig.operators.takes import update_take
    from voxrig.takes.record import read_record

    scene.render.fps = 50
    chosen = (region_model(jaw_only, "jaw"),)
    animate(scene, hero, voice, model_folder, region_models=chosen)
    frames = np.arange(1, 100)
    before = curve_of(JAW, frames)
    assert read_record(hero.voxrig.takes[0].record).settings.region_models == chosen
    hero.animation_data_clear()
    assert not has_curve(JAW)
    update_take(scene, hero)
    np.testing.assert_allclose(curve_of(JAW, frames), before, atol=1e-4)


def test_a_scope_keeps_to_its_regions(scene: Any, hero: Any, jaw_only: Path, model_folder: Path, voice: Path) -> None:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import Scope, TakeSettings

    settings = TakeSettings(provider="CPU", life=0.0, region_models=(region_model(jaw_only, "jaw"),))
    arguments = (scene, hero, SoundFile(str(voice)), model_folder, settings)
    take = animate_character(*arguments, scope=Scope(regions=("jaw",)))
    assert [target for target, _curve in take.curves] == [JAW]
    take = animate_character(*arguments, scope=Scope(regions=("brows",)))
    assert all("brow" in target.data_path for target, _curve in take.curves) and take.curves


def test_a_region_has_one_model(scene: Any, hero: Any, learned: Path, jaw_only: Path, model_folder: Path, voice: Path) -> None:
    both = (region_model(jaw_only, "jaw"), region_model(learned, "lips", "jaw"))
    before = fingerprint()
    with pytest.raises(ModelError, match="'Jaw Only' and 'My Show' are both chosen for the jaw"):
        animate(scene, hero, voice, model_folder, region_models=both)
    assert fingerprint() == before


def test_the_panel_chooses_models_by_region(scene: Any, hero: Any, jaw_only: Path, model_folder: Path, voice: Path) -> None:
    settings = scene.voxrig
    settings.character, settings.sound_file = hero, str(voice)
    settings.model, settings.model_folder = "FOLDER", str(model_folder)
    assert bpy.ops.voxrig.add_region_model() == {"FINISHED"}
    row = settings.region_models[0]
    row.model_name, row.regions = str(jaw_only), {"JAW"}
    assert "joy" in settings.emotions
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert has_curve(JAW)
    row.model_name = "gone"
    with pytest.raises(RuntimeError, match="There is no model 'gone' for face parts"):
        bpy.ops.voxrig.animate_from_audio()
    assert bpy.ops.voxrig.remove_region_model(index=0) == {"FINISHED"}
    assert len(settings.region_models) == 0


def test_the_command_line_chooses_models_by_region(
    scene: Any, hero: Any, jaw_only: Path, model_folder: Path, voice: Path, tmp_path: Path, capfd: Any
) -> None:
    from voxrig.cli import main as cli

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    arguments = ["animate", "--character", "Hero", "--audio", str(voice), "--model", str(model_folder)]
    arguments += ["--output", str(tmp_path / "out.blend")]
    assert cli.main([*arguments, "--region-model", f"jaw={jaw_only}"]) == 0
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out.blend"))
    assert has_curve(JAW)
    assert cli.main([*arguments, "--region-model", f"chin={jaw_only}"]) == 2
    assert "is not REGIONS=MODEL" in capfd.readouterr().err


def test_the_command_line_learns_regions(dataset: Path, model_folder: Path, tmp_path: Path, capfd: Any) -> None:
    from voxrig.cli import main as cli

    arguments = ["fit", str(dataset), "--model", str(model_folder), "-o", str(tmp_path / "lips"), "--provider", "cpu"]
    assert cli.main([*arguments, "--region", "lips"]) == 0
    assert model_names(tmp_path / "lips") == ("lip_corner_L",)
    assert "1 controls of 'Hero'" in capfd.readouterr().out


def test_the_run_of_a_training_is_written_once_and_can_be_read(registered: None, tmp_path: Path) -> None:
    from voxrig.learning.show import write_shot

    write_shot(tmp_path / "shots", make_shot("sh010", seconds=5.0))
    settings = bpy.context.scene.voxrig
    assert not bpy.ops.voxrig.write_training.poll()
    settings.show_folder, settings.learn_title, settings.learn_network = str(tmp_path / "shots"), "My Hero", "diffusion"
    settings.learn_regions = {"JAW", "LIPS"}
    assert bpy.ops.voxrig.write_training() == {"FINISHED"}
    place = tmp_path / "my-hero-diffusion.toml"
    entries = tomllib.loads(place.read_text(encoding="utf-8"))
    assert entries == {"dataset": str(tmp_path / "shots"), "network": "diffusion", "regions": ["jaw", "lips"]}
    assert bpy.ops.voxrig.write_training() == {"FINISHED"}
    settings.learn_regions = {"JAW"}
    with pytest.raises(RuntimeError, match="of another training"):
        bpy.ops.voxrig.write_training()
    assert tomllib.loads(place.read_text(encoding="utf-8")) == entries
    settings.show_folder = str(tmp_path / "nothing")
    with pytest.raises(RuntimeError):
        bpy.ops.voxrig.write_training()
