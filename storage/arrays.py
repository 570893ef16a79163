# SPDX-License-Identifier: GPL-3.0-or-later
"""Read NPZ files from anywhere: they take no more memory than the file can fill, and nothing in them is executed."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .reading import format_size

MOST_BYTES = 1 << 30
"""Limit for all arrays of a file together. A bomb of a few kilobytes unpacks to more."""

_format: Any = np.lib.format  # without complete types
_HEADERS = {(1, 0): _format.read_array_header_1_0, (2, 0): _format.read_array_header_2_0}
Header = tuple[tuple[int, ...], bool, np.dtype[Any]]


class DamagedArrays(ValueError):
    """An NPZ file cannot be read; the text is one line with the reason."""


def read_npz(content: bytes, names: Sequence[str], most_bytes: int = MOST_BYTES) -> dict[str, NDArray[Any]]:
    """Return those of the arrays ``names`` that an NPZ file holds. Raises DamagedArrays.

    The sizes that the archive and each array's header state are compared with each other and with ``most_bytes`` before
    anything is unpacked.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = [members[name] for name in names if name in members]
            if sum(info.file_size for info in wanted) > most_bytes:
                raise DamagedArrays(f"it unpacks to more than {format_size(most_bytes)}")
            for name in names:
                if name in members:
                    arrays[name] = _read_array(archive, members[name], name)
    except DamagedArrays:
        raise
    except MemoryError:
        raise DamagedArrays("there is not enough memory for it") from None
    except Exception as error:  # zipfile, zlib, lzma and numpy raise an open set of errors for damaged bytes
        reason = str(error).splitlines()[0][:100] if str(error).strip() else type(error).__name__
        raise DamagedArrays(reason) from None
    return arrays


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> NDArray[Any]:
    with archive.open(info) as member:
        read_header = _HEADERS.get(_format.read_magic(member))
        if read_header is None:
            raise DamagedArrays(f"the array '{name}' is in an unknown format")
        shape, fortran_order, dtype = cast("Header", read_header(member))
        count = math.prod(shape)
        if dtype.hasobject or min(shape, default=0) < 0 or count * dtype.itemsize != info.file_size - member.tell():
            raise DamagedArrays(f"the array '{name}' is not as large as its header states")
        if not count or not dtype.itemsize:
            return np.zeros(shape, dtype)
        data = member.read()
    array = np.frombuffer(data, dtype, count)
    return array.reshape(shape[::-1]).transpose() if fortran_order else array.reshape(shape)
