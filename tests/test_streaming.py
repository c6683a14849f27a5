"""Cleaning an iterable as one corpus."""

from __future__ import annotations

import pytest
from corpus_samples import records

from dedupe.config import Config
from dedupe.errors import ConfigError, InputError
from dedupe.streaming import clean_corpus


def restored(result) -> str:
    pieces, at = [], 0
    for removal in result.removals:
        pieces += [result.text[at:removal.output_char], removal.text]
        at = removal.output_char
    return "".join([*pieces, result.text[at:]])


@pytest.mark.parametrize("shard_bytes", [64 << 20, 10_000])
def test_results_come_in_order_and_give_the_originals_back(monkeypatch: pytest.MonkeyPatch, shard_bytes: int):
    monkeypatch.setattr("dedupe.streaming._SHARD_BYTES", shard_bytes)
    made = records(100)
    results = list(clean_corpus(made))
    assert [result.index for result in results] == list(range(100))
    assert [restored(result) for result in results] == [record["text"] for record in made]
    assert sum(removal.rule == "site-boilerplate" for result in results for removal in result.removals) > 50
    for result in results:
        for removal in result.removals:
            assert removal.place.doc == str(result.index)
            if removal.rule == "site-boilerplate":
                assert removal.kept is not None
                kept = str(made[int(removal.kept.doc)]["text"])[slice(*removal.kept.char)]
                assert [c for c in kept if c.isalpha()] == [c for c in removal.text.strip() if c.isalpha()]


@pytest.mark.parametrize(("keep", "keeper"), [("votes", 1), ("newest", 2)])
def test_the_keeper_is_the_one_that_a_field_of_the_records_names(keep: str, keeper: int):
    text = "The river rose by two meters on Monday, the mayor of the town said after a long night of rain."
    made = [{"text": text, "votes": votes, "date": date}
            for votes, date in ((1, "2026-01-01"), (3, "2026-02-01"), (None, "2026-03-01"))]  # fmt: skip
    results = list(clean_corpus(made, Config(keep=keep, min_resemblance=0.9)))
    assert [result.index for result in results if result.near_duplicate_of is None] == [keeper]


@pytest.mark.parametrize("one", ["a text", b"a text", {"text": "a text"}])
def test_one_document_in_place_of_many_is_told(one: object):
    with pytest.raises(InputError, match="one document was given in place of many"):
        list(clean_corpus(one))


def test_near_duplicates_name_their_keeper_or_are_left_out():
    made = records(100)
    results = list(clean_corpus(made))
    gone = [result for result in results if result.near_duplicate_of is not None]
    assert gone
    for result in gone:
        assert results[result.near_duplicate_of].near_duplicate_of is None
        assert max(result.resemblance, result.containment) >= 0.8
    left = list(clean_corpus(made, Config(near_duplicates="drop")))
    assert [result.index for result in left] == [result.index for result in results if result.near_duplicate_of is None]


def test_plain_texts_and_nothing_at_all_are_fine():
    texts = ["A text of its own.", "", "\ud800 surrogate", "Also read:"]
    assert [result.text for result in clean_corpus(iter(texts))][:3] == texts[:3]
    assert list(clean_corpus([])) == []


def test_a_document_without_text_is_named():
    with pytest.raises(InputError, match="document 1: has no text in 'body'"):
        list(clean_corpus([{"body": "x"}, {"text": "y"}], Config(text_field="body")))


def test_what_is_no_list_and_a_folder_that_is_none_are_told(tmp_path):
    with pytest.raises(InputError, match="documents is NoneType; expected a list"):
        list(clean_corpus(None))
    with pytest.raises(ConfigError, match="which is no folder; expected one that exists"):
        list(clean_corpus(["one"], folder=str(tmp_path / "missing")))
