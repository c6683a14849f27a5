"""Measure whether the same article, taken out of its page by different extractors, is recognized.

    python benchmarks/articles_pairs.py --data DIR [--floor 0.95]

DIR holds articles_extracted.jsonl.gz (see quality.py). Question: all texts of the extractors whose raw F1 is .9 or more
and the human texts in one heap, which of them are the same article? Any two texts of one article are a pair that is
to be found; `dedupe.near_duplicates` finds it if both go for one keeper, or one for the other. Two texts of different
articles under one keeper are a wrong merge. Containment counts, for an extractor that missed half of an article has
it inside the others.

What this does not show: texts that are the same article with other words, and corpora where nearly nothing repeats.
Exit code 1 where the recall is below the floor or anything was merged wrongly.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from quality import averages, load, precision_recall  # the benchmark next to this one

import dedupe

MIN_RAW_F1 = 0.9


def texts_of(data: Path, min_raw_f1: float = MIN_RAW_F1) -> tuple[list[str], list[str], list[str]]:
    """Collect texts, the article of each, and the names of the extractors that are good enough."""
    by_extractor, gold, _ = load(data)
    texts, articles, names = list(gold.values()), list(gold), []
    for name, rows in sorted(by_extractor.items()):
        if averages(precision_recall(gold[row["cluster"]], row["text"]) for row in rows)[2] >= min_raw_f1:
            names.append(name)
            texts += [row["text"] for row in rows]
            articles += [row["cluster"] for row in rows]
    return texts, articles, names


def judge(articles: Sequence[str], keeper: Sequence[int]) -> tuple[float, int, int]:
    """Count the share of pairs that were found, all pairs, and texts that went for another article.

    >>> judge(["a", "a", "b", "b", "b"], [0, 0, 2, 2, 0])
    (0.5, 4, 1)
    """
    found = Counter(zip(articles, keeper, strict=True))
    num_pairs = sum(count * (count - 1) // 2 for count in Counter(articles).values())
    num_found = sum(count * (count - 1) // 2 for count in found.values())
    wrong = sum(article != articles[at] for article, at in zip(articles, keeper, strict=True))
    return num_found / num_pairs, num_pairs, wrong


def keepers(texts: Sequence[str], min_resemblance: float, min_containment: float | None) -> list[int]:
    """Give every text the number of its keeper, its own where it stays."""
    keeper = list(range(len(texts)))
    for cluster in dedupe.near_duplicates(texts, min_resemblance, min_containment=min_containment):
        for member in cluster.members:
            keeper[member.index] = cluster.keeper
    return keeper


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of articles_extracted.jsonl.gz")
    parser.add_argument("--floor", type=float, default=0.95, help="least share of pairs to be found")
    arguments = parser.parse_args()
    texts, articles, names = texts_of(arguments.data)
    print(f"{len(texts)} texts of {len(set(articles))} articles by {len(names)} extractors and people: "
          f"{', '.join(names)}")
    for label, min_containment in (("resemblance .8", None), ("resemblance or containment .8", 0.8)):
        recall, num_pairs, wrong = judge(articles, keepers(texts, 0.8, min_containment))
        print(f"{label:30} {recall:.4f} of {num_pairs} pairs found, {wrong} wrong")
    return int(recall < arguments.floor or wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
