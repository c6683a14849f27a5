"""rensa 0.5, its fastest exact-set path: flat hashes in, flags out. It names no keeper, and flags keepers too."""

from __future__ import annotations

import numpy as np
from harness import run
from rensa import RMinHash, RMinHashLSH
from tokens import flat_hashes


def find(texts: list[str], min_resemblance: float) -> list[tuple[int, int]]:
    values, starts = flat_hashes(texts)
    hashes = np.array(values, np.int64).view(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, np.array(starts, np.uint64), 128, 42)
    index = RMinHashLSH(threshold=min_resemblance, num_perm=128, num_bands=16)
    flags = index.insert_matrix_and_query_duplicate_flags(matrix)
    return [(doc, -1) for doc, is_duplicate in enumerate(flags) if is_duplicate]


run(find)
