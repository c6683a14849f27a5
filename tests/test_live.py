"""The live index in memory: what it answers against all pairs and the batch engine, what it takes and refuses."""

from __future__ import annotations

import random
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from corpus_samples import records
from hypothesis import given, settings
from hypothesis import strategies as st

import dedupe
from dedupe.errors import ConfigError, InputError
from dedupe.index import choose_bands, found_fraction
from dedupe.live.entry import MAX_ID_BYTES, Setup, check_id, decode_id, encode_id, pack, unpack
from dedupe.near_api import near_duplicates, signatures
from dedupe.normalize import tokens_of
from dedupe.records import Document

TEXTS = {str(record["id"]): str(record["text"]) for record in records(120)}


def shingles(text: str) -> set[tuple[bytes, ...]]:
    tokens = tokens_of(text.encode())
    return {tuple(tokens[at:at + 5]) for at in range(max(1, len(tokens) - 4))}


def filled(min_resemblance: float = 0.7, **store: str) -> dedupe.LiveIndex:
    index = dedupe.LiveIndex(min_resemblance, **store)
    assert index.insert_many(TEXTS.items()) == len(TEXTS)
    return index


@pytest.mark.parametrize("min_resemblance", [0.5, 0.7, 0.9])
def test_answers_are_all_pairs_that_share_a_band(min_resemblance):
    """The slow obvious way: sets of word tuples for what matches, signatures compared band by band for what is met."""
    bands, rows = choose_bands(min_resemblance)
    ids, sets = list(TEXTS), {doc_id: shingles(text) for doc_id, text in TEXTS.items()}
    values = dict(zip(ids, signatures(TEXTS.values())[:, :bands * rows].reshape(len(ids), bands, rows), strict=True))
    index = filled(min_resemblance)
    num_pairs = num_met = 0
    for one, found in zip(ids, index.query_many(TEXTS.values()), strict=True):
        expected = []
        for two in ids:
            shared = len(sets[one] & sets[two])
            resemblance = shared / len(sets[one] | sets[two])
            if resemblance >= min_resemblance:
                num_pairs += 1
                if (values[one] == values[two]).all(axis=1).any():
                    expected.append((-resemblance, -shared / len(sets[one]), two))
        num_met += len(expected)
        assert [(match.id, match.resemblance, match.containment) for match in found] == [
            (two, -resemblance, -containment) for resemblance, containment, two in sorted(expected)
        ]
    assert num_met >= 0.99 * num_pairs > len(ids)


def test_every_member_of_a_batch_cluster_finds_its_keeper_with_the_same_numbers():
    index, ids = filled(), list(TEXTS)
    clusters = near_duplicates(TEXTS.values(), 0.7)
    assert clusters
    for cluster in clusters:
        for member in cluster.members:
            found = {match.id: match for match in index.query(TEXTS[ids[member.index]])}
            keeper = found[ids[cluster.keeper]]
            assert (keeper.resemblance, keeper.containment) == (member.resemblance, member.containment)


def test_texts_kept_by_the_batch_engine_find_none_but_what_goes_for_them():
    """Two documents that both stay never match."""
    ids = list(TEXTS)
    gone = {ids[member.index] for cluster in near_duplicates(TEXTS.values(), 0.7) for member in cluster.members}
    index = filled()
    for doc_id in set(ids) - gone:
        assert {match.id for match in index.query(TEXTS[doc_id])} - gone == {doc_id}


def test_the_order_of_arrival_and_the_size_of_batches_change_nothing(monkeypatch):
    expected = filled().query_many(TEXTS.values())
    shuffled = list(TEXTS.items())
    random.Random(7).shuffle(shuffled)
    monkeypatch.setattr("dedupe.live.index.BATCH_DOCS", 7)
    monkeypatch.setattr("dedupe.live.index.SLICE_DOCS", 5)
    index = dedupe.LiveIndex(0.7)
    assert index.insert_many(iter(shuffled)) == len(TEXTS)
    assert index.query_many(TEXTS.values()) == expected
    assert [index.query(text) for text in TEXTS.values()] == expected


def test_a_document_that_was_taken_out_is_found_no_more():
    index, half = filled(), list(TEXTS)[::2]
    assert all(index.remove(doc_id) for doc_id in half)
    assert not index.remove(half[0])
    assert len(index) == len(TEXTS) - len(half)
    assert half[0] not in index
    assert list(TEXTS)[1] in index
    rest = dedupe.LiveIndex(0.7)
    rest.insert_many((doc_id, text) for doc_id, text in TEXTS.items() if doc_id not in half)
    assert index.query_many(TEXTS.values()) == rest.query_many(TEXTS.values())
    assert index.insert_many(TEXTS.items()) == len(half)
    assert index.query_many(TEXTS.values()) == filled().query_many(TEXTS.values())


def test_the_same_document_again_is_no_news_and_another_text_under_its_id_is_refused():
    index = dedupe.LiveIndex()
    assert index.insert("a", TEXTS["doc-00000"])
    assert not index.insert("a", TEXTS["doc-00000"].upper())
    with pytest.raises(InputError, match="id 'a' is in the index with another text; remove it"):
        index.insert_many([("b", TEXTS["doc-00001"]), ("a", TEXTS["doc-00002"])])
    with pytest.raises(InputError, match="id 'c' is in the index with another text"):
        index.insert_many([("c", "one text"), ("c", "another text")])
    assert len(index) == 1
    assert index.query(TEXTS["doc-00001"]) == []


def test_texts_without_words_are_counted_and_match_nothing():
    index = dedupe.LiveIndex()
    assert index.insert_many([("empty", ""), ("stars", "***"), ("short", "one")]) == 3
    assert len(index) == 3
    assert index.query_many(["", "***", "one"]) == [[], [], [dedupe.Match("short", 1.0, 1.0)]]
    assert index.remove("empty")
    assert "empty" not in index


def test_texts_may_be_bytes_documents_and_hold_lone_surrogates():
    index, text = dedupe.LiveIndex(), "\ud800 one two three four five six"
    assert index.insert("a", text)
    assert not index.insert("a", text.encode("utf-8", "surrogatepass"))
    assert index.insert("broken", b"caf\xe9 \xff one two three four five six")
    document = Document("x", "x", b"", b"seven eight nine ten eleven twelve")
    assert index.insert("document", document)
    assert [match.id for match in index.query(document)] == ["document"]
    with pytest.raises(InputError, match="the text of 'd' is int; expected str, bytes or Document"):
        index.insert("d", 5)
    with pytest.raises(InputError, match="the text of 'query 1' is NoneType"):
        index.query_many(["one", None])


BAD_IDS = [(b"bytes", "is bytes"), (7, "is int"), (None, "is NoneType"), ("", "has 0 bytes"), ("é" * 2049, "has 4,098")]
ODD_IDS = ["a b", " ", "nul\0", "line\nend", "\x1b[31m", "\u202e", "\ud800", "a:b", "*", "{a}", "x" * MAX_ID_BYTES]


@pytest.mark.parametrize(("doc_id", "reason"), BAD_IDS)
def test_what_is_no_id_is_refused(doc_id, reason):
    index = dedupe.LiveIndex()
    with pytest.raises(InputError, match=reason) as caught:
        index.insert(doc_id, "one two")
    assert len(str(caught.value)) < 150
    with pytest.raises(InputError, match=reason):
        index.remove(doc_id)
    assert len(index) == 0


@pytest.mark.parametrize(("min_resemblance", "num_perm"), [(0, 128), (1.5, 128), (0.8, 1), (0.1, 4)])
def test_settings_out_of_range_are_refused(min_resemblance, num_perm):
    with pytest.raises(ConfigError, match="expected"):
        dedupe.LiveIndex(min_resemblance, num_perm=num_perm)


@pytest.mark.parametrize("min_resemblance", [0.3, 0.5, 0.7, 0.8, 0.95, 0.9999, 1.0])
def test_bands_find_what_they_must(min_resemblance):
    setup = Setup.of(min_resemblance, 128, 1)
    assert setup.bands >= 2
    assert setup.bands * setup.rows <= 128
    assert round(found_fraction(min_resemblance, setup.bands, setup.rows), 3) >= 0.99


def test_buckets_are_those_of_datasketch():
    """Our store in Redis has the keys that MinHashLSH has in memory."""
    from datasketch import MinHashLSH

    setup = Setup.of(0.7, 128, 1)
    (row,) = signatures([TEXTS["doc-00003"]])
    lsh = MinHashLSH(num_perm=128, params=(setup.bands, setup.rows))
    lsh.insert("a", dedupe.to_datasketch(row))
    assert lsh.keys.get("a") == setup.buckets(row)


def test_threads_may_share_an_index():
    index, items = dedupe.LiveIndex(0.7), list(TEXTS.items())
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda item: index.insert(*item), items * 2)) == len(items)
        assert list(pool.map(index.query, TEXTS.values())) == filled().query_many(TEXTS.values())


@given(st.lists(st.integers(0, 2**32 - 1), unique=True, max_size=50))
def test_packed_shingles_come_back(values):
    array = np.array(sorted(values), np.uint32)
    assert unpack(pack(array)).tolist() == array.tolist()


@given(st.binary(max_size=60), st.integers(0, 59), st.integers(1, 255))
@settings(max_examples=200)
def test_changed_bytes_are_never_taken_for_shingles(noise, at, change):
    """Any bytes, and packed shingles with one byte changed or cut short."""
    packed = pack(np.array([3, 70, 900, 2**31, 2**32 - 1], np.uint32))
    changed = bytearray(packed)
    changed[at % len(packed)] ^= change
    for stored in (noise, bytes(changed), packed[:at % len(packed)], packed + b"\0", None, "text"):
        with pytest.raises(ValueError, match=r"it does not begin|its check sum|its shingles"):
            unpack(stored)


def test_shingles_out_of_order_are_refused():
    with pytest.raises(ValueError, match="not in order"):
        unpack(pack(np.array([5, 5], np.uint32)))


@pytest.mark.parametrize("doc_id", ODD_IDS)
def test_odd_ids_come_back(doc_id):
    assert decode_id(encode_id(check_id(doc_id))) == doc_id
    index = dedupe.LiveIndex()
    index.insert(doc_id, "one two three")
    assert [match.id for match in index.query("one two three")] == [doc_id]
    assert index.remove(doc_id)


def test_the_examples_of_its_page_run():
    """All but the one that needs a server, which the tests of Redis run."""
    page = (Path(__file__).parents[1] / "docs" / "live-index.md").read_text("utf-8")
    names: dict[str, object] = {}
    examples = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    exec(compile(examples[0], "docs/live-index.md", "exec"), names)
    listed = set(re.findall(r"^\| `(\w+)\(", page, re.MULTILINE))
    public = {name for name in vars(dedupe.LiveIndex) if not name.startswith("_")}
    assert listed - {"len", "LiveIndex"} == public
