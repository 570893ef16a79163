# SPDX-License-Identifier: GPL-3.0-or-later
"""Perform lines inside a worker process: the part that needs no Blender, and the checks of every line."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..animation.curves import ChannelCurves
from ..animation.face.languages import english_evidence
from ..animation.face.lips import lip_gap
from ..animation.face.phones import TimedPhone
from ..animation.interchange import write_curves
from ..animation.overview import Overview, make_overview
from ..errors import VoxrigError
from ..inference.package import find_model, read_description
from ..takes.curves import find_source, make_curves
from ..takes.job import check_emotion
from ..takes.record import CurvesFile, SoundFile
from ..takes.shaping import Place
from ..takes.sources import Description, Heard
from .jobs import Line

Progress = Callable[[int, float], None]
"""Called with the number of a line and its finished share, 0..1; often enough to show that the worker is alive."""

SHEET_FACES = 6
SHEET_SIZE, FILM_SIZE = 200, 480
_STEPS = 200
"""Number of points of each track on the report page."""

_FULL_SCALE, _CLIPPED_SHARE = 0.995, 0.01
_AUDIBLE, _AUDIBLE_SHARE = 10 ** (-45 / 20), 0.05
_STILL = 0.05
"""A channel whose values range over less than this is no loss if nothing follows it."""

_LEAST_EVIDENCE = -1.0
"""Threshold of the evidence for English (animation.face.languages): e times as likely in other languages.

Measured with Speech 1 Fast on recordings, below it are 1 % of 200 lines of native English, 4 % of Mandarin speakers' English,
46 % of German lines, 41 % of Dutch, all of Russian ones (from a table made without their language 27, 34 and 88 %), and 11 %
of Mandarin stretches. Speech 2 hears English in all of them: no line of native English is below it, nor of German or Dutch.
"""


@dataclass(frozen=True)
class Result:
    """The result of a line: why it failed or '', whether another try may help, warnings, and facts for the report page."""

    number: int
    why: str = ""
    passing: bool = False
    warnings: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


def guard(line: Line, work: Callable[[], Result]) -> Result:
    """Return the result of ``work``, or that of its failure. Only problems of the system itself may pass on a second try."""
    try:
        return work()
    except VoxrigError as error:
        return Result(line.number, str(error))
    except MemoryError:
        return Result(line.number, "there is not enough memory for it; use fewer workers", passing=True)
    except OSError as error:
        return Result(line.number, f"{error.filename or 'a file'}: {error.strerror or error}", passing=True)
    except Exception as error:  # one line's failure must not end the others
        traceback.print_exc(file=sys.stderr)
        return Result(line.number, f"Voxrig itself failed ({type(error).__name__}: {error}); see the worker's log")


def write_curves_line(
    line: Line, partials: Mapping[str, str], on_progress: Progress, provider: str = "AUTO", threads: int = 1
) -> Result:
    """Perform a line without a .blend, as ``voxrig curves`` and ``voxrig convert`` do."""
    folder = find_model(line.model or None)
    package = read_description(folder)
    settings = line.make_settings(provider, threads)
    choice = CurvesFile(line.curves) if line.curves else SoundFile(line.audio)
    place = Place(line.start_frame, line.fps or package.frame_rate)
    source = find_source(choice, folder, settings, place)
    check_emotion(settings, [source.describe()])
    curves, heard = make_curves(source, settings, place, lambda share: on_progress(line.number, share), scope=line.make_scope())
    warnings = list(heard.warnings)
    if not line.curves:
        warnings += [*judge_sound(heard.peaks), *judge_language(heard.phones)]
    warnings += write_curves(partials[line.output_curves], curves, frame_rate=line.fps)
    facts = {
        "seconds": round(heard.duration_seconds, 3),
        "frames": curves.frame_count,
        "model": source.describe().title,
        "tracks": squeeze_tracks(make_overview(curves, heard.peaks, 0.0, 1.0)),
        **list_words(heard),
    }
    return Result(line.number, warnings=tuple(warnings), facts=facts)


def judge_sound(peaks: NDArray[np.float32]) -> list[str]:
    """Check a sound's level from the largest absolute sample of each hundredth of a second, ``[time]``; returns sentences."""
    warnings: list[str] = []
    clipped = float(np.mean(peaks >= _FULL_SCALE)) if peaks.size else 0.0
    if clipped > _CLIPPED_SHARE:
        warnings.append(f"clipping: {clipped:.0%} of the sound is at full scale; record it again with less gain")
    audible = float(np.mean(peaks >= _AUDIBLE)) if peaks.size else 1.0
    if audible == 0.0:
        warnings.append("silence: nothing in the sound is above -45 dB")
    elif audible < _AUDIBLE_SHARE:
        warnings.append(f"silence: only {audible:.0%} of the sound is above -45 dB")
    return warnings


def judge_language(phones: Sequence[TimedPhone] | None) -> list[str]:
    """Warn in a sentence if phones, if any, follow one another as in other languages than English."""
    evidence = english_evidence([phone.phone for phone in phones or ()])
    if evidence is None or evidence >= _LEAST_EVIDENCE:
        return []
    return ["wrong language suspected: the sounds follow one another as in a language other than English; look at the lips"]


def find_unmapped(curves: ChannelCurves, source: Description, linked: Sequence[str]) -> list[str]:
    """Warn in a sentence about channels that move but drive nothing, of the kinds (shapes, visemes) that other links use."""
    # No face of ARKit's shapes has a tongue that does more than to come out; such channels are lost on it for good.
    groups = {
        channel.name: "tongue" if channel.region == "tongue" and channel.name != "tongueOut" else channel.group
        for channel in source.channels
        # Life has both shapes and bones for one thing, and a take says which parts a rig lacks.
        if channel.group != "life"
    }
    used = {groups[name] for name in linked if name in groups}
    ranges = np.ptp(curves.values, axis=0)
    lost = [
        name for name, size in zip(curves.names, ranges) if size > _STILL and name not in linked and groups.get(name) in used
    ]
    if not lost:
        return []
    more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
    return [f"unmapped: {len(lost)} channels move but drive nothing ({', '.join(lost[:4])}{more})"]


_MOST_WORDS = 300


def list_words(heard: Heard) -> dict[str, list[list[str | float]]]:
    """Return the words of a script for the report page: text, second of the sound, confidence; nothing without a script."""
    words: list[list[str | float]] = [
        [word.text, round(word.start, 2), round(word.confidence, 2)] for word in heard.words[:_MOST_WORDS]
    ]
    return {"words": words} if words else {}


def squeeze_tracks(overview: Overview) -> dict[str, list[int]]:
    """Reduce the tracks for the report page to at most 200 points each, in hundredths."""
    tracks = {"sound": overview.peaks, "jaw": overview.jaw, "lips": overview.lips, "rounding": overview.rounding}
    return {name: _squeeze(track.values) for name, track in tracks.items() if track.values.size}


def _squeeze(values: NDArray[np.float32]) -> list[int]:
    parts = np.array_split(values, min(_STEPS, values.size))
    return [round(100 * float(part.max())) for part in parts]


def choose_faces(curves: ChannelCurves, count: int) -> list[float]:
    """Choose seconds that are worth a picture: in each of ``count`` equal parts, by turns the widest and the closest mouth."""
    gap = lip_gap(curves.values, curves.names)
    chosen: list[float] = []
    for i, rows in enumerate(np.array_split(np.arange(gap.size), min(count, gap.size))):
        row = rows[np.argmax(gap[rows]) if i % 2 == 0 else np.argmin(gap[rows])]
        chosen.append(float(curves.seconds()[row]))
    return chosen
