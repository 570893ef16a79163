# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a run: its averaged networks as one module from sound to controls, and as a model package."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx.compose
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...animation.face.channels import Channel
from ...animation.rig.mapping import Target
from ...errors import ModelError
from ...inference.diffusion import STYLES
from ...inference.package import ModelPackage, package_name, show_corpus, write_package
from ...learning.fit import Fit
from ...learning.graphs import Head, replace_head
from ..speech.export import OPSET
from ..speech.network import FRAME_RATE, HOP, SAMPLE_RATE
from .config import RunConfig
from .data import Ear, Scaling
from .diffusion import Diffusion, find_row_taps
from .windows import STRIDE, ShowNetwork


class Member(nn.Module):
    """One trained network with its scaling: ``heard`` ``[1, row, width]`` -> controls, keys (0..1) and hidden, all on the same
    rows.

    The first and last ``reach`` rows hear silence that may not exist.
    """

    def __init__(self, network: ShowNetwork, scaling: Scaling) -> None:
        super().__init__()
        self.network = network
        for name, value in vars(scaling).items():
            self.register_buffer(name, torch.from_numpy(value))
        self.register_buffer("key_threshold", torch.zeros(len(network.task.regions)))
        """Logits from which as many keys are proposed as in the show, set after training."""

    def forward(self, heard: Tensor, emotion: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        reach = self.network.reach
        scaled = functional.pad((heard - self.heard_mean) / self.heard_deviation, (0, 0, reach, reach))
        made = self.network(scaled, functional.pad(emotion, (0, 0, reach, reach)))
        keys = None if made.keys is None else torch.sigmoid(made.keys - self.key_threshold)
        return made.shown * self.shown_deviation + self.shown_mean, keys, made.hidden


class FitHead(nn.Module):
    """:func:`voxrig.learning.fit.predict` as a module, before the limits: heard and emotion ``[1, row, ...]`` -> controls."""

    def __init__(self, fit: Fit) -> None:
        super().__init__()
        for name in ("mean", "projection", "kernel", "bias"):
            self.register_buffer(name, torch.from_numpy(getattr(fit, name)))
        self.reach = fit.reach_frames

    def forward(self, heard: Tensor, emotion: Tensor) -> Tensor:
        inputs = torch.matmul(heard - self.mean, self.projection)
        if emotions := emotion.shape[2]:
            # Of the inputs, those that are neither components nor emotions are products of both.
            largest = (self.kernel.shape[1] - inputs.shape[2]) // emotions - 1
            products = (emotion[:, :, :, None] * inputs[:, :, None, :largest]).flatten(2)
            inputs = torch.cat([inputs, emotion, products], dim=2)
        columns = functional.conv1d(inputs.transpose(1, 2), self.kernel, self.bias, padding=self.reach)
        return columns.transpose(1, 2)


class LearnedShow(nn.Module):
    """The mean of the members, with a ``share`` for a ``fit``, within the controls' limits: channels, keys (if learned) and
    hidden.

    ``reach`` is the number of rows that it hears before and after a frame.
    """

    def __init__(
        self, members: Sequence[Member], controls: Sequence[Channel], fit: Fit | None = None, share: float = 0.0
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("minimum", torch.tensor([control.minimum for control in controls]))
        self.register_buffer("maximum", torch.tensor([control.maximum for control in controls]))
        self.has_keys = members[0].network.has_keys
        self.fit = FitHead(fit) if fit is not None else None
        self.share = share
        self.reach = max([member.network.reach for member in members] + ([fit.reach_frames] if fit else []))

    def forward(self, heard: Tensor, emotion: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        made = [member(heard, emotion) for member in self.members]
        shown = self._limit(torch.stack([channels for channels, _, _ in made]).mean(dim=0))
        if self.fit is not None:
            shown = shown + self.share * (self._limit(self.fit(heard, emotion)) - shown)
        keys = torch.stack([part for _, part, _ in made if part is not None]).mean(dim=0) if self.has_keys else None
        return shown, keys, made[0][2]

    def _limit(self, shown: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(shown, self.minimum), self.maximum)


class _OnTrunk(nn.Module):
    """The head behind a speech model, with the inputs and outputs of the graph."""

    def __init__(self, learned: LearnedShow, has_phones: bool, has_emotion: bool) -> None:
        super().__init__()
        self.learned, self.has_phones, self.has_emotion = learned, has_phones, has_emotion

    def forward(self, features: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        heard = torch.cat([features, rest[0]], dim=2) if self.has_phones else features
        emotion = rest[-1] if self.has_emotion else heard[:, :, :0]
        channels, keys, _ = self.learned(heard, emotion)
        return (channels,) if keys is None else (channels, keys)


class _FromScratch(nn.Module):
    """The whole graph, from the waveform."""

    def __init__(self, learned: LearnedShow, spectra: nn.Module, has_emotion: bool) -> None:
        super().__init__()
        self.learned, self.spectra, self.has_emotion = learned, spectra, has_emotion

    def forward(self, waveform: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        heard = self.spectra(waveform)
        channels, keys, hidden = self.learned(heard, rest[0] if self.has_emotion else heard[:, :, :0])
        return (channels, hidden) if keys is None else (channels, hidden, keys)


@dataclass(frozen=True)
class Record:
    """The entries of ``model.json`` on the show and the run."""

    rig: str
    minutes: float
    emotions: tuple[str, ...]
    targets: dict[str, Target]
    commit: str
    scores: dict[str, Any]


def export(
    folder: Path, learned: LearnedShow, controls: tuple[Channel, ...], regions: tuple[str, ...], ear: Ear, config: RunConfig,
    record: Record,
) -> ModelPackage:  # fmt: skip
    """Write the model package and load it. The same networks yield the same bytes. Raises ModelError."""
    learned = learned.eval()
    trunk = ear.trunk
    reach = learned.reach / FRAME_RATE
    emotion = ["emotion"] if record.emotions else []
    key_regions = regions if learned.has_keys else ()
    keys = ["keys"] if key_regions else []
    if trunk is None:
        assert ear.spectra is not None
        whole = _FromScratch(learned, ear.spectra, bool(emotion))
        graph = _trace(
            whole, ["waveform", *emotion], ["channels", "features", *keys], {"emotion": len(record.emotions)}
        ).SerializeToString()
        width, phones = learned.members[0].network.hidden_width, ()
        hearing = float(ear.spectra.reach_seconds)  # type: ignore[arg-type]
        contexts = (reach + hearing, reach + hearing)
    else:
        graph = _put_on_trunk(learned, trunk, emotion, record.emotions, len(controls), key_regions)
        width, phones = trunk.feature_width, trunk.phones
        contexts = (trunk.context_before_seconds + reach, trunk.context_after_seconds + reach)
    hours = round(record.minutes / 60.0, 4)
    corpora = [vars(corpus) for corpus in trunk.training.corpora] if trunk else []
    description = {
        "format": 1,
        "name": package_name(folder.name),
        "title": f"{record.rig or 'Show'}, {config.network}",
        "version": "1.0.0",
        "licence": config.licence,
        "sample_rate": SAMPLE_RATE,
        "frame_rate": FRAME_RATE,
        "context_seconds": {"before": round(contexts[0], 6), "after": round(contexts[1], 6)},
        **({"grid_seconds": trunk.grid_seconds} if trunk is not None and trunk.grid_seconds else {}),
        "lead_seconds": 0.0,
        "channels": [vars(control) for control in controls],
        "emotions": list(record.emotions),
        "phones": list(phones),
        "features": {"width": width},
        "targets": {name: asdict(target) for name, target in record.targets.items()},
        "key_regions": list(key_regions),
        "training": {
            "corpora": [*corpora, show_corpus(record.rig, config.licence, hours)],
            "hours": round((trunk.training.hours if trunk else 0.0) + hours, 4),
            "seed": config.seed,
            "commit": record.commit,
            "scores": record.scores,
        },
    }
    return write_package(folder, graph, description)


def _trace(module: nn.Module, inputs: list[str], outputs: list[str], widths: dict[str, int]) -> onnx.ModelProto:
    """Trace the module's ONNX graph with the exporter whose output is small and reproducible."""
    frames = 20
    example = tuple(
        torch.zeros(1, frames * HOP) if name == "waveform" else torch.zeros(1, frames, widths[name]) for name in inputs
    )
    axes = {name: {1: "samples" if name == "waveform" else "frames"} for name in (*inputs, *outputs)}
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(temporary) / "graph.onnx"
        torch.onnx.export(module.eval(), example, str(path), dynamo=False, opset_version=OPSET, input_names=inputs,
                          output_names=outputs, dynamic_axes=axes)  # fmt: skip
        return onnx.load(path)


class _Drawing(nn.Module):
    """A network that tells controls from noise, with the scaling of its hearing."""

    def __init__(self, network: Diffusion, scaling: Scaling, usual: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("usual", torch.cat([torch.zeros(network.task.emotions), usual]))
        self.register_buffer("mean", torch.from_numpy(scaling.heard_mean))
        self.register_buffer("deviation", torch.from_numpy(scaling.heard_deviation))

    def forward(
        self, noisy: Tensor, known: Tensor, mask: Tensor, level: Tensor, heard: Tensor, felt: Tensor, kept: Tensor
    ) -> Tensor:
        scaled = (heard - self.mean) / self.deviation
        return self.network.denoise(noisy, known, mask, level, scaled, felt + self.usual, kept)


def trace_drawing(
    network: Diffusion, scaling: Scaling, steps: int, usual: Tensor | None = None, show_rate: float | None = None
) -> tuple[bytes, dict[str, Any]]:
    """Trace the graph that draws takes; returns it with its entry of model.json except for the file.

    ``usual`` ``[STYLES]`` are the styles that a take has where none is asked for; ``show_rate`` are the frames per second of
    the show.
    """
    usual = torch.zeros(len(STYLES)) if usual is None else usual
    controls = network.controls
    widths = {"noisy": controls, "known": controls, "mask": controls, "level": 0, "heard": network.task.width,
              "felt": network.task.emotions + len(STYLES), "kept": 2}  # fmt: skip
    rows = [name for name in widths if name not in ("level", "kept")]
    sizes = {name: (2, 20, width) if name in rows else (2, width) if width else (2,) for name, width in widths.items()}
    axes = {name: {0: "batch", 1: "frames"} if name in (*rows, "drawn") else {0: "batch"} for name in (*widths, "drawn")}
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(temporary) / "graph.onnx"
        module = _Drawing(network, scaling, usual).eval()
        torch.onnx.export(module, tuple(torch.zeros(size) for size in sizes.values()), str(path),
                          dynamo=False, opset_version=OPSET, input_names=list(widths), output_names=["drawn"],
                          dynamic_axes=axes)  # fmt: skip
        graph = onnx.load(path).SerializeToString()
    about = {
        "steps": steps,
        "stride": STRIDE,
        "reach_rows": network.spread_rows,
        "mean": [round(value, 6) for value in scaling.shown_mean.tolist()],
        "deviation": [round(value, 6) for value in scaling.shown_deviation.tolist()],
        **({"row_taps": find_row_taps(show_rate)} if show_rate else {}),
    }
    return graph, about


def _put_on_trunk(
    learned: LearnedShow,
    trunk: ModelPackage,
    emotion: list[str],
    emotions: tuple[str, ...],
    controls: int,
    regions: Sequence[str],
) -> bytes:
    heard = ["features", "phones"] if trunk.phones else ["features"]
    widths = {"features": trunk.feature_width, "phones": len(trunk.phones), "emotion": len(emotions)}
    keys = ["keys"] if regions else []
    head = _trace(_OnTrunk(learned, bool(trunk.phones), bool(emotion)), heard + emotion, ["channels", *keys], widths)
    head = onnx.compose.add_prefix(head, "show/", rename_inputs=False, rename_outputs=False)
    nodes = Head(
        nodes=[node.SerializeToString() for node in head.graph.node],
        tensors=[tensor.SerializeToString() for tensor in head.graph.initializer],
        made={name for node in head.graph.node for name in node.output} | {tensor.name for tensor in head.graph.initializer},
    )
    trunk_graph = trunk.graph_path.read_bytes()
    opset = next(entry.version for entry in onnx.load_model_from_string(trunk_graph).opset_import if entry.domain == "")
    if opset != OPSET:
        raise ModelError(f"The model '{trunk.name}' is of ONNX's operator set {opset}, not {OPSET}; choose another trunk")
    inputs: dict[str, list[int | str]] = {"emotion": [1, "frames", len(emotions)]} if emotion else {}
    outputs: dict[str, list[int | str]] = {"channels": [1, "frames", controls]}
    outputs |= {name: [1, "frames", widths[name]] for name in heard}
    outputs |= {name: [1, "frames", len(regions)] for name in keys}
    return replace_head(trunk_graph, heard, nodes, inputs, outputs)
