# SPDX-License-Identifier: GPL-3.0-or-later
"""The training corpora: storage, splits, phones without gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voxrig.animation.face.phones import PHONE_INDEX, PHONES, SILENCE, TimedPhone
from voxrig.training.corpora import clips as corpora
from voxrig.training.corpora import recordings
from voxrig.training.corpora.clips import ClipRecord, fill_silence, load_clips, load_corpus, rewrite_phones, write_shard

RATE = corpora.SAMPLE_RATE


def record(name: str, split: str = "train", seconds: float = 1.0, phones=(), quality: float = float("nan")) -> ClipRecord:
    sound = np.linspace(-0.5, 0.5, round(seconds * RATE), dtype=np.float32)
    return ClipRecord(name, "anna", split, "en", sound, phones, quality=quality)


def test_the_phone_list_is_what_trained_models_rely_on() -> None:
    assert PHONES[0] == SILENCE
    assert len(PHONES) == 40 == len(set(PHONES))
    assert PHONE_INDEX["AA"] == 1 and PHONE_INDEX["ZH"] == 39


@given(st.lists(st.tuples(st.sampled_from(PHONES), st.floats(-0.5, 2.5), st.floats(0.0, 1.0), st.integers(0, 2)), max_size=12))
def test_filled_phones_tile_the_clip(rows) -> None:
    phones = [TimedPhone(name, start, start + length, stress) for name, start, length, stress in rows]
    filled = fill_silence(phones, 2.0)
    assert filled[0].start == 0.0
    assert filled[-1].end == pytest.approx(2.0, abs=2e-4)
    for before, after in zip(filled, filled[1:], strict=False):
        assert after.start == pytest.approx(before.end, abs=2e-4)
        assert not (before.phone == SILENCE and after.phone == SILENCE)
    assert all(phone.end > phone.start for phone in filled)


def test_a_gap_becomes_silence_and_phones_keep_their_times() -> None:
    filled = fill_silence([TimedPhone("B", 0.1, 0.2), TimedPhone("AA", 0.3, 0.5, 1)], 1.0)
    assert filled == [
        TimedPhone(SILENCE, 0.0, 0.1),
        TimedPhone("B", 0.1, 0.2),
        TimedPhone(SILENCE, 0.2, 0.3),
        TimedPhone("AA", 0.3, 0.5, 1),
        TimedPhone(SILENCE, 0.5, 1.0),
    ]


def test_clips_come_back_as_they_were_written(tmp_path) -> None:
    phones = [TimedPhone("M", 0.25, 0.5), TimedPhone("AA", 0.5, 0.75, 1)]
    first, second = record("a", seconds=0.5), record("b", phones=phones, quality=-12.0)
    write_shard(tmp_path, "test", "one", "CC0-1.0", "here", [first, second])
    corpus = load_corpus(tmp_path, "train")
    assert [clip.id for clip in corpus] == ["a", "b"]
    clip = corpus[1]
    assert (clip.speaker, clip.licence, clip.language, clip.length) == ("test/anna", "CC0-1.0", "en", RATE)
    assert np.max(np.abs(clip.samples() - second.samples)) < 1e-4
    assert np.array_equal(clip.samples(100, 50), clip.samples()[100:150])
    assert len(clip.samples(RATE - 10, 50)) == 10
    assert [phone.phone for phone in clip.phones] == [SILENCE, "M", "AA", SILENCE]
    assert [PHONES[index] for index in clip.phone] == [phone.phone for phone in clip.phones]
    assert clip.phones[2].stress == 1
    assert corpus.hours == pytest.approx(1.5 / 3600)


def test_each_split_holds_what_it_says(tmp_path) -> None:
    known = [TimedPhone("AA", 0.0, 1.0)]
    clips = [
        record("known", phones=known, quality=-40.0),
        record("unknown", phones=None),
        record("held out", "development", phones=known),
        record("held out unknown", "development", phones=None),
        record("scored", "evaluation", phones=known),
        record("scored unknown", "evaluation", phones=None),
    ]
    write_shard(tmp_path, "test", "one", "CC0-1.0", "here", clips)
    found = {split: [clip.id for clip in load_corpus(tmp_path, split)] for split in corpora.SPLITS}
    assert found == {
        "train": ["known"],
        "development": ["held out"],
        "evaluation": ["scored", "scored unknown"],
        "unlabelled": ["unknown"],
        "unlabelled_development": ["held out unknown"],
    }
    assert len(load_clips(tmp_path)) == sum(map(len, found.values()))
    assert len(load_corpus(tmp_path, "train", minimum_quality=-32.0)) == 0
    with pytest.raises(ValueError, match="split"):
        load_corpus(tmp_path, "test")


def test_a_shard_that_was_cut_off_does_not_exist(tmp_path) -> None:
    write_shard(tmp_path, "test", "one", "CC0-1.0", "here", [record("a")])
    folder = tmp_path / "corpora" / "test"
    np.save(folder / "two.samples.npy", np.zeros(10, dtype=np.int16))
    assert len(load_clips(tmp_path)) == 1
    assert not corpora.shard_exists(tmp_path, "test", "two")
    with pytest.raises(FileNotFoundError, match="prepare"):
        load_clips(tmp_path / "nowhere")


def test_new_phones_replace_only_those_of_the_clips_named(tmp_path) -> None:
    old = [TimedPhone("IY", 0.0, 1.0, 2)]
    write_shard(tmp_path, "test", "one", "CC0-1.0", "here", [record("a", phones=old), record("b", phones=old)])
    assert rewrite_phones(tmp_path, "test", "one", {"b": ([TimedPhone("P", 0.2, 0.4)], -10.0), "c": ([], 0.0)}) == 1
    a, b = load_corpus(tmp_path, "train")
    assert a.phones == old
    assert [phone.phone for phone in b.phones] == [SILENCE, "P", SILENCE]
    assert b.quality == -10.0
    rewrite_phones(tmp_path, "test", "one", {"b": ([], float("nan"))})
    assert [clip.id for clip in load_corpus(tmp_path, "unlabelled")] == ["b"]


def row(dataset: str, talker: str, name: str, language: str = "en") -> dict[str, str]:
    return {"dataset": dataset, "speaker": talker, "utt": name, "lang": language}


@pytest.mark.parametrize(
    ("dataset", "talker", "name", "split"),
    [
        ("librispeech_subset", "27", "27/1", "development"),
        ("librispeech_subset", "999", "999/1", "development"),
        ("librispeech_subset", "26", "26/1", "train"),
        ("kathleen_en", "kathleen", "arctic_b0512_1", "development"),
        ("kathleen_en", "kathleen", "arctic_a0512_1", "train"),
        ("asterisk_en_AU", "cameron", "digits/1", "development"),
        ("speechocean762", "0037", "0037/1", "development"),
        ("speechocean762", "0073", "0073/1", "train"),
        ("ljspeech_part", "lj", "LJ001", "train"),
    ],
)
def test_held_out_talkers_are_never_trained_on(dataset: str, talker: str, name: str, split: str) -> None:
    assert recordings.split_of(row(dataset, talker, name), frozenset({"999"})) == split


def test_a_tenth_of_german_is_held_out_by_name() -> None:
    splits = [recordings.split_of(row("kerstin_de", "k", f"de_{number}", "de"), frozenset()) for number in range(2000)]
    assert 0.08 < splits.count("development") / 2000 < 0.12
    assert splits == [recordings.split_of(row("kerstin_de", "k", f"de_{i}", "de"), frozenset()) for i in range(2000)]


def test_the_thirty_highest_numbers_are_held_out() -> None:
    rows = [{"speaker": str(number)} for number in range(1, 101)]
    assert recordings.librispeech_development_talkers(rows) == frozenset(str(number) for number in range(71, 101))


def test_phone_tables_move_boundaries_but_not_the_ends(tmp_path) -> None:
    path = tmp_path / "phones.tsv"
    path.write_text("utt\tphones\nx\tB:0.00:0.10 AA:0.10:0.30\n")
    b, aa = recordings.read_phone_table(path, 0.0075)["x"]
    assert (b.start, b.end, aa.start, aa.end) == pytest.approx((0.0, 0.1075, 0.1075, 0.3))
