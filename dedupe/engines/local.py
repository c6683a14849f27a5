"""Run tasks on one machine, in one process or several.

Each worker does whole tasks, the largest first. Where workers would wait for one another in the end (one large
file, five files for two workers), tasks that can are done here one after another and spread their batches over
the workers that have nothing else to do: dedupe.engines.division. Either way a task's result depends on nothing
but the task, so the number of workers changes no byte.

Every task leaves a manifest. A task with a manifest, all files of which are there with their sizes, is done:
this is all that resuming after a kill needs.

Workers are spawned: forking a process that has run Arrow's threads may hang.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TypeVar

from dedupe.corpus.folder import join_workers
from dedupe.corpus.tasks import Manifest, MapFunction, RowsFunction, Task, can_spread, run_here
from dedupe.engines.division import divided
from dedupe.engines.manifests import do_task, read_manifest
from dedupe.engines.progress import Progress
from dedupe.engines.shuffle import BucketTask, SpillTask, bucket_name, fill_bucket, spill
from dedupe.errors import DedupeError
from dedupe.spare import spare_start
from dedupe.write import replacing

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class LocalEngine:
    """Run tasks in `jobs` processes, within about `memory_bytes` for all of them together.

    Use as a context manager; workers start when they are first needed. `folder` must exist.
    `seconds` tells how long each stage took, in wall time.
    """

    def __init__(self, folder: Path, jobs: int = 1, memory_bytes: int = 1 << 31, *, progress: bool = False) -> None:
        self.folder, self.jobs, self.memory_bytes = folder, max(1, jobs), memory_bytes
        self.seconds: dict[str, float] = {}
        self._pool: ProcessPoolExecutor | None = None
        self._progress = Progress(progress)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.close()
        if self._pool is not None:
            _stop(self._pool, at_once=error[0] is not None)
            self._pool = None

    def map_files(self, stage: str, function: MapFunction, tasks: Sequence[Task]) -> list[Manifest]:
        """Do every task that was not done before; return all manifests in the order of the tasks.

        Raises: DedupeError: a task failed; the message names it. What was done stays done.
        """
        folder = self.folder / stage
        folder.mkdir(parents=True, exist_ok=True)
        done = {task.name: read_manifest(folder, task.name) for task in tasks}
        todo = [task for task in tasks if done[task.name] is None]
        self._progress.start(stage, sum(task.num_bytes for task in todo))
        began = time.perf_counter()
        for task, manifest in self._made(function, todo, folder):
            done[task.name] = manifest
            self._progress.advance(task.num_bytes)
        self._progress.finish()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began
        return [manifest for manifest in (done[task.name] for task in tasks) if manifest is not None]

    def shuffle_sort(
        self, stage: str, function: RowsFunction, tasks: Sequence[Task], columns: Mapping[str, str],
        order: Sequence[str], num_buckets: int,
    ) -> list[Path]:
        """Collect rows from tasks into sorted Parquet buckets; see `Engine`.

        Raises: DedupeError: a task failed, or rows were lost between the two passes.
        """
        spill_bytes = max(1 << 20, self.memory_bytes // self.jobs // 8)
        works = [SpillTask(function, task, dict(columns), num_buckets, spill_bytes) for task in tasks]
        into = f"-into-{num_buckets:04}"
        spills = [Task(each.task.name + into, each.task.label, each, each.task.num_bytes) for each in works]
        spilled = self.map_files(f"{stage}-rows", spill, spills)
        num_rows = [sum(each.counts.get(str(bucket), 0) for each in spilled) for bucket in range(num_buckets)]
        sources = str(self.folder / f"{stage}-rows" / f"sources{into}.json")  # one list, not one in every task
        with replacing(sources) as file:
            names = [str(self.folder / f"{stage}-rows" / name) for each in spilled for name in each.files]
            file.write(json.dumps(names).encode())
        buckets = [
            Task(bucket_name(bucket, num_buckets), f"{stage} {bucket}",
                 BucketTask(sources, bucket, dict(columns), tuple(order), num_buckets, num_rows[bucket]))
            for bucket in range(num_buckets)
        ]
        filled = self.map_files(stage, fill_bucket, buckets)
        if sum(each.counts["rows"] for each in filled) != sum(num_rows):
            raise DedupeError(f"{self.folder / stage}: rows were lost while sorting; remove the folder and run again")
        return [self.folder / stage / f"{bucket.name}.parquet" for bucket in buckets]

    def _made(self, function: MapFunction, tasks: Sequence[Task], folder: Path) -> Iterator[tuple[Task, Manifest]]:
        """Do tasks, in any order: here, in workers, and those that are spread when the last whole ones are running."""
        if self.jobs == 1 or (len(tasks) == 1 and not can_spread(function)):
            yield from ((task, do_task(function, task, folder, run_here)) for task in tasks)
            return
        whole, shared = divided(tasks, self.jobs, spreads=can_spread(function))
        running = {self._workers().submit(do_task, function, task, folder, run_here): task for task in whole}
        try:
            ended = as_completed(running)
            for _ in range(len(running) - self.jobs):
                yield _done(running, next(ended))
            yield from ((task, do_task(function, task, folder, self._spread)) for task in shared)
            yield from (_done(running, future) for future in ended)
        except BaseException:
            for future in running:
                future.cancel()
            raise

    def _spread(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Apply a function in the workers, a few items ahead of the one that is wanted next."""
        waiting: deque[Future[_Result]] = deque()
        try:
            for item in items:
                waiting.append(self._workers().submit(function, item))
                if len(waiting) > self.jobs:
                    yield _result(waiting.popleft(), "a batch")
            while waiting:
                yield _result(waiting.popleft(), "a batch")
        finally:
            for future in waiting:
                future.cancel()

    def _workers(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.jobs, mp_context=get_context("spawn"), initializer=_begin_worker, initargs=(self.folder,)
            )
        return self._pool


def _begin_worker(folder: Path) -> None:
    """Leave Ctrl-C to the main process, end when it is gone, even killed, and let no other run begin before that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spare_start()
    join_workers(folder)
    main = parent_process()

    def watch() -> None:
        if main is not None:
            main.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _stop(pool: ProcessPoolExecutor, *, at_once: bool) -> None:
    if at_once:
        for process in list(getattr(pool, "_processes", {}).values()):
            process.terminate()
    pool.shutdown(wait=True, cancel_futures=True)


def _done(running: Mapping[Future[Manifest], Task], future: Future[Manifest]) -> tuple[Task, Manifest]:
    return running[future], _result(future, running[future].label)


def _result(future: Future[_Result], label: str) -> _Result:
    try:
        return future.result()
    except BrokenProcessPool:
        raise DedupeError(
            f"{label}: a worker process ended unexpectedly, most often for lack of memory; give fewer --jobs or a "
            "smaller --memory, and --resume to go on"
        ) from None
