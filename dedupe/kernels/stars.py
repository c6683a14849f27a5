"""Walk documents in keeper order with numba: the compiled twin of dedupe.cluster.stars, bit for bit.

Here a pair is counted when the walk comes to it, by merging the two ascending sets; no batch, no presumption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dedupe.kernels import compiled, load_numba

if TYPE_CHECKING:
    from dedupe.cluster.sets import Criteria, ShingleSets
    from dedupe.cluster.stars import Candidates

types = load_numba().types
_I64, _U32, _F64 = types.int64, types.uint32, types.float64
_OFFSETS = types.Array(_I64, 1, "C", readonly=True)
_VALUES = types.Array(_U32, 1, "C", readonly=True)
_TABLE = types.Array(_U32, 2, "C", readonly=True)
_OUT = types.Array(_I64, 1, "C")


@compiled(_I64(_VALUES, _I64, _I64, _I64, _I64))
def _overlap(values, i, i_end, j, j_end):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    common = 0
    while i < i_end and j < j_end:
        left, right = values[i], values[j]
        common += left == right
        i += left <= right  # without branches: which side is less cannot be foreseen
        j += right <= left
    return common


@compiled(types.boolean(_TABLE, _I64, _I64, _I64, _I64, _F64, _F64))
def _is_near(signatures, row, keeper_row, size, keeper_size, min_resemblance, min_containment):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Compare signatures as `Criteria.least_equal` says; min_containment is above 1 where it is not asked."""
    num_perm = signatures.shape[1]
    resemblance = min_resemblance
    if min_containment <= 1.0:
        overlap = min_containment * size
        resemblance = min(resemblance, overlap / (size + keeper_size - overlap))
    least = num_perm * (resemblance - 4 * np.sqrt(resemblance * (1 - resemblance) / num_perm))
    left, right = signatures[row], signatures[keeper_row]
    equal = 0
    for k in range(num_perm):
        equal += left[k] == right[k]
    return equal >= least


@compiled(types.void(_VALUES, _OFFSETS, _TABLE, *[_OFFSETS] * 6, _F64, _F64, _I64, _OUT, _OUT))
def _walk(  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    values, start, signatures, rows, bucket_start, doc_start, doc_buckets, outer_start, outer,
    min_resemblance, min_containment, max_keepers, keeper, overlap,
):  # fmt: skip
    num_docs = len(rows)
    kept_in = np.empty(len(doc_buckets), np.int64)  # kept members of bucket b from bucket_start[b] on
    num_kept = np.zeros(len(bucket_start) - 1, np.int64)
    seen = np.full(num_docs, -1, np.int64)
    options = np.empty(64, np.int64)
    for doc in range(num_docs):
        num_options = 0
        for at in range(doc_start[doc], doc_start[doc + 1]):
            bucket = doc_buckets[at]
            for i in range(bucket_start[bucket], bucket_start[bucket] + num_kept[bucket]):
                option = kept_in[i]
                if seen[option] != doc:
                    seen[option] = doc
                    if num_options == len(options):
                        options = np.concatenate((options, options))
                    options[num_options] = option
                    num_options += 1
        for at in range(outer_start[doc], outer_start[doc + 1]):
            option = outer[at]
            if keeper[option] == option and seen[option] != doc:
                seen[option] = doc
                if num_options == len(options):
                    options = np.concatenate((options, options))
                options[num_options] = option
                num_options += 1
        size = start[doc + 1] - start[doc]
        keeper[doc], overlap[doc] = doc, size
        options[:num_options].sort()
        for option in options[:num_options]:
            keeper_size = start[option + 1] - start[option]
            if not _is_near(signatures, rows[doc], rows[option], size, keeper_size, min_resemblance, min_containment):
                continue
            common = _overlap(values, start[doc], start[doc + 1], start[option], start[option + 1])
            if common / (size + keeper_size - common) >= min_resemblance or common / size >= min_containment:
                keeper[doc], overlap[doc] = option, common
                break
        if keeper[doc] == doc:
            for at in range(doc_start[doc], doc_start[doc + 1]):
                bucket = doc_buckets[at]
                if num_kept[bucket] < max_keepers:
                    kept_in[bucket_start[bucket] + num_kept[bucket]] = doc
                    num_kept[bucket] += 1


def assign_keepers(
    sets: ShingleSets,
    signatures: NDArray[np.uint32],
    rows: NDArray[np.int64],
    candidates: Candidates,
    criteria: Criteria,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find keepers as `dedupe.cluster.stars.assign_keepers` does."""
    keeper, overlap = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    _walk(
        sets.values,
        sets.start,
        np.ascontiguousarray(signatures),
        np.ascontiguousarray(rows, np.int64),
        np.ascontiguousarray(candidates.bucket_start, np.int64),
        candidates.doc_start,
        np.ascontiguousarray(candidates.doc_buckets, np.int64),
        candidates.outer_start,
        np.ascontiguousarray(candidates.outer, np.int64),
        criteria.min_resemblance,
        2.0 if criteria.min_containment is None else criteria.min_containment,
        criteria.max_keepers,
        keeper,
        overlap,
    )
    return keeper, overlap
