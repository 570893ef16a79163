# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes that share an F-Curve: whichever is shown, nothing is lost, and the same order shows the same keys."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from voxrig.animation.keys.artist_keys import WIDTH
from voxrig.animation.keys.stack import (
    KEY,
    Hold,
    Version,
    bring_to_top,
    claim,
    cut,
    empty_version,
    merge,
    pack_keys,
    unpack_keys,
    withdraw,
)

RANGES = st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda pair: (float(min(pair)), float(max(pair))))


def version(frames: list[float], value: float) -> Version:
    """Return keys at frames, each with a mark of its own, all generated."""
    keys = np.zeros(len(frames), KEY)
    keys["co"][:, 0] = frames
    keys["co"][:, 1] = value + np.arange(len(frames)) / 128
    keys["easing"] = 3
    generated = np.zeros((len(frames), WIDTH), np.float32)
    generated[:, :2] = keys["co"]
    return Version(keys, generated)


def write(shown: Version, holds: tuple[Hold, ...], take: str, first: float, last: float) -> tuple[Version, tuple[Hold, ...]]:
    """Write a take: its range is replaced by keys that carry its number."""
    holds = claim(shown, holds, take, first, last)
    _, outside = cut(shown, first, last)
    return merge(outside, version([*np.arange(first, last), last], float(take))), holds


def same(one: Version, other: Version) -> bool:
    return one.keys.tobytes() == other.keys.tobytes() and one.generated.tobytes() == other.generated.tobytes()


def everything(shown: Version, holds: tuple[Hold, ...]) -> list[bytes]:
    """Return all keys, shown or covered."""
    return sorted(key.tobytes() for part in (shown, *(held.beneath for held in holds)) for key in part.keys)


def test_the_upper_take_shows_and_the_lower_one_comes_back() -> None:
    first, holds = write(empty_version(), (), "1", 1, 30)
    second, holds = write(first, holds, "2", 10, 20)
    shown, holds = bring_to_top(second, holds, "1")
    assert same(shown, first) and [held.take for held in holds] == ["2", "1"]
    shown, holds = bring_to_top(shown, holds, "2")
    assert same(shown, second)
    assert bring_to_top(shown, holds, "3")[1] == holds


@given(ranges=st.lists(RANGES, min_size=1, max_size=6), order=st.lists(st.integers(0, 5), max_size=12))
def test_any_order_loses_no_key_and_shows_what_lies_on_top(ranges: list[tuple[float, float]], order: list[int]) -> None:
    shown, holds = version([0.5, 7.25, 41.0], 90.0), ()
    written: dict[str, Version] = {}
    for i, (first, last) in enumerate(ranges):
        shown, holds = write(shown, holds, str(i + 1), first, last)
        written[str(i + 1)] = cut(shown, first, last)[0]
    kept = everything(shown, holds)
    last_shown = {tuple(held.take for held in holds): shown}
    for index in order:
        take = str(index % len(ranges) + 1)
        before = shown.keys.copy()
        now, holds = bring_to_top(shown, holds, take)
        assert shown.keys.tobytes() == before.tobytes()
        shown = now
        assert everything(shown, holds) == kept
        assert np.all(np.diff(shown.keys["co"][:, 0]) > 0)
        assert same(cut(shown, *ranges[int(take) - 1])[0], written[take])
        assert same(last_shown.setdefault(tuple(held.take for held in holds), shown), shown)


@given(old=RANGES, new=RANGES, below=RANGES)
def test_a_take_that_moves_uncovers_what_it_covered(
    old: tuple[float, float], new: tuple[float, float], below: tuple[float, float]
) -> None:
    bottom, holds = write(empty_version(), (), "1", *below)
    shown, holds = write(bottom, holds, "2", *old)
    mine = version([old[0] + 0.5], 77.0).keys
    is_artists = np.append(np.zeros(len(shown.keys), bool), True)
    shown = Version(np.concatenate([shown.keys, mine]), shown.generated)
    order = np.argsort(shown.keys["co"][:, 0], kind="stable")
    shown, is_artists = Version(shown.keys[order], shown.generated), is_artists[order]
    left, held = withdraw(shown, holds[-1], *new, is_artists)
    assert mine.tobytes() in [key.tobytes() for key in left.keys]
    rest = (held,) if held is not None else ()
    moved, rest = write(left, (holds[0], *rest), "2", *new)
    assert (rest[-1].first, rest[-1].last) == new
    # Outside its new range nothing of the take is left, and the take below shows there.
    outside = [key for key in cut(moved, *new)[1].keys if key["co"][1] < 76.0]
    assert [key.tobytes() for key in outside] == [key.tobytes() for key in cut(bottom, *new)[1].keys]
    assert same(
        Version(rest[-1].beneath.keys[rest[-1].beneath.keys["co"][:, 1] < 76.0], bottom.generated[:0]),
        Version(cut(bottom, *new)[0].keys, bottom.generated[:0]),
    )


@given(count=st.integers(0, 50), seed=st.integers(0, 2**16))
def test_packed_keys_come_back_exactly_and_damage_means_none(count: int, seed: int) -> None:
    keys = np.zeros(count, KEY)
    rng = np.random.default_rng(seed)
    for name in KEY.names or ():
        keys[name] = rng.integers(0, 100, keys[name].shape)
    assert unpack_keys(pack_keys(keys)).tobytes() == keys.tobytes()
    for text in ("", "!", "AAAA", pack_keys(keys)[:-5]):
        assert unpack_keys(text).size == 0
