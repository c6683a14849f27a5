"""Find long runs that two blocks of one document share: teasers that quote the body, reused paragraphs.

Windows of 30 bytes are hashed at every position and winnowed (the least of 16 in a row is kept), so any
shared run of 45 bytes has a common seed; "aaaa" and "abab" apart, of which one window is kept. Seeds are
extended to maximal runs by binary search over span hashes, then compared byte by byte.

Source: Schleimer, Wilkerson & Aiken, "Winnowing: local algorithms for document fingerprinting", 2003.
"""

from __future__ import annotations

import numpy as np

from dedupe import kernels
from dedupe.hashing import BASE, BASE_INVERSE, StreamHashes, group_equal
from dedupe.records import Blocks, Flags, Hashes, Offsets, Runs

WINDOW_BYTES = 30  # re-wrapped reuse in 470 real passages is found by 30-character windows, all of it
_WINNOW = 16  # guarantees a seed in every shared run of WINDOW_BYTES + 15 bytes
_CHUNK = 1 << 17  # windows hashed at a time: scratch arrays stay in cache
_NO_HASH = np.uint64(0xFFFFFFFFFFFFFFFF)
_NO_HASHES = np.full(_WINNOW, _NO_HASH)
_MIX = np.uint64(0xD6E8FEB86659FD93)


def find_runs(blocks: Blocks, hashes: StreamHashes, doc_of: Offsets, first: Offsets) -> Runs:
    """Find maximal equal runs of at least WINDOW_BYTES between different blocks of a document.

    `doc_of`: int64 (num_blocks,). `first`: from `find_equal`; only the first of equal blocks takes part.
    """
    at, key = _seeds(blocks, hashes, doc_of, first == np.arange(len(first)))
    one, two = _pairs(at, key)
    if not len(one):
        none = np.empty(0, np.int64)
        return Runs(none, none, none, none, none)
    one, two, row_one, row_two = _one_per_diagonal(blocks, doc_of, one, two)
    starts, ends = blocks.stream_start, blocks.stream_start[1:]
    after = np.minimum(ends[row_one] - one, ends[row_two] - two)
    before = np.minimum(one - starts[row_one], two - starts[row_two])
    left = hashes.common_size(one, two, before, forward=False)
    one, two, size = one - left, two - left, left + hashes.common_size(one, two, after)
    real = (size >= WINDOW_BYTES) & _equal_bytes(blocks, one, two, size)
    return _both_ways(row_one[real], row_two[real], one[real], two[real], size[real])


def _seeds(blocks: Blocks, hashes: StreamHashes, doc_of: Offsets, takes_part: Flags) -> tuple[Offsets, Hashes]:
    """Winnow the windows of all blocks that take part: positions, ascending, and keys by document.

    The compiled twin leaves out documents in which no key comes twice.
    """
    if kernels.are_on():
        return _compiled_seeds(blocks, doc_of, takes_part)
    found_at, found_key = [], []
    num_windows = len(blocks.stream) - WINDOW_BYTES + 1
    inside = _inside(blocks, takes_part)
    salt = (doc_of.astype(np.uint64) + np.uint64(1)) * _MIX
    for begin in range(0, max(0, num_windows), _CHUNK):
        # Each piece sees one winnowing window more on both sides, so that cutting changes no choice.
        low, high = max(0, begin - _WINNOW), min(num_windows, begin + _CHUNK + _WINNOW)
        values = hashes.windows(low, high, WINDOW_BYTES)
        values[~inside[low:high]] = _NO_HASH
        fresh = inside[low:high].copy()  # of "aaaa" and "abab" one window is enough
        for period in (1, 2):
            fresh[period:] &= values[period:] != values[:-period]
        # The ends of the stream are like the ends of any block: else the first and last text would be special.
        winnowed = _winnowed(np.concatenate([_NO_HASHES, values, _NO_HASHES]))[_WINNOW:-_WINNOW]
        chosen = np.flatnonzero(winnowed & fresh) + low
        chosen = chosen[(chosen >= begin) & (chosen < begin + _CHUNK)]
        row = _rows_of(blocks, chosen)
        found_at.append(chosen)
        found_key.append(values[chosen - low] ^ salt[row])
    if not found_at:
        return np.empty(0, np.int64), np.empty(0, np.uint64)
    return np.concatenate(found_at), np.concatenate(found_key)


def _compiled_seeds(blocks: Blocks, doc_of: Offsets, takes_part: Flags) -> tuple[Offsets, Hashes]:
    from dedupe.kernels.windows import REACH, seeds

    assert REACH == _WINNOW
    rows = np.flatnonzero(takes_part & (np.diff(blocks.stream_start) >= WINDOW_BYTES))
    salt = (doc_of[rows].astype(np.uint64) + np.uint64(1)) * _MIX
    start, end = blocks.stream_start[rows], blocks.stream_start[rows + 1]
    return seeds(blocks.stream, start, end, doc_of[rows], salt, WINDOW_BYTES, BASE, BASE_INVERSE)


def _inside(blocks: Blocks, takes_part: Flags) -> Flags:
    """Say at each position whether its window lies within one block that takes part."""
    num_windows = max(0, len(blocks.stream) - WINDOW_BYTES + 1)
    steps = np.zeros(len(blocks.stream) + 2, np.int8)
    rows = np.flatnonzero(takes_part & (np.diff(blocks.stream_start) >= WINDOW_BYTES))
    steps[blocks.stream_start[rows]] += 1
    steps[blocks.stream_start[rows + 1] - WINDOW_BYTES + 1] -= 1  # no two blocks have the same
    return np.cumsum(steps, dtype=np.int8)[:num_windows].astype(np.bool_)


def _winnowed(values: Hashes) -> Flags:
    """Choose every value that is the least of some _WINNOW neighbors in a row.

    Nothing stands before the first and behind the last value, just as between blocks, so that a block at the
    end of a batch is winnowed like any other.
    """
    margin = np.full(_WINNOW - 1, _NO_HASH)
    least, width = np.concatenate([margin, values, margin]), 1
    while width < _WINNOW:
        least = np.minimum(least[:-width], least[width:])
        width *= 2
    # Position i is chosen if it equals the greatest of the minima of the windows that hold it.
    greatest, width = least, 1
    while width < _WINNOW:
        greatest = np.maximum(greatest[:-width], greatest[width:])
        width *= 2
    chosen: Flags = values == greatest
    return chosen


def _pairs(at: Offsets, key: Hashes) -> tuple[Offsets, Offsets]:
    """Pair every seed with the first of its key and with the one before it: linear in the seeds."""
    order, begins = group_equal(key)
    later = np.flatnonzero(~begins)
    if not len(later):
        return later, later
    first = np.maximum.accumulate(np.where(begins, np.arange(len(key)), 0))[later]
    second = np.minimum(first + 1, later)
    ones = np.concatenate([at[order[first]], at[order[later - 1]], at[order[second]]])
    twos = np.tile(at[order[later]], 3)
    return ones[ones != twos], twos[ones != twos]


def _rows_of(blocks: Blocks, at: Offsets) -> Offsets:
    return np.searchsorted(blocks.stream_start, at, side="right") - 1


def _one_per_diagonal(
    blocks: Blocks, doc_of: Offsets, one: Offsets, two: Offsets
) -> tuple[Offsets, Offsets, Offsets, Offsets]:
    """Keep one seed of each stretch of a diagonal of a pair of blocks; drop a block's own repeats.

    A diagonal is a constant distance between the two positions. Seeds further apart than any winnowing
    gap start a stretch of their own, since something else may stand between.
    """
    row_one, row_two = _rows_of(blocks, one), _rows_of(blocks, two)
    apart = np.flatnonzero((row_one != row_two) & (doc_of[row_one] == doc_of[row_two]))
    one, two, row_one, row_two = one[apart], two[apart], row_one[apart], row_two[apart]
    order = np.lexsort((one, two - one, row_two, row_one))
    one, two, row_one, row_two = one[order], two[order], row_one[order], row_two[order]
    keep = np.ones(len(one), np.bool_)
    same = (row_one[1:] == row_one[:-1]) & (row_two[1:] == row_two[:-1]) & (np.diff(two - one) == 0)
    keep[1:] = ~(same & (np.diff(one) <= WINDOW_BYTES))
    return one[keep], two[keep], row_one[keep], row_two[keep]


def _equal_bytes(blocks: Blocks, one: Offsets, two: Offsets, size: Offsets) -> Flags:
    """Compare the bytes of proposed runs."""
    stream = blocks.stream.data
    spans = zip(one.tolist(), two.tolist(), size.tolist(), strict=True)
    return np.array([stream[a:a + n] == stream[b:b + n] for a, b, n in spans], np.bool_)


def _both_ways(row_one: Offsets, row_two: Offsets, one: Offsets, two: Offsets, size: Offsets) -> Runs:
    """List each run from both sides, once each, in order."""
    columns = np.stack([
        np.concatenate([row_one, row_two]),
        np.concatenate([row_two, row_one]),
        np.concatenate([one, two]),
        np.concatenate([two, one]),
        np.tile(size, 2),
    ])
    order = np.lexsort((columns[3], columns[2], columns[1], columns[0]))
    columns = columns[:, order]
    fresh = np.ones(columns.shape[1], np.bool_)
    fresh[1:] = (np.diff(columns, axis=1) != 0).any(axis=0)
    block, other, start, other_start, length = columns[:, fresh]
    return Runs(block, other, start, other_start, length)
