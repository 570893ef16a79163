# SPDX-License-Identifier: GPL-3.0-or-later
"""Score alignment and scripted mouths: ``python -m voxrig.training.evaluation.score_script --data DIR`` (``make script``).

Phone and word starts are measured on synthesised speech whose times are exact, of voices that no model was trained on, and on
development recordings against pocketsphinx (its own error is about 10 ms, its labels are multiples of 10 ms). Where only phones
are labelled, words are matched to them by their phones. Mouths are measured with the sound alone, with the script, with a
script of which one word in ten is deleted, inserted or replaced, and with the script of another line.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...animation.curves import ChannelCurves
from ...animation.face.lips import lip_gap
from ...animation.face.phones import SILENCE, VOWELS
from ...animation.script.alignment import Alignment, align
from ...animation.script.contacts import apply_script
from ...animation.script.exports import SpokenWord
from ...animation.script.pronouncing import pronounce_script
from ...animation.script.text import parse_line
from ...animation.speech.voice import measure_voiced_level
from ...inference import espeak
from ...inference.audio import Waveform
from ...inference.generate import generate_all
from ...inference.package import find_model, load_package
from ...inference.session import open_session
from ..corpora.clips import SAMPLE_RATE
from ..corpora.synthesis import to_rate
from ..corpora.voices import Spoken, as_song
from . import conditions, measures
from .evaluate import Recording, load_development

# Variants of espeak-ng that are on none of the lists in corpora/synthesis_espeak.py.
UNHEARD = ("Andy", "mike2", "Reed", "ian", "marcelo", "robosoft6", "shelby")
_CHANGED_SHARE = 0.1
LYRICS = (
    "My mother loves a summer morning by the river",
    "I dream of open water and a quiet bay",
    "Never leave me waiting at the door again",
    "Every morning I remember how we sang for fun",
    "Far above the valley flies a bird of paradise",
    "Maybe we will meet before the moon is high",
    "Baby please come home to me tonight",
    "Somewhere over here the people move along",
)
FOREIGN = {
    "de": (
        "Meine Mutter macht am Abend warme Suppe für den Papa.",
        "Vier Freunde fahren früh im Nebel über den Pass.",
        "Bitte bring mir ein paar Blumen und einen Apfel mit.",
        "Das Pferd läuft vom Berg hinab zum breiten Fluss.",
        "Wir wollen im Sommer viel baden und auf Bäume klettern.",
        "Am Bahnhof wartet ein alter Mann mit einem bunten Ball.",
    ),
    "nl": (
        "Mijn moeder maakt vanavond warme soep voor papa.",
        "Vier vrienden fietsen vroeg door de mist over de berg.",
        "Breng me alsjeblieft een paar bloemen en een appel mee.",
        "Het paard loopt van de heuvel naar de brede rivier.",
        "Bij het water bouwen wij een boot van bomen en plankjes.",
        "Op het perron wacht een oude man met een bonte bal.",
    ),
    "ru": (
        "Моя мама варит вечером тёплый суп для папы.",
        "Мы пойдём пешком по лесу, потом будем пить чай.",
        "Принеси мне, пожалуйста, букет полевых цветов и яблоко.",
        "Мой брат любит быстро бегать по берегу большой реки.",
        "Февраль был морозным, но мы много времени проводили вместе.",
        "Бабушка помнит, как они встретились в большом парке.",
    ),
}
"""Sentences with many sounds of the lips, written for this."""
_HELD_SECONDS = (2.0, 4.0)
_MUSIC_DB = 5.0
_MEETING_CENTIMETRES = 0.06


@dataclass(frozen=True, eq=False)
class Line:
    """A clip with its text and what the model makes of it."""

    clip: Recording
    text: str
    language: str
    curves: ChannelCurves
    likelihood: ChannelCurves

    @cached_property
    def voice_db(self) -> NDArray[np.float64]:
        """Level of what has a pitch."""
        return measure_voiced_level(self.clip.waveform, SAMPLE_RATE, self.likelihood.frame_rate)


def hear_lines(clips: Sequence[tuple[Recording, str, str]], generate: Callable[[np.ndarray], object]) -> list[Line]:
    """Run the model over (clip, text, language)."""
    lines: list[Line] = []
    for clip, text, language in clips:
        made = generate(clip.waveform)
        assert made.phones is not None, "the model hears no phones"  # type: ignore[attr-defined]
        phones = ChannelCurves(made.phones.names, made.phones.frame_rate, made.phones.values, 0.0)  # type: ignore[attr-defined]
        lines.append(Line(clip, text, language, made.curves, phones))  # type: ignore[attr-defined]
    return lines


def place(line: Line, text: str) -> tuple[Alignment, tuple[SpokenWord, ...]]:
    """Align a text to a line's sound."""
    script = parse_line(text)
    known = pronounce_script(script, line.language, None, espeak.phonemise)
    found = align(line.likelihood.values, line.likelihood.names, line.likelihood.frame_rate, known, voice_db=line.voice_db)
    words = tuple(
        SpokenWord(word.text, at.start, at.end, at.confidence, at.phones, word.ends)
        for word, at in zip(script.words, found.words, strict=True)
    )
    return found, words


def perform(line: Line, text: str) -> tuple[ChannelCurves, bool]:
    """Return the curves of a line with a script, and whether it was refused."""
    found, words = place(line, text)
    if not found.is_said:
        return line.curves, True
    return apply_script(line.curves, words, line.likelihood), False


def match_phones(reference: Sequence[str], found: Sequence[str]) -> dict[int, int]:
    """Pair equal phones of two transcriptions by the least edits: place in ``found`` to place in ``reference``."""
    rows, columns = len(reference), len(found)
    cost = np.zeros((rows + 1, columns + 1))
    cost[:, 0], cost[0] = np.arange(rows + 1), np.arange(columns + 1)
    for i in range(rows):
        for j in range(columns):
            change = cost[i, j] + 1.2 * (reference[i] != found[j])
            cost[i + 1, j + 1] = min(change, cost[i, j + 1] + 1, cost[i + 1, j] + 1)
    pairs: dict[int, int] = {}
    i, j = rows, columns
    while i and j:
        if cost[i, j] == cost[i - 1, j - 1] + 1.2 * (reference[i - 1] != found[j - 1]):
            if reference[i - 1] == found[j - 1]:
                pairs[j - 1] = i - 1
            i, j = i - 1, j - 1
        elif cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return pairs


def measure_times(lines: Sequence[Line]) -> tuple[np.ndarray, np.ndarray]:
    """Return the errors in seconds of the starts of phones, and of words."""
    phones: list[float] = []
    words: list[float] = []
    for line in lines:
        _, spoken = place(line, line.text)
        found = [(phone, phone is word.phones[0]) for word in spoken for phone in word.phones]
        reference = [phone for phone in line.clip.phones if phone.phone != SILENCE]
        pairs = match_phones([phone.phone for phone in reference], [phone.phone for phone, _ in found])
        for j, i in pairs.items():
            error = found[j][0].start - reference[i].start
            phones.append(error)
            if found[j][1]:
                words.append(error)
    return np.array(phones), np.array(words)


def corrupt(text: str, others: Sequence[str], random: np.random.Generator) -> str:
    """Delete, replace or insert one word in ten, at least one."""
    words = text.split()
    for _ in range(max(1, round(_CHANGED_SHARE * len(words)))):
        at, kind = int(random.integers(len(words))), int(random.integers(3))
        other = str(random.choice(list(others)))
        if kind == 0 and len(words) > 1:
            del words[at]
        elif kind == 1:
            words[at] = other
        else:
            words.insert(at, other)
    return " ".join(words)


def speak_unheard(sentences: Sequence[str]) -> list[tuple[Recording, str, str]]:
    """Speak sentences with voices of espeak-ng that no model was trained on."""
    made: list[tuple[Recording, str, str]] = []
    for number, text in enumerate(sentences):
        variant = UNHEARD[number % len(UNHEARD)]
        sound, rate, phones = espeak.speak(text, "en-us", variant=variant, words_per_minute=150, pitch=35 + 5 * (number % 7))
        samples = to_rate(sound, rate)
        noise = np.random.default_rng(number).normal(0.0, 10 ** (-55 / 20), len(samples)).astype(np.float32)
        clip = Recording(f"{variant} {number}", variant, (), "en", text, samples + noise, tuple(phones))
        made.append((clip, text, "en"))
    return made


def speak_foreign() -> list[tuple[Recording, str, str]]:
    """Speak the sentences of other languages with voices that no model was trained on."""
    made: list[tuple[Recording, str, str]] = []
    for language, sentences in FOREIGN.items():
        for number, text in enumerate(sentences):
            variant = UNHEARD[number % len(UNHEARD)]
            sound, rate, phones = espeak.speak(text, language, variant=variant, words_per_minute=150, pitch=35 + 5 * number)
            name = f"{language} {variant} {number}"
            made.append((Recording(name, variant, (), language, text, to_rate(sound, rate), tuple(phones)), text, language))
    return made


def sing_unheard(*, with_music: bool) -> list[tuple[Recording, str, str]]:
    """Sing the lyrics with voices that no model was trained on, half of the stressed vowels held for 2 to 4 s."""
    made: list[tuple[Recording, str, str]] = []
    for number, (clip, text, language) in enumerate(speak_unheard(LYRICS)):
        random = np.random.default_rng(number)
        lengths: list[float] = []
        for phone in clip.phones:
            length = phone.end - phone.start
            if phone.phone in VOWELS:
                is_held = phone.stress == 1 and random.random() < 0.5
                length = float(random.uniform(*_HELD_SECONDS)) if is_held else length * float(random.uniform(1.5, 3.0))
            lengths.append(length)
        song = as_song(Spoken(clip.waveform, clip.phones), random, lengths)
        samples = conditions.add_music(song.samples, _MUSIC_DB) if with_music else song.samples
        made.append((replace(clip, waveform=samples, phones=tuple(song.phones)), text, language))
    return made


def contacts_of(lines: Sequence[Line], curves: Sequence[ChannelCurves]) -> dict[str, float]:
    """Measure the contacts of all lines together."""
    tallies: dict[str, list[measures.Tally]] = {}
    for line, made in zip(lines, curves, strict=True):
        for name, tally in measures.measure_contacts(made, line.clip.phones).items():
            tallies.setdefault(name, []).append(tally)
    return {name: measures.ratio(found) for name, found in tallies.items()}


def tracked_of(lines: Sequence[Line], curves: Sequence[ChannelCurves]) -> dict[str, float]:
    """Measure the likeness to the tracked talker."""
    tallies: dict[str, list[measures.Tally]] = {}
    for line, made in zip(lines, curves, strict=True):
        assert line.clip.tracked is not None
        for name, tally in measures.measure_tracked(made, line.clip.tracked)[0].items():
            tallies.setdefault(name, []).append(tally)
    return {name: measures.ratio(found) for name, found in tallies.items()}


def _grid_text(data: Path, name: str) -> str:
    rows = (data / "grid_lips" / "words" / f"{name}.align").read_text(encoding="utf-8").split("\n")
    return " ".join(row.split()[2] for row in rows if len(row.split()) == 3 and row.split()[2] not in ("sil", "sp"))


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


@dataclass(frozen=True, eq=False)
class Lines:
    """The hearing of the model in the clips of each kind."""

    unheard: list[Line]
    labelled: list[Line]
    tracked: list[Line]
    foreign: list[Line]
    foreign_spoken: list[Line]
    sung: list[Line]
    sung_with_music: list[Line]


Row = tuple[str, str, str]


def hear_all(data: Path, cache: Path, subset: str, model: str | None) -> Lines:
    """Run the model over all clips; this takes longer than everything after it."""
    development = load_development(data, cache, subset)
    package = load_package(find_model(model))
    session = open_session(package, provider="CPU", threads=1)

    def generate(samples: np.ndarray) -> object:
        return generate_all(session, Waveform(samples, package.sample_rate))

    def hear(name: str, clips: Sequence[tuple[Recording, str, str]]) -> list[Line]:
        print(f"hearing {len(clips)} clips: {name}", file=sys.stderr, flush=True)
        return hear_lines(clips, generate)

    sentences = sorted({clip.text for clip in development.labelled if 4 <= len(clip.text.split()) <= 14})[:60]
    return Lines(
        hear("synthesised", speak_unheard([text.capitalize() for text in sentences])),
        hear("labelled", [(clip, clip.text, "en") for clip in development.labelled]),
        hear("tracked", [(clip, _grid_text(data, clip.name), "en") for clip in development.tracked]),
        hear("other languages", [(clip, clip.text, clip.language) for clip in development.languages]),
        hear("other languages, synthesised", speak_foreign()),
        hear("sung", sing_unheard(with_music=False)),
        hear("sung with music", sing_unheard(with_music=True)),
    )


def score_times(lines: Lines) -> Iterator[Row]:
    """Compare the starts of phones and words."""
    phones, words = measure_times(lines.unheard)
    yield (f"synthesised, voices not trained on ({len(lines.unheard)} lines): phone starts within 20 ms", "0.80 / 0.90",
           f"{np.mean(np.abs(phones) <= 0.02):.2f} of {phones.size}, bias {_ms(np.median(phones))}")  # fmt: skip
    yield "the same: word starts, median error", "25 / 15 ms", f"{_ms(np.median(np.abs(words)))} of {words.size}"
    phones, words = measure_times(lines.labelled)
    yield (f"development recordings ({len(lines.labelled)}): word starts, median error", "40 / 25 ms",
           f"{_ms(np.median(np.abs(words)))} of {words.size}, p90 {_ms(np.percentile(np.abs(words), 90))}; "
           f"phone starts within 20 ms {np.mean(np.abs(phones) <= 0.02):.2f}")  # fmt: skip


def score_songs(lines: Lines) -> Iterator[Row]:
    """Look for held vowels, and for lips that meet in them."""
    for kind, some in (("sung", lines.sung), (f"sung, music {_MUSIC_DB:.0f} dB lower", lines.sung_with_music)):
        covered: list[float] = []
        alone: list[float] = []
        told: list[float] = []
        taken = 0
        for line in some:
            found, words = place(line, line.text)
            taken += found.is_said
            notes = [phone for word in words for phone in word.phones]
            mouths = (line.curves, apply_script(line.curves, words, line.likelihood) if found.is_said else line.curves)
            for phone in line.clip.phones:
                if phone.phone not in VOWELS or phone.end - phone.start < 0.9 * _HELD_SECONDS[0]:
                    continue
                shared = [min(phone.end, note.end) - max(phone.start, note.start) for note in notes if note.phone in VOWELS]
                covered.append(max(*shared, 0.0) / (phone.end - phone.start))
                for mouth, shares in zip(mouths, (alone, told), strict=True):
                    seconds = mouth.start_seconds + np.arange(mouth.frame_count) / mouth.frame_rate
                    inside = (seconds > phone.start + 0.1) & (seconds < phone.end - 0.1)
                    shares.append(float(np.mean(lip_gap(mouth.values, mouth.names)[inside] < _MEETING_CENTIMETRES)))
        phones, starts = measure_times(some)
        near = np.mean(np.abs(phones) <= 0.05)
        yield f"{kind}: lyrics taken", "all", f"{taken} of {len(some)}"
        yield (
            f"{kind}: word starts, median error; phone starts within 50 ms",
            "",
            f"{_ms(np.median(np.abs(starts)))}; {near:.2f}",
        )
        yield (f"{kind}: share found of vowels held for 2 to 4 s, mean and median", "1.00",
               f"{np.mean(covered):.2f}, {np.median(covered):.2f} of {len(covered)}")  # fmt: skip
        yield f"{kind}: lips that meet in them", "0.00", f"{np.mean(told):.2f} (sound alone {np.mean(alone):.2f})"


def score_mouths(lines: Lines) -> Iterator[Row]:
    """Compare mouths with their script to those of the sound alone."""
    labelled, tracked = lines.labelled, lines.tracked
    alone = contacts_of(labelled, [line.curves for line in labelled])
    told = contacts_of(labelled, [perform(line, line.text)[0] for line in labelled])

    def shown(found: dict[str, float], key: str) -> str:
        return f"{found[key]:.3f} at {found['false_closure']:.3f} and {found['sealed_tongue']:.3f}"

    yield ("closure recall with script, at vowels and tongue", "0.985 / 0.995 at <= 0.01 and <= 0.03",
           f"{shown(told, 'closure_recall')} (sound alone {shown(alone, 'closure_recall')})")  # fmt: skip
    yield ("labiodental recall with script", "0.97 / 0.99",
           f"{told['labiodental_recall']:.3f} (sound alone {alone['labiodental_recall']:.3f})")  # fmt: skip
    before = tracked_of(tracked, [line.curves for line in tracked])
    after = tracked_of(tracked, [perform(line, line.text)[0] for line in tracked])
    yield (f"opening / width r of the tracked talker ({len(tracked)} clips)", "0.80 / 0.60, aim 0.83 / 0.66",
           f"{after['opening_r']:.3f} / {after['width_r']:.3f} "
           f"(sound alone {before['opening_r']:.3f} / {before['width_r']:.3f})")  # fmt: skip
    pool = sorted({word for line in labelled for word in line.text.split()})
    for seed in range(3):
        random = np.random.default_rng(seed)
        damaged = contacts_of(labelled, [perform(line, corrupt(line.text, pool, random))[0] for line in labelled])
        gained = damaged["closure_recall"] - alone["closure_recall"]
        yield (f"10 % of words wrong, draw {seed + 1}: closure recall against sound alone", ">= 0 / +0.02, others <= +0.002",
               f"{gained:+.3f}; vowels {damaged['false_closure'] - alone['false_closure']:+.3f}, "
               f"tongue {damaged['sealed_tongue'] - alone['sealed_tongue']:+.3f}")  # fmt: skip


def score_refusals(lines: Lines) -> Iterator[Row]:
    """Give each line the scripts of others, among them the shortest, which fit by chance most easily."""
    for kind, some in (("development recordings", lines.labelled), ("synthesised", lines.unheard)):
        shortest = sorted((line.text for line in some), key=len)[: max(1, len(some) // 5)]
        same = tried = 0
        for number, line in enumerate(some):
            others = [some[(number + step) % len(some)].text for step in (7, 19)] + [shortest[number % len(shortest)]]
            for text in others:
                if _share_words(text, line.text):
                    continue
                tried += 1
                curves, refused = perform(line, text)
                same += refused and curves is line.curves
        yield f"another line's script, {kind}: refused, curves of the sound alone", "all", f"{same} of {tried}"
        lost = sum(perform(line, line.text)[1] for line in some)
        yield f"the right script, {kind}: refused", "few", f"{lost} of {len(some)}"


def _share_words(one: str, other: str) -> bool:
    """Return whether a text holds half of the words of another: then it is not wrong where they are."""
    first, second = ({word.strip(".,!?") for word in text.lower().split()} - {""} for text in (one, other))
    return len(first & second) >= 0.5 * min(len(first), len(second))


def score_languages(lines: Lines) -> Iterator[Row]:
    """Compare closures in other languages with their own text to those of the sound alone."""
    for kind, clips in (("recorded", lines.foreign), ("synthesised", lines.foreign_spoken)):
        for language in dict.fromkeys(line.language for line in clips):
            some = [line for line in clips if line.language == language and len(line.clip.phones) > 1]
            if some:
                yield _score_language(f"{language}, {kind}", some)


def _score_language(title: str, some: Sequence[Line]) -> Row:
    told = contacts_of(some, [perform(line, line.text)[0] for line in some])
    alone = contacts_of(some, [line.curves for line in some])
    return (f"{title}, with its own text ({len(some)} lines): closure recall", "0.97 / 0.99",
            f"{told['closure_recall']:.3f} (sound alone {alone['closure_recall']:.3f}); vowels "
            f"{told['false_closure']:.3f} ({alone['false_closure']:.3f})")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, each row as soon as it is known."""
    parser = argparse.ArgumentParser(prog="voxrig.training.evaluation.score_script", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".cache/training"))
    parser.add_argument("--subset", default="fast", choices=("small", "fast", "standard"))
    parser.add_argument("--model")
    options = parser.parse_args(arguments)
    lines = hear_all(options.data, options.cache, options.subset, options.model)
    print("| measure | floor / aim | found |\n|---|---|---|")
    for score in (score_times, score_songs, score_mouths, score_refusals, score_languages):
        for row in score(lines):
            print(f"| {' | '.join(row)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
