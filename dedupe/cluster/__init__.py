"""Decide which documents are near-duplicates of which: verified candidates in, a keeper for every document out.

    sets.py        distinct shingles of documents; exact overlaps of many pairs at once
    candidates.py  who shares a bucket with whom, and who may hold whom
    stars.py       the rule: who stays, and who goes for which keeper
    parts.py       the rule for documents whose shingles do not fit in memory at once

The rule, in keeper order: a document is kept unless it matches one already kept among its candidates, and the first
such becomes its keeper. A document that goes therefore matches its keeper itself (no chains: A ~ B ~ C with A far from
C keeps A and C), no kept document matches an earlier kept one among its candidates, and the order of arrival changes
nothing.

Document d matches keeper k if their resemblance is at least `min_resemblance` or, where `min_containment` is given, at
least that fraction of d's shingles is in k: a short article goes for the long page that holds it, never the reverse.
Both are counted exactly, on distinct shingle hashes. Exact copies are put together first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster.candidates import Candidates
from dedupe.cluster.sets import Criteria, shingle_sets
from dedupe.cluster.stars import assign_keepers
from dedupe.records import Flags, Hashes, Offsets

__all__ = ["Clusters", "Criteria", "exact_copies", "keeper_order", "near_duplicate_clusters", "representatives"]


@dataclass(frozen=True, slots=True)
class Clusters:
    """Name the keeper of every document of a corpus.

    `keeper`: int64 (num_docs,), a row; its own row where a document is kept, so keeper[keeper] == keeper.
    `resemblance`, `containment`: float64 (num_docs,), exact, between the document and its keeper: |A & B| / |A | B| and
    |A & B| / |A| with A the document that goes; 1 where it is kept.
    """

    keeper: Offsets
    resemblance: NDArray[np.float64]
    containment: NDArray[np.float64]


def keeper_order(
    ids: Sequence[str] | NDArray[np.generic], key: NDArray[np.generic] | None = None, *, largest_first: bool = True
) -> Offsets:
    """Put documents in keeper order: the ones to keep come first.

    Args:
        ids: one a document, all different, whatever the order of arrival; they break ties (least first).
        key: numbers (num_docs,): sizes to keep the longest, times to keep the newest, any field; None for ids alone.
            NaN comes last.
        largest_first: False to prefer the least key, for instance the earliest.

    Returns:
        int64 (num_docs,), rows, best first.

    >>> keeper_order(["b", "a", "c"], np.array([5, 5, 9])).tolist()
    [2, 1, 0]
    """
    by_id = np.argsort(np.asarray(ids, dtype=object if not isinstance(ids, np.ndarray) else None), kind="stable")
    if key is None:
        return by_id.astype(np.int64)
    number = key.astype(np.int64) if key.dtype.kind in "bui" else key.astype(np.float64)
    by_key = np.argsort((-number if largest_first else number)[by_id], kind="stable")
    return by_id.astype(np.int64)[by_key]


def exact_copies(
    content_hash: Hashes, shingle_start: Offsets, order: Offsets, signatures: NDArray[np.uint32] | None = None
) -> Offsets:
    """Let the first of equal documents, in keeper order, stand for the others.

    Args:
        content_hash: uint64 (num_docs,), of the whole canonical stream.
        shingle_start: int64 (num_docs + 1,). A document without shingles equals nothing: nobody can tell what it is.
        order: int64 (num_docs,), as `keeper_order` gives it.
        signatures: uint32 (num_docs, num_perm); if given, copies must agree in them too. The hash of a stream can be
            forged; a forged copy then stands for itself.

    Returns:
        int64 (num_docs,): the row that stands for each document, its own for most.

    >>> exact_copies(np.array([7, 7, 8, 7], np.uint64), np.array([0, 1, 2, 3, 3]), np.array([3, 1, 0, 2])).tolist()
    [1, 1, 2, 3]
    """
    stands = np.arange(len(order), dtype=np.int64)
    rows = order[(np.diff(shingle_start) > 0)[order]]
    rows = rows[np.argsort(content_hash[rows], kind="stable")]
    is_first = np.ones(len(rows), np.bool_)
    is_first[1:] = content_hash[rows[1:]] != content_hash[rows[:-1]]
    first = rows[is_first][np.cumsum(is_first) - 1]
    if signatures is not None:
        copies = np.flatnonzero(first != rows)
        forged = (signatures[rows[copies]] != signatures[first[copies]]).any(axis=1)
        first[copies[forged]] = rows[copies[forged]]
    stands[rows] = first
    return stands


def representatives(stands: Offsets, shingle_start: Offsets, order: Offsets) -> Offsets:
    """List the documents to index, in keeper order: no exact copies, none without shingles."""
    takes_part: Flags = (stands == np.arange(len(stands))) & (np.diff(shingle_start) > 0)
    chosen: Offsets = order[takes_part[order]]
    return chosen


def near_duplicate_clusters(
    shingles: NDArray[np.uint32],
    shingle_start: Offsets,
    signatures: NDArray[np.uint32],
    docs: Offsets,
    bucket_start: Offsets,
    bucket_docs: Offsets,
    *,
    criteria: Criteria,
    stands: Offsets | None = None,
    inner: Offsets | None = None,
    outer: Offsets | None = None,
    num_settled: int = 0,
    fast: bool | None = None,
) -> Clusters:
    """Verify candidates and give every document its keeper.

    Args:
        shingles, shingle_start: uint32 (num_shingles,), int64 (num_docs + 1,), as in dedupe.sketch.
        signatures: uint32 (num_docs, num_perm); used only to pass over candidates that are far apart.
        docs: int64, the rows that take part, in keeper order, as `representatives` gives them.
        bucket_start, bucket_docs: the buckets of dedupe.index, members in keeper order.
        criteria: what makes a match.
        stands: int64 (num_docs,), as `exact_copies` gives it; None if there are no copies.
        inner, outer: candidates for containment, as dedupe.index gives them.
        num_settled: how many of `docs`, the first, are known to be kept and only wait for the others.
        fast: True for the compiled kernel, False for NumPy, None to choose by size. Both give the same bits.
    """
    num_docs = len(shingle_start) - 1
    nobody = np.empty(0, np.int64)
    inner, outer = (nobody, nobody) if inner is None or outer is None else (inner, outer)
    place = np.full(num_docs, -1, np.int64)
    place[docs] = np.arange(len(docs))
    involved = docs[np.unique(place[np.concatenate([bucket_docs, inner, outer])])]  # still in keeper order
    num_settled = int(np.searchsorted(place[involved], num_settled))
    place[involved] = np.arange(len(involved))  # from here on documents are numbered among these
    sets = shingle_sets(shingles, shingle_start, involved)
    candidates = Candidates.of(len(involved), bucket_start, place[bucket_docs], place[inner], place[outer])
    chosen, overlap = assign_keepers(sets, signatures, involved, candidates, criteria, num_settled, fast=fast)
    keeper = np.arange(num_docs, dtype=np.int64)
    keeper[involved] = involved[chosen]
    resemblance, containment = np.ones(num_docs), np.ones(num_docs)
    sizes = sets.sizes
    resemblance[involved] = overlap / (sizes + sizes[chosen] - overlap)
    containment[involved] = overlap / sizes
    if stands is not None:  # copies have the very shingles of the document that stands for them
        keeper, resemblance, containment = keeper[stands], resemblance[stands], containment[stands]
    return Clusters(keeper, resemblance, containment)
