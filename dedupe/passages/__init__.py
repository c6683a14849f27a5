"""Find passages that stand in several documents: runs of many tokens, small edits apart.

    seeds.py    shingles of documents -> winnowed window hashes, few enough to sort for a whole corpus
    alike.py    seeds that pairs of documents have in common -> runs that are equal
    reach.py    chains of runs -> the runs next to them that are too short to have a seed
    extend.py   pairs of documents with their seeds -> passages, runs joined across small gaps
    choose.py   of the passages of a document that overlap, the ones to report

A suffix array would find the same and must hold the corpus in memory; seeds are sorted rows. Positions are
counted in tokens, so that line ends, punctuation and case make no difference.

Source: Schleimer, Wilkerson & Aiken, "Winnowing: local algorithms for document fingerprinting", 2003; the length
of a passage worth telling is that of Lee et al., "Deduplicating training data makes language models better", 2022.
"""

from dedupe.passages.alike import Pairs
from dedupe.passages.choose import choose_passages
from dedupe.passages.extend import PairPassages, Passage, passages_of_pairs, shared_passages
from dedupe.passages.seeds import count_shared, pair_seeds, winnowed_seeds

__all__ = [
    "PairPassages", "Pairs", "Passage", "choose_passages", "count_shared", "pair_seeds", "passages_of_pairs",
    "shared_passages", "winnowed_seeds",
]  # fmt: skip
