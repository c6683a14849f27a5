"""FastSketchLSH 1.0: flat hashes in, flags out; 16 bands as its documentation uses. It names no keeper."""

from __future__ import annotations

import numpy as np
from FastSketchLSH import LSH, FastSimilaritySketch
from harness import run
from tokens import flat_hashes


def find(texts: list[str], min_resemblance: float) -> list[tuple[int, int]]:
    values, starts = flat_hashes(texts)
    hashes = np.array(values, np.int64).view(np.uint64)
    rows = FastSimilaritySketch(size=128, seed=42).batch_csr(
        hashes, np.array(starts, np.uint64), prehashed=True, num_threads=1
    )
    flags = LSH(num_perm=128, num_bands=16, num_threads=1).insert_and_query_duplicates(rows)
    return [(doc, -1) for doc in np.flatnonzero(flags).tolist()]


run(find)
