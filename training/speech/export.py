# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a model package from a training run: ``python -m voxrig.training.speech.export --run DIR --output models/speech_fast``.

The graph is the averaged network with the contact, rest and expression rules in one; ``model.json`` describes it and
keeps its training record. Exporting the same checkpoint twice yields the same bytes. ``--weights FILE`` also writes the
averaged weights in half precision, from which ``train --from-weights`` continues.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ...animation.face.channels import face_channel_names, face_channels
from ...animation.face.expression import load_expressions
from ...animation.face.phones import PHONES
from ...inference.audio import Waveform
from ...inference.generate import generate_outputs
from ...inference.package import load_package
from ...inference.session import open_session
from .amplitude import FAST_AMPLITUDE, amplitude_gains
from .batches import learned_channels
from .expression_rules import ExpressionRules
from .network import FRAME_RATE, HOP, SAMPLE_RATE, ContactRules, ContactValues, NetworkSize, RestRules, SpeechNetwork

CONTACTS = ContactValues(
    threshold=(0.12, 0.005),
    certain=(0.46, 0.3),
    vowel_doubt=0.5,
    apart_centimetres=0.46,
    apart_likely=(0.15, 0.5),
    margin=0.08,
    teeth_frames=5,
)

VERSION = "1.1.0"
OPSET = 17


class SpeechModel(nn.Module):
    """The shipped model: ``waveform [1, samples]``, ``emotion [1, frame, emotion]`` -> channels, features, phones."""

    def __init__(self, network: SpeechNetwork) -> None:
        super().__init__()
        self.network = network
        learned = learned_channels()
        names = face_channel_names()
        mine = [names[column] for column in learned]
        self.contacts = ContactRules(mine, CONTACTS)
        self.register_buffer("gain", torch.tensor(amplitude_gains(mine, FAST_AMPLITUDE)))
        self.rest = RestRules([face_channels()[column].rest for column in learned])
        scatter = torch.zeros(len(learned), len(names))
        scatter[torch.arange(len(learned)), torch.tensor(learned)] = 1.0
        self.register_buffer("scatter", scatter)
        self.register_buffer("minimum", torch.tensor([channel.minimum for channel in face_channels()]))
        self.register_buffer("maximum", torch.tensor([channel.maximum for channel in face_channels()]))
        self.expression = ExpressionRules()

    def forward(self, waveform: Tensor, emotion: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        prediction = self.network(waveform)
        phones = torch.softmax(prediction.phone_logits, dim=-1)
        moved = self.contacts(prediction.channels * self.gain, prediction.contact_logits, phones)
        neutral = self.rest(moved, phones) @ self.scatter
        neutral = torch.minimum(torch.maximum(neutral, self.minimum), self.maximum)
        channels = self.expression(neutral, emotion, waveform)
        return channels, prediction.features, phones


def load_network(checkpoint: Path) -> tuple[SpeechNetwork, dict[str, Any]]:
    """Load the averaged network of a checkpoint, ready to run, and the checkpoint's other contents."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    size = NetworkSize(**{key: tuple(value) if isinstance(value, list) else value for key, value in state["size"].items()})
    network = SpeechNetwork(size)
    network.load_state_dict(
        {name: value.float() if value.is_floating_point() else value for name, value in state["average"].items()}
    )
    return network.eval(), state


def write_graph(model: SpeechModel, path: Path) -> None:
    """Write the ONNX graph, with the TorchScript exporter because its output is small and deterministic."""
    frames = 50
    example = (torch.zeros(1, frames * HOP), torch.zeros(1, frames, len(load_expressions().emotions)))
    axes = {"waveform": {1: "samples"}} | {name: {1: "frames"} for name in ("emotion", "channels", "features", "phones")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.eval(), example, str(path), dynamo=False, opset_version=OPSET, input_names=["waveform", "emotion"],
            output_names=["channels", "features", "phones"], dynamic_axes=axes,
        )  # fmt: skip


def export(checkpoint: Path, folder: Path, scores: dict[str, Any]) -> None:
    """Write ``model.onnx`` and ``model.json`` into ``folder``."""
    network, state = load_network(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    model = SpeechModel(network)
    write_graph(model, folder / "model.onnx")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    context = round(network.context_seconds + model.contacts.context_seconds + model.rest.context_seconds, 3)
    description = {
        "format": 1,
        "name": "speech_fast",
        "title": "Speech 1 Fast",
        "version": VERSION,
        "licence": "CC-BY-4.0",
        "sample_rate": SAMPLE_RATE,
        "frame_rate": FRAME_RATE,
        "context_seconds": {"before": context, "after": context},
        "lead_seconds": 0.0,
        "channels": [vars(channel) for channel in face_channels()],
        "emotions": list(load_expressions().emotions),
        "expression_rules": True,
        "phones": list(PHONES),
        "features": {"width": network.size.width},
        "graph": {"file": "model.onnx", "sha256": hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()},
        "training": {
            "corpora": state["corpora"],
            "hours": round(float(state["hours"]), 2),
            "seed": state["seed"],
            "commit": commit.stdout.strip(),
            "steps": state["step"],
            "minutes": round(state["spent"] / 60, 1),
            "scores": scores,
        },
    }

    def write() -> None:
        text = json.dumps(description, indent=1, ensure_ascii=False) + "\n"
        (folder / "model.json").write_text(text, encoding="utf-8")

    write()
    description["silence_seconds"] = find_silence_seconds(folder)
    write()


def find_silence_seconds(folder: Path) -> float:
    """Measure how much silence around a whole sound says as much to a model as its full context, in half seconds.

    Noise that begins and ends at full strength is the hardest case; outputs may differ by 1e-6. Tenths of a second are tried;
    what is left to the next half second is the margin.
    """
    package = replace(load_package(folder), silence_seconds=None)
    session = open_session(package, "CPU", threads=1)
    rng = np.random.default_rng(0)
    sounds = [
        Waveform((0.1 * rng.standard_normal(seconds * SAMPLE_RATE)).astype(np.float32), SAMPLE_RATE) for seconds in (1, 3)
    ]
    outputs = list(package.output_widths())

    def run(sound: Waveform, seconds: float | None) -> dict[str, NDArray[np.float32]]:
        session.package = replace(package, silence_seconds=seconds)
        return generate_outputs(session, sound, outputs=outputs)

    wanted = [run(sound, None) for sound in sounds]
    enough = max(package.context_before_seconds, package.context_after_seconds)
    for tenths in range(math.floor(10 * enough), -1, -1):
        found = [run(sound, tenths / 10) for sound in sounds]
        if any(np.abs(a[name] - b[name]).max() > 1e-6 for a, b in zip(wanted, found) for name in outputs):
            break
        enough = tenths / 10
    return math.ceil(2 * enough) / 2


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/speech"))
    parser.add_argument("--output", type=Path, default=Path("models/speech_fast"))
    parser.add_argument("--scores", type=Path, help="the evaluation's JSON, for the training record")
    parser.add_argument("--weights", type=Path, help="also write the averaged weights here, in half precision")
    arguments = parser.parse_args()
    scores = json.loads(arguments.scores.read_text()) if arguments.scores else {}
    export(arguments.run / "checkpoint.pt", arguments.output, scores)
    if arguments.weights:
        _, state = load_network(arguments.run / "checkpoint.pt")
        average = {name: value.half() if value.is_floating_point() else value for name, value in state["average"].items()}
        torch.save({"average": average, "size": state["size"]}, arguments.weights)
    print(f"{arguments.output}: {(arguments.output / 'model.onnx').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
