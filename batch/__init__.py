# SPDX-License-Identifier: GPL-3.0-or-later
"""Many lines at once: a table of jobs, worker processes, a journal that survives anything, and a page to look through."""
