# SPDX-License-Identifier: GPL-3.0-or-later
"""The large ear, where PyTorch is installed: the graph is what was trained, and windows, level and cuts do not show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is only in the training environment (make training)")
pytest.importorskip("pyworld", reason="WORLD is only in the training environment (make training)")

from voxrig.animation.face import lips  # noqa: E402
from voxrig.animation.face.channels import face_channel_names  # noqa: E402
from voxrig.animation.face.phones import PHONES, TimedPhone  # noqa: E402
from voxrig.inference.audio import Waveform  # noqa: E402
from voxrig.inference.generate import generate_outputs  # noqa: E402
from voxrig.inference.package import load_package  # noqa: E402
from voxrig.inference.session import open_session  # noqa: E402
from voxrig.training.corpora.voices import Spoken, as_song, as_whisper, at_tempo  # noqa: E402
from voxrig.training.speech import fit_heads, lessons, targets, teacher  # noqa: E402
from voxrig.training.speech.amplitude import AMPLITUDE, amplitude_gains  # noqa: E402
from voxrig.training.speech.batches import learned_channels  # noqa: E402
from voxrig.training.speech.ear import GRID, WIDTH, EarFeatures, EarNetwork  # noqa: E402
from voxrig.training.speech.export_ear import EarModel, write_graph  # noqa: E402
from voxrig.training.speech.lesson_batches import LessonSet  # noqa: E402
from voxrig.training.speech.lesson_targets import make_targets  # noqa: E402
from voxrig.training.speech.lessons import ROWS  # noqa: E402
from voxrig.training.speech.network import FRAME_RATE, HOP, SAMPLE_RATE  # noqa: E402

OUTPUTS = ["channels", "features", "phones", "effort"]


def make_sound(seconds: float, seed: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    count = round(seconds * FRAME_RATE) * HOP
    swell = 0.5 + 0.5 * np.sin(np.arange(count) / 2500.0)
    return (0.2 * random.standard_normal(count) * swell).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> EarModel:
    torch.manual_seed(3)
    network = EarNetwork(len(PHONES), len(learned_channels()), 16)
    torch.nn.init.normal_(network.ear.position, std=0.5)
    return EarModel(network).eval()


@pytest.fixture(scope="module")
def session(model: EarModel, tmp_path_factory: pytest.TempPathFactory):
    from voxrig.training.speech import export_ear

    folder = tmp_path_factory.mktemp("ear")
    write_graph(model, folder / "model.onnx")
    state = {"seed": 3, "step": 0, "spent": 0.0}
    description = export_ear.describe(model.network, state, folder / "model.onnx", [], {})
    (folder / "model.json").write_text(json.dumps(description))
    return open_session(load_package(folder), "CPU", 1)


def test_graph_and_pytorch_agree(model: EarModel, session) -> None:
    sound = make_sound(9.0)
    emotion = torch.zeros(1, len(sound) // HOP, len(session.package.emotions))
    with torch.no_grad():
        wanted = model(torch.from_numpy(sound)[None], emotion)
    made = session.run(sound, emotion[0].numpy(), OUTPUTS)
    for name, value in zip(OUTPUTS, wanted, strict=True):
        # Weights lose their last 13 bits in the file.
        assert np.abs(made[name] - value[0].numpy()).max() < 5e-3, name


@pytest.mark.parametrize("window_seconds", [0.5, 6.0, 14.0, 1000.0])
def test_windows_do_not_show(session, window_seconds: float) -> None:
    sound = Waveform(make_sound(25.3)[:-123], SAMPLE_RATE)
    whole = generate_outputs(session, sound, outputs=OUTPUTS)
    cut = generate_outputs(session, sound, outputs=OUTPUTS, window_seconds=window_seconds)
    for name in OUTPUTS:
        assert np.abs(cut[name] - whole[name]).max() < 1e-4, name


def test_what_is_far_away_is_not_heard(session) -> None:
    sound = make_sound(40.0)
    other = sound.copy()
    other[30 * SAMPLE_RATE :] = make_sound(10.0, seed=6)
    first, second = (
        generate_outputs(session, Waveform(s, SAMPLE_RATE), outputs=["channels"])["channels"] for s in (sound, other)
    )
    grid_seconds = GRID / FRAME_RATE
    same = round((30.0 - grid_seconds - 5.0) * FRAME_RATE)
    assert np.abs(first[:same] - second[:same]).max() < 1e-5
    assert np.abs(first[31 * 50 :] - second[31 * 50 :]).max() > 1e-3


def test_the_ear_hears_no_level() -> None:
    features, sound = EarFeatures(), torch.from_numpy(make_sound(10.0))[None]
    middle = slice(450, 550)
    assert torch.allclose(features(sound)[..., middle], features(sound * 0.3)[..., middle], atol=1e-4)
    assert features(torch.zeros(1, 16000)).abs().max() < 2.0


def test_export_is_deterministic_and_half_the_size(model: EarModel, tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        write_graph(model, tmp_path / name)
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    numbers = sum(value.numel() for value in model.network.state_dict().values())
    assert (tmp_path / "a.onnx").stat().st_size < 2.4 * numbers


def voice(seconds: float = 1.2) -> Spoken:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = sum(np.sin(2 * np.pi * 140.0 * k * time) / k for k in range(1, 20)) * 0.1
    phones = [TimedPhone("M", 0.0, 0.3), TimedPhone("AA", 0.3, 0.9), TimedPhone("N", 0.9, seconds)]
    return Spoken(sound.astype(np.float32), phones)


def pitch_of(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 17))
    return float(np.argmax(spectrum) * SAMPLE_RATE / (1 << 17))


@pytest.mark.parametrize("ratio", [0.6, 1.6])
def test_tempo_moves_phones_and_keeps_the_pitch(ratio: float) -> None:
    made = at_tempo(voice(), ratio)
    assert made.seconds == pytest.approx(1.2 / ratio, abs=0.01)
    assert made.phones[1].start == pytest.approx(0.3 / ratio)
    assert pitch_of(made.samples) == pytest.approx(140.0, abs=4.0)


def test_song_holds_vowels_where_its_phones_say() -> None:
    song = as_song(voice(), np.random.default_rng(1))
    lengths = [phone.end - phone.start for phone in song.phones]
    assert lengths[1] > 0.6
    assert lengths[0] == pytest.approx(0.3)
    assert song.seconds == pytest.approx(song.phones[-1].end, abs=0.03)


def test_a_whisper_has_no_voice() -> None:
    whisper = as_whisper(voice(), np.random.default_rng(1)).samples[4800:14400]
    delay = round(SAMPLE_RATE / 140.0)
    likeness = np.corrcoef(whisper[:-delay], whisper[delay:])[0, 1]
    assert likeness < 0.5


def test_targets_lie_where_the_phones_are() -> None:
    truth = {
        "phones": np.array(
            [[PHONES.index("AA"), 2.0, 2.3, 1], [PHONES.index("M"), 2.3, 2.5, 0], [PHONES.index("AA"), 2.5, 2.9, 1]]
        ),
        "scenes": np.array([[50, 200]]),
        "loudness": np.full(ROWS, -20.0, np.float16),
    }
    made = make_targets(truth)
    assert np.array_equal(np.flatnonzero(made["index"] == PHONES.index("M")), np.arange(115, 125))
    sealed = np.flatnonzero(made["contacts"][:, 0])
    assert 112 <= sealed.min() <= 117 <= sealed.max() <= 126
    assert not made["contacts"][:, 1].any()


def test_effort_and_width_are_solved_and_put_into_the_heads() -> None:
    random = np.random.default_rng(2)
    torch.manual_seed(4)
    network = EarNetwork(len(PHONES), len(learned_channels()), 16).eval()
    heard = random.standard_normal((400, 2 * WIDTH)) * 3.0 + 1.0
    wanted = np.where(heard[:, 5] > 1.0, np.log(1.5), 0.0)
    wanted[::7] = np.log(0.6)
    heard[::7, 9] += 20.0
    effort = fit_heads.solve_effort(heard, wanted, 1.0)
    features = [random.standard_normal((60, 48)) for _ in range(12)]
    errors = [part @ np.linspace(-0.01, 0.01, 48) + 3.0 for part in features]
    width = fit_heads.solve_width(features, errors, 0.01)
    made = [part @ width[0] + width[1] for part in features]
    assert np.allclose(np.concatenate(made), np.concatenate(errors) - 3.0, atol=5e-3), "the mean stays"

    names = [face_channel_names()[column] for column in learned_channels()]
    gains = np.array(amplitude_gains(names, AMPLITUDE))
    weights = np.array(lips.channel_weights(lips.WIDTH_CENTIMETRES, names)) * gains
    hidden = torch.from_numpy(features[0][:, :16].T[None, :, None].astype(np.float32))
    with torch.no_grad():
        before = network.channel_head(hidden)[0, :, 0].T.numpy() @ weights
        fit_heads.apply_fits(network, effort, width)
        after = network.channel_head(hidden)[0, :, 0].T.numpy() @ weights
        said = network.effort_head(torch.from_numpy(heard.T[None, :, None].astype(np.float32)))[0, 0, 0].numpy()
    around = np.concatenate([features[0][:-2, :16], features[0][1:-1, :16], features[0][2:, :16]], axis=1)
    added = fit_heads.WIDTH_SHARE * (around @ width[0] + width[1])
    assert np.allclose((after - before)[1:-1], added, atol=1e-4)
    assert said[::7].mean() < fit_heads.EFFORT_POWER * np.log(0.7) and said[wanted > 0].mean() > np.log(1.3)


def test_a_teacher_shares_in_labels_and_stands_in_for_missing_ones() -> None:
    phones = torch.tensor([PHONES.index("M"), 0, 0])
    contacts = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    known = torch.tensor([1.0, 0.0, 0.0])
    soft = torch.zeros(3, len(PHONES) + 2)
    soft[:2, PHONES.index("N")] = 1.0
    soft[1, -2] = 0.8
    wanted, touching, weight = targets.blend_labels(phones, contacts, known, soft, smoothing=0.0)
    assert wanted[0, PHONES.index("M")] == pytest.approx(1.0 - targets.SOFT_SHARE)
    assert wanted[0, PHONES.index("N")] == pytest.approx(targets.SOFT_SHARE)
    assert wanted[1, PHONES.index("N")] == pytest.approx(1.0), "nobody wrote down what was said: the teacher alone counts"
    assert touching[:, 0].tolist() == pytest.approx([1.0 - targets.SOFT_SHARE, 0.8, 0.0])
    assert weight.tolist() == pytest.approx([1.0, targets.SOFT_SHARE, 0.0]), "without text and teacher nothing is learned"


def test_lessons_are_crops_of_clean_sound_with_their_labels(tmp_path: Path) -> None:
    truth = {
        "phones": np.array([[PHONES.index("M"), second + 0.1, second + 0.3, 0] for second in range(32)], np.float32),
        "scenes": np.array([[0, ROWS]], np.int32),
        "loudness": np.full(ROWS, -20.0, np.float16),
        "known": np.ones(ROWS, bool),
    }
    sound = np.zeros(ROWS * HOP, np.int16)
    for second in range(32):
        rows = slice(round((second + 0.1) * SAMPLE_RATE), round((second + 0.3) * SAMPLE_RATE))
        sound[rows] = 8000 * np.sin(np.arange(rows.stop - rows.start) * 0.4)
    for folder in ("corpora", lessons.LESSONS, lessons.CLEAN, lessons.SOFT):
        (tmp_path / folder).mkdir()
    np.savez(tmp_path / lessons.LESSONS / "00000.npz", windows=np.zeros(1, np.float16), **truth)
    np.save(tmp_path / lessons.CLEAN / "00000.npy", sound)
    network = EarNetwork(len(PHONES), len(learned_channels()), 16).eval()
    opinion = teacher.ask(network, sound)
    assert opinion.shape == (ROWS, len(PHONES) + 2)
    assert np.allclose(opinion[:, :-2].astype(np.float32).sum(1), 1.0, atol=0.01)
    np.save(tmp_path / lessons.SOFT / "00000.npy", opinion)
    batch = next(iter(LessonSet(tmp_path, 3, 4, 64)))
    assert batch.waveform.shape == (4, 200 * HOP)
    assert batch.soft is not None and batch.soft.shape == (4, 200, len(PHONES) + 2)
    level = batch.waveform.reshape(4, 200, HOP).abs().amax(-1)
    for crop in range(4):
        said = batch.phones[crop] == PHONES.index("M")
        assert level[crop][said].mean() > 1.3 * level[crop][~said].mean(), "sound and labels are of the same stretch"
