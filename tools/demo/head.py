# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo.head``: sculpts the demo head and writes what ships of it, ``blender/demo/``.

The points of all its meshes (head.npz), and one of the demo's sentences (line.flac).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import parts
from .character import sculpt_face
from .speech import read_speech

FOLDER = Path(__file__).parents[2] / "blender" / "demo"
STILL_CENTIMETRES = 1e-4
"""Points that a shape moves by less are not stored with it."""


def sculpt_parts() -> list[parts.Part]:
    """Sculpt every mesh of the character, the face first. Takes half a minute."""
    shapes, face_shapes = sculpt_face()
    surface = shapes.surface
    faces = [list(dict.fromkeys(quad)) for quad in surface.faces.tolist()]
    face = parts.Part("Face", surface.positions, faces, parts.face_colours(shapes), shapes=face_shapes, roughness=0.5)
    return [
        face, parts.ears(), parts.eyes(), parts.eye_lights(),
        parts.lashes(shapes, face_shapes), parts.brows(shapes, face_shapes),
        parts.upper_teeth(), parts.lower_teeth(), parts.tongue(), parts.hair(), parts.shoulders(),
    ]  # fmt: skip


def write_head(folder: Path) -> None:
    """Write the character's points to ``head.npz``: shapes as the rows that they move."""
    columns: dict[str, np.ndarray] = {}
    sculpted = sculpt_parts()
    for part in sculpted:
        columns[f"{part.name}/positions"] = part.positions.astype(np.float32)
        columns[f"{part.name}/colours"] = part.colours.astype(np.float16)
        columns[f"{part.name}/face_sizes"] = np.array([len(face) for face in part.faces], np.uint8)
        columns[f"{part.name}/corners"] = np.array([vertex for face in part.faces for vertex in face], np.uint16)
        columns[f"{part.name}/shapes"] = np.array(list(part.shapes), dtype="U24")
        for name, motion in part.shapes.items():
            rows = np.flatnonzero(np.abs(motion).max(axis=1) > STILL_CENTIMETRES)
            columns[f"{part.name}/{name}/rows"] = rows.astype(np.uint16)
            columns[f"{part.name}/{name}/motion"] = motion[rows].astype(np.float32)
    columns["names"] = np.array([part.name for part in sculpted])
    columns["bones"] = np.array([part.bone for part in sculpted])
    columns["roughness"] = np.array([part.roughness for part in sculpted], np.float32)
    np.savez_compressed(folder / "head.npz", **columns)


def write_line(folder: Path) -> None:
    """Write the first sentence of the demo's speech to ``line.flac``, with the silence around it."""
    import soundfile

    speech = read_speech()
    samples, rate = soundfile.read(speech.sound, dtype="int16")
    end = 0.5 * (speech.sentences[0].end + speech.sentences[1].start)
    soundfile.write(folder / "line.flac", samples[: round(end * rate)], rate, subtype="PCM_16")


def main() -> None:
    """Write both files."""
    FOLDER.mkdir(exist_ok=True)
    write_head(FOLDER)
    write_line(FOLDER)


if __name__ == "__main__":
    main()
