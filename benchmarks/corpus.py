"""Measure the whole of cleaning a corpus: speed by stage, peak memory, and the same bytes whatever happens.

    python benchmarks/corpus.py speed --megabytes 20 200          # one worker, then two; time by stage, peak memory
    python benchmarks/corpus.py same --megabytes 20               # 1, 2, 3 workers, shuffled files, other shards
    python benchmarks/corpus.py kill --megabytes 40 --kills 10    # SIGKILL at random moments, resumed each time

Each run is a process of its own. `speed` counts text in its UTF-8, from JSON lines on disk to JSON lines and ledger on
disk, near-duplicates, site boilerplate, shared passages and the cleaning of every document together.

What the figures do not show: the corpus is made by generate.py, so see there; its documents have little to clean, and
whole pages with their menus cost several times as much a megabyte, most of it for the removals and their reasons.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))


def make_shards(folder: Path, megabytes: float, num_shards: int, seed: int = 1) -> list[Path]:
    """Generate a corpus and cut it into shards of whole lines."""
    folder.mkdir(parents=True)
    whole = folder / "whole.jsonl"
    options = ["--megabytes", str(megabytes), "--seed", str(seed)]
    subprocess.run([sys.executable, str(HERE / "generate.py"), str(whole), *options], check=True)
    lines = whole.read_bytes().splitlines(keepends=True)
    whole.unlink()
    return cut(lines, folder, num_shards)


def cut(lines: list[bytes], folder: Path, num_shards: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-len(lines) // num_shards)
    paths = [folder / f"part-{number:03}.jsonl" for number in range(num_shards)]
    for number, path in enumerate(paths):
        path.write_bytes(b"".join(lines[number * size:(number + 1) * size]))
    return paths


def child(arguments: argparse.Namespace) -> None:
    """Clean in this process and print the figures as JSON."""
    from dedupe.config import Config
    from dedupe.corpus.run import run_corpus
    from dedupe.engines.local import LocalEngine
    from dedupe.read import find_inputs
    from dedupe.write import plan_outputs

    inputs = find_inputs(arguments.paths)
    outputs = plan_outputs(inputs, arguments.out)
    work = Path(arguments.out + "-work")
    work.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    with LocalEngine(work, arguments.jobs, arguments.memory) as engine:
        totals = run_corpus(
            inputs, outputs, Config(), engine, report=arguments.out + "-report", memory_bytes=arguments.memory
        )
    print(json.dumps({
        "seconds": time.perf_counter() - began,
        "stages": engine.seconds,
        "bytes": totals.num_bytes_before,
        "removals": totals.num_removals,
        "near": totals.num_near_duplicates,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "worker_memory": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }))


def command(paths: list[Path], out: Path, jobs: int, memory: int) -> list[str]:
    return [
        sys.executable, str(Path(__file__).resolve()), "child", *map(str, paths), "--out", str(out),
        "--jobs", str(jobs), "--memory", str(memory),
    ]  # fmt: skip


def clean(paths: list[Path], out: Path, jobs: int, memory: int = 2 << 30) -> dict:
    done = subprocess.run(command(paths, out, jobs, memory), check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def removals(out: Path) -> dict[str, list]:
    """What went from each document and which one is its keeper, by their ids."""
    with open(f"{out}-report/removals.jsonl", "rb") as ledger:
        rows = [row for row in map(json.loads, ledger) if row["type"] in ("doc", "removal")]
    ids = {row["doc"]: row["id"] for row in rows if row["type"] == "doc"}
    found: dict[str, list] = {}
    for row in rows:
        if row["type"] == "doc":
            keeper = row.get("near_duplicate_of")
            found[row["id"]] = [keeper and (ids[keeper["doc"]], keeper["resemblance"], keeper["containment"])]
        else:
            found[ids[row["doc"]]].append((row["char"], row["rule"], row["confidence"]))
    return found


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())} | {
        "ledger": Path(f"{out}-report/removals.jsonl").read_bytes().partition(b"\n")[2]
    }


def speed(arguments: argparse.Namespace, folder: Path) -> None:
    for megabytes in arguments.megabytes:
        paths = make_shards(folder / f"in{megabytes:g}", megabytes, 8)
        for jobs in (1, 2):
            found = clean(paths, folder / f"out{megabytes:g}-{jobs}", jobs)
            rate = found["bytes"] / 1e6 / found["seconds"]
            print(
                f"{megabytes:g} MB, {jobs} worker(s): {found['seconds']:.1f} s, {rate:.1f} MB/s; peak memory "
                f"{found['memory']:.0f} MB, largest worker {found['worker_memory']:.0f} MB; "
                f"{found['near']:,} near-duplicates, {found['removals']:,} removals"
            )
            for stage, seconds in sorted(found["stages"].items(), key=lambda item: -item[1]):
                if seconds >= 0.01 * found["seconds"]:
                    print(f"    {stage:16} {seconds:7.2f} s  {seconds / found['seconds']:4.0%}")


def same(arguments: argparse.Namespace, folder: Path) -> None:
    paths = make_shards(folder / "in", arguments.megabytes[0], 5)
    out = folder / "out"
    clean(paths, out, 1)
    expected, decided = contents(out), removals(out)
    for jobs in (2, 3):
        shutil.rmtree(out)
        shutil.rmtree(f"{out}-work")
        clean(random.Random(jobs).sample(paths, len(paths)), out, jobs)
        print(f"{jobs} workers, inputs shuffled: {'the same bytes' if contents(out) == expected else 'DIFFERENT'}")
    lines = [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]
    random.Random(1).shuffle(lines)
    for num_shards in (1, 13):
        other = folder / f"other{num_shards}"
        clean(cut(lines, folder / f"in{num_shards}", num_shards), other, 2)
        verdict = "the same removals" if removals(other) == decided else "DIFFERENT"
        print(f"{num_shards} shards, records shuffled: {verdict}")


def kill(arguments: argparse.Namespace, folder: Path) -> None:
    paths = make_shards(folder / "in", arguments.megabytes[0], 6)
    out = folder / "out"
    began = time.perf_counter()
    clean(paths, out, 2)
    seconds, expected = time.perf_counter() - began, contents(out)
    shutil.rmtree(out)
    shutil.rmtree(f"{out}-work")
    chance, quiet = random.Random(7), {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for number in range(arguments.kills):
        process = subprocess.Popen(command(paths, out, 2, 2 << 30), **quiet)
        after = chance.uniform(0.05, 0.9) * seconds / (1 + number / 3)
        try:
            process.wait(after)
            print(f"run {number}: finished before {after:.1f} s")
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            stages = len(list(Path(f"{out}-work").glob("*/*.done.json")))
            print(f"run {number}: killed after {after:.1f} s, {stages} tasks done")
    clean(paths, out, 2)
    print("the same bytes" if contents(out) == expected else "DIFFERENT")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("speed", "same", "kill"):
        each = commands.add_parser(name)
        each.add_argument("--megabytes", type=float, nargs="+", default=[20.0])
        each.add_argument("--kills", type=int, default=10)
        each.add_argument("--folder", help="where to work; a temporary folder otherwise")
    one = commands.add_parser("child")
    one.add_argument("paths", nargs="+")
    one.add_argument("--out", required=True)
    one.add_argument("--jobs", type=int, default=1)
    one.add_argument("--memory", type=int, default=2 << 30)
    arguments = parser.parse_args()
    if arguments.command == "child":
        child(arguments)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        os.environ["PYTHONPATH"] = str(HERE.parent)
        {"speed": speed, "same": same, "kill": kill}[arguments.command](arguments, Path(folder))


if __name__ == "__main__":
    main()
