# SPDX-License-Identifier: GPL-3.0-or-later
"""Emotion presets: mixes of the emotion sliders, bundled or saved by the user, for all of the user's files."""

# pyright: reportInvalidTypeForm=false

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bpy

from ..animation.face.emotions import EmotionPreset, bundled_emotion_presets, preset_from_json, preset_to_json
from ..blender.registering import make_registration
from ..errors import VoxrigError
from ..properties.access import PACKAGE, scene_settings
from ..properties.models import offer_emotions, shown_emotions
from ..properties.session import session
from ..storage.reading import read_text
from ..storage.writing import write_whole
from .base import VoxrigOperator


def emotion_presets() -> dict[str, EmotionPreset]:
    """Return all presets by name: the bundled ones, then the user's, which may replace them."""
    return {preset.name: preset for preset in (*bundled_emotion_presets(), *own_emotion_presets())}


def own_emotion_presets() -> list[EmotionPreset]:
    """Return the presets saved by the user, without damaged files."""
    return [preset for _file, preset in _own_files()]


def _own_files() -> list[tuple[Path, EmotionPreset]]:
    found: list[tuple[Path, EmotionPreset]] = []
    for file in sorted(_user_folder().glob("*.json")):
        try:
            found.append((file, preset_from_json(read_text(file))))
        except (VoxrigError, OSError):
            continue
    return found


def find_emotion_preset(name: str) -> EmotionPreset:
    """Find a preset by its name. Raises VoxrigError."""
    presets = emotion_presets()
    if name not in presets:
        raise VoxrigError(f"There is no emotion preset '{name}'; there are: {', '.join(presets)}")
    return presets[name]


def apply_emotion_preset(scene: bpy.types.Scene, name: str) -> None:
    """Set the emotion sliders of a scene to a preset; emotions that it lacks go to 0. The chosen take follows.

    Sliders with keyframes keep them, and these take effect again at the next frame. Raises VoxrigError, changing nothing, for
    an unknown preset and one without any emotion of the scene's model.
    """
    preset = find_emotion_preset(name)
    settings = scene_settings(scene)
    offer_emotions(settings)
    sliders = shown_emotions(settings)
    if not any(slider.name in preset.weights for slider in sliders):
        raise VoxrigError(
            f"The model has none of the emotions of '{name}' ({', '.join(preset.weights)}); choose another preset"
        )
    set_emotions(scene, preset.weights)


def set_emotions(scene: bpy.types.Scene, weights: Mapping[str, float]) -> None:
    """Set the emotion sliders of a scene, those without a weight to 0. The chosen take follows."""
    settings = scene_settings(scene)
    offer_emotions(settings)
    with session.hooks_paused():
        for slider in shown_emotions(settings):
            slider.weight = weights.get(slider.name, 0.0)
    if session.on_emotion is not None:
        session.on_emotion(scene)


def save_emotion_preset(scene: bpy.types.Scene, name: str) -> EmotionPreset:
    """Save the emotion sliders of a scene, those above 0, for this and all other files. Raises VoxrigError.

    An older preset of the user's with that name is replaced; a bundled one is hidden until this one is removed.
    """
    weights = {slider.name: round(slider.weight, 4) for slider in shown_emotions(scene_settings(scene)) if slider.weight > 0.0}
    if not weights:
        raise VoxrigError("All emotions are at 0; move a slider before you save the mix")
    return store_emotion_preset(name, weights)


def store_emotion_preset(name: str, weights: Mapping[str, float]) -> EmotionPreset:
    """Save a mix under a name, as ``save_emotion_preset`` does. Raises VoxrigError."""
    name = name.strip()
    if not name:
        raise VoxrigError("The emotion preset has no name; give it one")
    preset = EmotionPreset(name, weights)
    try:
        write_whole(_user_folder(create=True) / _file_name(name), preset_to_json(preset))
    except OSError as error:
        raise VoxrigError(f"The emotion preset cannot be saved ({error.strerror}); check Blender's user folder") from None
    return preset


def remove_emotion_preset(name: str) -> None:
    """Remove a preset saved by the user. Raises VoxrigError for a bundled or missing one."""
    for file, preset in _own_files():
        if preset.name == name:
            file.unlink()
            return
    find_emotion_preset(name)
    raise VoxrigError(f"The emotion preset '{name}' ships with Voxrig and cannot be removed")


def _user_folder(*, create: bool = False) -> Path:
    """Return the folder of the user's presets, which outlives files and updates of the extension."""
    if PACKAGE.startswith("bl_ext."):
        return Path(bpy.utils.extension_path_user(PACKAGE, path="emotions", create=create))
    # Not installed as an extension: run from a checkout.
    return Path(bpy.utils.user_resource("DATAFILES", path="voxrig/emotions", create=create))


def _file_name(name: str) -> str:
    """Return a name that every file system accepts; a hash preserves the differences between names."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]
    return f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:6]}.json"


# Blender keeps no reference to the texts of a dynamic enum, so they must stay alive here.
_items: dict[str, list[tuple[str, str, str]]] = {}


def _list_all(_operator: Any, _context: Any) -> list[tuple[str, str, str]]:
    return _remember("all", list(emotion_presets().values()))


def _list_own(_operator: Any, _context: Any) -> list[tuple[str, str, str]]:
    return _remember("own", own_emotion_presets())


def _remember(which: str, presets: list[EmotionPreset]) -> list[tuple[str, str, str]]:
    _items[which] = [
        (preset.name, preset.name, ", ".join(f"{name} {weight:g}" for name, weight in preset.weights.items()))
        for preset in presets
    ]
    return _items[which]


class VOXRIG_OT_apply_emotion_preset(VoxrigOperator):
    """Set the emotion sliders to a saved mix. The chosen take follows"""

    bl_idname = "voxrig.apply_emotion_preset"
    bl_label = "Apply Emotion Preset"
    bl_options = {"REGISTER", "UNDO"}

    preset: bpy.props.EnumProperty(name="Preset", description="The mix to set", items=_list_all, options={"SKIP_SAVE"})

    def run(self, context: Any) -> None:
        """Apply the preset."""
        apply_emotion_preset(context.scene, self.preset)


class VOXRIG_OT_save_emotion_preset(VoxrigOperator):
    """Save the mix of the emotion sliders under a name, for this and all other files"""

    bl_idname = "voxrig.save_emotion_preset"
    bl_label = "Save Emotion Preset"
    bl_options = {"REGISTER"}

    preset: bpy.props.StringProperty(name="Name", description="What to call the mix", options={"SKIP_SAVE"})

    def invoke(self, context: Any, event: bpy.types.Event) -> Any:
        """Ask for the name."""
        return context.window_manager.invoke_props_dialog(self)

    def run(self, context: Any) -> None:
        """Save the preset."""
        preset = save_emotion_preset(context.scene, self.preset)
        self.report({"INFO"}, f"Emotion preset '{preset.name}' saved")


class VOXRIG_OT_remove_emotion_preset(VoxrigOperator):
    """Remove a mix that you saved. Those that come with Voxrig stay"""

    bl_idname = "voxrig.remove_emotion_preset"
    bl_label = "Remove Emotion Preset"
    bl_options = {"REGISTER"}

    preset: bpy.props.EnumProperty(name="Preset", description="The mix to remove", items=_list_own, options={"SKIP_SAVE"})

    def run(self, context: Any) -> None:
        """Remove the preset."""
        remove_emotion_preset(self.preset)
        self.report({"INFO"}, f"Emotion preset '{self.preset}' removed")


CLASSES = (VOXRIG_OT_apply_emotion_preset, VOXRIG_OT_save_emotion_preset, VOXRIG_OT_remove_emotion_preset)
register, unregister = make_registration(CLASSES)
