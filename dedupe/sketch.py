"""MinHash signatures of documents: shingle hashes in, one row of `num_perm` minima a document out.

The hashes are those of datasketch 2.x with `scheme="affine32"`: a 32-bit shingle hash goes once through
the finalizer of MurmurHash3, then permutation k maps it to ``a[k] * h + b[k] mod 2**32`` with a[k] odd, and
the signature holds the least value over all shingles of the document. `to_datasketch` hands a row to that
library, where it can be compared, merged, stored and indexed live.

Repeats inside a document do not change a minimum, so shingles need not be unique. What this module does not do: make
shingles (dedupe.shingle) or look for equal signatures (dedupe.index).

Source: A. Broder, "On the resemblance and containment of documents", 1997; datasketch 2.0, `minhash.py`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from datasketch import MinHash

EMPTY = np.uint32(0xFFFFFFFF)  # every value of the signature of a document without shingles, as in datasketch

# A row of a block (128 KB of uint32) stays in the second-level cache through multiply, add and minimum. Measured, ns a
# shingle with 128 permutations: blocks of 16k 41, 32k 37; one permutation at a time 42 with 64k.
BLOCK_SHINGLES = 32_768
_BLOCK_PERMUTATIONS = 8


@lru_cache(maxsize=16)  # a tenth of a millisecond, which small batches would pay each time
def permutations(num_perm: int = 128, seed: int = 1) -> NDArray[np.uint32]:
    """Return the parameters of the permutations: uint32 (2, num_perm), row 0 the odd factors a, row 1 the addends b.

    They are the numbers datasketch draws for the same seed (NumPy's legacy generator, whose stream is frozen). The
    array is shared, and may not be written to.

    >>> permutations(2, seed=1).tolist()
    [[3582191691, 4270784983], [3093770124, 4005303368]]
    """
    if num_perm < 1:
        raise ValueError(f"num_perm is {num_perm}, expected at least 1")
    generator = np.random.RandomState(seed)
    factors = generator.randint(0, 1 << 31, num_perm, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    addends = generator.randint(0, 1 << 32, num_perm, dtype=np.uint32)
    drawn = np.array([factors, addends])
    drawn.flags.writeable = False
    return drawn


def mix(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Scramble 32-bit hashes with the finalizer of MurmurHash3, a bijection; any shape, a new array.

    >>> mix(np.array([0, 1, 2], np.uint32)).tolist()
    [0, 1364076727, 821347078]
    """
    mixed = hashes ^ (hashes >> np.uint32(16))
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    return mixed


def signatures(
    shingles: NDArray[np.uint32],
    shingle_start: NDArray[np.int64],
    num_perm: int = 128,
    seed: int = 1,
    *,
    fast: bool | None = None,
) -> NDArray[np.uint32]:
    """Compute the MinHash signature of every document.

    Args:
        shingles: uint32 (num_shingles,), the documents' shingle hashes one after another; order and repeats inside a
            document do not matter.
        shingle_start: int64 (num_docs + 1,), ascending; document d has shingles[shingle_start[d]:shingle_start[d + 1]].
        num_perm: values in a signature.
        seed: of the permutations; signatures of different seeds cannot be compared.
        fast: True for the compiled kernel, False for NumPy, None to choose by input size. Both give the same bits.

    Returns:
        uint32 (num_docs, num_perm). A document without shingles has a row of `EMPTY`, which equals no other document by
        rule: whoever compares signatures leaves such rows out (dedupe.index takes the rows to index).

    >>> signatures(np.array([7, 9, 7, 7], np.uint32), np.array([0, 2, 2, 4]), num_perm=2).tolist()
    [[196702237, 2361959997], [4294967295, 4294967295], [1143669496, 2705891044]]
    """
    parameters = permutations(num_perm, seed)
    if fast is None:
        from dedupe.kernels import worthwhile

        fast = worthwhile(len(shingles))
    if fast:
        from dedupe.kernels.minhash import signatures as compiled

        return compiled(shingles, shingle_start, parameters)
    return _signatures_numpy(shingles, shingle_start, parameters)


def _signatures_numpy(
    shingles: NDArray[np.uint32], shingle_start: NDArray[np.int64], parameters: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    num_docs, num_perm = len(shingle_start) - 1, parameters.shape[1]
    out = np.full((num_docs, num_perm), EMPTY, np.uint32)
    filled = np.flatnonzero(np.diff(shingle_start))  # reduceat cannot express an empty segment
    starts = shingle_start[filled]
    first = 0
    while first < len(filled):
        # whole documents, about a block of them; one document longer than a block makes a block of its own
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + BLOCK_SHINGLES)) - 1)
        begin, end = int(starts[first]), int(shingle_start[filled[last - 1] + 1])
        hashes = mix(shingles[begin:end])
        out[filled[first:last]] = _minima(hashes, starts[first:last] - begin, parameters).T
        first = last
    return out


def _minima(
    hashes: NDArray[np.uint32], segment: NDArray[np.int64], parameters: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """Return uint32 (num_perm, num_segments): the least permuted hash of each non-empty segment of mixed hashes.

    A few permutations at a time over a block of shingles, in rows that stay in the cache: 37 ns a shingle with eight,
    42 with one, which is eight times the calls; a (num_shingles, num_perm) table takes three times as long and more.
    """
    num_perm = parameters.shape[1]
    minima = np.empty((num_perm, len(segment)), np.uint32)
    step = max(1, min(num_perm, BLOCK_SHINGLES * _BLOCK_PERMUTATIONS // len(hashes)))
    permuted = np.empty((step, len(hashes)), np.uint32)
    for first in range(0, num_perm, step):
        rows = slice(first, min(first + step, num_perm))
        part = permuted[:rows.stop - first]
        np.multiply(hashes, parameters[0, rows, None], out=part)
        np.add(part, parameters[1, rows, None], out=part)
        np.minimum.reduceat(part, segment, axis=1, out=minima[rows])
    return minima


def estimate_resemblance(
    signature_rows: NDArray[np.uint32], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Estimate the resemblance of pairs of documents from their signatures, as the fraction of equal values.

    Args:
        signature_rows: uint32 (num_docs, num_perm).
        left, right: int64 (num_pairs,), rows of the two documents of each pair.

    Returns:
        float32 (num_pairs,), 0 to 1; standard error sqrt(r * (1 - r) / num_perm).

    >>> estimate_resemblance(np.array([[1, 2], [1, 3]], np.uint32), np.array([0, 0]), np.array([1, 0])).tolist()
    [0.5, 1.0]
    """
    out = np.empty(len(left), np.float32)
    for begin in range(0, len(left), 8192):  # 4 MB a side
        part = slice(begin, begin + 8192)
        out[part] = (signature_rows[left[part]] == signature_rows[right[part]]).mean(axis=1, dtype=np.float32)
    return out


def to_datasketch(signature: NDArray[np.uint32], seed: int = 1) -> MinHash:
    """Wrap one signature (uint32 (num_perm,)) as a `datasketch.MinHash`, to compare, merge, store or index it there.

    The object holds a copy. Elements added to it later must be hashed as dedupe.shingle hashes them.
    """
    from datasketch import MinHash

    return MinHash(
        seed=seed,
        scheme="affine32",
        hashvalues=signature,
        permutations=permutations(len(signature), seed),
    )
