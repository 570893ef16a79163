# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose and animate a character, by the panel's settings and by the function behind the button."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def choose(scene: Any, character: Any, voice: Path, model_folder: Path) -> Any:
    """Fill in the panel. Life is off, because it has tests of its own."""
    scene.voxrig.life = 0.0
    scene.voxrig.character = character
    scene.voxrig.sound_file = str(voice)
    scene.voxrig.model = "FOLDER"
    scene.voxrig.model_folder = str(model_folder)
    return scene.voxrig


def animate(scene: Any, character: Any, voice: Path, model_folder: Path, *, start_frame: float = 1.0, **settings: Any) -> Any:
    """Call the function behind the button. Life is off by default, because it has tests of its own."""
    from voxrig.operators.animate import animate_character
    from voxrig.takes.record import SoundFile
    from voxrig.takes.settings import TakeSettings

    sound = SoundFile(str(voice), start_frame)
    return animate_character(
        scene, character, sound, model_folder, TakeSettings(**{"provider": "CPU", "life": 0.0, **settings})
    )


def model_values(voice: Path, model_folder: Path) -> Any:
    """Return the model's own output, at its own frame rate."""
    from voxrig.inference.audio import read_sound
    from voxrig.inference.generate import generate_curves
    from voxrig.inference.package import load_package
    from voxrig.inference.session import open_session

    package = load_package(model_folder)
    return generate_curves(open_session(package, "CPU"), read_sound(voice, package.sample_rate))
