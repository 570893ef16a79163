# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of a table of jobs: those of a line, and one for each setting (takes/settings.py)."""

from __future__ import annotations

from ..takes.settings import Scope, Setting, list_settings

_LINE_COLUMNS: dict[str, str] = {
    "audio": "sound file, folder of sounds or pattern such as lines/*.wav",
    "curves": "curve file (or a pattern) instead of a sound and a model",
    "blend": ".blend file with the character; none for curves alone",
    "scene": "scene of the file (default: its active one)",
    "character": "mesh or armature of the character",
    "mapping": "JSON file saved by Save Mapping (default: the character's own)",
    "model": "folder of a model package, or the name of a bundled one",
    "fps": "frames a second of the scene and the curves (default: the file's, the model's)",
    "start_frame": "frame at which the sound begins (default: 1)",
    "output_blend": ".blend file to write; lines with the same one share it",
    "output_curves": "curve file to write; its ending determines the format",
    "output_film": ".mp4 file to write, a preview with the sound",
    "takes": "number of takes to make in the .blend file, with the seeds that follow; the first is shown (default: 1)",
    "sheet": "yes for pictures of the face on the report page",
}


def _setting_columns() -> dict[str, tuple[Setting, str]]:
    columns: dict[str, tuple[Setting, str]] = {}
    for row in (*list_settings(), *list_settings(Scope)):
        columns[row.column] = row, ""
        columns |= {region: (row, region) for region in row.shortcuts}
    return columns


SETTING_COLUMNS = _setting_columns()
"""The row of the table of settings by column, and the face part of the column, '' for the whole setting."""

COLUMNS: dict[str, str] = {
    **_LINE_COLUMNS,
    **{name: row.regions[region].help if region else row.help for name, (row, region) in SETTING_COLUMNS.items()},
}
"""The columns of a table with their meaning. Outputs may hold {name}, {folder}, {character} and {line}."""
