"""Find the blocks of a batch that are, begin with or end with a known phrase.

All short blocks of a group are hashed at once: their whole streams, and the spans from either end to
each of the first and last few token boundaries. A sieve drops most spans, a binary search most of the
rest, and a comparison of bytes the accidents. Only what is left meets plain Python.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dedupe import kernels
from dedupe.cues.hashes import prefix_hashes, span_hashes
from dedupe.cues.lists import MAX_BLOCK_BYTES, MAX_BLOCK_TOKENS, MAX_BYTES_BEYOND, SALTS, SIEVE_SHIFT, CueTable
from dedupe.cues.phrases import ENDS, STARTS, WHOLE, colon_follows, reads_as_sentence, stands_exactly
from dedupe.hashing import ranges
from dedupe.records import Blocks, Bytes, CueHits, Flags, Hashes, Offsets, Texts

_GROUP_BYTES = 1 << 18  # scratch arrays of a group stay in the cache, as those of normalize do


class _Group(Struct, frozen=True):
    """Hold the masked streams of some short blocks, laid end to end.

    `rows`: the blocks. `masked`: uint8. `bounds`: int64 (num_rows + 1,), where each begins in `masked`.
    `moved`: int64 (num_bytes + 1,), where each unmasked byte came to stand. `inside`: bool
    (num_bytes + 1,), bytes inside a run of digits, which have no place of their own in `masked`.
    `shift`: int64 (num_rows,), what takes a position in Blocks.stream to one in `moved`.
    """

    rows: Offsets
    masked: Bytes
    bounds: Offsets
    moved: Offsets
    inside: Flags
    shift: Offsets


class _Spans(Struct, frozen=True):
    """Hold spans that may be phrases: block, start and end in `masked`, key in the table; (num_spans,)."""

    masked: Bytes
    block: Offsets
    start: Offsets
    end: Offsets
    keys: Hashes


def find_cues(texts: Texts, blocks: Blocks, table: CueTable) -> CueHits:
    """Match every block against every phrase.

    A phrase of kind whole is the block's stream, runs of digits alike. A phrase of kind starts or ends
    stands at that end of a block of at most its max_tokens tokens and stops at a token boundary; unless
    the list allows it, the block must not end like a sentence. A phrase with a colon wants one behind it.
    Of several matches of a block the whole one wins, then the strongest, the longest, the first row.

    >>> from dedupe.cues.lists import load_cues
    >>> texts = Texts.of([b"Also read:"])
    >>> rows = [np.array(row) for row in ([0, 1], [0], [10], [0, 8], [0, 4], [0, 2])]
    >>> stream = np.frombuffer(b"alsoread", np.uint8)
    >>> table = load_cues()
    >>> hits = find_cues(texts, Blocks(*rows[:3], stream, *rows[3:]), table)
    >>> table.categories[hits.category[0]], hits.kind.tolist()
    ('also_read', [1])
    """
    num_blocks = len(blocks)
    hits = CueHits(
        category=np.zeros(num_blocks, np.uint8),
        kind=np.zeros(num_blocks, np.uint8),
        strength=np.zeros(num_blocks, np.float32),
        phrase=np.full(num_blocks, -1, np.int32),
    )
    for spans in _spans(blocks, table):
        block, phrase = _matches(spans, blocks, table)
        kept = _punctuation_fits(texts, blocks, table, block, phrase)
        block, phrase = _best(block[kept], phrase[kept], table)
        hits.phrase[block] = phrase
        hits.category[block] = table.category[phrase]
        hits.kind[block] = table.kind[phrase]
        hits.strength[block] = table.strength[phrase]
    return hits


def _spans(blocks: Blocks, table: CueTable) -> Iterator[_Spans]:
    """Yield the spans of short blocks that pass the sieve, group by group."""
    rows = _short_rows(blocks)
    if kernels.are_on():
        from dedupe.kernels.cues import spans

        yield from (_Spans(*each) for each in spans(blocks, rows, table))
        return
    sizes = blocks.stream_start[rows + 1] - blocks.stream_start[rows]
    group = (np.cumsum(sizes) - 1) // _GROUP_BYTES
    cuts = np.flatnonzero(np.diff(group)) + 1
    for part in np.split(rows, cuts):
        if len(part):
            yield _sieved(_group(blocks, part), blocks, table)


def _short_rows(blocks: Blocks) -> Offsets:
    """List the blocks short enough to match."""
    num_bytes = np.diff(blocks.stream_start)
    short = np.diff(blocks.token_start) <= MAX_BLOCK_TOKENS
    short |= num_bytes <= MAX_BYTES_BEYOND
    short &= (num_bytes > 0) & (num_bytes <= MAX_BLOCK_BYTES)
    return np.flatnonzero(short)


def _group(blocks: Blocks, rows: Offsets) -> _Group:
    begin = blocks.stream_start[rows]
    sizes = blocks.stream_start[rows + 1] - begin
    at = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(sizes, out=at[1:])
    shift = at[:-1] - begin
    gathered = blocks.stream[np.arange(at[-1]) - np.repeat(shift, sizes)]
    digit = _digits(gathered)
    inside = np.zeros(len(gathered) + 1, np.bool_)
    inside[1:-1] = digit[1:] & digit[:-1]
    inside[at] = False
    gathered[digit] = ord("0")
    kept = ~inside[:-1]
    moved = np.zeros(len(gathered) + 1, np.int64)
    np.cumsum(kept, out=moved[1:])
    return _Group(rows, gathered[kept], moved[at], moved, inside, shift)


def _digits(stream: Bytes) -> Flags:
    """Mark the bytes of the digits that `phrases.mask_digits` knows."""
    digit = (stream - np.uint8(0x30)) < 10
    if len(stream) < 2 or int(stream.max()) < 0x80:
        return digit
    after = stream[1:]
    two = (stream[:-1] == 0xD9) & ((after - np.uint8(0xA0)) < 10)
    two |= (stream[:-1] == 0xDB) & ((after - np.uint8(0xB0)) < 10)
    digit[:-1] |= two
    digit[1:] |= two
    last = stream[2:]
    three = (after[:-1] == 0xA5) & ((last - np.uint8(0xA6)) < 10)
    three |= (after[:-1] == 0xB9) & ((last - np.uint8(0x90)) < 10)
    three &= stream[:-2] == 0xE0
    digit[:-2] |= three
    digit[1:-1] |= three
    digit[2:] |= three
    return digit


def _sieved(group: _Group, blocks: Blocks, table: CueTable) -> _Spans:
    """Hash all spans of a group and keep those that pass the sieve."""
    here = np.arange(len(group.rows))
    spans = [(here, group.bounds[:-1], group.bounds[1:])]
    spans += _edge_spans(group, blocks, table.max_phrase_tokens)
    kinds = np.repeat(np.array([WHOLE, STARTS, ENDS]), [len(span[0]) for span in spans])
    local, start, end = (np.concatenate(parts) for parts in zip(*spans, strict=True))
    longest = np.diff(table.stream_start).max(initial=0)
    fits = np.flatnonzero((end > start) & (end - start <= longest))
    local, start, end, kinds = local[fits], start[fits], end[fits], kinds[fits]
    keys = span_hashes(prefix_hashes(group.masked), start, end) + SALTS[kinds]
    passed = np.flatnonzero(table.sieve[keys >> SIEVE_SHIFT])
    return _Spans(group.masked, group.rows[local[passed]], start[passed], end[passed], keys[passed])


def _matches(spans: _Spans, blocks: Blocks, table: CueTable) -> tuple[Offsets, Offsets]:
    """Return the block and the table row of every match of bytes, length in tokens respected."""
    span, phrase = _look_up(spans.keys, table)
    block = spans.block[span]
    right = _same_bytes(spans.masked, spans.start[span], spans.end[span], phrase, table)
    right &= (blocks.token_start[block + 1] - blocks.token_start[block]) <= table.max_tokens[phrase]
    return block[right], phrase[right]


def _edge_spans(group: _Group, blocks: Blocks, max_tokens: int) -> list[tuple[Offsets, Offsets, Offsets]]:
    """Return (block of the group, start, end) in `masked` of all prefixes, then of all suffixes."""
    first, last = blocks.token_start[group.rows], blocks.token_start[group.rows + 1]
    counts = np.minimum(last - first, max_tokens)
    local = np.repeat(np.arange(len(counts)), counts)
    step = np.arange(len(local)) - np.repeat(np.cumsum(counts) - counts, counts)
    # The token behind a block's last one begins where its stream ends.
    edges = np.append(blocks.token_pos, len(blocks.stream))
    spans = []
    for kind, token in ((STARTS, first[local] + step + 1), (ENDS, last[local] - step - 1)):
        place = edges[token] + group.shift[local]
        outside = ~group.inside[place]
        block, cut = local[outside], group.moved[place[outside]]
        if kind == STARTS:
            spans.append((block, group.bounds[block], cut))
        else:
            spans.append((block, cut, group.bounds[block + 1]))
    return spans


def _look_up(keys: NDArray[np.uint64], table: CueTable) -> tuple[Offsets, Offsets]:
    """Return (index into `keys`, table row) of all equal keys."""
    first = np.searchsorted(table.keys, keys)
    counts = np.searchsorted(table.keys, keys, side="right") - first
    return np.repeat(np.arange(len(keys)), counts), ranges(first, counts)


def _same_bytes(masked: Bytes, start: Offsets, end: Offsets, phrase: Offsets, table: CueTable) -> Flags:
    """Compare spans of `masked` with the streams of their phrases, byte by byte."""
    sizes = end - start
    same: Flags = sizes == table.stream_start[phrase + 1] - table.stream_start[phrase]
    which = np.flatnonzero(same)
    sizes = sizes[which]
    ours = masked[ranges(start[which], sizes)]
    theirs = table.stream[ranges(table.stream_start[phrase[which]], sizes)]
    same[np.repeat(which, sizes)[ours != theirs]] = False
    return same


def _punctuation_fits(texts: Texts, blocks: Blocks, table: CueTable, block: Offsets, phrase: Offsets) -> Offsets:
    """Return the indices of matches whose wishes about colons and sentence ends the text fulfils."""
    kept = table.in_sentence[phrase] & ~table.needs_colon[phrase] & ~table.exact[phrase]
    for index in np.flatnonzero(~kept).tolist():
        row, place = int(phrase[index]), int(block[index])
        source = texts.data[blocks.start[place] : blocks.end[place]]
        stream = table.stream_of(row)
        if table.needs_colon[row]:
            kept[index] = colon_follows(source[: 4 * len(stream) + 64].tobytes(), stream)
            continue
        kept[index] = table.in_sentence[row] or not reads_as_sentence(source[-64:].tobytes())
        if table.exact[row]:
            is_whole = bool(table.kind[row] == WHOLE)
            kept[index] &= stands_exactly(source[:256].tobytes(), table.phrases[row], alone=is_whole)
    return np.flatnonzero(kept)


def _best(block: Offsets, phrase: Offsets, table: CueTable) -> tuple[Offsets, Offsets]:
    """Choose one match a block: whole, then strength, then length, then the first row of the table."""
    sizes = table.stream_start[phrase + 1] - table.stream_start[phrase]
    order = np.lexsort((phrase, -sizes, -table.strength[phrase], table.kind[phrase] != WHOLE, block))
    block, phrase = block[order], phrase[order]
    first = np.ones(len(block), np.bool_)
    first[1:] = block[1:] != block[:-1]
    return block[first], phrase[first]
