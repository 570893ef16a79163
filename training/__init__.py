# SPDX-License-Identifier: GPL-3.0-or-later
"""PyTorch: corpora, targets, networks, training, evaluation and export. Never shipped."""
