"""Describe the form of blocks: how long, whether they end like a sentence, whether they read as prose."""

from __future__ import annotations

import numpy as np

from dedupe.hashing import is_in
from dedupe.records import Blocks, Bytes, Flags, Offsets, Shapes, Texts

# A block reads as prose when it ends like a sentence and has this much text, or has much more of it:
# Thai writes no final marks, and extractors cut them off. Ten words are shorter than nearly every
# paragraph of the labelled pages and longer than nearly every headline.
_PROSE_TOKENS, _PROSE_BYTES = 10, 60
_LONG_TOKENS, _LONG_BYTES = 30, 240

_FINAL_ASCII, _CLOSER_ASCII = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
_FINAL_ASCII[list(b".!?")] = True
_CLOSER_ASCII[list(b"\"')]}")] = True
# Final marks and closing quotes of three UTF-8 bytes, packed big-endian.
_FINALS = np.array(sorted(int.from_bytes(mark.encode(), "big") for mark in "…‽。！？｡।॥።፧၊။។៕᠃᙮‼⁇⁈⁉"), np.uint32)
_CLOSERS = np.array(sorted(int.from_bytes(mark.encode(), "big") for mark in "”’›」』）】》〉］"), np.uint32)
_FINALS_2 = np.array(sorted(int.from_bytes(mark.encode(), "big") for mark in "։؟۔܀"), np.uint32)
_CLOSERS_2 = np.array([int.from_bytes("»".encode(), "big"), int.from_bytes("«".encode(), "big")], np.uint32)
_MAX_CLOSERS = 3


def describe(texts: Texts, blocks: Blocks) -> Shapes:
    """Measure every block; see `Shapes`."""
    num_tokens, num_bytes = np.diff(blocks.token_start), np.diff(blocks.stream_start)
    ends = ends_sentence(texts.data, blocks.start, blocks.end)
    prose = ends & (num_tokens >= _PROSE_TOKENS) & (num_bytes >= _PROSE_BYTES)
    prose |= (num_tokens >= _LONG_TOKENS) & (num_bytes >= _LONG_BYTES)
    return Shapes(num_tokens, num_bytes, ends, prose, _touches(texts.data, blocks))


def _touches(data: Bytes, blocks: Blocks) -> Flags:
    """Say which blocks follow the block before them after one line end, in the same document."""
    ends_line = data == 0x0A
    carriage = np.flatnonzero(data == 0x0D)
    if len(carriage):
        lone = carriage[~ends_line[np.minimum(carriage + 1, len(data) - 1)]]
        ends_line[lone] = True
    line_ends = np.flatnonzero(ends_line)
    touches = np.zeros(len(blocks), np.bool_)
    between = np.searchsorted(line_ends, blocks.start[1:]) - np.searchsorted(line_ends, blocks.end[:-1])
    touches[1:] = between <= 1
    firsts = blocks.doc_start[:-1]
    touches[firsts[firsts < len(blocks)]] = False
    return touches


def ends_sentence(data: Bytes, start: Offsets, end: Offsets) -> Flags:
    """Say which spans end in a final mark, up to three closing quotes or brackets apart; bool (num_spans,).

    >>> data = np.frombuffer("Yes.” No".encode(), np.uint8)
    >>> ends_sentence(data, np.array([0, 8]), np.array([7, 10])).tolist()
    [True, False]
    """
    final = np.zeros(len(start), np.bool_)
    rows, end = np.arange(len(start)), end.copy()
    for _ in range(_MAX_CLOSERS + 1):
        last = data[end[rows] - 1]
        two, three = _packed(data, start[rows], end[rows], 2), _packed(data, start[rows], end[rows], 3)
        final[rows] = _FINAL_ASCII[last] | is_in(two, _FINALS_2) | is_in(three, _FINALS)
        width = _CLOSER_ASCII[last] * 1 + is_in(two, _CLOSERS_2) * 2 + is_in(three, _CLOSERS) * 3
        again = (width > 0) & (end[rows] - width > start[rows])
        end[rows] -= width
        rows = rows[again]
        if not len(rows):
            break
    return final


def _packed(data: Bytes, start: Offsets, end: Offsets, num_bytes: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """Pack the last two or three bytes of each span; 0 where the last byte is ASCII or the span is short."""
    packed = np.zeros(len(end), np.uint32)
    rows = np.flatnonzero((data[end - 1] >= 0x80) & (end - start >= num_bytes))
    for step in range(num_bytes, 0, -1):
        packed[rows] = packed[rows] << np.uint32(8) | data[end[rows] - step]
    return packed
