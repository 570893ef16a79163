# SPDX-License-Identifier: GPL-3.0-or-later
"""Laughter, shouts, gasps and sighs: shapes of jaw, cheeks, eyes, brows and head of their own.

A laugh is no speech: its visemes would make a babbling mouth, so that lips follow it only by a share (``laughing_share``) and
the jaw goes by its bursts. Sizes were set by eye on the demo head; the muscles are those of the facial action units for each
(laughter AU6+12+25+26, fear and surprise AU1+2+5 for a gasp, AU4+7+10 for a shout).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .events import Event, Keys
from .gaze import DEGREE
from .stage import Floats, Stage

KINDS = ("laugh", "shout", "gasp", "sigh")
LAUGH_SECONDS, SHOUT_SECONDS, GASP_SECONDS, SIGH_SECONDS = 1.2, 0.7, 0.35, 0.8
"""Lengths of those that a cue asks for."""
_STEP = 0.2
_FADE = 0.14
_LIPS_LEFT = 0.25
_BROWS = ("browInnerUp", "browOuterUp", "browDown")


def plan_outbursts(stage: Stage) -> tuple[Event, ...]:
    """Plan 'laugh', 'shout', 'gasp' and 'sigh' events where the voice has them; tracks are added."""
    speech = stage.speech
    # Without phones even syllables of reading are taken for a laugh twice a minute; with them never in seven minutes.
    laughter = speech.laughter if speech.phones else ()
    found = [make_laugh(stage, one.start, one.end, _bursts(stage, one.start, one.end)) for one in laughter]
    found += [make_shout(stage, one.start, one.end) for one in speech.shouts]
    last = -9.0
    for gasp in speech.gasps:
        # Somebody who pants is not startled by each breath.
        found.append(make_gasp(stage, gasp.start, gasp.end, 1.0 if gasp.start - last > 1.2 else 0.25))
        last = gasp.end
    found += [make_sigh(stage, one.start, one.end) for one in speech.sighs]
    return tuple(event for event in found if event.tracks)


def make_outburst(stage: Stage, kind: str, seconds: float, size: float) -> Event | None:
    """Make the event of a cue, one of KINDS, that begins at an instant; None where the face does not live."""
    if kind == "laugh":
        bursts = np.arange(seconds + 0.1, seconds + LAUGH_SECONDS, _STEP)
        event = make_laugh(stage, seconds, seconds + LAUGH_SECONDS, bursts.tolist(), size)
    elif kind == "shout":
        event = make_shout(stage, seconds, seconds + SHOUT_SECONDS, size)
    elif kind == "gasp":
        event = make_gasp(stage, seconds, seconds + GASP_SECONDS, size)
    else:
        event = make_sigh(stage, seconds, seconds + SIGH_SECONDS, size)
    return event if event.tracks else None


def make_laugh(stage: Stage, start: float, end: float, bursts: Sequence[float], size: float = 1.0) -> Event:
    """Make a laugh: a broad smile with cheeks and lids, a jaw that drops with each burst, a head that goes back and shakes."""
    length = end - start
    dice = stage.dice("face", start, "laugh")
    side = dice.normal(0.0, 0.06)
    hold = max(length - 0.1, 0.1)
    tracks = {
        **_hold("mouthSmile", 0.55 * size, side, 0.18, hold, 0.5),
        **_hold("cheekSquint", 0.5 * size, side, 0.2, hold, 0.5),
        **_hold("eyeSquint", 0.5 * size, side, 0.22, hold, 0.45),
    }
    jaw: list[tuple[float, float]] = [(0.0, 0.0)]
    nods: list[tuple[float, float]] = [(0.0, 0.0)]
    back = -dice.uniform(3.0, 5.5) * DEGREE * size
    for number, burst in enumerate(bursts):
        at, fall = burst - start, 0.85**number
        if at - jaw[-1][0] < 0.09:
            continue
        jaw += [(at - 0.045, 0.1 * size), (at + 0.035, (0.16 + 0.26 * fall) * size)]
        nods.append((at + 0.03, back + (0.9 * fall * DEGREE if number % 2 else 0.0)))
    jaw += [(max(length, jaw[-1][0] + 0.05) + 0.12, 0.08 * size), (max(length, jaw[-1][0] + 0.05) + 0.4, 0.0)]
    nods.append((max(length, nods[-1][0]) + 0.6, 0.0))
    tracks["jawOpen"], tracks["headPitch"] = tuple(jaw), tuple(nods)
    return _event(stage, "laugh", start, size, tracks)


def make_shout(stage: Stage, start: float, end: float, size: float = 1.0) -> Event:
    """Make a shout: brows and lids pulled together, a raised nose, the head thrust forward."""
    hold = max(end - start - 0.08, 0.08)
    dice = stage.dice("face", start, "shout")
    size *= dice.uniform(0.85, 1.1)
    tracks = {
        **_hold("browDown", 0.42 * size, 0.0, 0.1, hold, 0.35),
        **_hold("eyeSquint", 0.3 * size, 0.0, 0.1, hold, 0.35),
        **_hold("noseSneer", 0.25 * size, dice.normal(0.0, 0.1), 0.1, hold, 0.3),
        "headPitch": _key(2.2 * DEGREE * size, 0.12, hold, 0.45),
    }
    return _event(stage, "shout", max(start - 0.06, 0.0), size, tracks)


def make_gasp(stage: Stage, start: float, end: float, size: float = 1.0) -> Event:
    """Make a gasp: the jaw drops, eyes and brows open wide, the head goes back with the breath."""
    hold = max(end - start - 0.06, 0.08)
    tracks = {
        "jawOpen": _key(0.2 * max(size, 0.5), 0.09, hold, 0.14),
        **_hold("eyeWide", 0.45 * size, 0.0, 0.08, hold + 0.12, 0.35),
        "browInnerUp": _key(0.42 * size, 0.1, hold + 0.15, 0.45),
        **_hold("browOuterUp", 0.38 * size, 0.0, 0.1, hold + 0.15, 0.45),
        "headPitch": _key(-2.4 * DEGREE * size, 0.14, hold, 0.5),
    }
    return _event(stage, "gasp", max(start - 0.04, 0.0), size, tracks)


def make_sigh(stage: Stage, start: float, end: float, size: float = 1.0) -> Event:
    """Make a sigh: lips part, lids and brows give in, the head sinks."""
    hold = max(end - start - 0.15, 0.1)
    tracks = {
        "jawOpen": _key(0.09 * size, 0.16, hold, 0.25),
        "browInnerUp": _key(0.24 * size, 0.25, hold, 0.6),
        **_hold("mouthFrown", 0.1 * size, 0.0, 0.25, hold, 0.5),
        "headPitch": _key(3.2 * DEGREE * size, 0.35, hold, 0.9),
    }
    return _event(stage, "sigh", start, size, tracks)


def laughing_share(events: Sequence[Event], seconds: ArrayLike) -> Floats:
    """Return which share of the lips' own movement is left at instants, ``[time]``: 1 where nobody laughs."""
    at = np.asarray(seconds, np.float64)
    share = np.ones(at.size)
    for event in events:
        if event.kind != "laugh":
            continue
        first, last = event.seconds, event.seconds + max(event.tracks["jawOpen"][-1][0] - 0.4, 0.0)
        laughing = np.clip(np.minimum(at - first, last - at) / _FADE + 0.5, 0.0, 1.0)
        share = np.minimum(share, 1.0 - (1.0 - _LIPS_LEFT) * min(event.size, 1.0) * laughing)
    return share


def _bursts(stage: Stage, start: float, end: float) -> list[float]:
    inside = [one.middle for one in stage.speech.syllables if start <= one.middle <= end]
    return inside or np.arange(start + 0.1, end, _STEP).tolist()


def _key(top: float, rise: float, hold: float, fall: float) -> Keys:
    return ((0.0, 0.0), (rise, top), (rise + hold, 0.9 * top), (rise + hold + fall, 0.0))


def _hold(name: str, top: float, side: float, rise: float, hold: float, fall: float) -> dict[str, Keys]:
    return {f"{name}Left": _key(top * (1 + side), rise, hold, fall), f"{name}Right": _key(top * (1 - side), rise, hold, fall)}


def _event(stage: Stage, kind: str, start: float, size: float, tracks: dict[str, Keys]) -> Event:
    """Make an event of tracks scaled by the amounts of the parts that they belong to; those of parts at 0 are left out."""
    scaled: dict[str, Keys] = {}
    for name, keys in tracks.items():
        part = "head" if name == "headPitch" else "brows" if name.startswith(_BROWS) else "face"
        amount = min(stage.settings.amount(part), 1.5)
        if amount > 0.0:
            scaled[name] = tuple((at, value * amount) for at, value in keys)
    size *= min(stage.settings.amount("face"), 1.5)
    return Event("face", kind, start, start, size, scaled if size > 0.0 else {})
