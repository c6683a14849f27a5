"""A cluster whose executors and driver are killed, by real signals: the same bytes in the end.

`local-cluster` starts a master, workers and executors as processes of their own, all on this machine. The program
below is the driver; the test finds its executors among the processes it started, and kills only those.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from spark_samples import COLUMNS, ORDER, ROOT, bytes_of, some_rows, write_corpus
from test_engine import tasks

from dedupe.config import Config
from dedupe.corpus_api import clean_records
from dedupe.engines.local import LocalEngine
from dedupe.read import find_inputs
from dedupe.write import plan_outputs

pytest.importorskip("pyspark")
pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds executors in /proc"),
]

LIGHT = Config(near_duplicates="off")  # every step costs new executors a second of loading; test_spark.py has them all
DRIVER = """
import os, sys
from pathlib import Path
from spark_samples import COLUMNS, ORDER, slow_rows
from test_engine import tasks
from dedupe.config import Config
from dedupe.corpus import lots
from dedupe.corpus_api import clean_records
from dedupe.engines.spark import SparkEngine, open_session
from dedupe.read import find_inputs
from dedupe.write import plan_outputs

small = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
session = open_session(sys.argv[1], {
    "spark.driver.memory": "512m", "spark.executor.memory": "512m", "spark.driver.extraJavaOptions": small,
    "spark.executor.extraJavaOptions": small, "spark.executorEnv.PYTHONPATH": os.environ["PYTHONPATH"],
    "spark.task.maxFailures": "8",
})
Path("rows").mkdir(exist_ok=True)
SparkEngine(Path("rows"), session).shuffle_sort("rows", slow_rows, tasks(8), COLUMNS, ORDER, 4)
lots._LOT_BYTES = 1
inputs = find_inputs(["in"])
clean_records(inputs, plan_outputs(inputs, "w/out"), Config(near_duplicates="off"), report="w/report", resume=True,
              engine=lambda folder: SparkEngine(folder, session))
print("done", flush=True)
"""


@contextmanager
def driver(folder: Path, master: str) -> Iterator[subprocess.Popen[str]]:
    """Start the program; whatever is left of it in the end is killed."""
    names = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)])}
    with open(folder / "log", "a") as log:
        child = subprocess.Popen([sys.executable, "driver.py", master], cwd=folder, env=names,
                                 stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield child
    finally:
        for process in [*below(child.pid), child.pid]:
            kill(process)
        child.communicate()


def kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def below(parent: int) -> list[int]:
    """List the processes that a process started, and those that they did."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [parent]
    for process in found:
        found += [child for child, its_parent in parents.items() if its_parent == process]
    return found[1:]


def executors(parent: int) -> list[int]:
    def command(process: int) -> str:
        try:
            return Path(f"/proc/{process}/cmdline").read_text()
        except OSError:
            return ""

    return [process for process in below(parent) if "CoarseGrainedExecutorBackend" in command(process)]


def wait_for(what: Callable[[], bool], child: subprocess.Popen[str], folder: Path, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert child.poll() is None, (folder / "log").read_text()[-5000:]
        assert time.monotonic() < end, "nothing happened for a long time\n" + (folder / "log").read_text()[-5000:]
        time.sleep(0.05)


def test_executors_and_then_the_driver_are_killed_and_the_bytes_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dedupe.corpus.lots._LOT_BYTES", 1)
    paths = [os.path.relpath(path) for path in write_corpus(tmp_path / "in", 40, 20)]
    inputs = find_inputs(paths)
    clean_records(inputs, plan_outputs(inputs, "w/out"), LIGHT, report="w/report")
    expected = bytes_of(tmp_path / "w")
    shutil.move("w", "local")
    (tmp_path / "expected").mkdir()
    with LocalEngine(tmp_path / "expected") as engine:
        buckets = engine.shuffle_sort("rows", some_rows, tasks(8), COLUMNS, ORDER, 4)
    (tmp_path / "driver.py").write_text(DRIVER)

    counts = tmp_path / "rows" / "rows-counts-0004"
    work = tmp_path / "w" / "report" / ".dedupe-work"
    with driver(tmp_path, "local-cluster[2,1,1024]") as child:
        # one executor goes when some tasks have sent their rows, which are lost with it
        wait_for(lambda: len(list(counts.glob("*.json"))) >= 3, child, tmp_path)
        first = executors(child.pid)
        assert len(first) == 2
        kill(first[0])
        # the one that was started for it and the other go when the corpus is at work
        wait_for(lambda: len(list((work / "prepare").glob("*.done.json"))) >= 2, child, tmp_path)
        assert len(list((tmp_path / "rows" / "rows").glob("*.parquet"))) == 4
        for process in executors(child.pid):
            kill(process)
        wait_for(lambda: (work / "blocks-counts-0001").exists(), child, tmp_path)
        assert not set(executors(child.pid)) & set(first)
    # the driver went, mid-shuffle, with all that it had started; this machine goes on (Spark does in test_spark.py)
    assert not (tmp_path / "w" / "report" / "removals.jsonl").exists()
    found = sorted((tmp_path / "rows" / "rows").glob("*.parquet"))
    assert [path.name for path in found] == [path.name for path in buckets]
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in buckets]
    clean_records(inputs, plan_outputs(inputs, "w/out"), LIGHT, report="w/report", resume=True)
    assert bytes_of(tmp_path / "w") == expected
