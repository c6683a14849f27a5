"""Choose the seeds of documents with numba: the compiled twin of `dedupe.passages.winnowed_seeds`, bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe.kernels import compiled
from dedupe.kernels.mixing import mix
from dedupe.kernels.numba_types import HASHES, I64, OFFSETS, READ_NUMBERS, READ_OFFSETS
from dedupe.records import Hashes, Offsets


@compiled(I64(READ_NUMBERS, READ_OFFSETS, I64, I64, HASHES, HASHES, OFFSETS, OFFSETS))
def _choose(shingles, start, step, winnow, values, seeds, owner, at):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Fill in the seeds of all documents; return how many. `values`: scratch, one a shingle of the longest document.

    A window is the least of some `winnow` in a row if so many less one around it are not less, on both sides together.
    """
    found = 0
    for doc in range(len(start) - 1):
        first, num = start[doc], start[doc + 1] - start[doc] - step
        for i in range(num):
            joined = np.uint64(shingles[first + i]) << np.uint64(32) | np.uint64(shingles[first + i + step])
            values[i] = mix(joined)
        for i in range(num):
            value, around = values[i], 0
            for k in range(1, winnow):
                if i - k >= 0 and values[i - k] < value:
                    break
                around += 1
            for k in range(1, winnow - around):
                if i + k < num and values[i + k] < value:
                    break
                around += 1
            if around >= winnow - 1:
                seeds[found], owner[found], at[found] = value, doc, i
                found += 1
    return found


def winnowed_seeds(
    shingles: NDArray[np.uint32], shingle_start: Offsets, step: int, winnow: int
) -> tuple[Hashes, Offsets, Offsets]:
    """Choose windows of documents; `step`: shingles to the other one of a window, `winnow`: windows in a row."""
    size = len(shingles)
    seeds, owner, at = np.empty(size, np.uint64), np.empty(size, np.int64), np.empty(size, np.int64)
    values = np.empty(int(np.diff(shingle_start).max(initial=0)), np.uint64)
    found = _choose(
        np.ascontiguousarray(shingles), np.ascontiguousarray(shingle_start), step, winnow, values, seeds, owner, at
    )
    return seeds[:found], owner[:found], at[:found]
