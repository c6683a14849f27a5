"""Hash the blocks, tokens and word shingles of a batch.

Source: Broder, "On the resemblance and containment of documents", 1997, for w-shingles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe.hashing import StreamHashes, mix
from dedupe.records import Blocks, Hashes, Offsets

SHINGLE_TOKENS = 5

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
    doc_token = blocks.token_start[blocks.doc_start]
    num_tokens = np.diff(doc_token)
    num_shingles = np.where(num_tokens > 0, np.maximum(num_tokens - SHINGLE_TOKENS + 1, 1), 0)
    shingle_start = np.concatenate([[0], np.cumsum(num_shingles)]).astype(np.int64)
    if not len(tokens):
        return np.empty(0, np.uint32), shingle_start
    padded = np.concatenate([tokens, np.zeros(SHINGLE_TOKENS - 1, np.uint64)])
    full = padded[:len(tokens)] * _FACTORS[0]
    for step in range(1, SHINGLE_TOKENS):
        full += padded[step:step + len(tokens)] * _FACTORS[step]
    firsts = np.arange(shingle_start[-1]) + np.repeat(doc_token[:-1] - shingle_start[:-1], num_shingles)
    combined = full[firsts]
    for doc in np.flatnonzero((num_tokens > 0) & (num_tokens < SHINGLE_TOKENS)).tolist():
        combined[shingle_start[doc]] = _short_shingle(tokens[doc_token[doc]:doc_token[doc + 1]])
    return (mix(combined) >> np.uint64(32)).astype(np.uint32), shingle_start


def _short_shingle(tokens: Hashes) -> np.uint64:
    """Combine fewer than five tokens, so that no such text equals a longer one's shingle."""
    total = len(tokens)
    for token, factor in zip(tokens.tolist(), _FACTORS, strict=False):
        total += token * int(factor)
    return np.uint64(total % (1 << 64))
