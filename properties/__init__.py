# SPDX-License-Identifier: GPL-3.0-or-later
"""What Voxrig stores in a .blend file and in Blender's preferences, and what this session knows; with typed access."""
