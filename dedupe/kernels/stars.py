"""Walk documents in keeper order with numba: the compiled twin of dedupe.cluster.stars, bit for bit.

Here a pair is counted when the walk comes to it, by merging the two ascending sets; no batch, no presumption.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dedupe.kernels import compiled
from dedupe.kernels.numba_types import F64, I64, OFFSETS, READ_NUMBER_TABLE, READ_NUMBERS, READ_OFFSETS, types

if TYPE_CHECKING:
    from dedupe.cluster.candidates import Candidates
    from dedupe.cluster.sets import Criteria, ShingleSets


@compiled(I64(READ_NUMBERS, I64, I64, I64, I64))
def _overlap(values, i, i_end, j, j_end):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    common = 0
    while i < i_end and j < j_end:
        left, right = values[i], values[j]
        common += left == right
        i += left <= right  # without branches: which side is less cannot be foreseen
        j += right <= left
    return common


@compiled(I64(READ_NUMBER_TABLE, I64, I64))
def _num_equal(signatures, row, keeper_row):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    left, right = signatures[row], signatures[keeper_row]
    equal = 0
    for k in range(len(left)):
        equal += left[k] == right[k]
    return equal


@compiled(F64(I64, I64, I64, F64, F64))
def _least_equal(num_perm, size, keeper_size, min_resemblance, min_containment):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Do what `Criteria.least_equal` does; min_containment is above 1 where it is not asked."""
    resemblance = min_resemblance
    if min_containment <= 1.0:
        overlap = min_containment * size
        resemblance = min(resemblance, overlap / (size + keeper_size - overlap))
    return num_perm * (resemblance - 4 * np.sqrt(resemblance * (1 - resemblance) / num_perm))


@compiled(I64(OFFSETS, OFFSETS, I64, I64, I64))
def _most_alike(options, equal, num_options, max_counted, num_perm):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Move the first option and the `max_counted` most alike of the others to the front, in order; return how many."""
    if num_options <= max_counted + 1:
        return num_options
    tally = np.zeros(num_perm + 2, np.int64)
    for i in range(1, num_options):
        tally[equal[i]] += 1
    least, above = num_perm, 0  # options above `least` all stay, those at it as far as there is room
    while above + tally[least] < max_counted:
        above += tally[least]
        least -= 1
    room, chosen = max_counted - above, 1
    for i in range(1, num_options):
        at_least = equal[i] == least
        if equal[i] > least or (at_least and room > 0):
            room -= at_least
            options[chosen] = options[i]
            chosen += 1
    return chosen


@compiled(
    types.void(
        READ_NUMBERS, READ_OFFSETS, READ_NUMBER_TABLE, *[READ_OFFSETS] * 6, F64, F64, I64, I64, I64, OFFSETS, OFFSETS
    )
)  # fmt: skip
def _walk(  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    values, start, signatures, rows, bucket_start, doc_start, doc_buckets, outer_start, outer,
    min_resemblance, min_containment, max_keepers, max_counted, num_settled, keeper, overlap,
):  # fmt: skip
    num_docs, num_perm = len(rows), signatures.shape[1]
    kept_in = np.empty(len(doc_buckets), np.int64)  # kept members of bucket b from bucket_start[b] on
    num_kept = np.zeros(len(bucket_start) - 1, np.int64)
    seen = np.full(num_docs, -1, np.int64)
    options, equal = np.empty(64, np.int64), np.empty(64, np.int64)
    for doc in range(num_docs):
        num_options = 0
        is_settled = doc < num_settled
        for at in range(doc_start[doc], doc_start[doc] if is_settled else doc_start[doc + 1]):
            bucket = doc_buckets[at]
            for i in range(bucket_start[bucket], bucket_start[bucket] + num_kept[bucket]):
                option = kept_in[i]
                if seen[option] != doc:
                    seen[option] = doc
                    if num_options == len(options):
                        options, equal = np.concatenate((options, options)), np.concatenate((equal, equal))
                    options[num_options] = option
                    num_options += 1
        for at in range(outer_start[doc], outer_start[doc] if is_settled else outer_start[doc + 1]):
            option = outer[at]
            if keeper[option] == option and seen[option] != doc:
                seen[option] = doc
                if num_options == len(options):
                    options, equal = np.concatenate((options, options)), np.concatenate((equal, equal))
                options[num_options] = option
                num_options += 1
        size = start[doc + 1] - start[doc]
        keeper[doc], overlap[doc] = doc, size
        options[:num_options].sort()
        num_near = 0
        for i in range(num_options):
            option = options[i]
            same = _num_equal(signatures, rows[doc], rows[option])
            keeper_size = start[option + 1] - start[option]
            if same >= _least_equal(num_perm, size, keeper_size, min_resemblance, min_containment):
                options[num_near], equal[num_near] = option, same
                num_near += 1
        for option in options[: _most_alike(options, equal, num_near, max_counted, num_perm)]:
            keeper_size = start[option + 1] - start[option]
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
    num_settled: int = 0,
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
        criteria.max_counted,
        num_settled,
        keeper,
        overlap,
    )
    return keeper, overlap
