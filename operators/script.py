# SPDX-License-Identifier: GPL-3.0-or-later
"""The written line: read it from a file or a text, give a scene's lines to its strips, let a scratch voice say them.

The words of the last take that had a script are listed in the scene (``words``); correcting one corrects the script.
"""

# pyright: reportInvalidTypeForm=false

import io
import re
import wave
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ..animation.face.phones import TimedPhone
from ..animation.script.subtitles import (
    ScriptLine,
    find_lines,
    find_spoken_words,
    is_speaker,
    normal_name,
    read_script,
    read_script_file,
    write_lines,
)
from ..animation.script.text import parse_line, replace_word, set_word_time
from ..blender import compat, sounds
from ..blender import scene as scenes
from ..blender.registering import make_registration
from ..errors import ScriptError, VoxrigError
from ..inference.spoken import add_phones
from ..properties.access import scene_settings
from ..properties.session import session
from ..storage.writing import write_whole
from .base import VoxrigOperator, redraw_panel
from .dialogue import fill_dialogue, list_characters
from .markers import write_word_markers

_PAUSE_SECONDS = 0.3
_PITCHES = (50, 30, 65, 40, 75, 22)
"""Pitches of scratch voices, 0 to 99, in the order in which speakers appear."""


def correct_word(scene: bpy.types.Scene, index: int, text: str) -> None:
    """Replace a word of the scene's script. The next take finds all words again; its model need not run for that.

    Raises ScriptError for no such word, and for a text that is none.
    """
    settings: Any = scene_settings(scene)
    plain = write_lines(settings.script)
    settings.script = replace_word(plain, index, text, [(start, end) for start, end, _ in find_spoken_words(plain)])


def move_word(scene: bpy.types.Scene, index: int, seconds: float) -> None:
    """Let a word of the scene's script begin at a second of the sound, with a mark in the script such as '[at 1.25]'.

    Words after it are found again after that second, words before it before. Raises ScriptError for no such word.
    """
    settings: Any = scene_settings(scene)
    plain = write_lines(settings.script)
    settings.script = set_word_time(plain, index, seconds, [(start, end) for start, end, _ in find_spoken_words(plain)])


def assign_lines(lines: Sequence[ScriptLine], strips: Sequence[tuple[str, str, float, float]]) -> dict[str, int]:
    """Give the lines of a scene to sound strips: the place of a line by the name of the strip.

    ``strips`` are (name, speaker or '', start and end in seconds of the scene). Lines with times go to the strip that they
    overlap most; others in order, to the next strip of their speaker where speakers of strips are known.
    """
    found: dict[str, int] = {}
    ordered = sorted(strips, key=lambda strip: strip[2])
    known = {normal_name(line.speaker) for line in lines if line.speaker}
    for number, line in enumerate(lines):
        left = [strip for strip in ordered if strip[0] not in found]
        if line.start is not None and line.end is not None:
            shared = [(min(line.end, strip[3]) - max(line.start, strip[2]), strip[0]) for strip in left]
            best = max(shared, default=(0.0, ""))
            if best[0] > 0.0:
                found[best[1]] = number
            continue
        name = normal_name(line.speaker)
        fitting = [strip for strip in left if not name or not strip[1] or is_speaker(strip[1], name, known)]
        if fitting:
            found[fitting[0][0]] = number
    return found


def script_to_dialogue(scene: bpy.types.Scene, text: str, ending: str = "") -> tuple[int, int]:
    """Give the lines of a script to the scene's sound strips; returns how many lines found a strip, and how many there are.

    Raises ScriptError if there are no lines or no strips.
    """
    lines = find_lines(text, ending)
    if not lines:
        raise ScriptError("The text has no words; write what is said")
    fill_dialogue(scene)
    stored: Any = scene_settings(scene).dialogue
    fps = scenes.frames_per_second(scene)
    spans: list[tuple[str, str, float, float]] = []
    for strip in sounds.list_sound_strips(scene):
        line = next((line for line in stored if line.strip == strip.name), None)
        speaker = line.character.name if line is not None and line.character is not None else ""
        _, first, last, _ = compat.strip_timing(strip)
        start = (first - scene.frame_start) / fps
        spans.append((strip.name, speaker, start, start + (last - first) / fps))
    if not spans:
        raise ScriptError("The scene has no sound strips; add the recordings, or let Scratch Voice say the lines")
    assigned = assign_lines(lines, spans)
    for line in stored:
        if line.strip in assigned:
            line.script = lines[assigned[line.strip]].text
    return len(assigned), len(lines)


def speak_script(
    scene: bpy.types.Scene, text: str, language: str, folder: Path, *, pitch: int = 50, words_per_minute: int = 165
) -> list[str]:
    """Let a scratch voice say a script into sound strips, one for each line from the current frame on; returns their names.

    Each speaker has a channel and a pitch. The lines are listed in the dialogue with what is said, and the files hold the exact
    times of their phones (inference/spoken.py). Raises ScriptError.
    """
    from ..inference.espeak import speak

    lines = [line for line in find_lines(text) if line.text.strip()]
    said: list[tuple[ScriptLine, Any, int, tuple[TimedPhone, ...]]] = []
    speakers = list(dict.fromkeys(normal_name(line.speaker) for line in lines))
    for line in lines:
        number = speakers.index(normal_name(line.speaker))
        own = _PITCHES[number % len(_PITCHES)] if len(speakers) > 1 else pitch
        sound, rate, phones = speak(parse_line(line.text).plain, language, words_per_minute=words_per_minute, pitch=own)
        said.append((line, sound, rate, phones))
    if not said:
        raise ScriptError("The text has no words; write what is said")
    fps = scenes.frames_per_second(scene)
    at = float(scene.frame_current)
    names: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, (line, sound, rate, phones) in enumerate(said, 1):
            speaker = re.sub(r"\W+", "_", line.speaker).strip("_") or "line"
            path = next(
                place
                for copy in range(10_000)
                if not (place := folder / f"scratch_{speaker}_{number:03}{f'_{copy}' if copy else ''}.wav").exists()
            )
            _write_wave(path, np.concatenate([sound, np.zeros(int(_PAUSE_SECONDS * rate), np.int16)]), rate, phones)
            channel = 1 + speakers.index(normal_name(line.speaker))
            strip = compat.new_strips(scene).new_sound(path.stem, str(path), channel, round(at))
            names.append(strip.name)
            at += (sound.size / rate + _PAUSE_SECONDS) * fps
    except OSError as error:
        raise ScriptError(f"The scratch voice cannot be written to {folder} ({error.strerror}); save the file first") from None
    fill_dialogue(scene)
    stored: Any = scene_settings(scene).dialogue
    characters = {normal_name(re.sub(r"\.\d{3}$", "", one.name)): one for one in list_characters(scene)}
    for name, (line, *_) in zip(names, said, strict=True):
        entry = next((item for item in stored if item.strip == name), None)
        if entry is not None:
            entry.script = line.text
            entry.character = entry.character or characters.get(normal_name(line.speaker))
    return names


def _write_wave(path: Path, samples: Any, rate: int, phones: Sequence[TimedPhone]) -> None:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    write_whole(path, add_phones(made.getvalue(), phones))


class VOXRIG_OT_read_script(VoxrigOperator):
    """Read what is said from a text file, a Fountain screenplay or subtitles"""

    bl_idname = "voxrig.read_script"
    bl_label = "Read Script"
    bl_options = {"REGISTER", "UNDO"}

    filepath: bpy.props.StringProperty(
        name="Script File", description="Text, screenplay or subtitles", subtype="FILE_PATH", options={"SKIP_SAVE"}
    )
    filter_glob: bpy.props.StringProperty(default="*.txt;*.fountain;*.srt;*.vtt;*.md", options={"HIDDEN", "SKIP_SAVE"})
    text: bpy.props.StringProperty(
        name="Text", description="Name of a text of this file instead of a file on disk", options={"SKIP_SAVE"}
    )

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Open the browser, unless a text of the file is named."""
        if self.text or self.filepath:
            return self.execute(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def run(self, context: Any) -> None:
        """Put the text into the field."""
        settings: Any = scene_settings(context.scene)
        if self.text:
            block = bpy.data.texts.get(self.text)
            if block is None:
                raise ScriptError(f"There is no text '{self.text}' in this file; choose another one")
            settings.script = block.as_string()
        else:
            path = bpy.path.abspath(self.filepath)
            settings.script = read_script_file(path) if path.lower().endswith(".fountain") else read_script(path)
        redraw_panel(context)


class VOXRIG_OT_script_to_dialogue(VoxrigOperator):
    """Give the lines of the script ('ANNA: ...', a screenplay or subtitles) to the sound strips, by speaker and order"""

    bl_idname = "voxrig.script_to_dialogue"
    bl_label = "Assign Lines"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a script."""
        return None if scene_settings(context.scene).script.strip() else "Write or read a script first"

    def run(self, context: Any) -> None:
        """Assign the lines and report their number."""
        found, total = script_to_dialogue(context.scene, scene_settings(context.scene).script)
        self.report({"INFO" if found == total else "WARNING"}, f"{found} of {total} lines have a strip")


class VOXRIG_OT_scratch_voice(VoxrigOperator):
    """Let a plain synthetic voice say the script into sound strips, until the recording is there"""

    bl_idname = "voxrig.scratch_voice"
    bl_label = "Scratch Voice"
    bl_options = {"REGISTER", "UNDO"}

    pitch: bpy.props.IntProperty(name="Pitch", description="Pitch of the only speaker", default=50, min=0, max=99)
    words_per_minute: bpy.props.IntProperty(
        name="Words a Minute", description="How fast the voice speaks", default=165, min=80, max=450
    )

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a script."""
        return None if scene_settings(context.scene).script.strip() else "Write or read a script first"

    def run(self, context: Any) -> None:
        """Speak beside the .blend, or in Blender's temporary folder for an unsaved file."""
        settings: Any = scene_settings(context.scene)
        place = bpy.path.abspath("//") if bpy.data.filepath else bpy.app.tempdir
        names = speak_script(
            context.scene, settings.script, settings.language or "en", Path(place) / "scratch voice",
            pitch=self.pitch, words_per_minute=self.words_per_minute,
        )  # fmt: skip
        settings.sound_source, settings.strip = "STRIP", names[0]
        self.report({"INFO"}, f"{len(names)} lines are spoken into sound strips")


class VOXRIG_OT_word_markers(VoxrigOperator):
    """Write a marker into the timeline where each word begins. Your own markers stay"""

    bl_idname = "voxrig.word_markers"
    bl_label = "Word Markers"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require words."""
        return None if len(scene_settings(context.scene).words) else "Animate with a script first"

    def run(self, context: Any) -> None:
        """Write them, and leave out words that are not said."""
        words = scene_settings(context.scene).words
        said = [(round(word.start), word.name) for word in words if word.confidence > 0.0]
        write_word_markers(context.scene, said)
        self.report({"INFO"}, f"{len(said)} markers written")


def word_renamed(item: Any, _context: Any) -> None:
    """Correct the script where a word of the list was typed; an impossible word leaves it as it is."""
    _with_index(item, lambda scene, index: correct_word(scene, index, item.name))


def word_moved(item: Any, _context: Any) -> None:
    """Let a word of the script begin where its frame in the list was moved to."""

    def move(scene: Any, index: int) -> None:
        seconds = max(item.seconds + (item.start - item.placed) / scenes.frames_per_second(scene), 0.0)
        move_word(scene, index, seconds)
        item.placed, item.seconds = item.start, seconds

    _with_index(item, move)


def _with_index(item: Any, change: Callable[[Any, int], None]) -> None:
    if session.lists_words:
        return
    scene = item.id_data
    index = next((number for number, word in enumerate(scene_settings(scene).words) if word == item), -1)
    if index >= 0:
        with suppress(VoxrigError):
            change(scene, index)


CLASSES = (VOXRIG_OT_read_script, VOXRIG_OT_script_to_dialogue, VOXRIG_OT_scratch_voice, VOXRIG_OT_word_markers)
_register, _unregister = make_registration(CLASSES)


def register() -> None:
    """Register the operators, and correct the script when a word is typed."""
    _register()
    session.on_word, session.on_word_moved = word_renamed, word_moved


def unregister() -> None:
    """Undo :func:`register`."""
    session.on_word = session.on_word_moved = None
    _unregister()
