# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/command-line.md from the parser of the command line itself.

``python -m voxrig.tools.reports.commands > docs/command-line.md``, or ``make docs`` for all generated pages. argparse lays
its help out differently in each Python, so the page is made from the parser's actions.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from voxrig.cli.main import build_parser

INTRODUCTION = """\
# Command line

*Generated from the parser by `make docs`; edit the help texts, not this page.*

`voxrig` is one of

| where | how |
|---|---|
| in a Blender with the extension | `blender --background scene.blend --command voxrig COMMAND ...` |
| in a checkout, after `make setup` | `.venv/bin/voxrig COMMAND ...` |

Exit codes: 0, all was done; 2, a problem that you can fix, one line each on stderr; 130, interrupted.

## Examples

Animate a character and save the file under another name:

```sh
blender --background scene.blend --command voxrig animate --character Face --audio line.wav --output out.blend
.venv/bin/voxrig animate --blend scene.blend --character Face --audio line.wav --output out.blend
```

Animate a dialogue: each sound strip of the sequencer belongs to a speaker, guessed from the names unless you say:

```sh
.venv/bin/voxrig animate --blend scene.blend --dialogue line_001=Anna 2=Bob --output out.blend
```

Write the curves alone, one CSV or NPZ per sound at the model's own frame rate. No Blender needed:

```sh
.venv/bin/voxrig curves a.wav b.flac -o folder/
```

Key curves that another program made:

```sh
.venv/bin/voxrig animate --blend scene.blend --character Face --curves take.csv --output out.blend
```

Convert between Live Link Face, Audio2Face (CSV and JSON), Rhubarb, MediaPipe and Voxrig's own files. The format is detected
from the content. What a format cannot store is reported in one line each:

```sh
.venv/bin/voxrig convert phone_take.csv take.npz
.venv/bin/voxrig convert line.csv line_llf.csv --to live-link-face --fps 60
```

For engines that play ARKit morph targets, use Blender's own exporter: *File > Export > glTF 2.0* with *Data > Shape Keys* and
*Animation > Shape Keys Animations* on, as they are by default. Each mesh gets one `weights` track whose targets carry the shape
keys' names in order. Its second 0 is frame 0, so start the sound there.
"""


def write_page(parser: argparse.ArgumentParser | None = None) -> str:
    """Return the page as Markdown: the introduction, then each subcommand with its arguments and options."""
    blocks = [INTRODUCTION.rstrip()]
    for name, subparser in _list_subcommands(parser or build_parser()):
        blocks.append(f"## `voxrig {name}`")
        if subparser.description:
            blocks.append(subparser.description.replace("|", "\\|"))
        blocks.append(_draw_table(subparser))
    return "\n\n".join(blocks) + "\n"


def _list_subcommands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            shown = [choice.dest for choice in action._choices_actions]  # without those that have no help, which are internal
            yield from ((name, action.choices[name]) for name in shown)


def _draw_table(parser: argparse.ArgumentParser) -> str:
    """Return a row per argument with its spelling and its help."""
    rows = ["| argument | what it does |", "|---|---|"]
    rivals = {id(action): group for group in parser._mutually_exclusive_groups for action in group._group_actions}
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction) or action.help is argparse.SUPPRESS:
            continue
        text = (action.help or "").replace("|", "\\|")
        group = rivals.get(id(action))
        if group is not None:
            others = [other.option_strings[0] for other in group._group_actions if other is not action]
            text += f" (not with {', '.join(f'`{other}`' for other in others)})"
        if action.required and action.option_strings:
            text += " **required**"
        rows.append(f"| {_write_argument(action)} | {text} |")
    return "\n".join(rows)


def _write_argument(action: argparse.Action) -> str:
    """Return ``--option VALUE`` as typed."""
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = ""
    if action.nargs != 0:
        choices = [str(choice).lower().replace("_", "-") for choice in action.choices or ()]
        value = f" {action.metavar or ', '.join(choices) or action.dest.upper()}"
    return ", ".join(f"`{option}{value}`" for option in action.option_strings)


def main() -> int:
    """Print the page."""
    print(write_page(), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
