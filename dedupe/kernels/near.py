"""Make the band keys of short blocks with numba: the compiled twin of `_bands` in dedupe.match.near, bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe.kernels import compiled
from dedupe.kernels.numba_types import I64, NUMBERS, READ_BYTES, READ_NUMBERS, READ_OFFSETS, U32, U64, types
from dedupe.records import Bytes, Hashes, Offsets

_MOST = np.uint32(0xFFFFFFFF)


@compiled(types.void(READ_BYTES, I64, NUMBERS))
def _grams(stream, first, grams):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Pack the four bytes from each position on and spread them over 32 bits."""
    part = stream[first:]
    one, two, three = part[1:], part[2:], part[3:]
    for i in range(len(grams)):
        gram = np.uint32(part[i]) | np.uint32(one[i]) << np.uint32(8)
        gram |= np.uint32(two[i]) << np.uint32(16) | np.uint32(three[i]) << np.uint32(24)
        gram = np.uint32((gram ^ (gram >> np.uint32(16))) * np.uint32(0x85EBCA6B))  # a product has 64 bits here
        gram = np.uint32((gram ^ (gram >> np.uint32(13))) * np.uint32(0xC2B2AE35))
        grams[i] = np.uint32(gram ^ (gram >> np.uint32(16)))


@compiled(U32(NUMBERS, U32, U32))
def _least(grams, factor, addend):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    least = _MOST
    for i in range(len(grams)):
        value = np.uint32(grams[i] * factor + addend)
        least = value if value < least else least
    return least


@compiled(
    types.void(
        READ_BYTES, READ_OFFSETS, READ_OFFSETS, READ_NUMBERS, READ_NUMBERS, NUMBERS,
        types.Array(U64, 2, "C"),
    )
)  # fmt: skip
def _bands(stream, start, num, factors, addends, grams, keys):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    for row in range(len(start)):
        mine = grams[:num[row]]
        _grams(stream, start[row], mine)
        for band in range(keys.shape[1]):
            high = _least(mine, factors[2 * band], addends[2 * band])
            low = _least(mine, factors[2 * band + 1], addends[2 * band + 1])
            keys[row, band] = np.uint64(high) << np.uint64(32) | np.uint64(low)


def band_keys(stream: Bytes, start: Offsets, num: Offsets, factors: NDArray[np.uint32]) -> Hashes:
    """Give the keys of bands of two rows, uint64 (num_blocks, num_bands), of the `num` shingles from each start on.

    `factors`: uint32 (2, 2 * num_bands), factors and addends.
    """
    keys = np.empty((len(start), factors.shape[1] // 2), np.uint64)
    grams = np.empty(int(num.max(initial=0)), np.uint32)
    _bands(stream, np.ascontiguousarray(start), num, factors[0].copy(), factors[1].copy(), grams, keys)
    return keys
