"""Measure Spark beside the local engine on the same documents: the same bytes, CPU seconds, shuffle bytes, memory.

    python benchmarks/spark.py --documents 200000 --identical 20000
    python benchmarks/spark.py --documents 1000000 --identical 100000 --only search --runs local:4GB spark:512MB:7
    python benchmarks/spark.py --runs local spark:256MB:7:apply          # stopped before `apply`, resumed by local

A run is ENGINE[:MEMORY[:PARTITIONS[:STAGE]]]: `local` has two workers, `spark` is local[2]; MEMORY is that of one task
and says whether the bands of near-duplicates are shuffled (below 1.3 kB a document); PARTITIONS are those of tasks; at
STAGE the run is broken off, and another process with the local engine goes on from there. Each run cleans the corpus in
a process of its own; `--only near` prepares it and finds its near-duplicates, and compares their keepers; `--only
search` makes up what preparing leaves, for documents of 50 random shingles, one in ten nearly equal to another, and
finds near-duplicates among them.

CPU seconds are those of all processes of a run (Python, its workers, the JVM), read from /proc while they live, so they
do not depend on what else the machine does. Shuffle bytes come from Spark's event log, by stage: what was written,
compressed. *Driver* is the peak memory of the Python process that asks the engine, less what it has before its first
task; the JVM is not in it. With shards enough workers do all tasks, so it is what the corpus needs in one place.

What the figures do not show: one machine has no network; the documents are short, of invented words, most with the
frame of their site, one in ten identical and one in ten nearly equal to another. Rows of a shuffle depend on the number
of blocks and words, not on the letters.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

HERE = Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")


def write_corpus(folder: Path, num_docs: int, num_identical: int, num_shards: int) -> int:
    """Write shards of JSON lines and return the bytes of the texts."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghilmnoprstuvz", k=chance.randint(2, 9))) for _ in range(20_000)]
    weights = list(accumulate(1 / rank for rank in range(1, 20_001)))
    same = " ".join(chance.choices(words, cum_weights=weights, k=90))
    bodies: list[str] = []
    num_bytes = 0
    for shard in range(num_shards):
        with open(folder / f"part-{shard:04}.jsonl", "w") as file:
            for number in range(shard, num_docs, num_shards):
                site = number % 997
                if number < num_identical:
                    text = same
                else:
                    body = " ".join(chance.choices(words, cum_weights=weights, k=chance.randint(40, 120)))
                    if bodies and number % 10 == 0:
                        near = chance.choice(bodies).split()
                        near[chance.randrange(len(near))] = "flood"
                        body = " ".join(near)
                    bodies = [*bodies[-999:], body] if number % 20 == 1 else bodies
                    text = f"Home of site {site}\n\n{body.capitalize()}.\n\nShare this page of site {site}\n"
                num_bytes += len(text)
                record = {"id": f"d{number:08}", "url": f"https://site{site}.example/{number}", "text": text}
                file.write(json.dumps(record) + "\n")
    return num_bytes


@dataclass(frozen=True)
class Run:
    """Say how the corpus is cleaned; see above."""

    engine: str
    memory: str = "1GB"
    partitions: int | None = None
    stop: str = ""

    @classmethod
    def of(cls, words: str) -> Run:
        engine, memory, partitions, stop = (*words.split(":"), "", "", "")[:4]
        if engine not in ("local", "spark"):
            raise SystemExit(f"{words}: expected local or spark")
        return cls(engine, memory or "1GB", int(partitions) if partitions else None, stop)

    @property
    def name(self) -> str:
        return "-".join([self.engine, self.memory, *filter(None, (str(self.partitions or ""), self.stop))])


def write_artefacts(folder: Path, num_docs: int, num_identical: int, num_shards: int) -> int:
    """Write what preparing leaves of documents of 50 shingles, as far as the search reads it."""
    import numpy as np
    import pyarrow
    import pyarrow.parquet as parquet

    sys.path.insert(0, str(HERE.parent))
    from dedupe import kernels
    from dedupe.index import band_keys, choose_bands
    from dedupe.sketch import signatures

    kernels.turn_on(1 << 40)
    chance = np.random.default_rng(1)
    num_bands, num_rows = choose_bands(0.8)
    same, near = chance.integers(0, 1 << 32, (2, 50), dtype=np.uint32)
    for lot, numbers in enumerate(np.array_split(np.arange(num_docs), num_shards)):
        size, name = len(numbers), folder / f"{lot:05}"
        docs = chance.integers(0, 1 << 32, (size, 50), dtype=np.uint32)
        docs[numbers < num_identical] = same
        alike = np.flatnonzero(numbers % 20 == 7)  # to one document, all in the same buckets
        docs[alike] = near
        docs[alike, chance.integers(0, 50, len(alike))] = chance.integers(0, 1 << 32, len(alike), dtype=np.uint32)
        pairs = np.flatnonzero(numbers % 20 == 13)[1:]  # to the one before
        docs[pairs] = docs[pairs - 1]
        docs[pairs, 7] = 7
        content = (docs.astype(np.uint64) * (2 * np.arange(50, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15))).sum(1)
        start = np.arange(size + 1) * 50
        rows = signatures(docs.ravel(), start, 128, 1)
        columns = {"tie": numbers.astype(np.uint64), "rank": np.full(size, 50.0), "content": content,
                   "num_shingles": np.full(size, 50)}
        parquet.write_table(pyarrow.table(columns), f"{name}.docs.parquet")
        keys = {f"{band:03}": band_keys(rows, np.arange(size), band, num_rows) for band in range(num_bands)}
        parquet.write_table(pyarrow.table(keys), f"{name}.bands.parquet", compression="none", use_dictionary=False)
        docs.tofile(f"{name}.shingles")
        rows.tofile(f"{name}.signatures")
    return num_docs * 50 * 6  # of English text


def child(name: str, run: Run, only: str) -> None:
    """Do a run in this process and print the seconds of each stage and the memory of this process as JSON."""
    sys.path.insert(0, str(HERE.parent))
    from dedupe.engines.local import LocalEngine
    from dedupe.engines.spark import SparkEngine, open_session
    from dedupe.runs import parse_bytes

    work = Path(name) / "work"
    work.mkdir(parents=True, exist_ok=True)
    session = None
    if run.engine == "spark":
        (work.parent / "events").mkdir(exist_ok=True)
        session = open_session("local[2]", {
            "spark.driver.memory": "2g", "spark.eventLog.enabled": "true", "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false", "spark.eventLog.dir": f"file:{work.parent.absolute()}/events",
        })  # fmt: skip
    kind = LocalEngine if session is None else SparkEngine

    class Engine(kind):
        def map_files(self, stage, function, tasks):
            if stage == run.stop:
                raise KeyboardInterrupt
            return super().map_files(stage, function, tasks)

    memory_bytes = parse_bytes(run.memory)
    engine = Engine(work, 2, 2 * memory_bytes) if session is None else Engine(
        work, session, num_partitions=run.partitions)
    before, others = peak_bytes(), 0
    with suppress(KeyboardInterrupt), engine:
        others = {"near": near_alone, "search": search_alone, "all": whole}[only](name, engine, memory_bytes)
    if session is not None:
        session.stop()
    figures = {key: round(seconds, 1) for key, seconds in engine.seconds.items()}
    print(json.dumps({"stages": figures, "driver": peak_bytes() - before, "documents": others}), flush=True)


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def whole(name: str, engine, memory_bytes: int) -> int:
    from dedupe.config import Config
    from dedupe.corpus.run import run_corpus
    from dedupe.read import find_inputs
    from dedupe.write import plan_outputs

    inputs = find_inputs(["in"])
    outputs = plan_outputs(inputs, f"{name}/out")
    done = run_corpus(inputs, outputs, Config(), engine, report=name, memory_bytes=memory_bytes)
    return done.num_documents


def near_alone(name: str, engine, memory_bytes: int) -> int:
    """Prepare the corpus, find its keepers, and write them down."""
    from dedupe.config import Config
    from dedupe.corpus.artefacts import Artefacts
    from dedupe.corpus.lots import make_lots
    from dedupe.corpus.prepare import PrepareTask, prepare
    from dedupe.corpus.tasks import Task
    from dedupe.read import find_inputs

    config, inputs = Config(), find_inputs(["in"])
    tasks = [Task(lot.name, lot.label, PrepareTask(lot, config, True), lot.num_bytes)
             for lot in make_lots(inputs, [None] * len(inputs))]
    made = engine.map_files("prepare", prepare, tasks)
    artefacts = Artefacts.gathered(engine.folder / "prepare", [each.task for each in made], config.num_perm)
    return keepers(name, artefacts, engine, memory_bytes)


def search_alone(name: str, engine, memory_bytes: int) -> int:
    """Find the keepers of documents that are made up, and write them down."""
    from dedupe.config import Config
    from dedupe.corpus.artefacts import Artefacts

    lots = sorted(path.name.partition(".")[0] for path in Path("in").glob("*.signatures"))
    return keepers(name, Artefacts.gathered(Path("in").absolute(), lots, Config().num_perm), engine, memory_bytes)


def keepers(name: str, artefacts, engine, memory_bytes: int) -> int:
    import numpy as np

    from dedupe.config import Config
    from dedupe.corpus.near import find_near

    found = find_near(artefacts, Config(), engine, memory_bytes)
    np.savez(Path(name) / "keepers.npz", keeper=found.keeper, resemblance=found.resemblance,
             containment=found.containment)
    return len(artefacts)


def watched(name: str, run: Run, only: str, folder: Path) -> tuple[dict, float, float]:
    """Do a run; return what it says of itself, CPU seconds and wall seconds."""
    names = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    words = ":".join([run.engine, run.memory, str(run.partitions or ""), run.stop])
    command = [sys.executable, str(HERE / "spark.py"), "--child", name, "--only", only, "--runs", words]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=names, stdout=subprocess.PIPE, text=True)
    used: dict[int, float] = {}
    while process.poll() is None:
        used.update(cpu_below(process.pid))
        time.sleep(1)
    assert process.returncode == 0
    told = json.loads(process.communicate()[0].splitlines()[-1])
    return told, sum(used.values()), time.perf_counter() - began


def cpu_below(root: int) -> dict[int, float]:
    """Give the CPU seconds of a process and all below it."""
    fields: dict[int, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
    found = [root]
    for process in found:
        found += [number for number, field in fields.items() if int(field[1]) == process]
    return {number: (int(fields[number][11]) + int(fields[number][12])) / TICKS for number in found if number in fields}


def shuffles(folder: Path) -> dict[str, tuple[int, int]]:
    """Sum rows and bytes of the shuffles in an event log by what the jobs are called."""
    names: dict[int, str] = {}
    found: dict[str, tuple[int, int]] = {}
    logs = [path for path in folder.iterdir() if not path.name.startswith(".")]
    for log in logs:
        for line in log.read_text().splitlines():
            event = json.loads(line)
            if event["Event"] == "SparkListenerJobStart":
                name = event["Properties"].get("spark.job.description", "").removeprefix("dedupe: ")
                names.update(dict.fromkeys(event["Stage IDs"], name))
            elif event["Event"] == "SparkListenerTaskEnd" and event.get("Task Metrics"):
                written = event["Task Metrics"]["Shuffle Write Metrics"]
                rows, num_bytes = found.get(names[event["Stage ID"]], (0, 0))
                found[names[event["Stage ID"]]] = (
                    rows + written["Shuffle Records Written"], num_bytes + written["Shuffle Bytes Written"],
                )  # fmt: skip
    return {name: both for name, both in found.items() if both[0]}


def digest(folder: Path, only: str) -> str:
    """Hash the outputs and the ledger, but for its first line and the name of the run's folder; or the keepers."""
    whole = hashlib.sha256()
    if only != "all":
        import numpy as np

        with np.load(folder / "keepers.npz") as held:
            for name in sorted(held.files):
                whole.update(held[name].tobytes())
        return whole.hexdigest()
    for path in sorted((folder / "out").iterdir()):
        whole.update(path.read_bytes())
    with open(folder / "removals.jsonl", "rb") as lines:
        next(lines)
        for line in lines:
            whole.update(line.replace(f'"{folder.name}/out/'.encode(), b'"out/'))
    return whole.hexdigest()


def report_shuffles(folder: Path, num_docs: int, num_bytes: int) -> None:
    found = shuffles(folder / "events")
    total = sum(size for _, size in found.values())
    for name, (rows, size) in found.items():
        if size > total / 100:  # the tasks themselves are rows, too
            print(f"  shuffle {name}: {rows:,} rows, {size / rows:.1f} bytes a row, {size / num_docs:.1f} a document")
    print(f"  shuffled in all: {total / 1e6:.1f} MB, {total / num_docs:.0f} bytes a document, "
          f"{total / num_bytes:.1%} of the text", flush=True)


def in_driver(num_bytes: int, num_docs: int) -> str:
    """Tell what the driver took on top of its start; below the peak of the start nothing can be told."""
    return f"driver {num_bytes / num_docs:.0f} bytes a document" if num_bytes > 0 else "driver below its start"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--identical", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--only", choices=("search", "near", "all"), default="all")
    parser.add_argument("--runs", nargs="+", default=["local:1GB", "spark:256MB"])
    parser.add_argument("--folder", help="where to work, and to leave everything [default: a temporary folder]")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    runs = [Run.of(words) for words in arguments.runs]
    if arguments.child:
        child(arguments.child, runs[0], arguments.only)
        return
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="spark-")).absolute()
    (folder / "in").mkdir(parents=True)
    num_docs = arguments.documents
    write = write_artefacts if arguments.only == "search" else write_corpus
    num_bytes = write(folder / "in", num_docs, arguments.identical, arguments.shards)
    print(f"{num_docs:,} documents, {num_bytes / 1e6:.0f} MB of text, {os.cpu_count()} cores", flush=True)
    expected = None
    for run in runs:
        told, cpu, wall = watched(run.name, run, arguments.only, folder)
        if run.stop:
            again, more_cpu, more_wall = watched(run.name, Run("local", run.memory), arguments.only, folder)
            told = {**again, "stages": {**told["stages"], **again["stages"]}}
            cpu, wall = cpu + more_cpu, wall + more_wall
        found = digest(folder / run.name, arguments.only)
        expected = expected or found
        print(f"{run.name}: {cpu:.0f} CPU s, {wall:.0f} s, {in_driver(told['driver'], num_docs)}; "
              + ("the same bytes" if found == expected else "DIFFERENT")
              + "\n  " + ", ".join(f"{key} {value}" for key, value in told["stages"].items() if value), flush=True)
        if run.engine == "spark":
            report_shuffles(folder / run.name, num_docs, num_bytes)
        shutil.rmtree(folder / run.name)
    if not arguments.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
