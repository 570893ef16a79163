# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognise the channel of each control of a character from names alone, and rate the certainty.

Presets of rig families come first: the one that explains most of the names and is itself most complete wins. Its gaps are
filled from the other presets that hold, then from names that are equal except for case, separators and side, then from words of
the same meaning ('kiss' and 'pucker'), and last from words that are merely similar, which a person has to confirm.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ..face.channels import Channel
from .names import normalise_name, shared_prefix, split_words
from .presets import Links, Preset, PresetControl, Vector

SURE, LIKELY, UNSURE = "SURE", "LIKELY", "UNSURE"

# If less than this share of a preset was found its links are only likely, and below the second share unsure, because short
# names ('Open', 'Smile') have other meanings on other rigs.
_SURE_SHARE = 0.5
_LIKELY_SHARE = 0.15
# Where a rig has both shapes and bones for an expression, the shapes were made for exactly that expression.
_BONES_COUNT = 0.8
# This many channels must be found for a preset to be named as the character's family.
_LEAST_CHANNELS = 3
# Shared words of a name and a channel over all their words (Dice): from here on they are worth asking about.
_ALIKE = 0.7
# A mouth that also has some face shapes needs this many of its visemes to speak with them.
_LEAST_VISEMES = 4


@dataclass(frozen=True)
class Control:
    """A control as recognition sees it: its name, its owner (a mesh, a bone), and whether it is the transform of a bone."""

    name: str
    place: str = ""
    is_bone: bool = False


@dataclass(frozen=True)
class FoundLink:
    """A channel that drives ``controls[control]`` of the list that was asked about; ``why`` is the reason, for the artist.

    ``move`` and ``turn`` of bones are in armature space: in units of the distance between the two bones of ``unit``, and in
    degrees about the axes; with ``about``, the bone goes where that turn about the head of another bone would take it.
    """

    channel: str
    control: int
    confidence: str
    why: str
    gain: float = 1.0
    offset: float = 0.0
    move: Vector | None = None
    turn: Vector | None = None
    unit: tuple[str, str] | None = None
    about: str = ""
    is_made_up: bool = False


@dataclass(frozen=True)
class Recognition:
    """The result: the family ('' for none), the share of it that was found, and the links in order of the channels.

    ``scores`` are all presets' scores from 0 to 1, the best first; ``missing`` the channels without a link.
    """

    family: str = ""
    title: str = ""
    mouth: str = "face"
    share: float = 0.0
    links: tuple[FoundLink, ...] = ()
    missing: tuple[str, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()


def recognise(channels: Sequence[str], controls: Sequence[Control], presets: Iterable[Preset]) -> Recognition:
    """Find the ``controls`` that ``channels`` drive.

    The same name on several places (face, teeth, beard) is one control on each of them. Two controls of one place that fit
    a channel equally well are both unsure. It never raises: empty, strange and repeated names merely stay unrecognised.
    """
    names = _Names(controls)
    trials = [_Trial(preset, names) for preset in presets]
    _score(trials)
    trials = sorted((trial for trial in trials if trial.score > 0.0), key=lambda trial: -trial.score)
    held = [trial for trial in trials if trial.holds]
    best = held[0] if held else None
    gathered = _Gathered(channels, names)
    for channel in channels:
        gathered.add_named(channel)
    if best is not None:
        gathered.add_preset(best, best.preset.links)
    for trial in held[1:]:
        gathered.add_preset(trial, trial.preset.links, at_most=LIKELY)
    gathered.add_same()
    if best is not None:
        gathered.add_preset(best, best.preset.made_up, at_most=LIKELY, is_made_up=True)
    # A preset of which too little was found to hold is only a hint.
    for trial in trials:
        if not trial.holds:
            gathered.add_preset(trial, trial.preset.links, at_most=LIKELY)
    gathered.add_alike()
    links = tuple(link for channel in channels for link in gathered.links.get(channel, ()))
    return Recognition(
        family=best.preset.family if best else "",
        title=best.preset.title if best else "",
        mouth=best.preset.mouth if best else "face",
        share=best.share if best else 0.0,
        links=links,
        missing=tuple(channel for channel in channels if not gathered.links.get(channel)),
        scores=tuple((trial.preset.family, round(trial.score, 3)) for trial in trials),
    )


def choose_mouth(found: Recognition, channels: Sequence[Channel]) -> tuple[FoundLink, ...]:
    """Drop the links that would open the mouth a second time: a mouth speaks with its shapes or with its visemes.

    The preset decides; without one, shapes are used as soon as one of them opens the jaw or there are few visemes.
    ``channels`` are the model's, with region and group.
    """
    kind = {channel.name: channel for channel in channels}
    visemes = {name for name, channel in kind.items() if channel.group == "viseme"}
    mouth = {name for name, channel in kind.items() if channel.region in ("jaw", "lips", "tongue") and name not in visemes}
    counted = [link for link in found.links if link.confidence != UNSURE] or list(found.links)
    spoken = {link.channel for link in counted if link.channel in visemes}
    shaped = {link.channel for link in counted if link.channel in mouth and kind[link.channel].region != "tongue"}
    opens = "jawOpen" in shaped
    if not spoken or not shaped:
        by_visemes = bool(spoken)
    elif found.family:
        by_visemes = found.mouth == "visemes" and len(spoken) >= _LEAST_VISEMES
    else:
        by_visemes = not opens and len(spoken) >= _LEAST_VISEMES
    if not by_visemes:
        return tuple(link for link in found.links if link.channel not in visemes)
    # A smile of the preset's own is meant to accompany its visemes; other mouth shapes would add up with them.
    return tuple(link for link in found.links if link.channel not in mouth or link.is_made_up)


# ---------------------------------------------------------------------------------------------------------------
# Names


def _fold(text: str) -> str:
    """Fold half-width and full-width letters into one form, and strip spaces."""
    return unicodedata.normalize("NFKC", text).strip()


class _Names:
    """The names of a character by every form in which they are looked up."""

    def __init__(self, controls: Sequence[Control]) -> None:
        self.controls = controls
        self.at: dict[tuple[bool, str], list[int]] = {}
        for i, control in enumerate(controls):
            if control.name.strip():
                self.at.setdefault((control.is_bone, control.name), []).append(i)
        self.folded = {name: _fold(name) for _, name in self.at}
        self.values = [name for is_bone, name in self.at if not is_bone]
        self.bones = [name for is_bone, name in self.at if is_bone]
        prefix = shared_prefix([self.folded[name] for name in self.values])
        if read_meaning(prefix).parts:  # 'Mouth_' has a meaning
            prefix = ""
        self.bare = {name: folded.removeprefix(prefix) for name, folded in self.folded.items()}
        self._normal: dict[str, str] = {}
        self._exact: dict[bool, dict[str, list[str]]] = {}
        self._loose: dict[bool, dict[str, list[str]]] = {}
        self._lines: dict[bool, tuple[str, dict[str, list[str]]]] = {}

    def normal(self, text: str) -> str:
        """Return ``normalise_name``, cached."""
        found = self._normal.get(text)
        if found is None:
            found = self._normal[text] = normalise_name(text)
        return found

    def exact(self, is_bone: bool) -> dict[str, list[str]]:
        """Return names as written, with and without the prefix shared by most of them."""
        if is_bone not in self._exact:
            self._exact[is_bone] = self._group(is_bone, lambda form: form)
        return self._exact[is_bone]

    def loose(self, is_bone: bool) -> dict[str, list[str]]:
        """Return names by their normalised form, with and without the prefix shared by most of them."""
        if is_bone not in self._loose:
            self._loose[is_bone] = self._group(is_bone, self.normal)
        return self._loose[is_bone]

    def spelled(self, is_bone: bool, spelling: re.Pattern[str]) -> Iterator[tuple[str, list[str]]]:
        """Yield the rest of the names that match a preset's spelling, each with the names themselves."""
        if is_bone not in self._lines:
            forms = {form: names for form, names in self.exact(is_bone).items() if "\n" not in form}
            self._lines[is_bone] = "\n".join(forms), forms
        # One search through all names takes a fifth of the time of one search for each.
        text, forms = self._lines[is_bone]
        for found in _whole_lines(spelling).finditer(text):
            yield found["name"], forms[found.group()]

    def _group(self, is_bone: bool, key: Callable[[str], str]) -> dict[str, list[str]]:
        table: dict[str, list[str]] = {}
        for name in self.bones if is_bone else self.values:
            for form in dict.fromkeys((key(self.folded[name]), key(self.bare[name]))):
                if form:
                    table.setdefault(form, []).append(name)
        return table


@functools.cache
def _whole_lines(spelling: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(f"^(?:{spelling.pattern})$", re.MULTILINE)


# ---------------------------------------------------------------------------------------------------------------
# Presets


class _Trial:
    """One preset tried on the names: the names that fit each of its controls, and whether exactly."""

    def __init__(self, preset: Preset, names: _Names) -> None:
        self.preset = preset
        self.names = names
        self.score = 0.0
        self.exact: dict[bool, dict[str, list[str]]] = {}
        self.loose: dict[bool, dict[str, list[str]]] = {}
        for is_bone in {control.is_bone for controls in preset.links.values() for control in controls}:
            self._index(is_bone)
        self.fits: dict[str, frozenset[str]] = {}
        for channel, controls in preset.links.items():
            fitting = frozenset(name for control in controls for name in self.find(control)[0])
            if fitting:
                self.fits[channel] = fitting
        self.share = len(self.fits) / len(preset.links)

    @property
    def is_of_bones(self) -> bool:
        """Whether the preset poses bones."""
        return any(control.is_bone for controls in self.preset.links.values() for control in controls)

    @property
    def holds(self) -> bool:
        """Whether enough was found to call the character one of this family."""
        least = max(self.preset.least, _LIKELY_SHARE)
        return self.share >= least and len(self.fits) >= min(_LEAST_CHANNELS, len(self.preset.links))

    def _index(self, is_bone: bool) -> None:
        names = self.names
        if not self.preset.spellings:
            self.exact[is_bone], self.loose[is_bone] = names.exact(is_bone), names.loose(is_bone)
            return
        exact: dict[str, list[str]] = {}
        loose: dict[str, list[str]] = {}
        for spelling in self.preset.spellings:
            for inner, spelled in names.spelled(is_bone, spelling):
                exact.setdefault(inner, []).extend(spelled)
                key = names.normal(inner)
                if key:
                    loose.setdefault(key, []).extend(spelled)
        self.exact[is_bone], self.loose[is_bone] = exact, loose

    def find(self, control: PresetControl) -> tuple[tuple[str, ...], frozenset[str]]:
        """Find the names that may be this control, and those of them that match it to the letter.

        A control without a side is also found split in two ('cheekPuff' as 'cheekPuff_L' and 'cheekPuff_R').
        """
        exact, loose = self.exact.get(control.is_bone, {}), self.loose.get(control.is_bone, {})
        for name in control.names:
            folded = _fold(name)
            if folded in exact:
                # Other meshes of the character may use another spelling.
                others = loose.get(self.names.normal(folded), ())
                return tuple(dict.fromkeys((*exact[folded], *others))), frozenset(exact[folded])
        for name in control.names:
            key = self.names.normal(_fold(name))
            if key in loose:
                return tuple(dict.fromkeys(loose[key])), frozenset()
            if f"{key}.l" in loose and f"{key}.r" in loose:
                return tuple(dict.fromkeys((*loose[f"{key}.l"], *loose[f"{key}.r"]))), frozenset()
        return (), frozenset()


def _score(trials: Sequence[_Trial]) -> None:
    """Score presets by how much of them was found, how much of the character they explain, and how much only they explain.

    The first two weigh equally (their harmonic mean), so that a small preset does not win by being complete on a rig that has
    far more, nor a large one by being large. The last decides between near equals.
    """
    most = max((len(trial.fits) for trial in trials), default=0)
    claims: dict[str, int] = {}
    for trial in trials:
        for name in {name for names in trial.fits.values() for name in names}:
            claims[name] = claims.get(name, 0) + 1
    for trial in trials:
        if not trial.fits:
            continue
        explained = len(trial.fits) / most
        claimed = {name for names in trial.fits.values() for name in names}
        unique = sum(1.0 / claims[name] for name in claimed) / len(claimed)
        trial.score = 2.0 * trial.share * explained / (trial.share + explained) * (0.9 + 0.1 * unique)
        if trial.is_of_bones:
            trial.score *= _BONES_COUNT


# ---------------------------------------------------------------------------------------------------------------
# Words

_SIDES = {"l": "l", "left": "l", "lft": "l", "lf": "l", "r": "r", "right": "r", "rgt": "r", "rt": "r"}
# Words that describe a thing for the software rather than its effect on the face.
_NOISE = frozenset(
    "ctrl ctl control expression expressions exp facs bs jnt cbs arkit ar kit blendshape blend shape shapes key morph target "
    "head face facial fac fcl the cc g gen genesis mesh geo value prop div sk pose fix vrc".split()
)
# Other words of the same meaning, word by word.
_SAME = {
    "lip": "mouth", "lips": "mouth", "mth": "mouth", "mouths": "mouth", "kuchi": "mouth",
    "lid": "eye", "lids": "eye", "eyelid": "eye", "eyelids": "eye", "eyes": "eye",
    "brows": "brow", "eyebrow": "brow", "eyebrows": "brow", "brw": "brow", "cheeks": "cheek",
    "nostril": "nose", "nostrils": "nose",
    "tongues": "tongue", "mandible": "jaw",
    "kiss": "pucker", "purse": "pucker", "pursed": "pucker", "pout": "pucker", "puckered": "pucker", "puckerer": "pucker",
    "whistle": "pucker", "narrow": "pucker",
    "funneler": "funnel", "funnelled": "funnel", "trumpet": "funnel",
    "shut": "close", "closed": "close", "together": "close", "seal": "close", "closes": "close", "toward": "close",
    "opened": "open", "drop": "open", "dropped": "open",
    "grin": "smile", "smiling": "smile", "smirk": "smile",
    "frowning": "frown", "visemes": "viseme", "vis": "viseme", "vi": "viseme", "phoneme": "viseme",
    "phonemes": "viseme", "phon": "viseme",
    "puffed": "puff", "blow": "puff", "inflate": "puff", "puffy": "puff", "balloon": "puff",
    "bottom": "lower", "bot": "lower", "btm": "lower", "low": "lower", "lwr": "lower", "dn": "down",
    "top": "upper", "upp": "upper", "upr": "upper",
    "raise": "up", "raised": "up", "raiser": "up", "lift": "up", "lifted": "up", "rise": "up",
    "depress": "down", "depressor": "down", "lowerer": "down", "lowered": "down",
    "fwd": "forward", "forwards": "forward", "foreward": "forward", "thrust": "forward", "protrude": "forward",
    "scrunch": "sneer", "wrinkle": "sneer", "wrinkler": "sneer", "snarl": "sneer", "sneers": "sneer",
    "suck": "roll", "sucked": "roll", "bite": "roll", "tuck": "roll", "under": "roll", "rolled": "roll",
    "widen": "wide", "widened": "wide", "widener": "wide", "wider": "wide", "spread": "stretch", "stretched": "stretch",
    "stretcher": "stretch", "dimpler": "dimple", "dimples": "dimple", "presser": "press", "pressor": "press",
    "pressed": "press",
    "inside": "inner", "outside": "outer", "corners": "corner", "puller": "pull", "pulled": "pull",
    "blinks": "blink", "wink": "blink", "winking": "blink", "squeeze": "squint", "squinting": "squint", "tightener": "tight",
    "tighten": "tight", "showing": "show", "stick": "out",
}  # fmt: skip
# Groups of words with one meaning: where all on the left are present, those on the right replace them.
_PHRASES = tuple(
    (frozenset(left.split()), frozenset(right.split()))
    for left, right in (
        ("mouth corner up", "mouth smile"),
        ("mouth corner pull", "mouth smile"),
        ("corner pull", "mouth smile"),
        ("corner up", "mouth smile"),
        ("mouth corner down", "mouth frown"),
        ("corner down", "mouth frown"),
        ("mouth corner stretch", "mouth stretch"),
        ("mouth smile up", "mouth smile"),
        ("eye close", "eye blink"),
        ("eye tight", "eye squint"),
        ("eye upper up", "eye wide"),
        ("eye upper open", "eye wide"),
        ("eye open", "eye wide"),
        ("cheek up", "cheek squint"),
        ("mouth open jaw", "jaw open"),
        ("mouth open", "jaw open"),
        ("jaw down", "jaw open"),
        ("mouth wide", "mouth stretch"),
        ("chin up lower", "mouth shrug lower"),
        ("chin up upper", "mouth shrug upper"),
        ("chin up", "mouth shrug lower"),
        ("mouth happy", "mouth smile"),
        ("mouth sad", "mouth frown"),
        ("nose up", "nose sneer"),
        ("tongue forward", "tongue out"),
    )
)
# Words that belong to one part of the face, whether that is named or not.
_PART_OF = {
    "pucker": "mouth", "funnel": "mouth", "smile": "mouth", "frown": "mouth", "dimple": "mouth", "blink": "eye",
    "sneer": "nose", "shrug": "mouth", "puff": "cheek",
}  # fmt: skip
_SOUNDS = {"ih": "i", "oh": "o", "ou": "u", "oo": "u", "ee": "e", "eh": "e", "ah": "aa"}
_PARTS = frozenset("mouth eye brow cheek nose jaw tongue".split())


@dataclass(frozen=True)
class Meaning:
    """The meaning of a name: its words after synonyms, and its side."""

    words: frozenset[str]
    side: str

    @property
    def parts(self) -> frozenset[str]:
        """Parts of the face that the name mentions."""
        return self.words & _PARTS


@functools.lru_cache(maxsize=20_000)
def read_meaning(name: str) -> Meaning:
    """Split a name into its words, with synonyms unified, and its side."""
    words = split_words(name)
    sides = {_SIDES[word] for word in words if word in _SIDES}
    side = sides.pop() if len(sides) == 1 else ""
    meaning = {_SAME.get(word, word) for word in words if word not in _SIDES and word not in _NOISE and not word.isdigit()}
    if "viseme" in meaning or "v" in meaning:
        # The sounds of visemes may be single letters.
        meaning = {_SOUNDS.get(word, word) for word in meaning if word != "v"} | {"viseme"}
        return Meaning(frozenset(meaning), side)
    meaning = {word for word in meaning if len(word) > 1 or not word.isascii()}
    for wanted, plain in _PHRASES:
        if wanted <= meaning:
            meaning = (meaning - wanted) | plain
    if not meaning & _PARTS:
        meaning |= {_PART_OF[word] for word in meaning if word in _PART_OF}
    return Meaning(frozenset(meaning), side)


# ---------------------------------------------------------------------------------------------------------------
# Links


def _weaker(first: str, second: str) -> str:
    order = (SURE, LIKELY, UNSURE)
    return order[max(order.index(first), order.index(second))]


@dataclass
class _Gathered:
    """The links found so far, the best reason first."""

    channels: Sequence[str]
    names: _Names
    links: dict[str, list[FoundLink]] = field(default_factory=lambda: dict[str, list[FoundLink]]())
    taken: set[str] = field(default_factory=lambda: set[str]())

    def _add(
        self,
        channel: str,
        fitting: Sequence[str],
        is_bone: bool,
        exact: Callable[[str], bool],
        make: Callable[[int, str], FoundLink],
        confidence: str,
    ) -> None:
        """Link a channel on every place that has one of the fitting names; two on one place are unsure, unless one is exact."""
        at_place: dict[str, list[int]] = {}
        for name in fitting:
            for i in self.names.at.get((is_bone, name), ()):
                at_place.setdefault(self.names.controls[i].place, []).append(i)
        for places in at_place.values():
            chosen = [i for i in places if exact(self.names.controls[i].name)] or places
            # Halves of one control are separate on purpose.
            doubtful = len(chosen) > 1
            if len(chosen) == 2:
                doubtful = {_side_of(self.names, i) for i in chosen} != {"l", "r"}
            for i in chosen:
                self.links.setdefault(channel, []).append(make(i, UNSURE if doubtful else confidence))
                self.taken.add(self.names.controls[i].name)

    def add_named(self, channel: str) -> None:
        """Add controls named like the channel to the letter, and on other meshes almost so."""
        if (False, channel) in self.names.at:
            fitting = dict.fromkeys((channel, *self.names.loose(False).get(self.names.normal(channel), ())))
            self._add(channel, [*fitting], False, lambda name: name == channel, _maker(channel, "has the channel's name"), SURE)

    def add_preset(self, trial: _Trial, links: Links, at_most: str = SURE, is_made_up: bool = False) -> None:
        """Add a preset's links for channels that have no link yet."""
        preset = trial.preset
        if not trial.holds and preset.least:
            return
        taken = frozenset(self.taken)
        for channel in self._open():
            for control in links.get(channel, ()):
                fitting, exact = trial.find(control)
                if not is_made_up:
                    fitting = tuple(name for name in fitting if name not in taken or at_most == SURE)
                if not fitting:
                    continue
                confidence = _weaker(at_most, self._trust(trial, fitting[0], bool(exact)))
                why = f"made up from {fitting[0]} by the preset" if is_made_up else "named so by the preset"

                def make(
                    i: int, how: str, control: PresetControl = control, channel: str = channel, why: str = why
                ) -> FoundLink:
                    return FoundLink(
                        channel,
                        i,
                        how,
                        f"{why} {preset.title}",
                        control.gain,
                        control.offset,
                        control.move,
                        control.turn,
                        (control.unit or preset.unit) if control.move is not None else None,
                        control.about,
                        is_made_up,
                    )

                self._add(channel, fitting, control.is_bone, exact.__contains__, make, confidence)

    def _trust(self, trial: _Trial, name: str, is_exact: bool) -> str:
        if trial.share >= _SURE_SHARE or (trial.holds and trial.preset.least):
            return SURE
        is_telling = len(self.names.normal(self.names.folded[name])) >= 6
        if trial.holds:
            return LIKELY if is_telling or is_exact else UNSURE
        return UNSURE

    def add_same(self) -> None:
        """Add controls with the channel's name except for case, separators, side and a shared prefix; or with it in two
        halves."""
        table = self.names.loose(False)
        for channel in self._open():
            key = self.names.normal(channel)
            fitting = table.get(key)
            halves = fitting is None and f"{key}.l" in table and f"{key}.r" in table
            if halves:
                fitting = [*table[f"{key}.l"], *table[f"{key}.r"]]
            fitting = [name for name in fitting or () if name not in self.taken]
            if fitting:
                why = "is the channel's name in two halves" if halves else "is another spelling of the channel's name"
                self._add(
                    channel, fitting, False, lambda _: False, _maker(channel, why), LIKELY if halves or len(key) < 5 else SURE
                )

    def add_alike(self) -> None:
        """Add controls whose words mean the channel (likely), or most of it (unsure)."""
        open_channels = self._open()
        if not open_channels:
            return
        meanings = {
            name: meaning
            for name in self.names.values
            if name not in self.taken and len((meaning := read_meaning(self.names.folded[name])).words) > 0
        }
        by_meaning: dict[Meaning, list[str]] = {}
        by_word: dict[str, list[str]] = {}
        for name, meaning in meanings.items():
            by_meaning.setdefault(meaning, []).append(name)
            for word in meaning.words:
                by_word.setdefault(word, []).append(name)
        wanted = {channel: read_meaning(channel) for channel in open_channels}
        for channel, meaning in wanted.items():
            if len(meaning.words) < 2:
                continue
            fitting = by_meaning.get(meaning)
            if fitting:
                self._add(channel, fitting, False, lambda _: False, _maker(channel, "means the same"), LIKELY)
            elif meaning.side and (whole := by_meaning.get(Meaning(meaning.words, ""))):
                why = "means the same for both sides"
                self._add(channel, whole, False, lambda _: False, _maker(channel, why, 0.5), LIKELY)
            elif not meaning.side:
                left, right = (by_meaning.get(Meaning(meaning.words, side), []) for side in ("l", "r"))
                if left and right:
                    why = "means one half of the same"
                    self._add(channel, [*left, *right], False, lambda _: False, _maker(channel, why), LIKELY)
        for channel in self._open():
            meaning = wanted[channel]
            candidates = dict.fromkeys(
                name for word in meaning.words for name in by_word.get(word, ()) if name not in self.taken
            )
            rated = [(_likeness(meaning, meanings[name]), name) for name in candidates]
            best = max((rate for rate, _ in rated), default=0.0)
            if best >= _ALIKE:
                fitting = [name for rate, name in rated if rate == best]
                if len(fitting) <= 2:
                    self._add(channel, fitting[:1], False, lambda _: False, _maker(channel, "sounds alike"), UNSURE)

    def _open(self) -> list[str]:
        return [channel for channel in self.channels if not self.links.get(channel)]


def _maker(channel: str, why: str, gain: float = 1.0) -> Callable[[int, str], FoundLink]:
    return lambda i, how: FoundLink(channel, i, how, why, gain)


def _side_of(names: _Names, control: int) -> str:
    folded = names.folded[names.controls[control].name]
    key = names.normal(folded)
    return key[-1] if key.endswith((".l", ".r")) else read_meaning(folded).side


def _likeness(wanted: Meaning, offered: Meaning) -> float:
    """Return shared words over all words, or 0 if the sides or the parts of the face differ."""
    if wanted.side != offered.side or (wanted.parts and offered.parts and not wanted.parts & offered.parts):
        return 0.0
    return 2.0 * len(wanted.words & offered.words) / (len(wanted.words) + len(offered.words))
