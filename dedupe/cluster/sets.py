"""Hold the distinct shingles of documents and count exactly what pairs of them share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dedupe.config import check_fraction, check_whole
from dedupe.hashing import ranges
from dedupe.records import Flags, Offsets

_SLICE_SHINGLES = 1 << 15  # keys sorted at a time: 256 KB, which stay in the second-level cache
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """Say what makes document d match keeper k.

    `min_resemblance`: 0-1. `min_containment`: 0-1, or None not to ask.

    The other two bound the work where many documents share buckets and do not match, as pages of one template do.
    `max_keepers`: how many kept documents of a bucket a newcomer meets. `max_counted`: of all it meets and may match,
    the first in keeper order is counted exactly, and this many more, the most alike by their signatures.
    """

    min_resemblance: float = 0.8
    min_containment: float | None = None
    max_keepers: int = 32
    max_counted: int = 8

    def __post_init__(self) -> None:
        for name, value in (("min_resemblance", self.min_resemblance), ("min_containment", self.min_containment)):
            if value is not None:
                check_fraction(name, value)
        for name, bound in (("max_keepers", self.max_keepers), ("max_counted", self.max_counted)):
            check_whole(name, bound, 1)

    def match(self, overlap: Offsets, size: Offsets, keeper_size: Offsets) -> Flags:
        """Decide from exact counts; all int64 of one shape.

        >>> Criteria(min_containment=0.9).match(np.array([8, 9, 9]), np.array([9, 11, 9]), np.array([9, 10, 99]))
        array([ True, False,  True])
        """
        found: Flags = overlap / (size + keeper_size - overlap) >= self.min_resemblance
        if self.min_containment is not None:
            found |= overlap / size >= self.min_containment
        return found

    def least_equal(
        self, num_perm: int, size: Offsets, keeper_size: Offsets
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the least number of equal signature values of pairs that may match, and of pairs expected to.

        The first is four standard errors below the second: a pair that matches falls short of it with a probability
        below 1e-4. Pairs that fall short are not counted.
        """
        resemblance = np.full(len(size), self.min_resemblance)
        if self.min_containment is not None:
            overlap = self.min_containment * size
            np.minimum(resemblance, overlap / (size + keeper_size - overlap), out=resemblance)
        margin = 4 * np.sqrt(resemblance * (1 - resemblance) / num_perm)
        return num_perm * (resemblance - margin), num_perm * resemblance


@dataclass(frozen=True, slots=True)
class ShingleSets:
    """Hold sets of documents: set i is values[start[i]:start[i + 1]], uint32, ascending, distinct."""

    values: NDArray[np.uint32]
    start: Offsets
    sizes: Offsets

    def overlaps(self, left: Offsets, right: Offsets) -> Offsets:
        """Count the common shingles of pairs of sets; int64 (num_pairs,)."""
        out = np.zeros(len(left), np.int64)
        done = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.sizes[left] + self.sizes[right])])
        begin = 0
        while begin < len(left):
            end = max(begin + 1, int(np.searchsorted(done, done[begin] + _SLICE_SHINGLES, side="right")) - 1)
            # two ascending runs, which the stable sort merges in one pass: 9 us a pair of 300 shingles, the other
            # sort and a search in a table of all sets 20, Python's sets 16
            keys = np.concatenate([self._keys(left[begin:end]), self._keys(right[begin:end])])
            keys.sort(kind="stable")
            common = keys[1:][keys[1:] == keys[:-1]] >> _HALF
            out[begin:end] = np.bincount(common.astype(np.int64), minlength=end - begin)
            begin = end
        return out

    def _keys(self, rows: Offsets) -> NDArray[np.uint64]:
        sizes = self.sizes[rows]
        pair = np.repeat(np.arange(len(rows), dtype=np.uint64), sizes)
        return (pair << _HALF) | self.values[ranges(self.start[rows], sizes)]


def shingle_sets(shingles: NDArray[np.uint32], shingle_start: Offsets, rows: Offsets) -> ShingleSets:
    """Sort the shingles of some documents and drop repeats; set i belongs to rows[i].

    >>> shingle_sets(np.array([9, 3, 9, 1], np.uint32), np.array([0, 3, 4]), np.array([1, 0])).values.tolist()
    [1, 3, 9]
    """
    sizes = shingle_start[rows + 1] - shingle_start[rows]
    done = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    distinct, values, begin = np.zeros(len(rows), np.int64), [np.empty(0, np.uint32)], 0
    while begin < len(rows):
        end = max(begin + 1, int(np.searchsorted(done, done[begin] + _SLICE_SHINGLES, side="right")) - 1)
        part = slice(begin, end)
        owner = np.repeat(np.arange(end - begin, dtype=np.uint64), sizes[part])
        keys = (owner << _HALF) | shingles[ranges(shingle_start[rows[part]], sizes[part])]
        keys.sort()
        keys = keys[np.concatenate([np.ones(min(1, len(keys)), np.bool_), keys[1:] != keys[:-1]])]
        distinct[part] = np.bincount((keys >> _HALF).astype(np.int64), minlength=end - begin)
        values.append(keys.astype(np.uint32))
        begin = end
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(distinct)])
    return ShingleSets(np.concatenate(values), start, distinct)
