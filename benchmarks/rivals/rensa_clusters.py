"""rensa 0.5: RMinHash in a batch, then its deduplicator, which checks candidates by their estimated resemblance."""

from __future__ import annotations

from harness import run
from rensa import RMinHash, RMinHashDeduplicator
from tokens import shingle_texts


def find(texts: list[str], min_resemblance: float) -> list[tuple[int, int]]:
    sketches = RMinHash.from_token_sets([shingle_texts(text) for text in texts], 128, 42)
    kept = RMinHashDeduplicator(threshold=min_resemblance, num_perm=128, use_lsh=True)
    removals = []
    for doc, is_new in enumerate(kept.add_pairs((str(doc), sketch) for doc, sketch in enumerate(sketches))):
        if not is_new:
            found = kept.get_duplicates(sketches[doc])
            removals.append((doc, min(map(int, found))) if found else (doc, -1))
    return removals


run(find)
