"""Turn runs of tokens of a document into bytes of its text, and snap them to sentences."""

from __future__ import annotations

import re

import numpy as np

from dedupe.code_points import DROPPED
from dedupe.hashing import distinct
from dedupe.normalize import canonical_by_codes
from dedupe.records import Blocks, Offsets, Span, Texts
from dedupe.segment import sentence_ends

_LINE_END = re.compile(r"[\r\n]")
_LETTERS = np.array([chr(byte).isalnum() and byte < 0x80 for byte in range(256)])  # of ASCII: their stream holds them
_SNAP_CHARS = 40  # an end nearer than this to the end of a sentence was meant to be there


def token_spans(texts: Texts, blocks: Blocks, doc: Offsets, start: Offsets, end: Offsets) -> list[Span]:
    """Locate runs of tokens, `start` to `end` of document `doc` each, in bytes of their document's text.

    `doc`, `start`, `end`: int64 (num_runs,). The end is that of the last token's block, or the start of the next token
    less the white space before it. All runs are located together: a few calls for all.
    """
    if not len(doc):
        return []
    first, stop = (blocks.token_start[blocks.doc_start[doc + step]] for step in (0, 1))
    last = np.minimum(first + end, stop) - 1
    begins = _bytes_of(texts, blocks, np.minimum(first + start, stop - 1))
    end_row = _row_of(blocks, last)
    ends = blocks.end[end_row]
    inside = np.flatnonzero(last + 1 < blocks.token_start[end_row + 1])
    ends[inside] = _bytes_of(texts, blocks, last[inside] + 1)
    origin = texts.offsets[doc]
    spans = zip((begins - origin).tolist(), (ends - origin).tolist(), origin.tolist(), strict=True)
    return [(low, low + _stripped_size(texts, base + low, base + high)) for low, high, base in spans]


def _stripped_size(texts: Texts, low: int, high: int) -> int:
    return len(texts.data[low:high].tobytes().rstrip())


def _row_of(blocks: Blocks, token: Offsets) -> Offsets:
    rows: Offsets = np.searchsorted(blocks.token_start, token, side="right") - 1
    return rows


def _bytes_of(texts: Texts, blocks: Blocks, token: Offsets) -> Offsets:
    """Find the byte where each token begins; int64 (num_tokens,)."""
    row, pos = _row_of(blocks, token), blocks.token_pos[token]
    found = blocks.start[row]
    hard = np.flatnonzero((pos > blocks.stream_start[row]) | ~_LETTERS[texts.data[found]])
    if len(hard):
        found[hard] = _hard_bytes(texts, blocks, row[hard], pos[hard])
    return found


def _hard_bytes(texts: Texts, blocks: Blocks, row: Offsets, pos: Offsets) -> Offsets:
    """Find where bytes `pos` of the stream come from, in blocks `row`, which are read again, all together."""
    rows = distinct(row)
    spans = zip(blocks.start[rows].tolist(), blocks.end[rows].tolist(), strict=True)
    # a line end belongs to no character, and nothing is composed with it
    text = b"\n".join(texts.data[low:high].tobytes() for low, high in spans)
    source = canonical_by_codes(text.decode("utf-8", "surrogateescape"), DROPPED)[2]
    sizes = blocks.end[rows] - blocks.start[rows] + 1
    begins = np.cumsum(sizes) - sizes
    at = np.searchsorted(rows, row)
    place = np.searchsorted(source, begins)[at] + pos - blocks.stream_start[row]
    found: Offsets = source[place] - begins[at] + blocks.start[row]
    return found


def snapped(utf8: bytes, span: Span) -> Span:
    """Move both ends of a span to the nearest end of a sentence or line, if one is near.

    >>> snapped(b"He came. They met at noon. She left.", (8, 24))
    (9, 26)
    """
    start, end = span
    if not _begins_line(utf8, start):
        low, high = max(0, start - 4 * _SNAP_CHARS), min(len(utf8), start + 4 * _SNAP_CHARS)
        start = _nearest(utf8, start, [_after_space(utf8, at) for at in _bounds(utf8, low, high)])
    if not _ends_line(utf8, end):
        low, high = max(0, end - 4 * _SNAP_CHARS), min(len(utf8), end + 4 * _SNAP_CHARS)
        end = _nearest(utf8, end, _bounds(utf8, low, high))
    return (start, end) if start < end else span


def _begins_line(utf8: bytes, at: int) -> bool:
    """Say whether nothing but white space stands between a line end and what begins at a byte, as most passages do."""
    before = utf8[max(0, at - _SNAP_CHARS):at]
    space = before[len(before.rstrip()):]
    return (at == 0 or b"\n" in space or b"\r" in space) and not utf8[at:at + 1].isspace()


def _ends_line(utf8: bytes, at: int) -> bool:
    return at == len(utf8) or utf8[at:at + 1] in (b"\n", b"\r")


def _bounds(utf8: bytes, low: int, high: int) -> list[int]:
    """List where sentences and lines end between two bytes."""
    while low > 0 and utf8[low] & 0xC0 == 0x80:
        low -= 1
    while high < len(utf8) and utf8[high] & 0xC0 == 0x80:
        high += 1
    text = utf8[low:high].decode("utf-8", "surrogateescape")
    found = {0} if low == 0 else set()
    found.update(end for end in sentence_ends(text) if high == len(utf8) or end < len(text))
    found.update(match.start() for match in _LINE_END.finditer(text))
    if text.isascii():
        return [low + at for at in sorted(found)]
    return [low + len(text[:at].encode("utf-8", "surrogateescape")) for at in sorted(found)]


def _after_space(utf8: bytes, at: int) -> int:
    return at + len(utf8[at:at + 64]) - len(utf8[at:at + 64].lstrip())


def _nearest(utf8: bytes, at: int, bounds: list[int]) -> int:
    near = [(abs(bound - at), bound) for bound in bounds]
    distance, bound = min(near, default=(len(utf8), at))
    between = utf8[min(at, bound):max(at, bound)]
    return bound if distance and len(between.decode("utf-8", "replace")) <= _SNAP_CHARS else at
