# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: ``main.py`` and a module for each subcommand. Nothing slow is imported before it is needed."""
