"""Find blocks of one document whose canonical streams are equal, or equal once digits are masked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe.records import Blocks, Bytes, Flags, Hashes, Offsets

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
    is_digit = (blocks.stream >= _DIGIT_LOW) & (blocks.stream <= _DIGIT_HIGH)
    sizes = np.diff(blocks.stream_start)
    num_digits = np.diff(np.concatenate([[0], np.cumsum(is_digit)])[blocks.stream_start])
    rows = np.flatnonzero((num_digits > 0) & (sizes <= max_bytes) & (sizes > num_digits))
    first = np.full(len(blocks), -1, np.int64)
    seen: dict[tuple[int, bytes], int] = {}
    for row in rows.tolist():
        span = slice(int(blocks.stream_start[row]), int(blocks.stream_start[row + 1]))
        key = (int(doc_of[row]), _masked(blocks.stream[span], is_digit[span]))
        first[row] = seen.setdefault(key, row)
    return first


def _masked(stream: Bytes, is_digit: Flags) -> bytes:
    """Write each run of digits as one zero.

    >>> stream = np.frombuffer(b"page12of300", np.uint8)
    >>> _masked(stream, (stream >= 48) & (stream <= 57))
    b'page0of0'
    """
    keep = ~is_digit
    keep[0] = True
    keep[1:] |= ~is_digit[:-1]
    return np.where(is_digit, np.uint8(_DIGIT_LOW), stream)[keep].tobytes()


def _first_of_group(keys: Hashes) -> Offsets:
    """Point each row at the first row with its key."""
    order = np.argsort(keys, kind="stable")
    in_order = keys[order]
    begins: NDArray[np.bool_] = np.ones(len(keys), np.bool_)
    begins[1:] = in_order[1:] != in_order[:-1]
    group = np.cumsum(begins) - 1
    first = np.empty(len(keys), np.int64)
    first[order] = order[begins][group] if len(keys) else order
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
