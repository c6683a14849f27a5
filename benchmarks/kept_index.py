"""Measure the kept index: build it in one piece and in deltas, query it, and compare the answers.

    python benchmarks/kept_index.py DIR --docs 200000 --deltas 10 --queries 10000

Corpus: short documents of 50 to 120 words drawn by Zipf's law from an invented vocabulary, each with an id and an
address on one of 2,000 hosts; every fiftieth is an exact copy of an earlier one. Queries: a third are new, a third are
documents of the index with one word changed, a sixth are copies, a sixth are new texts that quote a passage of 60
words. The answers are checked before any time counts: every planted copy and passage must be found, nothing may be
found for what is new, and the index made in deltas must give the answers of the other.

What the figures do not show: words are drawn independently, so texts share nothing by chance; real pages of one site
share frames, and each shared passage that is told costs about half a millisecond, its places on both sides.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import dedupe

_SYLLABLES = [a + b for a in "bcdfghlmnprstv" for b in ("a", "e", "i", "o", "u", "ai", "ea")]


class Writer:
    """Draw documents; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        chance = random.Random(1)
        words = {"".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(60_000)}
        self.words = np.array(sorted(words))
        chance.shuffle(self.words)  # type: ignore[arg-type]
        weight = 1.0 / (np.arange(len(self.words)) + 2.7)
        self.cumulated = np.cumsum(weight / weight.sum())

    def texts(self, count: int, low: int = 50, high: int = 120) -> Iterator[list[str]]:
        for begin in range(0, count, 5000):
            sizes = self.random.integers(low, high + 1, min(5000, count - begin))
            at = np.minimum(np.searchsorted(self.cumulated, self.random.random(int(sizes.sum()))), len(self.words) - 1)
            drawn = self.words[at].tolist()
            first = 0
            for size in sizes.tolist():
                yield drawn[first:first + size]
                first += size


def spelled(words: list[str]) -> str:
    lines = [" ".join(words[at:at + 14]).capitalize() + "." for at in range(0, len(words), 14)]
    return "\n\n".join(lines)


def corpus(num_docs: int) -> Iterator[dict[str, Any]]:
    recent: deque[str] = deque(maxlen=25)
    for number, words in enumerate(Writer(1).texts(num_docs)):
        text = recent[0] if number % 50 == 49 else spelled(words)
        recent.append(text)
        yield {"id": f"d{number:07}", "url": f"https://h{number % 2000}.example/{number}", "text": text}


def queries(num_queries: int, num_docs: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (kind, id of the source, record)."""
    chance = random.Random(3)
    wanted = sorted(chance.sample(range(num_docs), num_queries * 2 // 3))
    held = dict(zip(wanted, (None for _ in wanted), strict=True))
    for number, record in enumerate(corpus(num_docs)):
        if number in held:
            held[number] = record["text"]
    sources = [(number, text) for number, text in held.items() if text is not None]
    chance.shuffle(sources)
    fresh = Writer(9).texts(num_queries, 60, 120)
    for number in range(num_queries):
        kind = ("new", "near", "new", "near", "copy", "quote")[number % 6]
        source, text = ("", "")
        if kind != "new":
            at, text = sources.pop()
            source = f"d{at:07}"
        words = text.split()
        if kind == "near":
            words[len(words) // 2] = "changed"
            text = " ".join(words)
        elif kind == "quote":
            text = spelled(next(fresh)) + "\n\n" + " ".join(words[:60]) + "\n\n" + spelled(next(fresh))
        elif kind == "new":
            text = spelled(next(fresh))
        yield kind, source, {"id": f"q{number:06}", "url": f"https://q.example/{number}", "text": text}


def write(path: Path, records: Iterator[dict[str, Any]]) -> None:
    if not path.exists():
        with open(path, "w") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)


class Clock:
    def __init__(self, name: str, num_docs: int) -> None:
        self.name, self.num_docs = name, num_docs

    def __enter__(self) -> None:
        self.began, self.wall = time.process_time(), time.perf_counter()

    def __exit__(self, *error: object) -> None:
        cpu, wall = time.process_time() - self.began, time.perf_counter() - self.wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{self.name:34} {cpu:8.1f} s CPU {wall:8.1f} s wall {self.num_docs / cpu:10,.0f} docs/s CPU  "
              f"peak so far {peak:,.0f} MB", flush=True)


def answers(index: dedupe.KeptIndex, path: Path, **options: Any) -> list[dict[str, Any]]:
    return [found.as_row() for found in index.query(paths=[str(path)], **options)]


def check(rows: list[dict[str, Any]], planted: list[tuple[str, str]]) -> None:
    wrong = []
    for (kind, source), row in zip(planted, rows, strict=True):
        matches = {match["kept"]["id"] for match in row["matches"]}
        quoted = {passage["kept"]["id"] for passage in row["passages"]}
        found = {"new": not matches and not quoted, "quote": bool(quoted | matches)}.get(kind, source in matches)
        if not found:
            wrong.append((kind, row["id"], source))
    kinds = {kind: sum(one == kind for one, _, _ in wrong) for kind in ("new", "near", "copy", "quote")}
    print(f"answers that are not as planted: {kinds} of {len(rows):,}")
    # bands find near copies with a probability of .99, and all but a hundredth of what was planted must be there
    if kinds["new"] or kinds["copy"] or kinds["near"] > len(rows) // 300 or kinds["quote"]:
        raise SystemExit(f"wrong answers: {wrong[:5]}")


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--docs", type=int, default=200_000)
    parser.add_argument("--deltas", type=int, default=10)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--no-build", action="store_true", help="Only query what stands there.")
    parser.add_argument("--no-deltas", action="store_true", help="Leave out the index made in deltas.")
    given = parser.parse_args()
    folder: Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    share = -(-given.docs // given.deltas)
    made = corpus(given.docs)
    parts = [folder / f"part-{given.docs}-{number:02}.jsonl" for number in range(given.deltas)]
    if not all(part.exists() for part in parts):
        for part in parts:
            part.unlink(missing_ok=True)
            write(part, islice(made, share))
    asked = list(queries(given.queries, given.docs))
    questions = folder / f"queries-{given.docs}.jsonl"
    questions.unlink(missing_ok=True)
    write(questions, (record for _, _, record in asked))
    planted = [(kind, source) for kind, source, _ in asked]
    one, many = folder / f"one-{given.docs}", folder / f"many-{given.docs}"
    names = [str(part) for part in parts]
    print(f"{given.docs:,} documents, {sum(map(os.path.getsize, names)) / 1e6:,.0f} MB; load {os.getloadavg()[0]:.1f}")
    if not given.no_build:
        shutil.rmtree(one, ignore_errors=True)
        with Clock("build in one piece", given.docs):
            dedupe.KeptIndex.build(one, paths=names).close()
        print(f"on disk: {size_of(one) / 1e6:,.0f} MB, {size_of(one) / given.docs:,.0f} bytes a document")
    with dedupe.KeptIndex.open(one) as index:
        with Clock("query, bands and passages", given.queries):
            found = answers(index, questions)
        check(found, planted)
        with Clock("query without passages", given.queries):
            answers(index, questions, passages=False)
        single = [asked[at][2] for at in range(20)]
        with Clock("20 single queries", 20):
            for record in single:
                list(index.query([record]))
    if given.no_deltas:
        return
    if not given.no_build:
        shutil.rmtree(many, ignore_errors=True)
        with Clock(f"build in {given.deltas} deltas", given.docs):  # noqa: SIM117 - one line would be too long
            with dedupe.KeptIndex.build(many, paths=names[:1]) as index:
                for name in names[1:]:
                    index.add(paths=[name])
    with dedupe.KeptIndex.open(many) as index:
        with Clock("query of the deltas", given.queries):
            same = answers(index, questions) == found
        print(f"the same answers from {index.info().num_segments} segments: {same}")
        with Clock("compact", given.docs):
            index.compact()
        with Clock("query of the compacted", given.queries):
            same &= answers(index, questions) == found
        print(f"the same answers from {index.info().num_segments} segments: {same}")
    with dedupe.KeptIndex.open(one) as index:
        index.compact()
    equal = [path.read_bytes() == other.read_bytes() for path, other in
             zip(sorted((one / "segments").iterdir()), sorted((many / "segments").iterdir()), strict=True)]
    print(f"the same files after compaction: {all(equal)} ({len(equal)})")
    raise SystemExit(int(not (same and all(equal))))


if __name__ == "__main__":
    main()
