# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech as events: phones, syllables, accents, phrases, pauses, turns, effort, laughter and shouts."""
