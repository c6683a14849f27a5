"""Run one tool on one corpus in this process and write its answer, time and memory as JSON.

    python benchmarks/rivals/<tool>.py CORPUS.jsonl ANSWER.json --min-resemblance 0.8

A tool is a function from texts to removals: pairs (document, keeper), keeper -1 where the tool only flags. Reading the
corpus and importing the tool are not in its time. One thread: the variables below are set before anything is imported.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

Find = Callable[[list[str], float], list[tuple[int, int]]]


def read_arguments() -> argparse.Namespace:
    """Read what every rival is told: the corpus, where its answer goes, the bound, how often to run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("corpus", type=Path)
    parser.add_argument("answer", type=Path)
    parser.add_argument("--min-resemblance", type=float, default=0.8)
    parser.add_argument("--repeat", type=int, default=1, help="the fastest run counts; the first may load caches")
    return parser.parse_args()


def run(find: Find) -> None:
    arguments = read_arguments()
    with arguments.corpus.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    runs = []
    for _ in range(arguments.repeat):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        removals = find(texts, arguments.min_resemblance)
        runs.append((time.process_time() - begin_cpu, time.perf_counter() - begin))
    answer = {
        "cpu_seconds": min(runs)[0],
        "first_cpu_seconds": runs[0][0],
        "wall_seconds": min(runs)[1],
        "num_bytes": sum(len(text.encode()) for text in texts),
        "memory_bytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024,
        "removals": removals,
    }
    arguments.answer.write_text(json.dumps(answer))
