# SPDX-License-Identifier: GPL-3.0-or-later
"""Registers everything with Blender, in one order, and takes it back in the opposite one."""

from typing import Any

import bpy

from . import properties, translations
from .operators import (
    animate,
    calibrate,
    collect,
    dialogue,
    drop,
    emotions,
    estimate,
    learn,
    live,
    mapping,
    mapping_check,
    mapping_edit,
    markers,
    overview,
    takes,
)
from .operators import (
    preview_frame as look,
)
from .operators import (
    test_sweep as preview,
)
from .panels import dialogue as dialogue_panel
from .panels import learn as learn_panel
from .panels import main, waveform
from .panels import mapping as mapping_panel
from .panels import takes as takes_panel

MODULES = (
    properties,
    mapping,
    mapping_edit,
    mapping_check,
    calibrate,
    preview,
    animate,
    takes,
    dialogue,
    live,
    look,
    emotions,
    estimate,
    markers,
    overview,
    drop,
    collect,
    learn,
    main,
    mapping_panel,
    takes_panel,
    dialogue_panel,
    learn_panel,
    waveform,
    translations,
)

_commands: list[Any] = []


def register() -> None:
    """Register every module and the command ``voxrig``; a failure is visible."""
    for module in MODULES:
        module.register()
    _commands.append(bpy.utils.register_cli_command("voxrig", run_command))


def unregister() -> None:
    """Take back what ``register`` did, the last thing first."""
    bpy.utils.unregister_cli_command(_commands.pop())
    for module in reversed(MODULES):
        module.unregister()


def run_command(arguments: list[str]) -> int:
    """``blender --command voxrig ...``: the command line, on the file that Blender has loaded."""
    from . import cli

    return cli.main(arguments)
