# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m voxrig.tools.demo.feelings --data FOLDER``: one sentence said calmly, angrily and sadly, no slider touched.

The recordings are those of one speaker of EmoDB in FOLDER (``emotion_speech/``). The output is a film of three faces side by
side, which speak one after the other, a sheet of the frames where each jaw is widest, and the coloured tracks of the feelings
that are heard and shown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import soundfile

from ...animation.overview import PEAKS_PER_SECOND
from ...blender.ending import end_process
from ...errors import VoxrigError
from ...takes.shaping import Take
from ..registered import run_registered
from ..reports.feeling import read_sentences
from .voices import make_voices

MANNERS = {"neutral": "calm", "anger": "angry", "sadness": "sad"}
_RATE = 16_000


def main(argv: list[str] | None = None) -> int:
    """Make film, sheet and tracks; return 0 if all were written."""
    parser = argparse.ArgumentParser(prog="feelings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with emotion_speech/")
    parser.add_argument("--speaker", help="number of a speaker of EmoDB (default: the first with a sentence in all three)")
    parser.add_argument("--output", type=Path, default=Path("build/demo"), help="folder to write to (default: build/demo)")
    parser.add_argument("--size", type=int, default=960, help="width of the film in pixels (default: 960)")
    parser.add_argument("--no-film", action="store_true", help="sheet and tracks only")
    arguments = parser.parse_args(argv)
    output = arguments.output.absolute()

    def work() -> None:
        sounds = write_recordings(arguments.data, arguments.speaker, output / "feelings")
        takes = make_voices(output, sounds, None, arguments.size, with_film=not arguments.no_film, name="feelings")
        draw_tracks(takes, [sound.stem for sound in sounds], output / "voxrig_feelings_tracks.png")

    return run_registered("feelings", work)


def write_recordings(data: Path, speaker: str | None, folder: Path) -> list[Path]:
    """Write the recordings of one sentence in all manners as FLAC; returns their places. Raises VoxrigError."""
    if not (data / "emotion_speech" / "index.tsv").is_file():
        raise VoxrigError(f"{data} has no folder emotion_speech; name the folder of the data")
    said: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for who, text, emotion, samples in read_sentences(data, 1000):
        if emotion in MANNERS and speaker in (None, who):
            said.setdefault((who, text), {})[emotion] = samples
    found = next((key for key, kinds in said.items() if len(kinds) == len(MANNERS)), None)
    if found is None:
        raise VoxrigError("No speaker says a sentence in all three manners; choose another --speaker")
    folder.mkdir(parents=True, exist_ok=True)
    print(f"EmoDB, speaker {found[0]}: {found[1]}")
    places: list[Path] = []
    for emotion, manner in MANNERS.items():
        places.append(folder / f"{manner}.flac")
        soundfile.write(places[-1], said[found][emotion], _RATE)
    return places


def draw_tracks(takes: list[Take], names: list[str], path: Path) -> None:
    """Draw each take's sound, and above it the feelings that are heard (pale) and shown (strong), as the panel does."""
    from ...panels.waveform import FEELINGS  # its modules are there once bpy is

    figure, axes = plt.subplots(len(takes), 1, figsize=(9, 1.9 * len(takes)), sharex=True, constrained_layout=True)
    for axis, take, name in zip(axes, takes, names, strict=True):
        overview = take.overview
        peaks = overview.peaks.values
        axis.fill_between(np.arange(len(peaks)) / PEAKS_PER_SECOND, -peaks, peaks, color="#7f9fd0", linewidth=0)
        for tracks, low, opacity in ((overview.heard, 1.05, 0.4), (overview.feelings, 1.3, 0.9)):
            for emotion, track in tracks:
                seconds = track.first + track.step * np.arange(len(track.values)) - overview.peaks.first
                axis.fill_between(
                    seconds / take.frames_per_second,
                    low,
                    low + 0.22 * np.asarray(track.values),
                    color=FEELINGS[emotion],
                    alpha=opacity,
                    linewidth=0,
                    label=emotion if opacity > 0.5 else None,
                )
        axis.set_ylabel(name)
        axis.set_yticks([])
        axis.set_ylim(-1.0, 1.6)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(loc="lower right", fontsize=8)
    axes[-1].set_xlabel("seconds; pale: heard in the voice, strong: shown by the face")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    end_process(main())
