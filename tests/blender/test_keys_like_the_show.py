# SPDX-License-Identifier: GPL-3.0-or-later
"""'Like the Show' in Blender: keys lie where a model with a key network proposes them, and nowhere else."""

from __future__ import annotations

import math
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import model_packages
import numpy as np
import pytest
import soundfile
from file_state import fingerprint
from onnx import TensorProto, helper, numpy_helper
from shows import make_linear_shot
from voxrig.animation.rig.mapping import Target

pytestmark = pytest.mark.usefixtures("registered")

ROOT = Path(__file__).parents[2]
TRAINING_PYTHON = ROOT / ".venv-training" / "bin" / "python"
FPS = 24
JAW = Target("OBJECT", "Hero", 'pose.bones["jaw"].rotation_euler', 0)
CORNER = Target("OBJECT", "Hero", 'pose.bones["lip.L"].location', 1)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of sound that no shot has."""
    path = tmp_path_factory.mktemp("sounds") / "line.wav"
    soundfile.write(path, model_packages.noise(4.0, seed=21), model_packages.SAMPLE_RATE)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that voxrig-train made of three shots, keys included."""
    if not TRAINING_PYTHON.is_file():
        pytest.skip("PyTorch is only in the training environment (make training)")
    from voxrig.inference.package import load_package
    from voxrig.inference.session import open_session
    from voxrig.learning.show import write_shot

    folder = tmp_path_factory.mktemp("trained")
    trunk = load_package(model_packages.write_package(folder / "small"))
    session = open_session(trunk, "CPU", 1)
    for number in range(3):
        shot = make_linear_shot(session, f"sh{number}", 8.0, number)
        targets = {"jaw_ctrl.rotation": JAW, "lip_corner_L": CORNER}
        write_shot(folder / "shots", replace(shot, rig="Hero", targets=targets))
    run = 'dataset = "shots"\ntrunk = "small"\nfolds = 2\nepochs = 4\ncopies = 0\nhidden = 8\nlatent = 3\nthreads = 1\n'
    (folder / "show.toml").write_text(run, encoding="utf-8")
    command = [str(TRAINING_PYTHON), "-m", "voxrig.training.shows.train", str(folder / "show.toml")]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder / "show" / "package"


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model with likelihoods of keys for two face parts, each from one thing that it hears for half a second."""
    graph = model_packages.build_graph()
    weights = np.zeros((2, model_packages.FEATURE_WIDTH, 25), np.float32)
    weights[[0, 1], [0, 3]] = np.hanning(27)[1:-1]
    graph.graph.initializer.append(numpy_helper.from_array(weights, "propose"))
    graph.graph.node.extend([
        helper.make_node("Conv", ["columns", "propose"], ["proposals"], pads=[12, 12]),
        helper.make_node("Sigmoid", ["proposals"], ["likely"]),
        helper.make_node("Transpose", ["likely"], ["keys"], perm=[0, 2, 1]),
    ])  # fmt: skip
    graph.graph.output.append(helper.make_tensor_value_info("keys", TensorProto.FLOAT, [1, "frames", 2]))
    folder = tmp_path_factory.mktemp("by_hand") / "small"
    about = {"key_regions": ["jaw", "lips"], "context_seconds": {"before": 1.25, "after": 1.25}}
    return model_packages.write_package(folder, graph=graph, change=lambda description: description.update(about))


@pytest.fixture(params=["trained", "by_hand"])
def show_model(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture
def hero(make_rig: Any, make_face: Any) -> Any:
    """A rig with the controls of the shots, and a face with the channels of the small model."""
    rig = make_rig("Hero")
    make_face("Face").parent = rig
    return rig


def proposed_frames(model: Path, sound: Path) -> set[int]:
    """Return frames of the local maxima above one half of any face part's likelihood."""
    from voxrig.inference.audio import read_sound
    from voxrig.inference.generate import generate_outputs
    from voxrig.inference.package import load_package
    from voxrig.inference.session import open_session

    package = load_package(model)
    heard = read_sound(sound, package.sample_rate)
    keys = generate_outputs(open_session(package, "CPU"), heard, outputs=("keys",))["keys"]
    last = 1 + math.floor(heard.duration_seconds * FPS)
    frames: set[int] = set()
    for column in keys.T:
        for row in range(len(column)):
            around = column[max(0, row - 1) : row + 2]
            if column[row] >= 0.5 and column[row] == around.max() and (around == column[row]).sum() == 1:
                frames.add(1 + round(row / package.frame_rate * FPS))
    return {frame for frame in frames if frame <= last}


def animate(scene: Any, hero: Any, sound: Path, model: Path, keys: str) -> Any:
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    return animate_character(scene, hero, SoundFile(str(sound)), model, TakeSettings(provider="CPU", life=0.0, keys=keys))


def points_of(target: Target) -> dict[int, float]:
    """Return the keys that lie in Blender: frame to value."""
    from voxrig.blender import compat, rigs

    curve = compat.curves_of(rigs.resolve(target).owner).find(target.data_path, index=target.array_index)
    return {round(point.co.x): point.co.y for point in curve.keyframe_points}


def test_keys_lie_where_the_model_proposes_them(scene: Any, hero: Any, show_model: Path, line: Path) -> None:
    every = {target: points_of(target) for target, _curve in animate(scene, hero, line, show_model, "EVERY").curves}
    take = animate(scene, hero, line, show_model, "SHOW")
    expected = proposed_frames(show_model, line) | {take.first_frame, take.last_frame}
    assert len(every) >= 2 and {target for target, _curve in take.curves} == set(every)
    for target, dense in every.items():
        points = points_of(target)
        assert set(points) == expected
        assert all(value == pytest.approx(dense[frame], abs=1e-5) for frame, value in points.items())
    # Some besides the first and the last, and far fewer than there are frames.
    assert 4 <= len(expected) <= len(dense) / 2


def test_the_button_sets_the_same_keys(scene: Any, hero: Any, by_hand: Path, line: Path) -> None:
    by_function = {target: points_of(target) for target, _curve in animate(scene, hero, line, by_hand, "SHOW").curves}
    for block in (hero, hero.children[0].data.shape_keys):
        block.animation_data_clear()
    settings = scene.voxrig
    settings.character, settings.sound_file = hero, str(line)
    settings.model, settings.model_folder, settings.keys, settings.life = "FOLDER", str(by_hand), "SHOW", 0.0
    assert bpy.ops.voxrig.animate_from_audio() == {"FINISHED"}
    assert by_function and all(points_of(target) == points for target, points in by_function.items())


def test_a_model_without_a_key_network_says_so(scene: Any, hero: Any, model_folder: Path, line: Path) -> None:
    settings = scene.voxrig
    settings.character, settings.sound_file = hero, str(line)
    settings.model, settings.model_folder, settings.keys = "FOLDER", str(model_folder), "SHOW"
    before = fingerprint()
    with pytest.raises(RuntimeError, match="'Small 1' never learned where animators set keys"):
        bpy.ops.voxrig.animate_from_audio()
    assert fingerprint() == before
