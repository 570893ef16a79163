# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn a show from its animated shots with PyTorch: ``voxrig-train run.toml``. See README.md in this folder."""
