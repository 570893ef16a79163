# SPDX-License-Identifier: GPL-3.0-or-later
"""The editor of ONNX files against the onnx package and onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from model_packages import FEATURE_WIDTH, HOP, PHONES, build_graph, make_model, noise
from voxrig.errors import ModelError
from voxrig.learning.graphs import Head, replace_head

onnx = pytest.importorskip("onnx", reason="onnx, which checks the graphs, is only in the development environment")
onnxruntime = pytest.importorskip("onnxruntime")

OUTPUTS = {"channels": [1, "frames", 2], "features": [1, "frames", FEATURE_WIDTH], "phones": [1, "frames", len(PHONES)]}


def double_two_features(prefix: str = "head/") -> tuple[Head, np.ndarray]:
    head = Head()
    matrix = np.zeros((FEATURE_WIDTH, 2), np.float32)
    matrix[1, 0], matrix[4, 1] = 2.0, -2.0
    head.node("MatMul", ["features", head.constant(prefix + "matrix", matrix)], "channels")
    return head, matrix


def run(content: bytes, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds)))


def test_the_new_head_replaces_the_old_one_and_the_trunk_stays_as_it_was():
    trunk = build_graph().SerializeToString()
    head, matrix = double_two_features()
    content = replace_head(trunk, ["features", "phones"], head, {}, OUTPUTS)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["waveform"], "emotion only fed the old channels"
    assert [value.name for value in model.graph.output] == list(OUTPUTS)
    # The old head's weights are gone, the trunk's stay.
    assert {tensor.name for tensor in model.graph.initializer} == {"hear", "listen", "name", "axis", "head/matrix"}
    waveform = noise(0.6)[None, : 24 * HOP]
    before = run(trunk, {"waveform": waveform, "emotion": np.zeros((1, 24, 2), np.float32)})
    after = run(content, {"waveform": waveform})
    np.testing.assert_array_equal(after["features"], before["features"])
    np.testing.assert_array_equal(after["phones"], before["phones"])
    np.testing.assert_allclose(after["channels"], before["features"] @ matrix, atol=1e-6)


def test_attributes_inputs_and_negative_numbers_are_written_as_onnx_reads_them():
    head = Head()
    turned = head.node("Transpose", ["features"], "head/turned", perm=[0, 2, 1])
    kernel = head.constant("head/kernel", np.full((2, FEATURE_WIDTH, 3), 0.25, np.float32))
    summed = head.node("Conv", [turned, kernel], "head/summed", pads=[1, 1])
    rows = head.node("Transpose", [summed], "head/rows", perm=[0, 2, 1])
    head.node("Concat", [rows, "style"], "channels", axis=-1)
    outputs = {"channels": [1, "frames", 5]}
    content = replace_head(build_graph().SerializeToString(), ["features"], head, {"style": [1, "frames", 3]}, outputs)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    concat = next(node for node in model.graph.node if node.op_type == "Concat")
    assert onnx.helper.get_node_attr_value(concat, "axis") == -1
    shape = model.graph.input[1].type.tensor_type.shape.dim
    assert (shape[0].dim_value, shape[1].dim_param, shape[2].dim_value) == (1, "frames", 3)
    style = np.arange(24, dtype=np.float32).reshape(1, 8, 3)
    made = run(content, {"waveform": noise(1.0)[None, : 8 * HOP], "style": style})
    np.testing.assert_array_equal(made["channels"][..., 2:], style)


def test_values_that_a_graph_inside_a_node_reads_are_kept():
    helper = onnx.helper
    inner = [
        helper.make_graph([helper.make_node("Mul", ["doubled", factor], ["out"])], factor, [],
                          [helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, None)])
        for factor in ("three", "five")
    ]  # fmt: skip
    nodes = [
        helper.make_node("Add", ["waveform", "waveform"], ["doubled"]),
        helper.make_node("Neg", ["waveform"], ["unused"]),
        helper.make_node("If", ["yes"], ["features"], then_branch=inner[0], else_branch=inner[1]),
    ]
    numbers = {"yes": np.array(True), "three": np.array(3, np.float32), "five": np.array(5, np.float32)}
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in numbers.items()]
    trunk = make_model(nodes, [("waveform", [1, "samples"])], [("features", [1, "samples"])], constants)
    head = Head()
    head.node("Neg", ["features"], "channels")
    content = replace_head(trunk.SerializeToString(), ["features"], head, {}, {"channels": [1, "samples"]})
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    assert [node.op_type for node in model.graph.node] == ["Add", "If", "Neg"]
    np.testing.assert_array_equal(run(content, {"waveform": np.ones((1, 4), np.float32)})["channels"], -6.0)


def test_the_same_edit_gives_the_same_bytes_and_can_be_repeated_on_its_result():
    trunk = build_graph().SerializeToString()
    head, _ = double_two_features()
    first = replace_head(trunk, ["features", "phones"], head, {}, OUTPUTS)
    assert replace_head(trunk, ["features", "phones"], head, {}, OUTPUTS) == first
    again = replace_head(first, ["features", "phones"], head, {}, OUTPUTS)
    waveform = noise(0.2)[None, : 8 * HOP]
    np.testing.assert_array_equal(
        run(again, {"waveform": waveform})["channels"], run(first, {"waveform": waveform})["channels"]
    )


@pytest.mark.parametrize(
    ("keep", "inputs", "prefix", "message"),
    [
        (["features", "pitch"], {}, "head/", "no output 'pitch'"),
        (["channels"], {"emotion": [1, "frames", 2]}, "head/", "depends on its input 'emotion'"),
        (["features"], {"waveform": [1, "samples"]}, "head/", "depends on its input 'waveform'"),
    ],
)
def test_a_trunk_that_does_not_fit_is_named(keep, inputs, prefix, message):
    head, _ = double_two_features(prefix)
    with pytest.raises(ModelError, match=message):
        replace_head(build_graph().SerializeToString(), keep, head, inputs, OUTPUTS)


def test_a_value_of_the_trunk_is_not_overwritten():
    head = Head()
    head.node("MatMul", ["features", head.constant("listen", np.zeros((FEATURE_WIDTH, 2), np.float32))], "channels")
    with pytest.raises(ModelError, match="already has a value 'listen'"):
        replace_head(build_graph().SerializeToString(), ["features"], head, {}, {"channels": [1, "frames", 2]})


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\xff" * 40, build_graph().SerializeToString()[:-7]])
def test_what_is_no_graph_is_refused(content):
    head, _ = double_two_features()
    with pytest.raises(ModelError, match="not an ONNX file"):
        replace_head(content, ["features"], head, {}, OUTPUTS)
