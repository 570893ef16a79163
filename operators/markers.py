# SPDX-License-Identifier: GPL-3.0-or-later
"""Timeline markers where phones, words, phrases and accents are. The artist's own are never touched.

Blender 5 cannot store anything on a marker, so the scene records Voxrig's markers by name and frame: one that the artist has
moved, renamed or bound to a camera counts as theirs from then on.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import bpy

from ..blender.registering import make_registration
from ..properties.access import scene_settings
from .base import VoxrigOperator

_PREFIX = "v:"


def write_phone_markers(
    scene: bpy.types.Scene, character: str, phones: Iterable[tuple[int, str]], first_frame: int, last_frame: int
) -> None:
    """Write markers at (frame, phone), replacing those of the character from the first to the last frame."""
    written = _read_written(scene)
    before = written.get(character, [])
    replaced = [marker for marker in before if first_frame <= marker[0] <= last_frame]
    _remove(scene, replaced)
    made = [(frame, _PREFIX + phone) for frame, phone in phones]
    for frame, name in made:
        scene.timeline_markers.new(name, frame=frame)
    written[character] = [marker for marker in before if marker not in replaced] + made
    scene_settings(scene).own_markers = json.dumps(written)


_WORDS = "words of the script"
"""Whose markers those of words are, beside the names of characters."""


def write_word_markers(scene: bpy.types.Scene, words: Iterable[tuple[int, str]]) -> None:
    """Write markers at (frame, word), replacing all earlier ones of words."""
    written = _read_written(scene)
    _remove(scene, written.get(_WORDS, []))
    made = [(frame, f'"{word}"') for frame, word in words]
    for frame, name in made:
        scene.timeline_markers.new(name, frame=frame)
    written[_WORDS] = made
    scene_settings(scene).own_markers = json.dumps(written)


_EVENTS = "speech events of "


def write_speech_markers(
    scene: bpy.types.Scene, character: str, events: Iterable[tuple[int, str]], first_frame: int, last_frame: int
) -> int:
    """Write markers at (frame, event) like those of phones, beside them, and return how many there are."""
    made = list(events)
    write_phone_markers(scene, f"{_EVENTS}{character}", made, first_frame, last_frame)
    return len(made)


def clear_phone_markers(scene: bpy.types.Scene) -> int:
    """Remove every marker of a phone, a word or an event of speech, of all characters; returns how many."""
    removed = _remove(scene, [marker for markers in _read_written(scene).values() for marker in markers])
    scene_settings(scene).own_markers = ""
    return removed


def _read_written(scene: bpy.types.Scene) -> dict[str, list[tuple[int, str]]]:
    """Read (frame, name) of the markers written for each character, even if they have changed."""
    stored: dict[str, list[Any]] = json.loads(scene_settings(scene).own_markers or "{}")
    return {character: [(frame, name) for frame, name in markers] for character, markers in stored.items()}


def _remove(scene: bpy.types.Scene, written: Collection[tuple[int, str]]) -> int:
    """Remove as many markers of each frame and name as were written, if they are still there."""
    wanted = Counter(written)
    found = [marker for marker in scene.timeline_markers if (marker.frame, marker.name) in wanted and marker.camera is None]
    removed = 0
    for marker in found:
        place = marker.frame, marker.name
        if wanted[place]:
            wanted[place] -= 1
            scene.timeline_markers.remove(marker)
            removed += 1
    return removed


class VOXRIG_OT_clear_phone_markers(VoxrigOperator):
    """Remove the markers of sounds, words, phrases and accents from the timeline. Your own, and those that you moved or
    renamed, stay"""

    bl_idname = "voxrig.clear_phone_markers"
    bl_label = "Clear Sound Markers"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def disabled_reason(cls, context: Any) -> str | None:
        """Require a marker of a phone."""
        return None if scene_settings(context.scene).own_markers else "There are no markers of sounds, words or phrases"

    def run(self, context: Any) -> None:
        """Remove them and report how many there were."""
        self.report({"INFO"}, f"{clear_phone_markers(context.scene)} markers removed")


CLASSES = (VOXRIG_OT_clear_phone_markers,)
register, unregister = make_registration(CLASSES)
