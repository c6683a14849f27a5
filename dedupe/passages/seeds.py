"""Choose the windows of documents by which shared passages are found."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe import kernels
from dedupe.hashing import mix
from dedupe.records import Flags, Hashes, Offsets

_STEP = 3  # two shingles of 5 tokens, so far apart, make a window of 8
_WINNOW = 4  # a power of two; any equal run of 15 tokens has a common seed
_NO_SEED = np.uint64(0xFFFFFFFFFFFFFFFF)


def winnowed_seeds(shingles: NDArray[np.uint32], shingle_start: Offsets) -> tuple[Hashes, Offsets, Offsets]:
    """Choose about two in five windows of each document, the same wherever the window stands.

    `shingles`, `shingle_start`: the word 5-shingles of documents in order, as `dedupe.shingle` makes them.
    Returns hashes uint64, documents and positions (of the window's first token) int64, in order.
    """
    if kernels.are_on():
        from dedupe.kernels.seeds import winnowed_seeds as compiled

        return compiled(shingles, shingle_start, _STEP, _WINNOW)
    num = len(shingles) - _STEP
    nobody = np.empty(0, np.int64)
    if num <= 0:
        return np.empty(0, np.uint64), nobody, nobody
    values = mix((shingles[:num].astype(np.uint64) << np.uint64(32)) | shingles[_STEP:])
    doc = np.repeat(np.arange(len(shingle_start) - 1), np.diff(shingle_start))
    inside = doc[:num] == doc[_STEP:]  # no window over the end of a document
    values, owner, at = values[inside], doc[:num][inside], np.flatnonzero(inside)
    # documents a winnowing window apart, so that none has a say in the choice of another
    apart = np.full(len(values) + _WINNOW * len(shingle_start), _NO_SEED)
    place = np.arange(len(values)) + _WINNOW * (owner + 1)
    apart[place] = values
    chosen = np.flatnonzero(_least_of_some_window(apart)[place])
    return values[chosen], owner[chosen], at[chosen] - shingle_start[owner[chosen]]


def _least_of_some_window(values: Hashes) -> Flags:
    """Say which values are the least of _WINNOW neighbors, for some window that holds them."""
    least = values
    size = 1
    while size < _WINNOW:
        least = np.minimum(least[:len(least) - size], least[size:])
        size *= 2
    most = np.concatenate([np.zeros(_WINNOW - 1, np.uint64), least, np.zeros(_WINNOW - 1, np.uint64)])
    size = 1
    while size < _WINNOW:
        most = np.maximum(most[:len(most) - size], most[size:])
        size *= 2
    return np.asarray(most == values)


def pair_seeds(
    key: Hashes, doc: Offsets, at: NDArray[np.integer[Any]], place: Offsets, num_sources: int = 1
) -> tuple[Offsets, Offsets, Offsets, Offsets]:
    """Pair each seed with the same seed in the documents that come first of all that have it.

    Args:
        key, doc, at: rows of seeds, all copies of a key among them, sorted by key, document, position.
        place: int64, the place of each document in the order of sources; a smaller one is the source.
        num_sources: how many sources a seed has at most; passages that overlap have different first documents.

    Returns:
        doc, at, source, source_at; a seed in n documents makes fewer than n * num_sources pairs, never all pairs.
    """
    rows = _in_company(key, doc)
    key, doc, rank = key[rows], doc[rows], place[doc[rows]]
    position: Offsets = at[rows].astype(np.int64)
    group = np.cumsum(_changes(key)) - 1
    order = np.lexsort((rank, group))  # stable: the positions of a document ascend
    group, doc, position, rank = group[order], doc[order], position[order], rank[order]
    # rows that may be sources: the first of each document in each group
    firsts = np.flatnonzero(_changes(group) | _changes(doc))
    first_of_group = np.searchsorted(group[firsts], np.arange(int(group[-1]) + 1 if len(group) else 0))
    found, sources = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for number in range(num_sources):
        source = firsts[np.minimum(first_of_group[group] + number, len(firsts) - 1)]
        pairs = np.flatnonzero((group[source] == group) & (rank[source] < rank))
        found.append(pairs)
        sources.append(source[pairs])
    row, source = np.concatenate(found), np.concatenate(sources)
    return doc[row], position[row], doc[source], position[source]


def _in_company(key: Hashes, doc: Offsets) -> Offsets:
    """Choose the rows whose key several documents have, a fifth of all or fewer: the others make no pairs."""
    same = key[1:] == key[:-1]
    repeated = np.zeros(len(key), np.bool_)
    repeated[1:] = same
    repeated[:-1] |= same
    rows = np.flatnonzero(repeated)
    firsts = np.flatnonzero(_changes(key[rows]))
    sizes = np.diff(np.append(firsts, len(rows)))
    held = doc[rows]
    chosen: Offsets = rows[np.repeat(held[firsts] != held[firsts + sizes - 1], sizes)]
    return chosen


def _changes(values: NDArray[Any]) -> Flags:
    changes = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes


def count_shared(key: Hashes, doc: Offsets) -> tuple[Offsets, Offsets]:
    """Count the seeds of each document that others have too: documents int64, ascending, and their counts.

    `key`, `doc`: rows of seeds, all copies of a key among them, sorted by key, then document.

    >>> [found.tolist() for found in count_shared(np.array([5, 5, 6, 7, 7], np.uint64), np.array([1, 2, 2, 2, 2]))]
    [[1, 2], [1, 1]]
    """
    distinct = _changes(key) | _changes(doc)
    key, doc = key[distinct], doc[distinct]
    shared = np.zeros(len(key), np.bool_)
    shared[1:] = key[1:] == key[:-1]
    shared[:-1] |= shared[1:]
    docs, counts = np.unique(doc[shared], return_counts=True)
    return docs, counts.astype(np.int64)
