# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip for this machine, built from this checkout once per run."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest
from voxrig.tools.release import build_extension
from voxrig.tools.release.fetch_wheels import fetch_wheels, read_pins, select_wheels


@pytest.fixture(scope="session")
def this_platform() -> str:
    """Blender's name of the platform that the tests run on."""
    system = {"linux": "linux", "win32": "windows", "darwin": "macos"}[sys.platform]
    machine = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}[platform.machine().lower()]
    name = f"{system}-{machine}"
    if (name, "cpu") not in build_extension.list_builds(read_pins()):
        pytest.skip(f"there is no zip for {name}")
    return name


@pytest.fixture(scope="session")
def zip_file(this_platform: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The usual zip; its wheels are downloaded when `make test` has not done so before."""
    fetch_wheels(select_wheels(read_pins(), this_platform, "cpu"))
    return build_extension.build_zip(this_platform, output_folder=tmp_path_factory.mktemp("dist"))
