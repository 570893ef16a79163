# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that are shown to the artist.

The text of each is one sentence that says what is wrong and what to do about it. Operators report it and
change nothing; the command line prints it on one line. Every other exception is a bug and propagates.
"""


class VoxrigError(Exception):
    """Something the user can put right; the message says how."""


class AudioError(VoxrigError):
    """A sound cannot be read or holds nothing to animate."""


class ModelError(VoxrigError):
    """A model package is damaged, disagrees with itself or cannot run here."""


class RigError(VoxrigError):
    """A character, a mapping or one of its targets cannot be used."""


class InterchangeError(VoxrigError):
    """A file of curves is damaged, in none of the known formats, or cannot be written."""


class ShowError(VoxrigError):
    """Collected shots are damaged, do not go together or hold nothing to learn from."""


class Cancelled(Exception):
    """The user stopped a long piece of work; nothing was changed. Not an error: nobody reports it."""
