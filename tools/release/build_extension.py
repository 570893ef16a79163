# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the extension's zips, one per platform and flavour, and have Blender's own validator check them.

``python -m voxrig.tools.release.build_extension [--platform linux-x64]... [--flavour cpu]...``

A zip holds only the files needed at run time: the folders and endings of ``RUNTIME_FILES`` and the platform's wheels. A
file in a run-time folder that is neither stops the build, and so does a wheel that is not exactly the pinned one. Two
builds of the same tree are byte-identical.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from .fetch_wheels import (
    FLAVOURS,
    PLATFORMS,
    ROOT,
    WHEELS_FOLDER,
    Wheel,
    WheelError,
    check_wheel,
    fetch_wheels,
    read_pins,
    select_wheels,
)

DIST_FOLDER = ROOT / "dist"
MANIFEST = "blender_manifest.toml"

# Everything that may be in a zip beside the wheels. `**/` is any folders, `*` anything except a slash.
RUNTIME_FILES = (
    "LICENSE",
    "LICENSES.md",  # of what is not code
    "blender_manifest.toml",
    "__init__.py",
    "errors.py",
    "registration.py",
    "__main__.py",
    "animation/**/*.py",
    "animation/**/*.json",
    "animation/script/english.txt.gz",  # the CMU Pronouncing Dictionary
    "animation/face/poses.npz",  # the space of poses that faces make
    "animation/script/letters.npz",  # the net for words that it lacks
    "batch/**/*.py",
    "blender/**/*.py",
    "blender/demo/head.npz",
    "blender/demo/line.flac",
    "blender/demo/ORIGIN.txt",
    "cli/**/*.py",
    "inference/**/*.py",
    "learning/**/*.py",
    "live/**/*.py",
    "operators/**/*.py",
    "panels/**/*.py",
    "presets/**/*.json",
    "properties/**/*.py",
    "storage/**/*.py",
    "takes/**/*.py",
    "translations/*.py",
    "translations/*.json",
    "models/*.md",  # the licences of the models' training data accompany the models
    "models/*/model.json",
    "models/*/*.onnx",
    "models/feeling/voice.json",
    "models/feeling/words.npz",
)
_RUNTIME_FOLDERS = tuple(sorted({p.split("/")[0] for p in RUNTIME_FILES if "/" in p}))
# Left by Python and by file browsers in any folder, or written for readers of the repository; neither shipped nor worth
# stopping for.
_LITTER = ("__pycache__", ".DS_Store", "Thumbs.db", ".gitkeep", "README.md")
_REQUIRED = tuple(glob for glob in RUNTIME_FILES if "/" not in glob)


class BuildError(Exception):
    """The zip must not be made in this state; the message says which file and why."""


def is_runtime_file(name: str) -> bool:
    """Return whether a path inside the extension (with slashes) may be shipped, wheels aside."""
    return any(re.fullmatch(_pattern(glob), name) for glob in RUNTIME_FILES)


def _pattern(glob: str) -> str:
    return re.escape(glob).replace(r"\*\*/", "(?:[^/]+/)*").replace(r"\*", "[^/]+")


def list_runtime_files(root: Path = ROOT) -> list[str]:
    """Return paths (with slashes, sorted) of the files to ship. Raises BuildError for a file that does not belong there."""
    names = [glob for glob in RUNTIME_FILES if "/" not in glob and (root / glob).is_file()]
    for folder in _RUNTIME_FOLDERS:
        names += [path.relative_to(root).as_posix() for path in _files_below(root / folder)]
    strangers = [name for name in names if not is_runtime_file(name)]
    if strangers:
        raise BuildError(f"not needed at run time, so it must not be in the zip: {', '.join(sorted(strangers))}")
    missing = [name for name in _REQUIRED if name not in names]
    models = {name.rsplit("/", 1)[0] for name in names if name.endswith("/model.json")}
    graphs = {name.rsplit("/", 1)[0] for name in names if name.endswith(".onnx")}
    missing += [f"{model}/model.onnx" for model in sorted(models - graphs)]
    if missing or not models:
        raise BuildError(f"missing from {root}: {', '.join(missing) or 'a bundled model'}")
    return sorted(names)


def _files_below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name in _LITTER:
            continue
        if path.is_symlink():
            raise BuildError(f"{path} is a link; zips hold files only.")
        if path.is_dir():
            yield from _files_below(path)
        else:
            yield path


def zip_name(platform: str, flavour: str, version: str) -> str:
    """Return the file name of one zip, as Blender's own builder names them, with the flavour unless it is the usual one."""
    return f"voxrig-{version}-{platform.replace('-', '_')}{'' if flavour == 'cpu' else '-' + flavour}.zip"


def narrow_manifest(text: str, platform: str, wheels: Iterable[Wheel]) -> str:
    """Narrow the manifest to one platform's zip: Blender's ``[build.generated]`` table replaces platforms and wheels.

    ``blender --command extension build --split-platforms`` writes the same, and Blender reads it.
    """
    if "build" in tomllib.loads(text):
        raise BuildError(f"{MANIFEST} must not have a [build] table; it is written here.")
    listed = "".join(f'  "./wheels/{wheel.file}",\n' for wheel in wheels)
    return f'{text.rstrip()}\n\n[build.generated]\nplatforms = ["{platform}"]\nwheels = [\n{listed}]\n'


def check_manifest(text: str, pins: Iterable[Wheel]) -> str:
    """Raise BuildError unless the manifest lists the wheels that are pinned for the usual flavour; return the version."""
    manifest = tomllib.loads(text)
    listed = set(manifest["wheels"])
    pinned = {f"./wheels/{w.file}" for w in pins if "cpu" in w.flavours}
    if listed != pinned:
        raise BuildError(f"{MANIFEST} and wheels.toml disagree on {', '.join(sorted(listed ^ pinned))}")
    if set(manifest["platforms"]) != set(PLATFORMS):
        raise BuildError(f"{MANIFEST} lists platforms {manifest['platforms']}, not {list(PLATFORMS)}")
    return str(manifest["version"])


def build_zip(
    platform: str,
    flavour: str = "cpu",
    *,
    root: Path = ROOT,
    wheels_folder: Path = WHEELS_FOLDER,
    output_folder: Path = DIST_FOLDER,
    pins: Iterable[Wheel] | None = None,
) -> Path:
    """Write one zip and return its path. Raises BuildError or WheelError and leaves no zip behind.

    Every wheel is compared with its pin first. ``pins`` default to ``tools/release/wheels.toml``.
    """
    pins = read_pins() if pins is None else tuple(pins)
    manifest = (root / MANIFEST).read_text(encoding="utf-8")
    version = check_manifest(manifest, pins)
    wheels = select_wheels(pins, platform, flavour)
    if not any(wheel.name.startswith("onnxruntime") for wheel in wheels):
        raise BuildError(f"there is no {flavour} flavour for {platform}: no onnxruntime is pinned for it.")
    names = list_runtime_files(root)
    contents: dict[str, bytes] = {name: (root / name).read_bytes() for name in names}
    contents[MANIFEST] = narrow_manifest(manifest, platform, wheels).encode("utf-8")
    for wheel in wheels:
        check_wheel(wheels_folder / wheel.file, wheel)

    output_folder.mkdir(parents=True, exist_ok=True)
    path = output_folder / zip_name(platform, flavour, version)
    unfinished = path.with_suffix(".unfinished")
    try:
        _write_zip(unfinished, contents, [wheels_folder / wheel.file for wheel in wheels])
        check_contents(unfinished, wheels)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _write_zip(path: Path, contents: Mapping[str, bytes], wheels: Iterable[Path]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in sorted(contents.items()):
            archive.writestr(_entry(name, zipfile.ZIP_DEFLATED), data, compresslevel=9)
        for wheel in wheels:  # compressed already
            with wheel.open("rb") as source, archive.open(_entry(f"wheels/{wheel.name}", zipfile.ZIP_STORED), "w") as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))  # no time stamps in the bytes
    entry.compress_type = compression
    entry.external_attr = 0o644 << 16
    return entry


def check_contents(path: Path, wheels: Iterable[Wheel]) -> None:
    """Raise BuildError unless a zip holds the wheels named and run-time files only."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    expected = {f"wheels/{wheel.file}" for wheel in wheels}
    strangers = {name for name in names - expected if not is_runtime_file(name)}
    if strangers:
        raise BuildError(f"{path.name} holds what is not needed at run time: {', '.join(sorted(strangers))}")
    if missing := (expected | set(_REQUIRED)) - names:
        raise BuildError(f"{path.name} lacks {', '.join(sorted(missing))}")


def find_validator(folders: Iterable[str] | None = None) -> tuple[Path, Path]:
    """Find Blender's ``blender_ext.py`` and its list of tags in the bpy of this Python. Raises BuildError."""
    for folder in map(Path, sys.path if folders is None else folders):
        for script in sorted(folder.glob("bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py")):
            tags = script.parents[3] / "modules" / "_bpy_internal" / "extensions" / "tags.py"
            if tags.is_file():
                return script, tags
    raise BuildError("Blender's validator comes with the bpy module, which this Python has not: use .venv/bin/python.")


def validate_zip(path: Path, validator: tuple[Path, Path] | None = None) -> str:
    """Run Blender's own validator on a zip; return what it printed. Raises BuildError with that if it objects."""
    script, tags = find_validator() if validator is None else validator
    command = [sys.executable, str(script), "validate", f"--valid-tags={tags}", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    printed = (result.stdout + result.stderr).strip()
    if result.returncode != 0 or "FATAL_ERROR" in printed:
        raise BuildError(f"Blender's validator refuses {path.name}: {printed}")
    return printed


def list_builds(pins: Iterable[Wheel]) -> list[tuple[str, str]]:
    """List all (platform, flavour) that can be built: those with a pinned onnxruntime."""
    runtimes = [wheel for wheel in pins if wheel.name.startswith("onnxruntime")]
    return [(p, f) for f in FLAVOURS for p in PLATFORMS if any(p in w.platforms and f in w.flavours for w in runtimes)]


def size_table(paths: Iterable[tuple[str, str, Path]]) -> str:
    """Format a Markdown table of the zips' sizes for the README; rows are (platform, flavour, path)."""
    lines = ["| zip | for | size |", "|---|---|---|"]
    for platform, flavour, path in paths:
        lines.append(f"| `{PurePosixPath(path).name}` | {platform}, {flavour} | {path.stat().st_size / 1e6:.0f} MB |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Build, check and validate the extension's zips into dist/.")
    parser.add_argument("--platform", action="append", choices=PLATFORMS, help="default: all")
    parser.add_argument("--flavour", action="append", choices=FLAVOURS, help="default: all")
    options = parser.parse_args(arguments)
    rows: list[tuple[str, str, Path]] = []
    try:
        pins = read_pins()
        wanted = [
            (platform, flavour)
            for platform, flavour in list_builds(pins)
            if platform in (options.platform or PLATFORMS) and flavour in (options.flavour or FLAVOURS)
        ]
        if not wanted:
            raise BuildError("there is no such flavour for that platform.")
        validator = find_validator()
        for platform, flavour in wanted:
            fetch_wheels(select_wheels(pins, platform, flavour))
            path = build_zip(platform, flavour, pins=pins)
            validate_zip(path, validator)
            rows.append((platform, flavour, path))
    except (BuildError, WheelError) as error:
        print(f"build_extension: {error}", file=sys.stderr)
        return 1
    print(size_table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
