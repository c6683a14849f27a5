"""Measure cleaning on strings that must stay or go: the evaluation that comes with trafilatura.

    python benchmarks/strings.py --data DIR [--lost]

DIR holds strings_trafilatura.jsonl.gz: 472 pages, mostly German, each as its lines, with strings of the article
(`with_found`) and of what stands around it (`without_found`). Only strings count that the lines have. No weight was
fitted on these pages. `--lost` lists what should have stayed, with the rule that took it.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

from dedupe.config import PRESETS, Config
from dedupe.pipeline import clean_documents
from dedupe.records import Document


def load(data: Path) -> tuple[list[dict[str, Any]], list[Document]]:
    """Read the pages: rows as they are, and documents of one line a row."""
    with gzip.open(data / "strings_trafilatura.jsonl.gz") as file:
        rows = [json.loads(line) for line in file]
    texts = ["\n".join(row["lines"]).encode("utf-8", "surrogatepass") for row in rows]
    documents = [
        Document(row["id"], "records", text, text, errors="surrogatepass", url=row["url"])
        for row, text in zip(rows, texts, strict=True)
    ]
    return rows, documents


def share(rows: list[dict[str, Any]], before: list[str], after: list[str], key: str) -> float:
    """Give the share of the strings of a key that are still there."""
    found = [
        wanted in cleaned
        for row, text, cleaned in zip(rows, before, after, strict=True)
        for wanted in row[key]
        if wanted in text
    ]
    return sum(found) / len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lost", action="store_true")
    options = parser.parse_args()
    rows, documents = load(options.data)
    before = [document.raw.decode("utf-8", "replace") for document in documents]
    print(f"{'preset':10} {'must stay':>9} {'must go':>9}")
    for preset in PRESETS:
        results = clean_documents(documents, Config(preset=preset))
        after = [result.cleaned.decode("utf-8", "replace") for result in results]
        gone = 1 - share(rows, before, after, "without_found")
        print(f"{preset:10} {share(rows, before, after, 'with_found'):9.4f} {gone:9.4f}")
        if options.lost:
            for row, document, result, cleaned in zip(rows, documents, results, after, strict=True):
                for wanted in row["with_found"]:
                    at = document.raw.find(wanted.encode())
                    if at < 0 or wanted in cleaned:
                        continue
                    end = at + len(wanted.encode())
                    places = [(each.rule, each.place.byte) for each in result.removals]
                    took = [rule for rule, (start, stop) in places if start < end and stop > at]
                    print(f"    {row['id']}: {wanted!r} ({', '.join(took)})")


if __name__ == "__main__":
    main()
