# SPDX-License-Identifier: GPL-3.0-or-later
"""The waveform strip: where it lies, what it draws, and that it costs nothing without a window."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import gpu
import numpy as np
import pytest
from characters import choose
from voxrig.animation.curves import ChannelCurves
from voxrig.animation.overview import Track, find_peaks, find_strongest, make_overview

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def graphics() -> Iterator[None]:
    """A graphics context without a window, where this Blender can make one."""
    if not hasattr(gpu, "init"):
        pytest.skip("this Blender draws nothing without a window; the strip is drawn by tests/gui")
    gpu.init()
    yield


def speech() -> Any:
    """Return two seconds at frame 1 of 25 a second: a tone in the first, a wide open jaw in the second."""
    times = np.arange(100) / 50.0
    jaw = np.where(times >= 1.0, 0.9, 0.0).astype(np.float32)
    curves = ChannelCurves(("jawOpen", "mouthPucker"), 50.0, np.stack([jaw, np.zeros(100, np.float32)], axis=1))
    tone = np.sin(np.arange(32_000) * 0.3).astype(np.float32) * (np.arange(32_000) < 16_000)
    return make_overview(curves, find_peaks(tone, 16_000), 1.0, 25.0)


def test_only_the_rows_in_view_are_drawn() -> None:
    from voxrig.panels.waveform import visible_rows

    track = Track(10.0, 0.5, np.zeros(100, np.float32))
    assert visible_rows(track, 0.0, 100.0) == (0, 100)
    first, count = visible_rows(track, 12.2, 14.0)
    assert (first, count) == (5, 4)  # frames 12.5, 13, 13.5 and 14
    assert visible_rows(track, 70.0, 80.0)[1] == 0
    assert visible_rows(track, -20.0, 9.0)[1] == 0


def test_the_strip_keeps_clear_of_toolbar_and_sidebar(scene: Any) -> None:
    from voxrig.panels.waveform import HEIGHT, WINDOW_SECONDS, place_strip

    scene.frame_set(100)
    window = SimpleNamespace(type="WINDOW", x=50, y=20, width=1000, height=600, alignment="NONE")
    tools = SimpleNamespace(type="TOOLS", x=50, y=20, width=60, height=600, alignment="LEFT")
    sidebar = SimpleNamespace(type="UI", x=850, y=20, width=200, height=600, alignment="RIGHT")
    hidden = SimpleNamespace(type="UI", x=1050, y=20, width=1, height=600, alignment="RIGHT")
    shelf = SimpleNamespace(type="ASSET_SHELF", x=50, y=20, width=1000, height=80, alignment="BOTTOM")

    def place(*regions: Any) -> Any:
        area = SimpleNamespace(type="VIEW_3D", regions=[window, *regions])
        preferences = SimpleNamespace(system=SimpleNamespace(ui_scale=1.0))
        return place_strip(SimpleNamespace(region=window, area=area, scene=scene, preferences=preferences))

    alone = place(hidden)
    assert (alone.left, alone.right, alone.bottom, alone.top) == (0.0, 1000.0, 0.0, HEIGHT)
    assert alone.last_frame - alone.first_frame == WINDOW_SECONDS * 24
    assert (alone.first_frame + alone.last_frame) / 2 == 100
    between = place(tools, sidebar, shelf)
    assert (between.left, between.right, between.bottom) == (60, 800, 80)
    window.width = 90
    assert place() is None, "no room, no strip"


def test_under_keys_it_follows_the_view(scene: Any) -> None:
    from voxrig.panels.waveform import place_strip

    view = SimpleNamespace(region_to_view=lambda x, _y: (10.0 + 0.1 * x, 0.0))
    region = SimpleNamespace(type="WINDOW", x=0, y=0, width=800, height=90, view2d=view)
    area = SimpleNamespace(type="DOPESHEET_EDITOR", regions=[region])
    preferences = SimpleNamespace(system=SimpleNamespace(ui_scale=2.0))
    strip = place_strip(SimpleNamespace(region=region, area=area, scene=scene, preferences=preferences))
    assert (strip.first_frame, strip.last_frame, strip.top) == (10.0, 90.0, 30.0)
    assert strip.pixels_per_frame == 10.0


def draw(overview: Any, first_frame: float, last_frame: float, width: int = 400, height: int = 100) -> np.ndarray:
    """Draw the strip as pixels ``[row from below, column, rgba]``."""
    from mathutils import Matrix
    from voxrig.panels.waveform import Strip, draw_strip

    screen = gpu.types.GPUOffScreen(width, height)
    try:
        with screen.bind(), gpu.matrix.push_pop(), gpu.matrix.push_pop_projection():
            frame_buffer = gpu.state.active_framebuffer_get()
            frame_buffer.clear(color=(0.0, 0.0, 0.0, 1.0))
            gpu.matrix.load_matrix(Matrix.Translation((-1, -1, 0)) @ Matrix.Diagonal((2 / width, 2 / height, 1, 1)))
            gpu.matrix.load_projection_matrix(Matrix.Identity(4))
            draw_strip(overview, Strip(0.0, width, 0.0, height, first_frame, last_frame))
            pixels = frame_buffer.read_color(0, 0, width, height, 4, 0, "FLOAT")
            pixels.dimensions = width * height * 4
            return np.array(pixels, np.float32).reshape(height, width, 4)
    finally:
        screen.free()


def test_what_is_drawn(graphics: None) -> None:
    picture = draw(speech(), 1.0, 51.0)  # frame 1 at the left edge, 26 in the middle
    red, green, blue = (picture[..., i] for i in range(3))
    bluish = (blue > 0.3) & (blue > red)
    assert bluish[50, 20:180].all() and not bluish[50, 220:380].any(), "the tone sounds in the first second only"
    reddish = (red > 0.3) & (red > 1.3 * blue) & (green < 0.5)
    assert reddish[4, 20:180].all() and not reddish[4, 220:380].any(), "the lips are closed until the jaw opens"
    orange = (red > 0.9) & (green > 0.5) & (blue < 0.5)
    height = np.argmax(orange, axis=0)[220:380]
    assert orange[:, 220:380].any(axis=0).all() and np.abs(height - 90).max() <= 2, "the jaw is open by 0.9 in the second one"


def test_feelings_are_coloured_stretches(graphics: None) -> None:
    weights = np.zeros((41, 2))
    weights[:20, 0], weights[21:, 1] = 1.0, 1.0
    overview = replace(speech(), feelings=find_strongest(("anger", "joy"), weights, 1.0, 1.25))
    picture = draw(overview, 1.0, 51.0)
    red, green, blue = (picture[70, :, i] for i in range(3))
    assert (red[20:150] > 0.5).all() and (green[20:150] < 0.45).all(), "angry at first"
    assert (green[230:370] > 0.5).all() and (blue[230:370] < 0.5).all(), "then glad"


def test_it_moves_with_the_frames_and_nothing_spills(graphics: None) -> None:
    overview = speech()
    whole, later = draw(overview, 1.0, 51.0), draw(overview, 11.0, 61.0)
    assert np.allclose(whole[50, 180:200], later[50, 100:120], atol=0.02)
    empty = draw(overview, 500.0, 550.0)
    assert np.ptp(empty.reshape(-1, 4), axis=0).max() < 0.01, "outside the sound there is only the ground"


def test_drawing_builds_nothing_anew(graphics: None) -> None:
    from voxrig.panels import waveform

    times = np.arange(30_000)
    values = np.abs(np.sin(times[:, None] * [0.05, 0.11])).astype(np.float32)
    curves = ChannelCurves(("jawOpen", "mouthPucker"), 50.0, values)
    overview = make_overview(curves, np.ones(60_000, np.float32), 1.0, 24.0)
    draw(overview, 1.0, 100.0)
    made = waveform._drawings[0]
    started = time.perf_counter()
    for frame in range(50):
        draw(overview, 1.0 + frame, 101.0 + frame)
    each = (time.perf_counter() - started) / 50
    assert waveform._drawings[0] is made
    assert each < 0.05, f"{each:.4f} s for each redraw of ten minutes, with reading the pixels back"


def test_a_take_leaves_its_overview_and_sliders_renew_it(scene: Any, face: Any, voice: Path, model_folder: Path) -> None:
    from voxrig.properties.session import session

    choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    first = session.overviews[face.voxrig.takes[0].record]
    assert first.jaw.values.max() > 0.05 and first.peaks.values.max() == 1.0
    scene.voxrig.jaw_strength = 0.5
    second = session.overviews[face.voxrig.takes[0].record]
    assert second is not first
    assert np.allclose(second.jaw.values, 0.5 * first.jaw.values, atol=0.05)


def test_a_take_of_an_opened_file_is_heard_again(
    scene: Any, face: Any, voice: Path, model_folder: Path, tmp_path: Path
) -> None:
    from voxrig.operators.overview import _seeing as seeing
    from voxrig.properties.session import session

    choose(scene, face, voice, model_folder)
    bpy.ops.voxrig.animate_from_audio()
    record = face.voxrig.takes[0].record
    made = session.overviews[record]
    session.overviews.clear()

    def wait() -> None:
        assert seeing.is_pending
        seeing._waiting.cancel()  # a module runs no timers: what they call is called here
        seeing._waiting._run()
        if seeing._work is not None:
            seeing._work.join()
            bpy.app.timers.unregister(seeing._timer)
            seeing._poll()

    session.on_unseen_take(scene)
    wait()
    again = session.overviews[record]
    assert again is not made and np.array_equal(again.jaw.values, made.jaw.values)
    session.overviews.clear()
    moved = voice.rename(voice.with_name("moved.wav"))
    try:
        session.on_unseen_take(scene)
        wait()
    finally:
        moved.rename(voice)
    assert session.overviews[record] is None, "a sound that is gone is not asked for at every redraw"


def test_without_a_window_there_is_no_handler() -> None:
    from voxrig.panels import waveform

    assert bpy.app.background and not waveform._handlers
    assert "gpu" in sys.modules
