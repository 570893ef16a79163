# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit ONNX graphs without the onnx package, which Blender lacks: keep a trunk and put a fitted head on it.

An ONNX file is one protobuf message. Only the few necessary fields are read and written here, in protobuf's wire format
(https://protobuf.dev/programming-guides/encoding); everything else of the trunk is copied byte for byte. The field numbers
are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), which never change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

Wire = tuple[int, int | bytes]
"""A field of a message: its number, and a whole number (wire type 0) or bytes (wire type 2; 1 and 5 by their length)."""

_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE_INFO = 1, 5, 11, 12, 13
_NODE_INPUT, _NODE_OUTPUT, _NODE_NAME, _NODE_KIND, _NODE_ATTRIBUTE = 1, 2, 3, 4, 5
_ATTRIBUTE_NAME, _ATTRIBUTE_INT, _ATTRIBUTE_GRAPH, _ATTRIBUTE_INTS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_TYPE = 1, 3, 6, 8, 11, 20
_ATTRIBUTE_TYPE_INT, _ATTRIBUTE_TYPE_INTS = 2, 7
_TENSOR_DIMENSIONS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_VALUE_NAME = 1
_FLOAT = 1


class _Damaged(Exception):
    """The bytes are not a protobuf message."""


def _read_fields(message: bytes) -> list[tuple[int, int, int | bytes]]:
    """Read all fields of a message in order: number, wire type, value. Raises _Damaged."""
    fields: list[tuple[int, int, int | bytes]] = []
    position, end = 0, len(message)

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            if position >= end or shift > 63:
                raise _Damaged
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while position < end:
        key = varint()
        number, kind = key >> 3, key & 7
        if kind == 0:
            fields.append((number, kind, varint()))
            continue
        if kind not in (1, 2, 5):
            raise _Damaged
        length = varint() if kind == 2 else 8 if kind == 1 else 4
        if number == 0 or length > end - position:
            raise _Damaged
        fields.append((number, kind, message[position : position + length]))
        position += length
    return fields


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written in two's complement
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _encode(number: int, kind: int, value: int | bytes) -> bytes:
    key = _varint(number << 3 | kind)
    if isinstance(value, int):
        return key + _varint(value)
    return key + (_varint(len(value)) if kind == 2 else b"") + value


def _message(fields: Iterable[Wire]) -> bytes:
    """Encode a message of whole numbers and bytes."""
    return b"".join(_encode(number, 0 if isinstance(value, int) else 2, value) for number, value in fields)


def _texts(message: bytes, number: int) -> list[str]:
    return [value.decode() for key, _, value in _read_fields(message) if key == number and isinstance(value, bytes)]


def _node_inputs(node: bytes) -> set[str]:
    """Collect the names that a node reads, including those that graphs inside it (of an If or a Loop) read from outside."""
    names = set(_texts(node, _NODE_INPUT))
    for number, _, attribute in _read_fields(node):
        if number == _NODE_ATTRIBUTE and isinstance(attribute, bytes):
            for key, _, graph in _read_fields(attribute):
                if key in (_ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS) and isinstance(graph, bytes):
                    for part, _, inner in _read_fields(graph):
                        if part == _GRAPH_NODE and isinstance(inner, bytes):
                            names |= _node_inputs(inner)
                        elif part == _GRAPH_OUTPUT and isinstance(inner, bytes):
                            names.update(_texts(inner, _VALUE_NAME))
    return names - {""}


@dataclass
class Head:
    """Nodes to append to a trunk; the names of its values must differ from the trunk's, so give them a prefix."""

    nodes: list[bytes] = field(default_factory=list[bytes])
    tensors: list[bytes] = field(default_factory=list[bytes])
    made: set[str] = field(default_factory=set[str])

    def constant(self, name: str, array: NDArray[np.float32]) -> str:
        """Add a float32 tensor; returns its name."""
        array = np.ascontiguousarray(array, "<f4")
        fields: list[Wire] = [(_TENSOR_DIMENSIONS, size) for size in array.shape]
        fields += [(_TENSOR_TYPE, _FLOAT), (_TENSOR_NAME, name.encode()), (_TENSOR_RAW, array.tobytes())]
        self.tensors.append(_message(fields))
        self.made.add(name)
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: int | Sequence[int]) -> str:
        """Add a node of ONNX's operator ``kind`` with whole-number attributes; returns the name of its output."""
        fields: list[Wire] = [(_NODE_INPUT, name.encode()) for name in inputs]
        fields += [(_NODE_OUTPUT, output.encode()), (_NODE_NAME, output.encode()), (_NODE_KIND, kind.encode())]
        for name, value in attributes.items():
            attribute: list[Wire] = [(_ATTRIBUTE_NAME, name.encode())]
            if isinstance(value, int):
                attribute += [(_ATTRIBUTE_INT, value), (_ATTRIBUTE_TYPE, _ATTRIBUTE_TYPE_INT)]
            else:
                attribute += [(_ATTRIBUTE_INTS, item) for item in value]
                attribute.append((_ATTRIBUTE_TYPE, _ATTRIBUTE_TYPE_INTS))
            fields.append((_NODE_ATTRIBUTE, _message(attribute)))
        self.nodes.append(_message(fields))
        self.made.add(output)
        return output


def _value_info(name: str, sizes: Sequence[int | str]) -> bytes:
    """Encode a declared float input or output: ValueInfoProto.type.tensor_type.shape.dim; a text names a free size."""
    dimensions = [(1, _message([(1, size) if isinstance(size, int) else (2, size.encode())])) for size in sizes]
    tensor = _message([(1, _FLOAT), (2, _message(dimensions))])
    return _message([(_VALUE_NAME, name.encode()), (2, _message([(1, tensor)]))])


def replace_head(
    graph: bytes,
    keep: Sequence[str],
    head: Head,
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, Sequence[int | str]],
) -> bytes:
    """Replace the head of a trunk's ONNX file.

    Only the nodes of ``graph`` that the values ``keep`` need are kept, and the inputs that these nodes read. ``head`` is
    appended; it may read the kept values and the additional ``inputs``. ``outputs`` (in this order, with their sizes) are the
    outputs of the file, values of the trunk or of the head. Deterministic. Raises ModelError if ``graph`` is not an ONNX file,
    if it does not compute a value of ``keep``, if such a value depends on an input with the name of one of ``inputs``, and if a
    value of the head already exists in the trunk.
    """
    try:
        return _replace_head(graph, keep, head, inputs, outputs)
    except (_Damaged, UnicodeDecodeError):
        raise ModelError("The model to build on is damaged: its graph is not an ONNX file; install the model again") from None


def _replace_head(
    graph: bytes,
    keep: Sequence[str],
    head: Head,
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, Sequence[int | str]],
) -> bytes:
    model = _read_fields(graph)
    bodies = [value for number, _, value in model if number == _MODEL_GRAPH and isinstance(value, bytes)]
    if len(bodies) != 1:
        raise _Damaged
    fields = _read_fields(bodies[0])
    parts: dict[int, list[bytes]] = {}
    for number, _, value in fields:
        if isinstance(value, bytes):
            parts.setdefault(number, []).append(value)

    nodes = parts.get(_GRAPH_NODE, [])
    needed = set(keep)
    kept: set[int] = set()
    produced: set[str] = set()
    # Nodes are in order of execution, so that one pass from the end finds all that are needed.
    for index in range(len(nodes) - 1, -1, -1):
        made = set(_texts(nodes[index], _NODE_OUTPUT)) - {""}
        if made & needed:
            kept.add(index)
            produced |= made
            needed |= _node_inputs(nodes[index])
    for name in keep:
        if name not in produced:
            raise ModelError(f"The model to build on has no output '{name}'; choose another model")
    trunk_inputs = [value for value in parts.get(_GRAPH_INPUT, []) if _texts(value, _VALUE_NAME)[0] in needed]
    tensors = [value for value in parts.get(_GRAPH_INITIALIZER, []) if _texts(value, _TENSOR_NAME)[0] in needed]
    taken = produced | needed
    for name in inputs:
        if name in taken:
            raise ModelError(f"The hearing of the model to build on depends on its input '{name}'; choose another model")
    if clashes := sorted(head.made & taken):
        raise ModelError(f"The model to build on already has a value '{clashes[0]}'; choose another model")

    body: list[bytes] = [_encode(_GRAPH_NODE, 2, nodes[index]) for index in sorted(kept)]
    body += [_encode(_GRAPH_NODE, 2, node) for node in head.nodes]
    replaced = (_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE_INFO)
    body += [_encode(*entry) for entry in fields if entry[0] not in replaced]
    body += [_encode(_GRAPH_INITIALIZER, 2, tensor) for tensor in (*tensors, *head.tensors)]
    body += [_encode(_GRAPH_INPUT, 2, value) for value in trunk_inputs]
    body += [_encode(_GRAPH_INPUT, 2, _value_info(name, sizes)) for name, sizes in inputs.items()]
    body += [_encode(_GRAPH_OUTPUT, 2, _value_info(name, sizes)) for name, sizes in outputs.items()]
    return b"".join(_encode(number, kind, b"".join(body) if number == _MODEL_GRAPH else value) for number, kind, value in model)
