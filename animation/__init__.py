# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel curves and the operations on them, in pure numpy without Blender."""
