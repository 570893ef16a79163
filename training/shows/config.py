# SPDX-License-Identifier: GPL-3.0-or-later
"""The one file of a run: the data, the method and its settings. Every entry except ``dataset`` has a default."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ...animation.face.channels import REGIONS
from ...errors import ShowError

NETWORKS = ("audio2rig", "tian", "pham", "diffusion")
DEFAULTS: dict[str, dict[str, Any]] = {
    "diffusion": {
        "network": "diffusion", "folds": 1, "epochs": 60, "patience": 20, "hidden": 32, "dropout": 0.2, "learning_rate": 1e-3,
        "weight_decay": 0.02, "stretch_seconds": 4.0, "keys": False,
    }
}  # fmt: skip
"""Defaults of a network that differ from the general ones."""

HEARINGS = ("trunk", "scratch")
LARGEST_STEPS = 1000


def _entry(about: str, default: Any = MISSING) -> Any:
    return field(metadata={"about": about}) if default is MISSING else field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class RunConfig:
    """All entries of a run's file, with their defaults; paths are relative to the file.

    Raises ShowError for impossible values.
    """

    dataset: str = _entry("folder that the shots were collected into")
    network: str = _entry(
        "'audio2rig', 'tian' (attention BiLSTM), 'pham' (causal CNN-RNN) or 'diffusion' (another take for each seed)",
        "audio2rig",
    )
    hearing: str = _entry("'trunk': what a speech model hears; 'scratch': spectra alone, in whatever language", "trunk")
    trunk: str = _entry("folder of the speech model for 'trunk'; '' is the bundled one", "")
    regions: tuple[str, ...] = _entry(f"face parts to learn, of {', '.join(REGIONS)}; [] is all that move", ())
    held_out: tuple[str, ...] = _entry("shots to stop by and to score on, never learned; [] holds out each in turn", ())
    folds: int = _entry("with held_out = []: one network per fold, all averaged in the model; 1 holds out only the last", 4)
    epochs: int = _entry("most rounds through the shots", 12)
    patience: int = _entry("rounds without a better score on the held-out shots before it stops", 4)
    copies: int = _entry("further copies of each shot at another speed, tone and noise", 5)
    hidden: int = _entry("width of the recurrent layers", 64)
    latent: int = _entry("width of the latent of each region (audio2rig)", 12)
    reach_seconds: float = _entry("how far a frame hears before and after it beyond its features (pham: before)", 0.32)
    dropout: float = _entry("share of values left out while training", 0.35)
    learning_rate: float = _entry("at its highest", 2e-3)
    weight_decay: float = _entry("pull of weights towards zero (AdamW)", 0.05)
    motion_weight: float = _entry("weight of errors in speed beside errors in position (tian: the smoothness loss)", 0.5)
    batch: int = _entry("stretches of sound learned at once; less needs less memory", 8)
    stretch_seconds: float = _entry("length of a stretch", 1.6)
    keys: bool = _entry("learn where the show's animators set keys (audio2rig)", True)
    with_fit: bool = _entry("mix in Fit's regression by the share that held-out shots like best (audio2rig, 'trunk')", True)
    left_out: float = _entry("share of stretches learned without sound, and without style, so that both can be guided", 0.15)
    steps: int = _entry("steps in which a take is drawn (diffusion)", 8)
    seed: int = _entry("of all that is random", 1)
    threads: int = _entry("of the CPU; 0 is PyTorch's choice", 0)
    device: str = _entry("'auto', 'cpu' or 'cuda'", "auto")
    licence: str = _entry("of the learned model", "LicenseRef-in-house")

    def __post_init__(self) -> None:
        choices = {"network": NETWORKS, "hearing": HEARINGS, "device": ("auto", "cpu", "cuda")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ShowError(f"{name} is '{getattr(self, name)}' in the run's file; choose one of {', '.join(known)}")
        for region in self.regions:
            if region not in REGIONS:
                raise ShowError(f"regions names '{region}' in the run's file; choose from {', '.join(REGIONS)}")
        least = {
            "folds": 1,
            "epochs": 1,
            "patience": 1,
            "copies": 0,
            "hidden": 1,
            "latent": 1,
            "batch": 1,
            "steps": 1,
            "threads": 0,
            "seed": 0,
        }
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ShowError(f"{name} is {getattr(self, name)} in the run's file; give at least {low}")
        spans = {
            "reach_seconds": (0.04, 2.0), "stretch_seconds": (0.2, 30.0), "dropout": (0.0, 0.9), "learning_rate": (1e-7, 1.0),
            "weight_decay": (0.0, 10.0), "motion_weight": (0.0, 100.0), "left_out": (0.0, 0.9),
        }  # fmt: skip
        if self.network == "diffusion" and self.hearing != "trunk":
            raise ShowError("hearing is 'scratch' in the run's file, but diffusion draws around what Fit hears; set 'trunk'")
        if self.steps > LARGEST_STEPS:
            raise ShowError(f"steps is {self.steps} in the run's file; give at most {LARGEST_STEPS}")
        for name, (low, high) in spans.items():
            if not low <= getattr(self, name) <= high:
                raise ShowError(f"{name} is {getattr(self, name):g} in the run's file; give one from {low:g} to {high:g}")

    def as_dict(self) -> dict[str, Any]:
        """Convert to plain values, with lists for tuples."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def new_config(dataset: str, network: str) -> RunConfig:
    """Return the run of a network on a dataset with that network's defaults."""
    return RunConfig(dataset=dataset, **({"network": network} | DEFAULTS.get(network, {})))


def read_config(path: Path) -> RunConfig:
    """Read a run's file and make its paths absolute. Raises ShowError naming the problem."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ShowError(f"{path} cannot be read ({error.strerror}); voxrig-train --new {path} writes one to fill in") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ShowError(f"{path} is not a TOML file ({error}); correct it") from None
    known = {entry.name: entry for entry in fields(RunConfig)}
    values: dict[str, Any] = {}
    for name, value in entries.items():
        if name not in known:
            raise ShowError(f"{path.name} has the unknown entry '{name}'; the entries are {', '.join(known)}")
        values[name] = _checked(path, known[name], value)
    if not values.get("dataset"):
        raise ShowError(f"{path.name} has no dataset; name the folder that the shots were collected into")
    for name in ("dataset", "trunk"):
        if values.get(name):
            values[name] = str((path.parent / Path(values[name]).expanduser()).resolve())
    return RunConfig(**(DEFAULTS.get(values.get("network", ""), {}) | values))


def _checked(path: Path, entry: Field[Any], value: object) -> object:
    """Convert a value to the type of the entry's default. Raises ShowError."""
    example = "" if entry.default is MISSING else entry.default
    if isinstance(example, tuple):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        kind = "a list of texts"
    elif isinstance(example, bool) or isinstance(value, bool):
        if isinstance(example, bool) and isinstance(value, bool):
            return value
        kind = "true or false" if isinstance(example, bool) else "a number" if not isinstance(example, str) else "a text"
    elif isinstance(example, float):
        if isinstance(value, (int, float)) and math.isfinite(value):
            return float(value)
        kind = "a number"
    elif isinstance(value, type(example)):
        return value
    else:
        kind = "a whole number" if isinstance(example, int) else "a text"
    raise ShowError(f"{entry.name} is {value!r} in {path.name}, not {kind}; correct it")


def format_config(config: RunConfig) -> str:
    """Format the run's file with every entry and its meaning."""
    lines = ["# A run of voxrig-train. Paths are relative to this file."]
    for entry in fields(RunConfig):
        value = getattr(config, entry.name)
        text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
        lines += ["", f"# {entry.metadata['about'][0].upper()}{entry.metadata['about'][1:]}", f"{entry.name} = {text}"]
    return "\n".join(lines) + "\n"
