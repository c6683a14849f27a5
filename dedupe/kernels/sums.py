"""Add up weighed columns with numba: the compiled twin of dedupe.debris.sums, bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe.kernels import compiled
from dedupe.kernels.numba_types import F64, types
from dedupe.records import Floats

_AT_ONCE = 1024  # sums that stay in the first-level cache while the columns go by


@compiled(
    types.void(
        types.Array(types.float32, 2, "C", readonly=True), types.Array(F64, 1, "C", readonly=True),
        types.Array(F64, 1, "C"),
    )
)  # fmt: skip
def _sums(columns, weights, sums):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Add column after column; a compiler that may not reorder sums can still do several rows at once."""
    num_columns, num_rows = columns.shape
    for begin in range(0, num_rows, _AT_ONCE):
        size = min(_AT_ONCE, num_rows - begin)
        out = sums[begin:begin + size]
        for row in range(num_columns):
            values, weight = columns[row, begin:begin + size], weights[row]
            if row == 0:
                for at in range(size):
                    out[at] = np.float64(values[at]) * weight
            else:
                for at in range(size):
                    out[at] += np.float64(values[at]) * weight


def weighted_sums(columns: Floats, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Do what `debris.sums.weighted_sums` does for columns that lie one after another."""
    sums = np.empty((len(weights), columns.shape[1]))
    for row, each in enumerate(weights):
        _sums(columns, np.ascontiguousarray(each), sums[row])
    return sums
