# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of a table of jobs. By themselves, because the command line lists them before it needs anything else."""

COLUMNS: dict[str, str] = {
    "audio": "sound file, folder of sounds or pattern such as lines/*.wav",
    "curves": "file of curves (or a pattern) instead of a sound and a model",
    "blend": ".blend file with the character; none for curves alone",
    "scene": "scene of the file (default: its active one)",
    "character": "mesh or armature of the character",
    "mapping": "JSON file saved by Save Mapping (default: the character's own)",
    "model": "folder of a model package, or the name of a bundled one",
    "emotion": "joy=0.5, or on some frames only joy=0.8@24-60; several with semicolons",
    "fps": "frames a second of the scene and the curves (default: the file's, the model's)",
    "start_frame": "frame at which the sound begins (default: 1)",
    "keys": "sparse, every, step or poses",
    "key_step": "for step",
    "key_phase": "for step",
    "strength": "movement of the whole face",
    "jaw": "movement of the jaw",
    "lips": "movement of the lips",
    "smoothing": "half-life in seconds",
    "density": "how many keys, 1 to 7",
    "lead": "milliseconds that the face runs ahead",
    "output_blend": ".blend file to write; lines with the same one share it",
    "output_curves": "file of curves to write; its ending names the format",
    "output_film": ".mp4 file to write, a preview with the sound",
    "sheet": "yes for pictures of the face on the report page",
}
"""The columns of a table, with what they mean. Outputs may hold {name}, {folder}, {character} and {line}."""
