"""Run tasks on Spark: the two methods of an engine, and nothing that knows of texts.

Tasks are rows of a DataFrame, in a number of partitions that is always given. The folder must be seen under the
same path by the driver and all executors; the artefacts in it are those of the local engine, byte for byte, so a
run that was begun on one engine can be resumed on the other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from dedupe import errors
from dedupe.corpus.tasks import Manifest, MapFunction, RowsFunction, Task
from dedupe.engines.manifests import forget_manifest, read_manifest
from dedupe.engines.shuffle import bucket_name
from dedupe.engines.spark.session import failure
from dedupe.engines.spark.work import (
    MANIFEST_SCHEMA,
    TASK_SCHEMA,
    Shuffle,
    emit_rows,
    fill,
    fill_buckets,
    manifest_of,
    run_tasks,
    task_table,
)
from dedupe.errors import DedupeError

_MAX_PARTITIONS = 20_000  # of tasks: one each, until Spark's own bookkeeping would cost more than they do


class SparkEngine:
    """Run tasks in a Spark session, which stays open. `folder` must exist, for all machines.

    `num_partitions`: of the tasks of a stage, None for one a task. `seconds`: how long each stage took.
    """

    def __init__(self, folder: Path, session: Any, *, num_partitions: int | None = None) -> None:
        self.folder, self.session, self.num_partitions = folder.absolute(), session, num_partitions
        self.seconds: dict[str, float] = {}
        self._run = uuid4().hex

    def __enter__(self) -> SparkEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the session as it is: whoever opened it closes it."""

    def map_files(self, stage: str, function: MapFunction, tasks: Sequence[Task]) -> list[Manifest]:
        """Do every task that was not done before; return all manifests in the order of the tasks.

        Raises: DedupeError: a task failed, or Spark gave up; what was done stays done.
        """
        folder = self.folder / stage
        folder.mkdir(parents=True, exist_ok=True)
        done = {task.name: read_manifest(folder, task.name) for task in tasks}
        todo = [task for task in tasks if done[task.name] is None]
        run, home = self._run, os.getcwd()

        def work(batches: Iterator[Any]) -> Iterator[Any]:
            return run_tasks(batches, function, str(folder), run, home)

        if todo:
            began = time.perf_counter()
            made = self._collect(stage, self._spread(todo).mapInArrow(work, MANIFEST_SCHEMA))
            done.update((each.task, each) for each in made)
            self._note(stage, began)
        missing = [task.label for task in tasks if done[task.name] is None]
        if missing:
            raise DedupeError(f"{stage}: Spark gave no answer for {missing[0]}; give --resume to go on")
        return [manifest for manifest in (done[task.name] for task in tasks) if manifest is not None]

    def shuffle_sort(
        self, stage: str, function: RowsFunction, tasks: Sequence[Task], columns: Mapping[str, str],
        order: Sequence[str], num_buckets: int,
    ) -> list[Path]:
        """Collect rows from tasks into sorted Parquet buckets; see `Engine`.

        Raises: DedupeError: a task failed, Spark gave up, or the rows that arrived are not those that were sent.
        """
        folder, counts = self.folder / stage, self.folder / f"{stage}-counts-{num_buckets:04}"
        for each in (folder, counts):
            each.mkdir(parents=True, exist_ok=True)
        names = [bucket_name(bucket, num_buckets) for bucket in range(num_buckets)]
        done = {at: read_manifest(folder, name) for at, name in enumerate(names)}
        wanted = frozenset(at for at, manifest in done.items() if manifest is None)
        shuffle = Shuffle(str(folder), str(counts), dict(columns), tuple(order), num_buckets, wanted)
        if wanted:
            began = time.perf_counter()
            self._shuffle(stage, function, tasks, shuffle)
            _compare(shuffle, tasks)
            self._note(stage, began)
        return [folder / f"{name}.parquet" for name in names]

    def _shuffle(self, stage: str, function: RowsFunction, tasks: Sequence[Task], shuffle: Shuffle) -> None:
        run, home = self._run, os.getcwd()

        def emit(batches: Iterator[Any]) -> Iterator[Any]:
            return emit_rows(batches, function, shuffle, run, home)

        def write(batches: Iterator[Any]) -> Iterator[Any]:
            return fill_buckets(batches, shuffle, run)

        if not tasks:
            return
        rows = self._spread(tasks).mapInArrow(emit, shuffle.row_schema)
        rows = rows.repartitionById(shuffle.num_buckets, "_bucket").drop("_bucket")
        self._collect(stage, self._sorted(rows, shuffle.order).mapInArrow(write, MANIFEST_SCHEMA))

    def _sorted(self, rows: Any, order: Sequence[str]) -> Any:
        return rows.sortWithinPartitions(*order)

    def _spread(self, tasks: Sequence[Task]) -> Any:
        """Make a DataFrame of tasks, in as many partitions as are asked for."""
        num_partitions = min(len(tasks), self.num_partitions or _MAX_PARTITIONS)
        table = self.session.createDataFrame(task_table(tasks, num_partitions), TASK_SCHEMA)
        return table.repartitionById(num_partitions, "at")

    def _collect(self, stage: str, frame: Any) -> list[Manifest]:
        context = getattr(self.session, "_sc", None)  # Spark Connect has none
        if context is not None:
            context.setJobDescription(f"dedupe: {stage}")  # as Spark's pages and event log call it
        rows = attempt(stage, frame.toArrow)
        for row in rows.to_pylist():
            if row["error"]:
                kind = getattr(errors, row["error"], DedupeError)
                raise kind(row["message"]) if kind is not errors.MissingDependencyError else DedupeError(row["message"])
        return [manifest_of(made) for made in rows.column("made").to_pylist()]

    def _note(self, stage: str, began: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began


def attempt(stage: str, action: Callable[[], Any]) -> Any:
    """Do something with Spark, and say in one line what went wrong.

    Raises: DedupeError: Spark gave up.
    """
    try:
        return action()
    except Exception as error:
        reason = failure(error)
        if reason is None:
            raise
        raise DedupeError(f"{stage}: Spark gave up: {reason}") from error


def _compare(shuffle: Shuffle, tasks: Sequence[Task]) -> None:
    """Compare the buckets with what the tasks say they sent; a bucket that differs counts as not done.

    Raises: DedupeError: naming the first.
    """
    folder = Path(shuffle.folder)
    sent: dict[str, int] = {}
    for task in tasks:
        manifest = read_manifest(Path(shuffle.counts), task.name)
        for name, count in (manifest.counts if manifest is not None else {}).items():
            sent[name] = sent.get(name, 0) + count
    bad = []
    for bucket in sorted(shuffle.wanted):
        expected = sent.get(str(bucket), 0), sent.get(f"{bucket} keys", 0) % (1 << 64)
        manifest = read_manifest(folder, bucket_name(bucket, shuffle.num_buckets))
        if manifest is None and expected == (0, 0):
            manifest = fill(bucket, iter(()), shuffle)  # Spark does not start a task for nothing at all
        found = (manifest.counts["rows"], manifest.counts["keys"]) if manifest is not None else (0, 0)
        if found != expected:
            forget_manifest(folder, bucket_name(bucket, shuffle.num_buckets))
            bad.append((bucket, found[0], expected[0]))
    if bad:
        bucket, rows, expected_rows = bad[0]
        raise DedupeError(
            f"{folder.name} {bucket}: {rows:,} rows arrived and {expected_rows:,} were sent, or others in their place; "
            "this Spark loses rows: mend it, then give --resume to go on"
        )
