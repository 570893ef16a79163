# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the last take that has a script, as the scene lists them."""

from typing import Any

import bpy

from ..takes.shaping import Take
from .access import scene_settings
from .session import session


def store_words(scene: bpy.types.Scene, take: Take) -> None:
    """List the words of a take that has a script, with the frames at which they are said."""
    if not take.words:
        return
    settings: Any = scene_settings(scene)
    session.lists_words = True
    try:
        settings.words.clear()
        for start, end, text, confidence, seconds in take.words:
            item = settings.words.add()
            item.name, item.start, item.end, item.confidence = text, start, end, confidence
            item.placed, item.seconds = start, seconds
    finally:
        session.lists_words = False
