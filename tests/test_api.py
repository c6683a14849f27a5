"""`dedupe.clean` cleans one text and can put everything back."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scraped_texts import BIO, HEADLINES, PROSE, raw_texts, tries

import dedupe
from dedupe.config import PRESETS

_TEXTS = st.one_of(
    raw_texts().map(lambda raw: raw.decode("utf-8", "replace")),
    st.text(st.characters(exclude_categories=[]), max_size=60),
)
_CONFIGS = st.sampled_from([dedupe.Config(preset=preset) for preset in PRESETS])


@tries(400)
@given(_TEXTS, _CONFIGS)
def test_restoring_gives_the_text_character_for_character(text, config):
    """Lone surrogates, which a Python text may hold, included."""
    result = dedupe.clean(text, config)
    assert result.restore() == text
    assert all(text[slice(*each.place.char)] == each.text for each in (*result.removals, *result.kept_repeats))


@tries(100)
@given(raw_texts(), st.floats(0.01, 1), st.floats(0.01, 1))
def test_the_confidence_of_every_removal_reaches_the_bar(raw, one, two):
    text = raw.decode("utf-8", "replace")
    for bar in (one, two):
        result = dedupe.clean(text, dedupe.Config(min_confidence=bar))
        assert all(each.confidence >= bar for each in result.removals)


TEXT = "\n\n".join([HEADLINES[0], PROSE[0], HEADLINES[0], PROSE[1], BIO, PROSE[5], BIO])


def test_a_removal_says_what_went_where_and_which_copy_stays():
    result = dedupe.clean(TEXT)
    headline, bio = result.removals
    assert (headline.rule, headline.text, headline.place.line) == ("repeated-block", HEADLINES[0] + "\n\n", (5, 7))
    assert headline.kept is not None
    assert TEXT[slice(*headline.kept.char)] == HEADLINES[0]
    assert headline.kept.line == (1, 2)
    assert bio.num_words_lost == 0
    assert sum(reason.weight for reason in bio.evidence) > 0
    assert not result.guarded


def test_the_package_is_pickled_by_its_name():
    """Functions that name `dedupe` go where dill and cloudpickle carry them: datasets, Spark, Ray, Dask."""
    assert pickle.loads(pickle.dumps(dedupe)) is dedupe


@pytest.mark.parametrize("value", [b"bytes", None, float("nan"), 3])
def test_what_is_no_text_is_told(value):
    """Columns of data frames have missing values."""
    with pytest.raises(dedupe.InputError, match=f"text is {type(value).__name__}; expected str"):
        dedupe.clean(value)


def test_results_can_be_pickled():
    result = dedupe.clean(TEXT)
    assert pickle.loads(pickle.dumps(result)) == result


def test_without_repeats_the_text_comes_back_and_nothing_is_listed():
    text = "\n\n".join(PROSE[:3])
    assert dedupe.clean(text) == dedupe.CleanResult(text, (), (), False)


@pytest.mark.parametrize("text", ["", "\n", "\ud800", "\0", "\ufeff", " \u2028 "])
def test_texts_without_words_come_back(text):
    assert dedupe.clean(text).text == text


def test_every_public_name_is_there():
    assert all(hasattr(dedupe, name) for name in dedupe.__all__)
    assert len(set(dedupe.__all__)) == len(dedupe.__all__)


@pytest.mark.parametrize("wrong", ["careful", {"preset": "careful"}, [], 0, False, dedupe.Config])
def test_settings_that_are_no_config_are_refused(wrong):
    with pytest.raises(dedupe.ConfigError, match="expected a Config"):
        dedupe.clean(TEXT, wrong)
    with pytest.raises(dedupe.ConfigError, match="expected a Config"):
        list(dedupe.clean_corpus([TEXT], wrong))
