# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the space of poses: ``python -m voxrig.training.shows.poses --data DIR`` writes ``animation/face/poses.npz``.

One frame of ARKit's shapes, under the weights of emotions, is learned by a small autoencoder from disturbed copies of itself.
The poses are captured ones (an actor's ranges of motion, a talker, the mouth of a production rig by its sliders' names) and
made ones (the rules of articulation with those of emotions and the head's life). What belongs to a person, the median of each
clip, is taken off first, so the space holds expressions alone. Printed are the errors on poses that were left out, by face
part, beside those of as many principal components, and how well each finds clean poses in disturbed ones.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.face.articulation import articulate
from ...animation.face.expression import apply_expression, load_expressions
from ...animation.face.phones import TimedPhone
from ...animation.face.poses import PoseSpace
from ...animation.life.planning import plan_life
from ...animation.life.rendering import render_life
from ...animation.speech.events import find_events

Floats = NDArray[np.float32]

LATENT, WIDTH = 20, 96
_PLACE = Path(__file__).parents[2] / "animation" / "face" / "poses.npz"
_EVERY = 3
_BATCH = 256
_LINES = 80
_RATE = 25.0


def read_actor(folder: Path, names: Sequence[str]) -> Floats:
    """Read the ranges of motion of an actor, ``[frame, name]``, each take less its median."""
    takes: list[Floats] = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            columns = [str(name)[:1].lower() + str(name)[1:] for name in stored["columns"]]
            values = stored["values"][:, [columns.index(name) for name in names]]
        takes.append(_without_person(values))
    return np.concatenate(takes)


def read_talker(folder: Path, names: Sequence[str], held_out: bool) -> Floats:
    """Read a tracked talker's clips, ``[frame, name]``, each less its median; clips that begin with b are held out."""
    with np.load(folder / "curves.npz") as stored:
        columns = [str(name) for name in stored["columns"]]
        clips = [index for index, name in enumerate(stored["clips"]) if str(name).startswith("b") == held_out]
        values = stored["values"][clips][:, ::_EVERY][:, :, [columns.index(name) for name in names]].astype(np.float32)
    return np.concatenate([_without_person(clip) for clip in values])


def read_rig(folder: Path, names: Sequence[str]) -> Floats:
    """Read the mouth of a production rig, takes 01 to 04, as shapes by the names of its sliders, ``[frame, name]``."""
    from ..evaluation.score_learning import RIG_CHANNELS

    found: list[Floats] = []
    for path in sorted(folder.glob("*.csv"))[:-1]:
        with open(path, encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            sliders = next(rows)
            table = np.array([[float(cell) for cell in row] for row in rows], np.float32)[::_EVERY]
        poses = np.zeros((len(table), len(names)), np.float32)
        for slider, channels in RIG_CHANNELS.items():
            if slider.startswith("tooth"):
                continue
            for channel in channels:
                column = list(names).index(channel)
                poses[:, column] = np.maximum(poses[:, column], table[:, sliders.index(slider)])
        found.append(np.clip(poses, 0.0, 1.0))
    return np.concatenate(found)


def make_lines(folder: Path, names: Sequence[str], count: int, seed: int) -> tuple[Floats, Floats]:
    """Make poses of lines by the rules with random emotions and life, ``[frame, name]``, and the weights of the emotions."""
    rules = load_expressions()
    random = np.random.default_rng(seed)
    lines = [row.split("\t") for path in sorted(folder.glob("*.tsv")) for row in path.read_text().splitlines()[1:]]
    poses: list[Floats] = []
    weights: list[Floats] = []
    for index in random.permutation(len(lines))[:count]:
        phones = [
            TimedPhone(phone, float(start), float(end))
            for phone, start, end in (item.split(":") for item in lines[index][1].split())
        ]
        seconds = phones[-1].end + 0.3
        curves = articulate(phones, _RATE, seconds)
        mix = np.zeros(len(rules.emotions), np.float32)
        if random.random() < 0.75:
            mix[random.choice(len(mix), 2, replace=False)] = random.uniform(0.0, 1.0, 2) * (1.0, random.random() < 0.3)
        rows = np.broadcast_to(mix, (curves.frame_count, mix.size)).astype(np.float32)
        energy = np.clip(random.uniform(0.3, 0.9) + 0.2 * np.sin(np.arange(curves.frame_count)), 0.0, 1.0)
        moved = dict(zip(curves.names, np.asarray(apply_expression(curves.values, rows, energy)).T))
        voice = np.repeat(0.1 * energy, 640) * np.sin(0.05 * np.arange(640 * len(energy)))
        events = find_events(voice.astype(np.float32), 16_000, phones)
        life = render_life(plan_life(events), _RATE, 0.0, curves.frame_count).curves
        lived = dict(zip(life.names, life.values.T))
        nothing = np.zeros(curves.frame_count, np.float32)
        line = np.stack([np.clip(moved.get(name, nothing) + lived.get(name, nothing), 0.0, 1.0) for name in names], axis=1)
        poses.append(line.astype(np.float32)[::2])
        weights.append(rows[::2])
    return np.concatenate(poses), np.concatenate(weights)


def _without_person(values: Floats) -> Floats:
    return np.clip(values - np.median(values, axis=0), 0.0, 1.0).astype(np.float32)


def disturb(poses: Floats, random: np.random.Generator) -> Floats:
    """Disturb some channels of poses, by others' values or by noise."""
    kind = random.random(poses.shape, np.float32)
    other = poses[random.permutation(len(poses))]
    noisy = poses + 0.25 * random.standard_normal(poses.shape, np.float32)
    strength = 0.3 * random.random((len(poses), 1), np.float32)
    return np.clip(np.where(kind < 0.5 * strength, other, np.where(kind < strength, noisy, poses)), 0.0, 1.0)


def train(poses: Floats, emotion: Floats, weights: Floats, steps: int, seed: int = 1) -> dict[str, Floats]:
    """Train on poses drawn by ``weights`` ``[frame]`` with Adam; returns the arrays of PoseSpace.

    The network is so small that numpy trains it in less than a minute.
    """
    random = np.random.default_rng(seed)
    channels, emotions = poses.shape[1], emotion.shape[1]
    sizes = {
        "enter": (channels + emotions, WIDTH), "encode": (WIDTH, LATENT), "widen": (LATENT + emotions, WIDTH),
        "decode": (WIDTH, channels), "straight": (LATENT + emotions, channels),
    }  # fmt: skip
    arrays = {name: (random.standard_normal(size) / np.sqrt(size[0])).astype(np.float32) for name, size in sizes.items()}
    arrays |= {
        name: np.zeros(width, np.float32) for name, width in zip(("b1", "b2", "b3", "b4"), (WIDTH, LATENT, WIDTH, channels))
    }
    means = {name: np.zeros_like(array) for name, array in arrays.items()}
    squares = {name: np.zeros_like(array) for name, array in arrays.items()}
    scale = 1.0 / (poses.std(axis=0) + 0.05)
    chances = np.cumsum(weights, dtype=np.float64)
    for step in range(steps):
        rows = np.searchsorted(chances, random.random(_BATCH) * chances[-1])
        shown = poses[rows]
        felt = emotion[rows] * (random.random((_BATCH, 1)) > 0.3)
        loss, slopes = _slopes(arrays, disturb(shown, random), felt.astype(np.float32), shown, scale)
        # Rises over the first tenth and falls to nothing at the end.
        share = step / steps
        rate = 3e-3 * (share / 0.1 if share < 0.1 else 0.5 + 0.5 * np.cos(np.pi * (share - 0.1) / 0.9))
        for name, slope in slopes.items():
            means[name] += 0.1 * (slope - means[name])
            squares[name] += 0.001 * (slope * slope - squares[name])
            steady = np.sqrt(squares[name] / (1.0 - 0.999 ** (step + 1))) + 1e-8
            arrays[name] -= (rate / (1.0 - 0.9 ** (step + 1)) * means[name] / steady).astype(np.float32)
        if step % 1000 == 0:
            print(f"step {step}: loss {loss:.4f}", flush=True)
    return arrays


def _slopes(
    arrays: dict[str, Floats], disturbed: Floats, emotion: Floats, shown: Floats, scale: Floats
) -> tuple[float, dict[str, Floats]]:
    """Return the loss and its derivative by each array (PoseSpace has the formula)."""
    given = np.concatenate([disturbed, emotion], axis=1)
    hidden = np.tanh(given @ arrays["enter"] + arrays["b1"])
    latent = np.concatenate([hidden @ arrays["encode"] + arrays["b2"], emotion], axis=1)
    wide = np.tanh(latent @ arrays["widen"] + arrays["b3"])
    error = (wide @ arrays["decode"] + latent @ arrays["straight"] + arrays["b4"] - shown) * scale
    made = 2.0 * error * scale / error.size
    to_wide = made @ arrays["decode"].T * (1.0 - wide * wide)
    to_latent = (to_wide @ arrays["widen"].T + made @ arrays["straight"].T)[:, :LATENT]
    to_hidden = to_latent @ arrays["encode"].T * (1.0 - hidden * hidden)
    slopes = {
        "decode": wide.T @ made, "b4": made.sum(axis=0), "straight": latent.T @ made, "widen": latent.T @ to_wide,
        "b3": to_wide.sum(axis=0), "encode": hidden.T @ to_latent, "b2": to_latent.sum(axis=0),
        "enter": given.T @ to_hidden, "b1": to_hidden.sum(axis=0),
    }  # fmt: skip
    return float(np.square(error).mean()), slopes


def region_of(name: str) -> str:
    """Return the face part of one of ARKit's shapes."""
    words = {"jaw": "jaw", "mouth": "lips", "brow": "brows", "eye": "eyes", "cheek": "cheeks", "nose": "nose"}
    return next(region for word, region in words.items() if name.startswith(word))


def report(space: PoseSpace, poses: Floats, sets: dict[str, Floats]) -> None:
    """Print the errors on held-out poses by face part, for the space and as many principal components."""
    mean = poses.mean(axis=0)
    _, _, axes = np.linalg.svd(poses[:: max(1, len(poses) // 20_000)] - mean, full_matrices=False)
    axes = axes[: space.latent_width]

    def project(given: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.clip((given - mean) @ axes.T @ axes + mean, 0.0, 1.0)

    regions = [region_of(name) for name in space.names]
    print("\n| held-out poses | rms of | " + " | ".join(dict.fromkeys(regions)) + " | all |")
    print("|---" * (3 + len(set(regions))) + "|")
    random = np.random.default_rng(5)
    for name, given in sets.items():
        disturbed = disturb(given, random)
        rows = {
            "the pose itself": given - given.mean(axis=0),
            "error, space": space.pull(given, space.names, 1.0) - given,
            "error, principal components": project(given) - given,
            "disturbed": disturbed - given,
            "disturbed, then pulled into the space": space.pull(disturbed, space.names, 1.0) - given,
            "disturbed, then principal components": project(disturbed) - given,
        }
        for title, errors in rows.items():
            cells = [
                float(np.sqrt(np.square(errors[:, [r == part for r in regions]]).mean())) for part in dict.fromkeys(regions)
            ]
            print(
                f"| {name} | {title} | "
                + " | ".join(f"{c:.3f}" for c in cells)
                + f" | {np.sqrt(np.square(errors).mean()):.3f} |"
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with face_motion/, grid_face/, rig_116/ and speech/")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--output", type=Path, default=_PLACE)
    options = parser.parse_args(arguments)
    data: Path = options.data
    if not (data / "face_motion").is_dir():
        print(f"{data} has no folder face_motion: give the data folder with --data", file=sys.stderr)
        return 2
    with np.load(data / "grid_face" / "curves.npz") as stored:
        names = tuple(str(name) for name in stored["columns"] if str(name)[:1].islower() and len(str(name)) > 5)
    emotions = load_expressions().emotions
    actor = read_actor(data / "face_motion", names)
    edge = len(actor) * 17 // 20
    made, felt = make_lines(data / "speech" / "phones", names, _LINES, 1)
    test, _ = make_lines(data / "speech" / "phones", names, 20, 2)
    parts = [actor[:edge], read_talker(data / "grid_face", names, False), read_rig(data / "rig_116", names), made]
    poses = np.concatenate(parts)
    emotion = np.concatenate([np.zeros((len(poses) - len(felt), felt.shape[1]), np.float32), felt])
    # Each kind counts as its variety, not as its length.
    weights = np.concatenate([np.full(len(part), share / len(part)) for part, share in zip(parts, (0.4, 0.15, 0.1, 0.35))])
    print(f"{len(poses)} poses of {len(names)} shapes: " + ", ".join(str(len(part)) for part in parts))
    arrays = train(poses, emotion, weights.astype(np.float32), options.steps)
    np.savez_compressed(options.output, names=np.array(names), emotions=np.array(emotions), **arrays)
    space = PoseSpace(names, tuple(emotions), {name: array.astype(np.float64) for name, array in arrays.items()})
    report(space, poses, {
        "actor": actor[edge:], "talker": read_talker(data / "grid_face", names, True), "rules": test,
    })  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
