# SPDX-License-Identifier: GPL-3.0-or-later
"""The contents of the zip, its size, and the verdict of Blender's own validator."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from voxrig.tools.release import build_extension
from voxrig.tools.release.fetch_wheels import read_pins, select_wheels

# The wheels of both Pythons are about 52 MB on Linux; what is ours must stay small beside them.
LARGEST_ZIP_MB = 150
LARGEST_OURS_MB = 46


def test_blenders_validator_accepts_it(zip_file: Path) -> None:
    try:
        validator = build_extension.find_validator()
    except build_extension.BuildError as error:
        pytest.skip(str(error))
    assert "Success" in build_extension.validate_zip(zip_file, validator)


def test_contents(zip_file: Path, this_platform: str) -> None:
    wheels = select_wheels(read_pins(), this_platform, "cpu")
    with zipfile.ZipFile(zip_file) as archive:
        names = archive.namelist()
        ours = sum(entry.file_size for entry in archive.infolist() if not entry.filename.startswith("wheels/"))
        models = [json.loads(archive.read(name)) for name in names if name.endswith("/model.json")]
    assert sorted(n for n in names if n.startswith("wheels/")) == [f"wheels/{wheel.file}" for wheel in wheels]
    tops = {name.split("/")[0] for name in names}
    assert tops == {
        *("LICENSE", "LICENSES.md", "blender_manifest.toml", "__init__.py", "__main__.py", "errors.py"),
        *("registration.py", "animation", "batch", "blender", "cli", "inference", "learning", "live", "models", "operators"),
        *("panels", "properties", "storage", "takes", "wheels"),
    } | (tops & {"presets", "translations"})
    assert [model for model in models if model["name"] == "speech"], "the bundled speech model"
    graphs = {name.rsplit("/", 1)[0] for name in names if name.endswith(".onnx")}
    assert len(models) == len(graphs)
    assert {"models/MODEL_CARD.md", "models/FACE_CARD.md"} <= set(names)
    assert ours < LARGEST_OURS_MB * 1e6


def test_size(zip_file: Path) -> None:
    assert zip_file.stat().st_size < LARGEST_ZIP_MB * 1e6
