# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes, characters, sounds and a small real model for the tests inside Blender (the bpy module)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy", reason="needs Blender as a module")

import model_packages  # noqa: E402
import soundfile  # noqa: E402
import voxrig  # noqa: E402
from voxrig.blender.ending import end_process  # noqa: E402

# What the test files share lies beside them; with pytest's importlib mode they see no siblings by themselves.
sys.path.append(str(Path(__file__).parent))

SOUND_SECONDS = 2.0


_status = pytest.StashKey[int]()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember how the tests went."""
    session.config.stash[_status] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave without Blender's own clean-up."""
    if _status in config.stash:
        end_process(config.stash[_status])


@pytest.fixture
def registered() -> Iterator[None]:
    """The extension, registered for one test. What stayed registered would crash Blender when Python ends."""
    voxrig.register()
    yield
    voxrig.unregister()


@pytest.fixture
def scene() -> Any:
    """The scene of an empty file at 24 frames a second."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.context.scene.render.fps = 24
    bpy.context.scene.render.fps_base = 1.0
    return bpy.context.scene


@pytest.fixture
def make_face(scene: Any) -> Callable[..., Any]:
    """Makes a mesh object with shape keys of the given names, each of which moves a point."""

    def make(name: str = "Face", keys: tuple[str, ...] = model_packages.CHANNELS) -> Any:
        mesh = bpy.data.meshes.new(name)
        mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
        item = bpy.data.objects.new(name, mesh)
        scene.collection.objects.link(item)
        if keys:
            item.shape_key_add(name="Basis")
        for key in keys:
            item.shape_key_add(name=key, from_mix=False).data[2].co.z = 0.5
        return item

    return make


@pytest.fixture
def face(make_face: Callable[..., Any]) -> Any:
    """A mesh object 'Face' whose shape keys are named like the small model's channels."""
    return make_face()


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real model package."""
    return model_packages.write_package(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of sound that is never still."""
    path = tmp_path_factory.mktemp("sounds") / "voice.wav"
    soundfile.write(path, model_packages.noise(SOUND_SECONDS), model_packages.SAMPLE_RATE)
    return path


@pytest.fixture
def make_rig(scene: Any) -> Callable[..., Any]:
    """Makes an armature object with bones of the given names side by side, turning by Euler angles."""

    def make(name: str = "Rig", bones: tuple[str, ...] = ("jaw", "lip.L", "lip.R")) -> Any:
        rig = bpy.data.objects.new(name, bpy.data.armatures.new(name))
        scene.collection.objects.link(rig)
        bpy.context.view_layer.objects.active = rig
        bpy.ops.object.mode_set(mode="EDIT")
        for i, bone in enumerate(bones):
            made = rig.data.edit_bones.new(bone)
            made.head, made.tail = (i, 0, 0), (i, 0, 1)
        bpy.ops.object.mode_set(mode="OBJECT")
        for bone in rig.pose.bones:
            bone.rotation_mode = "XYZ"
        return rig

    return make
