"""text-dedup 0.4: its command for MinHash, hashes of 32 bits by xxh3 (its fastest), one process, bands as ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from datasets import load_from_disk
from file_harness import run
from text_dedup.minhash import main

BANDS = {0.7: (25, 5), 0.8: (21, 6)}


def clean(corpus: Path, output: Path, min_resemblance: float) -> Callable[[], Iterable[str]]:
    bands, rows = BANDS[min_resemblance]
    options = {
        "path": "json", "data_files": corpus, "split": "train", "cache_dir": output / "cache", "output": output / "out",
        "column": "text", "ngram": 5, "min_length": 1, "num_perm": 128, "threshold": min_resemblance, "b": bands,
        "r": rows, "hash_func": "xxh3", "hash_bits": 32, "num_proc": 1,
    }  # fmt: skip
    main.main([str(part) for name, value in options.items() for part in (f"--{name}", value)], standalone_mode=False)
    return lambda: load_from_disk(str(output / "out"))["id"]


run(clean)
