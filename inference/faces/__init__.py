# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces in pictures and films: find the face, its points, the expression as ARKit's channels, and the turn of the head."""
