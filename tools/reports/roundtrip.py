# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.reports.roundtrip``: two show styles are animated, collected, learned and shown on new sound.

The demo character is animated with the bundled model in two styles: over-articulated with a crooked smile, and held on
twos. The shots are collected like those of a studio, each style is learned by Fit, and each learned model animates new
sound. On each frame, Blender's result is compared with that of the style itself and of the bundled model without a style.
With ``--sounds`` the shots are those sound files and the demo's speech is tested; with ``--data`` the sounds are recordings
of a talker (kathleen_en, CC0; test sentences from the part that no model was trained on); without either, the demo's three
sentences, of which two are learned.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import soundfile
from numpy.typing import NDArray

from ...blender import compat, poses, rigs
from ...blender.ending import end_process
from ...inference.audio import read_sound
from ...inference.package import find_model
from ...learning.page import write_report
from ...learning.show import Shot, write_shot
from ...operators.animate import animate_character
from ...operators.collect import collect_shot
from ...operators.learn import LearnJob, learn_show
from ...takes.record import SoundStrip
from ...takes.settings import TakeSettings
from ...training.corpora.recordings import read_index, split_of
from ..demo import stage
from ..demo.character import build_character
from ..demo.speech import read_speech
from ..registered import run_registered

RATE = 16_000
GAP_SECONDS = 0.3
_PICTURES = 6


@dataclass(frozen=True)
class Style:
    """A style of animation: settings for the bundled model, and whether its poses are held."""

    name: str
    settings: TakeSettings
    is_held: bool = False


STYLES = (
    Style(
        "crooked",
        TakeSettings(
            strength=1.5,
            region_strengths={"jaw": 1.2},
            channels={"mouthSmileLeft": (1.0, 0.45), "mouthSmileRight": (1.0, 0.05)},
        ),
    ),
    Style("twos", TakeSettings(strength=1.2, keys="STEP", key_step=2, key_phase=1), is_held=True),
)
PLAIN = Style("plain", TakeSettings())


@dataclass
class Result:
    """The figures of a style by animator: 'style' (the truth), 'learned' and 'plain'."""

    style: str
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    held_out: float = 0.0
    pictures: dict[str, list[Path]] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="voxrig roundtrip", description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--data", type=Path, help="folder with speech/; without it the demo's speech is used")
    source.add_argument("--sounds", type=Path, nargs="+", default=(), help="sound files to make the shots of, instead")
    parser.add_argument("--output", type=Path, default=Path("build/roundtrip"), help="folder to write to")
    parser.add_argument("--no-pictures", action="store_true", help="only the figures")
    options = parser.parse_args(arguments)
    output = options.output.absolute()
    output.mkdir(parents=True, exist_ok=True)

    def work() -> None:
        learned, tested = read_sounds(options.data, options.sounds)
        results = make_round_trip(output, learned, tested, pictures=not options.no_pictures)
        print_table(results)
        (output / "figures.json").write_text(json.dumps({item.style: item.figures for item in results}, indent=1) + "\n")
        if not options.no_pictures:
            draw_sheet(results, output / "roundtrip.png")

    return run_registered("roundtrip", work)


def read_sounds(data: Path | None, sounds: Sequence[Path] = ()) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Return the sounds of the shots to learn, and the one to test on, 16 kHz. Raises VoxrigError if one cannot be read."""
    speech = read_speech()
    if sounds:
        return [read_sound(path, RATE).samples for path in sounds], read_sound(speech.sound, RATE).samples
    if data is None:
        parts = [
            read_sound(speech.sound, RATE, start_seconds=s.start, duration_seconds=s.end - s.start) for s in speech.sentences
        ]
        return [part.samples for part in parts[:-1]], parts[-1].samples
    rows = read_index(data / "speech")["kathleen_en"]
    known = [row for row in rows if split_of(row, frozenset()) == "train"][:48]
    unseen = [row for row in rows if split_of(row, frozenset()) == "development"][:6]

    def join(some: list[dict[str, str]]) -> NDArray[np.float32]:
        gap = np.zeros(round(GAP_SECONDS * RATE), np.float32)
        parts: list[NDArray[np.float32]] = []
        for row in some:
            path = data / "speech" / "kathleen_en" / row["shard"]
            start, count = int(row["start"]) / RATE, int(row["length"]) / RATE
            parts += [read_sound(path, RATE, start_seconds=start, duration_seconds=count).samples, gap]
        return np.concatenate(parts)

    return [join(known[first : first + 6]) for first in range(0, len(known), 6)], join(unseen)


def make_round_trip(
    output: Path, learned: list[NDArray[np.float32]], tested: NDArray[np.float32], *, pictures: bool
) -> list[Result]:
    """Animate, collect, learn and test every style. Raises VoxrigError."""
    trunk = find_model(None)
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    character = build_character().armature
    results: list[Result] = []
    truths: dict[str, Shot] = {}
    models: dict[str, Path] = {}
    moments = list(np.linspace(0.15, 0.9, _PICTURES))
    for style in STYLES:
        started = time.perf_counter()
        dataset = output / style.name / "shots"
        for number, samples in enumerate(learned):
            shot = show_shot(scene, character, samples, output, trunk, style, f"sh{number:03d}")
            write_shot(dataset, shot)
        report = write_report(dataset)
        made = learn_show(LearnJob(dataset, trunk, output / style.name / "model", f"Show {style.name}", provider="CPU"))
        models[style.name] = made.package.folder
        print(f"{style.name}: {report.summary()}; {made.summary()}; {time.perf_counter() - started:.0f} s", flush=True)
        results.append(Result(style.name, held_out=made.fit.mean_held_out))
    for result, style in zip(results, STYLES):
        for who, folder, how in (
            ("style", trunk, style),
            ("learned", models[style.name], PLAIN),
            ("plain", trunk, PLAIN),
        ):
            shot = show_shot(scene, character, tested, output, folder, how, f"{style.name}-{who}")
            if who == "style":
                truths[style.name] = shot
            result.figures[who] = measure(shot, truths[style.name])
            if pictures:
                frames = [scene.frame_start + round(share * (scene.frame_end - scene.frame_start)) for share in moments]
                result.pictures[who] = stage.render_frames(scene, frames, "Close", 240, output / style.name / who)
    return results


def show_shot(
    scene: Any, character: Any, samples: NDArray[np.float32], output: Path, model: Path, style: Style, name: str
) -> Shot:
    """Animate the character in a style from a sound, and collect the result as a shot."""
    for item in bpy.data.objects:
        for block in (item, getattr(item.data, "shape_keys", None)):
            if block is not None and block.animation_data is not None:
                block.animation_data.action = None
    for target in [target for _label, target, _limits in rigs.list_targets(rigs.find_character(character))]:
        poses.set_pose({target: 0.0})
    if scene.sequence_editor is not None:
        scene.sequence_editor_clear()
    path = output / "sounds" / f"{name}.wav"
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, samples, RATE)
    strip = stage.add_sound(scene, path, name)
    take = animate_character(scene, character, SoundStrip(strip), model, replace(style.settings, provider="CPU"))
    scene.frame_start, scene.frame_end = take.sound_frames
    if style.is_held:
        for target, _curve in take.curves:
            curves = compat.curves_of(rigs.resolve(target).owner)
            curve = None if curves is None else curves.find(target.data_path, index=target.array_index)
            for point in () if curve is None else curve.keyframe_points:
                point.interpolation = "CONSTANT"
    return collect_shot(scene, character, name).shot


def measure(shot: Shot, truth: Shot) -> dict[str, float]:
    """Measure how similar a shot is to the style, and the marks of both styles."""
    moving = [name for name, spread in zip(truth.control_names, truth.values.std(axis=0)) if spread > 0.02]
    values = {name: shot.values[:, shot.control_names.index(name)].astype(np.float64) for name in moving}
    wanted = {name: truth.values[:, truth.control_names.index(name)].astype(np.float64) for name in moving}
    r = {name: _correlate(values[name], wanted[name]) for name in moving}
    distance = np.sqrt(np.mean([np.mean((values[name] - wanted[name]) ** 2) for name in moving]))
    spread = np.sqrt(np.mean([np.var(wanted[name]) for name in moving]))
    sides = [[name for name in shot.control_names if name.endswith(f"mouthSmile{side}")] for side in ("Left", "Right")]
    smile = [float(np.mean([shot.values[:, shot.control_names.index(name)].mean() for name in names])) for names in sides]
    steps = np.abs(np.diff(shot.values, axis=0)).max(axis=1)
    return {
        "mean r": float(np.mean(list(r.values()))),
        "r of jawOpen": r.get("jawOpen", float("nan")),
        "distance": float(distance / spread),
        "jaw opening, 95 %": float(np.percentile(shot.values[:, shot.control_names.index("jawOpen")], 95)),
        "smile, left minus right": smile[0] - smile[1],
        "held frames": float((steps < 1e-4).mean()),
    }


def _correlate(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    return float(np.corrcoef(first, second)[0, 1]) if first.std() > 1e-6 and second.std() > 1e-6 else 0.0


def print_table(results: Sequence[Result]) -> None:
    """Print Markdown: a block per style; 'style' is the style's own result on the new sound."""
    for result in results:
        print(f"\n### {result.style} (r on held-out shots {result.held_out:.2f})\n")
        print("| on new sound | style | learned | without a style |\n|---|---|---|---|")
        for name in result.figures["style"]:
            cells = (f"{result.figures[who][name]:.2f}" for who in ("style", "learned", "plain"))
            print(f"| {name} | {' | '.join(cells)} |")


def draw_sheet(results: Sequence[Result], path: Path) -> None:
    """Draw the same frames side by side: a row for each animator, a column for each frame."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [(result.style, who, result.pictures[who]) for result in results for who in ("style", "learned", "plain")]
    figure, places = pyplot.subplots(len(rows), _PICTURES, figsize=(2 * _PICTURES, 2.1 * len(rows)), squeeze=False)
    for line, (style, who, pictures) in zip(places, rows):
        for place, picture in zip(line, pictures):
            place.imshow(pyplot.imread(picture))
            place.set_xticks([])
            place.set_yticks([])
        line[0].set_ylabel(f"{style}: {who}")
    figure.tight_layout()
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


if __name__ == "__main__":
    end_process(main())
