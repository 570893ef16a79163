# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip in a temporary user folder of this environment's Blender: installed, used, removed without a trace."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).resolve().parent
SPEECH = HERE.parents[1] / "tools" / "demo" / "speech" / "demo.flac"

# bpy itself is not imported here: the process that pytest runs in must not load the user's Blender settings.
if importlib.util.find_spec("bpy") is None:
    pytest.skip("there is no Blender as a module in this Python", allow_module_level=True)

# What Blender itself comes with. Only these of this environment's packages are seen by the process that lives the
# extension's life, so nothing but the zip's own wheels can stand for onnxruntime and the others.
BLENDERS_OWN = ("bpy", "numpy", "numpy.libs", "requests", "urllib3", "certifi", "idna", "charset_normalizer", "zstandard")


@pytest.fixture(scope="module")
def user_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("user")


@pytest.fixture(scope="module")
def blenders_own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of links to BLENDERS_OWN, in place of site-packages."""
    folder = tmp_path_factory.mktemp("packages")
    for name in BLENDERS_OWN:
        package = Path(sysconfig.get_path("platlib")) / name
        if package.exists():
            (folder / name).symlink_to(package)
    return folder


@pytest.fixture(scope="module")
def seen(zip_file: Path, user_folder: Path, blenders_own: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The observations of life_cycle.py. Neither this checkout nor the environment's other packages are on its path."""
    folder = tmp_path_factory.mktemp("life")
    sound = folder / "eine Zeile 台词.flac"
    shutil.copy(SPEECH, sound)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "BLENDER"))}
    environment["BLENDER_USER_RESOURCES"] = str(user_folder)
    environment["PYTHONPATH"] = str(blenders_own)
    command = [sys.executable, "-S", "-P", str(HERE / "life_cycle.py"), str(zip_file), str(sound), str(folder)]
    result = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    report = folder / "seen.json"
    facts: dict[str, Any] = json.loads(report.read_text("utf-8")) if report.is_file() else {}
    printed = f"{result.stdout}\n{result.stderr}"
    assert result.returncode == 0 and facts.get("done"), f"stopped after {list(facts)}:\n{printed[-4000:]}"
    return facts


def test_it_installs_and_is_enabled(seen: dict[str, Any]) -> None:
    assert seen["installed"] == ["FINISHED"]
    assert seen["enabled"]
    assert seen["classes_before"] == []
    assert "VOXRIG_OT_animate_from_audio" in seen["classes_enabled"]


def test_enabling_imports_nothing_heavy(seen: dict[str, Any]) -> None:
    assert set(seen["heavy_after_enable"]) <= {"typing_extensions"}  # Blender's own code may import that one


def test_its_wheels_are_what_is_imported(seen: dict[str, Any], user_folder: Path) -> None:
    local = user_folder / "extensions" / ".local"
    for name, file in seen["wheel_files"].items():
        assert Path(file).resolve().is_relative_to(local.resolve()), f"{name} came from {file}"
    assert not Path(seen["numpy_file"]).resolve().is_relative_to(user_folder.resolve()), "numpy is Blender's own"


def test_it_runs_under_its_installed_name_only(seen: dict[str, Any]) -> None:
    assert seen["modules_outside"] == []


def test_it_animates_a_character(seen: dict[str, Any]) -> None:
    assert seen["animate_code"] == 0
    assert seen["output_written"]
    curves = {path: np.array(keys) for path, keys in seen["curves"].items()}
    keyed = {path.split('"')[1] for path in curves}
    assert {"jawOpen", "mouthClose", "mouth_smile_L", "mouth_smile_R"} <= keyed
    jaw = curves['key_blocks["jawOpen"].value']
    assert np.all(np.isfinite(jaw))
    assert np.ptp(jaw[:, 1]) > 0.05, "the jaw moves"
    assert np.all(np.diff(jaw[:, 0]) > 0)
    frames = seen["curve_rows"] / seen["curve_rate"] * 24.0
    assert 0.0 <= jaw[-1, 0] - jaw[0, 0] - frames <= 0.7 * 24.0, "the whole sound, and the way from rest and back"
    assert len(jaw) < 0.6 * frames, "sparser than a key on each frame"


def test_it_writes_curves(seen: dict[str, Any]) -> None:
    assert seen["curves_code"] == 0
    assert seen["curve_rows"] > 50


def test_disabling_unregisters_everything(seen: dict[str, Any]) -> None:
    assert seen["disabled"] == ["FINISHED"]
    assert seen["classes_disabled"] == []
    assert seen["properties_left"] == []


def test_uninstalling_leaves_nothing(seen: dict[str, Any], user_folder: Path) -> None:
    assert seen["uninstalled"] == ["FINISHED"]
    assert not seen["enabled_after"]
    left = [path for path in (user_folder / "extensions").rglob("*") if path.is_file()]
    # Blender removes what the wheels' records list; the byte code that Python wrote for a wheel's single modules stays,
    # for any extension. Its own state files (settings, locks) are not the extension's either.
    words = ("voxrig", "onnx", "soxr", "soundfile", "cffi", "typing_extensions", ".whl")
    ours = [path.name for path in left if any(word in str(path.relative_to(user_folder)).lower() for word in words)]
    assert {name.split(".")[0] for name in ours} <= {"soundfile", "_soundfile", "typing_extensions"}
    assert all(name.endswith(".pyc") for name in ours)
    assert [path.name for path in left if ".local" in path.parts and path.suffix != ".pyc"] == []
    assert not (user_folder / "extensions" / "user_default" / "voxrig").exists()
