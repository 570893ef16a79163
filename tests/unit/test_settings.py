# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of settings: command line, batch table and stored record agree on every setting."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from setting_examples import example_text
from voxrig.animation.rig.mapping import Link, Mapping, Target
from voxrig.batch.columns import COLUMNS, SETTING_COLUMNS
from voxrig.batch.jobs import read_jobs
from voxrig.cli.arguments import add_setting_options, read_setting_options
from voxrig.errors import RigError, SettingError
from voxrig.inference.package import find_model
from voxrig.takes.record import SoundFile, TakeRecord, read_record, write_record
from voxrig.takes.settings import (
    Scope,
    Setting,
    TakeSettings,
    list_settings,
    parse_setting,
    scope_from_data,
    settings_from_data,
    settings_to_data,
)

ROWS = [row for row in (*list_settings(), *list_settings(Scope)) if row.kind != "models"]
OWNERS = {row.name: TakeSettings if row in list_settings() else Scope for row in ROWS}


def make(data: dict[str, Any], row: Setting) -> TakeSettings | Scope:
    """Return the settings or the scope with one value."""
    return (
        settings_from_data(data, lambda folder, _name: Path(folder))
        if OWNERS[row.name] is TakeSettings
        else scope_from_data(data)
    )


def test_every_field_is_a_row_of_the_table_but_where_a_take_is_computed() -> None:
    fields = {item.name for item in dataclasses.fields(TakeSettings)} - {"provider", "threads"}
    assert {row.name for row in list_settings()} == fields
    assert {row.name for row in list_settings(Scope)} == {item.name for item in dataclasses.fields(Scope)}
    options = [row.option for row in (*list_settings(), *list_settings(Scope))]
    assert len(options) == len(set(options))
    assert all(row.column in COLUMNS for row in (*list_settings(), *list_settings(Scope)))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_option_cell_and_record_mean_the_same(row: Setting, tmp_path: Path) -> None:
    text = example_text(row)
    parser = argparse.ArgumentParser()
    add_setting_options(parser)
    words = [f"--{row.option}"] if row.kind == "switch" else [f"--{row.option}={text}"]
    from_option = read_setting_options(parser.parse_args(words), OWNERS[row.name])
    (tmp_path / "jobs.json").write_text(
        json.dumps([{"audio": "a.wav", "output_curves": "a.csv", "fps": 24, row.column: text}]), encoding="utf-8"
    )
    (line,) = read_jobs([str(tmp_path / "jobs.json")], {})
    assert not line.problem
    from_cell = line.settings if OWNERS[row.name] is TakeSettings else line.scope
    assert from_option == from_cell and set(from_option) == {row.name}
    changed = make(from_option, row)
    assert getattr(changed, row.name) != getattr(OWNERS[row.name](), row.name), "the example changes the setting"
    assert dataclasses.replace(changed, **{row.name: getattr(OWNERS[row.name](), row.name)}) == OWNERS[row.name]()
    mapping = Mapping((Link("jawOpen", Target("KEY", "Key", 'key_blocks["jawOpen"].value')),))
    take = changed if isinstance(changed, TakeSettings) else TakeSettings()
    scope = changed if isinstance(changed, Scope) else Scope()
    record = TakeRecord(SoundFile("a.wav"), "hash", find_model(None), take, scope, mapping, 1, 50)
    stored = read_record(write_record(record))
    assert settings_to_data(stored.settings) == settings_to_data(take)
    assert settings_to_data(stored.scope) == settings_to_data(scope)


def test_a_shortcut_is_a_face_part_of_its_setting(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_setting_options(parser)
    assert read_setting_options(parser.parse_args(["--jaw=1.5", "--region-strength=brows=0.5"])) == {
        "region_strengths": {"jaw": 1.5, "brows": 0.5}
    }
    assert {name for name, (_row, region) in SETTING_COLUMNS.items() if region} == {"jaw", "lips"}


def test_takes_that_were_made_before_the_table_load() -> None:
    record = TakeRecord(SoundFile("a.wav"), "hash", find_model(None), TakeSettings(), Scope(), Mapping(()), 1, 50)
    data = json.loads(write_record(record))
    data["version"] = 1
    data["settings"] = {
        "strength": 0.8, "jaw_strength": 1.5, "lip_strength": 0.5, "region_strengths": {"brows": 0.5}, "markers": True,
        "gains": {"mouthPucker": 0.7}, "offsets": {"mouthPucker": 0.1, "jawOpen": 0.05}, "lead_seconds": 0.06,
        "emotion": {"joy": [[1.0, 0.0], [9.0, 1.0]]}, "region_models": [],
    }  # fmt: skip
    settings = read_record(json.dumps(data)).settings
    assert settings.region_strengths == {"jaw": 1.5, "lips": 0.5, "brows": 0.5}
    assert settings.channels == {"mouthPucker": (0.7, 0.1), "jawOpen": (1.0, 0.05)}
    assert settings.phone_markers and settings.lead_seconds == 0.06 and settings.strength == 0.8
    with pytest.raises(RigError, match="another Voxrig"):
        read_record(json.dumps({**data, "version": 99}))


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(ROWS), JUNK)
def test_any_value_is_one_of_its_setting_or_one_sentence(row: Setting, value: Any) -> None:
    for read in (lambda: make({row.name: value}, row), lambda: parse_setting(row, value)):
        try:
            read()
        except (SettingError, ValueError) as error:
            assert "\n" not in str(error) and len(str(error)) < 400
