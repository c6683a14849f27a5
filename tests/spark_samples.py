"""What tests of Spark share: tasks that executors can import, and a corpus with copies, the seed and golden texts."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import numpy as np
from corpus_samples import HOSTILE, as_lines, prose, records

from dedupe.corpus.tasks import Made

COLUMNS = {"key": "uint64", "part": "uint32", "value": "int64", "flag": "bool", "small": "int32"}
ORDER = ("key", "part", "value")
ROOT = Path(__file__).parents[1]


def rows_of(number: int):
    """Give 3 pieces of 50 rows with keys of all 64 bits; every other task has keys that others have."""
    chance = np.random.default_rng(number // 2)
    for piece in range(3):
        keys = chance.integers(0, (1 << 64) - 1, 50, dtype=np.uint64, endpoint=True)
        value = np.arange(50) - 25 + 1000 * piece
        yield {
            "key": keys, "part": np.full(50, (1 << 32) - 1 - number, np.uint32), "value": value,
            "flag": value % 3 == 0, "small": (value - 7).astype(np.int32),
        }  # fmt: skip


def some_rows(task):
    yield from rows_of(task.payload)


def slow_rows(task):
    for piece in rows_of(task.payload):
        time.sleep(0.3)
        yield piece


def no_rows(task):
    return iter(())


def write_number(task, folder, spread):
    """Write the payload, and a line to a log of all that were done."""
    with open(folder / "log", "a") as log:
        log.write(f"{task.name}\n")
    (folder / task.name).write_text(str(task.payload))
    return Made({"number": task.payload}, (task.name,))


def identical(count: int) -> list[dict[str, object]]:
    """Make records of one text under many addresses."""
    text = prose(random.Random(3), "en", 90)
    return [
        {"id": f"same-{n}", "url": f"https://mirror{n % 5}.example.net/{n}", "text": text} for n in range(count)
    ]


def write_corpus(folder: Path, num_records: int = 100, num_identical: int = 120) -> list[Path]:
    """Write shards: generated pages, many equal ones, hostile lines, the seed, golden texts."""
    golden = [path.read_text("utf-8", "replace") for path in sorted((ROOT / "tests" / "golden").rglob("*.txt"))]
    seed = (ROOT / "seeds" / "000_76ba97706a32af6b.txt").read_text("utf-8")
    texts = [{"id": f"golden-{n}", "text": text} for n, text in enumerate([seed, *golden])]
    lines = [*as_lines(records(num_records)), *as_lines(identical(num_identical)), *HOSTILE, *as_lines(texts)]
    random.Random(7).shuffle(lines)
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-len(lines) // 6)
    paths = [folder / f"part-{number:02}.jsonl" for number in range(6)]
    for number, path in enumerate(paths):
        path.write_bytes(b"".join(lines[number * size:(number + 1) * size]))
    return paths


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Everything a run leaves, but for the time it began."""
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    head, _, rest = found["report/removals.jsonl"].partition(b"\n")
    row = json.loads(head)
    del row["started"]
    found["report/removals.jsonl"] = json.dumps(row).encode() + rest
    return found
