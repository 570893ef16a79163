# SPDX-License-Identifier: GPL-3.0-or-later
"""Registering: again and again, leaving nothing behind, importing nothing slow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import bpy
import voxrig

ROOT = Path(__file__).resolve().parents[2]
BASES = tuple(
    getattr(bpy.types, name) for name in ("PropertyGroup", "Operator", "Panel", "UIList", "AddonPreferences", "FileHandler")
)


def registered_names() -> dict[str, Any]:
    """Return everything of Voxrig that Blender knows."""

    def below(cls: type) -> set[type]:
        return {cls}.union(*(below(child) for child in cls.__subclasses__()))

    classes = {cls.__name__ for base in BASES for cls in below(base) if cls.__dict__.get("bl_rna") and cls.is_registered}
    handlers = {
        name: list(getattr(bpy.app.handlers, name)) for name in dir(bpy.app.handlers) if name.endswith(("_post", "_pre"))
    }
    return {
        "classes": {name for name in classes if name.startswith("VOXRIG")},
        "types": {name for name in dir(bpy.types) if name.startswith("VOXRIG")},
        "operators": set(dir(bpy.ops.voxrig)),
        "owners": {
            owner.__name__
            for owner in (bpy.types.Scene, bpy.types.Object, bpy.types.Action, bpy.types.WindowManager)
            if "voxrig" in owner.bl_rna.properties
        },
        "handlers": handlers,
    }


def test_registering_three_times_leaves_nothing_behind() -> None:
    before = registered_names()
    assert not before["classes"] and not before["types"] and not before["owners"]
    seen = []
    for _ in range(3):
        voxrig.register()
        try:
            during = registered_names()
        finally:
            voxrig.unregister()
        assert registered_names() == before
        seen.append(during)
    assert seen[0] == seen[1] == seen[2]
    assert seen[0]["owners"] == {"Scene", "Object", "Action", "WindowManager"}
    assert {"animate_from_audio", "match_channels", "save_mapping", "load_mapping"} <= seen[0]["operators"]
    assert "VOXRIG_PT_main" in seen[0]["types"]


def test_registering_imports_nothing_slow() -> None:
    # Left by os._exit: Blender 4.2 as a module crashes on its way out once a property has had a callback.
    program = (
        "import os, sys, bpy, voxrig; voxrig.register();"
        "print([n for n in ('onnxruntime', 'soundfile', 'soxr') if n in sys.modules], flush=True); os._exit(0)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"


def test_every_button_and_property_explains_itself() -> None:
    from voxrig.properties import registration, takes

    voxrig.register()
    try:
        for name in dir(bpy.ops.voxrig):
            operator = getattr(bpy.ops.voxrig, name).get_rna_type()
            assert operator.description and not operator.description.endswith("."), name
            assert operator.name == operator.name.title().replace(" From ", " from ").replace(" For ", " for ").replace(
                "'S ", "'s "
            ), name
        for group in (cls for cls in registration.CLASSES if cls is not takes.VOXRIG_PG_character):
            for prop in group.bl_rna.properties:
                if prop.identifier in ("rna_type", "name", "bl_idname", "model_name"):
                    continue
                assert prop.description and not prop.description.endswith("."), prop.identifier
    finally:
        voxrig.unregister()
