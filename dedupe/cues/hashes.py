"""Hash any span of a byte string in constant time after one pass.

The hash is the polynomial sum (byte + 1) · B^i mod 2^64 over the span. Collisions can be made on
purpose mod 2^64 (Thue–Morse strings), so whoever looks a hash up must compare the bytes too.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dedupe.records import Bytes, Hashes, Offsets

BASE = 0x9E37_79B9_7F4A_7C15  # odd, so that it has an inverse mod 2^64
_INVERSE = pow(BASE, -1, 1 << 64)


@lru_cache(maxsize=4)
def _powers(base: int, log_size: int) -> Hashes:
    powers = np.full(1 << log_size, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)


def prefix_hashes(data: Bytes) -> Hashes:
    """Return uint64 (len(data) + 1,): the weighted sum of every prefix of `data` (uint8, (num_bytes,)).

    >>> prefix_hashes(np.zeros(0, np.uint8)).tolist()
    [0]
    """
    sums = np.zeros(len(data) + 1, np.uint64)
    weights = _powers(BASE, max(10, len(data).bit_length()))[: len(data)]
    np.cumsum((data.astype(np.uint64) + np.uint64(1)) * weights, out=sums[1:])
    return sums


def span_hashes(sums: Hashes, start: Offsets, end: Offsets) -> Hashes:
    """Return uint64 (num_spans,): hashes of the spans, wherever they stand; equal bytes hash alike.

    >>> sums = prefix_hashes(np.frombuffer(b"ab-ab", np.uint8))
    >>> first, second = span_hashes(sums, np.array([0, 3]), np.array([2, 5]))
    >>> bool(first == second)
    True
    """
    inverses = _powers(_INVERSE, max(10, len(sums).bit_length()))
    return (sums[end] - sums[start]) * inverses[start]
