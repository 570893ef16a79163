# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the streaming packages: ``python -m voxrig.training.speech.export_stream --run DIR --output models``.

The graph is one step of 20 ms: new samples and the state in, a row of channels and the next state out. The rules for contacts
and rest are those of ``network.py`` made causal: where they looked to both sides, a move now has a limited speed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...animation.face.channels import face_channel_names, face_channels
from ...animation.face.phones import PHONES
from ...inference.package import stream_name
from .batches import learned_channels
from .export_ear import OTHER_CORPORA, amplitude_gains, halve_weights
from .network import FRAME_RATE, SAMPLE_RATE, ContactRules, ContactValues, SpeechFeatures
from .stream_network import FLOOR, MEAN_KEEPS, QUIET_LEVEL, SPECTRUM_HOP, STEP, WINDOW, StreamNetwork, StreamSize, load_average

VERSION = "1.2.0"
OPSET = 17
BEGUN_FROM = {"name": "speech_fast", "licence": "CC-BY-4.0", "hours": 0.0, "source": "the weights of Speech 1 Fast"}
"""Where the network begins; its own corpora are in that package."""
_COLUMNS_KEPT = 4


@dataclass(frozen=True)
class StreamRuleValues(ContactValues):
    """The numbers of the causal rules, chosen on training speakers (``choose_stream``)."""

    threshold: tuple[float, float] = (0.13, 0.05)
    certain: tuple[float, float] = (0.43, 0.22)
    vowel_doubt: float = 1.1
    apart_centimetres: float = 0.42
    apart_likely: tuple[float, float] = (0.25, 0.5)
    seal_speed: tuple[float, float] = (1.0, 0.7)
    """Share of a seal that closes, and opens, in a step."""
    teeth_speed: tuple[float, float] = (1.0, 0.5)
    part_share: float = 0.35
    """Share of the missing gap that opens in a step."""
    steady_share: float = 0.7
    """Share of the way to the newest channels in a step."""
    amplitude: float = 1.0
    speaks: tuple[float, float] = (0.1, 0.3)
    """Probability of speech from which the face wakes, and at which it moves in full."""
    move_speed: tuple[float, float] = (1.0, 0.04)
    """Shares of a face that wakes, and that comes to rest, in a step."""


VALUES = {
    0: StreamRuleValues(threshold=(0.08, 0.04), certain=(0.36, 0.2), vowel_doubt=1.0, speaks=(0.25, 0.5)),
    3: StreamRuleValues(),
    6: StreamRuleValues(threshold=(0.1, 0.05), vowel_doubt=1.0),
}
"""By look-ahead in steps. Without one the evidence is weak, and the face would move in noise."""


class StreamRules(ContactRules):
    """The rules of a step: ``[batch, learned]`` channels, contact logits, phones and state in; channels and state out."""

    HELD_STEPS = 50
    """Steps in which the memory of speech fades."""
    COUNT = 6

    def __init__(self, names: list[str], rest: list[float], values: StreamRuleValues) -> None:
        super().__init__(names, values)
        self.values: StreamRuleValues = values
        self.register_buffer("rest", torch.tensor(rest))
        opening = {"opening": values.amplitude, "jawOpen": values.amplitude}
        self.register_buffer("gain", torch.tensor(amplitude_gains(names, opening)))

    @property
    def state_width(self) -> int:
        """Numbers of the state: the last channels, and six moves."""
        return len(self.rest) + self.COUNT

    def forward(self, channels: Tensor, contact_logits: Tensor, phones: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Apply the rules to one step; a state of zeros is a face at rest."""
        values = self.values
        last, (sealed, teeth, short, speech, held, moves) = state[:, : -self.COUNT], state[:, -self.COUNT :].split(1, dim=1)

        def move(before: Tensor, to: Tensor, speed: tuple[float, float]) -> Tensor:
            return before + (to - before).clamp(-speed[1], speed[0])

        kept = last + values.steady_share * ((channels - self.rest) * self.gain - last)
        channels = self.rest + kept
        likely = torch.sigmoid(contact_logits)
        seal_likely = likely[:, :1] - values.vowel_doubt * (phones @ self.vowels)
        sure = ((torch.cat([seal_likely, likely[:, 1:]], dim=1) - self.threshold) / self.span).clamp(0.0, 1.0)
        sealed = move(sealed, sure[:, :1], values.seal_speed)
        teeth = move(teeth, sure[:, 1:], values.teeth_speed)

        channels = channels * (1.0 - teeth * (1.0 - self.teeth_keeps))
        lift = (self.lip_height - channels @ self.height).clamp(min=0.0) / self.height_per_close
        channels = channels + teeth * lift * self.close

        begin, end = values.apart_likely
        apart = ((phones @ self.open_sounds - begin) / (end - begin)).clamp(0.0, 1.0) * (1.0 - sealed)
        missing = (values.apart_centimetres * apart - channels @ self.gap).clamp(min=0.0)
        short = short + values.part_share * (missing - short)
        parting = short * (1.0 - sealed)
        channels = channels - parting * (1.0 - teeth) / self.gap_per_close * self.close + parting * teeth * self.upper_up

        channels = channels * (1.0 - sealed * (1.0 - self.sealed_keeps))
        lift = (channels @ self.gap + values.margin).clamp(min=0.0) / self.gap_per_close
        channels = channels + sealed * lift * self.close

        speech = speech + 0.4 * (1.0 - phones[:, :1] - speech)
        held = torch.maximum(speech, held - 1.0 / self.HELD_STEPS)
        first, full = values.speaks
        moves = move(moves, ((held - first) / (full - first)).clamp(0.0, 1.0), values.move_speed)
        channels = self.rest + (channels - self.rest) * moves
        return channels, torch.cat([kept, sealed, teeth, short, speech, held, moves], dim=1)


class StreamStep(nn.Module):
    """The shipped model: ``waveform [1, 320]`` and the states -> channels, features, phones, and the next states.

    It computes what ``StreamNetwork`` does, in few operations: at this size each costs more to start than to run. States and
    values are rows, normalisations are part of the weights, all memories are read and moved at once.
    """

    def __init__(self, network: StreamNetwork, values: StreamRuleValues, look_ahead: int | None = None) -> None:
        """Take the heads of ``look_ahead`` in steps, or those of the layers' own."""
        super().__init__()
        self.size = network.size
        own = network.heads_of(network.size.look_ahead if look_ahead is None else look_ahead)
        self.memories = network.memories
        self.ahead = [bool(block.ahead) for block in network.trunk]
        self.sound = SpeechFeatures(network.size.bands, 1.0)
        self._keep("stem", network.stem.weight[:, :, 0].permute(2, 1, 0).flatten(0, 1), network.stem.bias)
        for number, block in enumerate(network.trunk):
            scale, shift = fold(block.norm)
            self._keep(f"spread_{number}", weight_of_taps(block.spread) * scale, shift)
            self._keep(f"mix_{number}", block.mix.weight[:, :, 0, 0].T, block.mix.bias)
        norm, _, last, _ = network.last
        self._keep("norm", *fold(norm))
        self._keep("last", last.weight[:, :, 0, 0].T, last.bias)
        heads = (own.phone_head, own.contact_head)
        self._keep("now", torch.cat([h.weight[:, :, 0, 0].T for h in heads], 1), torch.cat([h.bias for h in heads]))
        heads = (own.channel_head, own.contact_change)
        self._keep("change", torch.cat([weight_of_taps(h) for h in heads], 1), torch.cat([h.bias for h in heads]))
        self._keep("more", own.contact_more.weight[:, :, 0, 0].T, own.contact_more.bias)
        reads: list[int] = []
        moves: list[int] = []
        first, count = 0, sum(self.memories)
        for number, memory in enumerate(self.memories):
            reads += [first, first + memory // 2]
            moves += [*range(first + 1, first + memory), count + number]
            first += memory
        self.register_buffer("reads", torch.tensor(reads))
        self.register_buffer("moves", torch.tensor(moves))
        learned, names = learned_channels(), face_channel_names()
        self.rules = StreamRules(
            [names[column] for column in learned], [face_channels()[column].rest for column in learned], values
        )
        scatter = torch.zeros(len(learned), len(names))
        scatter[torch.arange(len(learned)), torch.tensor(learned)] = 1.0
        self.register_buffer("scatter", scatter)
        self.register_buffer("minimum", torch.tensor([channel.minimum for channel in face_channels()]))
        self.register_buffer("maximum", torch.tensor([channel.maximum for channel in face_channels()]))

    def _keep(self, name: str, weight: Tensor, bias: Tensor) -> None:
        self.register_buffer(f"{name}_weight", weight.detach().clone().contiguous())
        self.register_buffer(f"{name}_bias", bias.detach().clone())

    def _apply(self, name: str, value: Tensor) -> Tensor:
        return functional.linear(value, getattr(self, f"{name}_weight").T, getattr(self, f"{name}_bias"))

    def zeros(self) -> dict[str, Tensor]:
        """Return the states before any sound, by name."""
        return {
            "sound": torch.zeros(1, WINDOW - SPECTRUM_HOP),
            "mean": torch.zeros(1, self.size.bands),
            "columns": torch.zeros(1, _COLUMNS_KEPT, 2 * self.size.bands),
            "layers": torch.zeros(sum(self.memories), self.size.width),
            "rules": torch.zeros(1, self.rules.state_width),
        }

    def hear(self, waveform: Tensor, sound: Tensor, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the two new columns of features ``[1, 2, 2 * bands]``, and the next states of sound and mean."""
        heard = torch.cat([sound, waveform], dim=1)
        count = STEP // SPECTRUM_HOP
        frames = torch.stack([heard[:, SPECTRUM_HOP * n : SPECTRUM_HOP * n + WINDOW] for n in range(count)], dim=1)
        spectrum = torch.matmul(frames, self.sound.basis[:, 0].T)
        real, imaginary = (spectrum * spectrum).chunk(2, dim=2)
        level = torch.log(torch.matmul(real + imaginary, self.sound.filters) + FLOOR) * 0.25
        means: list[Tensor] = []
        for number in range(count):
            mean = MEAN_KEEPS * mean + (1.0 - MEAN_KEEPS) * (level[:, number] - QUIET_LEVEL)
            means.append(mean)
        own = level - QUIET_LEVEL - torch.stack(means, dim=1)
        return torch.cat([level + 2.0, own], dim=2), heard[:, STEP:], mean

    def forward(
        self, waveform: Tensor, sound: Tensor, mean: Tensor, columns: Tensor, layers: Tensor, rules: Tensor
    ) -> tuple[Tensor, ...]:
        new, sound, mean = self.hear(waveform, sound, mean)
        columns = torch.cat([columns, new], dim=1)
        taps = layers[self.reads].split(1, dim=0)
        value = self._apply("stem", columns.flatten(1))
        values: list[Tensor] = []
        for number, ahead in enumerate(self.ahead):
            values.append(value)
            before, middle = taps[2 * number], taps[2 * number + 1]
            heard = torch.relu(self._apply(f"spread_{number}", torch.cat([before, middle, value], dim=1)))
            value = (middle if ahead else value) + self._apply(f"mix_{number}", heard)
        features = torch.relu(self._apply("last", torch.relu(value * self.norm_weight + self.norm_bias)))
        values.append(features)
        layers = torch.cat([layers, *values], dim=0)[self.moves]
        now = self._apply("now", features)
        change = self._apply("change", torch.cat([taps[-2], taps[-1], features], dim=1))
        phones = torch.softmax(now[:, : self.size.phones], dim=-1)
        said = change[:, : self.size.channels]
        contacts = now[:, self.size.phones :] + self._apply("more", torch.relu(change[:, self.size.channels :]))
        made, rules = self.rules(said, contacts, phones, rules)
        full = torch.minimum(torch.maximum(made @ self.scatter, self.minimum), self.maximum)
        return full[:, None], features[:, None], phones[:, None], sound, mean, columns[:, STEP // SPECTRUM_HOP :], layers, rules


def fold(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the factor and the summand ``[width]`` that a normalisation is once it has learned."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def weight_of_taps(layer: nn.Conv2d) -> Tensor:
    """Return the weights of three taps as a matrix ``[3 * in, out]``, the oldest first."""
    return layer.weight[:, :, 0].permute(2, 1, 0).flatten(0, 1)


def load_stream(checkpoint: Path) -> tuple[StreamNetwork, dict[str, Any]]:
    """Load the averaged network of a checkpoint, ready to run, and the checkpoint's other contents."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=False)
    network = StreamNetwork(StreamSize(**state["size"]))
    load_average(network, state["average"])
    return network.eval(), state


def write_graph(step: StreamStep, path: Path) -> None:
    """Write the ONNX graph of one step, its large arrays in half precision."""
    import onnx

    states = step.zeros()
    names = list(states)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            step.eval(), (torch.zeros(1, STEP), *states.values()), str(path), dynamo=False, opset_version=OPSET,
            input_names=["waveform", *names],
            output_names=["channels", "features", "phones", *(f"next_{name}" for name in names)],
        )  # fmt: skip
    graph = onnx.load(str(path))
    halve_weights(graph)
    onnx.save(graph, str(path))


def export(checkpoint: Path, folder: Path, look_ahead_steps: int, scores: dict[str, Any]) -> None:
    """Write ``model.onnx`` and ``model.json`` of a look-ahead into ``folder``."""
    network, state = load_stream(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    step = StreamStep(network, VALUES[look_ahead_steps], look_ahead_steps)
    write_graph(step, folder / "model.onnx")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    look_ahead = look_ahead_steps / FRAME_RATE
    corpora = [*state["corpora"], *OTHER_CORPORA, BEGUN_FROM]
    past = (sum(network.memories) + _COLUMNS_KEPT) / FRAME_RATE
    description = {
        "format": 1,
        "name": folder.name,
        "title": f"Speech Live, {1000 * look_ahead:.0f} ms",
        "version": VERSION,
        "licence": "CC-BY-4.0",
        "sample_rate": SAMPLE_RATE,
        "frame_rate": FRAME_RATE,
        "context_seconds": {"before": round(math.ceil(10 * past) / 10, 1), "after": look_ahead},
        "lead_seconds": 0.0,
        "channels": [vars(channel) for channel in face_channels()],
        "emotions": [],
        "phones": list(PHONES),
        "features": {"width": network.size.width},
        "stream": {
            "look_ahead_seconds": look_ahead,
            "states": {name: list(value.shape) for name, value in step.zeros().items()},
        },
        "graph": {"file": "model.onnx", "sha256": hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()},
        "training": {
            "corpora": corpora,
            "hours": round(sum(float(corpus["hours"]) for corpus in corpora), 2),
            "lessons": state["lessons"],
            "seed": state["seed"],
            "commit": commit.stdout.strip(),
            "steps": state["step"],
            "minutes": round(state["spent"] / 60, 1),
            "scores": scores,
        },
    }  # fmt: skip
    text = json.dumps(description, indent=1, ensure_ascii=False) + "\n"
    (folder / "model.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/stream"))
    parser.add_argument("--output", type=Path, default=Path("models"), help="folder of the packages")
    parser.add_argument("--scores", type=Path, help="the JSON of evaluation.live, for the training record")
    parser.add_argument("--weights", type=Path, help="also write the averaged weights here, in half precision")
    options = parser.parse_args()
    scores = json.loads(options.scores.read_text()) if options.scores else {}
    checkpoint = options.run / "checkpoint.pt"
    for look_ahead in load_stream(checkpoint)[0].size.look_aheads:
        milliseconds = round(1000 * look_ahead / FRAME_RATE)
        folder = options.output / stream_name(milliseconds)
        export(checkpoint, folder, look_ahead, scores.get(str(milliseconds), {}))
        print(f"{folder}: {(folder / 'model.onnx').stat().st_size / 1e6:.1f} MB")
    if options.weights:
        _, state = load_stream(checkpoint)
        average = {name: value.half() if value.is_floating_point() else value for name, value in state["average"].items()}
        torch.save({**{key: state[key] for key in ("size", "step", "spent")}, "average": average}, options.weights)


if __name__ == "__main__":
    main()
