"""Hash blocks so that those which differ in digits only hash alike."""

from __future__ import annotations

import numpy as np

from dedupe.hashing import StreamHashes, ranges
from dedupe.records import Blocks, Hashes, SpanHashes

_DIGIT_LOW, _DIGIT_HIGH = 0x30, 0x39


def masked_hashes(blocks: Blocks, hashes: SpanHashes) -> Hashes:
    """Hash the stream of every block with each run of digits read as one 0; uint64 (num_blocks,).

    An empty stream, and one of digits alone, hash to 0: they say nothing of what they are.
    """
    stream = blocks.stream
    found: Hashes = hashes.spans(blocks.stream_start[:-1], blocks.stream_start[1:])
    sizes = np.diff(blocks.stream_start)
    is_digit = (stream >= _DIGIT_LOW) & (stream <= _DIGIT_HIGH)
    num_digits = np.diff(np.searchsorted(np.flatnonzero(is_digit), blocks.stream_start))
    rows = np.flatnonzero(num_digits)
    if len(rows):
        at = ranges(blocks.stream_start[rows], sizes[rows])
        held, digit = stream[at], is_digit[at]
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[rows])])
        stays = ~digit
        stays[1:] |= ~digit[:-1]
        stays[start[:-1]] = True
        held = np.where(digit, np.uint8(_DIGIT_LOW), held)[stays]
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(stays)])[start]
        found[rows] = StreamHashes(held).spans(start[:-1], start[1:])
    found[sizes == num_digits] = 0
    return found
