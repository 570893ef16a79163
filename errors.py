# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that are shown to the artist.

The text of each is one sentence that states the problem and what to do about it. Operators report it and change nothing; the
command line prints it on one line. Every other exception is a bug and propagates.
"""

import re

# Text that somebody else made (a file's name, a cell, a field) may be of any length and hold line breaks.
_LONGEST_WORD = 240
_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")


class VoxrigError(Exception):
    """A problem that the user can fix; the message says how, on one line."""

    def __str__(self) -> str:
        """Return the sentence on one line, words that are too long to read cut in their middle."""
        sentence = " ".join(super().__str__().split())
        return _LONG_WORD.sub(lambda word: f"{word[0][:100]}...{word[0][-40:]}", sentence)


class AudioError(VoxrigError):
    """A sound cannot be read or has nothing to animate."""


class ModelError(VoxrigError):
    """A model package is damaged, contradicts itself or cannot run here."""


class RigError(VoxrigError):
    """A character, a mapping or one of its targets cannot be used."""


class SettingError(VoxrigError):
    """A setting has a value that it cannot have."""


class InterchangeError(VoxrigError):
    """A curve file is damaged, of unknown format, or cannot be written."""


class ScriptError(VoxrigError):
    """A script, subtitles or a dictionary cannot be read, or the text cannot be said."""


class PictureError(VoxrigError):
    """A picture or a film cannot be read or shows no face."""


class ShowError(VoxrigError):
    """Collected shots are damaged, do not belong together or hold nothing to learn from."""


class LiveError(VoxrigError):
    """A microphone, a port or an address for live faces cannot be used."""


class Cancelled(Exception):
    """The user stopped a long task; nothing was changed. This is not an error and is never reported."""
