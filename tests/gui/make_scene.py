# SPDX-License-Identifier: GPL-3.0-or-later
"""Saves a scene with the demo character alone: ``blender --background --python make_scene.py -- OUTPUT``."""

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # where the checkout lies in the root

from voxrig.blender.demo_character import build_character

bpy.ops.wm.read_homefile(use_factory_startup=True)
for thing in list(bpy.data.objects):
    bpy.data.objects.remove(thing)
build_character()
bpy.context.scene.render.fps = 24
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[sys.argv.index("--") + 1])
