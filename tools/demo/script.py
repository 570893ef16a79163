# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo.script``: the demo's line with its words, and a scene of two speakers from a screenplay page.

The first film shows the line heard alone (left) and with its script (right), the words below, and its sheet the frames where
the two mouths differ most. The other films are one page played by scratch voices, and by recordings in their place; between
the two somebody raised a brow on a word, and that key follows the word.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...animation.face.lips import lip_gap
from ...blender import compat, rigs
from ...blender.ending import end_process
from ...blender.films import render_film
from ...inference.package import find_model
from ...operators.animate import animate_character
from ...operators.dialogue import fill_dialogue
from ...operators.script import script_to_dialogue, speak_script
from ...properties.access import character_settings, scene_settings
from ...properties.takes import read_take
from ...takes.record import SoundStrip
from ...takes.settings import TakeSettings
from ...takes.shaping import Take
from ..registered import run_registered
from . import rows, stage
from .__main__ import step
from .character import build_character
from .speech import Speech, read_speech

SPEAKERS = ("Anna", "Bob")
PAUSE_FRAMES = 8
SHEET_ROWS = 6
RAISED = ("pumpkin", "browInnerUp", 0.95)
"""The word on which somebody raises a brow, the control and its value."""

Word = tuple[float, float, str]


def main(argv: list[str] | None = None) -> int:
    """Make films and sheets; return 0 if all were written."""
    parser = argparse.ArgumentParser(prog="script", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder to write to (default: build/demo)")
    parser.add_argument("--model", help="folder of a model package, or the name of a bundled one")
    parser.add_argument("--size", type=int, default=960, help="width of the films in pixels (default: 960)")
    parser.add_argument("--only", choices=("line", "page"), help="the line, or the page of two speakers (default: both)")
    parser.add_argument("--seconds", type=float, default=60.0, help="longest film; the rest is left out (default: 60)")
    parser.add_argument("--no-film", action="store_true", help="sheets only")
    arguments = parser.parse_args(argv)
    output = arguments.output.absolute()
    output.mkdir(parents=True, exist_ok=True)

    seconds = 0.0 if arguments.no_film else arguments.seconds

    def work() -> None:
        if arguments.only != "page":
            show_line(output, arguments.model, arguments.size, seconds)
        if arguments.only != "line":
            play_page(output, arguments.model, arguments.size, seconds)

    return run_registered("script", work)


def show_line(output: Path, model: str | None, size: int, seconds: float) -> None:
    """Write the film and the sheet of the line without and with its script. Raises VoxrigError."""
    speech = read_speech()
    scene = _empty_stage(2)
    strip = stage.add_sound(scene, speech.sound, "Demo Speech")
    text = " ".join(sentence.text for sentence in speech.sentences)
    takes: list[Take] = []
    for index, script in enumerate(("", text)):
        with step("with its script" if script else "the sound alone"):
            character = build_character()
            rows.place_in_row(character.armature, index, 2)
            settings = TakeSettings(script=script, life=0.0)
            takes.append(animate_character(scene, character.armature, SoundStrip(strip), find_model(model), settings))
    scene.frame_start, scene.frame_end = takes[0].first_frame, takes[0].last_frame
    write_words(scene, [word[:3] for word in takes[1].words])
    frames = find_differences(takes[0], takes[1])
    for frame in frames:
        said = next((word[2] for word in takes[1].words if word[0] <= frame <= word[1]), "")
        gaps = [_gap(take)[round(frame - take.first_frame)] for take in takes]
        print(f"frame {frame}, '{said}': lips {gaps[0]:.2f} cm apart heard alone, {gaps[1]:.2f} cm with the script")
    _render(scene, frames, output, "script", size, seconds)


def find_differences(alone: Take, told: Take) -> list[int]:
    """Find the frames where two takes of a sound open the lips most differently, in order of time."""
    apart = np.abs(_gap(alone) - _gap(told))
    frames: list[int] = []
    for row in np.argsort(-apart).tolist():
        frame = round(float(alone.dense.frames[row]))
        if all(abs(frame - other) > 6 for other in frames):
            frames.append(frame)
        if len(frames) == SHEET_ROWS:
            break
    return sorted(frames)


def _gap(take: Take) -> np.ndarray:
    names = [rigs.control_name(target) for target in take.dense.targets]
    return lip_gap(take.dense.values, names)


def play_page(output: Path, model: str | None, size: int, seconds: float) -> None:
    """Write films and sheets of a page with scratch voices, and with recordings in their place. Raises VoxrigError."""
    speech = read_speech()
    scene = _empty_stage(len(SPEAKERS))
    settings: Any = scene_settings(scene)
    settings.model, settings.model_folder = "FOLDER", str(find_model(model))
    for index, name in enumerate(SPEAKERS):
        character = build_character()
        character.armature.name = name
        rows.place_in_row(character.armature, index, len(SPEAKERS))
    settings.character = bpy.data.objects[SPEAKERS[0]]
    settings.script = page = write_page(speech)
    with step("scratch voices"):
        scene.frame_current = stage.FIRST_FRAME
        speak_script(scene, page, "en", output / "scratch voice", words_per_minute=120)
        words = _animate(scene)
    scene.frame_current = frame = raise_brow(words)
    print(f"'{RAISED[0]}' at frame {frame}: a brow is raised")
    texts = write_words(scene, words)
    _render(scene, [frame], output, "scene_scratch", size, seconds)
    with step("recordings"):
        replace_voices(scene, speech, output / "recordings")
        fill_dialogue(scene)
        script_to_dialogue(scene, page)
        words = _animate(scene)
    for item in texts:
        bpy.data.objects.remove(item)
    write_words(scene, words)
    frame = _raised_frame()
    said = next((word[2] for word in words if word[0] <= frame <= word[1]), "")
    print(f"the raised brow is at frame {frame}, on '{said}'")
    _render(scene, [frame], output, "scene_recorded", size, seconds)
    print(f"Written to {output}")


def write_page(speech: Speech) -> str:
    """Write the sentences of the speech as a screenplay page of two speakers."""
    lines = [f"{SPEAKERS[i % 2].upper()}\n{sentence.text}\n" for i, sentence in enumerate(speech.sentences)]
    return "INT. KITCHEN - DAY\n\n" + "\n".join(lines)


def replace_voices(scene: Any, speech: Speech, folder: Path) -> None:
    """Put recordings of the lines, one after the other, in the place of the scratch voices."""
    import soundfile

    strips = compat.sequencer_strips(scene)
    for strip in list(strips):
        compat.new_strips(scene).remove(strip)
    folder.mkdir(parents=True, exist_ok=True)
    sound, rate = soundfile.read(speech.sound)
    frame = stage.FIRST_FRAME
    for number, sentence in enumerate(speech.sentences):
        name = f"{SPEAKERS[number % 2]} {number + 1}"
        path = folder / f"{name}.wav"
        soundfile.write(path, sound[round(sentence.start * rate) : round(sentence.end * rate)], rate)
        compat.new_strips(scene).new_sound(name, str(path), 1 + number % 2, frame)
        frame += round((sentence.end - sentence.start) * stage.FRAMES_PER_SECOND) + PAUSE_FRAMES


def _animate(scene: Any) -> list[Word]:
    """Animate the dialogue; returns all words of its takes, and fits the scene to them."""
    bpy.ops.voxrig.animate_dialogue()
    words: list[Word] = []
    for name in SPEAKERS:
        for stored in character_settings(bpy.data.objects[name]).takes:
            words += [(start, end, text) for start, end, text, sure in read_take(stored).words if sure > 0.0]
    scene.frame_start, scene.frame_end = stage.FIRST_FRAME, round(max(end for _, end, _ in words)) + 12
    return sorted(words)


def raise_brow(words: Sequence[Word]) -> int:
    """Raise a brow of the first speaker on a word, as somebody would by hand; returns the frame."""
    word, _, value = RAISED
    frame = next(round(0.5 * (start + end)) for start, end, text in words if text == word)
    key = _brow_curve().keyframe_points.insert(frame, value)
    key.type = "KEYFRAME"
    return frame


def _raised_frame() -> int:
    keys = [key for key in _brow_curve().keyframe_points if abs(key.co[1] - RAISED[2]) < 1e-4]
    return round(keys[0].co[0])


def _brow_curve() -> Any:
    for part in rigs.find_character(bpy.data.objects[SPEAKERS[0]]).objects:
        for owner in (part, getattr(part.data, "shape_keys", None)):
            for curve in (compat.curves_of(owner) or ()) if owner is not None else ():
                if f'"{RAISED[1]}"' in curve.data_path:
                    return curve
    raise ValueError(f"nothing animates {RAISED[1]}")


def write_words(scene: Any, words: Iterable[Word]) -> list[Any]:
    """Write each word below the faces while it is said; returns the texts."""
    texts: list[Any] = []
    paint = bpy.data.materials.new("Words")
    paint.diffuse_color = (1.0, 1.0, 1.0, 1.0)
    for start, end, text in words:
        curve: Any = bpy.data.curves.new(text, "FONT")
        curve.body, curve.size, curve.align_x = text, 0.4, "CENTER"
        curve.materials.append(paint)
        item = bpy.data.objects.new(text, curve)
        item.location, item.rotation_euler = (0.0, -3.0, -1.72), (np.pi / 2, 0.0, 0.0)
        scene.collection.objects.link(item)
        first, last = round(start), max(round(end), round(start) + 1)
        for frame, hidden in ((first - 1, True), (first, False), (last, True)):
            item.hide_render = item.hide_viewport = hidden
            item.keyframe_insert("hide_render", frame=frame)
        texts.append(item)
    return texts


def _empty_stage(count: int) -> Any:
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    scene: Any = bpy.context.scene
    stage.set_stage(scene)
    rows.set_row_camera(scene, count)
    scene.camera.location.z -= 0.25
    return scene


def _render(scene: Any, frames: list[int], output: Path, name: str, size: int, seconds: float) -> None:
    height = round(size * 0.72) // 2 * 2
    with step("sheet"):
        rows.write_row_sheet(scene, frames, output, name, size, height)
    if seconds > 0.0:
        scene.frame_end = min(scene.frame_end, scene.frame_start + round(seconds * stage.FRAMES_PER_SECOND) - 1)
        with step("film"):
            render_film(scene, output / f"voxrig_{name}.mp4", size, height=height)


if __name__ == "__main__":
    end_process(main())
