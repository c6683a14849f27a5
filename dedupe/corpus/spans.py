"""Turn runs of tokens of a document into bytes of its text, and snap them to sentences."""

from __future__ import annotations

import re

import numpy as np

from dedupe.hashing import distinct
from dedupe.normalize import DROPPED, canonical_by_codes
from dedupe.records import Blocks, Offsets, Span, Texts
from dedupe.segment import sentence_ends

_LINE_END = re.compile(r"[\r\n]")
_SNAP_CHARS = 40  # an end nearer than this to the end of a sentence was meant to be there


def token_span(
    texts: Texts, blocks: Blocks, doc: int, start: int, end: int, sources: dict[int, Offsets] | None = None
) -> Span:
    """Locate tokens start:end of a document, in bytes of its text; the end is that of the last token's block or
    the start of the next token.

    `sources`: what `sources_of` gave for this run, and others; worked out here where it was not.
    """
    if sources is None:
        sources = sources_of(texts, blocks, *(np.array([each]) for each in (doc, start, end)))
    first = int(blocks.token_start[blocks.doc_start[doc]])
    num_tokens = int(blocks.token_start[blocks.doc_start[doc + 1]]) - first
    begin = _byte_of(blocks, first + min(start, num_tokens - 1), sources)
    last = first + min(end, num_tokens) - 1
    row = int(np.searchsorted(blocks.token_start, last, side="right")) - 1
    ends_block = last + 1 == int(blocks.token_start[row + 1])
    stop = int(blocks.end[row]) if ends_block else _byte_of(blocks, last + 1, sources)
    origin = int(texts.offsets[doc])
    text = texts.data[begin:stop].tobytes()
    return begin - origin, begin - origin + len(text.rstrip())


def _byte_of(blocks: Blocks, token: int, sources: dict[int, Offsets]) -> int:
    row = int(np.searchsorted(blocks.token_start, token, side="right")) - 1
    return int(blocks.start[row]) + int(sources[row][int(blocks.token_pos[token]) - int(blocks.stream_start[row])])


def sources_of(texts: Texts, blocks: Blocks, doc: Offsets, start: Offsets, end: Offsets) -> dict[int, Offsets]:
    """Say of the blocks that hold the ends of some runs of tokens where each of their canonical bytes comes from.

    `doc`, `start`, `end`: int64 (num_runs,). The blocks are read together: a few calls for all.
    """
    first, last = (blocks.token_start[blocks.doc_start[doc + step]] for step in (0, 1))
    tokens = np.concatenate([np.minimum(first + start, last - 1), np.minimum(first + end, last) - 1])
    rows = distinct(np.searchsorted(blocks.token_start, tokens, side="right") - 1)
    spans = zip(blocks.start[rows].tolist(), blocks.end[rows].tolist(), strict=True)
    # a line end belongs to no character, and nothing is composed with it
    text = b"\n".join(texts.data[low:high].tobytes() for low, high in spans)
    source = canonical_by_codes(text.decode("utf-8", "surrogateescape"), DROPPED)[2] if text else np.empty(0, np.int64)
    sizes = blocks.end[rows] - blocks.start[rows] + 1
    begins = np.cumsum(sizes) - sizes
    parts = np.split(source, np.searchsorted(source, begins[1:]))
    return {row: part - begin for row, part, begin in zip(rows.tolist(), parts, begins.tolist(), strict=False)}


def snapped(utf8: bytes, span: Span) -> Span:
    """Move both ends of a span to the nearest end of a sentence or line, if one is near.

    >>> snapped(b"He came. They met at noon. She left.", (8, 24))
    (9, 26)
    """
    low, high = max(0, span[0] - 4 * _SNAP_CHARS), min(len(utf8), span[1] + 4 * _SNAP_CHARS)
    starts = _bounds(utf8, low, min(len(utf8), span[0] + 4 * _SNAP_CHARS))
    ends = _bounds(utf8, max(0, span[1] - 4 * _SNAP_CHARS), high)
    start = _nearest(utf8, span[0], [_after_space(utf8, at) for at in starts])
    end = _nearest(utf8, span[1], ends)
    return (start, end) if start < end else span


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
