# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a whole head as named events: blinks, gaze, brows, head, breath and small movements of the face."""
