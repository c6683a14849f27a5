"""Hash spans of the canonical stream, and word shingles of documents.

One kernel serves all: prefix sums of a polynomial modulo 2**64 give the hash of any span with two
look-ups, so whole blocks, windows and tokens cost a few array operations each. Such hashes collide for
crafted input (Thue-Morse strings), so they only ever propose: matches are verified on the bytes.

Source: Karp & Rabin, "Efficient randomized pattern-matching algorithms", 1987; Broder, "On the
resemblance and containment of documents", 1997, for w-shingles.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe.records import Blocks, Bytes, Hashes, Offsets

SHINGLE_TOKENS = 5

_BASE = 0x9E3779B97F4A7C15  # odd, from the golden ratio: its powers have full period in the high bits
_BASE_INVERSE = pow(_BASE, -1, 1 << 64)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)  # splitmix64
_TOKEN_FACTORS = tuple(np.uint64(pow(_BASE, 2 * k + 3, 1 << 64)) for k in range(SHINGLE_TOKENS))


class _Powers:
    """Keep powers of the base and of its inverse, grown to the longest stream seen."""

    def __init__(self) -> None:
        self.up: Hashes = np.ones(1, np.uint64)
        self.down: Hashes = np.ones(1, np.uint64)

    def grow(self, size: int) -> None:
        if len(self.up) < size:
            size = max(size, 2 * len(self.up), 1 << 12)
            self.up, self.down = _powers_of(_BASE, size), _powers_of(_BASE_INVERSE, size)


def _powers_of(base: int, size: int) -> Hashes:
    factors = np.full(size, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


_POWERS = _Powers()


def mix(values: Hashes) -> Hashes:
    """Spread 64-bit values over all bits (the finalizer of splitmix64); works on a copy.

    >>> int(mix(np.zeros(1, np.uint64))[0]), hex(int(mix(np.ones(1, np.uint64))[0]))
    (0, '0x5692161d100b05e5')
    """
    values = values ^ (values >> np.uint64(30))
    values *= _MIX_1
    values ^= values >> np.uint64(27)
    values *= _MIX_2
    values ^= values >> np.uint64(31)
    return values


def prefix_hashes(stream: Bytes) -> Hashes:
    """Sum byte j times base**j over every prefix; uint64 (num_bytes + 1,), for `span_hashes`."""
    _POWERS.grow(len(stream) + 1)
    sums = np.zeros(len(stream) + 1, np.uint64)
    np.cumsum(_POWERS.up[:len(stream)] * (stream + np.uint64(1)), out=sums[1:])
    return sums


def span_hashes(prefix: Hashes, start: Offsets, end: Offsets) -> Hashes:
    """Hash spans of a stream: equal bytes, equal hash, wherever they stand; uint64 (num_spans,).

    >>> prefix = prefix_hashes(np.frombuffer(b"abcab", np.uint8))
    >>> one, two = span_hashes(prefix, np.array([0, 3]), np.array([2, 5]))
    >>> bool(one == two)
    True
    """
    return mix((prefix[end] - prefix[start]) * _POWERS.down[start])


def window_hashes(prefix: Hashes, num_bytes: int) -> Hashes:
    """Hash the window of `num_bytes` at every position; uint64 (num_stream_bytes - num_bytes + 1,)."""
    num_windows = max(0, len(prefix) - num_bytes)
    return mix((prefix[num_bytes:] - prefix[:num_windows]) * _POWERS.down[:num_windows])


def token_hashes(blocks: Blocks, prefix: Hashes) -> Hashes:
    """Hash every token; uint64 (num_tokens,)."""
    ends = np.append(blocks.token_pos[1:], len(blocks.stream))
    return span_hashes(prefix, blocks.token_pos, ends)


def word_shingles(blocks: Blocks, tokens: Hashes) -> tuple[NDArray[np.uint32], Offsets]:
    """Hash the word 5-shingles of every document, in order, repeats included.

    Returns uint32 (num_shingles,) and int64 (num_docs + 1,). A document of one to four tokens is one
    shingle; one without tokens has none, and must not be compared.
    """
    doc_token = blocks.token_start[blocks.doc_start]
    num_tokens = np.diff(doc_token)
    if not len(tokens):
        return np.empty(0, np.uint32), np.zeros(len(num_tokens) + 1, np.int64)
    num_shingles = np.where(num_tokens > 0, np.maximum(num_tokens - SHINGLE_TOKENS + 1, 1), 0)
    shingle_start = np.concatenate([[0], np.cumsum(num_shingles)]).astype(np.int64)
    padded = np.concatenate([tokens, np.zeros(SHINGLE_TOKENS, np.uint64)])
    full = sum((padded[k:k + len(tokens)] * factor for k, factor in enumerate(_TOKEN_FACTORS)),
               np.zeros(len(tokens), np.uint64))
    firsts = np.arange(shingle_start[-1]) + np.repeat(doc_token[:-1] - shingle_start[:-1], num_shingles)
    hashes = full[firsts]
    for doc in np.flatnonzero((num_tokens > 0) & (num_tokens < SHINGLE_TOKENS)).tolist():
        hashes[shingle_start[doc]] = _short_shingle(tokens[doc_token[doc]:doc_token[doc + 1]])
    return (mix(hashes) >> np.uint64(32)).astype(np.uint32), shingle_start


def _short_shingle(tokens: Hashes) -> np.uint64:
    """Combine fewer than five tokens, so that no such text equals a longer one's shingle."""
    total = np.full(1, len(tokens), np.uint64)
    for token, factor in zip(tokens, _TOKEN_FACTORS, strict=False):
        total += token * factor
    return np.uint64(total[0])
