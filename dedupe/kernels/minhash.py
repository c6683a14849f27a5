"""Compute MinHash signatures with numba: the compiled twin of dedupe.sketch, bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe.kernels import compiled
from dedupe.kernels.numba_types import (
    I64,
    NUMBER_TABLE,
    NUMBERS,
    READ_NUMBER_TABLE,
    READ_NUMBERS,
    READ_OFFSETS,
    U32,
    types,
)

PIECE = 4096  # mixed hashes held at a time: 16 KB, half of the first-level cache
LANES = 32  # pieces are padded to a multiple, so that the vector loop leaves no scalar remainder


@compiled(U32(U32))
def mix_one(value):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Scramble one hash with the finalizer of MurmurHash3."""
    value = np.uint32(value ^ (value >> np.uint32(16)))
    value = np.uint32(value * np.uint32(0x85EBCA6B))
    value = np.uint32(value ^ (value >> np.uint32(13)))
    value = np.uint32(value * np.uint32(0xC2B2AE35))
    return np.uint32(value ^ (value >> np.uint32(16)))


@compiled(types.void(NUMBERS, I64, READ_NUMBER_TABLE, types.Array(U32, 1, "C")))
def lower(mixed, size, parameters, row):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Lower a signature row to the minima over mixed[:size]; pads `mixed`, which must have room for it."""
    padded = (size + LANES - 1) // LANES * LANES
    for i in range(size, padded):
        mixed[i] = mixed[size - 1]
    for k in range(row.shape[0]):
        factor, addend, least = parameters[0, k], parameters[1, k], row[k]
        for i in range(padded):
            least = min(least, np.uint32(factor * mixed[i] + addend))
        row[k] = least


@compiled(types.void(READ_NUMBERS, READ_OFFSETS, READ_NUMBER_TABLE, NUMBER_TABLE))
def _fill(shingles, shingle_start, parameters, out):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    mixed = np.empty(PIECE, np.uint32)
    for doc in range(shingle_start.shape[0] - 1):
        for begin in range(shingle_start[doc], shingle_start[doc + 1], PIECE):
            size = min(PIECE, shingle_start[doc + 1] - begin)
            for i in range(size):
                mixed[i] = mix_one(shingles[begin + i])
            lower(mixed, size, parameters, out[doc])


def signatures(
    shingles: NDArray[np.uint32], shingle_start: NDArray[np.int64], parameters: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Compute signatures as `dedupe.sketch.signatures` does, for parameters from `dedupe.sketch.permutations`."""
    out = np.full((len(shingle_start) - 1, parameters.shape[1]), 0xFFFFFFFF, np.uint32)
    _fill(
        np.ascontiguousarray(shingles, np.uint32),
        np.ascontiguousarray(shingle_start, np.int64),
        np.ascontiguousarray(parameters, np.uint32),
        out,
    )
    return out
