# SPDX-License-Identifier: GPL-3.0-or-later
"""Channel curves and what is done to them: pure numpy, no Blender."""
