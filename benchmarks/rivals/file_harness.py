"""Run one tool from files to files in this process and write its answer, time and memory as JSON.

    python benchmarks/rivals/<tool>.py CORPUS.jsonl ANSWER.json --min-resemblance 0.7

A tool is a function (corpus, empty folder, min_resemblance) that writes the documents which stay somewhere below the
folder and gives their ids. Its time is that of all its processes, from reading the corpus to files on disk; importing
the tool, and reading the ids back, are not in it.
"""

from __future__ import annotations

import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from harness import read_arguments  # sets one thread, before anything is imported

# After the timed part the second function reads the ids of what stayed.
Clean = Callable[[Path, Path, float], Callable[[], Iterable[str]]]


def processor_seconds() -> float:
    """Seconds of this process and of those it waited for; `os.times` would count hundredths."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def run(clean: Clean) -> None:
    arguments = read_arguments()
    with arguments.corpus.open(encoding="utf-8") as lines:
        sizes = {row["id"]: len(row["text"].encode()) for row in map(json.loads, lines)}
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.repeat):
            output = Path(folder) / str(number)
            output.mkdir()
            begin, begin_cpu = time.perf_counter(), processor_seconds()
            read_ids = clean(arguments.corpus.resolve(), output, arguments.min_resemblance)
            runs.append((processor_seconds() - begin_cpu, time.perf_counter() - begin))
            stays = set(read_ids())
            shutil.rmtree(output)
    usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    answer = {
        "cpu_seconds": min(runs)[0],
        "first_cpu_seconds": runs[0][0],
        "wall_seconds": min(runs)[1],
        "num_bytes": sum(sizes.values()),
        "memory_bytes": max(usage) * 1024,
        "removals": [(doc, -1) for doc, name in enumerate(sizes) if name not in stays],
    }
    arguments.answer.write_text(json.dumps(answer))


def ids_in(folder: Path) -> Iterable[str]:
    """Read the ids of all JSON lines below a folder."""
    for path in sorted(folder.rglob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line)["id"] for line in lines)
