# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions: providers, the way back to the CPU, shapes, threads, determinism."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from model_packages import CHANNELS, FEATURE_WIDTH, HOP, PHONES, build_endless_graph, make_model, noise, write_package
from onnx import helper, numpy_helper
from voxrig.errors import ModelError
from voxrig.inference.package import ModelPackage, load_package
from voxrig.inference.session import Session, available_providers, default_threads, open_session

BUILT_WITH_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    return load_package(write_package(tmp_path_factory.mktemp("models") / "small"))


def cuda_runs(package: ModelPackage) -> bool:
    if not BUILT_WITH_CUDA:
        return False
    graph = onnxruntime.InferenceSession(str(package.graph_path), providers=["CUDAExecutionProvider"])
    return "CUDAExecutionProvider" in graph.get_providers()


def breaking_graph() -> onnxruntime.InferenceSession:
    """Return a real graph with the right names that opens and fails whenever it runs: it cuts any sound into 7 samples."""
    tensors = [numpy_helper.from_array(np.array([7], np.int64), "seven")]
    nodes = [
        helper.make_node("Reshape", ["waveform", "seven"], ["cut"]),
        helper.make_node("ReduceMean", ["emotion"], ["mood"], keepdims=0),
        helper.make_node("Add", ["cut", "mood"], ["channels"]),
        helper.make_node("Identity", ["channels"], ["features"]),
        helper.make_node("Identity", ["channels"], ["phones"]),
    ]
    graph = make_model(
        nodes,
        [("waveform", [1, "samples"]), ("emotion", [1, "frames", 2])],
        [("channels", ["n"]), ("features", ["n"]), ("phones", ["n"])],
        tensors,
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])


def test_the_cpu_is_always_there():
    assert "CPU" in available_providers()
    assert set(available_providers()) <= {"CUDA", "CPU"}


def test_auto_takes_cuda_where_it_runs_and_else_the_cpu(package: ModelPackage):
    session = open_session(package)
    assert session.provider == ("CUDA" if cuda_runs(package) else "CPU")
    if not BUILT_WITH_CUDA:
        assert session.warning is None


def test_the_cpu_can_be_forced(package: ModelPackage):
    session = open_session(package, "CPU")
    assert (session.provider, session.warning) == ("CPU", None)


def test_cuda_that_cannot_be_had_becomes_the_cpu_with_one_warning(package: ModelPackage, capfd: pytest.CaptureFixture[str]):
    if cuda_runs(package):
        pytest.skip("CUDA runs on this machine")
    capfd.readouterr()  # what onnxruntime said to the line above
    session = open_session(package, "CUDA")
    assert session.provider == "CPU"
    assert session.warning is not None
    assert session.warning.startswith("CUDA cannot be used (")
    assert session.warning.endswith("; the CPU is used instead")
    assert "\n" not in session.warning
    expected = open_session(package, "CPU").run(noise(1.0))["channels"]
    assert np.array_equal(session.run(noise(1.0))["channels"], expected)
    assert capfd.readouterr() == ("", "")


def test_a_run_that_fails_off_the_cpu_is_done_again_on_it(package: ModelPackage):
    """The graph that fails is real; only the name of where it runs is not, so that this is seen without a GPU."""
    session = Session(package, breaking_graph(), "CUDA", 1)
    made = session.run(noise(1.0))
    assert session.provider == "CPU"
    assert session.warning is not None
    assert session.warning.startswith("CUDA cannot be used (")
    assert "\n" not in session.warning
    expected = open_session(package, "CPU", 1).run(noise(1.0))
    assert all(np.array_equal(made[name], expected[name]) for name in expected)
    warning = session.warning
    session.run(noise(1.0))
    assert session.warning is warning


def test_a_run_that_fails_on_the_cpu_says_so(package: ModelPackage):
    session = Session(package, breaking_graph(), "CPU", 1)
    with pytest.raises(ModelError, match="Model 'small' failed to run") as caught:
        session.run(noise(1.0))
    assert "\n" not in str(caught.value)


def test_a_graph_that_went_missing_says_so(package: ModelPackage, tmp_path: Path):
    gone = dataclasses.replace(package, folder=tmp_path)
    with pytest.raises(ModelError, match="Model 'small' does not open"):
        open_session(gone)
    with pytest.raises(ModelError, match="Model 'small' failed to run"):
        Session(gone, breaking_graph(), "CUDA", 1).run(noise(1.0))


def test_an_unknown_provider_is_a_mistake_of_the_caller(package: ModelPackage):
    with pytest.raises(ValueError, match="provider 'TPU'"):
        open_session(package, "TPU")


def test_outputs_are_rows_of_frames(package: ModelPackage):
    made = open_session(package, "CPU").run(noise(1.0))
    shapes = {name: array.shape for name, array in made.items()}
    assert shapes == {"channels": (50, len(CHANNELS)), "features": (50, FEATURE_WIDTH), "phones": (50, len(PHONES))}
    assert all(array.dtype == np.float32 for array in made.values())
    assert made["phones"].sum(axis=1) == pytest.approx(np.ones(50), abs=1e-5)


def test_only_the_wanted_outputs_are_given(package: ModelPackage):
    session = open_session(package, "CPU")
    made = session.run(noise(1.0), outputs=["phones"])
    assert list(made) == ["phones"]
    assert np.array_equal(made["phones"], session.run(noise(1.0))["phones"])


def test_no_emotion_is_all_weights_at_nothing(package: ModelPackage):
    session = open_session(package, "CPU")
    still = session.run(noise(1.0), np.zeros((50, 2), np.float32))
    assert np.array_equal(session.run(noise(1.0))["channels"], still["channels"])
    moved = session.run(noise(1.0), np.ones((50, 2), np.float32))
    assert np.abs(moved["channels"] - still["channels"]).max() > 0.05


def test_inputs_are_left_alone(package: ModelPackage):
    waveform, emotion = noise(1.0), np.full((50, 2), 0.5, np.float32)
    kept = waveform.copy(), emotion.copy()
    open_session(package, "CPU").run(waveform, emotion)
    assert np.array_equal(waveform, kept[0])
    assert np.array_equal(emotion, kept[1])


@pytest.mark.parametrize(
    ("waveform", "emotion", "problem"),
    [
        (np.zeros(HOP + 1, np.float32), None, "waveform"),
        (np.zeros(0, np.float32), None, "waveform"),
        (np.zeros((HOP, 2), np.float32), None, "waveform"),
        (np.zeros(2 * HOP, np.float32), np.zeros((3, 2), np.float32), "emotion"),
        (np.zeros(2 * HOP, np.float32), np.zeros((2, 3), np.float32), "emotion"),
    ],
)
def test_wrong_shapes_are_mistakes_of_the_caller(
    package: ModelPackage, waveform: np.ndarray, emotion: np.ndarray | None, problem: str
):
    with pytest.raises(ValueError, match=problem):
        open_session(package, "CPU").run(waveform, emotion)


def test_the_same_sound_gives_the_same_numbers(package: ModelPackage):
    first = open_session(package, "CPU").run(noise(3.0))
    second = open_session(package, "CPU").run(noise(3.0))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_the_numbers_of_threads_agree(package: ModelPackage):
    one, two = (open_session(package, "CPU", threads).run(noise(3.0))["channels"] for threads in (1, 2))
    assert np.abs(one - two).max() < 1e-5


def test_a_core_is_left_to_blender():
    cores = os.cpu_count() or 1
    assert 1 <= default_threads() <= 4
    assert default_threads() == 1 or default_threads() < cores


def test_waiting_threads_do_not_spin(package: ModelPackage):
    """An open session that does nothing takes no processor time from Blender."""
    script = (
        "import resource, sys, time, numpy as np\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r}); import importlib.util as u\n"
        f"s = u.spec_from_file_location('voxrig', {str(Path(sys.modules['voxrig'].__path__[0]) / '__init__.py')!r},"
        f" submodule_search_locations=[{sys.modules['voxrig'].__path__[0]!r}])\n"
        "sys.modules['voxrig'] = u.module_from_spec(s)\n"
        "from voxrig.inference.package import read_description; from voxrig.inference.session import open_session\n"
        f"session = open_session(read_description({str(package.folder)!r}), 'CPU', 4)\n"
        "session.run(np.zeros(160000, np.float32)); before = time.process_time(); time.sleep(0.5)\n"
        "print(time.process_time() - before)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(result.stdout) < 0.1


def test_a_graph_that_never_ends_is_stopped(tmp_path, monkeypatch):
    """Stopped by onnxruntime itself, from another thread, between two turns of the loop."""
    monkeypatch.setattr("voxrig.inference.package._TRIAL_SECONDS", 1.0)
    write_package(tmp_path, graph=build_endless_graph())
    with pytest.raises(ModelError, match=r"does not run on 8 frames of 320 samples \(it does not end within 1 s\)"):
        load_package(tmp_path)
