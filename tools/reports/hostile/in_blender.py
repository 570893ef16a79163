# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile inputs that need Blender: .blend files, numbers of ``voxrig animate``, outputs over inputs, take records, names."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from voxrig.animation.interchange import write_curves

from .inputs import both, command, damage, json_damage, link_to, make_device, make_pipe, odd_files, sample_curves, wav
from .trial import Case

KEYS = ("jawOpen", "mouthPucker", "mouthClose", "eyeBlinkLeft", "browInnerUp")


@functools.cache
def blend_with_take() -> tuple[bytes, str]:
    """Return a .blend file with a character 'Face' and one take, and that take's record.

    They are made in a process of their own: one that has Blender in it cannot be divided.
    """
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_make_blend, args=(there,), daemon=True)
    child.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise RuntimeError("the take that is to be damaged cannot be made") from None
    finally:
        child.join()


def _make_blend(connection: Connection) -> None:
    import bpy
    from voxrig import registration

    registration.register()
    with tempfile.TemporaryDirectory() as folder:
        bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
        mesh = bpy.data.meshes.new("Face")
        mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
        face: Any = bpy.data.objects.new("Face", mesh)
        scene: Any = bpy.context.scene
        scene.collection.objects.link(face)
        face.shape_key_add(name="Basis")
        for key in KEYS:
            face.shape_key_add(name=key, from_mix=False).data[2].co.z = 0.5
        bare, taken = Path(folder) / "bare.blend", Path(folder) / "face.blend"
        bpy.ops.wm.save_as_mainfile(filepath=str(bare))
        write_curves(Path(folder) / "take.csv", sample_curves())
        words = ("--blend", bare, "--character", "Face", "--curves", Path(folder) / "take.csv", "--output", taken)
        if command("animate", *map(str, words))(Path(folder)) == 0:
            bpy.ops.wm.open_mainfile(filepath=str(taken), load_ui=False)
            made: Any = bpy.data.objects["Face"]
            connection.send((taken.read_bytes(), made.voxrig.takes[0].record))
    os._exit(0)


def with_scene(folder: Path) -> None:
    """Put a character's file, a sound and curves into the folder."""
    (folder / "face.blend").write_bytes(blend_with_take()[0])
    (folder / "line.wav").write_bytes(wav(samples=bytes(32_000)))
    write_curves(folder / "take.csv", sample_curves())
    (folder / "sub").mkdir()
    (folder / "link.blend").symlink_to("face.blend")
    os.link(folder / "face.blend", folder / "twin.blend")


def animate(*words: str, output: str = "out.blend") -> Callable[[Path], int]:
    """Return the run of ``voxrig animate`` on the character, with further words."""
    source = () if {"--audio", "--curves"} & set(words) else ("--curves", "take.csv")
    blend = () if "--blend" in words else ("--blend", "face.blend")
    character = () if "--character" in words else ("--character", "Face")
    return command("animate", *blend, *character, *source, *words, "--output", output)


def numbers() -> Iterator[Case]:
    """Yield numbers that no option may take."""
    for option in (
        *("--start-frame", "--first", "--last", "--emotion-first", "--emotion-last", "--emotion-fade", "--fade", "--strength"),
        *(
            "--jaw",
            "--lips",
            "--articulation",
            "--smoothing",
            "--intensity",
            "--density",
            "--lead",
            "--key-step",
            "--key-phase",
        ),
    ):
        for number in ("nan", "inf", "1e999", "9" * 400, "x"):
            yield Case("numbers in Blender", f"{option} {number[:8]}", with_scene, animate(f"{option}={number}"))
    for option, values in (
        ("--channel", ("jawOpen=nan", "jawOpen=1,inf", f"jawOpen={'9' * 400}", "jawOpen=", "jawOpen=1,2,3", "nothing=1", "=")),
        ("--region-strength", ("lips=nan", "lips=inf", "lips", "ears=1", f"lips={'9' * 400}")),
        ("--region-smoothing", ("lips=nan", "lips=1e999")),
        ("--region-offset", ("lips=nan", "lips=-inf")),
        ("--emotion", ("joy=nan", "joy=inf", "joy", "nothing=1", f"joy={'9' * 400}")),
        ("--region-model", ("lips=nowhere", "ears=speech", "lips", "lips=a\0b")),
        ("--emotion-preset", ("nothing", "\udcff")),
    ):
        for value in values:
            yield Case("numbers in Blender", f"{option} {value[:20]!r}", with_scene, animate(f"{option}={value}"))


def outputs() -> Iterator[Case]:
    """Yield outputs over inputs and where no file can be."""
    for output in ("face.blend", "sub/../face.blend", "./face.blend", "link.blend", "twin.blend"):
        yield Case("outputs in Blender", f"animate onto its .blend as {output}", with_scene, animate(output=output))
        take = command("takes", "--blend", "face.blend", "--character", "Face", "--compare", "1", "--output", output)
        yield Case("outputs in Blender", f"takes onto its .blend as {output}", with_scene, take)
    for output in ("line.wav", "take.csv", "out.txt", "sub", "nowhere/out.blend", "", "a\0b.blend"):
        yield Case("outputs in Blender", f"animate to {output!r}", with_scene, animate(output=output))
        take = command("takes", "--blend", "face.blend", "--character", "Face", "--compare", "1", "--output", output)
        yield Case("outputs in Blender", f"takes to {output!r}", with_scene, take, output == "nowhere/out.blend")
    piped = both(with_scene, make_pipe("p.blend"), make_device("full.blend"), link_to("linked.blend", "full.blend"))
    for output in ("p.blend", "full.blend", "linked.blend"):
        yield Case("outputs in Blender", f"animate to {output}", piped, animate(output=output))
    renamed = both(with_scene, lambda folder: (folder / "line.wav").rename(folder / "line.blend"))
    yield Case("outputs in Blender", "animate onto its sound", renamed, animate("--audio", "line.blend", output="line.blend"))


def inputs(rng: np.random.Generator) -> Iterator[Case]:
    """Yield .blend files, sounds, curves and mappings that are none, and names that nothing has."""
    whole = blend_with_take()[0]
    for number in range(4):
        content = damage(whole[:60_000], rng)[:2000]
        prepare = both(with_scene, lambda folder, content=content: (folder / "bad.blend").write_bytes(content))
        yield Case("inputs in Blender", f"a damaged .blend {number}", prepare, animate("--blend", "bad.blend"))
    for what, make in odd_files("bad"):
        prepare = both(with_scene, make)
        yield Case("inputs in Blender", f"a .blend that is {what}", prepare, animate("--blend", "bad"))
        yield Case("inputs in Blender", f"a sound that is {what}", prepare, animate("--audio", "bad"))
        yield Case("inputs in Blender", f"curves that are {what}", prepare, animate("--curves", "bad"))
        yield Case("inputs in Blender", f"a mapping that is {what}", prepare, animate("--mapping", "bad"))
    for option in ("--character", "--scene", "--audio", "--curves", "--mapping", "--blend", "--model"):
        for name in ("\udcff", "a\0b", "x" * 300, ""):
            if option == "--scene" or (option, name) != ("--model", ""):
                attempt = animate(option, name)
                yield Case(
                    "inputs in Blender", f"{option} {name[:5]!r}", with_scene, attempt, (option, name) == ("--scene", "")
                )


def takes(rng: np.random.Generator) -> Iterator[Case]:
    """Yield take records with hostile values: Update reads all of them."""
    record = json.loads(blend_with_take()[1])
    record["sound"]["path"] = "@curves@"
    record["mapping"]["links"] = record["mapping"]["links"][:2]
    update = command("takes", "--blend", "face.blend", "--character", "Face", "--update", "1", "--output", "out.blend")
    for what, text in json_damage(record, 44, rng):

        def prepare(folder: Path, text: bytes = text) -> None:
            import bpy
            from voxrig import registration

            if not hasattr(bpy.types.Scene, "voxrig"):
                registration.register()
            with_scene(folder)
            bpy.ops.wm.open_mainfile(filepath=str(folder / "face.blend"), load_ui=False)
            face: Any = bpy.data.objects["Face"]
            stored = face.voxrig.takes[0]
            # The curves of the take lie where this file does.
            found = text.replace(b"@curves@", str(folder / "take.csv").encode())
            stored.record = found.decode("utf-8", "replace").replace("\0", "")
            bpy.ops.wm.save_as_mainfile(filepath=str(folder / "face.blend"), check_existing=False)

        yield Case("take records in Blender", what, prepare, update, True)


def make_cases(seed: int) -> list[Case]:
    """Return all cases that need Blender. The same seed damages the same places."""
    generators = [np.random.default_rng([seed, 100 + i]) for i in range(2)]
    return [*numbers(), *outputs(), *inputs(generators[0]), *takes(generators[1])]
