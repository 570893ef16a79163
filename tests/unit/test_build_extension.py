# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip builder and the wheel download: what goes in, and everything that they refuse.

A small tree and small wheels made here stand for the real ones, whose zips tests/install looks at.
"""

from __future__ import annotations

import hashlib
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
from voxrig.tools.release import build_extension, fetch_wheels
from voxrig.tools.release.build_extension import BuildError, build_zip, list_runtime_files
from voxrig.tools.release.fetch_wheels import PLATFORMS, Wheel, WheelError, check_wheel, parse_wheel, read_pins, select_wheels

MANIFEST_HEAD = 'schema_version = "1.0.0"\nid = "voxrig"\nversion = "9.8.7"\n'


def write_wheel(folder: Path, file: str, inside: str = "thing-1.dist-info/WHEEL") -> Path:
    path = folder / file
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(inside, "Wheel-Version: 1.0\n" + file)
    return path


def pin(path: Path, flavours: tuple[str, ...] = ("cpu", "cuda")) -> Wheel:
    return parse_wheel(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), flavours)


class Tree:
    """A small extension with wheels, laid out like the real one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root / "wheels"
        self.wheels.mkdir()
        for name in (
            "LICENSE",
            "LICENSES.md",
            "__init__.py",
            "__main__.py",
            "errors.py",
            "registration.py",
        ):
            (root / name).write_text("# here\n", encoding="utf-8")
        for name in (
            "animation/curves.py",
            "models/speech/model.json",
            "models/speech/model.onnx",
            "tests/unit/test_x.py",
            "training/speech/train.py",
        ):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text("{}\n", encoding="utf-8")
        files = ["onnxruntime-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", "onnxruntime-1.0-cp313-cp313-win_amd64.whl"]
        cpu = [pin(write_wheel(self.wheels, file), ("cpu",)) for file in files]
        both = [pin(write_wheel(self.wheels, "typing_extensions-4.0-py3-none-any.whl"))]
        cuda = [pin(write_wheel(self.wheels, "onnxruntime_gpu-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"), ("cuda",))]
        self.pins = (*cpu, *both, *cuda)
        self.write_manifest([w.file for w in self.pins if "cpu" in w.flavours])

    def write_manifest(self, files: list[str], more: str = "") -> None:
        wheels = ", ".join(f'"./wheels/{file}"' for file in files)
        platforms = ", ".join(f'"{platform}"' for platform in PLATFORMS)
        text = f"{MANIFEST_HEAD}platforms = [{platforms}]\nwheels = [{wheels}]\n{more}"
        (self.root / "blender_manifest.toml").write_text(text, encoding="utf-8")

    def build(self, platform: str = "linux-x64", flavour: str = "cpu") -> Path:
        return build_zip(
            platform,
            flavour,
            root=self.root,
            wheels_folder=self.wheels,
            output_folder=self.root / "dist",
            pins=self.pins,
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_zip_holds_runtime_files_and_the_platforms_wheels_only(tree: Tree) -> None:
    (tree.root / "animation" / "__pycache__").mkdir()
    (tree.root / "animation" / "__pycache__" / "curves.pyc").write_bytes(b"")
    (tree.root / "animation" / "README.md").write_text("For readers of the repository.\n", encoding="utf-8")
    path = tree.build()
    assert path.name == "voxrig-9.8.7-linux_x64.zip"
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == [
            "LICENSE",
            "LICENSES.md",
            "__init__.py",
            "__main__.py",
            "animation/curves.py",
            "blender_manifest.toml",
            "errors.py",
            "models/speech/model.json",
            "models/speech/model.onnx",
            "registration.py",
            "wheels/onnxruntime-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
            "wheels/typing_extensions-4.0-py3-none-any.whl",
        ]
        manifest = tomllib.loads(archive.read("blender_manifest.toml").decode())
    assert manifest["build"]["generated"] == {
        "platforms": ["linux-x64"],
        "wheels": [
            "./wheels/onnxruntime-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
            "./wheels/typing_extensions-4.0-py3-none-any.whl",
        ],
    }


def test_cuda_flavour_swaps_onnxruntime(tree: Tree) -> None:
    path = tree.build(flavour="cuda")
    assert path.name == "voxrig-9.8.7-linux_x64-cuda.zip"
    with zipfile.ZipFile(path) as archive:
        wheels = [name for name in archive.namelist() if name.startswith("wheels/")]
    assert wheels == [
        "wheels/onnxruntime_gpu-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "wheels/typing_extensions-4.0-py3-none-any.whl",
    ]


def test_two_builds_are_the_same_bytes(tree: Tree) -> None:
    first = tree.build().read_bytes()
    assert tree.build().read_bytes() == first


@pytest.mark.parametrize(
    "stranger",
    [
        "animation/notes.txt",
        "models/speech/train.py",
        "models/speech/checkpoint.pt",
        "presets/make_presets.py",
        "operators/test.blend",
        "inference/speech.wav",
        "blender/.secret",
    ],
)
def test_a_file_that_is_not_needed_at_run_time_stops_the_build(tree: Tree, stranger: str) -> None:
    path = tree.root / stranger
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    with pytest.raises(BuildError, match=stranger):
        tree.build()
    assert not list((tree.root / "dist").glob("*"))


def test_a_link_stops_the_build(tree: Tree) -> None:
    (tree.root / "animation" / "linked.py").symlink_to(tree.root / "errors.py")
    with pytest.raises(BuildError, match="link"):
        tree.build()


def test_a_missing_module_stops_the_build(tree: Tree) -> None:
    (tree.root / "registration.py").unlink()
    with pytest.raises(BuildError, match=r"registration\.py"):
        tree.build()


@pytest.mark.parametrize("name", ["model.json", "model.onnx"])
def test_a_missing_model_stops_the_build(tree: Tree, name: str) -> None:
    (tree.root / "models" / "speech" / name).unlink()
    with pytest.raises(BuildError, match="model"):
        tree.build()


def test_bundled_models_keep_to_what_the_oldest_bundled_onnxruntime_loads() -> None:
    onnx = pytest.importorskip("onnx")
    graphs = sorted((fetch_wheels.ROOT / "models").glob("*/model.onnx"))
    assert graphs
    for path in graphs:
        graph = onnx.load(path)
        # onnxruntime 1.23, in the zip for Intel Macs: file version 11, operator set 23.
        assert graph.ir_version <= 11, path
        assert all(entry.version <= 23 for entry in graph.opset_import if entry.domain in ("", "ai.onnx")), path


def test_a_changed_wheel_stops_the_build(tree: Tree) -> None:
    wheel = tree.wheels / "typing_extensions-4.0-py3-none-any.whl"
    write_wheel(tree.wheels, wheel.name, inside="other-1.dist-info/WHEEL")
    with pytest.raises(WheelError, match="sha256"):
        tree.build()
    assert not list((tree.root / "dist").glob("*"))


def test_a_missing_wheel_stops_the_build(tree: Tree) -> None:
    (tree.wheels / "typing_extensions-4.0-py3-none-any.whl").unlink()
    with pytest.raises(WheelError, match="missing"):
        tree.build()


def test_something_else_named_whl_is_refused(tmp_path: Path) -> None:
    plain = tmp_path / "thing-1.0-py3-none-any.whl"
    plain.write_text("not a zip", encoding="utf-8")
    with pytest.raises(WheelError, match="not a wheel"):
        check_wheel(plain, pin(plain))
    archive = write_wheel(tmp_path, "other-1.0-py3-none-any.whl", inside="README.txt")
    with pytest.raises(WheelError, match="not a wheel"):
        check_wheel(archive, pin(archive))


@pytest.mark.parametrize(
    "file",
    [
        "onnxruntime-1.31.1.tar.gz",
        "onnxruntime.whl",
        "onnxruntime-1.31.1-cp311-cp311-musllinux_1_2_x86_64.whl",
        "onnxruntime-1.31.1-cp311-cp311-manylinux_2_28_aarch64.whl",
        "onnxruntime-1.31.1-cp311-cp311-win_arm64.whl",
        "onnxruntime-1.31.1-cp311-cp311-win32.whl",
        "../evil-1-py3-none-any.whl/../x",
    ],
)
def test_non_wheels_and_other_platforms_are_refused(file: str) -> None:
    with pytest.raises(WheelError):
        parse_wheel(file)


def test_manifest_and_pins_must_agree(tree: Tree) -> None:
    tree.write_manifest(["typing_extensions-4.0-py3-none-any.whl"])
    with pytest.raises(BuildError, match="disagree"):
        tree.build()


def test_manifest_without_room_for_the_generated_table_is_refused(tree: Tree) -> None:
    tree.write_manifest([w.file for w in tree.pins if "cpu" in w.flavours], '[build]\npaths = ["x"]\n')
    with pytest.raises(BuildError, match="build"):
        tree.build()


def test_a_flavour_without_onnxruntime_is_refused(tree: Tree) -> None:
    with pytest.raises(BuildError, match="no cuda flavour"):
        tree.build("macos-arm64", "cuda")


def test_contents_of_a_foreign_zip_are_refused(tree: Tree, tmp_path: Path) -> None:
    path = tree.build()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("training/speech/network.py", "")
    with pytest.raises(BuildError, match=r"training/speech/network\.py"):
        build_extension.check_contents(path, select_wheels(tree.pins, "linux-x64", "cpu"))


def test_real_pins_cover_every_zip() -> None:
    pins = read_pins()
    assert build_extension.check_manifest((fetch_wheels.ROOT / "blender_manifest.toml").read_text("utf-8"), pins)
    builds = build_extension.list_builds(pins)
    assert builds == [
        ("linux-x64", "cpu"),
        ("windows-x64", "cpu"),
        ("macos-arm64", "cpu"),
        ("macos-x64", "cpu"),
        ("linux-x64", "cuda"),
        ("windows-x64", "cuda"),
    ]
    for platform, flavour in builds:
        wheels = select_wheels(pins, platform, flavour)
        runtime = "onnxruntime" if flavour == "cpu" else "onnxruntime_gpu"
        # Blender for Intel Macs ended with 4.5, which is Python 3.11.
        for python in ("cp311",) if platform == "macos-x64" else ("cp311", "cp313"):
            fitting = [w.name for w in wheels if {python, "py3"} & set(w.python_tags)]
            # A wheel of the stable ABI fits later Pythons too.
            fitting += [w.name for w in wheels if python == "cp313" and "-cp312-abi3-" in w.file]
            assert sorted(fitting) == sorted(
                [runtime, "soxr", "cffi", "espeakng_loader", "miniaudio", "soundfile", "typing_extensions"]
            )
    assert not [w.file for w in pins if w.name == "numpy"], "numpy is Blender's own"


def test_real_tree_has_runtime_files_only() -> None:
    names = list_runtime_files()
    assert {"animation/curves.py", "errors.py", "__init__.py"} <= set(names)
    folders = {name.split("/")[0] for name in names if "/" in name}
    assert not folders & {"tests", "training", "tools", "docs"}


def test_pin_file_with_a_short_hash_or_a_repeated_wheel_is_refused(tmp_path: Path) -> None:
    row = '[[wheel]]\nfile = "a-1-py3-none-any.whl"\nsha256 = "{}"\n'
    path = tmp_path / "wheels.toml"
    path.write_text(row.format("abc"), encoding="utf-8")
    with pytest.raises(WheelError, match="64"):
        read_pins(path)
    path.write_text(row.format("a" * 64) * 2, encoding="utf-8")
    with pytest.raises(WheelError, match="twice"):
        read_pins(path)


def test_validator_objects_to_a_bad_manifest(tree: Tree, tmp_path: Path) -> None:
    try:
        validator = build_extension.find_validator()
    except BuildError as error:
        pytest.skip(str(error))
    folder = tmp_path / "bad"
    folder.mkdir()
    shutil.copy(tree.build(), folder / "bad.zip")  # has no name, tagline, maintainer, type or license
    with pytest.raises(BuildError, match="refuses"):
        build_extension.validate_zip(folder / "bad.zip", validator)
