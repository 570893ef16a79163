# SPDX-License-Identifier: GPL-3.0-or-later
"""Score two published lip-sync packages on the files that the bundled model is scored on.

``python -m voxrig.tools.reports.peers --data FOLDER`` installs npm ``rhubarb-lip-sync-wasm`` and ``@met4citizen/headaudio``
into a temporary folder, runs them under node and writes a file of scores for each into .cache/scores/peers, which ``python
-m voxrig.training.evaluation.evaluate`` shows beside the model. Without node, npm or a network it reports that and skips
the peers.

Their mouth shapes become ARKit channels through one table of natural viseme poses, the same for both. Rhubarb's cues follow
each other within 20 ms, as it draws them (with 60 ms it would seal a quarter fewer). HeadAudio runs live; its manual delays
the sound by 100 ms to compensate, so its curves are moved 100 ms earlier.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.face.channels import expand_sides, face_channel_names
from ...training.evaluation import evaluate

WORKER = Path(__file__).with_name("peers_worker.mjs")
PACKAGES = {"rhubarb": "rhubarb-lip-sync-wasm@0.1.8", "headaudio": "@met4citizen/headaudio@0.1.0"}
TITLES = {"rhubarb": "Rhubarb (wasm)", "headaudio": "HeadAudio"}

FADE_SECONDS = 0.02
HEADAUDIO_DELAY_SECONDS = 0.1
FRAME_RATE = 100.0

# Natural amplitudes; a seal is jawOpen and mouthClose of the same value. Those of open avatars are 3 to 6 times larger,
# which changes no score: seals are relative to the clip's own opening and correlations to its own spread.
_POSES: dict[str, dict[str, float]] = {
    "PP": {"jawOpen": 0.03, "mouthClose": 0.03, "mouthPucker": 0.04},
    "FF": {"jawOpen": 0.06, "mouthClose": 0.05, "mouthUpperUp": 0.1, "mouthStretch": 0.03},
    "TH": {"jawOpen": 0.07, "mouthLowerDown": 0.06, "mouthUpperUp": 0.03},
    "DD": {"jawOpen": 0.07, "mouthLowerDown": 0.07, "mouthUpperUp": 0.03, "mouthStretch": 0.05},
    "LL": {"jawOpen": 0.09, "mouthLowerDown": 0.07, "mouthUpperUp": 0.03, "mouthStretch": 0.03},
    "SS": {"jawOpen": 0.035, "mouthLowerDown": 0.07, "mouthUpperUp": 0.05, "mouthStretch": 0.1, "mouthSmile": 0.04},
    "RR": {"jawOpen": 0.06, "mouthLowerDown": 0.04, "mouthFunnel": 0.12, "mouthPucker": 0.14},
    "KK": {"jawOpen": 0.1, "mouthLowerDown": 0.06, "mouthUpperUp": 0.02},
    "JJ": {"jawOpen": 0.05, "mouthLowerDown": 0.05, "mouthStretch": 0.12, "mouthSmile": 0.06},
    "AA": {"jawOpen": 0.2, "mouthLowerDown": 0.16, "mouthUpperUp": 0.05, "mouthStretch": 0.04},
    "EE": {"jawOpen": 0.12, "mouthLowerDown": 0.12, "mouthUpperUp": 0.05, "mouthStretch": 0.14, "mouthSmile": 0.07},
    "IH": {"jawOpen": 0.07, "mouthLowerDown": 0.08, "mouthUpperUp": 0.04, "mouthStretch": 0.18, "mouthSmile": 0.1},
    "OO": {"jawOpen": 0.13, "mouthLowerDown": 0.06, "mouthFunnel": 0.34, "mouthPucker": 0.14},
    "UU": {"jawOpen": 0.06, "mouthFunnel": 0.2, "mouthPucker": 0.38},
    "ER": {"jawOpen": 0.08, "mouthLowerDown": 0.04, "mouthFunnel": 0.14, "mouthPucker": 0.12},
}
# Rhubarb's manual: A m b p; B clenched teeth (k s t, ee); C eh ae; D aa; E ao er; F uw ow w; G f v; H l; X pause.
_RHUBARB = {"A": "PP", "B": "IH", "C": "EE", "D": "AA", "E": "ER", "F": "UU", "G": "FF", "H": "LL"}
# HeadAudio's manual, appendix A.
_HEADAUDIO = {
    "viseme_aa": "AA", "viseme_E": "EE", "viseme_I": "IH", "viseme_O": "OO", "viseme_U": "UU", "viseme_PP": "PP",
    "viseme_SS": "SS", "viseme_TH": "TH", "viseme_DD": "DD", "viseme_FF": "FF", "viseme_kk": "KK", "viseme_nn": "DD",
    "viseme_RR": "RR", "viseme_CH": "JJ",
}  # fmt: skip


class PeerError(Exception):
    """A peer cannot run here; the message says why."""


def channel_names() -> tuple[str, ...]:
    """Return the channels that the poses move, in order."""
    names: dict[str, None] = {}
    for pose in _POSES.values():
        names |= dict.fromkeys(expand_sides(pose, face_channel_names()))
    return tuple(names)


def pose_row(pose: str | None) -> NDArray[np.float64]:
    """Return one viseme's pose ``[channel]`` in the order of ``channel_names``; None is the face at rest."""
    values = expand_sides(_POSES[pose], face_channel_names()) if pose else {}
    return np.array([values.get(name, 0.0) for name in channel_names()])


def pose_cues(cues: Sequence[tuple[float, float, str]], duration: float) -> ChannelCurves:
    """Convert Rhubarb's cues (start, end, shape) to curves: every change is a cross-fade centred on the cue's start."""
    time = np.arange(max(1, int(duration * FRAME_RATE))) / FRAME_RATE
    values = np.zeros((len(time), len(channel_names())))
    current = pose_row(None)
    # The port sometimes lists a cue that begins before the one before it ends: the later start counts.
    ordered = sorted(cues, key=lambda cue: cue[0])
    values += current
    for start, _, shape in ordered:
        following = pose_row(_RHUBARB.get(shape))
        share = np.clip((time - start) / FADE_SECONDS + 0.5, 0.0, 1.0) if start > 0 else np.ones_like(time)
        values += share[:, None] * (following - current)
        current = following
    return ChannelCurves(channel_names(), FRAME_RATE, values.astype(np.float32))


def pose_visemes(names: Sequence[str], rate: float, weights: NDArray[np.floating]) -> ChannelCurves:
    """Convert HeadAudio's viseme weights ``[time, viseme]`` to curves, 100 ms earlier than it showed them."""
    poses = np.stack([pose_row(_HEADAUDIO.get(name)) for name in names])
    values = np.asarray(weights, np.float64).reshape(-1, len(names)) @ poses
    return ChannelCurves(channel_names(), rate, values.astype(np.float32), 1.0 / rate - HEADAUDIO_DELAY_SECONDS)


def install_packages(folder: Path) -> None:
    """Install both npm packages into ``folder`` unless they are present. Raises PeerError with the reason."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise PeerError("node and npm are not installed")
    if all((folder / "node_modules" / name.rpartition("@")[0]).is_dir() for name in PACKAGES.values()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES.values()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    except subprocess.TimeoutExpired:
        raise PeerError("npm did not finish within 5 minutes") from None
    if done.returncode != 0:
        reason = [line for line in done.stderr.splitlines() if "error" in line.lower()] or ["no reason given"]
        raise PeerError(f"npm could not install the packages: {reason[0]}")


class Peer:
    """One package in its own node process; called with samples at 16 kHz like any predictor.

    Rhubarb takes longer than the sound lasts, so the answers of a peer are kept in ``answers`` and never requested twice.
    """

    def __init__(self, name: str, folder: Path, answers: Path) -> None:
        self._name = name
        self._answers = answers / PACKAGES[name].replace("/", "_")
        self._answers.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            ["node", str(WORKER), str(folder), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._answer()

    def _answer(self) -> object:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"@@"):
                return json.loads(line[2:])
        raise PeerError(f"{TITLES[self._name]} ended with status {self._process.wait()}")

    def _ask(self, samples: NDArray[np.float32]) -> object:
        sound = np.ascontiguousarray(samples, "<f4").tobytes()
        kept = self._answers / f"{hashlib.sha256(sound).hexdigest()[:32]}.json"
        if kept.is_file():
            return json.loads(kept.read_text(encoding="utf-8"))
        assert self._process.stdin is not None
        self._process.stdin.write(struct.pack("<I", len(samples)) + sound)
        self._process.stdin.flush()
        answer = self._answer()
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(answer), encoding="utf-8")
        partial.replace(kept)
        return answer

    def __call__(self, samples: NDArray[np.float32]) -> ChannelCurves:
        """Return the mouth of ``samples`` [n] as ARKit channels."""
        answer = self._ask(samples)
        if self._name == "rhubarb":
            assert isinstance(answer, list)
            return pose_cues([(float(start), float(end), str(shape)) for start, end, shape in answer], len(samples) / 16000)
        assert isinstance(answer, dict)
        return pose_visemes(answer["names"], float(answer["rate"]), np.array(answer["rows"]))

    def close(self) -> None:
        """End the node process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns 0 also if the peers cannot run here, which is reported on standard error."""
    parser = argparse.ArgumentParser(prog="python -m voxrig.tools.reports.peers", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with speech/, grid_lips/ and rig_116/")
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"), help="phone times are kept here")
    parser.add_argument("--save", type=Path, default=evaluate.PEER_SCORES, help="folder for the files of scores")
    parser.add_argument("--subset", choices=tuple(evaluate.SUBSETS), default="fast")
    parser.add_argument("--degraded", action="store_true", help="also under noise, in a room and over a telephone")
    parser.add_argument("--peer", choices=tuple(PACKAGES), action="append", help="only this one")
    parser.add_argument("--answers", type=Path, default=Path(".cache/peers"), help="cache of the peers' answers")
    parser.add_argument("--folder", type=Path, help="keep the npm packages here instead of in a temporary folder")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="voxrig-peers-") as temporary:
        folder = options.folder.resolve() if options.folder else Path(temporary)
        try:
            install_packages(folder)
        except PeerError as reason:
            print(f"peers are left out: {reason}", file=sys.stderr)
            return 0
        development = evaluate.load_development(options.data, options.cache, options.subset)
        for name in options.peer or PACKAGES:
            try:
                peer = Peer(name, folder, options.answers)
                try:
                    scores = evaluate.score(peer, development, degraded=options.degraded)
                finally:
                    peer.close()
            except (PeerError, BrokenPipeError) as reason:
                print(f"{TITLES[name]} is left out: {reason}", file=sys.stderr)
                continue
            options.save.mkdir(parents=True, exist_ok=True)
            path = options.save / f"{TITLES[name]}.json"
            path.write_text(scores.to_json(), encoding="utf-8")
            print(f"{path}: closure recall {scores['closure_recall']:.3f} in {scores.facts['clips']:.0f} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
