"""Counting blocks by site: what is counted once, what is masked, and who is an example."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from corpus_samples import as_lines, prose
from hypothesis import given
from hypothesis import strategies as st

from dedupe.config import Config
from dedupe.corpus_api import clean_records
from dedupe.hashing import StreamHashes
from dedupe.normalize import normalize
from dedupe.read import find_inputs
from dedupe.records import Texts
from dedupe.segment import segment
from dedupe.site import (
    count_recurring,
    form_hashes,
    join_recurring,
    look_up,
    masked_hashes,
    merge_votes,
    shared_prose,
    site_sizes,
    spells,
)
from dedupe.write import plan_outputs


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


def forms_of(*lines: str) -> list[set[int]]:
    texts = Texts.of(["\n\n".join(lines).encode()])
    blocks = normalize(texts, *segment(texts))
    rows, found = form_hashes(blocks, StreamHashes(blocks.stream), np.arange(len(blocks)))
    return [set(found[rows == row].tolist()) for row in range(len(blocks))]


@pytest.mark.parametrize(("one", "two", "alike"), [
    ("Read more stories from Jane Smith", "Read more stories from Cher", True),
    ("Jane Smith writes about our rivers", "Cher writes about our rivers", True),
    ("Follow Jane on social media", "Follow Ali Khan on social media", True),
    ("Διαβάστε περισσότερα από την Άννα", "Διαβάστε περισσότερα από τον Γιώργο", True),
    ("记者李明为您报道城市新闻消息", "记者王芳为您报道城市新闻消息", True),
    ("Read more from Jane Smith", "Read more of our stories", False),
    ("Rivers rise again in the north", "Mayor says bridge will close", False),
    ("By Jane Smith", "By Ana Souza", False),  # too little is left
    ("Two tea spoons", "Two tea cups", False),
    ("12 34 56 78", "12 34 56 79", False),
])  # fmt: skip
def test_blocks_that_differ_in_one_place_have_a_form_in_common(one: str, two: str, alike: bool):
    first, second = forms_of(one, two)
    assert bool(first & second) is alike


@given(st.lists(st.sampled_from(["river", "town", "mayor", "bridge"]), min_size=1, max_size=12), st.integers(0, 11))
def test_a_form_is_the_block_without_some_words_and_nothing_else(words: list[str], at: int):
    """Against the plain way: all ways to leave out one to three words."""
    import itertools

    other = [*words[:at], "harbour", *words[at + 1:]]

    def plain(tokens: list[str]) -> set[tuple[str, str]]:
        return {
            ("".join(tokens[:begin]), "".join(tokens[begin + gap:]))
            for gap, begin in itertools.product((1, 2, 3), range(len(tokens)))
            if 4 <= len(tokens) <= 24 and begin + gap <= len(tokens) and len(tokens) - gap >= max(3, 0.6 * len(tokens))
            and len("".join(tokens[:begin] + tokens[begin + gap:])) >= 12
        }

    first, second = forms_of(" ".join(words), " ".join(other))
    assert len(first) == len(plain(words))
    assert len(first & second) == len(plain(words) & plain(other))


def test_blocks_that_are_alike_below_the_prose_go_and_headlines_above_it_stay(tmp_path: Path):
    chance = random.Random(6)
    given, family = ("Jane", "Ana", "Ali", "Wei", "Olga"), ("Smith", "Souza", "Khan", "Li", "Ivanova")
    names = [f"{one} {two}" for one in given for two in family]
    rows = []
    for number, name in enumerate(names):
        blocks = [
            f"Morning news and weather with {name}", prose(chance, "en", 80), f"Read more stories by our writer {name}",
            f"{chance.choice(names)} contributed to this report from the city",
        ]
        text = "\n\n".join(blocks)
        rows.append({"id": name, "url": f"https://www.bee.org/{number}", "text": text})
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(b"".join(as_lines(rows)))
    inputs = find_inputs([str(tmp_path / "in")])
    clean_records(inputs, plan_outputs(inputs, str(tmp_path / "out")), Config(), report=str(tmp_path / "report"))
    for line in (tmp_path / "out" / "a.jsonl").read_bytes().splitlines():
        row = json.loads(line)
        assert f"Morning news and weather with {row['id']}" in row["text"]
        assert "Read more stories" not in row["text"]
    ledger = [json.loads(line) for line in (tmp_path / "report" / "removals.jsonl").read_bytes().splitlines()]
    gone = [row for row in ledger if row["type"] == "removal" and "Read more" in row["text"]]
    assert len(gone) == len(names)
    for row in gone:
        assert row["rule"] == "site-boilerplate"
        assert "near-form" in {reason["name"] for reason in row["evidence"]}
        assert row["kept"]["doc"] != row["doc"]


def test_a_form_on_two_pages_is_chance(tmp_path: Path):
    chance = random.Random(7)
    texts = [f"{prose(chance, 'en', 80)}\n\nThe next match is played in {town}" for town in ("Hamburg", "Freiburg")]
    rows = [{"id": str(n), "url": f"https://bee.org/{n}", "text": text} for n, text in enumerate(texts)]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(b"".join(as_lines(rows)))
    inputs = find_inputs([str(tmp_path / "in")])
    clean_records(inputs, plan_outputs(inputs, str(tmp_path / "out")), Config(), report=str(tmp_path / "report"))
    assert b"site-boilerplate" not in (tmp_path / "report" / "removals.jsonl").read_bytes()
