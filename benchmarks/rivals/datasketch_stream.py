"""datasketch 2: MinHash.generator and MinHashLSH, query before insert, as its documentation shows."""

from __future__ import annotations

import xxhash
from datasketch import MinHash, MinHashLSH
from harness import run
from tokens import shingle_texts


def find(texts: list[str], min_resemblance: float) -> list[tuple[int, int]]:
    index = MinHashLSH(threshold=min_resemblance, num_perm=128)
    encoded = (map(str.encode, shingle_texts(text)) for text in texts)
    removals = []
    for doc, sketch in enumerate(MinHash.generator(encoded, num_perm=128, hashfunc=xxhash.xxh32_intdigest)):
        found = index.query(sketch)
        if found:
            removals.append((doc, min(found)))
        else:
            index.insert(doc, sketch, check_duplication=False)
    return removals


run(find)
