# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.reports.hostile``: the table of hostile inputs, and everything that was not one sentence."""

from __future__ import annotations

import argparse
import importlib.util
import sys

from . import in_blender, inputs
from .trial import run_cases


def main() -> int:
    """Try all kinds, those that need Blender where its module is installed; exit code 1 when anything else came of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=13, help="of what is damaged where (default: 13)")
    parser.add_argument("--kind", help="only kinds whose name holds this text")
    parser.add_argument("--verbose", action="store_true", help="show what was said to each input")
    arguments = parser.parse_args()
    cases = inputs.make_cases(arguments.seed)
    if importlib.util.find_spec("bpy") is not None:
        cases += in_blender.make_cases(arguments.seed)
    tally = run_cases([case for case in cases if not arguments.kind or arguments.kind in case.kind])
    if arguments.verbose:
        for verdict in tally.verdicts:
            print(
                f"{verdict.case.kind}: {verdict.case.name}: {verdict.outcome}, {verdict.seconds:.1f} s: {verdict.text.strip()}"
            )
    print(tally.table())
    for verdict in tally.bad:
        print(f"\n{verdict.case.kind}: {verdict.case.name}: {verdict.outcome}\n{verdict.text}", file=sys.stderr)
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
