# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the demo's plot and contact sheet with Matplotlib, without Blender."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.image
import matplotlib.patches
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.face.lips import lip_gap
from .speech import Speech, Timed

Keys = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Seconds and values of keyframes."""

CLOSED, TEETH, ROUNDED, OPEN = ("P", "B", "M"), ("F", "V"), ("W", "UW", "UH", "OW"), ("AA", "AO", "AE", "AY", "AW")
SHOWN = {"lips closed": CLOSED, "teeth on lip": TEETH, "rounded": ROUNDED, "open": OPEN}
"""Kinds of sounds on the contact sheet, with their phones."""
PLOTTED = ("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLowerDownLeft", "mouthRollLower", "mouthStretchLeft")
COLOURS = ("#b5533c", "#3b6ea5", "#6a8f3c", "#8a5aa8", "#c98a2b", "#3f8f8a", "#7a5c48")


@dataclass(frozen=True)
class Moment:
    """One picture of the contact sheet: the sound, its word and its scene frame."""

    kind: str
    phone: Timed
    word: str
    frame: int


def choose_moments(speech: Speech, frames_per_second: float, first_frame: float, per_kind: int = 3) -> list[Moment]:
    """Choose frames in the middle of sounds of each kind, of different words if there are enough."""
    moments = []
    for kind, phones in SHOWN.items():
        found = [phone for phone in speech.phones if phone.text in phones and phone.end - phone.start >= 0.04]
        first_of_word: dict[str, Timed] = {}
        for phone in sorted(found, key=lambda phone: phone.start - phone.end):
            first_of_word.setdefault(speech.word_at(phone.middle), phone)
        for phone in sorted(list(first_of_word.values())[:per_kind], key=lambda phone: phone.start):
            frame = round(first_frame + phone.middle * frames_per_second)
            moments.append(Moment(kind, phone, speech.word_at(phone.middle), frame))
    return moments


def pick_faces(moments: list[Moment], pictures: list[Path], curves: ChannelCurves) -> list[tuple[Moment, Path]]:
    """Pick the clearest face of each kind and a second sealed one, in order of time."""
    clearness = {
        "lips closed": curves.channel("jawOpen"),
        "teeth on lip": curves.channel("mouthRollLower"),
        "rounded": curves.channel("mouthPucker") + curves.channel("mouthFunnel"),
        "open": lip_gap(curves.values, curves.names),
    }
    chosen: list[int] = []
    for kind, measure in clearness.items():
        at = {index: moment.phone.middle for index, moment in enumerate(moments) if moment.kind == kind}
        ranked = sorted(at, key=lambda index: -float(np.interp(at[index], curves.seconds(), measure)))
        chosen += ranked[: 2 if kind == "lips closed" else 1]
    return [(moments[index], pictures[index]) for index in sorted(chosen, key=lambda index: moments[index].frame)]


def draw_contact_sheet(moments: list[Moment], pictures: list[Path], output: Path) -> None:
    """Draw the pictures in a row per kind, each with its word and phone."""
    kinds = list(dict.fromkeys(moment.kind for moment in moments))
    columns = max(sum(moment.kind == kind for moment in moments) for kind in kinds)
    figure, axes = plt.subplots(len(kinds), columns, figsize=(2.5 * columns, 2.75 * len(kinds)), squeeze=False)
    for row in axes:
        for cell in row:
            cell.set_axis_off()
    place = dict.fromkeys(kinds, 0)
    for moment, picture in zip(moments, pictures):
        cell = axes[kinds.index(moment.kind)][place[moment.kind]]
        place[moment.kind] += 1
        cell.imshow(matplotlib.image.imread(picture))
        cell.set_title(f"/{moment.phone.text.lower()}/ in “{moment.word}”", fontsize=10)
        if place[moment.kind] == 1:
            cell.text(-0.04, 0.5, moment.kind, rotation=90, ha="right", va="center", transform=cell.transAxes, fontsize=11)
    figure.tight_layout(pad=0.6)
    figure.savefig(output, dpi=110)
    plt.close(figure)


def draw_plot(
    speech: Speech,
    samples: NDArray[np.float32],
    sample_rate: int,
    curves: ChannelCurves,
    keys: Mapping[str, Keys],
    output: Path,
) -> None:
    """Draw the waveform with the spoken words, below it the lips' gap, then the main channels as keyed, keyframes as dots."""
    names = [name for name in PLOTTED if name in keys]
    heights = [1.5, 1.2] + [0.8] * len(names)
    figure, axes = plt.subplots(len(heights), 1, figsize=(13, 1.15 * sum(heights)), sharex=True, height_ratios=heights)
    seconds = np.arange(len(samples)) / sample_rate
    axes[0].plot(seconds, samples, linewidth=0.35, color="#555555")
    axes[0].set_ylim(-0.75, 1)
    axes[0].set_yticks([])
    axes[0].set_ylabel("sound", rotation=0, ha="right", va="center")
    for index, word in enumerate(speech.words):
        axes[0].text(word.middle, (0.80, 0.62)[index % 2], word.text, fontsize=7.5, ha="center", color="#222222")
        for edge in (word.start, word.end):
            axes[0].axvline(edge, ymax=0.78, color="#bbbbbb", linewidth=0.5)
    axes[1].plot(curves.seconds(), lip_gap(curves.values, curves.names), color="#333333", linewidth=1.1)
    axes[1].set_ylabel("lips' gap\n(cm)", rotation=0, ha="right", va="center")
    for phone in speech.phones:
        colour = "#3b6ea5" if phone.text in CLOSED else "#c98a2b" if phone.text in TEETH else None
        if colour is not None:
            axes[1].axvspan(phone.start, phone.end, color=colour, alpha=0.25, linewidth=0)
    axes[1].text(1.0, 1.03, "blue: p b m   amber: f v", transform=axes[1].transAxes, ha="right", fontsize=8, color="#555555")
    for cell, name, colour in zip(axes[2:], names, COLOURS):
        at, values = keys[name]
        cell.plot(curves.seconds(), curves.channel(name), color=colour, linewidth=0.9, alpha=0.55)
        cell.plot(at, values, ".", color=colour, markersize=3.5)
        cell.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        cell.set_ylim(-0.03, max(0.25, 1.08 * float(values.max())))
        cell.grid(alpha=0.25, linewidth=0.4)
    axes[-1].set_xlabel("seconds   (line: output of the model with the strength of the demo; dots: keyframes)")
    axes[-1].set_xlim(0, len(samples) / sample_rate)
    figure.tight_layout(pad=0.5, h_pad=0.15)
    figure.savefig(output, dpi=110)
    plt.close(figure)


def draw_overview(
    speech: Speech,
    samples: NDArray[np.float32],
    sample_rate: int,
    curves: ChannelCurves,
    keys: Mapping[str, Keys],
    faces: list[tuple[Moment, Path]],
    output: Path,
) -> None:
    """Draw the product in one picture: sound above, keyframed curves below, and the face at the marked moments."""
    names = [name for name in ("jawOpen", "mouthClose", "mouthFunnel", "mouthRollLower") if name in keys]
    start, end = speech.sentences[0].start, speech.sentences[-1].end
    figure = plt.figure(figsize=(12, 6.5), facecolor="#fbf8f4")
    rows = figure.add_gridspec(
        3, 1, height_ratios=(1.0, 2.0, 3.4), hspace=0.10, left=0.015, right=0.985, top=0.985, bottom=0.035
    )
    sound, lines = figure.add_subplot(rows[0]), figure.add_subplot(rows[1])
    sound.plot(np.arange(len(samples)) / sample_rate, samples, linewidth=0.4, color="#6b625a")
    for index, word in enumerate(speech.words):
        sound.text(word.middle, (1.02, 0.82)[index % 2], word.text, fontsize=8.5, ha="center", va="top", color="#333333")
    sound.set_ylim(-0.75, 1.05)
    for index, (name, colour) in enumerate(zip(names, COLOURS)):
        at, values = keys[name]
        level, scale = float(len(names) - 1 - index), 0.8 / max(0.1, float(values.max()))
        lines.plot(curves.seconds(), level + scale * curves.channel(name), color=colour, linewidth=1.1, alpha=0.6)
        lines.plot(at, level + scale * values, ".", color=colour, markersize=4)
        lines.text(start - 0.05, level + 0.3, name, color=colour, fontsize=10, ha="right", va="center")
    lines.set_ylim(-0.15, len(names) - 0.05)
    for panel in (sound, lines):
        panel.set_xlim(start - 1.15, end)
        panel.set_axis_off()
        for moment, _ in faces:
            panel.axvline(moment.phone.middle, color="#b5533c", linewidth=0.8, alpha=0.6)
    strip = rows[2].subgridspec(1, len(faces), wspace=0.03)
    for index, (moment, picture) in enumerate(faces):
        cell = figure.add_subplot(strip[index])
        cell.imshow(matplotlib.image.imread(picture))
        cell.set_axis_off()
        cell.set_title(f"/{moment.phone.text.lower()}/ in “{moment.word}”", fontsize=10.5, y=-0.12)
        reach = matplotlib.patches.ConnectionPatch(
            (moment.phone.middle, -0.15),
            (0.5, 1.0),
            "data",
            "axes fraction",
            axesA=lines,
            axesB=cell,
            color="#b5533c",
            linewidth=0.8,
            alpha=0.6,
        )
        figure.add_artist(reach)
    figure.savefig(output, dpi=110, facecolor=figure.get_facecolor(), bbox_inches="tight", pad_inches=0.12)
    plt.close(figure)
