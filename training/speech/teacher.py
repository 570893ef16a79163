# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a trained ear about clean speech: ``python -m voxrig.training.speech.teacher --cache DIR --run DIR``, after ``lessons``.

The ear hears the sound of each lesson as it was said, before room, noise and line; what it then says of phones and
contacts becomes the soft labels of those who hear the same lesson spoilt (``train_ear --tune``) or with another spoiling
(``train --lessons``). Whisper base as a teacher was no better than tiny where both were tried, and takes five times as long.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..corpora.clips import write_whole
from .ear import AFTER, BEFORE, EarNetwork
from .export_ear import load_ear
from .lessons import CLEAN, ROWS, SOFT
from .network import HOP


def ask(network: EarNetwork, sound: NDArray[np.int16]) -> NDArray[np.float16]:
    """Return the probabilities of phones and contacts ``[row, phones + 2]`` in a lesson's sound."""
    waveform = torch.from_numpy(np.pad(sound.astype(np.float32) / 32768.0, (BEFORE * HOP, AFTER * HOP)))
    with torch.inference_mode():
        said, _ = network(waveform[None])
    rows = slice(BEFORE, BEFORE + ROWS)
    phones, contacts = torch.softmax(said.phone_logits[0, rows], dim=1), torch.sigmoid(said.contact_logits[0, rows])
    return torch.cat([phones, contacts], dim=1).numpy().astype(np.float16)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training/runs/ear"))
    options = parser.parse_args()
    network, _ = load_ear(options.run / "checkpoint.pt", options.cache)
    folder = options.cache / SOFT
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((options.cache / CLEAN).glob("[0-9]*.npy")):
        if not (folder / path.name).is_file():
            opinion = ask(network, np.load(path))
            write_whole(folder / path.name, partial(np.save, arr=opinion))


if __name__ == "__main__":
    main()
