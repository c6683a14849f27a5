"""Counting blocks by site: what is counted once, what is masked, and who is an example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupe.hashing import StreamHashes
from dedupe.normalize import normalize
from dedupe.records import Texts
from dedupe.segment import segment
from dedupe.site import (
    count_recurring,
    join_recurring,
    look_up,
    masked_hashes,
    merge_votes,
    shared_prose,
    site_sizes,
    spells,
)


def hashes_of(*lines: str) -> list[int]:
    texts = Texts.of(["\n\n".join(lines).encode()])
    blocks = normalize(texts, *segment(texts))
    return masked_hashes(blocks, StreamHashes(blocks.stream)).tolist()


def test_digits_do_not_tell_blocks_apart_but_letters_do():
    one, two, three, other = hashes_of("Page 2 of 10", "page 17 of 9.", "Page two of 10", "12 comments")
    assert one == two
    assert len({one, three, other}) == 3


def test_a_block_of_digits_or_marks_alone_is_not_counted():
    assert hashes_of("***", "2026", "12:30", "a1") [:3] == [0, 0, 0]
    assert hashes_of("a1")[0] != 0


@given(st.lists(st.text(alphabet="ab19 .é中", min_size=1, max_size=12), min_size=1, max_size=8))
def test_hashes_are_equal_exactly_when_the_streams_are_equal_but_for_digits(lines: list[str]):
    """Against the plain way: a regular expression over each stream."""
    import re

    texts = Texts.of(["\n\n".join(lines).encode()])
    blocks = normalize(texts, *segment(texts))
    streams = [
        blocks.stream[blocks.stream_start[row]:blocks.stream_start[row + 1]].tobytes() for row in range(len(blocks))
    ]
    masked = [re.sub(rb"[0-9]+", b"0", stream) for stream in streams]
    found = masked_hashes(blocks, StreamHashes(blocks.stream)).tolist()
    for one, two in ((one, two) for one in range(len(masked)) for two in range(len(masked))):
        if masked[one].strip(b"0") and masked[two].strip(b"0"):
            assert (found[one] == found[two]) == (masked[one] == masked[two])


def count(rows: list[tuple[int, int, int, int, bool]], vote: list[int]):
    """Count blocks given as (block, site, doc, row, at_edge)."""
    block, site, doc, row, edge = (np.array(column) for column in zip(*rows, strict=True))
    votes = np.array(vote)
    return count_recurring(
        block.astype(np.uint64), site.astype(np.uint64), doc, row, edge.astype(np.bool_), votes[doc],
        np.arange(len(votes), dtype=np.uint64)[doc],
    )


def test_pages_of_one_cluster_count_once():
    rows = [(5, 1, doc, 0, True) for doc in range(4)]
    assert count(rows, [0, 0, 0, 0]).num_documents.tolist() == []
    assert count(rows, [0, 0, 2, 2]).num_documents.tolist() == [2]
    assert count(rows, [0, 1, 2, 3]).num_documents.tolist() == [4]


def test_sites_are_counted_apart_and_a_line_of_many_sites_is_known_as_one():
    rows = [(5, 1, 0, 0, True), (5, 1, 1, 3, False), (5, 2, 2, 0, True), (5, 3, 3, 0, True), (6, 1, 0, 1, True)]
    found = count(rows, [0, 1, 2, 3])
    assert found.num_documents.tolist() == [2]
    assert found.num_sites.tolist() == [3]
    assert found.edge_fraction.tolist() == [0.5]
    assert found.example_doc.tolist() == [[0, 1]]
    assert found.example_row.tolist() == [[0, 3]]


_ROWS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 7)), min_size=1, max_size=60)


@given(_ROWS, st.randoms())
def test_counts_are_those_of_sets_whatever_the_order(given_rows: list[tuple[int, int, int]], random):
    rows = [(block, site, doc, at, at % 2 == 0) for at, (block, site, doc) in enumerate(given_rows)]
    vote = [doc // 2 * 2 for doc in range(8)]
    votes: dict[tuple[int, int], set[int]] = {}
    for block, site, doc, _, _ in rows:
        votes.setdefault((block, site), set()).add(vote[doc])
    expected = sorted(len(each) for each in votes.values() if len(each) > 1)
    found = count(rows, vote)
    assert sorted(found.num_documents.tolist()) == expected
    random.shuffle(rows)
    again = count(rows, vote)
    for name in ("key", "num_documents", "num_sites", "edge_fraction", "example_doc", "example_row"):
        assert getattr(found, name).tolist() == getattr(again, name).tolist()


def test_blocks_are_found_again_by_block_and_site():
    rows = [(5, 1, 0, 0, True), (5, 1, 1, 0, True), (7, 1, 0, 1, True), (7, 1, 1, 1, True)]
    found = join_recurring([count(rows, [0, 1])])
    block, site = np.array([5, 7, 5, 8, 0], np.uint64), np.array([1, 1, 2, 1, 1], np.uint64)
    at = look_up(found.key, block, site)
    assert (at >= 0).tolist() == [True, True, False, False, False]
    assert look_up(np.empty(0, np.uint64), block, site).tolist() == [-1] * 5


def test_site_sizes_count_clusters_and_leave_out_documents_of_no_site():
    names, sizes = site_sizes(np.array([9, 9, 9, 0, 4], np.uint64), np.array([0, 0, 2, 3, 4]))
    assert dict(zip(names.tolist(), sizes.tolist(), strict=True)) == {4: 1, 9: 2}


def test_two_frames_around_one_article_have_one_vote():
    """Documents 0 and 1 share 300 of 400 tokens of prose, 0 and 2 share a notice of 120 of 500."""
    rows = [(1, 0, 300), (1, 1, 300), (2, 0, 120), (2, 2, 120), (3, 1, 100), (4, 2, 380)]
    block, vote, tokens = (np.array(column) for column in zip(*rows, strict=True))
    found = shared_prose(block.astype(np.uint64), np.ones(len(rows), np.uint64), vote, tokens)
    assert merge_votes(np.arange(3), **found).tolist() == [0, 0, 2]


def test_prose_on_many_pages_makes_nobody_twins():
    rows = [(1, doc, 900) for doc in range(6)]
    block, vote, tokens = (np.array(column) for column in zip(*rows, strict=True))
    found = shared_prose(block.astype(np.uint64), np.ones(6, np.uint64), vote, tokens)
    assert merge_votes(np.arange(6), **found).tolist() == list(range(6))


@pytest.mark.parametrize(("url", "headline", "expected"), [
    ("https://a.example/2026/rivers-rise-again-in-the-north", "Rivers rise again in the North", True),
    ("https://a.example/fluesse-steigen-wieder-im-norden.html", "Flüsse steigen wieder im Norden", True),
    ("https://a.example/el-nino-llega-manana", "El Niño llega mañana", True),
    ("https://a.example/article?id=17", "Rivers rise again in the North", False),
    ("https://a.example/the-rivers", "The rivers", False),
    ("", "Rivers rise again", False),
])  # fmt: skip
def test_headlines_are_told_by_addresses(url: str, headline: str, expected: bool):
    assert spells(url, headline) is expected
