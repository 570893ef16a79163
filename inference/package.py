# SPDX-License-Identifier: GPL-3.0-or-later
"""Model packages: a folder with a graph (``model.onnx``) and its description (``model.json``).

Nothing else knows anything about a model. Loading checks the description alone, then the graph file against its hash, then
the graph against the description, and reports the first disagreement.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from ..animation.face.channels import REGIONS, Channel
from ..animation.face.expression import apply_expression, load_expressions, voice_energy
from ..animation.face.poses import ShowPoses
from ..animation.keys.placing import Hold
from ..animation.rig.mapping import Target
from ..errors import ModelError
from ..storage.reading import check_ordinary_file, parse_json, read_text
from ..storage.writing import write_together
from .diffusion import LARGEST_STEPS, STYLES, Drawing
from .runtime import first_line, import_onnxruntime, run_within

FORMAT = 1
"""Version of model.json that is read here."""

LARGEST_GRAPH = (1 << 31) - 1
"""Bytes of a graph file: the protobuf format holds no more."""

GROUPS = ("face", "viseme", "expression")

NEXT = "next_"
"""Before the name of a state: the output that replaces it."""

STREAM_PREFIX = "stream"
"""Folders of bundled packages that stream begin with it, so that a list needs no description."""

_MOST_ROW_TAPS = 65
_TRIAL_FRAMES = 8
_TRIAL_STEPS = 3
_LARGEST_STATE = 1 << 24
"""Numbers that all states of a stream may hold."""
_TRIAL_SECONDS = 30.0
_SAME_EXPRESSION = 1e-4


@dataclass(frozen=True)
class Corpus:
    """Recordings that a model was trained on."""

    name: str
    licence: str
    hours: float
    source: str


@dataclass(frozen=True)
class TrainingRecord:
    """How a model was made; ``scores`` is the output of its training."""

    corpora: tuple[Corpus, ...]
    hours: float
    seed: int
    commit: str
    scores: dict[str, Any]


@dataclass(frozen=True)
class Streaming:
    """How a graph streams: it takes one frame of sound a run, and ``states`` of these shapes, zeros at first.

    Its outputs beside the rows are the ``next_`` state of each. The run that ends at sample n shows the instant
    n / sample_rate - ``look_ahead_seconds``.
    """

    look_ahead_seconds: float
    states: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class ModelPackage:
    """The contents of ``model.json``, checked against the graph in the same folder.

    The graph turns ``waveform`` float32 ``[1, samples]`` (samples a multiple of ``hop``), and ``emotion`` float32 ``[1,
    frames, emotions]`` in 0..1 where ``emotions`` is not empty, into ``channels`` ``[1, frames, channels]``, ``features``
    ``[1, frames, feature_width]`` and, where ``phones`` is not empty, ``phones`` ``[1, frames, phones]``; frames = samples
    / hop. A frame hears ``context_before_seconds`` of sound before it and ``context_after_seconds`` after it. Row i of the
    outputs shows the instant i * hop / sample_rate - lead_seconds. A model learned on a rig holds in ``targets`` the rig's
    value for each channel; it needs no mapping. With ``expression_rules`` the graph ends in
    ``animation.face.expression.apply_expression``, so that emotions can also be applied to its neutral channels later,
    without running it again. Where ``key_regions`` is not empty, ``keys`` ``[1, frames, key_regions]`` is the likelihood
    0..1 that the show's animators would set a key of that region at that frame. ``hold`` is set if the show holds its
    poses. A model whose windows lie on a fixed grid of the sound has ``grid_seconds`` above 0: the first wanted row of a run
    begins on a multiple of it. ``silence_seconds`` of silence around the whole sound say as much to it as the full context
    (None: not known, the full context is given). With ``has_effort``, ``effort`` ``[1, frames, 1]`` is how hard the voice
    works (1 calm), for ``animation.face.effort.apply_effort``. With a ``drawing``, a second graph draws other takes of the same
    channels (inference/diffusion.py): ``noisy``, ``known`` and ``mask`` ``[batch, frames, channels]``, ``level`` ``[batch]``,
    ``heard`` ``[batch, frames, features + phones + channels]``, ``felt`` ``[batch, frames, emotions + styles]`` and ``kept``
    ``[batch, 2]`` (sound, style) into ``drawn`` ``[batch, frames, channels]``. ``poses`` is the space of the poses of the show
    that a model learned. A model with ``stream`` takes one
    frame of sound at a time (``inference.stream``) and cannot run over a whole one.
    """

    folder: Path
    name: str
    title: str
    version: str
    licence: str
    sample_rate: int
    frame_rate: float
    context_before_seconds: float
    context_after_seconds: float
    lead_seconds: float
    channels: tuple[Channel, ...]
    emotions: tuple[str, ...]
    phones: tuple[str, ...]
    feature_width: int
    graph_file: str
    graph_sha256: str
    training: TrainingRecord
    targets: dict[str, Target] = field(default_factory=dict[str, Target])
    expression_rules: bool = False
    key_regions: tuple[str, ...] = ()
    hold: Hold | None = None
    grid_seconds: float = 0.0
    has_effort: bool = False
    silence_seconds: float | None = None
    drawing: Drawing | None = None
    stream: Streaming | None = None
    poses: ShowPoses | None = None

    @property
    def hop(self) -> int:
        """Number of samples per frame."""
        return round(self.sample_rate / self.frame_rate)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of ``channels``, in the order of the graph's columns."""
        return tuple(channel.name for channel in self.channels)

    @property
    def graph_path(self) -> Path:
        """Path of the graph file."""
        return self.folder / self.graph_file

    def output_widths(self) -> dict[str, int]:
        """Return the number of columns of each output of the graph."""
        widths = {"channels": len(self.channels), "features": self.feature_width}
        if self.phones:
            widths["phones"] = len(self.phones)
        if self.key_regions:
            widths["keys"] = len(self.key_regions)
        if self.has_effort:
            widths["effort"] = 1
        return widths


def bundled_packages(*, streaming: bool = False) -> list[Path]:
    """List the folders under ``models/`` that hold a speech model for whole sounds, or one that streams, sorted by name."""
    folders = sorted(path.parent for path in _MODELS_FOLDER.glob("*/model.onnx"))
    return [folder for folder in folders if folder.name.startswith(STREAM_PREFIX) == streaming]


_MODELS_FOLDER = Path(__file__).resolve().parent.parent / "models"


def find_model(name: str | None) -> Path:
    """Find the folder of a model package: the given one, else a bundled one of that name, else the first bundled one."""
    bundled = bundled_packages()
    if name is None:
        if not bundled:
            raise ModelError("No model is bundled with this Voxrig; give the folder of one with --model")
        return next((folder for folder in bundled if folder.name == "speech"), bundled[0])
    if os.path.isdir(name):
        return Path(name)
    for folder in bundled:
        if folder.name == name:
            return folder
    names = ", ".join(folder.name for folder in bundled) or "none"
    raise ModelError(f"There is no folder {name} and no bundled model of that name (there are: {names})")


def find_stream_model(name: str | None) -> Path:
    """Find the folder of a package that streams: the given one, or the bundled one of that name. Raises ModelError."""
    if name is not None and os.path.isdir(name):
        return Path(name)
    bundled = {folder.name: folder for folder in bundled_packages(streaming=True)}
    chosen = bundled.get(STREAM_PREFIX if name is None else name)
    if chosen is None:
        names = ", ".join(bundled) or "none"
        raise ModelError(f"There is no model {name or STREAM_PREFIX} that streams (there are: {names}); give its folder")
    return chosen


def stream_name(look_ahead_milliseconds: int) -> str:
    """Return the name of the bundled package that streams with a look-ahead of LOOK_AHEADS."""
    return STREAM_PREFIX if look_ahead_milliseconds == LOOK_AHEADS[0] else f"{STREAM_PREFIX}_{look_ahead_milliseconds}"


LOOK_AHEADS = (60, 0, 120)
"""Milliseconds that a bundled package hears beyond the instant it shows; the default first."""


def read_description(folder: str | Path) -> ModelPackage:
    """Read and check ``model.json`` alone: fast, for lists and panels. Raises ModelError."""
    folder = Path(folder)
    path = folder / "model.json"
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise ModelError(f"There is no model.json in {folder}; choose the folder of a model package") from None
    except NotADirectoryError:
        raise ModelError(f"{folder} is not a folder; choose the folder of a model package") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); install the model again") from None
    try:
        document = parse_json(text)
    except ValueError as error:
        raise ModelError(f"{path} is damaged ({error}); install the model again") from None
    return _parse(folder, _Fields(document, f"{folder.name}/model.json", ""))


def load_package(folder: str | Path) -> ModelPackage:
    """Read a package and check all of it: description, hash of the graph, graph against description.

    Takes about as long as opening the graph twice. Raises ModelError with the first disagreement.
    """
    package = read_description(folder)
    _check_hash(package, package.graph_file, package.graph_sha256)
    _check_graph(package)
    if package.drawing is not None:
        _check_hash(package, package.drawing.graph_file, package.drawing.graph_sha256)
        _check_drawing(package, package.drawing)
    return package


def write_package(
    folder: str | Path, graph: bytes, description: dict[str, Any], drawing: tuple[bytes, dict[str, Any]] | None = None
) -> ModelPackage:
    """Write a ``graph`` and its ``description`` (model.json except for the entry on the graph) and load the package.

    ``drawing`` is the graph that draws takes, with its entry except for the file.

    Neither file is replaced before both are complete. Raises ModelError if the folder cannot be written.
    """
    folder = Path(folder)
    description = description | {"graph": {"file": "model.onnx", "sha256": hashlib.sha256(graph).hexdigest()}}
    files: dict[str | os.PathLike[str], bytes | str] = {folder / "model.onnx": graph}
    if drawing is not None:
        drawn, about = drawing
        entry = {"file": "drawing.onnx", "sha256": hashlib.sha256(drawn).hexdigest()}
        description = description | {"drawing": entry | about}
        files[folder / "drawing.onnx"] = drawn
    try:
        text = json.dumps(description, indent=1, ensure_ascii=False) + "\n"
        write_together(files | {folder / "model.json": text})
    except OSError as error:
        raise ModelError(f"{folder} cannot be written ({error.strerror}); choose another folder") from None
    return load_package(folder)


def package_name(title: str) -> str:
    """Return the name of a package with this title or folder name: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "show"


def show_corpus(rig: str, licence: str, hours: float) -> dict[str, Any]:
    """Describe a show's shots as a corpus of a package's training record."""
    return {"name": f"shots of {rig or 'a rig'}", "licence": licence, "hours": hours, "source": "the show's own"}


class _Fields:
    """One JSON object of a description; every getter names the field that is wrong."""

    def __init__(self, value: object, file: str, path: str) -> None:
        self._file, self._path = file, path
        if not isinstance(value, dict):
            raise self.wrong("", "is not an object")
        self._values = cast("dict[str, object]", value)

    def wrong(self, key: str, problem: str) -> ModelError:
        where = ".".join(part for part in (self._path, key) if part) or "the whole"
        return ModelError(f"{self._file}: {where} {problem}; install the model again or correct the file")

    def get(self, key: str) -> object:
        if key not in self._values:
            raise self.wrong(key, "is missing")
        return self._values[key]

    def has(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str) -> str:
        value = self.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, f"is {value!r}, not a text")
        return value

    def number(self, key: str, minimum: float = -math.inf, maximum: float = math.inf) -> float:
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.wrong(key, f"is {value!r}, not a number")
        if not minimum <= value <= maximum:
            raise self.wrong(key, f"is {value}, not between {minimum:g} and {maximum:g}")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self._values.get(key, False)
        if not isinstance(value, bool):
            raise self.wrong(key, f"is {value!r}, not true or false")
        return value

    def integer(self, key: str, minimum: float, maximum: float = math.inf) -> int:
        value = self.number(key, minimum, maximum)
        if value != int(value):
            raise self.wrong(key, f"is {value}, not a whole number")
        return int(value)

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in choices:
            raise self.wrong(key, f"is '{value}', not one of {', '.join(choices)}")
        return value

    def child(self, key: str) -> _Fields:
        return _Fields(self.get(key), self._file, f"{self._path}.{key}" if self._path else key)

    def mapping(self, key: str) -> dict[str, Any]:
        value = self.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "is not an object")
        return cast("dict[str, Any]", value)

    def items(self, key: str) -> list[object]:
        value = self.get(key)
        if not isinstance(value, list):
            raise self.wrong(key, "is not a list")
        return cast("list[object]", value)

    def numbers(self, key: str) -> tuple[float, ...]:
        values = self.items(key)
        for index, value in enumerate(values):
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise self.wrong(f"{key}[{index}]", f"is {value!r}, not a number")
        return tuple(cast("list[float]", values))

    def children(self, key: str) -> Iterator[_Fields]:
        for index, value in enumerate(self.items(key)):
            yield _Fields(value, self._file, f"{self._path}.{key}[{index}]" if self._path else f"{key}[{index}]")

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.items(key)
        for index, value in enumerate(values):
            if not isinstance(value, str) or not value.strip():
                raise self.wrong(f"{key}[{index}]", f"is {value!r}, not a text")
        return self.unique(key, tuple(cast("list[str]", values)))

    def unique(self, key: str, names: tuple[str, ...]) -> tuple[str, ...]:
        for index, name in enumerate(names):
            if name in names[:index]:
                raise self.wrong(f"{key}[{index}]", f"repeats the name '{name}'")
        return names


def _parse(folder: Path, fields: _Fields) -> ModelPackage:
    version = fields.get("format")
    if version != FORMAT or isinstance(version, bool):
        raise fields.wrong("format", f"is {version!r}, but this Voxrig reads format {FORMAT}: update Voxrig or the model")
    sample_rate = fields.integer("sample_rate", 1000, 192_000)
    frame_rate = fields.number("frame_rate", 1.0, 1000.0)
    # A rate such as 60000/1001 has no exact JSON number, so a millionth of a sample is tolerated.
    if abs(sample_rate / frame_rate - round(sample_rate / frame_rate)) > 1e-6:
        raise fields.wrong("frame_rate", f"is {frame_rate:g}, which does not divide the sample rate {sample_rate} evenly")
    context = fields.child("context_seconds")
    graph_file, sha256 = _parse_graph(fields.child("graph"))
    package = ModelPackage(
        folder=folder,
        name=fields.text("name"),
        title=fields.text("title"),
        version=fields.text("version"),
        licence=fields.text("licence"),
        sample_rate=sample_rate,
        frame_rate=frame_rate,
        context_before_seconds=context.number("before", 0.0, 60.0),
        context_after_seconds=context.number("after", 0.0, 60.0),
        lead_seconds=fields.number("lead_seconds", -1.0, 1.0),
        channels=_parse_channels(fields),
        emotions=fields.texts("emotions"),
        phones=fields.texts("phones"),
        feature_width=fields.child("features").integer("width", 1),
        graph_file=graph_file,
        graph_sha256=sha256,
        training=_parse_training(fields.child("training")),
        targets=_parse_targets(fields),
        expression_rules=fields.flag("expression_rules"),
        key_regions=fields.texts("key_regions") if fields.has("key_regions") else (),
        hold=_parse_hold(fields.child("hold")) if fields.has("hold") else None,
        grid_seconds=fields.number("grid_seconds", 0.0, 60.0) if fields.has("grid_seconds") else 0.0,
        has_effort=fields.flag("effort"),
        silence_seconds=fields.number("silence_seconds", 0.0, 60.0) if fields.has("silence_seconds") else None,
        stream=_parse_stream(fields.child("stream")) if fields.has("stream") else None,
    )
    if fields.has("drawing"):
        package = replace(package, drawing=_parse_drawing(fields.child("drawing"), len(package.channels)))
    if fields.has("poses"):
        package = replace(package, poses=_parse_poses(fields.child("poses"), package.channel_names))
    if package.stream is not None and (package.emotions or package.key_regions or package.has_effort):
        raise fields.wrong("stream", "does not go with emotions, key_regions or effort")
    if package.silence_seconds is not None and package.grid_seconds:
        raise fields.wrong("silence_seconds", "does not go with grid_seconds, whose windows have one length")
    rules = load_expressions() if package.expression_rules else None
    if rules is not None and (rules.names != package.channel_names or rules.emotions != package.emotions):
        raise fields.wrong("expression_rules", "goes with other channels or emotions than this Voxrig has")
    return package


def _parse_graph(graph: _Fields) -> tuple[str, str]:
    """Return the file of a graph and its digest."""
    name = graph.text("file")
    if Path(name).name != name or "\\" in name:
        raise graph.wrong("file", f"is '{name}', not the plain name of a file in the same folder")
    sha256 = graph.text("sha256").lower()
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise graph.wrong("sha256", "is not 64 hexadecimal digits")
    return name, sha256


def _parse_drawing(fields: _Fields, channels: int) -> Drawing:
    name, sha256 = _parse_graph(fields)
    scale = {key: fields.numbers(key) for key in ("mean", "deviation")}
    for key, values in scale.items():
        if len(values) != channels:
            raise fields.wrong(key, f"has {len(values)} numbers for {channels} channels")
    if min(scale["deviation"]) <= 0.0:
        raise fields.wrong("deviation", "is not above 0 everywhere")
    steps, reach = fields.integer("steps", 1, LARGEST_STEPS), fields.integer("reach_rows", 0, 10_000)
    stride = fields.integer("stride", 1, 10)
    taps = fields.numbers("row_taps") if fields.has("row_taps") else (1.0,)
    if len(taps) % 2 == 0 or len(taps) > _MOST_ROW_TAPS:
        raise fields.wrong("row_taps", f"has {len(taps)} numbers, not an odd number of at most {_MOST_ROW_TAPS}")
    return Drawing(name, sha256, steps, stride, reach, scale["mean"], scale["deviation"], taps)


def _parse_poses(fields: _Fields, channels: tuple[str, ...]) -> ShowPoses:
    lines = {key: np.array(fields.numbers(key), np.float64) for key in ("middle", "spread", "low", "high", "axes")}
    axes = len(lines["low"])
    sizes = {"middle": len(channels), "spread": len(channels), "high": axes, "axes": axes * len(channels)}
    for key, size in sizes.items():
        if len(lines[key]) != size:
            raise fields.wrong(key, f"has {len(lines[key])} numbers, not {size}")
    if not (lines["spread"] > 0.0).all():
        raise fields.wrong("spread", "is not above 0 everywhere")
    if (lines["low"] > lines["high"]).any():
        raise fields.wrong("low", "is above high")
    return ShowPoses(channels, lines["middle"], lines["spread"], lines["axes"].reshape(axes, len(channels)), lines["low"],
                     lines["high"])  # fmt: skip


def _parse_channels(fields: _Fields) -> tuple[Channel, ...]:
    channels: list[Channel] = []
    for entry in fields.children("channels"):
        name, region, group = entry.text("name"), entry.choice("region", REGIONS), entry.choice("group", GROUPS)
        rest, minimum, maximum = entry.number("rest"), entry.number("minimum"), entry.number("maximum")
        if not minimum < maximum:
            raise entry.wrong("maximum", f"is {maximum:g}, not above the minimum {minimum:g}")
        if not minimum <= rest <= maximum:
            raise entry.wrong("rest", f"is {rest:g}, not between {minimum:g} and {maximum:g}")
        channels.append(Channel(name, region, group, rest, minimum, maximum, entry.text("unit")))
    if not channels:
        raise fields.wrong("channels", "is empty")
    fields.unique("channels", tuple(channel.name for channel in channels))
    return tuple(channels)


def _parse_targets(fields: _Fields) -> dict[str, Target]:
    if not fields.has("targets"):
        return {}
    names = {entry.text("name") for entry in fields.children("channels")}
    targets = fields.child("targets")
    found: dict[str, Target] = {}
    for name in fields.mapping("targets"):
        if name not in names:
            raise targets.wrong(name, "is not a channel of the model")
        entry = targets.child(name)
        kind, block, path = entry.text("id_type"), entry.text("id_name"), entry.text("data_path")
        found[name] = Target(kind, block, path, entry.integer("array_index", 0))
    return found


def _parse_hold(fields: _Fields) -> Hold:
    return Hold(fields.integer("frames", 2, 100), fields.integer("phase", 0, 100), fields.number("frame_rate", 1.0, 1000.0))


def _parse_stream(fields: _Fields) -> Streaming:
    states: dict[str, tuple[int, ...]] = {}
    shapes = fields.child("states")
    for name in fields.mapping("states"):
        sizes = shapes.items(name)
        if not sizes or not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes):
            raise shapes.wrong(name, f"is {sizes!r}, not the sizes of an array")
        states[name] = tuple(cast("list[int]", sizes))
    if not states or name_clash(states):
        raise fields.wrong("states", "is empty or repeats the name of another input or output")
    if sum(math.prod(shape) for shape in states.values()) > _LARGEST_STATE:
        raise fields.wrong("states", "is larger than a stream can keep")
    return Streaming(fields.number("look_ahead_seconds", 0.0, 10.0), states)


def name_clash(states: Iterable[str]) -> bool:
    """Return whether a state has the name of another input or output of a graph."""
    taken = {"waveform", "channels", "features", "phones"}
    return any(name in taken or name.startswith(NEXT) for name in states)


def _parse_training(fields: _Fields) -> TrainingRecord:
    return TrainingRecord(
        corpora=tuple(
            Corpus(entry.text("name"), entry.text("licence"), entry.number("hours", 0.0), entry.text("source"))
            for entry in fields.children("corpora")
        ),
        hours=fields.number("hours", 0.0),
        seed=fields.integer("seed", 0),
        commit=fields.text("commit"),
        scores=fields.mapping("scores"),
    )


def _check_hash(package: ModelPackage, name: str, sha256: str) -> None:
    path = package.folder / name
    digest = hashlib.sha256()
    try:
        check_ordinary_file(path, LARGEST_GRAPH)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        raise _disagreement(package, f"its graph {name} is missing") from None
    except OSError as error:
        raise _disagreement(package, f"its graph {name} cannot be read ({error.strerror})") from None
    if digest.hexdigest() != sha256:
        raise _disagreement(
            package,
            f"{name} is damaged or was changed: its sha256 is {digest.hexdigest()[:12]}..., model.json says {sha256[:12]}...",
        )


def _disagreement(package: ModelPackage, problem: str) -> ModelError:
    return ModelError(f"Model '{package.name}': {problem}; install the model again")


def _check_graph(package: ModelPackage) -> None:
    """Compare the names, kinds, ranks and sizes that the graph declares, then those of a short run."""

    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        graph = onnxruntime.InferenceSession(str(package.graph_path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base class
        raise _disagreement(package, f"{package.graph_file} is not a graph that can run here ({first_line(error)})") from None

    if package.stream is not None:
        _check_stream(package, package.stream, graph)
        return
    emotions = len(package.emotions)
    inputs: dict[str, list[int | None]] = {"waveform": [1, None]}
    if emotions:
        inputs["emotion"] = [1, None, emotions]
    outputs: dict[str, list[int | None]] = {name: [1, None, width] for name, width in package.output_widths().items()}
    _check_declared(package, "input", inputs, graph.get_inputs())
    _check_declared(package, "output", outputs, graph.get_outputs())

    feeds = {"waveform": np.zeros((1, _TRIAL_FRAMES * package.hop), np.float32)}
    if emotions:
        feeds["emotion"] = np.zeros((1, _TRIAL_FRAMES, emotions), np.float32)
    names = list(outputs)
    try:
        arrays = cast("list[np.ndarray[Any, Any]]", run_within(graph, names, feeds, _TRIAL_SECONDS))
    except Exception as error:
        raise _disagreement(
            package, f"the graph does not run on {_TRIAL_FRAMES} frames of {package.hop} samples ({first_line(error)})"
        ) from None
    for name, array in zip(names, arrays):
        expected = (1, _TRIAL_FRAMES, outputs[name][2])
        if array.shape != expected:
            raise _disagreement(
                package,
                f"{_TRIAL_FRAMES} frames of {package.hop} samples give the graph's output '{name}' the shape "
                f"{list(array.shape)}, model.json means {list(expected)}",
            )
    if package.expression_rules:
        _check_expression(package, graph, feeds)


def _check_drawing(package: ModelPackage, drawing: Drawing) -> None:
    """Compare the inputs and the output of the graph that draws takes, then those of a short run."""
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    path = package.folder / drawing.graph_file
    try:
        graph = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base class
        raise _disagreement(package, f"{drawing.graph_file} is not a graph that can run here ({first_line(error)})") from None
    channels = len(package.channels)
    heard = package.feature_width + len(package.phones) + channels
    widths = {"noisy": channels, "known": channels, "mask": channels, "heard": heard}
    widths["felt"] = len(package.emotions) + len(STYLES)
    inputs: dict[str, list[int | None]] = {name: [None, None, width] for name, width in widths.items()}
    inputs |= {"level": [None], "kept": [None, 2]}
    _check_declared(package, "input", inputs, graph.get_inputs())
    _check_declared(package, "output", {"drawn": [None, None, channels]}, graph.get_outputs())
    sizes = {name: [2 if size is None and i == 0 else size or _TRIAL_FRAMES for i, size in enumerate(shape)]
             for name, shape in inputs.items()}  # fmt: skip
    try:
        drawn = run_within(graph, ["drawn"], {name: np.zeros(size, np.float32) for name, size in sizes.items()}, _TRIAL_SECONDS)
    except Exception as error:
        raise _disagreement(package, f"{drawing.graph_file} does not run ({first_line(error)})") from None
    if drawn[0].shape != (2, _TRIAL_FRAMES, channels):
        raise _disagreement(package, f"{drawing.graph_file} draws {list(drawn[0].shape)}, not [2, {_TRIAL_FRAMES}, {channels}]")


def _check_stream(package: ModelPackage, stream: Streaming, graph: Any) -> None:
    """Compare the step that the graph declares with the description, then take some steps."""
    states: dict[str, list[int | None]] = {name: list(shape) for name, shape in stream.states.items()}
    rows: dict[str, list[int | None]] = {name: [1, 1, width] for name, width in package.output_widths().items()}
    _check_declared(package, "input", {"waveform": [1, package.hop], **states}, graph.get_inputs())
    _check_declared(package, "output", {**rows, **{NEXT + name: shape for name, shape in states.items()}}, graph.get_outputs())
    names = [*rows, *(NEXT + name for name in states)]
    kept = {name: np.zeros(shape, np.float32) for name, shape in stream.states.items()}
    for _ in range(_TRIAL_STEPS):
        feeds = {"waveform": np.zeros((1, package.hop), np.float32), **kept}
        try:
            arrays = cast("list[np.ndarray[Any, Any]]", run_within(graph, names, feeds, _TRIAL_SECONDS))
        except Exception as error:
            raise _disagreement(
                package, f"the graph does not take a step of {package.hop} samples ({first_line(error)})"
            ) from None
        made = dict(zip(names, arrays))
        expected = {**{name: (1, 1, width) for name, width in package.output_widths().items()}}
        expected |= {NEXT + name: shape for name, shape in stream.states.items()}
        for name, shape in expected.items():
            if made[name].shape != shape or not np.isfinite(made[name]).all():
                raise _disagreement(
                    package,
                    f"a step returns '{name}' with the shape {list(made[name].shape)}, or no numbers",
                )
        kept = {name: made[NEXT + name] for name in kept}


def _check_expression(package: ModelPackage, graph: Any, feeds: dict[str, np.ndarray[Any, Any]]) -> None:
    """Compare the graph's result for a mixed emotion with that of the rules on its neutral channels."""
    samples = np.sin(np.arange(_TRIAL_FRAMES * package.hop, dtype=np.float32))
    weights = np.linspace(0.1, 0.9, len(package.emotions), dtype=np.float32)
    emotion = np.broadcast_to(weights, (1, _TRIAL_FRAMES, weights.size)).copy()
    feeds = feeds | {"waveform": samples[None]}
    try:
        neutral = run_within(graph, ["channels"], feeds, _TRIAL_SECONDS)[0][0]
        moved = run_within(graph, ["channels"], feeds | {"emotion": emotion}, _TRIAL_SECONDS)[0][0]
    except Exception as error:
        raise _disagreement(package, f"the graph does not run with emotions ({first_line(error)})") from None
    energy = voice_energy(samples, package.sample_rate, package.frame_rate)
    if np.abs(moved - apply_expression(neutral, emotion[0], energy)).max() > _SAME_EXPRESSION:
        raise _disagreement(package, "its graph has other expression rules than this Voxrig")


def _check_declared(package: ModelPackage, kind: str, expected: dict[str, list[int | None]], found: list[Any]) -> None:
    nodes = {node.name: node for node in found}
    for name, shape in expected.items():
        if name not in nodes:
            raise _disagreement(package, f"the graph has no {kind} '{name}' (it has: {', '.join(nodes) or 'none'})")
        node = nodes[name]
        if node.type != "tensor(float)":
            raise _disagreement(package, f"the graph's {kind} '{name}' is {node.type}, not tensor(float)")
        declared: list[int | str | None] = list(node.shape)
        if len(declared) != len(shape):
            raise _disagreement(package, f"the graph's {kind} '{name}' has {len(declared)} dimensions, not {len(shape)}")
        # A dimension with a name instead of a number may be anything; the trial run shows its size.
        if any(isinstance(given, int) and given != wanted for given, wanted in zip(declared, shape)):
            wanted_text = ", ".join("any" if size is None else str(size) for size in shape)
            given_text = ", ".join(str(size) if isinstance(size, int) else "any" for size in declared)
            raise _disagreement(
                package, f"the graph's {kind} '{name}' has the shape [{given_text}], model.json means [{wanted_text}]"
            )
    for name in nodes:
        if name not in expected:
            raise _disagreement(package, f"the graph has the {kind} '{name}', which model.json does not describe")
