# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the recognition of rigs on name lists whose channels are known, beside matching by exact name (`make rigs`).

A list is a TSV file with the columns name_on_rig and channel; a channel may drive several names. The lists in
``tests/data/rigs`` are names published by the makers of the rigs. Every list is read three times: with all presets, without
the preset that won ('unaided'), and by names alone without any preset.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voxrig.animation.face.channels import face_channel_names
from voxrig.animation.rig.names import normalise_name, shared_prefix
from voxrig.animation.rig.presets import Preset, bundled_presets
from voxrig.animation.rig.recognition import LIKELY, SURE, UNSURE, Control, Recognition, recognise
from voxrig.blender.ending import end_process

LISTS = Path(__file__).parents[2] / "tests" / "data" / "rigs"


@dataclass(frozen=True)
class NameList:
    """A rig's names and the ones that each channel drives; ``is_bone`` for the bones of a face rig."""

    name: str
    controls: tuple[Control, ...]
    known: dict[str, frozenset[str]]


@dataclass(frozen=True)
class Outcome:
    """The channels of one list by result. ``wrong_sure`` are among ``wrong``."""

    total: int
    sure: int
    likely: int
    unsure: int
    wrong: int
    wrong_sure: int
    missed: int

    @property
    def right(self) -> int:
        """Channels that drive the right control, whether a person was asked or not."""
        return self.sure + self.likely + self.unsure


def read_list(path: Path) -> NameList:
    """Read one list, in which names that start with 'bone:' are bones.

    Names without a channel are other controls of the rig.
    """
    controls: dict[Control, None] = {}
    known: dict[str, set[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        name, channel = line.split("\t")
        is_bone = name.startswith("bone:")
        name = name.removeprefix("bone:")
        controls[Control(name, name if is_bone else "", is_bone)] = None
        if channel:
            known.setdefault(channel, set()).add(name)
    return NameList(path.stem, tuple(controls), {channel: frozenset(names) for channel, names in known.items()})


def channels_of(names: NameList) -> tuple[str, ...]:
    """Return the requested channels: those of the bundled model and others in the list (gaze, for example)."""
    return tuple(dict.fromkeys((*face_channel_names(), *names.known)))


def judge(names: NameList, found: Recognition) -> Outcome:
    """Count channels: right if all that they drive is known to be theirs. Channels made up by a preset do not count."""
    counts = {SURE: 0, LIKELY: 0, UNSURE: 0}
    wrong = wrong_sure = 0
    for channel in channels_of(names):
        links = [link for link in found.links if link.channel == channel and not link.is_made_up]
        if not links:
            continue
        confidence = max((link.confidence for link in links), key=(SURE, LIKELY, UNSURE).index)
        if all(names.controls[link.control].name in names.known.get(channel, ()) for link in links):
            counts[confidence] += 1
        elif confidence != UNSURE or channel in names.known:
            wrong += 1
            wrong_sure += confidence == SURE
    right = sum(counts.values())
    known_wrong = min(wrong, len(names.known) - right)
    missed = len(names.known) - right - known_wrong
    return Outcome(len(names.known), counts[SURE], counts[LIKELY], counts[UNSURE], wrong, wrong_sure, missed)


def count_exact(names: NameList) -> int:
    """Count the channels that matching by name alone gets right."""
    found = match_names(channels_of(names), [control.name for control in names.controls if not control.is_bone])
    return sum(name in names.known.get(channel, ()) for channel, name in found.items())


def recognise_list(names: NameList, presets: Sequence[Preset]) -> Recognition:
    """Recognise all names of a list."""
    return recognise(channels_of(names), names.controls, presets)


def make_table(lists: Sequence[NameList]) -> str:
    """Format the table as Markdown."""
    presets = bundled_presets()
    rows = [
        "| names | recognised as | channels | sure | likely | unsure | wrong | missed | unaided: right / wrong (sure) "
        "| exact name |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for names in lists:
        found = recognise_list(names, presets)
        aided = judge(names, found)
        others = [preset for preset in presets if preset.family != found.family]
        alone = judge(names, recognise_list(names, others))
        rows.append(
            f"| {names.name.replace('_', ' ')} | {found.title or '-'} | {aided.total} | {aided.sure} | {aided.likely} | "
            f"{aided.unsure} | {aided.wrong} | {aided.missed} | {alone.right} / {alone.wrong} ({alone.wrong_sure}) | "
            f"{count_exact(names)} |"
        )
    return "\n".join(rows)


def match_names(channels: Sequence[str], names: Iterable[str]) -> dict[str, str]:
    """Match channels to ``names``: channel -> name, for those that are certain.

    Names match if they are equal, or equal after ``normalise_name``, or equal without a prefix that at least half of the names
    share ('blendShape1.jawOpen', 'CC_JawOpen'). A channel that two names fit equally well is left out.
    """
    names = list(dict.fromkeys(names))
    spelled = set(names)
    plain = _group(names, normalise_name)
    prefix = shared_prefix(names)
    bare = _group(
        [name for name in names if prefix and name.startswith(prefix)], lambda name: normalise_name(name[len(prefix) :])
    )
    found: dict[str, str] = {}
    for channel in channels:
        if channel in spelled:
            found[channel] = channel
            continue
        wanted = normalise_name(channel)
        for table in (plain, bare):
            fitting = table.get(wanted, [])
            if len(fitting) == 1:
                found[channel] = fitting[0]
            if fitting:
                break
    return found


def _group(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    for name in names:
        table.setdefault(key(name), []).append(name)
    return table


def measure_speed(meshes: int = 20, keys: int = 200) -> str:
    """Measure the time for a big character, beside one pass that only normalises its names."""
    names = [*face_channel_names(), *(f"Body_Morph_{i:03d}" for i in range(keys))][:keys]
    same = [Control(name, f"mesh {mesh}") for mesh in range(meshes) for name in names]
    different = [Control(f"{name}_{mesh}", f"mesh {mesh}") for mesh in range(meshes) for name in names]
    presets, channels = bundled_presets(), face_channel_names()
    texts: list[str] = []
    for title, controls in (("the same names on every mesh", same), ("all names different", different)):
        spent = min(_time(lambda: recognise(channels, controls, presets)) for _ in range(3))  # noqa: B023
        bare = min(_time(lambda: match_names(channels, [control.name for control in controls])) for _ in range(3))  # noqa: B023
        texts.append(
            f"{meshes} meshes x {keys} shape keys, {title}: {spent * 1000:.0f} ms (exact names alone: {bare * 1000:.0f} ms)"
        )
    return "\n".join(texts)


def _time(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table and the speed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with further lists in rig_names/")
    options = parser.parse_args(arguments)
    folders = [LISTS] + ([options.data / "rig_names"] if options.data else [])
    for folder in folders:
        print(f"{folder.name}\n\n{make_table([read_list(path) for path in sorted(folder.glob('*.tsv'))])}\n")
    print(measure_speed())


if __name__ == "__main__":
    end_process(main())
