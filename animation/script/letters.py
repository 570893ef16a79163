# SPDX-License-Identifier: GPL-3.0-or-later
"""Say an unknown English word by its letters, with a small net that ``training.speech.letters`` trained on CMUdict.

Two layers of gated recurrent units (Cho et al. 2014) read the letters in both directions; each letter has three places for
sounds, and repetitions and blanks are dropped (connectionist temporal classification, Graves et al. 2006).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..face.phones import PHONES, SILENCE, VOWELS

Floats = NDArray[np.float32]

LETTERS = "abcdefghijklmnopqrstuvwxyz'"
SOUNDS: tuple[str, ...] = tuple(
    sound
    for phone in PHONES
    if phone != SILENCE
    for sound in ((f"{phone}0", f"{phone}1", f"{phone}2") if phone in VOWELS else (phone,))
)
"""Phones, vowels with their stress: 0 none, 1 primary, 2 secondary."""
PLACES = 3
"""Sounds that one letter may stand for."""
LONGEST_WORD = 60
"""Letters: what is longer is no word."""


@dataclass(frozen=True, eq=False)
class LetterNet:
    """The weights of the net by name, float32."""

    weights: dict[str, Floats]

    @classmethod
    def load(cls, path: Path) -> LetterNet:
        """Read the weights."""
        with np.load(path) as file:
            return cls({name: file[name].astype(np.float32) for name in file.files})

    def pronounce(self, word: str) -> tuple[str, ...]:
        """Return the sounds of a word in lower case, such as ('K', 'AE1', 'T'); other characters than LETTERS are skipped."""
        letters = [LETTERS.index(letter) + 1 for letter in word[:LONGEST_WORD] if letter in LETTERS]
        if not letters:
            return ()
        x = self.weights["embed.weight"][letters]
        for layer in ("first", "second"):
            x = np.concatenate([self._run(layer, x, ""), self._run(layer, x[::-1], "_reverse")[::-1]], axis=1)
        made = x @ self.weights["out.weight"].T + self.weights["out.bias"]
        best: list[int] = made.reshape(len(letters) * PLACES, -1).argmax(axis=1).tolist()
        return tuple(SOUNDS[one - 1] for one, before in zip(best, [0, *best]) if one and one != before)

    def _run(self, layer: str, x: Floats, direction: str) -> Floats:
        w_in, w_state, b_in, b_state = (
            self.weights[f"{layer}.{name}_l0{direction}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        width = w_state.shape[1]
        entered = x @ w_in.T + b_in
        state = np.zeros(width, np.float32)
        states = np.empty((len(x), width), np.float32)
        for i, row in enumerate(entered):
            known = w_state @ state + b_state
            gates = 1.0 / (1.0 + np.exp(-np.clip(row[: 2 * width] + known[: 2 * width], -60.0, 60.0)))
            new = np.tanh(row[2 * width :] + gates[:width] * known[2 * width :])
            state = (1.0 - gates[width:]) * new + gates[width:] * state
            states[i] = state
        return states


@functools.cache
def letter_net() -> LetterNet:
    """Return the bundled net, read once at first use."""
    return LetterNet.load(Path(__file__).with_name("letters.npz"))
