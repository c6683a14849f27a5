"""Choose the windows of documents by which shared passages are found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe.hashing import mix
from dedupe.records import Flags, Hashes, Offsets

_STEP = 5  # two shingles of five tokens side by side are a window of ten
WINDOW_TOKENS = 10
_WINNOW = 8  # a power of two; any equal run of WINDOW_TOKENS + 7 tokens has a common seed
_NO_SEED = np.uint64(0xFFFFFFFFFFFFFFFF)


def winnowed_seeds(shingles: NDArray[np.uint32], shingle_start: Offsets) -> tuple[Hashes, Offsets, Offsets]:
    """Choose about two in nine windows of each document, the same wherever the window stands.

    `shingles`, `shingle_start`: the word 5-shingles of documents in order, as `dedupe.shingle` makes them.
    Returns hashes uint64, documents and positions (of the window's first token) int64, in order.
    """
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


def pair_seeds(key: Hashes, doc: Offsets, at: Offsets, place: Offsets) -> tuple[Offsets, Offsets, Offsets, Offsets]:
    """Pair each seed with the same seed in the document that comes first of all that have it.

    Args:
        key, doc, at: rows of seeds, all copies of a key among them.
        place: int64, the place of each row's document in keeper order; a smaller one is the source.

    Returns:
        doc, at, source, source_at; a seed in n documents makes n - 1 pairs or few more, never all pairs.
    """
    order = np.lexsort((at, place, key))
    key, doc, at = key[order], doc[order], at[order]
    begins = np.ones(len(key), np.bool_)
    begins[1:] = key[1:] != key[:-1]
    first = np.maximum.accumulate(np.where(begins, np.arange(len(key)), 0))
    pairs = doc != doc[first]
    return doc[pairs], at[pairs], doc[first[pairs]], at[first[pairs]]
