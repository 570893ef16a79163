# SPDX-License-Identifier: GPL-3.0-or-later
"""Many lines at once: a table of jobs, worker processes, a journal that survives crashes, and a report page."""
