# SPDX-License-Identifier: GPL-3.0-or-later
"""Register everything with Blender in one order, and unregister it in the reverse order."""

from . import translations
from .operators import (
    align,
    animate,
    calibrate,
    collect,
    dialogue,
    drop,
    emotions,
    estimate,
    feeling,
    film,
    find,
    guides,
    learn,
    life,
    live,
    mapping,
    mapping_check,
    mapping_edit,
    markers,
    overview,
    own_action,
    script,
    show,
    sound,
    speak,
    speech_markers,
    takes,
    variations,
)
from .operators import (
    preview_frame as look,
)
from .operators import (
    test_sweep as preview,
)
from .panels import advanced, main, menus, model, regions, style, waveform
from .panels import dialogue as dialogue_panel
from .panels import emotion as emotion_panel
from .panels import keys as keys_panel
from .panels import learn as learn_panel
from .panels import life as life_panel
from .panels import live as live_panel
from .panels import mapping as mapping_panel
from .panels import script as script_panel
from .panels import takes as takes_panel
from .panels import variations as variations_panel
from .properties import registration as properties

PANELS = (
    main,
    script_panel,
    style,
    emotion_panel,
    life_panel,
    takes_panel,
    variations_panel,
    live_panel,
    dialogue_panel,
    advanced,
    mapping_panel,
    keys_panel,
    regions,
    model,
    learn_panel,
)
"""The panels of the tab from top to bottom; what follows 'advanced' is inside it."""

MODULES = (
    properties,
    mapping,
    mapping_edit,
    mapping_check,
    calibrate,
    preview,
    animate,
    takes,
    variations,
    dialogue,
    script,
    life,
    live,
    speak,
    speech_markers,
    align,
    look,
    emotions,
    estimate,
    feeling,
    film,
    guides,
    markers,
    own_action,
    overview,
    find,
    show,
    sound,
    drop,
    collect,
    learn,
    *PANELS,
    menus,
    waveform,
    translations,
)


def register() -> None:
    """Register every module; a failure is visible."""
    for module in MODULES:
        module.register()


def unregister() -> None:
    """Take back what ``register`` did, the last thing first."""
    for module in reversed(MODULES):
        module.unregister()
