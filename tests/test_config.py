"""Settings check themselves, say what was found and what was expected, and flags win over files."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from dedupe.config import PRESETS, Config, load_config
from dedupe.errors import ConfigError

WRONG = [
    ("preset", "bold", "careful, standard, thorough"),
    ("near_duplicates", "keep", "report, drop, off"),
    ("shared_passages", 1, "report, keep-first, off"),
    ("on_error", "ignore", "skip, fail"),
    ("min_confidence", 0, "above 0 and at most 1"),
    ("min_confidence", 1.5, "above 0 and at most 1"),
    ("min_confidence", "high", "above 0 and at most 1"),
    ("min_resemblance", -1, "above 0 and at most 1"),
    ("min_resemblance", float("nan"), "above 0 and at most 1"),
    ("min_containment", 2, "above 0 and at most 1"),
    ("min_passage_tokens", 4, "5 or more"),
    ("min_passage_tokens", 7.5, "whole number"),
    ("num_perm", 8, "16 or more"),
    ("num_perm", True, "whole number"),
    ("seed", -1, "0 or more"),
    ("encoding", "utf-9", "such as utf-8"),
    ("text_field", 3, "expected text"),
    ("keep", None, "expected text"),
    ("keep", "", "longest, first, newest"),
    ("min_confidence", True, "above 0 and at most 1"),
    ("protect", "^Note", "expected a tuple"),
    ("protect", (1,), "expected a tuple"),
    ("cues", {"also_read": ["More:"]}, "expected a tuple"),
    ("cues", ("More:",), "expected a tuple"),
    ("hosts", {"example.org": {}}, "expected a tuple"),
]


@pytest.mark.parametrize(("name", "value", "expected"), WRONG)
def test_a_wrong_setting_is_named_with_what_was_found_and_expected(name, value, expected):
    with pytest.raises(ConfigError) as caught:
        Config(**{name: value})
    message = str(caught.value)
    assert name in message
    assert repr(value) in message
    assert expected in message
    assert "\n" not in message


def test_a_pattern_that_is_none_is_named_with_its_fault():
    with pytest.raises(ConfigError, match=r"protect has '\(', which is not a regular expression"):
        Config(protect=("ok", "("))


@pytest.mark.parametrize("preset", PRESETS)
def test_a_confidence_of_its_own_wins_over_the_preset(preset):
    assert Config(preset=preset).least_confidence == PRESETS[preset]
    assert Config(preset=preset, min_confidence=0.42).least_confidence == 0.42


def test_presets_ask_less_from_careful_to_thorough():
    bars = [PRESETS[name] for name in ("careful", "standard", "thorough")]
    assert bars == sorted(bars, reverse=True)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Config().preset = "standard"


def test_the_digest_tells_every_setting_apart():
    changes = {"preset": "standard", "min_confidence": 0.8, "min_resemblance": 0.7, "keep": "first", "seed": 2,
               "num_perm": 64, "encoding": "cp1252", "text_field": "body", "protect": ("x",), "cues": (("share", "y"),)}
    digests = {replace(Config(), **{name: value}).digest() for name, value in changes.items()} | {Config().digest()}
    assert len(digests) == len(changes) + 1
    assert all(re.fullmatch("[0-9a-f]{16}", digest) for digest in digests)
    assert Config().digest() == Config().digest()


def test_flags_win_over_the_file_given_and_that_over_the_project_s(tmp_path):
    (tmp_path / "dedupe.toml").write_text('preset = "standard"\nseed = 5\nkeep = "first"\n')
    given = tmp_path / "mine.toml"
    given.write_text('preset = "thorough"\nseed = 6\n')
    found = load_config(start=tmp_path)
    assert (found.preset, found.seed, found.keep) == ("standard", 5, "first")
    found = load_config(given, start=tmp_path)
    assert (found.preset, found.seed, found.keep) == ("thorough", 6, "longest")
    found = load_config(given, start=tmp_path, seed=7, keep=None)
    assert (found.preset, found.seed, found.keep) == ("thorough", 7, "longest")


def test_the_nearest_folder_with_settings_counts_and_dedupe_toml_before_pyproject(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[tool.dedupe]\nseed = 1\n")
    assert load_config(start=inner).seed == 1
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert load_config(start=inner).seed == 1
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.dedupe]\nseed = 2\n")
    assert load_config(start=inner).seed == 2
    (tmp_path / "a" / "dedupe.toml").write_text("seed = 3\n")
    assert load_config(start=inner).seed == 3


def test_names_in_a_file_may_be_written_with_hyphens_and_lists_become_tuples(tmp_path):
    path = tmp_path / "dedupe.toml"
    path.write_text('min-confidence = 0.6\nprotect = ["^Note"]\n[cues]\nshare = ["Pass on"]\nads = ["Promo", "Ad"]\n')
    found = load_config(path)
    assert (found.min_confidence, found.protect) == (0.6, ("^Note",))
    assert found.cues == (("ads", "Promo"), ("ads", "Ad"), ("share", "Pass on"))


@pytest.mark.parametrize(
    ("name", "content", "found", "expected"),
    [
        ("dedupe.toml", "presets = 1", "'presets'", "expected one of cues, encoding"),
        ("dedupe.toml", 'preset = "bold"', "'bold'", "careful, standard, thorough"),
        ("dedupe.toml", "preset = ", "not valid TOML", "mend the line"),
        ("dedupe.toml", 'cues = "share"', "cues is not a table of lists", "expected, say"),
        ("dedupe.toml", "cues.share = [1]", "cues is not a table of lists", "expected, say"),
        ("dedupe.toml", 'protect = "x"', "protect is not a list", "expected, say"),
        ("pyproject.toml", "[tool]\ndedupe = 3", "not a table", "expected settings such as"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(tmp_path, name, content, found, expected):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert found in message
    assert expected in message
    assert "\n" not in message


def test_a_file_that_is_not_there_or_not_utf8_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file.*--config"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'keep = "\xe9"\n')
    with pytest.raises(ConfigError, match=r"latin\.toml: is not valid TOML"):
        load_config(tmp_path / "latin.toml")


def test_a_wrong_flag_is_not_blamed_on_the_file(tmp_path):
    (tmp_path / "dedupe.toml").write_text("seed = 3\n")
    with pytest.raises(ConfigError) as caught:
        load_config(start=tmp_path, seed=-1)
    assert str(tmp_path) not in str(caught.value)


def test_without_any_file_the_defaults_hold(tmp_path):
    assert not any((folder / "dedupe.toml").exists() for folder in Path(tmp_path).parents)
    assert load_config(start=tmp_path) == Config()


def test_a_settings_file_may_be_named_by_text(tmp_path):
    (tmp_path / "my.toml").write_text('preset = "standard"\n', "utf-8")
    assert load_config(str(tmp_path / "my.toml")) == load_config(tmp_path / "my.toml") == Config(preset="standard")
