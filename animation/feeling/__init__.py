# SPDX-License-Identifier: GPL-3.0-or-later
"""Feelings: heard in the voice, said in words or smileys; as weights of the model's emotions and as a style."""
