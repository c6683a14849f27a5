"""gaoya 0.2: everything in Rust, its own word analyzer (which takes a run of Han characters for one word)."""

from __future__ import annotations

from gaoya.minhash import MinHashStringIndex
from harness import run


def find(texts: list[str], min_resemblance: float) -> list[tuple[int, int]]:
    index = MinHashStringIndex(
        hash_size=32, jaccard_threshold=min_resemblance, num_bands=21, band_size=6, analyzer="word", lowercase=True,
        ngram_range=(5, 5), id_container="vec",
    )  # fmt: skip
    index.par_bulk_insert_docs(list(range(len(texts))), texts)
    removals = []
    for doc, found in enumerate(index.par_bulk_query(texts)):
        keeper = min(found, default=doc)
        if keeper < doc:
            removals.append((doc, keeper))
    return removals


run(find)
