# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/scripting.md: what scripts may call, with the signatures and docstrings of the source.

``python -m voxrig.tools.reports.api > docs/scripting.md``, or ``make docs`` for all generated pages. Read with ast, so
nothing is imported: the page is the same in every Blender and without one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTED = ("takes", "operators")
"""Folders whose public functions and data classes scripts may use; operator classes are left out, because they are buttons."""

INTRODUCTION = """\
# Scripting

*Generated from docstrings by `make docs`; edit those, not this page.*

Every button calls a plain function. Scripts call the same functions.

- In a Blender with the extension installed, the package is `bl_ext.user_default.voxrig`.
- In a checkout, `make setup` makes `.venv`, where `import voxrig` works and `import bpy` is Blender itself. Call
  `voxrig.register()` once, as Blender does when it enables the extension.

Problems that you can fix are raised as `errors.VoxrigError`, with one sentence that says what to do. Anything else is a bug.
Arrays are `[time, channel]`. Frames are Blender's; seconds count from the start of the sound. Functions that take
`on_progress` call it with a fraction from 0 to 1; those that take `is_cancelled` ask it between pieces of work.
"""


def write_page(root: Path = ROOT) -> str:
    """Return the page as Markdown."""
    blocks = [INTRODUCTION.rstrip()]
    for folder in SCRIPTED:
        for path in sorted((root / folder).rglob("*.py")):
            blocks.extend(_describe_module(root, path))
    return "\n\n".join(blocks) + "\n"


def _describe_module(root: Path, path: Path) -> Iterator[str]:
    """Yield a heading, the module's docstring and a block per public function and class; nothing for a module without any."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    entries = [block for node in tree.body if _is_public(node) for block in _describe(node)]
    if not entries:
        return
    parts = path.relative_to(root).with_suffix("").parts
    yield f"## `{'.'.join(parts[:-1] if parts[-1] == '__init__' else parts)}`"
    text = ast.get_docstring(tree)
    if text:
        yield _to_markdown(text)
    yield from entries


def _is_public(node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return not node.name.startswith("_") and node.name not in ("register", "unregister")
    return isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not _is_of_blender(node)


def _is_of_blender(node: ast.ClassDef) -> bool:
    """Return whether a class is an operator, or a base class of operators: what Blender calls, not scripts."""
    bases = " ".join(ast.unparse(base) for base in node.bases)
    return "_OT_" in node.name or "bpy.types" in bases or node.name.endswith("Operator") or "Operator" in bases


def _describe(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef):
        yield f"### `{node.name}`"
        yield f"```python\n{_signature(node)}\n```"
        yield _to_markdown(ast.get_docstring(node) or "")
    elif isinstance(node, ast.ClassDef):
        yield f"### `{node.name}`"
        fields = list(_describe_fields(node))
        head = f"class {node.name}({', '.join(ast.unparse(base) for base in node.bases)}):".replace("():", ":")
        yield "```python\n" + "\n".join([head, *(f"    {line}" for line in fields)] if fields else [head + " ..."]) + "\n```"
        yield _to_markdown(ast.get_docstring(node) or "")
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                text = " ".join((ast.get_docstring(method) or "").split("\n\n")[0].split())
                yield f"- `{_signature(method, method=True)}`: {_to_markdown(text)}".rstrip(": ")


def _describe_fields(node: ast.ClassDef) -> Iterator[str]:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and not item.target.id.startswith("_"):
            value = f" = {_write(_find_default(item.value))}" if item.value is not None else ""
            yield f"{item.target.id}: {_write(item.annotation)}{value}"


def _find_default(node: ast.expr) -> ast.expr:
    """Return the default that a dataclass' field states: x in ``field(default=x)`` and in Voxrig's ``_setting(x, ...)``."""
    if not isinstance(node, ast.Call):
        return node
    if ast.unparse(node.func).startswith("_") and node.args:
        return node.args[0]
    if ast.unparse(node.func).endswith("field"):
        for keyword in node.keywords:
            if keyword.arg == "default":
                return keyword.value
            if keyword.arg == "default_factory":
                return ast.Call(keyword.value, [], [])
    return node


def _signature(node: ast.FunctionDef, *, method: bool = False) -> str:
    """Return ``name(arguments) -> result``, over several lines if one is too long; ``self`` and ``cls`` are left out."""
    arguments = node.args
    if method and arguments.args and arguments.args[0].arg in ("self", "cls"):
        arguments = ast.arguments(
            posonlyargs=arguments.posonlyargs,
            args=arguments.args[1:],
            vararg=arguments.vararg,
            kwonlyargs=arguments.kwonlyargs,
            kw_defaults=arguments.kw_defaults,
            kwarg=arguments.kwarg,
            defaults=arguments.defaults,
        )
    if method and any(ast.unparse(decorator).endswith("property") for decorator in node.decorator_list):
        return f"{node.name}: {ast.unparse(node.returns)}" if node.returns else node.name
    result = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    line = f"{node.name}({', '.join(_list_arguments(arguments))}){result}"
    if method or len(line) <= 110:
        return line
    return f"{node.name}(\n" + "".join(f"    {part},\n" for part in _list_arguments(arguments)) + f"){result}"


def _list_arguments(arguments: ast.arguments) -> Iterator[str]:
    """Yield each argument with its annotation and default, and the bare ``*`` or ``/`` between kinds."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [*[None] * (len(plain) - len(arguments.defaults)), *arguments.defaults]
    for number, (argument, default) in enumerate(zip(plain, defaults)):
        yield _argument(argument, default)
        if arguments.posonlyargs and number == len(arguments.posonlyargs) - 1:
            yield "/"
    if arguments.vararg is not None:
        yield f"*{_argument(arguments.vararg, None)}"
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        yield _argument(argument, default)
    if arguments.kwarg is not None:
        yield f"**{_argument(arguments.kwarg, None)}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    text = argument.arg if argument.annotation is None else f"{argument.arg}: {_write(argument.annotation)}"
    return text if default is None else f"{text} = {_write(default)}"


def _write(node: ast.expr) -> str:
    """Return an expression as in the source, with double quotes."""
    return re.sub(r"'([^'\"\\]*)'", r'"\1"', ast.unparse(node))


def _to_markdown(text: str) -> str:
    """Convert the docstrings' double backquotes to Markdown's single ones."""
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def main() -> int:
    """Print the page."""
    print(write_page(), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
