# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenario: a scene with two takes, a dialogue and a mapping; then a picture of every panel of the tab, each by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parent))
import driver

INSIDE = Path(sys.argv[sys.argv.index("--") + 2])
TABS_WIDTH = 24
"""Pixels at the right edge of the sidebar that its tabs take."""


def panel_picture(name: str) -> None:
    """Save the sidebar, cut to what is drawn in it, with few enough colours to be small."""
    _area, region = driver.view_3d()
    window = driver.window()
    top = window.height - region.y - region.height
    size = f"{region.width - TABS_WIDTH}x{region.height}+{region.x}+{top}"
    whole = driver.picture("whole")
    cut = [
        "-crop",
        size,
        "+repage",
        "-shave",
        "4x4",
        "+repage",
        "-fuzz",
        "3%",
        "-trim",
        "+repage",
        "-bordercolor",
        "#303030",
        "-border",
        "6",
    ]
    command = ["convert", str(whole), *cut, "+dither", "-colors", "64", f"PNG8:{driver.FOLDER / name}.png"]
    subprocess.run(command, check=True, timeout=60)
    whole.unlink()


def widen_sidebar(pixels: int) -> driver.Steps:
    """Drag the left edge of the sidebar."""
    _area, region = driver.view_3d()
    yield from driver.drag((region.x, region.y + region.height // 3), -pixels, lambda: None)
    yield from driver.settle()


def animate() -> driver.Steps:
    """Make two takes, the second of the jaw and the lips on some frames only."""
    settings = bpy.context.scene.voxrig
    settings.character = bpy.data.objects["Face"]
    settings.sound_file = "//line.flac"
    settings.script = "Bob's mum made a *big* pumpkin pie for the baby bumblebee."
    bpy.ops.voxrig.animate_from_audio()
    yield from driver.wait_until(lambda: driver.count_keys() > 0, 120)
    yield 1.0
    settings.live_update = False
    settings.emotions["joy"].weight = 0.6
    settings.strength = 0.8
    settings.retake_first, settings.retake_last = 60, 100
    bpy.ops.voxrig.retake()
    yield from driver.wait_until(lambda: len(settings.character.voxrig.takes) == 2, 120)
    yield 1.0


def fill_scene() -> None:
    """Give every list of the tab something to show."""
    scene = bpy.context.scene
    settings = scene.voxrig
    scene.sequence_editor_create()
    strips = getattr(scene.sequence_editor, "strips", None) or scene.sequence_editor.sequences
    for channel, name in ((1, "face_line_01"), (2, "face_line_02")):
        strips.new_sound(name, str(INSIDE / "line.flac"), channel, channel * 120)
    bpy.ops.voxrig.fill_dialogue()
    settings.show_folder = "//show"
    for name, gain, offset in (("mouthSmileLeft", 1.2, 0.05), ("jawOpen", 0.9, 0.0)):
        bpy.ops.voxrig.add_channel()
        channel = settings.channels[-1]
        channel.channel, channel.gain, channel.offset = name, gain, offset
    bpy.ops.voxrig.add_region_model()
    links = settings.character.voxrig.links
    links[1].confidence = "LIKELY"
    links[2].confidence, links[2].enabled = "UNSURE", False
    settings.character.voxrig.active_link = 0


def scenario() -> driver.Steps:
    bpy.context.preferences.system.use_region_overlap = False  # a plain background behind the panels
    driver.look_at_everything()
    yield from animate()
    fill_scene()
    yield from driver.open_tab("Voxrig")
    yield from widen_sidebar(80)
    taken: list[str] = []

    def show(label: str) -> None:
        panel_picture(driver.slug(label))
        taken.append(label)

    yield from driver.show_each_panel(show)
    driver.note(taken=taken)


driver.play(scenario)
