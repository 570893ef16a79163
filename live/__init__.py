# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces in real time: a microphone or a phone in, a rig or another program out. Nothing is opened before a caller starts it."""
