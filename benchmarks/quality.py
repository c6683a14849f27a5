"""Measure cleaning on labelled articles, and pin floors that continuous integration holds.

    python benchmarks/quality.py --data DIR                  a row for each extractor, with 95 % intervals
    python benchmarks/quality.py --data DIR --pin            the same, and write the floors
    python benchmarks/quality.py --data DIR --pin --lower    the same, where a floor is to sink

DIR holds articles_extracted.jsonl.gz: the texts of 93 articles by 32 extractors and by people (from
scrapinghub/article-extraction-benchmark, MIT; not part of this project). The measure is that benchmark's:
multisets of 4-token shingles of a text against the human one, precision and recall averaged over articles, F1
of the averages. Each extractor's file is cleaned on its own. What this does not show: other pages and sites.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from dedupe.config import Config
from dedupe.pipeline import clean_documents
from dedupe.records import Document

DATA = "articles_extracted.jsonl.gz"
FLOORS = Path(__file__).parent.parent / "tests" / "quality_floors.json"
GATED = ("trafilatura", "readability_js", "newspaper", "goose3", "boilerpipe", "dom_smoothie", "inscriptis")
PRESETS = ("careful", "standard")
SLACK = 0.0005  # rounding
_TOKEN = re.compile(r"\w+")
_Pair = tuple[float, float]


def load(data: Path) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str], str]:
    """Read the rows by extractor, the human texts by article, and the SHA-256 of the file."""
    raw = (data / DATA).read_bytes()
    by_extractor: dict[str, list[dict[str, Any]]] = defaultdict(list)
    gold: dict[str, str] = {}
    for line in gzip.decompress(raw).splitlines():
        row = json.loads(line)
        if row["extractor"] == "gold":
            gold[row["cluster"]] = row["text"]
        else:
            by_extractor[row["extractor"]].append(row)
    return by_extractor, gold, hashlib.sha256(raw).hexdigest()


def shingles(text: str, num_tokens: int = 4) -> Counter[tuple[str, ...]]:
    """Count the shingles of a text.

    >>> sum(shingles("one two three four five").values())
    2
    """
    tokens = _TOKEN.findall(text)
    return Counter(tuple(tokens[at:at + num_tokens]) for at in range(max(1, len(tokens) - num_tokens + 1)) if tokens)


def precision_recall(gold: str, text: str) -> tuple[float | None, float | None]:
    """Compare one text with the human one; None where a side has no words."""
    true, found = shingles(gold), shingles(text)
    hits = sum((true & found).values())
    return (hits / sum(found.values()) if found else None, hits / sum(true.values()) if true else None)


def averages(pairs: Iterable[tuple[float | None, float | None]]) -> tuple[float, float, float]:
    """Average precision and recall over articles, and give the F1 of the averages."""
    some = list(pairs)
    precision = mean(one for one, _ in some if one is not None)
    recall = mean(one for _, one in some if one is not None)
    return precision, recall, 2 * precision * recall / (precision + recall)


def cleaned(rows: Sequence[dict[str, Any]], preset: Any) -> list[str]:
    """Clean the texts of one extractor."""
    texts = [row["text"].encode("utf-8", "surrogatepass") for row in rows]
    documents = [
        Document(row["id"], "records", text, text, errors="surrogatepass", url=row["url"])
        for row, text in zip(rows, texts, strict=True)
    ]
    return [each.cleaned.decode("utf-8", "surrogatepass") for each in clean_documents(documents, Config(preset=preset))]


def gain(rows: Sequence[dict[str, Any]], gold: dict[str, str], preset: str) -> dict[str, Any]:
    """Measure one extractor before and after cleaning, with a bootstrap interval of the gain in F1."""
    before = [precision_recall(gold[row["cluster"]], row["text"]) for row in rows]
    texts = cleaned(rows, preset)
    after = [precision_recall(gold[row["cluster"]], text) for row, text in zip(rows, texts, strict=True)]
    chance, gains = random.Random(1), []
    for _ in range(200):
        drawn = [chance.randrange(len(rows)) for _ in rows]
        gains.append(averages(after[at] for at in drawn)[2] - averages(before[at] for at in drawn)[2])
    gains.sort()
    old, new = averages(before), averages(after)
    return {"before": old, "after": new, "f1_gain": new[2] - old[2], "recall_change": new[1] - old[1],
            "interval": (gains[4], gains[194])}  # fmt: skip


def measure(data: Path, extractors: Sequence[str] | None = None) -> tuple[dict[str, dict[str, Any]], str]:
    """Measure extractors at every preset: results by "extractor preset", and the hash of the data."""
    by_extractor, gold, digest = load(data)
    names = sorted(extractors or by_extractor)
    return {f"{name} {preset}": gain(by_extractor[name], gold, preset) for name in names for preset in PRESETS}, digest


def pin(results: dict[str, dict[str, Any]], digest: str, lower: bool) -> None:
    """Write the floors; refuse to lower one unless asked to."""
    old = json.loads(FLOORS.read_text())["floors"] if FLOORS.exists() else {}
    new = {name: {key: round(one[key], 4) for key in ("f1_gain", "recall_change")} for name, one in results.items()
           if name.split()[0] in GATED}  # fmt: skip
    sunk = [name for name in new if name in old and any(new[name][key] < old[name][key] - SLACK for key in new[name])]
    if sunk and not lower:
        sys.exit(f"floors would sink for {', '.join(sunk)}; say --lower if that is meant")
    FLOORS.write_text(json.dumps({"data": DATA, "sha256": digest, "floors": new}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pin", action="store_true")
    parser.add_argument("--lower", action="store_true")
    options = parser.parse_args()
    results, digest = measure(options.data)
    print(f"{'extractor, preset':34} {'F1 before':>9} {'after':>6} {'gain':>7}  {'95 % interval':17} {'recall':>7}")
    for name, one in results.items():
        low, high = one["interval"]
        print(f"{name:34} {one['before'][2]:9.3f} {one['after'][2]:6.3f} {one['f1_gain']:+7.4f}  "
              f"{low:+.4f} to {high:+.4f} {one['recall_change']:+7.4f}")
    for preset in PRESETS:
        some = [one["f1_gain"] for name, one in results.items() if name.endswith(preset)]
        print(f"mean gain at {preset}: {mean(some):+.4f}")
    if options.pin:
        pin(results, digest, options.lower)


if __name__ == "__main__":
    main()
