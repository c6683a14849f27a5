"""Measure Spark beside the local engine on the same documents: the same bytes, CPU seconds, shuffle bytes.

    python benchmarks/spark.py --documents 200000 --identical 20000

Each engine cleans the corpus in a process of its own: `local` with two workers, `spark` on local[2]. CPU seconds are
those of all processes of a run (Python, its workers, the JVM), read from /proc while they live, so they do not depend
on what else the machine does. Shuffle bytes come from Spark's event log, by stage: what was written, compressed.

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
import shutil
import subprocess
import sys
import tempfile
import time
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


def child(arguments: argparse.Namespace) -> None:
    """Clean in this process and print the seconds of each stage as JSON."""
    sys.path.insert(0, str(HERE.parent))
    from dedupe.config import Config
    from dedupe.corpus.run import run_corpus
    from dedupe.engines.local import LocalEngine
    from dedupe.engines.spark import SparkEngine, open_session
    from dedupe.read import find_inputs
    from dedupe.write import plan_outputs

    inputs = find_inputs(["in"])
    outputs = plan_outputs(inputs, f"{arguments.child}/out")
    work = Path(arguments.child) / "work"
    work.mkdir(parents=True)
    if arguments.child == "local":
        engine = LocalEngine(work, 2, 1 << 31)
    else:
        (work.parent / "events").mkdir()
        session = open_session("local[2]", {
            "spark.driver.memory": "2g", "spark.eventLog.enabled": "true", "spark.eventLog.compress": "false",
            "spark.eventLog.rolling.enabled": "false", "spark.eventLog.dir": f"file:{work.parent.absolute()}/events",
        })  # fmt: skip
        engine = SparkEngine(work, session)
    with engine:
        run_corpus(inputs, outputs, Config(), engine, report=arguments.child, memory_bytes=1 << 30)
    if arguments.child == "spark":
        session.stop()
    print(json.dumps({name: round(seconds, 1) for name, seconds in engine.seconds.items()}), flush=True)


def watched(name: str, folder: Path) -> tuple[dict[str, float], float, float]:
    """Run one engine; return seconds by stage, CPU seconds and wall seconds."""
    names = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    command = [sys.executable, str(HERE / "spark.py"), "--child", name]
    began = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=names, stdout=subprocess.PIPE, text=True)
    used: dict[int, float] = {}
    while process.poll() is None:
        used.update(cpu_below(process.pid))
        time.sleep(0.2)
    assert process.returncode == 0
    stages = json.loads(process.communicate()[0].splitlines()[-1])
    return stages, sum(used.values()), time.perf_counter() - began


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
    (log,) = [path for path in folder.iterdir() if not path.name.startswith(".")]
    with open(log) as lines:
        for line in lines:
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


def digest(folder: Path) -> str:
    """Hash the outputs and the ledger, but for its first line and the name of the run's folder."""
    whole = hashlib.sha256()
    for path in sorted((folder / "out").iterdir()):
        whole.update(path.read_bytes())
    with open(folder / "removals.jsonl", "rb") as lines:
        next(lines)
        for line in lines:
            whole.update(line.replace(f'"{folder.name}/out/'.encode(), b'"out/'))
    return whole.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--identical", type=int, default=20_000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--folder", help="where to work, and to leave everything [default: a temporary folder]")
    parser.add_argument("--child", choices=("local", "spark"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments)
        return
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="spark-")).absolute()
    (folder / "in").mkdir(parents=True)
    num_bytes = write_corpus(folder / "in", arguments.documents, arguments.identical, arguments.shards)
    print(f"{arguments.documents:,} documents, {num_bytes / 1e6:.0f} MB of text, {os.cpu_count()} cores", flush=True)
    digests = {}
    for name in ("local", "spark"):
        stages, cpu, wall = watched(name, folder)
        digests[name] = digest(folder / name)
        print(f"{name}: {cpu:.0f} CPU s, {wall:.0f} s; " + ", ".join(f"{key} {value}" for key, value in stages.items()),
              flush=True)
    print("the same bytes" if digests["local"] == digests["spark"] else f"DIFFERENT: {digests}")
    found = shuffles(folder / "spark" / "events")
    total = sum(size for _, size in found.values())
    for name, (rows, size) in found.items():
        if size > total / 100:  # the tasks themselves are rows, too
            each = size / arguments.documents
            print(f"shuffle {name}: {rows:,} rows, {size / rows:.1f} bytes a row, {each:.1f} a document")
    print(f"shuffled in all: {total / 1e6:.1f} MB, {total / arguments.documents:.0f} bytes a document, "
          f"{total / num_bytes:.1%} of the text")
    if not arguments.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
