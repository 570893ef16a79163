# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are read within limits and written whole or not at all; pipes, links, full disks and bombs are real ones."""

from __future__ import annotations

import io
import math
import os
import resource
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from voxrig.storage.arrays import DamagedArrays, read_npz
from voxrig.storage.reading import check_ordinary_file, parse_json, read_bytes, read_text, refers_to_same_file
from voxrig.storage.writing import is_temporary, write_together, write_whole


@contextmanager
def disk_that_is_full(after: int) -> Iterator[None]:
    """Let no file of this process grow beyond some bytes; the system then refuses as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


# Reading


def test_a_pipe_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is a named pipe, not a file"):
        read_bytes(tmp_path / "pipe")


@pytest.mark.parametrize(("path", "kind"), [("/dev/zero", "a device"), ("/dev/null", "a device"), ("/", "a folder")])
def test_what_is_no_file_is_refused(path: str, kind: str) -> None:
    with pytest.raises(OSError, match=f"it is {kind}, not a file"):
        check_ordinary_file(path)


def test_a_sparse_file_is_refused_by_its_size(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(8 << 30)
    with pytest.raises(OSError, match="it is larger than 64 MB"):
        read_bytes(tmp_path / "sparse")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="a file that states no size is Linux's")
def test_a_file_that_states_no_size_is_read_to_the_limit_only() -> None:
    assert check_ordinary_file("/proc/self/environ") == 0
    with pytest.raises(OSError, match="it is larger than 3 bytes"):
        read_bytes("/proc/self/environ", 3)


def test_text_is_utf8(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfgr\xc3\xbcn")
    assert read_text(tmp_path / "a") == "grün"
    (tmp_path / "a").write_bytes(b"gr\xfcn")
    with pytest.raises(OSError, match="it is not UTF-8 text"):
        read_text(tmp_path / "a")


def test_a_name_that_no_file_has_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="no file can have that name"):
        read_bytes("a\0b")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 100_000, "nested too deeply"),
        ("{\n]", "line 2: "),
        (b'["\xff"]', "it is not UTF-8 text"),
    ],
)
def test_json_of_a_kind_that_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        parse_json(text)
    assert "\n" not in str(caught.value)


def test_json_is_read() -> None:
    assert parse_json('{"a": [1, -2.5, 999999999999999999, null, "x"]}') == {"a": [1, -2.5, 999999999999999999, None, "x"]}


def test_numbers_of_hundreds_of_digits_are_floats() -> None:
    assert parse_json("[" + "9" * 5000 + ", -" + "9" * 400 + ", 1" + "0" * 20 + "]") == [math.inf, -math.inf, 1e20]


def test_paths_to_one_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    os.link(tmp_path / "a", tmp_path / "twin")
    (tmp_path / "folder").mkdir()
    assert refers_to_same_file(tmp_path / "folder" / ".." / "a", tmp_path / "a")
    assert refers_to_same_file(tmp_path / "link", tmp_path / "a")
    assert refers_to_same_file(tmp_path / "twin", tmp_path / "a")
    assert refers_to_same_file(tmp_path / "not" / ".." / "there", tmp_path / "there")
    assert not refers_to_same_file(tmp_path / "b", tmp_path / "a")


# Arrays


def test_arrays_come_back() -> None:
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "text": np.array(["jawOpen", "ü"]),
        "none": np.zeros((0, 4), np.float32),
        "number": np.float64(2.5),
    }
    found = read_npz(npz(**arrays), (*arrays, "missing"))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype and np.array_equal(found[name], array), name


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    bomb = npz(a=np.zeros(20_000_000, np.float32))
    assert len(bomb) < 100_000
    with pytest.raises(DamagedArrays, match="it unpacks to more than 1 MB"):
        read_npz(bomb, ("a",), 1 << 20)


def test_a_header_that_promises_more_than_there_is_takes_no_memory() -> None:
    head = np.lib.format.magic(1, 0)
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (25000000000,), }\n"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.npy", head + len(text).to_bytes(2, "little") + text + bytes(16))
    with pytest.raises(DamagedArrays, match="not as large as its header states"):
        read_npz(content.getvalue(), ("a",))


def test_objects_are_never_made() -> None:
    with pytest.raises(DamagedArrays):
        read_npz(npz(a=np.array([{}, []], object)), ("a",))


def test_every_damage_is_one_line() -> None:
    sound = npz(a=np.random.default_rng(1).random((40, 3)), b=np.arange(50))
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(1500):
        data = bytearray(sound)
        for at in rng.integers(0, len(data), rng.integers(1, 6)):
            data[at] = rng.integers(256)
        try:
            read_npz(bytes(data[: rng.integers(1, len(data) + 1)] if rng.random() < 0.3 else data), ("a", "b"))
        except DamagedArrays as error:
            assert "\n" not in str(error) and str(error)
            refused += 1
    assert refused > 500


# Writing


def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old", encoding="utf-8")
    with disk_that_is_full(1000), pytest.raises(OSError, match="File too large"):
        write_whole(tmp_path / "a", b"x" * 5000)
    assert (tmp_path / "a").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_files_that_belong_together_are_replaced_together(tmp_path: Path) -> None:
    write_together({tmp_path / "a": "1", tmp_path / "b": "1"})
    with disk_that_is_full(1000), pytest.raises(OSError, match="File too large"):
        write_together({tmp_path / "a": "2", tmp_path / "b": b"x" * 5000})
    assert [(path.name, path.read_text(encoding="utf-8")) for path in sorted(tmp_path.iterdir())] == [("a", "1"), ("b", "1")]


def test_a_device_is_neither_written_nor_replaced(tmp_path: Path) -> None:
    """A device of the test's own: the system's would be lost if this failed."""
    place = tmp_path / "full"
    try:
        os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 7))
    except OSError:
        pytest.skip("only root can make a device")
    with pytest.raises(OSError, match="it is a device, not a file"):
        write_whole(place, b"x")
    assert stat.S_ISCHR(os.stat(place).st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text(encoding="utf-8") == "new"


def test_a_file_keeps_its_mode_and_a_new_one_has_the_usual(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old", encoding="utf-8")
    os.chmod(tmp_path / "a", 0o640)
    write_whole(tmp_path / "a", "new")
    write_whole(tmp_path / "b", "new")
    (tmp_path / "c").write_text("usual", encoding="utf-8")
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o640
    assert os.stat(tmp_path / "b").st_mode == os.stat(tmp_path / "c").st_mode


def test_the_longest_name_is_written(tmp_path: Path) -> None:
    write_whole(tmp_path / ("x" * 255), "new")
    with pytest.raises(OSError, match="File name too long"):
        write_whole(tmp_path / ("x" * 256), "new")
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]


def test_what_a_kill_leaves_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr("voxrig.storage.writing.os.fsync", lambda _handle: seen.extend(os.listdir(tmp_path)))
    write_whole(tmp_path / "a", "new")
    assert len(seen) >= 1 and is_temporary(tmp_path / seen[0])
    assert not is_temporary(tmp_path / "a")
