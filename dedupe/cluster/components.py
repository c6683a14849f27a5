"""Tie documents together over any number of steps: a forest in memory, or the two steps of stars for what is too much.

Documents are numbered in keeper order. The label of one is the least number it is tied to, its own if to none.

Source: R. Kiveris et al., "Connected components in MapReduce and beyond", SoCC 2014, algorithm 4 ("alternating"). Here
a step works on sorted rows, so the least neighbor of a number comes first and nothing is collected by number.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dedupe.records import Flags, Offsets

_Numbers: TypeAlias = NDArray[np.integer[Any]]
_MIN_HELD = 1 << 16


class Forest:
    """Unite numbers 0 … size - 1 by edges.

    Memory: 4 bytes a number, and the edges that wait: as many as there are numbers, or as come at once.

    >>> forest = Forest(5)
    >>> forest.add(np.array([4, 3]), np.array([3, 1]))
    >>> forest.labels().tolist()
    [0, 1, 2, 1, 1]
    """

    def __init__(self, size: int, labels: _Numbers | None = None) -> None:
        """Begin with no edges, or with `labels` as another forest gave them."""
        self._type = np.dtype(np.int32 if size < 1 << 31 else np.int64)
        self._label = np.arange(size, dtype=self._type) if labels is None else labels.astype(self._type)
        self._held: list[tuple[_Numbers, _Numbers]] = []
        self._num_held = 0

    def add(self, one: _Numbers, two: _Numbers) -> None:
        """Unite one[i] with two[i]."""
        self._held.append((one.astype(self._type), two.astype(self._type)))
        self._num_held += len(one)
        if self._num_held >= max(_MIN_HELD, len(self._label) // 4):
            self._unite()

    def labels(self) -> _Numbers:
        """Give the least number that each is tied to; (size,)."""
        self._unite()
        label = self._label
        while True:
            further = label[label]
            if (further == label).all():
                self._label = label
                return label.copy()
            label = further

    def _unite(self) -> None:
        if not self._held:
            return
        one, two = (np.concatenate(side) for side in zip(*self._held, strict=True))
        self._held, self._num_held = [], 0
        while True:
            one, two = self._roots(one), self._roots(two)
            apart = one != two
            if not apart.any():
                return
            low, high = np.minimum(one[apart], two[apart]), np.maximum(one[apart], two[apart])
            # every root that has a lesser neighbor goes below the least of them; in two rounds half of all roots go
            np.minimum.at(self._label, high, low)
            one, two = high, low

    def _roots(self, at: _Numbers) -> _Numbers:
        """Find the roots of some numbers, and let these point there; steps double."""
        found = self._label[at]
        while True:
            further = self._label[found]
            if (further == found).all():
                return found
            self._label[at] = further
            found = further


def contracted(sizes: Offsets, members: _Numbers) -> tuple[Offsets, Offsets]:
    """Tie the members of every set together with as few edges as can be: at most one a number.

    Returns:
        child, root: int64 (num_edges,); `child` ascends, each is tied to the least number it is tied to here.

    >>> contracted(np.array([2, 3]), np.array([7, 9, 1, 7, 8]))
    (array([7, 8, 9]), array([1, 1, 1]))
    """
    numbers, row = np.unique(members, return_inverse=True)
    forest = Forest(len(numbers))
    firsts = np.cumsum(sizes) - sizes
    forest.add(row.ravel(), np.repeat(row.ravel()[firsts], sizes))
    root = forest.labels()
    child = np.flatnonzero(root != np.arange(len(numbers)))
    return numbers[child].astype(np.int64), numbers[root[child]].astype(np.int64)


class Stars:
    """Do the steps on sorted rows of edges, piece after piece: columns `node` and `other`, sorted by both.

    A row may come twice. What a piece needs of the ones before is the last node with its least neighbor and its last.
    """

    def __init__(self) -> None:
        self._node = self._least = self._last = -1

    def _rows(self, node: Offsets, other: Offsets) -> tuple[Offsets, Offsets, Offsets, Flags]:
        """Give rows without repeats, the least neighbor of each node, and whether a row is the node's first."""
        before, previous = np.append(self._node, node[:-1]), np.append(self._last, other[:-1])
        is_new = (node != before) | (other != previous)
        is_first = (node != before)[is_new]
        node, other = node[is_new], other[is_new]
        begins = np.flatnonzero(np.append(True, is_first[1:])) if len(node) else np.empty(0, np.int64)
        least = other[begins]
        if len(node) and not is_first[0]:
            least[0] = self._least
        least = np.repeat(least, np.diff(np.append(begins, len(node))))
        if len(node):
            self._node, self._least, self._last = int(node[-1]), int(least[-1]), int(other[-1])
        return node, other, least, is_first

    def large(self, node: Offsets, other: Offsets) -> tuple[Offsets, Offsets]:
        """Tie every greater neighbor of a node to the least of node and neighbors; rows have both directions.

        >>> Stars().large(np.array([1, 1, 2, 2]), np.array([2, 3, 1, 5]))
        (array([2, 3, 5]), array([1, 1, 1]))
        """
        node, other, least, _ = self._rows(node, other)
        greater = other > node
        return other[greater], np.minimum(least, node)[greater]

    def small(self, node: Offsets, other: Offsets) -> tuple[Offsets, Offsets]:
        """Tie a node and its neighbors to the least of these; rows are those with node > other.

        >>> Stars().small(np.array([5, 5]), np.array([1, 3]))
        (array([5, 3]), array([1, 1]))
        """
        node, other, least, is_first = self._rows(node, other)
        return np.where(is_first, node, other), least  # the first row has the least neighbor, which goes to nobody

    def num_loose(self, node: Offsets, other: Offsets) -> int:
        """Count rows that keep the edges from being stars around least numbers; rows have both directions.

        They are none just if every node is less than all its neighbors or has one neighbor only.
        """
        node, _, least, is_first = self._rows(node, other)
        return int(((least < node) & ~is_first).sum())
