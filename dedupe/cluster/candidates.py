"""Candidates of documents, by document: who shares a bucket with it, and who may hold it.

Documents are numbered in keeper order, so the least number is the best keeper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dedupe.records import Offsets


@dataclass(frozen=True, slots=True)
class Candidates:
    """Hold the candidates of documents 0 … num_docs - 1, in both directions; all int64.

    Members of bucket b: bucket_docs[bucket_start[b]:bucket_start[b + 1]], ascending. Buckets of document d:
    doc_buckets[doc_start[d]:doc_start[d + 1]]. Documents that may hold d: outer[outer_start[d]:outer_start[d + 1]].
    """

    bucket_start: Offsets
    bucket_docs: Offsets
    doc_start: Offsets
    doc_buckets: Offsets
    outer_start: Offsets
    outer: Offsets

    @classmethod
    def of(
        cls, num_docs: int, bucket_start: Offsets, bucket_docs: Offsets, inner: Offsets, outer: Offsets
    ) -> Candidates:
        """Turn buckets and pairs into lists by document; only pairs with outer < inner matter."""
        owner = np.repeat(np.arange(len(bucket_start) - 1), np.diff(bucket_start))
        doc_buckets = owner[np.argsort(bucket_docs, kind="stable")]
        inner, outer = inner[outer < inner], outer[outer < inner]
        by_inner = np.lexsort((outer, inner))
        return cls(
            bucket_start,
            bucket_docs,
            _starts(bucket_docs, num_docs),
            doc_buckets,
            _starts(inner, num_docs),
            outer[by_inner],
        )

    def least(self) -> Offsets:
        """Give the least candidate of every document, itself where none is less; int64 (num_docs,)."""
        num_docs = len(self.doc_start) - 1
        least = np.arange(num_docs)
        if len(self.bucket_docs):
            firsts = np.repeat(self.bucket_docs[self.bucket_start[:-1]], np.diff(self.bucket_start))
            np.minimum.at(least, self.bucket_docs, firsts)
        inner = np.repeat(np.arange(num_docs), np.diff(self.outer_start))
        np.minimum.at(least, inner, self.outer)
        return least


def _starts(owner: Offsets, num_docs: int) -> Offsets:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(owner, minlength=num_docs))]).astype(np.int64)
