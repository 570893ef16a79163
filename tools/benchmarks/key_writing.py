# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how long keys take to reduce and to write, beside Blender's own ways of doing it (needs the bpy module)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray
from voxrig.animation.keys.placing import Placing, place_keys
from voxrig.animation.keys.reduction import KeyedCurve, largest_errors
from voxrig.animation.rig.mapping import Target
from voxrig.blender import actions, compat

ROUNDS = 3


@dataclass(frozen=True)
class KeyTimes:
    """Seconds of CPU time (of a single thread), the best of some rounds, for curves of ``frame_count`` frames each.

    ``insert_seconds`` is a lower bound: ``keyframe_insert`` is timed on the first keys of one curve and gets slower with
    every further key. ``decimate_seconds`` is for all channels, from timing Blender's own Decimate on ``decimated`` of
    them, to the same largest error; ``decimated_key_count`` is the number of keys that it leaves on those, and
    ``beside_key_count`` that of Voxrig.
    """

    channel_count: int
    frame_count: int
    fps: float
    sparse_key_count: int
    largest_error: float
    reduce_seconds: float
    write_sparse_seconds: float
    bare_sparse_seconds: float
    write_dense_seconds: float
    bare_dense_seconds: float
    bare_dense_update_seconds: float
    insert_seconds: float
    decimate_seconds: float
    decimated: int
    decimated_key_count: int
    beside_key_count: int

    def table(self) -> str:
        """Format the figures as a Markdown table."""
        total = self.reduce_seconds + self.write_sparse_seconds
        dense = self.channel_count * self.frame_count
        rate = self.sparse_key_count / self.channel_count / (self.frame_count / self.fps)
        rows = [
            (
                "Voxrig: reduce to sparse keys",
                self.reduce_seconds,
                f"{rate:.1f} keys/s a channel, error {self.largest_error:.4f}",
            ),
            ("Voxrig: write the sparse keys", self.write_sparse_seconds, f"{self.sparse_key_count} keys"),
            ("Voxrig: both", total, f"{total / self.bare_dense_update_seconds:.1f} x bare dense with update"),
            ("bare foreach_set, the same sparse keys", self.bare_sparse_seconds, ""),
            (
                "Voxrig: write every frame",
                self.write_dense_seconds,
                f"{self.write_dense_seconds / self.bare_dense_seconds:.2f} x bare",
            ),
            ("bare foreach_set, the same dense keys", self.bare_dense_seconds, f"{dense} keys"),
            ("bare foreach_set of points, then update()", self.bare_dense_update_seconds, f"{dense} keys"),
            (
                "keyframe_insert per key (at least)",
                self.insert_seconds,
                f"{self.insert_seconds / total:.0f} x reduce and write",
            ),
            (
                f"Blender's Decimate to the same error (from {self.decimated} channels)",
                self.decimate_seconds,
                f"{self.decimate_seconds / total:.0f} x reduce and write; {self.decimated_key_count} keys on these channels, "
                f"Voxrig {self.beside_key_count}",
            ),
        ]
        lines = ["| keys | seconds | |", "|---|---|---|"]
        return "\n".join([*lines, *(f"| {name} | {seconds:.3f} | {note} |" for name, seconds, note in rows)])


def benchmark_key_writing(
    channel_count: int = 52, frame_count: int = 36_000, fps: float = 60.0, inserted_keys: int = 12_000, decimated: int = 2
) -> KeyTimes:
    """Time the reduction and writing of keys; the open file is replaced by an empty one."""
    values = speech_like(frame_count, channel_count, fps)
    frames = np.arange(frame_count, dtype=np.float64) + 1.0
    last = float(frame_count)
    placing = Placing()
    reduce_seconds, sparse = _best(lambda: place_keys(frames, values, placing.tolerance, placing))
    error = float(np.max(largest_errors(sparse, frames, values)))
    dense = [_every_frame(frames, values[:, i]) for i in range(channel_count)]

    def write(curves: list[KeyedCurve], keys: Any) -> None:
        actions.write_target_curves(list(zip(_targets(keys), curves, strict=True)), 1, last)

    left: list[int] = []

    def decimate(keys: Any) -> None:
        left.append(_decimate(keys, error))

    decimate_seconds = _best_in_new_file(
        decimated, decimate, rounds=1, prepare=lambda keys: _write_bare(keys, dense[:decimated])
    )
    return KeyTimes(
        channel_count=channel_count,
        frame_count=frame_count,
        fps=fps,
        sparse_key_count=sum(map(len, sparse)),
        largest_error=error,
        reduce_seconds=reduce_seconds,
        write_sparse_seconds=_best_in_new_file(channel_count, lambda keys: write(sparse, keys)),
        bare_sparse_seconds=_best_in_new_file(channel_count, lambda keys: _write_bare(keys, sparse)),
        write_dense_seconds=_best_in_new_file(channel_count, lambda keys: write(dense, keys)),
        bare_dense_seconds=_best_in_new_file(channel_count, lambda keys: _write_bare(keys, dense)),
        bare_dense_update_seconds=_best_in_new_file(channel_count, lambda keys: _write_bare(keys, dense, points_only=True)),
        insert_seconds=_best_in_new_file(1, lambda keys: _insert(keys, inserted_keys, values), rounds=1)
        / inserted_keys
        * frame_count
        * channel_count,
        decimate_seconds=decimate_seconds / decimated * channel_count,
        decimated=decimated,
        decimated_key_count=left[0],
        beside_key_count=sum(map(len, sparse[:decimated])),
    )


def speech_like(frame_count: int, channel_count: int, fps: float, seed: int = 0) -> NDArray[np.float32]:
    """Make channels that move 4 to 9 times a second and pause, in 0..1, ``[time, channel]``: a load, not real speech."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(frame_count) / fps
    values = np.empty((frame_count, channel_count), np.float32)
    blur = np.hanning(int(fps * 0.12) | 1)
    for c in range(channel_count):
        count = int(seconds[-1] * rng.uniform(4, 9)) + 4
        curve = np.interp(seconds, np.sort(rng.uniform(0, seconds[-1], count)), np.clip(rng.normal(0.15, 0.25, count), 0, 1))
        pauses = np.arange(0, seconds[-1] + 3, 2.0)
        speaking = np.interp(seconds, pauses, (rng.random(pauses.size) > 0.25) * 1.0) > 0.5
        values[:, c] = np.convolve(curve * speaking, blur / blur.sum(), "same")
    return values


def _best(work: Callable[[], Any]) -> tuple[float, Any]:
    best, result = np.inf, None
    for _ in range(ROUNDS):
        start = time.process_time()
        result = work()
        best = min(best, time.process_time() - start)
    return best, result


def _best_in_new_file(
    channel_count: int, work: Callable[[Any], None], rounds: int = ROUNDS, prepare: Callable[[Any], None] | None = None
) -> float:
    best = np.inf
    for _ in range(rounds):
        keys = _new_character(channel_count)
        if prepare is not None:
            prepare(keys)
        start = time.process_time()
        work(keys)
        best = min(best, time.process_time() - start)
    return best


def _new_character(channel_count: int) -> Any:
    """Create the shape keys of a new mesh in an empty file."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    mesh = bpy.data.meshes.new("Head")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    head = bpy.data.objects.new("Head", mesh)
    scene: Any = bpy.context.scene
    scene.collection.objects.link(head)
    for name in ["Basis", *(f"channel{i}" for i in range(channel_count))]:
        head.shape_key_add(name=name)
    return mesh.shape_keys


def _targets(keys: Any) -> list[Target]:
    return [Target("KEY", keys.name, f'key_blocks["{block.name}"].value') for block in keys.key_blocks[1:]]


def _every_frame(frames: NDArray[np.float64], values: NDArray[np.float32]) -> KeyedCurve:
    slopes = np.gradient(values.astype(np.float64), frames)
    left = np.stack([frames - 1 / 3, values - slopes / 3], axis=1)
    right = np.stack([frames + 1 / 3, values + slopes / 3], axis=1)
    return KeyedCurve(frames.astype(np.float32), values, left.astype(np.float32), right.astype(np.float32))


def _write_bare(keys: Any, curves: list[KeyedCurve], *, points_only: bool = False) -> None:
    """Write the same arrays with the least work: no checks, and no regard for existing keys."""
    fcurves, _ = compat.ensure_curves(keys, compat.new_action("Bare", keys))
    for target, curve in zip(_targets(keys), curves, strict=True):
        fcurve = fcurves.new(target.data_path)
        points = fcurve.keyframe_points
        points.add(len(curve))
        points.foreach_set("co", np.stack([curve.frames, curve.values], axis=1).ravel())
        if points_only:
            fcurve.update()
            continue
        aligned = np.full(len(curve), 3, np.uint8)
        points.foreach_set("handle_left", curve.left.ravel())
        points.foreach_set("handle_right", curve.right.ravel())
        points.foreach_set("handle_left_type", aligned)
        points.foreach_set("handle_right_type", aligned)
        points.foreach_set("interpolation", np.full(len(curve), 2, np.uint8))
        points.foreach_set("type", np.full(len(curve), compat.generated_key_type(), np.uint8))


def _decimate(keys: Any, error: float) -> int:
    """Run Blender's Decimate (Allowed Change) in a Graph Editor that shows all curves; returns how many keys it leaves."""
    fcurves = list(compat.curves_of(keys) or ())
    for fcurve in fcurves:
        fcurve.select = True
        fcurve.keyframe_points.foreach_set("select_control_point", np.ones(len(fcurve.keyframe_points), bool))
    blender: Any = bpy.context
    blender.view_layer.objects.active = bpy.data.objects["Head"]
    window = blender.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "GRAPH_EDITOR"
    area.spaces.active.dopesheet.show_only_selected = False
    region = next(region for region in area.regions if region.type == "WINDOW")
    with blender.temp_override(window=window, area=area, region=region):
        bpy.ops.graph.decimate(mode="ERROR", remove_error_margin=error)
    return sum(len(fcurve.keyframe_points) for fcurve in fcurves)


def _insert(keys: Any, count: int, values: NDArray[np.float32]) -> None:
    block = keys.key_blocks[1]
    for i in range(count):
        block.value = values[i, 0]
        block.keyframe_insert("value", frame=i + 1)


if __name__ == "__main__":
    print(benchmark_key_writing().table())
