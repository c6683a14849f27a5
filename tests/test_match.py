"""Repeats are found as the slow way finds them, verified on the bytes, and in linear time."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scraped_texts import HEADLINES, PROSE, tries

from dedupe.hashing import StreamHashes
from dedupe.match import find_doubled, find_equal, find_equal_but_for_digits, find_near, find_runs
from dedupe.match.near import _FACTORS, MIN_RESEMBLANCE
from dedupe.match.runs import WINDOW_BYTES
from dedupe.normalize import normalize
from dedupe.records import Texts
from dedupe.segment import segment
from dedupe.shingle import block_hashes

_SURE_BYTES = WINDOW_BYTES + 15  # winnowing promises a seed in every shared run of this size


class Batch:
    """The blocks of some texts, and what every finder asks for."""

    def __init__(self, *texts):
        batch = Texts.of([text.encode() for text in texts])
        self.blocks = normalize(batch, *segment(batch))
        self.hashes = StreamHashes(self.blocks.stream)
        self.doc_of = np.repeat(np.arange(len(texts)), np.diff(self.blocks.doc_start))
        self.first = find_equal(self.blocks, block_hashes(self.blocks, self.hashes), self.doc_of)
        self.streams = [self.stream(row) for row in range(len(self.blocks))]

    def stream(self, row):
        bounds = self.blocks.stream_start
        return self.blocks.stream[bounds[row]:bounds[row + 1]].tobytes()

    def runs(self):
        return find_runs(self.blocks, self.hashes, self.doc_of, self.first)

    def near(self):
        return find_near(self.blocks, self.doc_of, self.first)


_LINES = st.lists(st.sampled_from(["A b", "ab", "a-B!", "***", "", "c", "c 1", "C 22", "p 3", "P 4"]), max_size=12)


@given(st.lists(_LINES.map("\n".join), max_size=4))
def test_every_block_points_at_the_first_of_its_document_with_the_same_stream(texts):
    batch = Batch(*texts)
    seen, slow = {}, []
    for row, stream in enumerate(batch.streams):
        slow.append(seen.setdefault((int(batch.doc_of[row]), stream), row) if stream else -1)
    assert batch.first.tolist() == slow


@given(st.lists(_LINES.map("\n".join), max_size=4))
def test_numbered_blocks_point_at_the_first_with_the_same_words(texts):
    batch = Batch(*texts)
    seen, slow = {}, []
    for row, stream in enumerate(batch.streams):
        masked = re.sub(rb"[0-9]+", b"0", stream)
        numbered = re.search(rb"[0-9]", stream) and re.search(rb"[^0-9]", stream)
        slow.append(seen.setdefault((int(batch.doc_of[row]), masked), row) if numbered else -1)
    assert find_equal_but_for_digits(batch.blocks, batch.doc_of, 100).tolist() == slow


def test_equal_hashes_do_not_make_equal_blocks():
    """All blocks hash alike here, as if by collision."""
    batch = Batch("one\ntwo\none\nthree", "one")
    same = np.zeros(len(batch.blocks), np.uint64)
    first = find_equal(batch.blocks, same, batch.doc_of).tolist()
    assert first == [0, 1, 0, 3, 4]


def resemblance(one, two):
    a, b = ({stream[at:at + 4] for at in range(len(stream) - 3)} for stream in (one, two))
    return len(a & b) / len(a | b)


_WORDS = ["ferry", "harbour", "council", "night", "bus", "northern", "vote", "storm", "bridge", "market", "school"]


def near_texts(seed):
    """Headlines of ten words with variants that change one letter or one word."""
    random = np.random.default_rng(seed)
    lines = []
    for _ in range(6):
        words = list(random.choice(_WORDS, 10))
        lines.append(" ".join(words))
        words[random.integers(10)] = str(random.choice(_WORDS))
        lines.append(" ".join(words))
        lines.append(" ".join(words).replace("e", "a", 1))
    return "\n".join(lines)


def test_nearly_equal_blocks_are_found_as_often_as_bands_promise():
    """Of pairs of resemblance .8 or more, 99.8 % share a band; first copies and neighbors in a bucket are compared."""
    expected = found = 0
    for seed in range(60):
        batch = Batch(near_texts(seed))
        pairs = batch.near()
        got = set(zip(pairs.other.tolist(), pairs.block.tolist(), strict=True))
        rows = [row for row in range(len(batch.streams)) if batch.first[row] == row]
        for row in rows:
            earlier = [other for other in rows if other < row]
            close = [each for each in earlier if resemblance(batch.streams[each], batch.streams[row]) >= 0.8]
            if close:
                expected += 1
                found += any((other, row) in got for other in close)
    assert expected > 100
    assert found >= 0.97 * expected


@given(st.integers(0, 10_000))
def test_every_near_pair_is_verified_and_stands_once_in_order(seed):
    batch = Batch(near_texts(seed), near_texts(seed + 1))
    pairs = batch.near()
    listed = list(zip(pairs.block.tolist(), pairs.other.tolist(), strict=True))
    assert listed == sorted(set(listed))
    for (block, other), value in zip(listed, pairs.resemblance.tolist(), strict=True):
        assert other < block
        assert batch.doc_of[block] == batch.doc_of[other]
        assert value == resemblance(batch.streams[block], batch.streams[other]) >= MIN_RESEMBLANCE


def slow_runs(one, two):
    """All maximal common substrings of two streams, WINDOW_BYTES or longer: (start, other start, size)."""
    found, lengths = [], [0] * (len(two) + 1)
    for a in range(1, len(one) + 1):
        row = [0] * (len(two) + 1)
        for b in range(1, len(two) + 1):
            if one[a - 1] == two[b - 1]:
                row[b] = lengths[b - 1] + 1
                if row[b] >= WINDOW_BYTES and (a == len(one) or b == len(two) or one[a] != two[b]):
                    found.append((a - row[b], b - row[b], row[b]))
        lengths = row
    return found


_FRAGMENTS = [PROSE[0][:80], PROSE[0][30:110], PROSE[1][:70], PROSE[5][:60], PROSE[3][:50], PROSE[4][:20]]
_PARAGRAPH = st.lists(st.sampled_from(_FRAGMENTS), min_size=1, max_size=3, unique=True).map(" ".join)
_PARAGRAPHS = st.lists(_PARAGRAPH, min_size=2, max_size=3)


@tries(60)
@given(_PARAGRAPHS)
def test_every_long_shared_run_is_covered_and_every_run_is_maximal(paragraphs):
    """Against dynamic programming over every pair of different blocks; of many copies only the nearest are paired."""
    batch = Batch("\n\n".join(paragraphs))
    runs, bounds = batch.runs(), batch.blocks.stream_start
    got = {}
    columns = (runs.block, runs.other, runs.start, runs.other_start, runs.size)
    for block, other, start, other_start, size in zip(*(column.tolist() for column in columns), strict=True):
        got.setdefault((block, other), []).append((start - int(bounds[block]), other_start - int(bounds[other]), size))
    rows = [row for row in range(len(batch.streams)) if batch.first[row] == row]
    for one, two in combinations(rows, 2):
        slow = slow_runs(batch.streams[one], batch.streams[two])
        found = got.get((one, two), [])
        assert set(found) <= set(slow)
        assert {(b, a, size) for a, b, size in found} == set(got.get((two, one), []))
        for start, _, size in slow:
            if size >= _SURE_BYTES:
                covered = set()
                for low, _, length in found:
                    covered |= set(range(low, low + length))
                assert set(range(start, start + size)) <= covered


def test_runs_stay_within_one_document():
    assert len(Batch(PROSE[0], PROSE[0]).runs()) == 0
    assert len(Batch(PROSE[0] + "\n" + PROSE[0] + " More.").runs()) == 2


def test_runs_are_the_same_wherever_the_stream_is_cut_into_pieces(monkeypatch):
    text = "\n\n".join([*PROSE, PROSE[0][20:200], PROSE[5] + PROSE[1]])
    whole = Batch(text).runs()
    monkeypatch.setattr("dedupe.match.runs._CHUNK", 37)
    cut = Batch(text).runs()
    assert [getattr(cut, name).tolist() for name in ("block", "other", "start", "other_start", "size")] == [
        getattr(whole, name).tolist() for name in ("block", "other", "start", "other_start", "size")]
    assert len(whole) >= 6


CAPTION = "The old harbour at dusk seen from the ferry"


@pytest.mark.parametrize(
    ("text", "halves"),
    [
        (CAPTION + CAPTION, (CAPTION, CAPTION)),
        (f"{CAPTION} {CAPTION}", (CAPTION, CAPTION)),
        (f"{CAPTION} – {CAPTION.upper()}.", (CAPTION, CAPTION)),
        (f"{CAPTION}{CAPTION} by Maud", (CAPTION, CAPTION)),
        (HEADLINES[3] * 2, (HEADLINES[3], HEADLINES[3])),
        (HEADLINES[2] * 2, (HEADLINES[2], HEADLINES[2])),
        (CAPTION + CAPTION.replace("from", "by"), (CAPTION, CAPTION.replace("from", "by"))),
        ("Tick tock, tick tock", None),
        ("ha ha ha ha ha ha", None),
        (CAPTION, None),
        (f"{CAPTION} {HEADLINES[0]}", None),
        (f"Photo: {CAPTION} {CAPTION}", None),
        ("***", None),
    ],
)
def test_text_that_is_said_twice_in_a_row_at_the_start_of_a_block_is_found(text, halves):
    batch = Batch(text)
    found = find_doubled(batch.blocks)
    stream = batch.blocks.stream.tobytes()
    got = [(stream[each.start:each.middle], stream[each.middle:each.end]) for each in found]
    assert got == ([tuple(Batch(half).streams[0] for half in halves)] if halves else [])
    assert all((each.similarity == 1) == (one == two) for each, (one, two) in zip(found, got, strict=True))


@pytest.mark.parametrize(
    "text",
    ["Same line here again\n" * 20_000, "".join(f"Nearly the same line {at:05}\n" for at in range(20_000)),
     "ab" * 200_000, "ab" * 100_000 + "\n" + "ab" * 100_000, "a" * 3999 + "\n" + "a" * 3998,
     "".join(f"{PROSE[0]} {at}\n" for at in range(2000)), ("x" * 2000 + "y\n") * 50],
    ids=["equal", "nearly-equal", "one-line", "two-lines", "one-letter", "paragraphs", "letters"],
)
def test_hostile_texts_are_matched_in_time(text):
    batch = Batch(text)
    assert len(batch.near().block) <= 12 * len(batch.blocks)
    assert len(batch.runs()) <= len(batch.blocks.stream)
    assert len(find_doubled(batch.blocks)) <= len(batch.blocks)


def test_without_blocks_there_is_nothing_to_match():
    batch = Batch("", "\n")
    assert len(batch.runs()) == len(batch.near().block) == len(find_doubled(batch.blocks)) == 0
    assert Batch().first.tolist() == []


def test_runs_of_a_text_do_not_depend_on_the_texts_around_it():
    """A shared run of 37 bytes at the very end of a batch is found as anywhere else."""
    headline = "Harbour ferry out of service after crack is found in rudder"
    text = f"{headline}\n\nMaud: the ferry was taken out.\n\n{headline} Harbour boat out of service after crack\n"
    other = "Nothing of this stands in the other text, not one line of it, nor half of one.\n"

    def runs_of(texts: list[str], at: int) -> list[tuple[int, ...]]:
        batch = Texts.of([each.encode() for each in texts])
        blocks = normalize(batch, *segment(batch))
        hashes = StreamHashes(blocks.stream)
        doc_of = np.repeat(np.arange(len(texts)), np.diff(blocks.doc_start))
        found = find_runs(blocks, hashes, doc_of, find_equal(blocks, block_hashes(blocks, hashes), doc_of))
        row, origin = int(blocks.doc_start[at]), int(blocks.stream_start[blocks.doc_start[at]])
        columns = (found.block - row, found.other - row, found.start - origin, found.other_start - origin, found.size)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [each for each in rows if 0 <= each[0] < blocks.doc_start[at + 1] - row]

    alone = runs_of([text], 0)
    assert alone
    assert runs_of([text, other], 0) == runs_of([other, text], 1) == runs_of([other, text, other], 1) == alone


def test_the_factors_of_the_bands_are_those_that_numpy_draws():
    """They are written down because importing numpy.random takes longer than finding near blocks."""
    drawn = np.random.RandomState(1).randint(0, 2**32, _FACTORS.shape, np.uint64).astype(np.uint32)
    drawn[0] |= 1
    assert np.array_equal(_FACTORS, drawn)
