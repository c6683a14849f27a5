"""Hash the blocks, tokens and word shingles of a batch, and whole documents.

Source: Broder, "On the resemblance and containment of documents", 1997, for w-shingles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe.hashing import BASE, BASE_INVERSE, StreamHashes, mix, powers_at
from dedupe.records import Blocks, Hashes, Offsets, Tokens

SHINGLE_TOKENS = 5
_PIECE_TOKENS = 1 << 13  # combined at a time: three arrays of 64 KB stay in the second-level cache

_FACTORS = tuple(np.uint64(pow(0x9E3779B97F4A7C15, 2 * k + 3, 1 << 64)) for k in range(SHINGLE_TOKENS))


def block_hashes(blocks: Blocks, hashes: StreamHashes) -> Hashes:
    """Hash the stream of every block; uint64 (num_blocks,)."""
    return hashes.spans(blocks.stream_start[:-1], blocks.stream_start[1:])


def token_hashes(blocks: Blocks, hashes: StreamHashes) -> Hashes:
    """Hash every token; uint64 (num_tokens,)."""
    return hashes.spans(blocks.token_pos, np.append(blocks.token_pos[1:], len(blocks.stream)))


def word_shingles(blocks: Blocks, tokens: Hashes) -> tuple[NDArray[np.uint32], Offsets]:
    """Hash the word 5-shingles of every document, in order, repeats included.

    `tokens`: the hashes of all tokens. Returns uint32 (num_shingles,) and int64 (num_docs + 1,). A
    document of one to four tokens is one shingle; one without tokens has none, and must not be compared.
    """
    return shingles_of_tokens(tokens, blocks.token_start[blocks.doc_start])


def shingles_of_tokens(tokens: Hashes, doc_token: Offsets) -> tuple[NDArray[np.uint32], Offsets]:
    """Do the same for documents whose tokens are rows doc_token[d]:doc_token[d + 1]; int64 (num_docs + 1,)."""
    num_tokens = np.diff(doc_token)
    num_shingles = np.where(num_tokens > 0, np.maximum(num_tokens - SHINGLE_TOKENS + 1, 1), 0)
    shingle_start = np.concatenate([np.zeros(1, np.int64), np.cumsum(num_shingles)])
    if not len(tokens):
        return np.empty(0, np.uint32), shingle_start
    combined = _combined(tokens)
    is_first = np.ones(len(tokens), np.bool_)  # of a shingle: all tokens of a document but the last four
    for step in range(1, SHINGLE_TOKENS):
        is_first[(doc_token[1:] - step)[num_tokens > step]] = False
    short = np.flatnonzero((num_tokens > 0) & (num_tokens < SHINGLE_TOKENS))
    for doc in short.tolist():
        combined[doc_token[doc]] = _short_shingle(tokens[doc_token[doc]:doc_token[doc + 1]])
    return (mix(combined[is_first]) >> np.uint64(32)).astype(np.uint32), shingle_start


def _combined(tokens: Hashes) -> Hashes:
    """Combine each token with the next four, as far as there are so many; uint64 (num_tokens,)."""
    combined, scratch = np.empty(len(tokens), np.uint64), np.empty(_PIECE_TOKENS, np.uint64)
    for begin in range(0, len(tokens), _PIECE_TOKENS):
        piece = combined[begin:begin + _PIECE_TOKENS]
        np.multiply(tokens[begin:begin + len(piece)], _FACTORS[0], out=piece)
        for step in range(1, SHINGLE_TOKENS):
            later = tokens[begin + step:begin + step + len(piece)]
            piece[:len(later)] += np.multiply(later, _FACTORS[step], out=scratch[:len(later)])
    return combined


def stream_hashes(tokens: Tokens) -> Hashes:
    """Hash the canonical stream of every document from the sums of its tokens; uint64 (num_docs,).

    The same bits as `StreamHashes.spans` gives for the stream.

    >>> sums = np.array([ord("a") + 1, ord("b") + 1], np.uint64)
    >>> found = stream_hashes(Tokens(sums, np.array([1, 1]), np.array([0, 2])))
    >>> bool(found[0] == StreamHashes(np.frombuffer(b"ab", np.uint8)).spans(np.array([0]), np.array([2]))[0])
    True
    """
    place = np.concatenate([np.zeros(1, np.int64), np.cumsum(tokens.num_bytes)])
    prefix = np.zeros(len(place), np.uint64)
    np.multiply(tokens.sums, powers_at(BASE, place[:-1]), out=prefix[1:])
    np.cumsum(prefix[1:], out=prefix[1:])
    return mix(np.diff(prefix[tokens.doc_start]) * powers_at(BASE_INVERSE, place[tokens.doc_start[:-1]]))


def _short_shingle(tokens: Hashes) -> np.uint64:
    """Combine fewer than five tokens, so that no such text equals a longer one's shingle."""
    total = len(tokens)
    for token, factor in zip(tokens.tolist(), _FACTORS, strict=False):
        total += token * int(factor)
    return np.uint64(total % (1 << 64))
