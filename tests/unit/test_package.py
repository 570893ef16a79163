# SPDX-License-Identifier: GPL-3.0-or-later
"""Model packages: the description, the hash, and the graph against the description."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from model_packages import (
    CHANNELS,
    EMOTIONS,
    FEATURE_WIDTH,
    HOP,
    PHONES,
    SAMPLE_RATE,
    build_graph,
    describe_model,
    make_model,
    write_package,
)
from onnx import TensorProto, helper, numpy_helper
from voxrig.errors import ModelError
from voxrig.inference.package import ModelPackage, bundled_packages, load_package, read_description

MODELS = Path(__file__).resolve().parents[2] / "models"
BUNDLED = sorted(path.parent for path in MODELS.glob("*/model.onnx") if not path.parent.name.startswith("stream"))


def test_a_right_package_loads(tmp_path: Path):
    package = load_package(write_package(tmp_path / "small"))
    assert (package.name, package.title, package.version, package.licence) == ("small", "Small 1", "0.1.0", "GPL-3.0-or-later")
    assert (package.sample_rate, package.frame_rate, package.hop) == (SAMPLE_RATE, 50.0, HOP)
    assert (package.context_before_seconds, package.context_after_seconds, package.lead_seconds) == (1.0, 1.0, 0.0)
    assert package.channel_names == CHANNELS
    assert package.channels[1].region == "lips"
    assert package.emotions == EMOTIONS
    assert package.phones == PHONES
    assert package.output_widths() == {"channels": 4, "features": FEATURE_WIDTH, "phones": 3}
    assert package.graph_path == tmp_path / "small" / "model.onnx"
    assert package.training.corpora[0].name == "random weights"
    assert package.training.seed == 5
    assert read_description(tmp_path / "small") == package
    with pytest.raises(dataclasses.FrozenInstanceError):
        package.name = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_package_in_a_folder_with_any_letters_loads(tmp_path: Path):
    assert load_package(str(write_package(tmp_path / "модель 音声 1"))).name == "small"


def test_a_model_without_emotions_and_phones_loads(tmp_path: Path):
    package = load_package(write_package(tmp_path, graph=plain_graph(), change=without_emotions))
    assert package.emotions == package.phones == ()
    assert package.output_widths() == {"channels": 4, "features": 4}


def plain_graph(**changed: Any) -> onnx.ModelProto:
    """Return four loudnesses of each hop as channels and as features: no emotion, no phones."""
    shapes = {"waveform": [1, "samples"], "channels": [1, "frames", 4], "features": [1, "frames", 4], "hop": HOP // 4} | changed
    tensors = [
        numpy_helper.from_array(np.array([1, -1, 4, shapes["hop"]], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Reshape", ["waveform", "shape"], ["hops"]),
        helper.make_node("Abs", ["hops"], ["sizes"]),
        helper.make_node("ReduceMean", ["sizes"], ["channels"], axes=[3], keepdims=0),
        helper.make_node("Identity", ["channels"], ["features"]),
    ]
    return make_model(
        nodes,
        [("waveform", shapes["waveform"])],
        [("channels", shapes["channels"]), ("features", shapes["features"])],
        tensors,
    )


# --- what the description says


def put(*keys: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(description: dict[str, Any]) -> None:
        place: Any = description
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def drop(*keys: str | int) -> Callable[[dict[str, Any]], None]:
    def change(description: dict[str, Any]) -> None:
        place: Any = description
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return every field of a description, objects and lists included."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, child in value.items():
            found += leaves(child, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        found += leaves(value[0], (*path, 0))
    return found


def field_name(path: tuple[str | int, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


FIELDS = [path for path in leaves(describe_model()) if not isinstance(path[-1], int)]


@pytest.mark.parametrize("path", FIELDS, ids=field_name)
def test_every_missing_field_is_named(tmp_path: Path, path: tuple[str | int, ...]):
    folder = write_package(tmp_path / "small", change=drop(*path))
    with pytest.raises(ModelError) as caught:
        load_package(folder)
    assert str(caught.value).startswith(f"small/model.json: {field_name(path)} is missing")


@pytest.mark.parametrize("value", [True, None, {"a": 1}, [1, 2]], ids=["true", "null", "object", "list"])
@pytest.mark.parametrize("path", FIELDS, ids=field_name)
def test_every_field_of_the_wrong_kind_is_named(tmp_path: Path, path: tuple[str | int, ...], value: object):
    if path == ("training", "scores") and isinstance(value, dict):
        pytest.skip("scores may hold anything")
    folder = write_package(tmp_path / "small", change=put(*path, value=value))
    with pytest.raises(ModelError) as caught:
        load_package(folder)
    assert str(caught.value).startswith(f"small/model.json: {field_name(path)}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("format",), 2, "format is 2, but this Voxrig reads format 1"),
        (("format",), "1", "format is '1'"),
        (("name",), " ", "name is ' ', not a text"),
        (("sample_rate",), 16_000.5, "sample_rate is 16000.5, not a whole number"),
        (("sample_rate",), 0, "sample_rate is 0, not between"),
        (("sample_rate",), float("nan"), "sample_rate is nan, not a number"),
        (("frame_rate",), -50.0, "frame_rate is -50.0, not between"),
        (("frame_rate",), 60.0, "frame_rate is 60, which does not divide the sample rate 16000 evenly"),
        (("frame_rate",), float("inf"), "frame_rate is inf, not a number"),
        (("context_seconds", "before"), -1.0, "context_seconds.before is -1.0, not between"),
        (("context_seconds", "after"), 1e9, "context_seconds.after is 1000000000.0, not between"),
        (("silence_seconds",), -0.1, "silence_seconds is -0.1, not between"),
        (("lead_seconds",), 5.0, "lead_seconds is 5.0, not between -1 and 1"),
        (("channels",), [], "channels is empty"),
        (("channels", 0, "region"), "ears", "channels[0].region is 'ears', not one of jaw, lips"),
        (("channels", 1, "group"), "other", "channels[1].group is 'other', not one of face"),
        (("channels", 1, "rest"), 2.0, "channels[1].rest is 2, not between 0 and 1"),
        (("channels", 2, "maximum"), -1.0, "channels[2].maximum is -1, not above the minimum 0"),
        (("channels", 3, "name"), "jawOpen", "channels[3] repeats the name 'jawOpen'"),
        (("emotions", 1), "joy", "emotions[1] repeats the name 'joy'"),
        (("emotions", 1), 3, "emotions[1] is 3, not a text"),
        (("phones", 2), "", "phones[2] is '', not a text"),
        (("features", "width"), 0, "features.width is 0, not between"),
        (("graph", "file"), "../other/model.onnx", "graph.file is '../other/model.onnx', not the plain name"),
        (("graph", "file"), "..\\model.onnx", "not the plain name"),
        (("graph", "sha256"), "abc", "graph.sha256 is not 64 hexadecimal digits"),
        (("training", "hours"), -1, "training.hours is -1, not between"),
        (("training", "seed"), 1.5, "training.seed is 1.5, not a whole number"),
        (("training", "corpora", 0, "hours"), "many", "training.corpora[0].hours is 'many', not a number"),
    ],
)
def test_values_that_make_no_sense_are_named(tmp_path: Path, path: tuple[str | int, ...], value: object, problem: str):
    with pytest.raises(ModelError) as caught:
        load_package(write_package(tmp_path, change=put(*path, value=value)))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_frame_rates_need_not_be_whole(tmp_path: Path):
    def change(description: dict[str, Any]) -> None:
        description["sample_rate"] = 48_000
        description["frame_rate"] = 48_000 / 1001 * 1.0

    write_package(tmp_path, change=change)
    assert read_description(tmp_path).hop == 1001


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is damaged"),
        (b"{", "is damaged"),
        (b"\xff\xfe\x00", "it is not UTF-8 text"),
        (b"[1]", "the whole is not an object"),
        (b"[" * 100_000, "is damaged"),
    ],
)
def test_a_damaged_description(tmp_path: Path, content: bytes, problem: str):
    write_package(tmp_path)
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=problem):
        load_package(tmp_path)


def test_no_package_there(tmp_path: Path):
    with pytest.raises(ModelError, match=r"There is no model\.json"):
        load_package(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ModelError, match="not a folder"):
        load_package(tmp_path / "file")


# --- the graph file


def test_a_changed_graph_is_refused(tmp_path: Path):
    folder = write_package(tmp_path)
    content = bytearray((folder / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"Model 'small': model\.onnx is damaged or was changed: its sha256 is"):
        load_package(folder)


def test_a_missing_graph_is_named(tmp_path: Path):
    folder = write_package(tmp_path)
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"its graph model\.onnx is missing"):
        load_package(folder)


def test_a_graph_that_is_none(tmp_path: Path):
    import hashlib

    folder = write_package(tmp_path)
    (folder / "model.onnx").write_bytes(b"no graph")
    description = json.loads((folder / "model.json").read_text())
    description["graph"]["sha256"] = hashlib.sha256(b"no graph").hexdigest()
    (folder / "model.json").write_text(json.dumps(description))
    with pytest.raises(ModelError, match="is not a graph that can run here") as caught:
        load_package(folder)
    assert "\n" not in str(caught.value)


# --- the graph against the description


def renamed(kind: str, old: str, new: str) -> onnx.ModelProto:
    graph = build_graph()
    for value in getattr(graph.graph, kind):
        if value.name == old:
            value.name = new
    for node in graph.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    return graph


def retyped() -> onnx.ModelProto:
    """Return phones as whole numbers."""
    graph = build_graph()
    graph.graph.node.append(helper.make_node("Cast", ["phones"], ["whole"], to=TensorProto.INT64))
    del graph.graph.output[2]
    graph.graph.output.append(helper.make_tensor_value_info("whole", TensorProto.INT64, [1, "frames", len(PHONES)]))
    return graph


def with_state() -> onnx.ModelProto:
    """Add one more input, as a streaming model has."""
    graph = build_graph()
    graph.graph.input.append(helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, 8]))
    return graph


def same(_description: dict[str, Any]) -> None:
    pass


@pytest.mark.parametrize(
    ("graph", "change", "problem"),
    [
        (lambda: renamed("input", "waveform", "audio"), same, "no input 'waveform' (it has: audio, emotion)"),
        (lambda: renamed("input", "emotion", "mood_in"), same, "no input 'emotion'"),
        (lambda: renamed("output", "channels", "face"), same, "no output 'channels'"),
        (lambda: renamed("output", "features", "hidden"), same, "no output 'features'"),
        (lambda: renamed("output", "phones", "whole"), same, "no output 'phones'"),
        (with_state, same, "the graph has the input 'state', which model.json does not describe"),
        (build_graph, put("emotions", value=[]), "the graph has the input 'emotion', which model.json does not describe"),
        (build_graph, put("phones", value=[]), "the graph has the output 'phones', which model.json does not describe"),
        (
            build_graph,
            put("emotions", value=["joy"]),
            "input 'emotion' has the shape [1, any, 2], model.json means [1, any, 1]",
        ),
        (build_graph, drop("channels", 3), "output 'channels' has the shape [1, any, 4], model.json means [1, any, 3]"),
        (build_graph, put("phones", value=["SIL"]), "output 'phones' has the shape [1, any, 3], model.json means [1, any, 1]"),
        (build_graph, put("features", "width", value=7), "'features' has the shape [1, any, 6], model.json means [1, any, 7]"),
        (
            build_graph,
            put("frame_rate", value=100.0),
            "the graph does not run on 8 frames of 160 samples",
        ),
    ],
)
def test_the_first_disagreement_is_named(
    tmp_path: Path, graph: Callable[[], onnx.ModelProto], change: Callable[[dict[str, Any]], None], problem: str
):
    with pytest.raises(ModelError) as caught:
        load_package(write_package(tmp_path, graph=graph(), change=change))
    assert problem in str(caught.value)
    assert str(caught.value).startswith("Model 'small': ")
    assert "\n" not in str(caught.value)


def without_emotions(description: dict[str, Any]) -> None:
    description["emotions"] = description["phones"] = []
    description["features"]["width"] = 4


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"waveform": ["samples"]}, "input 'waveform' has 1 dimensions, not 2"),
        ({"waveform": [2, "samples"]}, "input 'waveform' has the shape [2, any], model.json means [1, any]"),
        ({"waveform": [1, 32_000]}, "input 'waveform' has the shape [1, 32000], model.json means [1, any]"),
        ({"features": [1, "frames", "width"], "channels": [1, "frames", "width"], "hop": HOP}, "does not run on|the shape"),
    ],
)
def test_ranks_and_fixed_sizes(tmp_path: Path, changed: dict[str, Any], problem: str):
    folder = write_package(tmp_path, graph=plain_graph(**changed), change=without_emotions)
    with pytest.raises(ModelError) as caught:
        load_package(folder)
    assert any(part in str(caught.value) for part in problem.split("|"))


def test_kinds_of_numbers(tmp_path: Path):
    graph = retyped()
    for node in graph.graph.node:
        node.output[:] = ["phones" if name == "whole" else "soft" if name == "phones" else name for name in node.output]
        node.input[:] = ["soft" if name == "phones" else name for name in node.input]
    graph.graph.output[2].name = "phones"
    with pytest.raises(ModelError, match=r"output 'phones' is tensor\(int64\), not tensor\(float\)"):
        load_package(write_package(tmp_path, graph=graph))


def test_sizes_that_the_graph_only_names(tmp_path: Path):
    graph = build_graph()
    for output in graph.graph.output:
        output.type.tensor_type.shape.dim[2].dim_param = "width"
    with pytest.raises(ModelError, match=r"'channels' .* model\.json means \[1, any, 3\]"):
        load_package(write_package(tmp_path, graph=graph, change=drop("channels", 3)))


def test_a_hop_that_only_a_run_shows(tmp_path: Path):
    """Nothing that this graph declares says how many samples a frame has."""

    def change(description: dict[str, Any]) -> None:
        without_emotions(description)
        description["frame_rate"] = 100.0

    problem = r"8 frames of 160 samples give the graph's output 'channels' the shape \[1, 4, 4\], model\.json means \[1, 8, 4\]"
    with pytest.raises(ModelError, match=problem):
        load_package(write_package(tmp_path, graph=plain_graph(), change=change))


# --- the bundled package


def test_bundled_packages_are_the_folders_with_a_description():
    assert bundled_packages() == BUNDLED


@pytest.mark.skipif(not BUNDLED, reason="models/ holds no package")
@pytest.mark.parametrize("folder", BUNDLED, ids=lambda folder: folder.name)
def test_a_bundled_package_loads(folder: Path):
    package: ModelPackage = load_package(folder)
    assert package.name == folder.name
    assert package.sample_rate == 16_000
    assert package.frame_rate in (50.0, 60.0)
    assert "jawOpen" in package.channel_names
    assert package.training.corpora
    assert package.training.hours == pytest.approx(sum(corpus.hours for corpus in package.training.corpora), rel=0.02)


def test_what_is_said_of_expression_rules_is_checked(tmp_path: Path):
    def say(value: object) -> Callable[[dict[str, Any]], object]:
        return lambda description: description.update(expression_rules=value)

    with pytest.raises(ModelError, match="expression_rules is 'yes', not true or false"):
        read_description(write_package(tmp_path / "text", change=say("yes")))
    with pytest.raises(ModelError, match="expression_rules goes with other channels or emotions"):
        read_description(write_package(tmp_path / "small", change=say(True)))
    # The bundled model, but its graph smiles differently.
    graph = onnx.load(bundled_packages()[0] / "model.onnx")
    poses = next(tensor for tensor in graph.graph.initializer if tensor.name == "expression.poses")
    poses.CopyFrom(numpy_helper.from_array(1.1 * numpy_helper.to_array(poses), poses.name))
    (tmp_path / "model.onnx").write_bytes(graph.SerializeToString())
    description = json.loads((bundled_packages()[0] / "model.json").read_text(encoding="utf-8"))
    description["graph"]["sha256"] = hashlib.sha256((tmp_path / "model.onnx").read_bytes()).hexdigest()
    (tmp_path / "model.json").write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(ModelError, match="other expression rules"):
        load_package(tmp_path)
