# SPDX-License-Identifier: GPL-3.0-or-later
"""The one-way rule: which folder may import which, and which foreign modules, read from the source with ast.

errors <- animation <- inference, and errors <- animation <- blender; only operators and the command line join the
two. The linter says the same more coarsely while one types; the tests at the end plant a violation for each.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from voxrig.tools.reports.imports import Import, find_imports

ROOT = Path(__file__).resolve().parents[2]

ANYTHING = frozenset({"*"})


@dataclass(frozen=True)
class Layer:
    """Imports allowed to one top-level place: Voxrig's own places, foreign modules anywhere, foreign ones inside functions.

    ``exempt`` are modules of NEVER_SHIPPED that it may have nevertheless.
    """

    ours: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()
    lazy: frozenset[str] = frozenset()
    exempt: frozenset[str] = frozenset()


def layer(ours: str = "", foreign: str = "", lazy: str = "", exempt: str = "") -> Layer:
    known = set(ours.split())
    # Whoever knows the errors may also read and write files in the one way that is safe.
    known |= {"storage"} if "errors" in known else set()
    return Layer(frozenset(known), frozenset(foreign.split()), frozenset(lazy.split()), frozenset(exempt.split()))


BLENDER = "bpy bpy_extras mathutils"
LAYERS = {
    "__init__": layer(),
    "__main__": layer("cli"),
    "errors": layer(),
    "storage": layer("", "numpy"),
    "animation": layer("errors", "numpy"),
    "inference": layer("errors animation", "numpy", lazy="av onnxruntime soundfile soxr espeakng_loader"),
    "learning": layer("errors animation inference", "numpy"),
    "blender": layer("errors animation", f"numpy bmesh {BLENDER}", lazy="aud"),
    "takes": layer("errors animation inference", "numpy"),
    # The one place with sockets and a microphone; both wait for a caller who asks.
    "live": layer("errors animation inference", "numpy", lazy="miniaudio soundfile", exempt="socket"),
    "properties": layer("errors animation blender inference takes", f"numpy {BLENDER}"),
    "operators": layer("errors animation inference learning takes live blender properties", f"numpy {BLENDER}"),
    # Panels draw; the waveform strip draws arrays that are at hand.
    "panels": layer("animation properties blender", f"numpy blf gpu gpu_extras {BLENDER}"),
    "translations": layer("", "bpy"),
    "registration": layer("properties operators panels blender translations", "bpy"),
    "batch": layer("errors animation inference takes blender operators registration", f"numpy {BLENDER}", exempt="subprocess"),
    "cli": layer(
        "batch errors animation inference learning takes live blender operators properties registration", "numpy", lazy="bpy"
    ),
    "training": Layer(frozenset({"errors", "storage", "animation", "inference", "learning", "live"}), ANYTHING),
    "tools": Layer(ANYTHING, ANYTHING),
}
# Imported inside functions only, where the place itself is allowed at all: __init__ must cost nothing.
LAZY_OURS = {"__init__": frozenset({"cli", "registration"})}
SHIPPED = tuple(place for place in LAYERS if place not in ("training", "tools"))
NO_BLENDER = frozenset(f"bmesh aud gpu blf bl_ext {BLENDER}".split())
# Voxrig never opens a connection and never starts another program, in particular not pip; a batch starts Voxrig again.
NEVER_SHIPPED = frozenset("asyncio ftplib http pip requests smtplib socket ssl subprocess torch urllib webbrowser".split())


def find_violations(root: Path, path: Path) -> list[str]:
    """Return one line for each import of a file that the table forbids."""
    module = path.relative_to(root).with_suffix("").parts
    is_package = module[-1] == "__init__"
    if is_package and len(module) > 1:
        module = module[:-1]
    place = module[0]
    if place == "__init__":
        module = ()
    allowed = LAYERS[place]
    violations: list[str] = []

    def report(found: Import, why: str) -> None:
        violations.append(f"{path.relative_to(root)}:{found.line}: {found.target}: {why}")

    for found in find_imports(path.read_text(encoding="utf-8"), module, is_package):
        top = found.target.split(".")[0]
        if not found.ours and top == "voxrig" and place in SHIPPED:
            report(found, "shipped code imports its own by relative imports, installed it has another name")
            continue
        if found.ours or top == "voxrig":
            parts = found.target.split(".")[0 if found.ours else 1 :]
            if not parts or parts[0] == place or allowed.ours == ANYTHING or parts[0] in allowed.ours:
                continue
            if parts[0] in LAZY_OURS.get(place, ()) and not found.at_load:
                continue
            report(found, f"{place} may import {sorted(allowed.ours) or 'nothing of ours'}")
        elif place in SHIPPED and top in NEVER_SHIPPED - allowed.exempt:
            report(found, "never in the extension")
        elif top in sys.stdlib_module_names or top in allowed.foreign:
            continue
        elif allowed.foreign == ANYTHING and (place == "tools" or top not in NO_BLENDER):
            continue
        elif top in allowed.lazy:
            if found.at_load:
                report(found, "imported inside the function that needs it")
        else:
            report(found, f"{place} does not know it")
    return violations


def source_files() -> list[Path]:
    files = [ROOT / f"{place}.py" for place in LAYERS if (ROOT / f"{place}.py").is_file()]
    for place in LAYERS:
        if (ROOT / place).is_dir():
            files += sorted((ROOT / place).rglob("*.py"))
    return files


def test_every_folder_with_code_is_in_the_table() -> None:
    known = {*LAYERS, "tests", "build", "dist", "wheels"}
    places = {path.stem for path in ROOT.glob("*.py")}
    places |= {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and any(path.glob("*.py"))}
    assert places <= known


@pytest.mark.parametrize("path", source_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_follow_the_one_way_rule(path: Path) -> None:
    assert find_violations(ROOT, path) == []


@pytest.mark.parametrize("path", source_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_onnxruntime_is_loaded_in_one_place(path: Path) -> None:
    """There its telemetry is switched off; training and tools go through the same door."""
    if path != ROOT / "inference" / "runtime.py":
        found = find_imports(path.read_text(encoding="utf-8"), path.relative_to(ROOT).with_suffix("").parts, False)
        assert not any(each.target.split(".")[0] == "onnxruntime" for each in found)


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("__init__.py", "from . import registration"),
        ("__init__.py", "def register():\n    from . import panels"),
        ("registration.py", "def run():\n    from .cli import main"),
        ("animation/planted.py", "import bpy"),
        ("animation/planted.py", "def f():\n    import bpy"),
        ("animation/planted.py", "import soxr"),
        ("animation/planted.py", "from ..inference import audio"),
        ("animation/planted.py", "from voxrig.animation import curves"),
        ("animation/deeper/planted.py", "from ...blender import rigs"),
        ("animation/deeper/__init__.py", "from ... import cli"),
        ("blender/planted.py", "from .. import inference"),
        ("blender/planted.py", "from ..operators.animate import animate_character"),
        ("blender/planted.py", "import aud"),
        ("cli/planted.py", "from ..panels import main"),
        ("cli/planted.py", "import bpy"),
        ("takes/planted.py", "import bpy"),
        ("takes/planted.py", "def f():\n    import bpy"),
        ("takes/planted.py", "from ..blender import rigs"),
        ("takes/planted.py", "from ..operators.animate import gather"),
        ("learning/planted.py", "import bpy"),
        ("learning/planted.py", "from ..takes import job"),
        ("inference/planted.py", "from ..learning import fit"),
        ("blender/planted.py", "from ..takes.job import Job"),
        ("errors.py", "import numpy"),
        ("inference/planted.py", "import onnxruntime"),
        ("inference/planted.py", "try:\n    import onnxruntime\nexcept ImportError:\n    pass"),
        ("inference/planted.py", "from ..blender.sounds import strip_span"),
        ("inference/planted.py", "def f():\n    import torch"),
        ("inference/planted.py", "def f():\n    from urllib.request import urlopen"),
        ("operators/planted.py", "from ..panels import main"),
        ("operators/planted.py", "import subprocess"),
        ("batch/planted.py", "import socket"),
        ("cli/planted.py", "import socket"),
        ("operators/planted.py", "def f():\n    import socket"),
        ("live/planted.py", "import miniaudio"),
        ("live/planted.py", "def f():\n    import ssl"),
        ("live/planted.py", "import bpy"),
        ("takes/planted.py", "from ..live import vmc"),
        ("panels/planted.py", "from ..inference import audio"),
        ("panels/planted.py", "from ..operators import animate"),
        ("training/planted.py", "import bpy"),
        ("training/planted.py", "from voxrig.blender import rigs"),
        ("training/planted.py", "from ..cli import main"),
    ],
)
def test_a_planted_violation_is_caught(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"import math\n{line}\n", encoding="utf-8")
    assert len(find_violations(tmp_path, path)) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("__init__.py", "def register():\n    from . import registration"),
        ("animation/planted.py", "from .curves import ChannelCurves\nfrom ..errors import RigError\nimport numpy as np"),
        ("animation/planted.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import bpy"),
        ("animation/deeper/__init__.py", "from .. import curves"),
        ("inference/planted.py", "def f():\n    import onnxruntime"),
        ("operators/planted.py", "from ..blender import rigs\nfrom ..inference.audio import read_sound"),
        ("training/planted.py", "import torch\nfrom voxrig.inference import audio\nfrom . import network"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"import math\n{line}\n", encoding="utf-8")
    assert find_violations(tmp_path, path) == []


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        ("animation/planted.py", "import bpy", "TID251"),
        ("inference/planted.py", "from mathutils import Vector", "TID251"),
        ("inference/planted.py", "import aud", "TID251"),
        ("inference/planted.py", "import torch", "TID251"),
        ("takes/planted.py", "import bpy", "TID251"),
        ("learning/planted.py", "from mathutils import Vector", "TID251"),
        ("errors.py", "import bpy", "TID251"),
        ("inference/planted.py", "import onnxruntime", "TID253"),
        ("operators/planted.py", "import soundfile", "TID253"),
        ("blender/planted.py", "import soxr", "TID253"),
    ],
)
def test_the_linter_catches_a_planted_violation(file: str, line: str, rule: str) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is installed in .venv only")
    # From standard input under the planted name, so that the folder's own rules apply and nothing is written there.
    command = [str(ruff), "check", "--output-format=concise", f"--select={rule}", "--stdin-filename", file, "-"]
    result = subprocess.run(command, input=line + "\n", capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.returncode == 1
    assert rule in result.stdout
