# SPDX-License-Identifier: GPL-3.0-or-later
"""``voxrig fit``: learn a show from its collected shots. Needs no Blender."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

from ..animation.face.channels import REGIONS
from ..storage.writing import is_temporary
from .arguments import add_model_options
from .reporting import EXIT_DONE, CommandError, complain, progress_printer


def add_fit(subcommands: Any) -> None:
    parser = subcommands.add_parser(
        "fit",
        help="learn a show from its collected shots, as a separate model",
        description="Learn the controls of a rig from shots that were collected into a dataset folder, from the hearing "
        "of a model, and write a model package that loads like any other. The more shots the better; with one alone the "
        "check on unseen animation is made on parts of it.",
    )
    parser.add_argument("dataset", metavar="DATASET", help="folder with the collected shots")
    parser.add_argument("-o", "--output", required=True, metavar="PACKAGE", help="folder of the model package to write")
    parser.add_argument("--region", action="append", default=[], choices=REGIONS, help="face part to learn; may be repeated")
    parser.add_argument("--title", metavar="TEXT", help="name of the model in lists (default: the folder's)")
    add_model_options(parser)
    parser.set_defaults(run=run_fit)


def run_fit(arguments: argparse.Namespace) -> int:
    """Run ``voxrig fit``; nothing is written unless everything was learned."""
    import time

    from ..inference.package import find_model, load_package
    from ..inference.session import open_session
    from ..learning.fit import fit_show, write_fit
    from ..learning.show import read_show

    output = Path(cast("str", arguments.output))
    others = [path for path in output.iterdir() if not is_temporary(path)] if output.is_dir() else []
    if {path.name for path in others} - {"model.json", "model.onnx"}:
        raise CommandError(f"--output {output} already holds other files; give a new folder or that of a model package")
    show = read_show(cast("str", arguments.dataset))
    if arguments.region:
        show = show.of_regions(arguments.region)
    for sentence in show.warnings:
        complain(sentence)
    session = open_session(load_package(find_model(cast("str | None", arguments.model))), arguments.provider.upper())
    started = time.perf_counter()
    fit = fit_show(session, show, on_progress=progress_printer(show.rig))
    if session.warning is not None:
        complain(session.warning)
    package = write_fit(fit, session.package, output, title=cast("str | None", arguments.title))
    for control, r in zip(fit.controls, fit.held_out):
        print(f"  {control.name}: r {r:.2f}" if r == r else f"  {control.name}: moves in too few shots to be checked")
    if show.still:
        print(f"left out, never moves: {', '.join(show.still)}")
    print(
        f"{package.folder}: {len(fit.controls)} controls of '{show.rig}' from {fit.minutes:.1f} minutes in {len(show.shots)} "
        f"shots, mean r on unseen parts {fit.mean_held_out:.2f} ({time.perf_counter() - started:.0f} s)"
    )
    return EXIT_DONE
