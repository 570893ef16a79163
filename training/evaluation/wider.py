# SPDX-License-Identifier: GPL-3.0-or-later
"""Score beyond clean speech, by recognition and by size: hard listening, song, effort, how far a mouth moves, Mandarin.

``score_wider`` adds the figures to ``evaluate`` that need more than one sound or more than the channels. Conditions are
made from fixed seeds; babble is six other development speakers; children, whispers and song are the development speakers'
own sentences through WORLD (``corpora/voices.py``).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.face import lips
from ...animation.face.phones import SILENCE, VOWELS, TimedPhone
from ..corpora.clips import SAMPLE_RATE
from ..corpora.recordings import name_fraction
from ..corpora.voices import Spoken, as_child, as_song, as_whisper, at_tempo
from . import baselines, conditions, measures
from .measures import Tally

if TYPE_CHECKING:
    from .evaluate import CapturedTake, Development, Recording

Samples = NDArray[np.float32]
Predict = Callable[[Samples], ChannelCurves]
Add = Callable[[str, str, Tally], None]

TRACKED_CENTIMETRES = 8.5
"""Distance between the outer eye corners of the tracked talker: his unit of length."""
BLENDVOCA_SPREAD = {"jawOpen": 0.097, "mouthFunnel": 0.030, "mouthPucker": 0.096, "mouthSmileLeft": 0.030}
"""Standard deviations of real speech's channels over BlendVOCA."""
RESTS_CENTIMETRES = 0.1
"""A sung vowel whose lips stay closer than this is not sung by the face."""
HELD_OUT_TAKE = "1114_2_05"
SHARE = 0.5
"""Share of the labelled clips that are scored under hard conditions."""


def hard_conditions(clip: Recording, everybody: Sequence[Recording]) -> dict[str, Spoken]:
    """Make versions of a clip that are hard to hear, with its phones at their times in each."""
    here = Spoken(clip.waveform, clip.phones)
    start = int(name_fraction(clip.name) * len(everybody))
    turned = [*everybody[start:], *everybody[:start]]
    others: dict[str, Samples] = {}
    for other in turned:
        if other.speaker != clip.speaker and len(others) < 6:
            others.setdefault(other.speaker, other.waveform)

    def heard(samples: Samples) -> Spoken:
        return Spoken(samples, clip.phones)

    return {
        "babble 10 dB": heard(conditions.add_babble(clip.waveform, list(others.values()))),
        "white 10 dB": heard(conditions.add_white_noise(clip.waveform)),
        "music 10 dB": heard(conditions.add_music(clip.waveform)),
        "tempo 1.6": at_tempo(here, 1.6),
        "child": as_child(here, 1.2, 1.5),
    }


def score_wider(predict: Predict, development: Development, data: Path, add: Add) -> None:
    """Run ``predict`` over all of this module's sounds and ``add(name, cluster, tally)`` every figure."""
    spread: dict[str, list[NDArray[np.float32]]] = {}
    for clip in development.labelled:
        if name_fraction(f"wider {clip.name}") >= SHARE:
            continue
        curves = predict(clip.waveform)
        clean = measures.measure_contacts(curves, clip.phones)
        speaking = _speaking(curves, clip.phones)
        for name in BLENDVOCA_SPREAD:
            spread.setdefault(name, []).append(curves.channel(name)[speaking])
        for condition, spoken in hard_conditions(clip, development.labelled).items():
            worse = measures.measure_contacts(predict(spoken.samples), spoken.phones)
            for name in ("closure_recall", "labiodental_recall", "false_closure", "sealed_tongue"):
                if name in worse:
                    add(f"{name}/{condition}", clip.speaker, worse[name])
            if "closure_recall" in worse:
                lost = clean["closure_recall"].numerator - worse["closure_recall"].numerator
                add(f"closure_recall_loss/{condition}", clip.speaker, Tally(lost, worse["closure_recall"].denominator))
        if "native adults" in clip.groups:
            _add_song(predict, clip, add)
            whispered = predict(as_whisper(Spoken(clip.waveform, clip.phones), _random(clip)).samples)
            add("jaw_p90/whispered", clip.speaker, Tally(_p90(whispered, clip.phones), _p90(curves, clip.phones)))
    for name, values in spread.items():
        add(f"spread/{name}", "all", Tally(float(np.std(np.concatenate(values))), BLENDVOCA_SPREAD[name]))
    _add_size(predict, development.tracked, add)
    _add_shouts(predict, data / "emotion_speech", add)
    for take in development.takes:
        if take.name == HELD_OUT_TAKE:
            _add_mandarin(predict, take, add)


def _random(clip: Recording) -> np.random.Generator:
    return np.random.default_rng(int(name_fraction(clip.name) * 1e9))


def _speaking(curves: ChannelCurves, phones: Sequence[TimedPhone]) -> NDArray[np.bool_]:
    seconds = curves.seconds()
    inside = np.zeros(len(seconds), bool)
    for phone in phones:
        if phone.phone != SILENCE:
            inside |= (seconds >= phone.start) & (seconds < phone.end)
    return inside


def _p90(curves: ChannelCurves, phones: Sequence[TimedPhone]) -> float:
    return float(np.percentile(curves.channel("jawOpen")[_speaking(curves, phones)], 90))


def _add_song(predict: Predict, clip: Recording, add: Add) -> None:
    """Add the vowels of the sentence, sung over music, during whose middle the lips stay together."""
    song = as_song(Spoken(clip.waveform, clip.phones), _random(clip))
    fine = measures.fine_grid(predict(conditions.add_music(song.samples, 5.0)))
    seconds, gap = fine.seconds(), lips.lip_gap(fine.values, fine.names)
    for phone in song.phones:
        length = phone.end - phone.start
        if phone.phone in VOWELS and length > 0.1:
            middle = gap[(seconds >= phone.start + 0.2 * length) & (seconds <= phone.end - 0.2 * length)]
            add("sung_rest", clip.speaker, Tally(float(len(middle) > 0 and middle.max() < RESTS_CENTIMETRES), 1.0))


def _add_size(predict: Predict, clips: Sequence[Recording], add: Add) -> None:
    """Add how far the lips part and spread compared with the tracked talker's."""
    gaps: list[NDArray[np.float64]] = []
    tracked_gaps: list[NDArray[np.float64]] = []
    widths = tracked_widths = 0.0
    for clip in clips:
        assert clip.tracked is not None
        curves = predict(clip.waveform)
        at, seconds = clip.tracked.seconds, curves.seconds()
        gaps.append(np.interp(at, seconds, lips.lip_gap(curves.values, curves.names)))
        tracked_gaps.append(clip.tracked.inner_gap * TRACKED_CENTIMETRES)
        widths += float(np.std(np.interp(at, seconds, lips.lip_width(curves.values, curves.names))))
        tracked_widths += float(np.std(clip.tracked.mouth_width)) * TRACKED_CENTIMETRES
    if clips:
        top, tracked_top = (float(np.percentile(np.concatenate(part), 95)) for part in (gaps, tracked_gaps))
        add("opening_p95", "all", Tally(top, tracked_top))
        add("width_spread", "all", Tally(widths, tracked_widths))


def _add_shouts(predict: Predict, folder: Path, add: Add) -> None:
    """Add the jaw's p90 of EmoDB's development speakers, angry against neutral, by speaker and sentence."""
    import soundfile

    if not (folder / "index.tsv").is_file():
        return
    p90: dict[tuple[str, str, str], float] = {}
    sounds: dict[str, Samples] = {}
    with open(folder / "index.tsv", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["speaker"] not in ("15", "16") or row["emotion"] not in ("anger", "neutral") or row["lang"] != "de":
                continue
            if row["shard"] not in sounds:
                sounds[row["shard"]] = soundfile.read(str(next(folder.glob(f"**/{row['shard']}*"))), dtype="float32")[0]
            first = int(row["start"])
            curves = predict(sounds[row["shard"]][first : first + int(row["length"])])
            p90[row["speaker"], row["utt"][2:5], row["emotion"]] = float(np.percentile(curves.channel("jawOpen"), 90))
    for (speaker, text, emotion), value in p90.items():
        if emotion == "anger" and (speaker, text, "neutral") in p90:
            add("jaw_p90/shouted", speaker, Tally(value, p90[speaker, text, "neutral"]))


def _add_mandarin(predict: Predict, take: CapturedTake, add: Add) -> None:
    """Add r of the jaw of the take that calibrates nothing, and of the loudness of its sound."""
    for name, system in (("captured_jaw_r/zh 05", predict), ("captured_jaw_r/zh 05, loudness", baselines.loudness_to_jaw)):
        curves = system(take.waveform)
        jaw = np.interp(take.seconds, curves.seconds(), curves.channel("jawOpen"))
        add(name, take.name, Tally(measures.pearson(jaw, take.jaw), 1.0))


def score_phones(folder: Path, development: Development) -> dict[str, Tally]:
    """Score the share of frames inside speech whose likeliest phone is the true one, by speaker, of a model package."""
    from ...inference.audio import Waveform
    from ...inference.generate import generate_all
    from ...inference.package import load_package
    from ...inference.session import open_session

    session = open_session(load_package(folder), provider="CPU")
    found: dict[str, Tally] = {}
    for clip in development.labelled:
        made = generate_all(session, Waveform(clip.waveform, SAMPLE_RATE)).phones
        if made is None:
            return {}
        best = np.array(made.names)[made.values.argmax(axis=1)]
        seconds = made.seconds()
        right = total = 0
        for phone in clip.phones:
            if phone.phone != SILENCE:
                inside = (seconds >= phone.start) & (seconds < phone.end)
                right += int(np.sum(best[inside] == phone.phone))
                total += int(np.sum(inside))
        before = found.get(clip.speaker, Tally(0.0, 0.0))
        found[clip.speaker] = Tally(before.numerator + right, before.denominator + total)
    return found
