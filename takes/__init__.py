# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes: from a sound and settings to keyframes for a character's controls, without Blender."""
