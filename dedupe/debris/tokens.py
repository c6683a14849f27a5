"""Hash tokens and blocks of a batch, and count which words a document's prose also uses.

Hashes are cheap mixes of a token's first and last bytes, good enough to count words, not to prove
two passages equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe import kernels
from dedupe.hashing import group_equal
from dedupe.records import Blocks, Flags, Floats, Hashes, Offsets

_ODD = np.uint64(0x9E3779B97F4A7C15)
_ODD_2 = np.uint64(0xC2B2AE3D27D4EB4F)
_MASKS = np.array([(1 << (8 * size)) - 1 for size in range(8)] + [(1 << 64) - 1], np.uint64)
_DIGIT_MASK = np.arange(256, dtype=np.uint8)
_DIGIT_MASK[0x30:0x3A] = 0x30
LONG_TOKEN_BYTES = 6
_NOWHERE, _EVERYWHERE = -1, -2


def mix(hashes: Hashes) -> Hashes:
    """Spread the bits of uint64 hashes over the whole word."""
    hashes = (hashes ^ (hashes >> np.uint64(32))) * _ODD_2
    return hashes ^ (hashes >> np.uint64(29))


def token_hashes(blocks: Blocks) -> Hashes:
    """Hash every token with its digits masked: uint64 (num_tokens,).

    Equal are tokens of one length whose first and last eight bytes agree.
    """
    if kernels.are_on():
        from dedupe.kernels.words import token_hashes as compiled

        return compiled(blocks)
    size = np.diff(blocks.token_pos, append=len(blocks.stream))
    padded = np.zeros(len(blocks.stream) + 16, np.uint8)
    np.take(_DIGIT_MASK, blocks.stream, out=padded[8:-8], mode="clip")  # "raise" would go by way of a copy
    words = np.ndarray((len(padded) - 7,), np.dtype("<u8"), padded, strides=(1,))
    short = np.minimum(size, 8)
    first = words[blocks.token_pos + 8] & _MASKS[short]
    last = words[blocks.token_pos + size] & ~_MASKS[8 - short]
    return mix((first * _ODD) ^ last ^ (size.astype(np.uint64) << np.uint64(56)))


def block_hashes(blocks: Blocks, tokens: Hashes | None = None) -> Hashes:
    """Hash every block by its tokens in order, digits masked: uint64 (num_blocks,), 0 for one without tokens.

    Equal blocks hash alike in every document, batch and run, so these are the keys to count on a host.
    """
    tokens = token_hashes(blocks) if tokens is None else tokens
    if kernels.are_on():
        from dedupe.kernels.words import block_hashes as compiled

        return compiled(tokens, blocks.token_start)
    num_tokens = np.diff(blocks.token_start)
    at = np.arange(len(tokens)) - np.repeat(blocks.token_start[:-1], num_tokens)
    return sums_of(mix(tokens + at.astype(np.uint64) * _ODD), blocks.token_start)


def sums_of(values: NDArray[np.uint64], starts: Offsets) -> NDArray[np.uint64]:
    """Add up uint64 `values` over the half-open rows between consecutive `starts`; 0 for empty rows.

    >>> sums_of(np.array([1, 2, 3], np.uint64), np.array([0, 2, 2, 3])).tolist()
    [3, 0, 3]
    """
    total = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=total[1:])
    return total[starts[1:]] - total[starts[:-1]]


def fractions_of(flags: Flags, starts: Offsets) -> Floats:
    """Average `flags` over the half-open rows between consecutive `starts`: float32, 0 for empty rows."""
    return (_sums(flags, starts) / np.maximum(np.diff(starts), 1)).astype(np.float32)


class SharedWords:
    """Tell for each block how many of its words stand in its document's prose outside the block.

    `all`, `long`, `pairs`: float32 (num_blocks,), fractions of the block's tokens, of those of
    LONG_TOKEN_BYTES bytes or more, and of its pairs of neighbouring tokens (which is what carries
    meaning in scripts where a token is one character).
    """

    def __init__(self, blocks: Blocks, tokens: Hashes, doc_of_block: Offsets, is_prose: Flags) -> None:
        counts = _compiled_counts(blocks, tokens, is_prose) if kernels.are_on() else None
        if counts is None:
            counts = np.stack(_counts(blocks, tokens, doc_of_block, is_prose))
        shared, is_long, shared_long, pairs = counts
        num_tokens = np.diff(blocks.token_start)
        size = np.maximum(num_tokens, 1)
        self.all = (shared / size).astype(np.float32)
        self.long = _ratio(shared_long, is_long, size)
        self.pairs = _ratio(pairs, np.maximum(num_tokens - 1, 0), size)


def _ratio(part: Offsets, whole: Offsets, size: Offsets) -> Floats:
    """Divide two fractions of `size`, each rounded to float32; 0 where there is no whole."""
    hits, base = (part / size).astype(np.float32), (whole / size).astype(np.float32)
    return np.asarray(hits / np.maximum(base, 1e-6), dtype=np.float32)


def _compiled_counts(blocks: Blocks, tokens: Hashes, is_prose: Flags) -> Offsets | None:
    from dedupe.kernels.words import shared_counts

    return shared_counts(blocks, tokens, is_prose)


def _counts(
    blocks: Blocks, tokens: Hashes, doc_of_block: Offsets, is_prose: Flags
) -> tuple[Offsets, Offsets, Offsets, Offsets]:
    """Count for each block the words shared with other blocks of prose, the long ones, those of both, shared pairs."""
    num_tokens = np.diff(blocks.token_start)
    block = np.repeat(np.arange(len(num_tokens)), num_tokens)
    prose = np.repeat(is_prose, num_tokens)
    salted = tokens ^ (doc_of_block.astype(np.uint64) * _ODD)[block]
    shared, again = _elsewhere(salted, block, prose)
    is_long = np.diff(blocks.token_pos, append=len(blocks.stream)) >= LONG_TOKEN_BYTES
    rows = np.flatnonzero((block[:-1] == block[1:]) & again[:-1] & again[1:])  # else the pair comes but once
    pairs = np.zeros(len(tokens), np.bool_)
    pairs[rows] = _elsewhere(mix(salted[rows]) + salted[rows + 1], block[rows], prose[rows])[0]
    starts = blocks.token_start
    return _sums(shared, starts), _sums(is_long, starts), _sums(shared & is_long, starts), _sums(pairs, starts)


def _sums(flags: Flags, starts: Offsets) -> Offsets:
    total = np.zeros(len(flags) + 1, np.int64)
    np.cumsum(flags, out=total[1:])
    return total[starts[1:]] - total[starts[:-1]]


def _elsewhere(hashes: Hashes, block: Offsets, prose: Flags) -> tuple[Flags, Flags]:
    """Say of each word whether the prose of other blocks holds it, and whether it comes twice at all: bool, shape of
    `hashes`; `block` ascends.

    Exact, by sorting: tables with collisions would make a judgement depend on the rest of the batch.
    """
    num = len(hashes)
    if not num:
        return np.zeros(0, np.bool_), np.zeros(0, np.bool_)
    order, opens = group_equal(hashes, ~prose)
    starts = np.flatnonzero(opens)
    of_prose, of_block = prose[order], block[order]
    num_prose = np.add.reduceat(of_prose, starts, dtype=np.int64)  # they come first, in order
    least, most = of_block[starts], of_block[starts + np.maximum(num_prose, 1) - 1]
    group = np.cumsum(opens) - 1
    # where all prose that holds the word is one block, the words of that block are not elsewhere
    lone = np.where(num_prose == 0, _EVERYWHERE, np.where(least == most, least, _NOWHERE))[group]
    found, again = np.empty(num, np.bool_), np.empty(num, np.bool_)
    found[order] = (lone != _EVERYWHERE) & (lone != of_block)
    again[order] = ~(opens & np.append(opens[1:], True))
    return found, again
