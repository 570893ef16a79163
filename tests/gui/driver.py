# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a real Blender: moves its mouse, presses its keys, finds its buttons, takes pictures, then quits.

A scenario is a generator of pauses in seconds: between two of its steps Blender draws and handles what was simulated.
``play(scenario)`` runs it on Blender's timer and writes ``result.json``; errors in a timer do not change Blender's exit
code, so the file is what the test believes. Needs ``--enable-event-simulate``.
"""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import bpy

Steps = Generator[float, None, Any]

FOLDER = Path(sys.argv[sys.argv.index("--") + 1])
PACKAGE = "bl_ext.user_default.voxrig"
PAUSE = 0.06
"""Seconds for Blender to handle one event. Less and events get lost on a busy machine."""


def note(**facts: object) -> None:
    """Add facts to ``result.json``."""
    path = FOLDER / "result.json"
    seen = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    seen.update(facts)
    path.write_text(json.dumps(seen), encoding="utf-8")


def play(scenario: Callable[[], Steps]) -> None:
    """Run a scenario to its end, note how it ended, and quit Blender."""
    bpy.context.preferences.view.show_splash = False
    bpy.context.preferences.view.show_tooltips = False
    # Blender asks before it closes with unsaved changes, and nobody is there to answer.
    bpy.context.preferences.view.use_save_prompt = False
    steps = scenario()

    def step() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            note(ended="done")
        except BaseException:
            note(ended=traceback.format_exc())
            picture("error")
        bpy.ops.wm.quit_blender()
        return None

    bpy.app.timers.register(step, first_interval=1.0, persistent=True)


def window() -> bpy.types.Window:
    return bpy.context.window_manager.windows[0]


def view_3d() -> tuple[bpy.types.Area, bpy.types.Region]:
    """Return the largest 3D View and its sidebar."""
    areas = [area for area in window().screen.areas if area.type == "VIEW_3D"]
    area = max(areas, key=lambda a: a.width * a.height)
    return area, next(region for region in area.regions if region.type == "UI")


def look_at_everything() -> None:
    """Turn the 3D View to the front of the whole scene."""
    area, _sidebar = view_3d()
    region = next(region for region in area.regions if region.type == "WINDOW")
    with bpy.context.temp_override(window=window(), area=area, region=region):
        bpy.ops.view3d.view_axis(type="FRONT")
        bpy.ops.view3d.view_all()


def open_tab(category: str) -> Steps:
    """Show the sidebar of the 3D View with one tab, wide enough to read."""
    area, region = view_3d()
    area.spaces.active.show_region_ui = True
    area.tag_redraw()
    yield 0.5
    region.active_panel_category = category
    area.tag_redraw()
    yield 0.5
    note(category=region.active_panel_category)


def move(x: int, y: int) -> Steps:
    """Move the mouse to a place in the window, counted from its lower left corner."""
    window().event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    yield PAUSE


def press(key: str, **modifiers: bool) -> Steps:
    """Press and release a key by Blender's name of it, where the mouse is."""
    x, y = _mouse
    window().event_simulate(type=key, value="PRESS", x=x, y=y, **modifiers)
    yield PAUSE
    window().event_simulate(type=key, value="RELEASE", x=x, y=y, **modifiers)
    yield PAUSE


_mouse = (0, 0)


def point(x: int, y: int) -> Steps:
    """Move the mouse in two steps, as Blender wants before it lights a button up."""
    global _mouse
    _mouse = (x, y)
    yield from move(x - 2, y)
    yield from move(x, y)


def click(x: int, y: int) -> Steps:
    """Click the left button at a place."""
    yield from point(x, y)
    yield from press("LEFTMOUSE")


def drag(place: tuple[int, int], pixels: int, meanwhile: Callable[[], None]) -> Steps:
    """Drag with the left button from a place to the right (below 0: left) in steps, and call ``meanwhile`` after each."""
    x, y = place
    yield from point(x, y)
    window().event_simulate(type="LEFTMOUSE", value="PRESS", x=x, y=y)
    yield PAUSE
    for step in range(1, 9):
        yield from move(x + pixels * step // 8, y)
        meanwhile()
    window().event_simulate(type="LEFTMOUSE", value="RELEASE", x=x + pixels, y=y)
    yield PAUSE


def write(text: str) -> Steps:
    """Type into the field that is being edited."""
    x, y = _mouse
    for character in text:
        window().event_simulate(type="A", value="PRESS", unicode=character, x=x, y=y)
        yield 0.02
        window().event_simulate(type="A", value="RELEASE", x=x, y=y)
        yield 0.02


def fill(place: tuple[int, int], text: str) -> Steps:
    """Replace what a text field holds: double-click, select all, type, Enter."""
    yield from click(*place)
    yield from press("LEFTMOUSE")
    yield 0.2
    yield from press("A", ctrl=True)
    yield from write(text)
    yield from press("RET")
    yield 0.2


def settle() -> Steps:
    """Redraw the 3D View and let its panels slide to where they belong."""
    for _ in range(2):
        view_3d()[0].tag_redraw()
        yield 0.4


def open_panels(*names: str) -> None:
    """Open the named panels for whoever sees the tab for the first time; afterwards Blender remembers what is open."""
    modules = tab_modules()
    for module in reversed(modules):
        module.unregister()
    for module in modules:
        for panel in module.CLASSES:
            if panel.__name__ in names:
                panel.bl_options = set(getattr(panel, "bl_options", ())) - {"DEFAULT_CLOSED"}
        module.register()


def tab_modules() -> list[Any]:
    """Return the modules with the tab's panels, in the order in which they are registered."""
    registration: Any = importlib.import_module(f"{PACKAGE}.registration")
    return [module for module in registration.MODULES if ".panels." in module.__name__ and hasattr(module, "CLASSES")]


def show_each_panel(show: Callable[[str], None]) -> Steps:
    """Show every panel of the tab alone and open, whatever its place, and call ``show`` with its English label.

    Those that have nothing to show in this scene are left out.
    """
    panels: list[Any] = [cls for module in tab_modules() for cls in module.CLASSES if issubclass(cls, bpy.types.Panel)]
    for panel in reversed(panels):
        bpy.utils.unregister_class(panel)
    for panel in panels:
        if hasattr(panel, "poll") and not panel.poll(bpy.context):
            continue
        parent = getattr(panel, "bl_parent_id", "")
        if parent:
            panel.bl_parent_id = ""
        panel.bl_options = set(getattr(panel, "bl_options", ())) - {"DEFAULT_CLOSED", "HIDE_HEADER"}
        bpy.utils.register_class(panel)
        yield from open_tab("Voxrig")
        yield from settle()
        show(panel.bl_label)
        bpy.utils.unregister_class(panel)
        if parent:
            panel.bl_parent_id = parent
    for panel in panels:
        bpy.utils.register_class(panel)


def slug(label: str) -> str:
    """Return the name of a panel's picture: 'Learn a Show' -> 'learn-a-show'."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")


def scan_sidebar(across: float = 0.6) -> Steps:
    """Point at every line of the open tab; returns {operator call or property path: (x, y)}, topmost first.

    Blender says what the button under the mouse is when it is asked to copy its Python command or its data path, so
    buttons are found by what they do and not by where a picture has them. ``across`` is where in the sidebar's width
    to point: by default at the values, which operators reach over too. What moves the lines asks for another scan.
    """
    yield from settle()
    area, region = view_3d()
    heights: dict[str, list[int]] = {}
    x = int(region.x + region.width * across)
    for y in range(region.y + region.height - 8, region.y + 8, -8):
        yield from move(x, y)
        name = _read_button(area, region)
        if name:
            known = heights.setdefault(name, [])
            if not known or known[-1] - y <= 8:  # of two buttons that do the same, the upper one
                known.append(y)
        elif heights and y < min(min(ys) for ys in heights.values()) - 260:
            break  # below the last panel; closed ones have no buttons
    return {name: (x, (min(ys) + max(ys)) // 2) for name, ys in heights.items()}


def _read_button(area: bpy.types.Area, region: bpy.types.Region) -> str:
    manager = bpy.context.window_manager
    with bpy.context.temp_override(window=window(), area=area, region=region):
        manager.clipboard = ""
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.ops.ui.copy_python_command_button()
        elif bpy.ops.ui.copy_data_path_button.poll():
            bpy.ops.ui.copy_data_path_button(full_path=False)
    return manager.clipboard


def scroll_sidebar(notches: int) -> Steps:
    """Turn the mouse wheel over the sidebar; below 0 goes back up."""
    _area, region = view_3d()
    yield from point(region.x + region.width // 2, region.y + region.height // 2)
    for _ in range(abs(notches)):
        yield from press("WHEELDOWNMOUSE" if notches > 0 else "WHEELUPMOUSE")
    yield 0.5


def find(buttons: dict[str, tuple[int, int]], part: str) -> tuple[int, int]:
    """Return the place of the button whose call or path contains ``part``. Raises LookupError with all places."""
    for name, place in buttons.items():
        if part in name:
            return place
    raise LookupError(f"no button '{part}' among {sorted(buttons)}")


def press_button(part: str, across: float = 0.6) -> Steps:
    """Find the button whose call or path contains ``part``, make sure that the mouse is on it, and click it."""
    for _attempt in range(3):
        buttons = yield from scan_sidebar(across)
        place = find(buttons, part)
        yield from point(*place)
        if part in _read_button(*view_3d()):
            yield from press("LEFTMOUSE")
            return
    raise LookupError(f"'{part}' does not stay in one place")


def open_redo_panel() -> Steps:
    """Unfold the Redo panel in the lower left corner of the 3D View by a click on its header; returns its region."""
    area, _sidebar = view_3d()
    area.tag_redraw()
    yield 0.5
    region = next(region for region in area.regions if region.type == "HUD")
    if region.height < 60:
        yield from click(region.x + 40, region.y + region.height - 16)
        yield 0.8
    return region


def redo_place(region: bpy.types.Region, row: int) -> tuple[int, int]:
    """Return the place of a value in a row of the Redo panel. An operator's properties have no data path to find them by."""
    return int(region.x + 0.7 * region.width), int(region.y + region.height - 44 - 23 * row)


def curve_bags(action: Any) -> list[Any]:
    """Return the holders of F-Curves of an Action, in any Blender."""
    if hasattr(action, "layers"):
        return [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]
    return [action]


def read_curves(control: str) -> list[list[object]]:
    """Return path, frame and value of every key on the F-Curves whose path contains ``control``."""
    bags = [bag for action in bpy.data.actions for bag in curve_bags(action)]
    return sorted(
        [fcurve.data_path, round(key.co[0], 3), round(key.co[1], 5)]
        for bag in bags
        for fcurve in bag.fcurves
        if control in fcurve.data_path
        for key in fcurve.keyframe_points
    )


def count_keys() -> int:
    """Count the keyframes of all F-Curves in the file."""
    bags = [bag for action in bpy.data.actions for bag in curve_bags(action)]
    return sum(len(fcurve.keyframe_points) for bag in bags for fcurve in bag.fcurves)


def wait_until(check: Callable[[], bool], seconds: float) -> Steps:
    """Wait for something to become true. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(f"{check} did not come true in {seconds} s")
        yield 0.1


def picture(name: str) -> Path:
    """Take a picture of the whole screen (Blender's own screenshots are black on a virtual screen)."""
    path = FOLDER / f"{name}.png"
    subprocess.run(["import", "-window", "root", str(path)], check=False, timeout=60)
    return path
