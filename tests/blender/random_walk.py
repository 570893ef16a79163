# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist who does anything in any order, for as many steps as one likes: no key of theirs may be lost.

    python tests/blender/random_walk.py --seed 1 --steps 5000

A step is an operator of Voxrig's, an edit by hand, an undo or redo, a save and reload or a renaming. What is the artist's is
remembered here by hand, not by asking Voxrig. After each step every key of theirs must be where it was, byte for byte, or,
where another take was shown, be kept beneath that; and Voxrig must know it for theirs. The first loss ends the walk with its
seed, its step and all that was done in that file.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np

CHANNELS = ("jawOpen", "mouthPucker", "browInnerUp")
LAST_FRAME = 49
STEPS_IN_A_FILE = 60
KEY_TYPES = ("KEYFRAME", "BREAKDOWN", "EXTREME", "MOVING_HOLD", "JITTER")
INTERPOLATIONS = ("CONSTANT", "LINEAR", "BEZIER", "ELASTIC", "BACK")
HANDLE_TYPES = ("FREE", "ALIGNED", "VECTOR", "AUTO", "AUTO_CLAMPED")

# An F-Curve: its Action, the slot in it, data path and index. A key: its F-Curve and frame.
CurveName = tuple[str, int, str, int]
KeyName = tuple[CurveName, float]
# A key beneath a take: its Action, what its F-Curve is for, and the key.
Covered = tuple[str, str, bytes]


class Loss(AssertionError):
    """A key of the artist's is gone, changed or not known for theirs."""


def all_curves() -> dict[CurveName, Any]:
    """Return every F-Curve of the file."""
    from voxrig.blender import compat

    found: dict[CurveName, Any] = {}
    for action in bpy.data.actions:
        for slot in [slot.handle for slot in action.slots] if compat.has_slots() else [0]:
            for curve in compat.curves_at(compat.Place(action, slot)) or ():
                found[action.name, slot, curve.data_path, curve.array_index] = curve
    return found


def keys_of(curve: Any) -> dict[float, bytes]:
    """Return all that Blender stores of the keys of an F-Curve, except for selection, by frame."""
    from voxrig.blender import actions

    keys = actions.read_keys(curve)
    for name in ("select_control_point", "select_left_handle", "select_right_handle"):
        keys[name] = False
    return dict(zip(keys["co"][:, 0].tolist(), (key.tobytes() for key in keys)))


def all_keys() -> dict[KeyName, bytes]:
    return {(name, frame): key for name, curve in all_curves().items() for frame, key in keys_of(curve).items()}


def covered_keys(actions: Any = None) -> Counter[Covered]:
    """Return the keys that are kept beneath takes, in all Actions or those given."""
    from voxrig.animation.keys.stack import unpack_keys

    found: Counter[Covered] = Counter()
    for action in bpy.data.actions if actions is None else actions:
        for entry in action.voxrig.generated:
            for held in entry.holds:
                keys = unpack_keys(held.keys)
                for name in ("select_control_point", "select_left_handle", "select_right_handle"):
                    keys[name] = False
                found.update((action.name, control_of(entry.name), key.tobytes()) for key in keys)
    return found


def control_of(path: str) -> str:
    """Return the control that a data path is for, whatever it was renamed to."""
    return next((channel for channel in CHANNELS if channel in path), "bone")


def is_alike(one: Any, other: Any, *, was_moved: bool = False) -> bool:
    """Return whether a key is the same as it was made, but for the rounding of being moved there and back.

    Before it ``was_moved``, Blender may have shortened its handles, where a key was inserted beside it.
    """
    exact = ("interpolation", "easing", "handle_left_type", "handle_right_type", "type", "amplitude", "back", "period")
    if not all(one[name] == other[name] for name in exact) or not np.allclose(one["co"], other["co"], rtol=0.0, atol=2e-4):
        return False
    for side in ("handle_left", "handle_right"):
        now, then = one[side] - one["co"], other[side] - other["co"]
        share = min(now[0] / then[0], 1.0) if was_moved and then[0] else 1.0
        if not np.allclose(now, share * then, rtol=0.0, atol=2e-4):
            return False
    return True


class Walk:
    """One artist at work.

    ``theirs`` are the keys that they made or changed and that lie in F-Curves, ``covered`` those that lie beneath a take. Of
    the generated keys ``looked_at`` after every step, Voxrig took ``spurious`` ones for edited: kept too long, not lost.
    """

    def __init__(self, seed: int, voice: Path, model_folder: Path, folder: Path) -> None:
        self.random = random.Random(seed)
        self.voice, self.model_folder, self.folder = voice, model_folder, folder
        self.counts: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.spurious = self.looked_at = 0
        self.log: list[str] = []
        # Generated keys as they were written, by what they are for and their mark: one that is moved away and back is theirs
        # no longer.
        self.made: dict[tuple[str, float], set[bytes]] = {}
        self.known: dict[CurveName, tuple[bytes, str, list[bool]]] = {}
        self.new_file()

    # The file

    def new_file(self) -> None:
        """Make a file with a face and a bone, animated once."""
        from voxrig.animation.rig.mapping import Link, Mapping, Target
        from voxrig.properties.links import store_mapping

        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        scene = bpy.context.scene
        scene.render.fps = 24
        mesh = bpy.data.meshes.new("Face")
        mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
        face = bpy.data.objects.new("Face", mesh)
        scene.collection.objects.link(face)
        face.shape_key_add(name="Basis")
        for name in CHANNELS:
            face.shape_key_add(name=name, from_mix=False).data[2].co.z = 1.0
        rig = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
        scene.collection.objects.link(rig)
        bpy.context.view_layer.objects.active = rig
        bpy.ops.object.mode_set(mode="EDIT")
        rig.data.edit_bones.new("jaw").tail = (0, 0, 1)
        bpy.ops.object.mode_set(mode="OBJECT")
        rig.pose.bones["jaw"].rotation_mode = "XYZ"
        keys = mesh.shape_keys.name_full
        links = [Link(name, Target("KEY", keys, f'key_blocks["{name}"].value')) for name in CHANNELS]
        links.append(Link("jawOpen", Target("OBJECT", "Rig", 'pose.bones["jaw"].rotation_euler', 0), 0.5))
        store_mapping(face, Mapping(tuple(links)))
        chosen = scene.voxrig
        chosen.character, chosen.sound_file = face, str(self.voice)
        chosen.model, chosen.model_folder, chosen.live_update = "FOLDER", str(self.model_folder), False
        self.theirs: dict[KeyName, bytes] = {}
        self.covered: Counter[Covered] = Counter()
        self.log = []
        self.names: dict[str, str] = {}
        self.history: list[tuple[dict[KeyName, bytes], Counter[Covered], dict[str, str]]] = []
        self.now = -1
        bpy.ops.ed.undo_push(message="Start")
        self.ours(bpy.ops.voxrig.animate_from_audio)
        self.done()

    @property
    def face(self) -> Any:
        return bpy.context.scene.voxrig.character

    def done(self) -> None:
        """Push an undo step, as for everything that one does in the window."""
        bpy.ops.ed.undo_push(message="Step")
        del self.history[self.now + 1 :]
        self.history.append((dict(self.theirs), self.covered.copy(), dict(self.names)))
        self.now = len(self.history) - 1

    def remember_made(self) -> None:
        """After Voxrig has written: what is not theirs was generated."""
        from voxrig.animation.keys.stack import KEY

        for (name, frame), content in all_keys().items():
            if (name, frame) not in self.theirs and not self.covered[name[0], control_of(name[2]), content]:
                mark = float(np.frombuffer(content, KEY)[0]["amplitude"])
                self.made.setdefault((control_of(name[2]), mark), set()).add(content)

    def is_as_made(self, name: CurveName, content: bytes, was_moved: bool) -> bool:
        from voxrig.animation.keys.stack import KEY

        key = np.frombuffer(content, KEY)[0]
        made = self.made.get((control_of(name[2]), float(key["amplitude"])), ())
        return any(is_alike(key, np.frombuffer(other, KEY)[0], was_moved=was_moved) for other in made)

    # Checks

    def check(self) -> None:
        """Check that all of the artist's keys are there and known as theirs."""
        from voxrig.blender import compat, ledger
        from voxrig.blender.takes import FoundCurve, read_present

        present = all_keys()
        for key, content in self.theirs.items():
            if present.get(key) != content:
                raise Loss(f"{key} is {'changed' if key in present else 'gone'}")
        missing = self.covered - covered_keys()
        if missing:
            raise Loss(f"{missing.total()} covered keys are gone")
        for name, curve in all_curves().items():
            place = compat.Place(bpy.data.actions[name[0]], name[1])
            entry = ledger.entries_at(place).get(name[2:])
            frames = [frame for on, frame in present if on == name]
            content = b"".join(present[name, frame] for frame in frames)
            remembered = entry.keys if entry is not None else ""
            # Asking Voxrig takes longest; what is as it was at the last step has the same answer.
            if self.known.get(name, ())[:2] != (content, remembered):
                flags = read_present(FoundCurve(curve, entry)).is_artists.tolist()
                self.known[name] = content, remembered, flags
            for frame, is_artists in zip(frames, self.known[name][2], strict=True):
                if (name, frame) in self.theirs and not is_artists:
                    raise Loss(f"{name} {frame} is taken for generated")
                if entry is not None and (name, frame) not in self.theirs:
                    self.looked_at += 1
                    self.spurious += is_artists

    def ours(self, call: Callable[[], Any]) -> bool:
        """Let Voxrig work; answers whether it did or refused."""
        before = all_keys()
        try:
            call()
        except RuntimeError as error:
            self.refused[str(error).strip().splitlines()[0].removeprefix("Error: ")[:60]] += 1
            if all_keys() != before:
                raise Loss(f"refused, yet keys have changed: {error}") from None
            return False
        self.remember_made()
        return True

    # What Voxrig does

    def animate(self) -> str:
        chosen = bpy.context.scene.voxrig
        kinds = [
            "ACTION",
            "ACTION",
            "STRIP",
            "LAYER",
            "NEW_ACTION",
            *(["NEW_SLOT"] if hasattr(bpy.types, "ActionSlot") else []),
        ]
        chosen.output = self.random.choice(kinds)
        chosen.output_blend = self.random.choice([0.0, 5.0])
        chosen.strength = self.random.choice([0.3, 1.0, 1.7])
        chosen.keys = self.random.choice(["SPARSE", "SPARSE", "EVERY", "STEP", "POSES"])
        chosen.density = self.random.randint(1, 7)
        did = chosen.output
        self.ours(bpy.ops.voxrig.animate_from_audio)
        chosen.output = "ACTION"
        return did

    def show(self, take: str) -> bool:
        """Compare a take; what is theirs goes beneath it where it covers that, and what it covered of theirs comes back."""
        if not self.ours(lambda: bpy.ops.voxrig.compare_take(take=take)):
            return False
        present = all_keys()
        gone = [key for key, content in self.theirs.items() if present.get(key) != content]
        for key in gone:
            self.covered[key[0][0], control_of(key[0][2]), self.theirs.pop(key)] += 1
        back = self.covered - covered_keys()
        for key, content in present.items():
            beneath = key[0][0], control_of(key[0][2]), content
            if back[beneath] > 0 and key not in self.theirs:
                back[beneath] -= 1
                self.covered[beneath] -= 1
                self.theirs[key] = content
        self.covered = +self.covered
        return True

    def choose_take(self) -> bool:
        takes = self.face.voxrig.takes
        return len(takes) > 0 and self.show(self.random.choice(takes).name)

    def compare(self) -> str:
        for _ in range(self.random.randint(1, 3)):
            self.choose_take()
        return ""

    def update(self) -> str:
        if self.choose_take():
            self.ours(bpy.ops.voxrig.update_take)
        return ""

    def retake(self) -> str:
        chosen = bpy.context.scene.voxrig
        chosen.retake_first = self.random.randint(-3, 55)
        chosen.retake_last = chosen.retake_first + self.random.randint(0, 60)
        chosen.retake_regions = set(self.random.sample(["JAW", "LIPS", "BROWS"], self.random.randint(0, 2)))
        chosen.retake_fade = self.random.choice([0.0, 1.0, 4.0, 20.0])
        chosen.strength = self.random.choice([0.0, 0.5, 1.0, 2.0])
        chosen.density = self.random.randint(1, 7)
        if self.choose_take():
            self.ours(bpy.ops.voxrig.retake)
        return f"{chosen.retake_first} to {chosen.retake_last}"

    def slide(self) -> str:
        chosen = bpy.context.scene.voxrig
        if not self.choose_take():
            return "nothing"
        chosen.live_update = True
        for _ in range(self.random.randint(1, 3)):
            name, value = self.random.choice(
                [("strength", self.random.uniform(0, 2)), ("smoothing", self.random.uniform(0, 0.1))]
            )
            self.ours(lambda name=name, value=value: setattr(chosen, name, value))
        chosen.live_update = False
        return ""

    def select_edited(self) -> str:
        self.ours(bpy.ops.voxrig.select_edited_keys)
        return ""

    # What the artist does

    def pick(self) -> tuple[CurveName, Any] | None:
        curves = [
            (name, curve) for name, curve in all_curves().items() if len(curve.keyframe_points) and name[0] != "Voxrig Rest"
        ]
        return self.random.choice(sorted(curves, key=lambda item: item[0])) if curves else None

    def edit(self, change: Callable[[CurveName, Any], dict[float, float | None]]) -> str:
        """Let ``change`` edit one F-Curve and say which keys it edited: their former frames (or of a new key its own) and the
        present ones, None where a key was deleted. Blender may adjust handles of other keys on the curve by itself."""
        picked = self.pick()
        if picked is None:
            return "nothing"
        name, curve = picked
        mine = {frame for (on, frame) in self.theirs if on == name}
        edited = change(name, curve)
        if not edited:
            return "nothing"
        all_curves()[name].update()
        after = keys_of(all_curves()[name])
        for frame in mine:
            self.theirs.pop((name, frame))
        kept = (mine - edited.keys()) | {frame for frame in edited.values() if frame is not None}
        moved = {new for old, new in edited.items() if new is not None and new != old}
        for frame in kept:
            if frame not in after:
                raise RuntimeError(f"the walk has lost {frame} of {name} itself")
            if not self.is_as_made(name, after[frame], frame in moved):
                self.theirs[name, frame] = after[frame]
        return f"{name[2]} of {name[0]}: {edited if len(edited) < 4 else len(edited)}"

    def insert(self) -> str:
        def change(_name: CurveName, curve: Any) -> dict[float, float | None]:
            frame = self.random.choice([float(self.random.randint(-5, 60)), self.random.uniform(1, LAST_FRAME)])
            frame = float(np.float32(frame))
            near = [key for key in curve.keyframe_points if 0 < abs(key.co[0] - frame) < 0.03]
            on = next((key for key in curve.keyframe_points if key.co[0] == frame), None)
            value = self.random.uniform(0, 1)
            if near or (on is not None and abs(on.co[1] - value) < 1e-3):
                return {}
            key = curve.keyframe_points.insert(frame, value, keyframe_type=self.random.choice(KEY_TYPES))
            return {frame: float(key.co[0])}

        return self.edit(change)

    def move(self) -> str:
        def change(_name: CurveName, curve: Any) -> dict[float, float | None]:
            key = self.random.choice(curve.keyframe_points)
            old = float(key.co[0])
            new = float(np.float32(old + self.random.choice([-7.0, -0.4, -0.02, 0.0, 0.02, 0.3, 1.0, 5.0])))
            value = self.random.choice([float(key.co[1]), self.random.uniform(0, 1)])
            others = np.array([other.co[0] for other in curve.keyframe_points if other.co[0] != old])
            if (abs(new - old) < 0.01 and abs(value - key.co[1]) < 1e-3) or np.abs(others - new).min(initial=1.0) < 0.02:
                return {}
            key.co_ui = (new, value)
            return {old: float(key.co[0])}

        return self.edit(change)

    def handle(self) -> str:
        def change(_name: CurveName, curve: Any) -> dict[float, float | None]:
            key = self.random.choice(curve.keyframe_points)
            side = self.random.choice(["handle_left", "handle_right"])
            x, y = getattr(key, side)[0] - key.co[0], getattr(key, side)[1] - key.co[1]
            frees = self.random.random() < 0.3
            if abs(x) < 0.05 or not (frees or getattr(key, f"{side}_type") in ("FREE", "ALIGNED")):
                return {}
            if frees:
                key.handle_left_type = key.handle_right_type = "FREE"
            by = self.random.choice([0.3, 0.7, 0.95, 1.1, 1.5])
            turn = self.random.choice([0.0, 0.0, -0.2, 0.05, 0.3])
            setattr(key, side, (key.co[0] + by * x, key.co[1] + by * y + turn))
            return {float(key.co[0]): float(key.co[0])}

        return self.edit(change)

    def retype(self) -> str:
        def change(_name: CurveName, curve: Any) -> dict[float, float | None]:
            key = self.random.choice(curve.keyframe_points)
            name, values = self.random.choice(
                [
                    ("interpolation", INTERPOLATIONS),
                    ("easing", ("EASE_IN", "EASE_OUT", "EASE_IN_OUT")),
                    ("handle_left_type", HANDLE_TYPES),
                    ("handle_right_type", HANDLE_TYPES),
                    ("type", KEY_TYPES),
                    ("back", (0.5, 2.5)),
                    ("amplitude", (0.3, 1.2)),
                    ("period", (2.0, 6.0)),
                ]
            )
            value = self.random.choice(values)
            if getattr(key, name) == value:
                return {}
            setattr(key, name, value)
            return {float(key.co[0]): float(key.co[0])}

        return self.edit(change)

    def nudge(self) -> str:
        """Return all keys of a curve, or those of a stretch, in time; the frames of some then equal those of generated keys."""

        def change(_name: CurveName, curve: Any) -> dict[float, float | None]:
            by = self.random.choice([-1.0, 1.0, 2.0, 0.5])
            first = self.random.choice([-1000.0, self.random.uniform(1, LAST_FRAME)])
            keys = [key for key in curve.keyframe_points if key.co[0] >= first] if by > 0 else list(curve.keyframe_points)
            moved: dict[float, float | None] = {}
            for key in keys:
                old = float(key.co[0])
                key.co[0] += by
                key.handle_left[0] += by
                key.handle_right[0] += by
                moved[old] = float(key.co[0])
            return moved

        return self.edit(change)

    def scale(self) -> str:
        def change(_name: CurveName, curve: Any) -> dict[float, float | None]:
            by = self.random.choice([0.9, 1.05])
            scaled: dict[float, float | None] = {}
            for key in curve.keyframe_points:
                if abs(key.co[1]) * abs(by - 1.0) < 1e-3:
                    continue
                for point in (key.handle_left, key.co, key.handle_right):
                    point[1] *= by
                scaled[float(key.co[0])] = float(key.co[0])
            return scaled

        return self.edit(change)

    def delete(self) -> str:
        def change(name: CurveName, curve: Any) -> dict[float, float | None]:
            mine = sorted(frame for (on, frame) in self.theirs if on == name)
            frames = mine if mine and self.random.random() < 0.7 else [float(key.co[0]) for key in curve.keyframe_points]
            gone: dict[float, float | None] = {}
            for frame in self.random.sample(frames, min(len(frames), self.random.choice([1, 1, 5, 100]))):
                if len(curve.keyframe_points) > 1:
                    curve.keyframe_points.remove(next(key for key in curve.keyframe_points if key.co[0] == frame))
                    gone[frame] = None
            return gone

        return self.edit(change)

    def paste(self) -> str:
        """Return a copy of a key with all that belongs to it, as Blender pastes one: elsewhere on its curve or on another."""
        source = self.pick()
        if source is None:
            return "nothing"
        key = self.random.choice(source[1].keyframe_points)
        names = ("interpolation", "easing", "back", "amplitude", "period", "type", "handle_left_type", "handle_right_type")
        copied = {name: getattr(key, name) for name in names}
        co, left, right = (tuple(point) for point in (key.co, key.handle_left, key.handle_right))

        def change(_name: CurveName, curve: Any) -> dict[float, float | None]:
            frame = float(np.float32(co[0] + self.random.choice([-10.0, -1.0, 0.0, 1.0, 3.0, 0.5])))
            if any(abs(other.co[0] - frame) < 0.03 for other in curve.keyframe_points):
                return {}
            made = curve.keyframe_points.insert(frame, co[1])
            for name, value in copied.items():
                setattr(made, name, value)
            made.handle_left = (left[0] + frame - co[0], left[1])
            made.handle_right = (right[0] + frame - co[0], right[1])
            return {frame: float(made.co[0])}

        return self.edit(change)

    # What happens to the file

    def undo(self) -> str:
        if self.now <= 0:
            return "nothing"
        back = self.random.randint(1, min(3, self.now))
        for _ in range(back):
            bpy.ops.ed.undo()
        again = self.random.choice([0, self.random.randint(0, back)])
        for _ in range(again):
            bpy.ops.ed.redo()
        self.now += again - back
        self.recall()
        return f"{back} and redo {again}"

    def recall(self) -> None:
        theirs, covered, names = self.history[self.now]
        self.theirs, self.covered, self.names = dict(theirs), covered.copy(), dict(names)

    def save_and_reload(self) -> str:
        path = str(self.folder / "walk.blend")
        # Blender does not save Actions that nothing uses: what lies in them is gone by Blender's own rule.
        saved = [action for action in bpy.data.actions if action.users]
        names = {action.name for action in saved}
        self.theirs = {key: content for key, content in self.theirs.items() if key[0][0] in names}
        self.covered &= covered_keys(saved)
        bpy.ops.wm.save_as_mainfile(filepath=path, compress=False)
        bpy.ops.wm.open_mainfile(filepath=path)
        self.history, self.now = [], -1
        return ""

    def rename(self) -> str:
        """Rename something, and repair the mapping half of the time. Until then Voxrig refuses what is gone from it."""
        told = self.rename_something()
        if told != "nothing" and self.random.random() < 0.5:
            told += ", repaired" if self.ours(bpy.ops.voxrig.repair_links) else ", not repaired"
        return told

    def rename_something(self) -> str:
        what = self.random.choice(["action", "face", "mesh", "key", "bone", "rig", "block"])
        number = self.random.randint(1, 9)
        if what == "action":
            action = self.random.choice(sorted(bpy.data.actions, key=lambda item: item.name))
            if action.name == "Voxrig Rest":
                return "nothing"
            former = action.name
            action.name = f"Renamed {number}"
            self.theirs = {
                ((action.name if name[0] == former else name[0], *name[1:]), frame): content
                for (name, frame), content in self.theirs.items()
            }
            self.covered = Counter(
                {
                    (action.name if name == former else name, control, content): count
                    for (name, control, content), count in self.covered.items()
                }
            )
            return f"{former} -> {action.name}"
        if what in ("face", "mesh", "block", "rig"):
            blocks = {"face": self.face, "mesh": self.face.data, "block": self.face.data.shape_keys}
            block = blocks.get(what) or next(item for item in bpy.data.objects if item.type == "ARMATURE")
            # Renaming what a mapping points to is taken back half of the time.
            original = {"face": "Face", "mesh": "Face", "block": "Key", "rig": "Rig"}[what]
            block.name = original if block.name != original else f"{what} {number}"
            return block.name
        if what == "key":
            blocks = self.face.data.shape_keys.key_blocks
            index = self.random.randint(1, len(CHANNELS))
            former, original = blocks[index].name, CHANNELS[index - 1]
            blocks[index].name = original if former != original else f"{original} {number}"
            self.follow_paths(f'key_blocks["{former}"]', f'key_blocks["{blocks[index].name}"]')
            return f"{former} -> {blocks[index].name}"
        rig = next(item for item in bpy.data.objects if item.type == "ARMATURE")
        bone = rig.data.bones[0]
        former = bone.name
        bone.name = "jaw" if former != "jaw" else f"jaw {number}"
        self.follow_paths(f'pose.bones["{former}"]', f'pose.bones["{bone.name}"]')
        return f"{former} -> {bone.name}"

    def follow_paths(self, former: str, new: str) -> None:
        """Follow Blender's renaming of the paths of played F-Curves; the artist's keys are where they are now."""
        present = all_keys()
        followed: dict[KeyName, bytes] = {}
        for (name, frame), content in self.theirs.items():
            renamed = (name[0], name[1], name[2].replace(former, new), name[3])
            is_there = present.get((renamed, frame)) == content and (name, frame) not in present
            followed[renamed if is_there else name, frame] = content
        self.theirs = followed

    # Steps

    OURS = {"animate": 5, "compare": 4, "update": 6, "retake": 7, "slide": 4, "select_edited": 1}
    THEIRS = {"insert": 8, "move": 10, "handle": 10, "retype": 8, "nudge": 2, "scale": 1, "delete": 8, "paste": 8}
    FILE = {"undo": 5, "save_and_reload": 2, "rename": 3}

    def step(self) -> None:
        """Take one step and check the file. Raises Loss."""
        weights = {**self.OURS, **self.THEIRS, **self.FILE}
        name = self.random.choices(list(weights), list(weights.values()))[0]
        told = getattr(self, name)()
        self.log.append(f"{name} {told}".strip())
        self.counts[name if told != "nothing" else "nothing"] += 1
        self.check()
        if name != "undo" or self.now < 0:
            self.done()


def walk(seed: int, steps: int, voice: Path, model_folder: Path, folder: Path, say: Callable[[str], object]) -> Walk:
    """Take so many steps, in a new file every so often. Raises Loss, with the steps that led there."""
    artist = Walk(seed, voice, model_folder, folder)
    began = time.monotonic()
    for number in range(1, steps + 1):
        if number % STEPS_IN_A_FILE == 0:
            artist.new_file()
        try:
            artist.step()
        except Exception as error:
            steps_told = "\n  ".join(artist.log)
            raise Loss(f"seed {seed}, step {number}: {error!r}; in this file:\n  {steps_told}") from error
        if number % 500 == 0:
            share = artist.spurious / max(artist.looked_at, 1)
            say(
                f"{number} steps, {time.monotonic() - began:.0f} s, {sum(artist.refused.values())} refused, "
                f"{100 * share:.2f} % of generated keys taken for edited"
            )
    return artist


def main() -> None:
    """Walk from the command line."""
    root = Path(__file__).resolve().parents[2]
    sys.path[:0] = [str(root / "tests"), str(root / "tests" / "unit")]
    import conftest  # noqa: F401  # makes this checkout the package 'voxrig'
    import model_packages
    import soundfile
    import voxrig

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the first walk (default: 1)")
    parser.add_argument("--steps", type=int, default=1000, help="steps of each walk (default: 1000)")
    parser.add_argument("--walks", type=int, default=1, help="walks, each with the next seed (default: 1)")
    options = parser.parse_args()
    voxrig.register()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        soundfile.write(folder / "voice.wav", model_packages.noise(2.0), model_packages.SAMPLE_RATE)
        model_folder = model_packages.write_package(folder / "small")
        for seed in itertools.islice(itertools.count(options.seed), options.walks):
            artist = walk(seed, options.steps, folder / "voice.wav", model_folder, folder, lambda line: print(line, flush=True))
            print(f"seed {seed}: {options.steps} steps without a loss: {dict(artist.counts)}", flush=True)
            print(f"refused: {dict(artist.refused)}", flush=True)


if __name__ == "__main__":
    main()
    from voxrig.blender.ending import end_process

    end_process(0)
