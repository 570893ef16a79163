# SPDX-License-Identifier: GPL-3.0-or-later
"""The waveform strip: sound, phrases, accents, feelings, jaw, lips and seals of the chosen take at the bottom of the 3D View
and below the keys of the Dope Sheet, Timeline and Graph Editor.

It draws arrays that are already available, and nothing without a window.
"""

import math
from dataclasses import dataclass
from typing import Any

import blf
import bpy
import gpu
import numpy as np
from gpu_extras.batch import batch_for_shader

from ..animation.overview import Overview, Track
from ..animation.script.alignment import FITTING
from ..properties.access import scene_settings
from ..properties.session import session
from ..properties.takes import active_take
from .main import iface

HEIGHT = 64
"""Height of the strip in pixels at a resolution scale of 1; in a low editor it takes a third of the height."""
WINDOW_SECONDS = 4.0
"""Length of the sound shown in the 3D View, with the playhead in the middle."""
BACKGROUND = (0.08, 0.08, 0.08, 0.55)
PLAYHEAD = (1.0, 1.0, 1.0, 0.8)
TRACKS = (
    # Title, field of Overview, whether it is a line (else filled), colour
    ("Sound", "peaks", False, (0.45, 0.62, 0.85, 0.55)),
    ("Lips Closed", "seals", False, (0.95, 0.25, 0.30, 0.80)),
    ("Phrases", "phrases", False, (0.60, 0.60, 0.60, 0.60)),
    ("Accents", "accents", False, (1.0, 0.95, 0.45, 0.75)),
    ("Jaw", "jaw", True, (1.0, 0.72, 0.25, 1.0)),
    ("Lips Apart", "lips", True, (0.55, 0.90, 0.55, 1.0)),
    ("Rounding", "rounding", True, (0.85, 0.55, 1.0, 1.0)),
)
FEELINGS = {
    "joy": (1.0, 0.82, 0.20), "sadness": (0.30, 0.50, 1.0), "anger": (1.0, 0.22, 0.16), "fear": (0.66, 0.40, 1.0),
    "disgust": (0.45, 0.75, 0.20), "surprise": (1.0, 0.55, 0.15), "contempt": (0.20, 0.75, 0.70), "tired": (0.65, 0.65, 0.65),
}  # fmt: skip
"""The colour of each emotion: strong where the face shows it, pale where the voice alone has it."""
_SHOWN_BAND, _HEARD_BAND = (0.62, 0.80, 0.70), (0.55, 0.61, 0.40)
"""Lower and upper edge in heights of the strip, and opacity."""
_HANGING = {"phrases": 0.04, "accents": 0.18}
EDITORS = ("SpaceView3D", "SpaceDopeSheetEditor", "SpaceGraphEditor")

_handlers: list[tuple[Any, Any]] = []


@dataclass(frozen=True)
class Drawing:
    """An overview on the graphics card: a batch for each of TRACKS, and those of feelings with track and colour."""

    overview: Overview
    shader: Any
    batches: tuple[Any, ...]
    feelings: tuple[tuple[Track, Any, Any], ...]


_drawings: list[Drawing] = []
"""The last drawing, so that nothing is rebuilt while it stays the same."""


@dataclass(frozen=True)
class Strip:
    """The place of the strip in a region: ``left`` to ``right`` show ``first_frame`` to ``last_frame``, in pixels."""

    left: float
    right: float
    bottom: float
    top: float
    first_frame: float
    last_frame: float

    @property
    def pixels_per_frame(self) -> float:
        """Width of one frame."""
        return (self.right - self.left) / (self.last_frame - self.first_frame)


def draw_in_editor() -> None:
    """Draw the strip; Blender calls this for every region of EDITORS that it redraws."""
    context: Any = bpy.context
    settings = scene_settings(context.scene)
    if not settings.show_waveform:
        return
    take = active_take(settings.character)
    if take is None:
        return
    if take.record not in session.overviews:
        if session.on_unseen_take is not None:
            session.on_unseen_take(context.scene)
        return
    overview = session.overviews[take.record]
    strip = place_strip(context)
    if overview is not None and strip is not None:
        draw_strip(overview, strip)
        _draw_words(settings, strip)
        if context.area.type == "VIEW_3D":
            _draw_rectangle(_upload(overview).shader, *_playhead(strip, context.scene.frame_current_final), PLAYHEAD)
            _draw_legend(strip, overview)


def place_strip(context: Any) -> Strip | None:
    """Place the strip in the region that is drawn; None if there is no room."""
    region, scale = context.region, context.preferences.system.ui_scale
    left, right, bottom = 0.0, float(region.width), 0.0
    if context.area.type == "VIEW_3D":
        for other in context.area.regions:
            if other.type in ("TOOLS", "UI") and other.width > 1 and other.x < region.x + region.width:
                if other.alignment == "LEFT":
                    left = max(left, other.x + other.width - region.x)
                elif other.alignment == "RIGHT":
                    right = min(right, other.x - region.x)
            elif other.type in ("ASSET_SHELF", "ASSET_SHELF_HEADER") and other.height > 1:
                bottom = max(bottom, other.y + other.height - region.y)
        half = 0.5 * WINDOW_SECONDS * context.scene.render.fps / context.scene.render.fps_base
        first, last = context.scene.frame_current_final - half, context.scene.frame_current_final + half
    else:
        first, last = (region.view2d.region_to_view(x, 0)[0] for x in (left, right))
    height = min(HEIGHT * scale, region.height / 3.0)
    if right - left < 100 or height < 8 or last <= first:
        return None
    return Strip(left, right, bottom, bottom + height, first, last)


def draw_strip(overview: Overview, strip: Strip) -> None:
    """Draw an overview into the region's pixels."""
    drawing = _upload(overview)
    gpu.state.blend_set("ALPHA")
    _draw_rectangle(drawing.shader, strip.left, strip.bottom, strip.right, strip.top, BACKGROUND)
    shown: list[tuple[Track, Any, Any, bool]] = [
        (getattr(overview, field), batch, colour, is_line)
        for (_name, field, is_line, colour), batch in zip(TRACKS, drawing.batches)
    ]
    shown += [(track, batch, colour, False) for track, batch, colour in drawing.feelings]
    for track, batch, colour, is_line in shown:
        first, count = visible_rows(track, strip.first_frame, strip.last_frame)
        if count < 2:
            continue
        stack: Any = gpu.matrix.push_pop()
        with stack:
            gpu.matrix.translate((strip.left, strip.bottom))
            gpu.matrix.scale((strip.pixels_per_frame, strip.top - strip.bottom))
            gpu.matrix.translate((track.first - strip.first_frame, 0.0))
            gpu.matrix.scale((track.step, 1.0))
            drawing.shader.uniform_float("color", colour)
            per_row = 1 if is_line else 2
            batch.draw_range(drawing.shader, elem_start=first * per_row, elem_count=count * per_row)
    gpu.state.blend_set("NONE")


def visible_rows(track: Track, first_frame: float, last_frame: float) -> tuple[int, int]:
    """Return the rows of a track within two frames, as the first and their number."""
    first = max(0, math.ceil((first_frame - track.first) / track.step))
    last = min(len(track.values) - 1, math.floor((last_frame - track.first) / track.step))
    return first, max(0, last - first + 1)


def _upload(overview: Overview) -> Drawing:
    if _drawings and _drawings[0].overview is overview:
        return _drawings[0]
    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    batches = tuple(_make_batch(shader, field, getattr(overview, field), is_line) for _name, field, is_line, _c in TRACKS)
    feelings = [
        (track, _make_band(shader, track, low, high), (*FEELINGS[name], opacity))
        for tracks, (low, high, opacity) in ((overview.feelings, _SHOWN_BAND), (overview.heard, _HEARD_BAND))
        for name, track in tracks
        if name in FEELINGS
    ]
    _drawings[:] = [Drawing(overview, shader, batches, tuple(feelings))]
    return _drawings[0]


def _make_batch(shader: Any, field: str, track: Track, is_line: bool) -> Any:
    rows = np.arange(len(track.values), dtype=np.float32)
    points: Any = np.stack([rows, track.values], axis=1)
    if is_line:
        return batch_for_shader(shader, "LINE_STRIP", {"pos": points})
    # The waveform extends to both sides of the middle, seals are a band at the bottom, phrases and accents hang from the top.
    if field == "peaks":
        low, high = 0.5 - 0.5 * track.values, 0.5 + 0.5 * track.values
    elif field in _HANGING:
        low, high = 1.0 - _HANGING[field] * track.values, 0.0 * rows + 1.0
    else:
        low, high = 0.0 * rows, 0.15 * track.values
    points = np.stack([np.repeat(rows, 2), np.stack([low, high], axis=1).ravel()], axis=1)
    points = points.astype(np.float32)
    return batch_for_shader(shader, "TRI_STRIP", {"pos": points})


def _make_band(shader: Any, track: Track, low: float, high: float) -> Any:
    """Make a band whose height above ``low`` goes by the weight, so that a faint feeling is a thin one."""
    rows = np.arange(len(track.values), dtype=np.float32)
    upper = low + (high - low) * track.values
    edges = np.stack([np.full_like(upper, low), upper], axis=1).ravel()
    points: Any = np.stack([np.repeat(rows, 2), edges], axis=1).astype(np.float32)
    return batch_for_shader(shader, "TRI_STRIP", {"pos": points})


def _playhead(strip: Strip, frame: float) -> tuple[float, float, float, float]:
    x = strip.left + (frame - strip.first_frame) * strip.pixels_per_frame
    return x - 0.5, strip.bottom, x + 0.5, strip.top


def _draw_rectangle(shader: Any, left: float, bottom: float, right: float, top: float, colour: Any) -> None:
    corners = [(left, bottom), (right, bottom), (left, top), (right, top)]
    shader.bind()
    shader.uniform_float("color", colour)
    batch_for_shader(shader, "TRI_STRIP", {"pos": corners}).draw(shader)


def _draw_words(settings: Any, strip: Strip) -> None:
    """Write the words of the script where they begin, as far as there is room before the next one."""
    preferences: Any = bpy.context.preferences
    words = [word for word in settings.words if word.end >= strip.first_frame and word.start <= strip.last_frame]
    scale = preferences.system.ui_scale
    blf.size(0, 10 * scale)
    for number, word in enumerate(words):
        x = strip.left + (word.start - strip.first_frame) * strip.pixels_per_frame
        after = words[number + 1].start if number + 1 < len(words) else strip.last_frame
        room = (after - word.start) * strip.pixels_per_frame
        if blf.dimensions(0, word.name)[0] > room + 2 * scale or x < strip.left:
            continue
        colour = (0.95, 0.95, 0.95) if word.confidence >= FITTING else (1.0, 0.45, 0.40)
        blf.color(0, *colour, 0.9)
        blf.position(0, x, strip.bottom + 3 * scale, 0)
        blf.draw(0, word.name)


def _draw_legend(strip: Strip, overview: Overview) -> None:
    """Draw the names of the tracks and of the feelings in their colours above the strip."""
    context: Any = bpy.context
    scale = context.preferences.system.ui_scale
    x = strip.left + 8 * scale
    blf.size(0, 11 * scale)
    names = dict.fromkeys(name for name, _track in (*overview.feelings, *overview.heard) if name in FEELINGS)
    for name, colour in (*((name, colour) for name, _f, _l, colour in TRACKS), *((n.title(), FEELINGS[n]) for n in names)):
        text = iface(name)
        blf.color(0, *colour[:3], 1.0)
        blf.position(0, x, strip.top + 4 * scale, 0)
        blf.draw(0, text)
        x += blf.dimensions(0, text)[0] + 12 * scale


def register() -> None:
    """Start drawing in EDITORS; without a window there is nothing to draw in."""
    if bpy.app.background:
        return
    for name in EDITORS:
        space = getattr(bpy.types, name)
        _handlers.append((space, space.draw_handler_add(draw_in_editor, (), "WINDOW", "POST_PIXEL")))


def unregister() -> None:
    """Stop drawing and free the graphics card's memory."""
    while _handlers:
        space, handler = _handlers.pop()
        space.draw_handler_remove(handler, "WINDOW")
    _drawings.clear()
