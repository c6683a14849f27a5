"""Find blocks of one document whose canonical streams are equal, or equal once digits are masked."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from dedupe.hashing import group_equal
from dedupe.records import Blocks, Bytes, Hashes, Offsets

_DIGIT_LOW, _DIGIT_HIGH = 0x30, 0x39
_MIX = np.uint64(0xD6E8FEB86659FD93)


def find_equal(blocks: Blocks, block_hash: Hashes, doc_of: Offsets) -> Offsets:
    """Point every block at the first block of its document with the same stream.

    `block_hash`: uint64 (num_blocks,), equal for equal streams. `doc_of`: int64 (num_blocks,).
    Returns int64 (num_blocks,): a row of `blocks`, its own where nothing before it is equal, -1 where
    the stream is empty.
    """
    sizes = np.diff(blocks.stream_start)
    keys = block_hash ^ ((doc_of.astype(np.uint64) + np.uint64(1)) * _MIX)
    first = _first_of_group(keys)
    repeated = np.flatnonzero(first != np.arange(len(first)))
    if len(repeated):
        _verify(blocks, doc_of, first, repeated)
    first[sizes == 0] = -1
    return first


def find_equal_but_for_digits(blocks: Blocks, doc_of: Offsets, max_bytes: int) -> Offsets:
    """Do the same with every run of digits counted as one zero, among blocks that hold digits.

    Only blocks of at most `max_bytes` are looked at: numbered captions, counters and dates are short.
    Returns int64 (num_blocks,): the first such block of the document, its own where there is none, -1
    where the block is longer or has no digit.
    """
    is_digit = (blocks.stream - np.uint8(_DIGIT_LOW)) < 10
    sizes = np.diff(blocks.stream_start)
    num_digits = np.diff(np.searchsorted(np.flatnonzero(is_digit), blocks.stream_start))
    rows = np.flatnonzero((num_digits > 0) & (sizes <= max_bytes) & (sizes > num_digits))
    first = np.full(len(blocks), -1, np.int64)
    masked, bounds = _masked(blocks.stream, blocks.stream_start[rows], sizes[rows])
    stream = masked.tobytes()
    keys = zip(doc_of[rows].tolist(), (stream[a:b] for a, b in pairwise(bounds.tolist())), strict=True)
    seen: dict[tuple[int, bytes], int] = {}
    first[rows] = [seen.setdefault(key, row) for key, row in zip(keys, rows.tolist(), strict=True)]
    return first


def _masked(stream: Bytes, start: Offsets, size: Offsets) -> tuple[Bytes, Offsets]:
    """Write each run of digits of spans as one zero; returns the spans end to end and where they begin and end.

    >>> masked, bounds = _masked(np.frombuffer(b"page12of3004", np.uint8), np.array([0, 11]), np.array([11, 1]))
    >>> masked.tobytes(), bounds.tolist()
    (b'page0of00', [0, 8, 9])
    """
    bounds = np.concatenate([[0], np.cumsum(size)])
    spans = stream[np.arange(bounds[-1]) + np.repeat(start - bounds[:-1], size)]
    is_digit = (spans >= _DIGIT_LOW) & (spans <= _DIGIT_HIGH)
    spans[is_digit] = _DIGIT_LOW
    keep = ~is_digit
    keep[1:] |= ~is_digit[:-1]
    keep[bounds[:-1][size > 0]] = True
    return spans[keep], np.concatenate([[0], np.cumsum(keep)])[bounds]


def _first_of_group(keys: Hashes) -> Offsets:
    """Point each row at the first row with its key."""
    order, begins = group_equal(keys)
    first = np.empty(len(keys), np.int64)
    first[order] = order[begins][np.cumsum(begins) - 1]
    return first


def _verify(blocks: Blocks, doc_of: Offsets, first: Offsets, repeated: Offsets) -> None:
    """Undo pairs whose hashes collided: compare sizes, documents and bytes."""
    stream, bounds = blocks.stream.data, blocks.stream_start
    starts, ends = bounds[repeated].tolist(), bounds[repeated + 1].tolist()
    others = first[repeated]
    other_starts, other_ends = bounds[others].tolist(), bounds[others + 1].tolist()
    same_doc = (doc_of[repeated] == doc_of[others]).tolist()
    for row, a, b, c, d, same in zip(repeated.tolist(), starts, ends, other_starts, other_ends, same_doc, strict=True):
        if not same or b - a != d - c or stream[a:b] != stream[c:d]:
            first[row] = row
