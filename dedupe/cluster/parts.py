"""Apply the rule of dedupe.cluster to documents whose shingles do not fit in memory at once.

Documents are walked in keeper order, part by part. What a part needs of the documents before it are those that were
kept and stand in its buckets, and of each bucket no more than the rule looks at. So a part is read together with
these, which stay what they are, and the keepers are those of one walk over everything.

Memory: 40 bytes a place in a bucket, and the shingles of one part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster import Clusters, Criteria, near_duplicate_clusters
from dedupe.hashing import ranges
from dedupe.records import Flags, Offsets

Load = Callable[[Offsets], tuple[NDArray[np.uint32], Offsets, NDArray[np.uint32]]]


def clusters_in_parts(
    load: Load, weights: Offsets, bucket_start: Offsets, members: Offsets, inner: Offsets, outer: Offsets, *,
    criteria: Criteria, max_weight: int,
) -> Clusters:
    """Give every document its keeper; documents are numbered in keeper order.

    Args:
        load: gives shingles, shingle_start and signatures of some documents (ascending), as in dedupe.sketch.
        weights: int64 (num_docs,), what a document takes of the memory.
        bucket_start, members, inner, outer: candidates, as `near_duplicate_clusters` takes them.
        max_weight: what may be loaded at a time; a document with the keepers of its buckets is always loaded.
    """
    num_docs = len(weights)
    found = Clusters(np.arange(num_docs), np.ones(num_docs), np.ones(num_docs))
    walk = _Walk(weights, _sorted_buckets(bucket_start, members), inner, outer, criteria.max_keepers, found.keeper)
    for part in walk.parts(max_weight):
        docs = part.docs
        shingles, start, signatures = load(docs)
        done = near_duplicate_clusters(
            shingles, start, signatures, np.arange(len(docs)), part.bucket_start, part.members,
            criteria=criteria, inner=part.inner, outer=part.outer, num_settled=part.num_settled,
        )
        new = slice(part.num_settled, None)
        found.keeper[docs[new]] = docs[done.keeper[new]]
        found.resemblance[docs[new]], found.containment[docs[new]] = done.resemblance[new], done.containment[new]
    return found


@dataclass(frozen=True, slots=True)
class _Buckets:
    """List bucket and member of every place in a bucket, by member; `sizes` of the buckets."""

    owner: Offsets
    member: Offsets
    sizes: Offsets


def _sorted_buckets(start: Offsets, members: Offsets) -> _Buckets:
    sizes = np.diff(start)
    order = np.argsort(members, kind="stable")
    return _Buckets(np.repeat(np.arange(len(sizes)), sizes)[order], members[order], sizes)


@dataclass(frozen=True, slots=True)
class _Part:
    """Hold documents, ascending, the first `num_settled` of them kept, and the candidates by their places here."""

    docs: Offsets
    num_settled: int
    bucket_start: Offsets
    members: Offsets
    inner: Offsets
    outer: Offsets


class _Walk:
    """Cut documents into parts as it goes; `keeper` is filled by the caller between parts."""

    def __init__(
        self, weights: Offsets, buckets: _Buckets, inner: Offsets, outer: Offsets, max_keepers: int, keeper: Offsets
    ) -> None:
        self._done = np.concatenate([np.zeros(1, np.int64), np.cumsum(weights)])
        self._weights, self._buckets, self._keeper = weights, buckets, keeper
        order = np.argsort(inner, kind="stable")
        self._inner, self._outer = inner[order], outer[order]
        self._kept = _Kept(buckets.sizes, max_keepers)

    def parts(self, max_weight: int) -> Iterator[_Part]:
        """Give parts of about half the weight, and less where the keepers they need take more than the other."""
        begin = 0
        while begin < len(self._weights):
            budget = max_weight // 2 if begin else max_weight
            end = int(np.searchsorted(self._done, self._done[begin] + budget, side="right")) - 1
            end = max(begin + 1, end)
            before = self._before(begin, end)
            while end - begin > 1 and self._weight(before, begin, end) > max_weight:
                end = begin + (end - begin) // 2
                before = self._before(begin, end)
            yield self._part(before, begin, end)
            low, high = np.searchsorted(self._buckets.member, (begin, end))
            member, owner = self._buckets.member[low:high], self._buckets.owner[low:high]
            stays = self._stays(member)
            self._kept.add(owner[stays], member[stays])
            begin = end

    def _weight(self, before: Offsets, begin: int, end: int) -> int:
        return int(self._weights[before].sum() + self._done[end] - self._done[begin])

    def _stays(self, docs: Offsets) -> Flags:
        found: Flags = self._keeper[docs] == docs
        return found

    def _touched(self, begin: int, end: int) -> tuple[Offsets, Offsets, Offsets, Offsets]:
        """Give the places in buckets of a part, and those of kept documents before it in the same buckets."""
        low, high = np.searchsorted(self._buckets.member, (begin, end))
        owner, member = self._buckets.owner[low:high], self._buckets.member[low:high]
        return owner, member, *self._kept.of(np.unique(owner))

    def _pairs(self, begin: int, end: int) -> tuple[Offsets, Offsets]:
        low, high = np.searchsorted(self._inner, (begin, end))
        inner, outer = self._inner[low:high], self._outer[low:high]
        counts = (outer < inner) & ((outer >= begin) | self._stays(outer))
        return inner[counts], outer[counts]

    def _before(self, begin: int, end: int) -> Offsets:
        """List the kept documents before a part that one of its documents may go for, ascending."""
        outer = self._pairs(begin, end)[1]
        return np.unique(np.concatenate([self._touched(begin, end)[3], outer[outer < begin]]))

    def _part(self, before: Offsets, begin: int, end: int) -> _Part:
        docs = np.concatenate([before, np.arange(begin, end)])
        owner, member, kept_owner, kept = self._touched(begin, end)
        owner, member = np.concatenate([kept_owner, owner]), np.concatenate([kept, member])
        order = np.lexsort((member, owner))
        owner, member = owner[order], np.searchsorted(docs, member[order])
        begins = np.flatnonzero(np.diff(owner, prepend=-1))
        inner, outer = (np.searchsorted(docs, places) for places in self._pairs(begin, end))
        return _Part(docs, len(before), np.append(begins, len(owner)), member, inner, outer)


class _Kept:
    """Hold the first `max_keepers` kept members of every bucket."""

    def __init__(self, sizes: Offsets, max_keepers: int) -> None:
        self._room = np.minimum(sizes, max_keepers)
        self._first = np.cumsum(self._room) - self._room
        self._members = np.empty(int(self._room.sum()), np.int64)
        self._count = np.zeros(len(sizes), np.int64)

    def add(self, owner: Offsets, member: Offsets) -> None:
        """Add members to buckets, as far as there is room; they come in keeper order, part after part."""
        order = np.argsort(owner, kind="stable")
        owner, member = owner[order], member[order]
        bucket, first, count = np.unique(owner, return_index=True, return_counts=True)
        place = self._count[owner] + np.arange(len(owner)) - np.repeat(first, count)
        fits = place < self._room[owner]
        self._members[self._first[owner[fits]] + place[fits]] = member[fits]
        self._count[bucket] = np.minimum(self._count[bucket] + count, self._room[bucket])

    def of(self, buckets: Offsets) -> tuple[Offsets, Offsets]:
        """List the kept members of some buckets, with their bucket."""
        count = self._count[buckets]
        return np.repeat(buckets, count), self._members[ranges(self._first[buckets], count)]
