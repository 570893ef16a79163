# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxrig: facial animation from speech, as sparse F-Curves on the artist's own rig.

Nothing is imported at module level, so that the pure folders work without Blender and start-up costs nothing.
"""


def register() -> None:
    """Register the extension; Blender calls this when it is enabled."""
    from . import registration
    from .cli import blender_command

    registration.register()
    blender_command.register()


def unregister() -> None:
    """Unregister the extension; Blender calls this when it is disabled."""
    from . import registration
    from .cli import blender_command

    blender_command.unregister()
    registration.unregister()
