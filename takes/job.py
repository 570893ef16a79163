# SPDX-License-Identifier: GPL-3.0-or-later
"""A take to be made: its parts, and the computation from their sources to keyframes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..animation.face.channels import Channel
from ..animation.face.emotions import emotion_points
from ..animation.keys.guards import join_guards
from ..animation.rig.mapping import Mapping, Target
from ..errors import Cancelled, ModelError, RigError
from .emotion import EmotionTrack
from .hearing import hear, recall
from .record import SoundChoice
from .settings import Scope, TakeSettings
from .shaping import Part, Place, Take, frame_range, shape
from .sources import CancelCheck, Description, Heard, Progress


@dataclass(frozen=True)
class Job:
    """Everything that a take is made from, without references into Blender's data.

    ``parts`` are the sources with the controls that each drives, the chosen model's first. ``choice`` is the sound as chosen;
    ``take`` is the take of the character's list that is made again, or '' for a new one, which goes to the place of the take
    marked ``beside``. ``layered`` are targets that somebody animated, to which the take is added on a layer.
    """

    character: str
    parts: tuple[Part, ...]
    place: Place
    model_folder: Path
    settings: TakeSettings
    choice: SoundChoice
    sound_name: str
    scope: Scope = Scope()
    is_new_mapping: bool = False
    take: str = ""
    beside: str = ""
    layered: frozenset[Target] = frozenset()

    @property
    def mapping(self) -> Mapping:
        """The mapping of the chosen model's part."""
        return self.parts[0].mapping

    @property
    def emotion(self) -> EmotionTrack:
        """The emotions of the settings over the frames of the take."""
        return EmotionTrack(self.settings, self.place.start_frame, self.place.frames_per_second, self.place.styles)


def compute(job: Job, on_progress: Progress | None = None, is_cancelled: CancelCheck | None = None) -> Take:
    """Compute the keyframes of a take. May run in any thread; raises VoxrigError and Cancelled."""

    def advance(fraction: float) -> None:
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        if on_progress is not None:
            on_progress(fraction)

    parts = live_parts(job)
    heards: list[Heard] = []
    for number, part in enumerate(parts):
        heards.append(
            hear(part.source, lambda fraction, number=number: advance((number + fraction) / len(parts)), is_cancelled)
        )
        advance((number + 1) / len(parts))
    return _shape_parts(job, parts, heards)


def recall_take(job: Job) -> Take | None:
    """Return the take if the curves of every part are cached; no model runs."""
    parts = live_parts(job)
    known = [heard for part in parts if (heard := recall(part.source)) is not None]
    return _shape_parts(job, parts, known) if len(known) == len(parts) else None


def _shape_parts(job: Job, parts: list[Part], heards: list[Heard]) -> Take:
    span = frame_range(heards, job.place, job.scope)
    return merge_takes([shape(part, heard, job.place, job.settings, job.scope, span) for part, heard in zip(parts, heards)])


def live_parts(job: Job) -> list[Part]:
    """Return the parts that have something to write."""
    return [part for part in job.parts if part.targets is None or part.targets]


def merge_takes(takes: list[Take]) -> Take:
    """Merge takes on the same frames with separate targets; the first one's placing is used."""
    first = takes[0]
    if len(takes) == 1:
        return first
    dense = replace(
        first.dense,
        targets=tuple(target for take in takes for target in take.dense.targets),
        values=np.concatenate([take.dense.values for take in takes], axis=1),
        tolerances=tuple(tolerance for take in takes for tolerance in take.dense.tolerances),
        keyed=tuple(curve for take in takes for curve in take.dense.keyed),
        guards=join_guards([take.dense.guards for take in takes if take.dense.guards is not None]),
    )
    return replace(
        first,
        curves=tuple(zip(dense.targets, dense.keyed)),
        dense=dense,
        model_title=" + ".join(dict.fromkeys(take.model_title for take in takes)),
        warnings=tuple(dict.fromkeys(warning for take in takes for warning in take.warnings)),
    )


def targets_in(scope: Scope, mapping: Mapping, description: Description) -> frozenset[Target] | None:
    """Return the targets that channels within a scope drive, None for all. Raises RigError if there are none."""
    if scope.is_whole_face:
        return None
    targets = _driven(lambda channel: scope.covers(channel.name, channel.region), mapping, description)
    if not targets:
        names = " or the ".join(scope.regions or scope.parts)
        raise RigError(f"No control of the character follows the {names}; choose other face parts")
    return targets


def _driven(covers: Callable[[Channel], bool], mapping: Mapping, description: Description) -> frozenset[Target]:
    channels = {channel.name for channel in description.channels if covers(channel)}
    return frozenset(link.target for link in mapping.links if link.enabled and link.channel in channels)


def share_regions(main: Part, others: list[tuple[Part, tuple[str, ...]]], scope: Scope) -> tuple[Part, ...]:
    """Divide the face among parts: each additional one has its regions, the main one the rest, all within the scope.

    A model that is chosen for brows or eyes has these instead of life. Raises ModelError for a region claimed by two parts,
    RigError if nothing is driven.
    """
    claimed: dict[str, str] = {}
    found: list[Part] = []
    for part, wanted in others:
        title = part.source.describe().title
        for region in wanted:
            if region in claimed:
                raise ModelError(f"'{claimed[region]}' and '{title}' are both chosen for the {region}; choose one of them")
            claimed[region] = title
        regions = tuple(region for region in wanted if scope.covers("", region))
        if regions:
            inside = replace(scope, regions=regions)
            found.append(replace(part, targets=targets_in(inside, part.mapping, part.source.describe())))
    if not claimed:
        return (replace(main, targets=targets_in(scope, main.mapping, main.source.describe())),)
    taken = frozenset(target for part in found for target in part.targets or ())

    def is_left(channel: Channel) -> bool:
        return channel.region not in claimed and scope.covers(channel.name, channel.region)

    own = _driven(is_left, main.mapping, main.source.describe()) - taken
    if not own and not found:
        raise RigError("None of the chosen models drives a control of these regions; choose other regions")
    return (replace(main, targets=own), *found)


def check_emotion(settings: TakeSettings, models: list[Description]) -> None:
    """Raise ModelError for an emotion that none of the models has, and for weights outside 0..1."""
    for name, emotion in (*settings.emotion.items(), ("", settings.emotion_intensity)):
        if name and not any(name in model.emotions for model in models):
            known = ", ".join(models[0].emotions) or "none"
            raise ModelError(f"Model '{models[0].title}' has no emotion '{name}' (it has: {known}); choose one of these")
        for _frame, weight in emotion_points(emotion):
            if not 0.0 <= weight <= 1.0:
                what = f"The emotion '{name}' has the weight" if name else "The intensity of the emotions is"
                raise ModelError(f"{what} {weight:g}; set it from 0 to 1")
