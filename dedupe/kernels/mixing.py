"""Spread a 64-bit value over all bits with numba: the compiled twin of `mix` in dedupe.hashing, bit for bit."""

from __future__ import annotations

import numpy as np

from dedupe.hashing import MIX_1, MIX_2
from dedupe.kernels import compiled
from dedupe.kernels.numba_types import U64


@compiled(U64(U64))
def mix(value):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    value = (value ^ (value >> np.uint64(30))) * MIX_1
    value = (value ^ (value >> np.uint64(27))) * MIX_2
    return value ^ (value >> np.uint64(31))
