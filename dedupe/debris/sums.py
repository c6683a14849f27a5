"""Weigh and add up columns in an order that no batch changes, so that a row's sum is the same in every batch."""

from __future__ import annotations

import numpy as np

from dedupe import kernels
from dedupe.debris.layout import Numbers
from dedupe.records import Floats


def weighted_sums(columns: Floats, weights: Numbers) -> Numbers:
    """Add up columns, float32 (num_inputs, num_rows), with weights, float64 (num_sums, num_inputs).

    Returns float64 (num_sums, num_rows). A matrix product rounds as the size of the batch has it.

    >>> weighted_sums(np.array([[1, 2, 3], [4, 5, 6]], np.float32), np.array([[1.0, 10.0]])).tolist()
    [[41.0, 52.0, 63.0]]
    """
    if kernels.are_on() and columns.shape[1] > 1 and columns.flags.c_contiguous:  # else NumPy's order is another
        from dedupe.kernels.sums import weighted_sums as compiled

        return compiled(columns, weights)
    return np.array([np.add.reduce(columns * each[:, None], axis=0) for each in weights])
