# SPDX-License-Identifier: GPL-3.0-or-later
"""Train what Voxrig knows of feelings: the head that hears them in a voice, and the model that reads them in words."""
