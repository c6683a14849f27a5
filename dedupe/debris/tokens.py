"""Hash tokens and blocks of a batch, and count which words a document's prose also uses.

Hashes are cheap mixes of a token's first and last bytes, good enough to count words, not to prove
two passages equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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


def fractions_of(flags: Flags | Floats, starts: Offsets) -> Floats:
    """Average `flags` over the half-open rows between consecutive `starts`: float32, 0 for empty rows."""
    total = np.zeros(len(flags) + 1, np.int64 if flags.dtype == np.bool_ else np.float64)
    np.cumsum(flags, out=total[1:])
    size = np.maximum(np.diff(starts), 1)
    return ((total[starts[1:]] - total[starts[:-1]]) / size).astype(np.float32)


class SharedWords:
    """Tell for each block how many of its words stand in its document's prose outside the block.

    `all`, `long`, `pairs`: float32 (num_blocks,), fractions of the block's tokens, of those of
    LONG_TOKEN_BYTES bytes or more, and of its pairs of neighbouring tokens (which is what carries
    meaning in scripts where a token is one character).
    """

    def __init__(self, blocks: Blocks, tokens: Hashes, doc_of_block: Offsets, is_prose: Flags) -> None:
        num_tokens = np.diff(blocks.token_start)
        block = np.repeat(np.arange(len(num_tokens)), num_tokens)
        prose = np.repeat(is_prose, num_tokens)
        salted = tokens ^ (doc_of_block.astype(np.uint64) * _ODD)[block]
        size = np.diff(blocks.token_pos, append=len(blocks.stream))
        shared = _elsewhere(salted, block, prose)
        is_long = size >= LONG_TOKEN_BYTES
        self.all = fractions_of(shared, blocks.token_start)
        self.long = _fractions_where(shared, is_long, blocks.token_start)
        paired = np.zeros(len(tokens), np.bool_)
        paired[:-1] = block[:-1] == block[1:]
        rows = np.flatnonzero(paired)
        pairs = np.zeros(len(tokens), np.bool_)
        pairs[rows] = _elsewhere(mix(salted[rows]) + salted[rows + 1], block[rows], prose[rows])
        self.pairs = _fractions_where(pairs, paired, blocks.token_start)


def _fractions_where(flags: Flags, counted: Flags, starts: Offsets) -> Floats:
    hits = fractions_of(flags & counted, starts)
    base = fractions_of(counted, starts)
    return np.asarray(hits / np.maximum(base, 1e-6), dtype=np.float32)


def _elsewhere(hashes: Hashes, block: Offsets, prose: Flags) -> Flags:
    """Say of each word whether the prose of other blocks holds it: bool, shape of `hashes`; `block` ascends.

    Exact, by sorting: tables with collisions would make a judgement depend on the rest of the batch.
    """
    num = len(hashes)
    if not num:
        return np.zeros(0, np.bool_)
    order, opens = group_equal(hashes, ~prose)
    starts = np.flatnonzero(opens)
    of_prose, of_block = prose[order], block[order]
    num_prose = np.add.reduceat(of_prose, starts, dtype=np.int64)  # they come first, in order
    least, most = of_block[starts], of_block[starts + np.maximum(num_prose, 1) - 1]
    group = np.cumsum(opens) - 1
    # where all prose that holds the word is one block, the words of that block are not elsewhere
    lone = np.where(num_prose == 0, _EVERYWHERE, np.where(least == most, least, _NOWHERE))[group]
    found = np.empty(num, np.bool_)
    found[order] = (lone != _EVERYWHERE) & (lone != of_block)
    return found
