# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure inference, key writing and start-up on this machine and print one table: ``make benchmark``.

Every figure comes from a separate process, so that none is affected by another's memory or imports.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...blender.ending import end_process

ROOT = Path(__file__).resolve().parents[2]
SPEECH_FOLDER = ROOT / "tools" / "demo" / "speech"
MINUTES = (1, 10, 60)
START_UP_REPEATS = 7
SLOW_MODULES = ("onnxruntime", "soxr", "soundfile")

Row = tuple[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of all sections, or of those named."""
    parser = argparse.ArgumentParser(prog="benchmark", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"some of: {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--minutes", type=float, nargs="+", default=list(MINUTES), help="lengths of sound for inference")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(MEASUREMENTS[options.measure[0]](*options.measure[1:])))
        return 0
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"there is no section {unknown[0]} (there are: {', '.join(SECTIONS)})")
    rows: list[Row] = []
    for name, section in SECTIONS.items():
        if not options.sections or name in options.sections:
            rows += section(options.minutes) if name == "inference" else section()
    print(f"Measured on {name_machine()}.\n")
    print("| what | measured |\n|---|---|")
    for what, measured in rows:
        print(f"| {what} | {measured} |")
    return 0


def name_machine() -> str:
    """Describe processor, cores, memory, system and Python in one line."""
    processor = platform.processor() or platform.machine()
    memory = ""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
                break
        memory = f", {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (OSError, ValueError, AttributeError):
        pass  # not Linux: the processor's general name must do
    return (
        f"{processor}, {os.cpu_count()} cores{memory}, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}"
    )


def measure_in_process(*arguments: str, bytecode: str | None = None) -> dict[str, Any]:
    """Run one entry of MEASUREMENTS in a fresh Python with a temporary user folder for Blender.

    ``bytecode`` is a folder for compiled modules that is kept between processes.
    """
    environment = {**os.environ}
    if bytecode is not None:
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = bytecode
    with tempfile.TemporaryDirectory(prefix="voxrig-benchmark-") as folder:
        result = subprocess.run(
            [sys.executable, "-m", "voxrig.tools.benchmarks.speed", "--measure", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env={**environment, "BLENDER_USER_RESOURCES": folder},
        )
    # Blender may print before it when it starts and after it when it ends.
    return json.loads(next(line for line in result.stdout.splitlines() if line.startswith("{")))


# (a) Inference


def benchmark_inference(minutes: Sequence[float]) -> list[Row]:
    """Run the bundled model over sounds of several lengths: multiple of real time, and peak resident memory."""
    rows: list[Row] = []
    for length in minutes:
        with tempfile.TemporaryDirectory(prefix="voxrig-benchmark-") as folder:
            path = Path(folder) / "speech.flac"
            write_long_speech(path, length)
            found = measure_in_process("inference", str(path))
        total = found["open_seconds"] + found["read_seconds"] + found["generate_seconds"]
        rows.append(
            (
                f"{length:g} min of speech (48 kHz flac) to curves, {found['provider']}, {found['threads']} thread(s)",
                f"{total:.1f} s ({60 * length / total:.0f} times real time): open the model {found['open_seconds']:.2f} s, "
                f"read {found['read_seconds']:.2f} s, run {found['generate_seconds']:.2f} s; "
                f"peak memory {found['peak_bytes'] / 1e6:.0f} MB",
            )
        )
    return rows


def write_long_speech(path: Path, minutes: float) -> None:
    """Write the demo's speech repeatedly, at the 48 kHz of most recordings."""
    import soundfile

    from ...inference.audio import Resampler

    clips: list[np.ndarray] = []
    for source in sorted(SPEECH_FOLDER.glob("*.flac")):
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
        resampler = Resampler(rate, 48_000)
        clips += [resampler.push(np.ascontiguousarray(samples.mean(axis=1))), resampler.finish()]
    clip = np.concatenate(clips)
    remaining = round(minutes * 60 * 48_000)
    with soundfile.SoundFile(path, "w", 48_000, 1) as file:
        while remaining > 0:
            file.write(clip[:remaining])
            remaining -= clip.size


def measure_inference(path: str) -> dict[str, Any]:
    """Open the model, read the sound, run: seconds of each, and the peak memory of the process."""
    from ...inference.audio import read_sound
    from ...inference.generate import generate_curves
    from ...inference.package import find_model, load_package
    from ...inference.session import open_session

    start = time.perf_counter()
    session = open_session(load_package(find_model(None)))
    opened = time.perf_counter()
    waveform = read_sound(path, session.package.sample_rate)
    read = time.perf_counter()
    generate_curves(session, waveform)
    generated = time.perf_counter()
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "provider": session.provider,
        "threads": session.threads,
        "open_seconds": opened - start,
        "read_seconds": read - opened,
        "generate_seconds": generated - read,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    }


# (b) Changing the sample rate


def benchmark_resampling() -> list[Row]:
    """Resample ten minutes from 48 to 16 kHz, beside scipy's polyphase filter of the same pass band in the same process."""
    found = measure_in_process("resampling")
    soxr, scipy = found["soxr_seconds"], found["scipy_seconds"]
    what = "processor time of 10 min of sound from 48 to 16 kHz"
    return [(what, f"{soxr:.2f} s; scipy's polyphase filter, 80 dB down, {scipy:.2f} s ({scipy / soxr:.0f} times as long)")]


def measure_resampling() -> dict[str, Any]:
    """Return the least seconds of processor time of three runs each."""
    from scipy import signal as scipy_signal

    from ...inference.audio import Resampler

    signal: Any = scipy_signal  # its published types know no windows with a parameter
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 600 * 48_000).astype(np.float32)
    taps, beta = signal.kaiserord(80.0, 0.1 / 3)
    low_pass = signal.firwin(taps | 1, 0.95 / 3, window=("kaiser", beta)).astype(np.float32)
    block = 1 << 19

    def with_soxr() -> None:
        resampler = Resampler(48_000, 16_000)
        for first in range(0, sound.size, block):
            resampler.push(sound[first : first + block])
        resampler.finish()

    def with_scipy() -> None:
        for first in range(0, sound.size, block):
            signal.upfirdn(low_pass, sound[first : first + block], 1, 3)

    def seconds_of(work: Callable[[], None]) -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    seconds = {name: min(seconds_of(work) for _ in range(3)) for name, work in (("soxr", with_soxr), ("scipy", with_scipy))}
    return {f"{name}_seconds": value for name, value in seconds.items()}


# (c) Keys


def benchmark_key_writing() -> list[Row]:
    """Write 52 channels over 10 minutes at 60 fps: Voxrig's sparse and dense keys beside Blender's own ways."""
    found = measure_in_process("keys")
    reduce, write = found["reduce_seconds"], found["write_sparse_seconds"]
    insert, total = found["insert_seconds"], reduce + write
    dense, bare = found["write_dense_seconds"], found["bare_dense_seconds"]
    keys_per_second = found["sparse_key_count"] / found["channel_count"] / (found["frame_count"] / found["fps"])
    of_what = f"{found['channel_count']} channels x {found['frame_count']} frames"
    return [
        (
            f"{of_what} to F-Curves with sparse keys",
            f"{total:.2f} s (reduce {reduce:.2f} s, write {write:.2f} s; bare foreach_set of the same keys "
            f"{found['bare_sparse_seconds']:.2f} s): {keys_per_second:.1f} keys a second and channel, "
            f"largest error {found['largest_error']:.4f}",
        ),
        ("the same with keyframe_insert per key, at least", f"{insert:.0f} s ({insert / total:.0f} times as long)"),
        (
            f"{of_what}, a key on every frame",
            f"{dense:.2f} s; bare foreach_set of the same arrays {bare:.2f} s (Voxrig takes {dense / bare:.2f} times as long)",
        ),
    ]


def measure_keys() -> dict[str, Any]:
    """Return the figures of ``benchmark_keys`` by name."""
    from . import key_writing as benchmark_keys

    return dataclasses.asdict(benchmark_keys.benchmark_key_writing())


# (d) Start-up


def benchmark_start_up() -> list[Row]:
    """Measure the cost of importing Voxrig and of register(), beside an empty add-on."""
    rows: list[Row] = []
    loaded: set[str] = set()
    for label, kind in (("an empty add-on", "empty"), ("Voxrig", "voxrig")):
        with tempfile.TemporaryDirectory(prefix="voxrig-benchmark-") as bytecode:
            # The first process compiles every module, as Blender does once after installation.
            found = [measure_in_process("start_up", kind, bytecode=bytecode) for _ in range(1 + START_UP_REPEATS)][1:]
        loaded.update(*(one["loaded"] for one in found))
        times = [1000 * one["seconds"] for one in found]
        rows.append(
            (
                f"import and register() of {label}, Blender {found[0]['blender']}",
                f"{statistics.median(times):.1f} ms (median of {START_UP_REPEATS} processes, least {min(times):.1f})",
            )
        )
    rows.append((f"imported by that of {', '.join(SLOW_MODULES)}", ", ".join(sorted(loaded)) or "none"))
    return rows


def measure_start_up(kind: str) -> dict[str, Any]:
    """Measure the seconds from nothing imported to registered, and list the slow modules that were loaded."""
    for name in [name for name in sys.modules if name == "voxrig" or name.startswith("voxrig.")]:
        del sys.modules[name]
    import bpy

    before = set(sys.modules)
    with tempfile.TemporaryDirectory(prefix="voxrig-benchmark-") as folder:
        if kind == "empty":
            (Path(folder) / "empty_add_on.py").write_text("def register():\n    pass\n", encoding="utf-8")
            sys.path.insert(0, folder)
        start = time.perf_counter()
        if kind == "empty":
            import empty_add_on as add_on  # pyright: ignore[reportMissingImports]
        else:
            import voxrig as add_on
        add_on.register()
        seconds = time.perf_counter() - start
    loaded = set(sys.modules) - before
    if kind != "empty":
        add_on.unregister()
    return {
        "seconds": seconds,
        "loaded": [name for name in SLOW_MODULES if name in loaded],
        "blender": bpy.app.version_string,
    }


# (e) Sliders

SLIDER_STEPS = 15
SLIDERS = {"strength": 0.3, "smoothing": 0.04, "brows_offset": 0.3, "emotion_intensity": -0.4}
"""Sliders, and how far each is dragged."""


def benchmark_sliders() -> list[Row]:
    """Drag sliders, beside generating the take that they move, for short and long lines of the demo character.

    The times are processor time, because a step of some milliseconds shares its cores with whatever else runs.
    """
    rows: list[Row] = []
    for seconds in (11, 60):
        with tempfile.TemporaryDirectory(prefix="voxrig-benchmark-") as folder:
            path = Path(folder) / "speech.flac"
            write_long_speech(path, seconds / 60)
            for fps in (24, 60):
                found = measure_in_process("sliders", str(path), str(fps))
                full = found["generate_seconds"]
                steps = ", ".join(
                    f"{name} {1000 * found[name]:.1f} ms ({full / found[name]:.0f} times as fast)" for name in SLIDERS
                )
                rows.append(
                    (
                        f"processor time of a step of a dragged slider, {seconds} s of sound at {fps} frames a second, "
                        f"{found['controls']} controls",
                        f"{steps}; generating the take with the model open {1000 * full:.0f} ms, placing its keys again once "
                        f"the slider rests {1000 * found['settle_seconds']:.0f} ms, needed in {found['placed_again']} of "
                        f"{SLIDER_STEPS * len(SLIDERS)} steps",
                    )
                )
    return rows


def measure_sliders(sound: str, fps: str) -> dict[str, Any]:
    """Measure the least seconds of processor time to generate a take (decode, run the open model, place and write keys) and to
    drag it.

    A step is all that Voxrig does when a slider moves; ``placed_again`` counts those for which keys had to be placed again.
    """
    import bpy

    from ... import registration
    from ...operators import animate, live
    from ...properties.access import scene_settings
    from ...properties.session import session
    from ...takes.hearing import forget_heard
    from ...takes.job import compute
    from ...takes.shaping import Take
    from ..demo import stage
    from ..demo.character import build_character

    registration.register()
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    scene.render.fps = int(fps)
    settings: Any = scene_settings(scene)
    settings.character, settings.sound_file = build_character().armature, sound
    settings.emotions["joy"].weight = 0.5

    def generate() -> Take:
        forget_heard()
        settings.character.voxrig.takes.clear()
        job = animate.gather_from_scene(scene)
        return animate.write(scene, job, compute(job))

    def seconds_of(work: Callable[[], object]) -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    take = generate()
    found: dict[str, Any] = {"controls": len(take.curves), "placed_again": 0}
    found["generate_seconds"] = min(seconds_of(generate) for _ in range(3))
    session.on_slider = session.on_emotion = None
    found["settle_seconds"] = min(seconds_of(lambda: live.place_again(scene)) for _ in range(3))
    for name in SLIDERS:
        first = getattr(settings, name)
        live.drag(scene)  # the initial cost of a drag is paid once
        steps: list[float] = []
        for number in range(SLIDER_STEPS):
            setattr(settings, name, first + SLIDERS[name] * (number + 1) / SLIDER_STEPS)
            start = time.process_time()
            if live.drag(scene):
                steps.append(time.process_time() - start)
            else:
                live.place_again(scene)
                found["placed_again"] += 1
        found[name] = min(steps)
        setattr(settings, name, first)
        live.place_again(scene)
    registration.unregister()
    return found


SECTIONS: dict[str, Callable[..., list[Row]]] = {
    "inference": benchmark_inference,
    "resampling": benchmark_resampling,
    "keys": benchmark_key_writing,
    "start_up": benchmark_start_up,
    "sliders": benchmark_sliders,
}
"""Sections in the order of the table."""

MEASUREMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "inference": measure_inference,
    "resampling": measure_resampling,
    "keys": measure_keys,
    "start_up": measure_start_up,
    "sliders": measure_sliders,
}
"""Measurements for separate processes; their arguments are texts."""


if __name__ == "__main__":
    end_process(main())
