# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxrig: facial animation from speech, as sparse F-Curves on the artist's own rig.

Nothing is imported at module level: the pure folders are used without Blender, and start-up stays free.
"""


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled."""
    from . import registration

    registration.unregister()
