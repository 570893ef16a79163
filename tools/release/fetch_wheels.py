# SPDX-License-Identifier: GPL-3.0-or-later
"""Download the wheels that ``tools/release/wheels.toml`` pins into ``wheels/``: those files only.

python -m voxrig.tools.release.fetch_wheels [--platform linux-x64]... [--flavour cpu]...
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINS_FILE = ROOT / "tools" / "release" / "wheels.toml"
WHEELS_FOLDER = ROOT / "wheels"

# Blender's names of the platforms, in the order in which people see them.
PLATFORMS = ("linux-x64", "windows-x64", "macos-arm64", "macos-x64")
FLAVOURS = ("cpu", "cuda")

# PEP 427. The optional build tag starts with a digit.
_WHEEL_NAME = re.compile(
    r"(?P<name>[^-]+)-(?P<version>[^-]+)(-\d[^-]*)?-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl"
)
_PLATFORM_TAGS = (
    (re.compile(r"(manylinux|linux)\w*_x86_64"), ("linux-x64",)),
    (re.compile(r"win_amd64"), ("windows-x64",)),
    (re.compile(r"macosx_\d+_\d+_arm64"), ("macos-arm64",)),
    (re.compile(r"macosx_\d+_\d+_x86_64"), ("macos-x64",)),
    (re.compile(r"any"), PLATFORMS),
)


class WheelError(Exception):
    """A wheel differs from its pin; the message names the file and the difference."""


@dataclass(frozen=True)
class Wheel:
    """One pinned file; everything except the hash and the flavours is in its name."""

    file: str
    sha256: str
    flavours: tuple[str, ...]
    name: str
    version: str
    python_tags: tuple[str, ...]
    platform_tags: tuple[str, ...]
    platforms: tuple[str, ...]


def parse_wheel(file: str, sha256: str = "", flavours: Iterable[str] = FLAVOURS) -> Wheel:
    """Parse a wheel's file name. Raises WheelError for other names and for unsupported platforms."""
    match = _WHEEL_NAME.fullmatch(file)
    if match is None:
        raise WheelError(f"{file} is not the name of a wheel.")
    platform_tags = tuple(match["platform"].split("."))
    platforms = [p for tag in platform_tags for pattern, names in _PLATFORM_TAGS if pattern.fullmatch(tag) for p in names]
    if not platforms:
        raise WheelError(f"{file} is for {match['platform']}, not for one of {', '.join(PLATFORMS)}.")
    return Wheel(
        file=file,
        sha256=sha256,
        flavours=tuple(flavours),
        name=match["name"],
        version=match["version"],
        python_tags=tuple(match["python"].split(".")),
        platform_tags=platform_tags,
        platforms=tuple(dict.fromkeys(platforms)),
    )


def read_pins(path: Path = PINS_FILE) -> tuple[Wheel, ...]:
    """Read all pinned wheels. Raises WheelError for a bad name, hash, flavour or a repeated file."""
    pins: list[Wheel] = []
    for row in tomllib.loads(path.read_text(encoding="utf-8"))["wheel"]:
        wheel = parse_wheel(row["file"], row["sha256"], row.get("flavours", FLAVOURS))
        if re.fullmatch(r"[0-9a-f]{64}", wheel.sha256) is None:
            raise WheelError(f"{wheel.file} is pinned without a sha256 of 64 hexadecimal digits.")
        if not set(wheel.flavours) <= set(FLAVOURS):
            raise WheelError(f"{wheel.file} has flavours {wheel.flavours}, not of {FLAVOURS}.")
        pins.append(wheel)
    files = [wheel.file for wheel in pins]
    if len(set(files)) != len(files):
        raise WheelError(f"{path.name} lists a wheel twice.")
    return tuple(pins)


def select_wheels(pins: Iterable[Wheel], platform: str, flavour: str) -> tuple[Wheel, ...]:
    """Select the wheels of one zip, sorted by file name."""
    return tuple(sorted((w for w in pins if platform in w.platforms and flavour in w.flavours), key=lambda w: w.file))


def check_wheel(path: Path, wheel: Wheel) -> None:
    """Raise WheelError unless the file is the pinned one: present, same bytes, a wheel inside."""
    if not path.is_file():
        raise WheelError(f"{path.name} is missing from {path.parent}: run `make wheels`.")
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != wheel.sha256:
        raise WheelError(f"{path.name} has sha256 {digest.hexdigest()}, not the pinned {wheel.sha256}: delete it.")
    try:
        with zipfile.ZipFile(path) as archive:
            is_wheel = any(re.fullmatch(r"[^/]+\.dist-info/WHEEL", name) for name in archive.namelist())
    except zipfile.BadZipFile:
        is_wheel = False
    if not is_wheel:
        raise WheelError(f"{path.name} is not a wheel: it has no .dist-info/WHEEL.")


def fetch_wheels(wheels: Iterable[Wheel], folder: Path = WHEELS_FOLDER) -> list[Path]:
    """Download missing wheels with pip and check every file. Returns the paths; raises WheelError."""
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    for wheel in wheels:
        path = folder / wheel.file
        if not path.is_file():
            _download(wheel, folder)
        check_wheel(path, wheel)
        paths.append(path)
    return paths


def _download(wheel: Wheel, folder: Path) -> None:
    # One pip call per file: pip then selects exactly this file by its tags, and its own hash check rejects another build of the
    # same version.
    python = next((tag for tag in wheel.python_tags if tag.startswith("cp")), "")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(requirements)]
        command += [f"--platform={tag}" for tag in wheel.platform_tags]
        command += [f"--python-version={python[2]}.{python[3:]}"] if python else []
        result = subprocess.run([*command, "--dest", scratch], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            last = (result.stderr.strip().splitlines() or ["no message"])[-1]
            raise WheelError(f"pip could not download {wheel.file}: {last}")
        found = Path(scratch) / wheel.file
        if not found.is_file():
            raise WheelError(f"pip downloaded {sorted(p.name for p in Path(scratch).glob('*.whl'))}, not {wheel.file}.")
        found.replace(folder / wheel.file)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Download the pinned wheels into wheels/.")
    parser.add_argument("--platform", action="append", choices=PLATFORMS, help="default: all")
    parser.add_argument("--flavour", action="append", choices=FLAVOURS, help="default: all")
    options = parser.parse_args(arguments)
    try:
        pins = read_pins()
        wanted = {
            wheel.file: wheel
            for platform in options.platform or PLATFORMS
            for flavour in options.flavour or FLAVOURS
            for wheel in select_wheels(pins, platform, flavour)
        }
        paths = fetch_wheels(wanted.values())
    except WheelError as error:
        print(f"fetch_wheels: {error}", file=sys.stderr)
        return 1
    print(f"{len(paths)} wheels in {WHEELS_FOLDER}, {sum(p.stat().st_size for p in paths) / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
