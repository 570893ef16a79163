# SPDX-License-Identifier: GPL-3.0-or-later
"""Variations of a take: other seeds, parts kept from several takes, and parts drawn again.

A part of a take is numbered by the take's seed plus the part's roll, so that every mix of takes is an ordinary take whose
settings say how to make it again. Asymmetry belongs to all parts and follows the seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..animation.life.events import PARTS, SEEDS
from ..errors import SettingError
from .settings import TakeSettings, find_setting

MOST_TAKES = 50
"""Takes that are made at once."""

MIXED_PARTS: dict[str, tuple[str, ...]] = {
    "eyes": ("blinks", "gaze"),
    "brows": ("brows",),
    "head": ("head", "breath"),
    "face": ("face",),
    "mouth": ("mouth",),
}
"""Parts that an artist chooses, and the parts that each stands for: of life, and the mouth, which only some models draw."""

_NUMBERED = (*PARTS, "mouth")


def vary(settings: TakeSettings, count: int, is_drawn: bool = False) -> tuple[TakeSettings, ...]:
    """Return the settings of ``count`` takes with the seeds that follow, the first unchanged. Raises SettingError.

    Takes that a model draws (``is_drawn``) differ without life.
    """
    if not 1 <= count <= MOST_TAKES:
        raise SettingError(f"{count} takes cannot be made at once; choose 1 to {MOST_TAKES}")
    check_varied(settings, is_drawn)
    return tuple(replace(settings, life_seed=(settings.life_seed + number) % SEEDS) for number in range(count))


def check_varied(settings: TakeSettings, is_drawn: bool = False) -> None:
    """Raise SettingError for settings with which every seed makes the same take."""
    if settings.life <= 0.0 and not is_drawn:
        raise SettingError("Takes differ by their life, which is 0; set Life above 0 first")


def number_of(settings: TakeSettings, part: str) -> int:
    """Return the number of a part: two takes of a line with the same number share the part."""
    return (settings.life_seed + int(getattr(settings, f"life_{part}_roll"))) % SEEDS


def mix(base: TakeSettings, kept: Mapping[str, TakeSettings]) -> TakeSettings:
    """Return the settings of a take with parts (MIXED_PARTS) ``kept`` from other takes, the rest as in ``base``.

    Raises SettingError for an unknown part, and for takes that share no settings which make both.
    """
    for name in kept:
        if name not in MIXED_PARTS:
            raise SettingError(f"There is no part '{name}' to keep; choose {', '.join(MIXED_PARTS)}")
    numbers = {part: number_of(base, part) for part in _NUMBERED}
    amounts = {part: base.life * float(getattr(base, f"life_{part}")) for part in PARTS}
    for name, other in kept.items():
        for part in MIXED_PARTS[name]:
            numbers[part] = number_of(other, part)
            if part in amounts:
                amounts[part] = other.life * float(getattr(other, f"life_{part}"))
    # The instants at which the eyes shift belong to the seed itself.
    seed = kept["eyes"].life_seed if "eyes" in kept else base.life_seed
    life = base.life if base.life > 0.0 or not any(amounts.values()) else 1.0
    changes: dict[str, float | int] = {"life_seed": seed, "life": life}
    changes["life_mouth_roll"] = (numbers["mouth"] - seed) % SEEDS
    for part in PARTS:
        amount = amounts[part] / life if life > 0.0 else float(getattr(base, f"life_{part}"))
        if amount > find_setting(f"life_{part}").maximum:
            raise SettingError(f"The {part} of these takes cannot be mixed, so far apart are their amounts; bring them closer")
        # A part that is the same as before keeps exactly its amount.
        same = abs(amount - getattr(base, f"life_{part}")) < 1e-9
        changes[f"life_{part}_roll"] = (numbers[part] - seed) % SEEDS
        changes[f"life_{part}"] = getattr(base, f"life_{part}") if same else amount
    changes["life_asymmetry_roll"] = (base.life_seed + base.life_asymmetry_roll - seed) % SEEDS
    return replace(base, **changes)  # type: ignore[arg-type]


def roll(
    settings: TakeSettings, names: Iterable[str], others: Iterable[TakeSettings] = (), is_drawn: bool = False
) -> TakeSettings:
    """Return the settings with parts (MIXED_PARTS) drawn again, unlike those of all ``others``. Raises SettingError."""
    check_varied(settings, is_drawn)
    known = (settings, *others)
    changes: dict[str, int] = {}
    for name in names:
        if name not in MIXED_PARTS:
            raise SettingError(f"There is no part '{name}' to draw again; choose {', '.join(MIXED_PARTS)}")
        for part in MIXED_PARTS[name]:
            taken = {number_of(other, part) for other in known}
            number = number_of(settings, part)
            while number in taken:
                number = (number + 1) % SEEDS
            changes[f"life_{part}_roll"] = (number - settings.life_seed) % SEEDS
    return replace(settings, **changes)  # type: ignore[arg-type]
