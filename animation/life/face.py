# SPDX-License-Identifier: GPL-3.0-or-later
"""Small movements of mouth corners, cheeks, nose and lower lids, with effort and feeling, and slight differences of the two
sides.

Cheeks follow a smile and lower lids the cheeks as in captured takes (slopes 0.25 and 1 of the range of motion of an actor).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .events import Event, Keys
from .noise import drift, make_key
from .stage import Floats, Stage

_CORNERS, _CORNER_SECONDS = 0.028, 2.9
_SQUINT = 0.10
_LISTENER_SMILES = 0.4
SIDES = ("Left", "Right")


def plan_face(stage: Stage) -> tuple[Event, ...]:
    """Plan 'squint' on strong accents and 'press' of the lips or one 'corner' after some phrases, own or heard.

    Tracks are added.
    """
    amount = stage.settings.amount("face")
    if amount <= 0.0:
        return ()
    found: list[Event] = []
    for accent in stage.speech.accents:
        dice = stage.dice("face", accent.seconds, "accent")
        effort = stage.speech.effort_at(accent.seconds)
        if dice.happens((0.1 + 0.4 * accent.size) * effort * stage.manner("face", accent.seconds)):
            size = 0.13 * (0.4 + accent.size) * dice.uniform(0.6, 1.2) * amount * stage.manner("face", accent.seconds)
            sneer = 0.4 * size if dice.happens(0.4) else 0.0
            keys = {**_both("eyeSquint", size, dice.normal(0.0, 0.15), 0.12, 0.16, 0.35)}
            if sneer:
                keys |= _both("noseSneer", sneer, dice.normal(0.0, 0.25), 0.1, 0.08, 0.3)
            found.append(Event("face", "squint", max(accent.seconds - 0.12, 0.0), accent.seconds, size, keys))
    for pause in stage.speech.pauses:
        dice = stage.dice("face", pause.start, "pause")
        room = pause.end - pause.start
        if pause.start <= 0.0 or room < 0.45:
            continue
        manner = stage.manner("face", pause.start)
        if dice.happens(0.3 * manner):
            size = dice.uniform(0.08, 0.22) * amount * manner
            name = "mouthPress" if dice.happens(0.55) else "mouthDimple"
            # Both ends stay clear of neighbouring phones.
            rise, hold, fall = 0.14, min(room, 1.2) - 0.42, 0.14
            side = dice.normal(0.0, 0.35 if name == "mouthDimple" else 0.15)
            keys = _both(name, size, side, rise, max(hold, 0.03), fall)
            found.append(
                Event("face", "press" if name == "mouthPress" else "corner", pause.start + 0.06, pause.start, size, keys)
            )
    return (*found, *_plan_listening(stage))


def _plan_listening(stage: Stage) -> list[Event]:
    """Plan faint smiles, and now and then pressed lips, after phrases of the other speaker."""
    found: list[Event] = []
    for phrase in stage.partner.phrases if stage.partner else ():
        dice = stage.dice("face", phrase.end, "listener")
        at = phrase.end + dice.uniform(0.1, 0.6)
        rise, hold, fall = 0.3, dice.uniform(0.5, 1.4), 0.5
        if at + rise + hold + fall > stage.seconds or not stage.listens[stage.row(at)] or phrase.end - phrase.start < 0.5:
            continue
        manner = stage.manner("face", at)
        if dice.happens(_LISTENER_SMILES * min(stage.settings.amount("listening"), 2.0) * manner):
            smiles = dice.happens(0.75)
            size = dice.uniform(0.07, 0.18) * stage.settings.amount("face") * manner
            keys = _both("mouthSmile" if smiles else "mouthPress", size, dice.normal(0.0, 0.2), rise, hold, fall)
            if smiles:
                keys |= _both("cheekSquint", 0.6 * size, dice.normal(0.0, 0.2), rise, hold, fall)
            found.append(Event("face", "corner" if smiles else "press", at, phrase.end, size, keys))
    return found


def _both(name: str, size: float, side: float, rise: float, hold: float, fall: float) -> dict[str, Keys]:
    tracks: dict[str, Keys] = {}
    for suffix, share in zip(SIDES, (1.0 + side, 1.0 - side), strict=True):
        top = max(size * share, 0.0)
        tracks[name + suffix] = ((0.0, 0.0), (rise, top), (rise + hold, 0.9 * top), (rise + hold + fall, 0.0))
    return tracks


def drift_face(stage: Stage, seconds: Floats) -> dict[str, Floats]:
    """Compute the constant movement of mouth corners, cheeks and lower lids at ``seconds`` ``[time]``, by control, to be
    added."""
    amount, key = stage.settings.amount("face"), stage.settings.key("face")
    if amount <= 0.0:
        return {}
    scale = amount * stage.manner_rows("face", seconds)
    effort = np.interp(seconds * 50, np.arange(max(stage.speech.effort.size, 1)), _slow(stage.speech.effort))
    result: dict[str, Floats] = {}
    both = drift(make_key(key, "corners"), seconds, _CORNER_SECONDS)
    for suffix in SIDES:
        own = drift(make_key(key, "corner", suffix), seconds, 1.7 * _CORNER_SECONDS)
        corner = _CORNERS * scale * (0.8 * both + 0.45 * own * stage.settings.amount("asymmetry"))
        result["mouthSmile" + suffix] = np.maximum(corner, 0.0)
        result["mouthFrown" + suffix] = np.maximum(-0.6 * corner, 0.0)
        result["cheekSquint" + suffix] = 0.6 * np.maximum(corner, 0.0) + 0.05 * scale * np.maximum(effort - 0.5, 0.0)
        lid = 0.5 + 0.5 * drift(make_key(key, "lid", suffix), seconds, 3.7)
        result["eyeSquint" + suffix] = scale * (0.02 * np.maximum(lid, 0.0) + _SQUINT * np.maximum(effort - 0.45, 0.0))
    return result


def _slow(effort: Floats) -> Floats:
    """Average the effort over half a second on each side."""
    if not effort.size:
        return np.zeros(1)
    return np.convolve(np.pad(effort, 25, mode="edge"), np.full(51, 1 / 51), mode="valid")


def side_gains(stage: Stage, names: Sequence[str], seconds: Floats) -> Floats:
    """Return factors for channels ``names`` of two sides that make them differ slightly, ``[time, name]``; 1 for others.

    A person has a stronger side, and the leading side changes slowly.
    """
    amount, key = stage.settings.amount("asymmetry"), stage.settings.key("asymmetry")
    gains = np.ones((seconds.size, len(names)))
    if amount <= 0.0:
        return gains
    own = 0.05 * float(drift(make_key(key, "own"), np.zeros(1), 1e6)[0])
    wanders: dict[str, Floats] = {}
    for column, name in enumerate(names):
        for suffix, sign in zip(SIDES, (1.0, -1.0), strict=True):
            if name.endswith(suffix):
                both = name.removesuffix(suffix)
                if both not in wanders:
                    wanders[both] = drift(make_key(key, both), seconds, 4.3)
                gains[:, column] = np.maximum(1.0 + sign * amount * (own + 0.045 * wanders[both]), 0.0)
    return gains
