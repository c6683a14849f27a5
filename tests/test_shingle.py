"""Word shingles are the runs of five tokens of a document, and equal runs hash alike."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupe.hashing import StreamHashes
from dedupe.normalize import normalize, tokens_of
from dedupe.records import Texts
from dedupe.segment import segment
from dedupe.shingle import block_hashes, token_hashes, word_shingles


def shingles_of(texts):
    """The hashes of each text's shingles, in order."""
    batch = Texts.of([text.encode() for text in texts])
    blocks = normalize(batch, *segment(batch))
    found, start = word_shingles(blocks, token_hashes(blocks, StreamHashes(blocks.stream)))
    assert found.dtype == np.uint32
    assert (len(start), start[-1]) == (len(texts) + 1, len(found))
    return [found[a:b].tolist() for a, b in pairwise(start.tolist())]


def slow_shingles(text):
    tokens = tuple(tokens_of(text.encode()))
    return [tokens[at:at + 5] for at in range(max(1, len(tokens) - 4))] if tokens else []


_WORDS = st.lists(st.sampled_from(["a", "b", "ab", "é", "北京", "12", "\n", "—", "\n\n"]), max_size=14).map(" ".join)


@given(st.lists(_WORDS, max_size=6))
def test_shingles_are_equal_exactly_when_their_five_tokens_are(texts):
    """Against tuples of tokens, over blocks and documents; line ends do not matter."""
    found, slow = shingles_of(texts), [slow_shingles(text) for text in texts]
    assert [len(each) for each in found] == [len(each) for each in slow]
    by_tokens, by_hash = {}, {}
    for value, tokens in zip(chain(*found), chain(*slow), strict=True):
        assert by_tokens.setdefault(tokens, value) == value
        assert by_hash.setdefault(value, tokens) == tokens


@given(st.lists(_WORDS, max_size=5))
def test_a_text_has_the_same_shingles_in_any_batch(texts):
    assert shingles_of(texts) == [shingles_of([text])[0] for text in texts]


@pytest.mark.parametrize(("text", "num_shingles"),
                         [("", 0), ("*** —", 0), ("one", 1), ("one two three four", 1), ("one two three four five", 1),
                          ("one two three four five six", 2), ("北京大学生", 1), ("北京大学生们", 2)])
def test_short_texts_are_one_shingle_and_texts_without_words_have_none(text, num_shingles):
    assert len(shingles_of([text])[0]) == num_shingles


def test_short_texts_do_not_look_alike():
    texts = ["one", "two", "one two", "two one", "one one", "one one one", "one one one one", "one one one one one"]
    assert len({tuple(each) for each in shingles_of(texts)}) == len(texts)


def test_glued_words_are_other_tokens_but_the_same_block():
    batch = Texts.of([b"Plan US-Backed\nPlanUS-Backed\nPlan US Backed!"])
    blocks = normalize(batch, *segment(batch))
    hashes = StreamHashes(blocks.stream)
    assert len(set(block_hashes(blocks, hashes).tolist())) == 1
    assert np.diff(blocks.token_start).tolist() == [3, 2, 3]
    tokens = token_hashes(blocks, hashes).tolist()
    assert tokens[:3] == tokens[5:]
    assert tokens[3] not in tokens[:3]
