# SPDX-License-Identifier: GPL-3.0-or-later
"""The face package: how it was made from MediaPipe's published model."""
