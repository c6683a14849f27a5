"""Find how far pairs of documents are equal around seeds, for many pairs at once.

All work is done on arrays of all pairs: a corpus has a pair for every quotation, and a few calls of NumPy for each
would take longer than reading the texts again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dedupe.hashing import ranges
from dedupe.records import Flags, Offsets

_MAX_SLIPS = 64  # shifts looked at of two documents that repeat one phrase all over: bounds the work
_SLICE_SHINGLES = 1 << 20  # compared in one pass
_FIRST_STEP, _LAST_STEP = 16, 1024


@dataclass(frozen=True, slots=True)
class Pairs:
    """Name pairs of documents to compare.

    `shingles`: uint32, the word 5-shingles of all documents, in order. `start`, `size`: int64 (num_pairs,), where those
    of the first document of each pair stand; `other_start`, `other_size`: those of the second.
    """

    shingles: NDArray[np.uint32]
    start: Offsets
    size: Offsets
    other_start: Offsets
    other_size: Offsets


@dataclass(frozen=True, slots=True)
class EqualRuns:
    """List equal runs, all int64 (num_runs,): the pair, where the run starts in either document, its size."""

    pair: Offsets
    at: Offsets
    other_at: Offsets
    size: Offsets

    def __len__(self) -> int:
        return len(self.pair)

    def take(self, rows: Offsets) -> EqualRuns:
        """Choose some rows."""
        return EqualRuns(self.pair[rows], self.at[rows], self.other_at[rows], self.size[rows])


def join_runs(parts: list[EqualRuns]) -> EqualRuns:
    """Put lists one behind the other."""
    none = np.empty(0, np.int64)
    names = ("pair", "at", "other_at", "size")
    return EqualRuns(*(np.concatenate([none, *(getattr(part, name) for part in parts)]) for name in names))


def equal_runs(pairs: Pairs, pair: Offsets, at: Offsets, other_at: Offsets) -> EqualRuns:
    """Extend seeds both ways to maximal runs of equal shingles, sorted by pair, place, place in the other document.

    `pair`, `at`, `other_at`: int64 (num_seeds,), windows that seem equal, in any order. Of each pair those of the
    _MAX_SLIPS shifts that have most of them count.
    """
    slip = at - other_at
    order = np.lexsort((at, slip, pair))
    pair, at, slip = pair[order], at[order], slip[order]
    begins = np.flatnonzero(_changes(pair) | _changes(slip))
    counts = np.diff(np.append(begins, len(pair)))
    chosen = _most_common(pair[begins], slip[begins], counts)
    begins, counts = begins[chosen], counts[chosen]
    spread = at[begins + counts - 1] - at[begins]
    cuts = np.flatnonzero(np.diff(np.cumsum(spread) // _SLICE_SHINGLES)) + 1
    found = join_runs([
        _runs_of(pairs, pair[first], slip[first], at[ranges(first, size)], size)
        for first, size in zip(np.split(begins, cuts), np.split(counts, cuts), strict=True)
    ])
    return found.take(np.lexsort((found.size, found.other_at, found.at, found.pair)))


def _changes(values: Offsets) -> Flags:
    changes = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes


def bounds_of(groups: Offsets) -> tuple[Offsets, Offsets]:
    """Give the first and the last row of each run of equal numbers.

    >>> [rows.tolist() for rows in bounds_of(np.array([3, 3, 5]))]
    [[0, 2], [1, 2]]
    """
    firsts = np.flatnonzero(_changes(groups))
    return firsts, np.append(firsts[1:], len(groups))[:len(firsts)] - 1


def _most_common(pair: Offsets, slip: Offsets, counts: Offsets) -> Offsets:
    """Choose the shifts of each pair that have most seeds; all where it has not too many."""
    firsts = np.flatnonzero(_changes(pair))
    sizes = np.diff(np.append(firsts, len(pair)))
    if int(sizes.max(initial=0)) <= _MAX_SLIPS:
        return np.arange(len(pair))
    order = np.lexsort((slip, -counts, pair))
    rank = np.arange(len(pair)) - np.repeat(firsts, sizes)
    chosen: Offsets = np.sort(order[rank < _MAX_SLIPS])
    return chosen


def _runs_of(pairs: Pairs, pair: Offsets, slip: Offsets, seeds: Offsets, counts: Offsets) -> EqualRuns:
    """Find the runs of groups of seeds: each those of one pair with one shift.

    `pair`, `slip`, `counts`: int64 (num_groups,); `seeds`: the places of the seeds, ascending, group by group.
    All that lies between the first and the last seed of a group is compared; what lies beyond, from these two on.
    """
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    first, last = seeds[bounds[:-1]], seeds[np.maximum(1, bounds[1:]) - 1]
    one, two = pairs.start[pair], pairs.other_start[pair] - slip
    sizes = last - first + 1
    place, flat_start = ranges(first, sizes), np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    alike = pairs.shingles[place + np.repeat(one, sizes)] == pairs.shingles[place + np.repeat(two, sizes)]
    low, high = np.maximum(0, slip), np.minimum(pairs.size[pair], pairs.other_size[pair] + slip)
    begin = first - common_sizes(pairs.shingles, one + first, two + first, first - low, forward=False)
    end = last + 1 + common_sizes(pairs.shingles, one + last + 1, two + last + 1, high - last - 1)
    unequal = np.concatenate([np.full(1, -1), np.flatnonzero(~alike), np.full(1, len(alike))])
    group = np.repeat(np.arange(len(pair)), counts)
    row = np.searchsorted(unequal[1:-1], seeds - (first - flat_start[:-1])[group])
    before, after = unequal[row], unequal[row + 1]  # the unequal places next to each seed, perhaps of other groups
    start = np.where(before >= flat_start[group], before + 1 + (first - flat_start[:-1])[group], begin[group])
    stop = np.where(after < flat_start[group + 1], after + (first - flat_start[:-1])[group], end[group])
    new = np.flatnonzero((_changes(group) | _changes(row)) & (stop > start))
    group, start, stop = group[new], start[new], stop[new]
    return EqualRuns(pair[group], start, start - slip[group], stop - start)


def common_sizes(
    shingles: NDArray[np.uint32], one: Offsets, two: Offsets, limit: Offsets, *, forward: bool = True
) -> Offsets:
    """Count the shingles that agree from two places on (forward), or right before them: int64 (num_rows,).

    `limit`: int64 (num_rows,), how many may be looked at.

    >>> values = np.array([1, 2, 3, 1, 2, 4], np.uint32)
    >>> common_sizes(values, np.array([0]), np.array([3]), np.array([3])).tolist()
    [2]
    """
    size = np.zeros(len(one), np.int64)
    rows = np.flatnonzero(limit > 0)
    step = _FIRST_STEP
    while len(rows):
        longest = max(1, _SLICE_SHINGLES // step)
        pieces = [rows[begin:begin + longest] for begin in range(0, len(rows), longest)]
        found = np.concatenate([
            _agreeing(shingles, one[piece], two[piece], size[piece], limit[piece], step, forward) for piece in pieces
        ])
        size[rows] += found
        rows = rows[(found == step) & (size[rows] < limit[rows])]
        step = min(2 * step, _LAST_STEP)
    return size


def _agreeing(
    shingles: NDArray[np.uint32], one: Offsets, two: Offsets, done: Offsets, limit: Offsets, step: int, forward: bool
) -> Offsets:
    """Count how many of the next `step` shingles agree, behind those that are done."""
    places = done[:, None] + np.arange(step)
    inside = places < limit[:, None]
    places = np.where(inside, places if forward else -1 - places, 0 if forward else -1)
    agree = inside & (shingles[one[:, None] + places] == shingles[two[:, None] + places])
    return np.where(agree.all(axis=1), step, np.argmin(agree, axis=1))
