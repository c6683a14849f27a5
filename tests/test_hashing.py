"""Spans of a stream hash alike when their bytes are equal, wherever they stand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupe.hashing import StreamHashes, mix

_STEP = 1 << 14  # positions whose powers are tabled one by one


def stream_of(data):
    return np.frombuffer(data, np.uint8)


def rows(*values):
    return np.array(values, np.int64)


@given(st.lists(st.sampled_from(b"ab\x00\xff"), min_size=1, max_size=60).map(bytes))
def test_two_spans_hash_alike_exactly_when_their_bytes_are_equal(stream):
    """All spans of a short stream over few letters, so that equal ones abound."""
    hashes = StreamHashes(stream_of(stream))
    starts, ends = np.triu_indices(len(stream) + 1)
    values = hashes.spans(starts, ends).tolist()
    by_bytes, by_hash = {}, {}
    for start, end, value in zip(starts.tolist(), ends.tolist(), values, strict=True):
        assert by_bytes.setdefault(stream[start:end], value) == value
        assert by_hash.setdefault(value, stream[start:end]) == stream[start:end]


def test_bytes_of_zero_count():
    """A hash of sums alone would take "a", "a\\0" and "\\0a" for one another."""
    hashes = StreamHashes(stream_of(b"a\x00a\x00\x00"))
    values = hashes.spans(rows(0, 0, 1, 1, 3, 4), rows(1, 2, 2, 3, 5, 5)).tolist()
    assert len(set(values)) == 5  # the last span is the zero of the third one's first byte, once more
    assert values[2] == values[5]


@pytest.mark.parametrize("shift", [-41, -1, 0, 1, 40])
@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_passage_keeps_its_hash_across_the_borders_of_the_tables(turn, shift):
    random = np.random.default_rng(turn)
    passage = random.integers(0, 256, 41, np.uint8)
    stream = random.integers(0, 256, 4 * _STEP + 17, np.uint8)
    at = turn * _STEP + shift
    stream[at:at + 41] = passage
    alone = StreamHashes(passage).spans(rows(0), rows(41))
    assert StreamHashes(stream).spans(rows(at), rows(at + 41)) == alone


@pytest.mark.parametrize(
    ("begin", "end"), [(0, 90), (_STEP - 40, _STEP + 3), (_STEP - 1, _STEP), (_STEP, 2 * _STEP + 1), (5, 3 * _STEP)]
)
@pytest.mark.parametrize("width", [1, 8, 30])
def test_windows_have_the_hashes_of_the_spans_they_cover(begin, end, width):
    stream = np.random.default_rng(7).integers(0, 256, 3 * _STEP + 40, np.uint8)
    hashes = StreamHashes(stream)
    starts = np.arange(begin, end)
    assert hashes.windows(begin, end, width).tolist() == hashes.spans(starts, starts + width).tolist()


def common_by_bytes(stream, one, two, limit, forward):
    size = 0
    step = 1 if forward else -1
    a, b = (one, two) if forward else (one - 1, two - 1)
    while size < limit and stream[a] == stream[b]:
        a, b, size = a + step, b + step, size + 1
    return size


@given(st.lists(st.sampled_from(b"aab"), min_size=2, max_size=80).map(bytes), st.data())
def test_the_common_size_is_that_of_comparing_byte_by_byte(stream, data):
    place = st.integers(0, len(stream))
    forward = data.draw(st.booleans())
    pairs = data.draw(st.lists(st.tuples(place, place), min_size=1, max_size=8))
    limits = []
    for one, two in pairs:
        room = len(stream) - max(one, two) if forward else min(one, two)
        limits.append(data.draw(st.integers(0, room)))
    one, two = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    sizes = StreamHashes(stream_of(stream)).common_size(one, two, rows(*limits), forward)
    assert sizes.tolist() == [
        common_by_bytes(stream, a, b, limit, forward) for (a, b), limit in zip(pairs, limits, strict=True)
    ]


def test_a_common_part_longer_than_the_tables_is_measured_whole():
    half = np.random.default_rng(3).integers(0, 256, 2 * _STEP + 5, np.uint8)
    stream = np.concatenate([half, half, stream_of(b"x")])
    hashes, size = StreamHashes(stream), len(half)
    assert hashes.common_size(rows(0), rows(size), rows(size)).tolist() == [size]
    assert hashes.common_size(rows(size), rows(2 * size), rows(size), forward=False).tolist() == [size]


def test_an_empty_stream_has_the_empty_span_only():
    hashes = StreamHashes(stream_of(b""))
    assert hashes.spans(rows(0), rows(0)).tolist() == [0]
    assert hashes.common_size(rows(), rows(), rows()).tolist() == []


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_mix_is_the_finalizer_of_splitmix64_in_python_integers(values):
    def slow(value):
        value = ((value ^ value >> 30) * 0xBF58476D1CE4E5B9) % 2**64
        value = ((value ^ value >> 27) * 0x94D049BB133111EB) % 2**64
        return value ^ value >> 31

    array = np.array(values, np.uint64)
    assert mix(array).tolist() == [slow(value) for value in values]
    assert array.tolist() == values  # the argument is left as it was
