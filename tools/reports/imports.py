# SPDX-License-Identifier: GPL-3.0-or-later
"""Show which folder imports which, and which module imports which, and fail on circles.

``python -m voxrig.tools.reports.imports`` prints the folders' graph as Mermaid, which GitHub draws, then every circle that it
finds, and exits with 1 if there is one. ``--modules`` prints one line per module instead. Imports inside functions count too:
they only hide a circle from Python. Blocks under ``if TYPE_CHECKING`` never run and do not count.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parents[2]
NOT_SHIPPED = ("training", "tools")
_NO_CODE_OF_OURS = ("build", "dist", "node_modules", "tests", "wheels")

Graph = Mapping[str, Mapping[str, bool]]
"""Importer to imported to whether the import runs when the importer is loaded."""


@dataclass(frozen=True)
class Import:
    """One import: its dotted target from the root (``ours``) or a foreign name, and whether it runs on loading.

    ``names`` are those that ``from target import ...`` takes from the target; some may be modules themselves.
    """

    line: int
    target: str
    ours: bool
    at_load: bool
    names: tuple[str, ...] = ()


def find_imports(source: str, module: tuple[str, ...], is_package: bool) -> list[Import]:
    """Return all imports of a module whose path below the root is ``module``, without those under TYPE_CHECKING.

    Raises ValueError for a relative import from above the root.
    """
    imports: list[Import] = []
    package = module if is_package else module[:-1]

    def add(node: ast.Import | ast.ImportFrom, at_load: bool) -> None:
        names = tuple(alias.name for alias in node.names)
        if isinstance(node, ast.Import):
            imports.extend(Import(node.lineno, name, False, at_load) for name in names)
            return
        if node.level > len(package) + 1:
            raise ValueError(f"line {node.lineno}: an import from above the root")
        if not node.level:
            imports.append(Import(node.lineno, node.module or "", False, at_load, names))
            return
        above = package[: len(package) - node.level + 1]
        if node.module:
            imports.append(Import(node.lineno, ".".join((*above, node.module)), True, at_load, names))
        else:
            imports.extend(Import(node.lineno, ".".join((*above, name)), True, at_load) for name in names)

    def walk(node: ast.AST, at_load: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                add(child, at_load)
            elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
                for other in child.orelse:
                    walk(other, at_load)
            else:
                walk(child, at_load and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    walk(ast.parse(source), True)
    return imports


def list_modules(root: Path, *, shipped_only: bool = True) -> dict[str, Path]:
    """Return the files of Voxrig's modules by dotted name; a package has the name of its folder, the root is ``__init__``."""
    modules: dict[str, Path] = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0].startswith(".") or parts[0] in _NO_CODE_OF_OURS or (shipped_only and parts[0] in NOT_SHIPPED):
            continue
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        modules[name] = path
    return modules


def graph_modules(root: Path, *, shipped_only: bool = True) -> dict[str, dict[str, bool]]:
    """Return which of Voxrig's modules imports which.

    A name imported from a package counts as an import of the submodule of that name if there is one, and else of the
    package. The packages above a module, which Python loads too, do not count.
    """
    modules = list_modules(root, shipped_only=shipped_only)
    graph: dict[str, dict[str, bool]] = {name: {} for name in modules}
    for name, path in modules.items():
        own = () if name == "__init__" else tuple(name.split("."))
        for found in find_imports(path.read_text(encoding="utf-8"), own, path.stem == "__init__"):
            target = found.target
            if not found.ours:
                if target.split(".")[0] != root.name and target.split(".")[0] != "voxrig":
                    continue
                target = target.partition(".")[2]
            for imported in _resolve(target, found.names, modules):
                if imported != name:
                    graph[name][imported] = graph[name].get(imported, False) or found.at_load
    return graph


def _resolve(target: str, names: tuple[str, ...], modules: Mapping[str, Path]) -> Iterator[str]:
    """Yield the modules that an import of ``names`` from ``target`` reaches; none for a name of the root itself."""
    for name in names or ("",):
        candidates = (f"{target}.{name}".strip("."), target, target.rpartition(".")[0])
        found = next((candidate for candidate in candidates if candidate in modules), "__init__")
        yield found


def graph_folders(modules: Graph) -> dict[str, dict[str, bool]]:
    """Return the same graph of top-level places: ``animation``, ``cli``, ``errors`` and so on."""
    folders: dict[str, dict[str, bool]] = {}
    for importer, imported in modules.items():
        place = importer.split(".")[0]
        row = folders.setdefault(place, {})
        for target, at_load in imported.items():
            other = target.split(".")[0]
            if other != place:
                row[other] = row.get(other, False) or at_load
    return folders


def find_circles(graph: Graph) -> list[list[str]]:
    """Return the groups of two or more modules that can all reach one another (strongly connected components), by name."""
    names = sorted({*graph, *(target for row in graph.values() for target in row)})
    place = {name: number for number, name in enumerate(names)}
    pairs = [(place[importer], place[target]) for importer, row in graph.items() for target in row]
    if not pairs:
        return []
    rows, columns = np.array(pairs).T
    matrix = csr_array((np.ones(len(pairs)), (rows, columns)), shape=(len(names), len(names)))
    _count, labels = connected_components(matrix, directed=True, connection="strong")
    groups = [[name for name in names if labels[place[name]] == label] for label in sorted(set(labels))]
    return [group for group in groups if len(group) > 1]


def draw_mermaid(graph: Graph) -> str:
    """Return the graph as Mermaid text: the importer points at the imported, dotted if only functions import it.

    An arrow is left out where a longer path implies it, so that the picture is readable; with circles, none is left out.
    """
    lines = ["graph TD"]
    has_circles = bool(find_circles(graph))
    for importer, row in sorted(graph.items()):
        for target, at_load in sorted(row.items()):
            if has_circles or not any(_reaches(graph, other, target) for other in row if other != target):
                lines.append(f"    {importer} {'-->' if at_load else '-.->'} {target}")
    return "\n".join(lines)


def _reaches(graph: Graph, start: str, goal: str) -> bool:
    waiting, seen = [start], {start}
    while waiting:
        for target in graph.get(waiting.pop(), {}):
            if target == goal:
                return True
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return False


def list_lines(graph: Graph) -> str:
    """Return one line per importer; imports by functions only are in brackets."""
    lines: list[str] = []
    for importer, row in sorted(graph.items()):
        targets = [target if at_load else f"({target})" for target, at_load in sorted(row.items())]
        lines.append(f"{importer}: {' '.join(targets) or '-'}")
    return "\n".join(lines)


def main() -> int:
    """Print the graph and its circles; return 1 if there is a circle."""
    parser = argparse.ArgumentParser(description="The import graph of Voxrig, and its circles.")
    parser.add_argument("--modules", action="store_true", help="print the graph of modules instead of the folders' picture")
    parser.add_argument("--all", action="store_true", help="with training/ and tools/, which are not shipped")
    arguments = parser.parse_args()
    modules = graph_modules(ROOT, shipped_only=not arguments.all)
    folders = graph_folders(modules)
    print(list_lines(modules) if arguments.modules else draw_mermaid(folders))
    circles = [("folders", group) for group in find_circles(folders)] + [("modules", group) for group in find_circles(modules)]
    for kind, group in circles:
        print(f"circle of {kind}: {' '.join(group)}")
    if not circles:
        print(f"no circles in {len(modules)} modules of {len(folders)} places")
    return 1 if circles else 0


if __name__ == "__main__":
    raise SystemExit(main())
