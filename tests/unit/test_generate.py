# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows: the result does not depend on them, memory does not grow, work can be watched and cancelled."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_packages import CHANNELS, EMOTIONS, HOP, SAMPLE_RATE, build_graph, noise, write_package
from onnx import numpy_helper
from voxrig.errors import Cancelled, ModelError
from voxrig.inference.audio import Waveform
from voxrig.inference.generate import count_frames, generate_curves, generate_outputs
from voxrig.inference.package import ModelPackage, bundled_packages, load_package
from voxrig.inference.session import Session, open_session

BUNDLED = bundled_packages()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return open_session(load_package(write_package(tmp_path_factory.mktemp("models") / "small")), "CPU", 1)


@pytest.fixture(scope="module", params=BUNDLED or [None], ids=lambda folder: folder.name if folder else "none")
def bundled_session(request: pytest.FixtureRequest) -> Session:
    if request.param is None:
        pytest.skip("models/ holds no package")
    return open_session(load_package(request.param), "CPU", 1)


def sound(seconds: float, seed: int = 3) -> Waveform:
    return Waveform(noise(seconds, SAMPLE_RATE, seed), SAMPLE_RATE)


# --- what comes out


def test_curves_have_the_models_names_rate_and_limits(session: Session):
    curves = generate_curves(session, sound(2.0))
    assert curves.names == CHANNELS
    assert curves.frame_rate == 50.0
    assert curves.start_seconds == 0.0
    assert curves.values.shape == (100, 4)
    assert curves.values.min() >= 0.0
    assert curves.values.max() <= 1.0
    assert curves.values.std(axis=0).min() > 0.05


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (HOP - 1, 1), (HOP, 1), (HOP + 1, 2), (5 * HOP, 5), (16_001, 51)])
def test_every_hop_begun_is_a_row(session: Session, samples: int, frames: int):
    waveform = Waveform(noise(2.0)[:samples], SAMPLE_RATE)
    assert count_frames(waveform, session.package) == frames
    assert generate_curves(session, waveform).frame_count == frames


def test_silence_gives_a_still_face(session: Session):
    curves = generate_curves(session, Waveform(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE))
    assert np.ptp(curves.values, axis=0).max() == 0.0


def test_a_row_is_at_the_time_of_its_sound(session: Session):
    """Later sound gives the same curves later, row for row."""
    waveform = sound(3.0)
    late = Waveform(np.concatenate([np.zeros(75 * HOP, np.float32), waveform.samples]), SAMPLE_RATE)
    early_values = generate_outputs(session, waveform, outputs=["features"])["features"]
    late_values = generate_outputs(session, late, outputs=["features"])["features"]
    assert np.abs(late_values[75:] - early_values).max() < 1e-5


def test_the_lead_moves_the_start(session: Session):
    package = dataclasses.replace(session.package, lead_seconds=0.03)
    ahead = generate_curves(Session(package, session._graph, "CPU", 1), sound(1.0))
    plain = generate_curves(session, sound(1.0))
    assert ahead.start_seconds == pytest.approx(-0.03)
    assert np.array_equal(ahead.values, plain.values)


def test_values_are_held_within_the_limits(session: Session):
    channels = tuple(dataclasses.replace(channel, maximum=0.5) for channel in session.package.channels)
    package = dataclasses.replace(session.package, channels=channels)
    held = generate_curves(Session(package, session._graph, "CPU", 1), sound(1.0)).values
    free = generate_curves(session, sound(1.0)).values
    assert free.max() > 0.6
    assert np.array_equal(held, free.clip(0.0, 0.5))


def test_all_outputs_can_be_had(session: Session):
    made = generate_outputs(session, sound(1.0), outputs=["features", "phones"])
    assert {name: array.shape for name, array in made.items()} == {"features": (50, 6), "phones": (50, 3)}


# --- windows


@pytest.mark.parametrize("window_seconds", [0.02, 0.14, 0.5, 1.0, 2.62, 6.98, 7.0, 9.3])
def test_windows_do_not_show(session: Session, window_seconds: float):
    waveform = Waveform(noise(9.3)[: 9 * SAMPLE_RATE + 77], SAMPLE_RATE)
    whole = generate_curves(session, waveform, [0.7, 0.2], window_seconds=1000.0)
    windowed = generate_curves(session, waveform, [0.7, 0.2], window_seconds=window_seconds)
    assert np.abs(windowed.values - whole.values).max() <= 1e-4


def test_windows_show_where_a_model_hears_further_than_it_says(session: Session):
    """The test above can fail: with no context given, it does."""
    package = dataclasses.replace(session.package, context_before_seconds=0.0, context_after_seconds=0.0)
    deaf = Session(package, session._graph, "CPU", 1)
    waveform = sound(9.3)
    whole = generate_curves(deaf, waveform, window_seconds=1000.0)
    windowed = generate_curves(deaf, waveform, window_seconds=2.62)
    assert np.abs(windowed.values - whole.values).max() > 0.01


@given(samples=st.integers(1, 4 * SAMPLE_RATE), window=st.integers(1, 230), moving=st.booleans())
@settings(max_examples=20, deadline=None)
def test_no_length_and_no_window_shows(session: Session, samples: int, window: int, moving: bool):
    waveform = Waveform(noise(4.0)[:samples], SAMPLE_RATE)
    frames = count_frames(waveform, session.package)
    weights = np.random.default_rng(window).uniform(0, 1, (frames, 2)) if moving else None
    whole = generate_curves(session, waveform, weights, window_seconds=1000.0)
    windowed = generate_curves(session, waveform, weights, window_seconds=window / 50.0)
    assert np.abs(windowed.values - whole.values).max() <= 1e-4


# --- emotion


def test_one_set_of_weights_is_the_same_weights_on_every_frame(session: Session):
    waveform = sound(2.0)
    once = generate_curves(session, waveform, [0.25, 0.75])
    everywhere = generate_curves(session, waveform, np.tile([0.25, 0.75], (100, 1)))
    assert np.array_equal(once.values, everywhere.values)
    assert np.abs(once.values - generate_curves(session, waveform).values).max() > 0.05


def test_weights_that_move_act_where_they_are(session: Session):
    waveform = sound(8.0)
    weights = np.zeros((400, len(EMOTIONS)), np.float32)
    weights[300:, 0] = 1.0
    kept = weights.copy()
    moved = generate_curves(session, waveform, weights, window_seconds=1.7).values
    still = generate_curves(session, waveform).values
    assert np.array_equal(weights, kept)
    assert np.abs(moved[:250] - still[:250]).max() < 1e-5
    assert np.abs(moved[350:] - still[350:]).max() > 0.05


@pytest.mark.parametrize("emotion", [[0.5], [0.1, 0.2, 0.3], np.zeros((99, 2)), np.zeros((100, 1)), np.zeros((1, 100, 2))])
def test_wrong_shapes_of_emotion_are_mistakes_of_the_caller(session: Session, emotion: object):
    with pytest.raises(ValueError, match="the emotion is"):
        generate_curves(session, sound(2.0), emotion)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("emotion", [[0.5, 1.5], [-0.1, 0.0], [np.nan, 0.0]])
def test_weights_outside_their_range_are_mistakes_of_the_caller(session: Session, emotion: list[float]):
    with pytest.raises(ValueError, match="between 0 and 1"):
        generate_curves(session, sound(1.0), emotion)


def test_a_model_without_emotion_says_so(session: Session):
    package = dataclasses.replace(session.package, emotions=())
    with pytest.raises(ModelError, match="takes no emotion"):
        generate_curves(Session(package, session._graph, "CPU", 1), sound(1.0), [0.5])


# --- mistakes


def test_a_wrong_rate_is_a_mistake_of_the_caller(session: Session):
    with pytest.raises(ValueError, match="44100 Hz"):
        generate_curves(session, Waveform(np.zeros(44_100, np.float32), 44_100))


def test_no_samples_are_a_mistake_of_the_caller(session: Session):
    with pytest.raises(ValueError, match="no samples"):
        generate_curves(session, Waveform(np.zeros(0, np.float32), SAMPLE_RATE))


def test_a_model_that_gives_no_numbers_says_so(tmp_path: Path):
    graph = build_graph()
    for tensor in graph.graph.initializer:
        if tensor.name == "move":
            values = numpy_helper.to_array(tensor).copy()
            values[0] = np.nan
            tensor.CopyFrom(numpy_helper.from_array(values, "move"))
    broken = open_session(load_package(write_package(tmp_path, graph=graph)), "CPU", 1)
    with pytest.raises(ModelError, match="not numbers"):
        generate_curves(broken, sound(1.0))


# --- progress, cancelling, determinism, memory


def test_progress_goes_from_nothing_to_all(session: Session):
    seen: list[float] = []
    generate_curves(session, sound(5.0), window_seconds=1.0, on_progress=seen.append)
    assert seen == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_work_stops_when_it_is_cancelled(session: Session):
    seen: list[float] = []
    with pytest.raises(Cancelled):
        generate_curves(session, sound(5.0), window_seconds=1.0, on_progress=seen.append, is_cancelled=lambda: len(seen) >= 2)
    assert seen == pytest.approx([0.0, 0.2])


def test_the_same_sound_gives_the_same_curves(session: Session):
    waveform = sound(5.0)
    kept = waveform.samples.copy()
    first = generate_curves(session, waveform, window_seconds=2.0)
    assert np.array_equal(first.values, generate_curves(session, waveform, window_seconds=2.0).values)
    assert np.array_equal(waveform.samples, kept)


MEMORY_SCRIPT = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("voxrig", ROOT + "/__init__.py", submodule_search_locations=[ROOT])
sys.modules["voxrig"] = importlib.util.module_from_spec(spec)
from voxrig.inference.audio import read_sound
from voxrig.inference.generate import generate_curves
from voxrig.inference.package import load_package
from voxrig.inference.session import open_session
session = open_session(load_package(FOLDER), "CPU", 1)
waveform = read_sound(SOUND, session.package.sample_rate)
curves = generate_curves(session, waveform)
if sys.platform == "darwin":
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
else:
    # Not ru_maxrss: on Linux that begins with what the starting process held, here all of Blender and the tests.
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
print(curves.frame_count, peak)
"""


def measure_peak_memory(folder: Path, path: Path) -> tuple[int, int]:
    """Measure the rows and the peak resident bytes of a process that runs the model in ``folder`` over ``path``."""
    root = sys.modules["voxrig"].__path__[0]
    script = f"ROOT, FOLDER, SOUND = {root!r}, {str(folder)!r}, {str(path)!r}\n{MEMORY_SCRIPT}"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    frames, peak = map(int, result.stdout.split())
    return frames, peak


def write_minutes(path: Path, minutes: int) -> Path:
    import soundfile

    minute = (noise(60.0) * 32_000).astype(np.int16)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        for _ in range(minutes):
            file.write(minute)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no getrusage")
def test_an_hour_stays_under_a_gigabyte(session: Session, tmp_path: Path):
    frames, peak = measure_peak_memory(session.package.folder, write_minutes(tmp_path / "hour.wav", 60))
    assert frames == 3600 * 50
    assert peak < 1e9


class _Recorder:
    """Stands before a session and keeps the length of every run."""

    def __init__(self, session: Session, package: ModelPackage) -> None:
        self.session, self.package, self.lengths = session, package, []

    def run(self, samples: np.ndarray, weights: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.lengths.append(samples.size // self.package.hop)
        return self.session.run(samples, weights, outputs)


def test_runs_begin_on_the_models_grid(session: Session):
    package = dataclasses.replace(session.package, grid_seconds=0.6)
    recorder = _Recorder(session, package)
    generate_outputs(recorder, sound(4.0), outputs=["channels"], window_seconds=1.0)
    context = 2 * round(package.context_before_seconds * package.frame_rate)
    assert [length - context for length in recorder.lengths] == [60, 60, 60, 20]


def test_no_more_silence_is_heard_than_the_model_asks_for(session: Session):
    package = dataclasses.replace(session.package, silence_seconds=0.25)
    recorder = _Recorder(session, package)
    generate_outputs(recorder, sound(1.0), outputs=["channels"])
    assert recorder.lengths == [50 + 2 * 13]
    recorder.lengths.clear()
    generate_outputs(recorder, sound(4.0), outputs=["channels"], window_seconds=1.0)
    # The whole context where there is sound: one second before and after.
    assert recorder.lengths == [50 + 13 + 50, 50 + 50 + 50, 50 + 50 + 50, 50 + 50 + 13]


# --- the bundled package


@pytest.mark.parametrize("seconds", [0.3, 2.0, 5.0])
def test_the_bundled_model_needs_no_more_silence_than_it_says(bundled_session: Session, seconds: float):
    """Noise that begins and ends at full strength, and what more silence around it changes: nothing."""
    package = bundled_session.package
    if package.silence_seconds is None:
        pytest.skip("this model hears its full context")
    waveform, outputs = sound(seconds), list(package.output_widths())
    short, full, less = (
        generate_outputs(
            _Recorder(bundled_session, dataclasses.replace(package, silence_seconds=silence)), waveform, outputs=outputs
        )
        for silence in (package.silence_seconds, None, 0.2)
    )
    assert package.silence_seconds < package.context_before_seconds
    for name in outputs:
        assert np.abs(short[name] - full[name]).max() <= 1e-6, name
    # Of so short a noise the face makes nothing, but the network hears a difference.
    assert np.abs(less["features"] - full["features"]).max() > 0.01


def test_the_bundled_models_windows_do_not_show(bundled_session: Session):
    waveform = Waveform(noise(11.0)[: 10 * SAMPLE_RATE + 123], SAMPLE_RATE)
    weights = [0.5 if index == 0 else 0.0 for index in range(len(bundled_session.package.emotions))] or None
    whole = generate_outputs(bundled_session, waveform, weights, outputs=["channels", "features"], window_seconds=1000.0)
    for window_seconds in (0.5, 2.62, 6.98):
        windowed = generate_outputs(
            bundled_session, waveform, weights, outputs=["channels", "features"], window_seconds=window_seconds
        )
        for name in whole:
            assert np.abs(windowed[name] - whole[name]).max() <= 1e-4, (name, window_seconds)


def test_the_bundled_model_is_deterministic(bundled_session: Session):
    waveform = sound(4.0)
    again = open_session(bundled_session.package, "CPU", 1)
    assert np.array_equal(generate_curves(bundled_session, waveform).values, generate_curves(again, waveform).values)


def test_the_bundled_model_rests_in_silence(bundled_session: Session):
    curves = generate_curves(bundled_session, Waveform(np.zeros(4 * SAMPLE_RATE, np.float32), SAMPLE_RATE))
    assert np.isfinite(curves.values).all()
    assert curves.channel("jawOpen")[50:150].max() < 0.1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no getrusage")
def test_the_bundled_model_keeps_an_hour_under_a_gigabyte(bundled_session: Session, tmp_path: Path):
    """Three minutes are measured (the benchmark does the hour); the others add the sound and two copies of the curves."""
    package = bundled_session.package
    frames, peak = measure_peak_memory(package.folder, write_minutes(tmp_path / "three.wav", 3))
    assert frames == 180 * package.frame_rate
    per_second = 4 * package.sample_rate + 2 * 4 * package.frame_rate * len(package.channels)
    assert peak + 57 * 60 * per_second < 1e9
