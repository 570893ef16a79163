# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel curves of a sound alone, for curve files and for scripts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..animation.curves import ChannelCurves
from ..animation.face.channels import face_channels
from ..animation.life.channels import CHANNELS
from ..animation.timing import resample_to_frames
from ..errors import ModelError, RigError
from ..inference.imported import read_imported
from .drawing import make_drawn
from .emotion import EmotionTrack
from .feeling import style_notes, with_feelings
from .living import cue_notes, make_living, with_life
from .record import CurvesFile, SoundFile
from .scripting import make_scripted
from .settings import Scope, TakeSettings
from .shaping import Place, with_emotion
from .sources import CancelCheck, Heard, Progress, Sound, Source, make_source


def find_source(choice: SoundFile | CurvesFile, model_folder: Path, settings: TakeSettings, place: Place) -> Source:
    """Return the source of a sound file or a curve file that plays at ``place``."""
    track = EmotionTrack(settings, place.start_frame, place.frames_per_second)
    # A script's own emotions are known only once its words are found, so they are applied afterwards.
    styled = settings.style.strip() or any(cue.kind == "style" for cue in settings.cues)
    defers = bool(settings.script.strip() or styled) or settings.feel > 0.0
    source = make_source(choice, Sound(choice.path), model_folder, track, settings, defers_emotion=defers)
    return make_living(make_scripted(make_drawn(source, settings), settings), settings)


def make_curves(
    source: Source,
    settings: TakeSettings,
    place: Place,
    on_progress: Progress | None = None,
    is_cancelled: CancelCheck | None = None,
    scope: Scope | None = None,
) -> tuple[ChannelCurves, Heard]:
    """Return the channels of a source with emotions, lead and life, and what was heard, whose own curves are those
    before life.

    With a ``scope`` only the channels of its face parts are returned. Raises VoxrigError and Cancelled, and RigError if the
    source has none of them.
    """
    heard = source.produce(on_progress or (lambda _fraction: None), is_cancelled)
    asked = EmotionTrack(settings, place.start_frame, place.frames_per_second, place.styles)
    heard = replace(heard, warnings=(*heard.warnings, *style_notes(asked, heard), *cue_notes(settings, heard)))
    track = with_feelings(asked, heard)
    description = source.describe()
    curves = with_emotion(heard, description, track)
    # The neutral curves of an hour and their likelihoods would take as much memory as the result.
    heard = replace(heard, curves=curves, keys=None, likelihood=None)
    curves = with_life(curves, heard, track)
    if settings.film and source.sound is not None:
        curves = with_film(curves, Path(settings.film))
    if scope is None or scope.is_whole_face:
        return curves, heard
    regions = {channel.name: channel.region for channel in description.channels}
    names = [name for name in curves.names if scope.covers(name, regions.get(name, ""))]
    if not names:
        raise RigError(f"'{description.title}' has no channel of the {' or the '.join(scope.regions or scope.parts)}")
    return curves.select(names), heard


FILMED_REGIONS = ("brows", "eyes", "cheeks", "nose", "head")
"""Face parts that a filmed face brings to a take; lips by sound are close, those of a film are not."""
NOT_FILMED = "'{}' has no curves of brows, eyes, cheeks, nose or head; choose those of a filmed face"


def with_film(curves: ChannelCurves, film: Path) -> ChannelCurves:
    """Return the curves of a sound with the upper face and the head of a filmed one, which begins with the sound.

    Face parts of which the film has nothing stay those of the sound. Where the film is over its last row holds. Raises
    InterchangeError, and ModelError if the film has nothing of these.
    """
    filmed = read_imported(film)
    regions = {channel.name: channel.region for channel in filmed.channels if channel.region in FILMED_REGIONS}
    names = list(regions)
    if not names:
        raise ModelError(NOT_FILMED.format(film.name))
    played = resample_to_frames(filmed.curves, curves.frame_rate, curves.start_seconds, frame_count=curves.frame_count)
    own = {channel.name: channel.region for channel in (*face_channels(), *CHANNELS)}
    kept = [name for name in curves.names if own.get(name) not in regions.values()]
    values = np.hstack([curves.select(kept).values, played.select(names).values])
    return curves.with_values(values, (*kept, *names))
