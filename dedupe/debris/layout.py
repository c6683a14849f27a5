"""Move numbers between the blocks of one document: sums, windows, neighbours, distances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.records import Flags, Offsets

FAR = 1_000_000  # stands for "there is none" among distances
_GRID = float(1 << 20)
Numbers = NDArray[np.float64]
Values = NDArray[Any]


class Layout:
    """Know which blocks belong to one document.

    `doc`: int64 (num_blocks,), the document of each block. `first`, `end`: rows where it begins and ends.
    `index`: the block's place in it, from 0. `num`: number of its blocks.
    """

    def __init__(self, doc_start: Offsets) -> None:
        size = np.diff(doc_start)
        self.num_docs = len(size)
        self.doc = np.repeat(np.arange(len(size)), size)
        self.at = np.arange(int(doc_start[-1]))
        self.first = doc_start[:-1][self.doc]
        self.end = doc_start[1:][self.doc]
        self.index = self.at - self.first
        self.num = self.end - self.first

    def per_document(self, values: Values) -> Numbers:
        """Sum over each document: float64 (num_docs,)."""
        return np.bincount(self.doc, values, minlength=self.num_docs).astype(np.float64)

    def total(self, values: Values) -> Numbers:
        """Sum over the block's document."""
        return self.per_document(values)[self.doc]

    def before(self, values: Values) -> Numbers:
        """Sum over the blocks before this one in its document."""
        sums = _prefix_sums(values)
        return np.asarray(sums[self.at] - sums[self.first])

    def windows(self, values: Values, reaches: tuple[int, ...]) -> list[Numbers]:
        """Sum over the blocks at most `reach` away, this one included, for each reach."""
        sums = _prefix_sums(values)
        return [
            sums[np.minimum(self.at + reach + 1, self.end)] - sums[np.maximum(self.at - reach, self.first)]
            for reach in reaches
        ]

    def shift(self, values: Values, step: int) -> Values:
        """Give the value of the block `step` places on; 0 outside of the document.

        >>> Layout(np.array([0, 2, 3])).shift(np.array([5, 6, 7]), 1).tolist()
        [6, 0, 0]
        """
        moved = np.zeros_like(values)
        if step > 0:
            moved[:-step] = values[step:]
            moved[self.at + step >= self.end] = 0
        else:
            moved[-step:] = values[:step]
            moved[self.index < -step] = 0
        return moved

    def distances(self, marked: Flags) -> tuple[Offsets, Offsets, Offsets]:
        """Measure the way to the nearest marked block before and after, in blocks; FAR where there is none.

        The third array counts the blocks between the two (or the document's ends), this one included.

        >>> [part.tolist() for part in Layout(np.array([0, 3])).distances(np.array([True, False, False]))]
        [[1000000, 1, 2], [1000000, 1000000, 1000000], [3, 2, 2]]
        """
        size = len(self.at)
        before, after = np.full(size, -1), np.full(size, size)
        if size:
            before[1:] = np.maximum.accumulate(np.where(marked, self.at, -1))[:-1]
            after[:-1] = np.minimum.accumulate(np.where(marked, self.at, size)[::-1])[::-1][1:]
        no_before, no_after = before < self.first, after >= self.end
        between = np.where(no_after, self.end, after) - np.where(no_before, self.first - 1, before) - 1
        return np.where(no_before, FAR, self.at - before), np.where(no_after, FAR, after - self.at), between

    def runs(self, broken_by: Flags) -> Offsets:
        """Number the runs of blocks: a block of `broken_by` is a run of its own."""
        opens = np.ones(len(self.at), np.bool_)
        opens[1:] = broken_by[1:] | broken_by[:-1] | (self.doc[1:] != self.doc[:-1])
        return np.cumsum(opens) - 1


def _prefix_sums(values: Values) -> Numbers:
    """Add up in multiples of 2^-20: exactly, so that what stands before a document changes nothing."""
    sums = np.zeros(len(values) + 1, np.int64)
    np.cumsum(np.rint(values * _GRID).astype(np.int64), out=sums[1:])
    return sums / _GRID
