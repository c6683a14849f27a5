"""Measure how a corpus run grows: seconds by stage, peak memory of all processes, the ratio to linear.

    python benchmarks/scale.py grow --megabytes 500 1000 5000 --memory 2GB            # the whole of clean
    python benchmarks/scale.py grow --megabytes 100 1000 --memory 2GB --only near      # prepare and near-duplicates
    python benchmarks/scale.py hot --documents 1000000                                 # with and without hot buckets
    python benchmarks/scale.py workers --megabytes 200                                 # one worker and two, in turns

Each run is a process of its own. *Peak memory* is the most that the run's processes had together, by proportional set
size, sampled five times a second (pages of files in the system's cache are not in it). *Linear*: seconds a megabyte,
against the smallest corpus. *Load*: of the machine while the run went on; with others at work, only ratios of
processor seconds mean anything.

`grow` writes the corpus of generate.py, and then the same again in other letters as often as asked: each copy
exchanges letters within their scripts, so that its words are new while its near-duplicates, templates and pages stay.
`hot` writes short documents: as many fresh ones, and instead of a fifth of them a tenth of copies of one text and a
tenth of texts that differ from another one in a single word; both must take the same time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
BASE_MEGABYTES = 50.0
SHARD_BYTES = 32 << 20
SCRIPTS = ("abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщыэюя", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي")
HAN = "".join(map(chr, range(0x4E00, 0x4E00 + 2400)))


def letters(copy: int) -> dict[int, str]:
    """Exchange the letters of every script, for one copy; the first copy stays as it is."""
    chance, table = random.Random(copy), {}
    for script in (*SCRIPTS, HAN):
        mixed = list(script)
        if copy:
            chance.shuffle(mixed)
        table.update(zip(map(ord, script), mixed, strict=True))
        table.update((ord(old.upper()), new.upper()) for old, new in zip(script, mixed, strict=True))
    return table


def lines(folder: Path, megabytes: float) -> Iterator[bytes]:
    """Give the lines of a corpus of at least so many megabytes of text; a larger one begins with the smaller one."""
    base = folder / "base.jsonl"
    if not base.exists():
        subprocess.run([sys.executable, HERE / "generate.py", base, "--megabytes", str(BASE_MEGABYTES)], check=True)
    done, copy = 0, 0
    while True:
        table = letters(copy)
        with base.open(encoding="utf-8") as rows:
            for row in map(json.loads, rows):
                row["text"] = row["text"].translate(table)
                row["id"] = f"{copy:04}-{row['id']}"
                row["url"] = f"https://{copy}.{row['url'].removeprefix('https://')}"
                yield json.dumps(row, ensure_ascii=False).encode() + b"\n"
                done += len(row["text"].encode())
                if done >= megabytes * 1e6:
                    return
        copy += 1


def write_shards(rows: Iterator[bytes], folder: Path) -> None:
    folder.mkdir(parents=True)
    held: list[bytes] = []
    size = number = 0
    for row in rows:
        held.append(row)
        size += len(row)
        if size >= SHARD_BYTES:
            (folder / f"part-{number:05}.jsonl").write_bytes(b"".join(held))
            held, size, number = [], 0, number + 1
    (folder / f"part-{number:05}.jsonl").write_bytes(b"".join(held))


def short_documents(count: int, hot: bool) -> Iterator[bytes]:
    """Give short documents of 30 to 60 words; of the `hot`, a tenth are equal and a tenth nearly so."""
    chance = random.Random(5)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 8))) for _ in range(20_000)]
    equal, near = (chance.choices(words, k=60) for _ in range(2))
    for number in range(count):
        text = chance.choices(words, k=chance.randint(30, 60))
        if hot and number % 10 == 3:
            text = equal
        elif hot and number % 10 == 7:
            text = near.copy()
            text[30] = f"{chance.choice(words)}{number}"
        yield json.dumps({"id": str(number), "text": " ".join(text)}).encode() + b"\n"


class Watch:
    """Sample the memory of this process's children, and of theirs, until it is stopped."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes, self._pid, self._stop = 0, pid, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.2):
            self.peak_bytes = max(self.peak_bytes, sum(map(proportional_bytes, family(self._pid))))

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.peak_bytes


def family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in path.read_text().split():
                yield from family(int(child))


def proportional_bytes(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def run(shards: Path, work: Path, jobs: int, memory: str, only: str, near: str = "drop") -> dict:
    """Clean the shards in a process of its own and give its figures."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    command = [sys.executable, str(Path(__file__).resolve()), "child", str(shards), "--work", str(work), "--near", near]
    child = subprocess.Popen(
        [*command, "--jobs", str(jobs), "--memory", memory, "--only", only], stdout=subprocess.PIPE, text=True
    )
    watch = Watch(child.pid)
    output = child.communicate()[0]
    peak = watch.stop()
    if child.returncode:
        raise SystemExit(f"the run of {shards} failed")
    return {**json.loads(output.splitlines()[-1]), "peak": peak, "load": os.getloadavg()[0]}


def child(arguments: argparse.Namespace) -> None:
    from dedupe.config import Config
    from dedupe.engines.local import LocalEngine
    from dedupe.read import find_inputs
    from dedupe.runs import parse_bytes
    from dedupe.spare import spare_start

    spare_start()  # as the command does
    inputs, memory = find_inputs([str(arguments.shards)]), parse_bytes(arguments.memory)
    config = Config(near_duplicates=arguments.near)
    began = time.perf_counter(), processor_seconds()
    with LocalEngine(arguments.work, arguments.jobs, memory) as engine:
        found = (near_alone if arguments.only == "near" else whole)(inputs, config, engine, memory // arguments.jobs)
        seconds = time.perf_counter() - began[0]
    print(json.dumps({
        **found, "seconds": seconds, "processor": processor_seconds() - began[1],
        "stages": {**engine.seconds, "between stages": seconds - sum(engine.seconds.values())},
    }))  # fmt: skip


def processor_seconds() -> float:
    """Seconds of this process and of its workers that have ended."""
    return sum(os.times()[:4])


def whole(inputs, config, engine, memory_bytes: int) -> dict:
    from dedupe.corpus.run import run_corpus
    from dedupe.write import plan_outputs

    outputs, report = plan_outputs(inputs, str(engine.folder / "out")), str(engine.folder / "report")
    done = run_corpus(inputs, outputs, config, engine, report=report, memory_bytes=memory_bytes)
    return {"bytes": done.num_bytes_before, "documents": done.num_documents, "gone": done.num_near_duplicates}


def near_alone(inputs, config, engine, memory_bytes: int) -> dict:
    """Read and prepare the corpus and find its near-duplicates, and clean nothing."""
    from dedupe.corpus.artefacts import Artefacts
    from dedupe.corpus.lots import make_lots
    from dedupe.corpus.near import find_near
    from dedupe.corpus.prepare import PrepareTask, prepare
    from dedupe.corpus.tasks import Task
    from dedupe.kernels import worthwhile

    lots = make_lots(inputs, [None] * len(inputs))
    fast = worthwhile(sum(lot.num_bytes for lot in lots) // 6)
    tasks = [Task(lot.name, lot.label, PrepareTask(lot, config, fast), lot.num_bytes) for lot in lots]
    made = engine.map_files("prepare", prepare, tasks)
    artefacts = Artefacts.gathered(engine.folder / "prepare", [each.task for each in made], config.num_perm)
    keepers = find_near(artefacts, config, engine, memory_bytes)
    gone = int((keepers.keeper != range(len(artefacts))).sum())
    return {"bytes": sum(lot.num_bytes for lot in lots), "documents": len(artefacts), "gone": gone}


def show(name: str, found: dict) -> None:
    megabytes = found["bytes"] / 1e6
    print(
        f"{name}: {found['seconds']:.1f} s, processor {found['processor']:.1f} s ({megabytes / found['processor']:.1f} "
        f"MB/s), peak memory {found['peak'] / 1e6:.0f} MB, {found['documents']:,} documents, {found['gone']:,} "
        f"near-duplicates, load {found['load']:.1f}"
    )
    for stage, seconds in sorted(found["stages"].items(), key=lambda item: -item[1]):
        if seconds >= 0.02 * found["seconds"]:
            print(f"    {stage:16} {seconds:8.2f} s  {seconds / found['seconds']:4.0%}")
    sys.stdout.flush()


def grow(arguments: argparse.Namespace, folder: Path) -> None:
    least = None
    for megabytes in arguments.megabytes:
        shards = folder / "in"
        shutil.rmtree(shards, ignore_errors=True)
        write_shards(lines(folder, megabytes), shards)
        found = run(shards, folder / "work", arguments.jobs, arguments.memory, arguments.only)
        show(f"{megabytes:g} MB", found)
        rates = found["processor"] / found["bytes"], found["seconds"] / found["bytes"]
        least = least or rates
        print(f"    to linear: {rates[0] / least[0]:.2f} by processor seconds, {rates[1] / least[1]:.2f} by the clock")


def hot(arguments: argparse.Namespace, folder: Path) -> None:
    for name, is_hot in (("without", False), ("with", True)):
        write_shards(short_documents(arguments.documents, is_hot), folder / name)
    for _ in range(arguments.repeat):
        for name in ("without", "with"):
            found = run(folder / name, folder / "work", arguments.jobs, arguments.memory, arguments.only)
            show(f"{arguments.documents:,} documents {name} hot ones", found)


def workers(arguments: argparse.Namespace, folder: Path) -> None:
    shards = folder / "in"
    write_shards(lines(folder, arguments.megabytes[0]), shards)
    for _ in range(arguments.repeat):
        one, two = (run(shards, folder / "work", jobs, arguments.memory, arguments.only) for jobs in (1, 2))
        show("one worker", one)
        show("two workers", two)
        print(f"    {one['seconds'] / two['seconds']:.2f} times as fast by the clock")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("grow", "hot", "workers", "child"))
    parser.add_argument("shards", nargs="?", type=Path, help="of a child")
    parser.add_argument("--megabytes", type=float, nargs="+", default=[100.0, 500.0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--only", choices=("near", "all"), default="all")
    parser.add_argument("--near", choices=("report", "drop", "off"), default="drop")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--memory", default="2GB")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--folder", help="where to work; a temporary folder otherwise")
    arguments = parser.parse_args()
    if arguments.command == "child":
        child(arguments)
        return
    os.environ["PYTHONPATH"] = str(HERE.parent)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        {"grow": grow, "hot": hot, "workers": workers}[arguments.command](arguments, Path(folder))


if __name__ == "__main__":
    main()
