# SPDX-License-Identifier: GPL-3.0-or-later
"""Models that were learned on a rig: what of the rig their channels are, and several models at once, each for its regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import bpy

from ..animation.face.channels import REGIONS
from ..animation.rig.mapping import Link, Mapping, Target
from ..blender.targets import find_on
from ..errors import ModelError, RigError
from ..inference.package import ModelPackage, read_description
from .mapping import find_character

if TYPE_CHECKING:
    from .animate import Job

_MOST_NAMES = 6


def map_learned(character_object: bpy.types.Object, package: ModelPackage) -> tuple[Mapping, tuple[str, ...]]:
    """Links from the channels of a learned model to the controls that they are, and the names of controls that are missing.

    Raises RigError where the character has none of them.
    """
    character = find_character(character_object)
    links: list[Link] = []
    missing: list[str] = []
    for channel in package.channels:
        target = package.targets.get(channel.name)
        found = None if target is None else find_on(character, target)
        if found is None:
            missing.append(channel.name)
        else:
            links.append(Link(channel.name, found))
    if not links:
        raise RigError(
            f"'{character.name}' has none of the controls that '{package.title}' was learned on ({list_names(missing)}); "
            "choose the rig that it was learned on"
        )
    return Mapping(tuple(links)), tuple(missing)


def list_names(names: list[str] | tuple[str, ...]) -> str:
    """The first of many names, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def warn_of_missing(character: str, package: ModelPackage, missing: tuple[str, ...]) -> tuple[str, ...]:
    """The sentence on controls that a learned model drives and the character lacks."""
    if not missing:
        return ()
    return (f"'{character}' lacks {len(missing)} controls that '{package.title}' was learned on: {list_names(missing)}",)


def split_by_region(
    job: Job,
    package: ModelPackage,
    map_package: Callable[[ModelPackage], tuple[Mapping, tuple[str, ...]]],
    targets_in: Callable[[tuple[str, ...], Mapping, ModelPackage], frozenset[Target] | None],
) -> Job:
    """The job, limited to the regions that no other model has, with a further job for every model that has some.

    What two models drive belongs to the one that has a region of its own. ``map_package`` gives a model's mapping and what
    it lacks; ``targets_in`` the targets of regions. Raises ModelError for a region that two models have.
    """
    claimed: dict[str, str] = {}
    others: list[Job] = []
    for chosen in job.settings.region_models:
        theirs = read_description(chosen.folder)
        for region in chosen.regions:
            if region in claimed:
                both = f"'{claimed[region]}' and '{theirs.title}'"
                raise ModelError(f"{both} are both chosen for the {region}; choose one of them")
            claimed[region] = theirs.title
        regions = tuple(region for region in chosen.regions if not job.scope.regions or region in job.scope.regions)
        if not regions:
            continue
        mapping, missing = map_package(theirs)
        others.append(
            replace(
                job,
                mapping=mapping,
                is_new_mapping=False,
                model_folder=chosen.folder,
                targets=targets_in(regions, mapping, theirs),
                warnings=warn_of_missing(job.character, theirs, missing),
            )
        )
    if not claimed:
        return job
    taken = frozenset(target for other in others for target in other.targets or ())
    left = tuple(region for region in job.scope.regions or REGIONS if region not in claimed)
    channels = {channel.name for channel in package.channels if channel.region in left}
    own = frozenset(link.target for link in job.mapping.links if link.enabled and link.channel in channels) - taken
    if not own and not others:
        raise RigError("No model that is chosen drives a control of these regions; choose other regions")
    return replace(job, targets=own, others=tuple(others))
