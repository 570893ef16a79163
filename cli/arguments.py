# SPDX-License-Identifier: GPL-3.0-or-later
"""Options shared by several subcommands; those of the settings come from their table (takes/settings.py)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..storage.reading import refers_to_same_file
from ..storage.writing import check_output_place
from ..takes.settings import (
    Scope,
    Setting,
    TakeSettings,
    find_setting,
    list_settings,
    parse_setting,
    scope_from_data,
    settings_from_data,
)
from .reporting import CommandError

if TYPE_CHECKING:
    from ..inference.package import ModelPackage

_METAVARS = {"regions": "REGION=NUMBER", "flags": "REGION"}
_REPEATED = ("regions", "flags", "channels", "emotions", "models", "cues")
"""Kinds whose option may be repeated."""


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the model and the place where it runs."""
    parser.add_argument("--model", metavar="FOLDER", help="folder of a model package, or the name of a bundled one")
    parser.add_argument(
        "--provider",
        choices=("auto", "cuda", "cpu"),
        default="auto",
        type=str.lower,
        help="where the model runs (default: auto)",
    )


def add_setting_options(parser: argparse.ArgumentParser, rows: Sequence[Setting] | None = None) -> None:
    """Add an option for each setting: all of TakeSettings and Scope, unless other ``rows`` are given."""
    for row in rows if rows is not None else (*list_settings(), *list_settings(Scope)):
        destination = f"setting_{row.name}"
        about = _describe(row)
        if row.kind == "switch":
            parser.add_argument(f"--{row.option}", dest=destination, action="store_true", help=about)
        elif row.kind in _REPEATED:
            metavar = row.metavar or _METAVARS[row.kind]
            about += "; may be repeated"
            parser.add_argument(f"--{row.option}", dest=destination, action="append", metavar=metavar, help=about)
        else:
            metavar = row.metavar or row.option_unit.upper() or ("NUMBER" if not row.choices else "CHOICE")
            parser.add_argument(f"--{row.option}", dest=destination, metavar=metavar, help=about)
        for region in row.shortcuts:
            about_region = f"{row.regions[region].help[:1].lower()}{row.regions[region].help[1:]}"
            parser.add_argument(f"--{region}", dest=f"shortcut_{row.name}_{region}", metavar="NUMBER", help=about_region)


def _describe(row: Setting) -> str:
    text = f"{row.help[:1].lower()}{row.help[1:]}"
    if row.choices and row.kind == "choice":
        named = "; ".join(f"{choice.name.lower().replace('_', '-')}: {choice.help}" for choice in row.choices)
        text = f"{text}. {named}"
    if isinstance(row.default, (int, float, str)) and not isinstance(row.default, bool) and row.default != "":
        text += f" (default: {str(row.default).lower().replace('_', '-')})"
    return text.replace("%", "%%")


_LONGEST_SHOWN = 60


def read_setting_options(arguments: argparse.Namespace, owner: type[Any] = TakeSettings) -> dict[str, Any]:
    """Read the options into data by field name. Raises CommandError."""
    data: dict[str, Any] = {}
    for row in list_settings(owner):
        given = getattr(arguments, f"setting_{row.name}", None)
        if given is None or given is False:
            continue
        try:
            data[row.name] = True if row.kind == "switch" else parse_setting(row, given)
        except ValueError as error:
            shown = " ".join(cast("list[str]", given)) if isinstance(given, list) else given
            raise CommandError(f"--{row.option} {_cut(shown)}: {error}") from None
    for row in list_settings(owner):
        for region in row.shortcuts:
            given = getattr(arguments, f"shortcut_{row.name}_{region}", None)
            if given is not None:
                try:
                    value = parse_setting(row, {region: given})
                except ValueError as error:
                    raise CommandError(f"--{region} {given}: {error}") from None
                data[row.name] = {**data.get(row.name, {}), **value}
    return data


def _cut(text: str) -> str:
    """Return a text that is short enough for one line."""
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def make_settings(arguments: argparse.Namespace) -> TakeSettings:
    """Make the settings from the options. Raises CommandError and ModelError."""
    from ..inference.package import find_model

    return settings_from_data(
        read_setting_options(arguments), lambda folder, _name: find_model(folder), str(arguments.provider).upper()
    )


def make_scope(arguments: argparse.Namespace) -> Scope:
    """Make the scope from the options. Raises CommandError."""
    return scope_from_data(read_setting_options(arguments, Scope))


def check_names(settings: TakeSettings, packages: Sequence[ModelPackage]) -> None:
    """Raise CommandError for an emotion or a channel that none of the models has."""
    first = packages[0]
    for name in settings.emotion:
        if not any(name in package.emotions for package in packages):
            known = ", ".join(first.emotions) or "none"
            raise CommandError(f"model '{first.name}' has no emotion '{name}' (it has: {known})")
    for name in settings.channels:
        if not any(name in package.channel_names for package in packages):
            raise CommandError(f"--channel {name}: model '{first.name}' has no channel '{name}'")


def number_between(option: str, minimum: float, maximum: float) -> Callable[[str], float]:
    """Return a parser of an option's number within limits, for argparse; it raises CommandError, one sentence without usage."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not minimum <= value <= maximum:
            raise CommandError(f"{option}: '{text}' is not a number from {minimum:.10g} to {maximum:.10g}")
        return value

    return number


def check_output(output: str | Path, inputs: Iterable[str | Path | None]) -> None:
    """Raise CommandError where an output would replace one of its inputs, by whatever path, or can be no ordinary file."""
    for source in inputs:
        if source is not None and refers_to_same_file(output, source):
            raise CommandError(f"the output {output} is the input {source}; give it another name")
    try:
        check_output_place(output)
    except OSError as error:
        raise CommandError(f"{output} cannot be written ({error.strerror}); choose another place") from None


def absolute(path: str) -> str:
    """Make a path absolute, because Blender reads a leading '//' as the folder of its own file."""
    return str(Path(path).absolute())


EMOTION = find_setting("emotion")
SCRIPT = tuple(find_setting(name) for name in ("script", "language", "dictionary", "speaker"))
FEELING = tuple(find_setting(name) for name in ("effort", "feel", "calm", "style", "film"))
_OF_A_SCENE = ("life_markers", "life_listening")
LIFE = tuple(row for row in list_settings() if row.name.startswith("life") and row.name not in _OF_A_SCENE)
LIFE += (find_setting("cues"),)
PARTS = find_setting("parts")
