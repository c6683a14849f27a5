"""Do on executors what tasks ask for: run them, make rows of them, fill buckets with sorted rows.

Spark may run a task twice, at once or after a failure. Everything here is written under a temporary name and
renamed, and the same task writes the same bytes, so it does not matter which attempt comes last.

Spark has no unsigned numbers. A key travels as a signed one with its top bit turned over, which sorts the same.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, chdir, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.corpus.tasks import Arrays, Made, Manifest, MapFunction, RowsFunction, Task, forget_run, run_here
from dedupe.engines.manifests import do_task, leave_manifest, read_manifest
from dedupe.engines.shuffle import bucket_name, bucket_of, checked, write_rows
from dedupe.errors import DedupeError
from dedupe.write import replacing

TASK_SCHEMA = "at int, task binary"
MANIFEST_SCHEMA = "task string, made string, error string, message string"
_SQL_TYPES = {"uint64": "bigint", "int64": "bigint", "uint32": "int", "int32": "int", "bool": "boolean"}
_BATCH_ROWS = 1 << 16  # rows that go to Spark at a time: a few megabytes
_run = ""  # the run this process last worked for


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Say what rows look like and which buckets are wanted. `folder`: of the buckets; `counts`: of what was emitted."""

    folder: str
    counts: str
    columns: dict[str, str]
    order: tuple[str, ...]
    num_buckets: int
    wanted: frozenset[int]

    @property
    def row_schema(self) -> str:
        columns = (f"`{name}` {_SQL_TYPES[kind]}" for name, kind in self.columns.items())
        return ", ".join(("`_bucket` int", *columns))


def task_table(tasks: Sequence[Task], num_partitions: int) -> Any:
    """Put tasks into an Arrow table, one row each, with the partition it belongs to."""
    import pyarrow

    return pyarrow.table({
        "at": pyarrow.array((number % num_partitions for number in range(len(tasks))), pyarrow.int32()),
        "task": pyarrow.array((pickle.dumps(task) for task in tasks), pyarrow.binary()),
    })


def run_tasks(batches: Iterator[Any], function: MapFunction, folder: str, run: str, home: str) -> Iterator[Any]:
    """Do the tasks of a partition; gives a row for each, `MANIFEST_SCHEMA`. `home`: where relative paths begin.

    What a user can mend comes back as a row, so that it is told in our words and not tried again. A file that
    cannot be read or written now may be there in a minute, or on another machine: that is left to Spark.
    """
    _begin(run)
    for task in _tasks(batches):
        try:
            with _at(home):
                # a partition that is tried again goes on where it broke off
                done = read_manifest(Path(folder), task.name)
                made = _made(done or do_task(function, task, Path(folder), run_here))
            yield made
        except DedupeError as error:
            if isinstance(error.__cause__, OSError):
                raise
            yield row_of(task.name, "", type(error).__name__, str(error))


def emit_rows(
    batches: Iterator[Any], function: RowsFunction, shuffle: Shuffle, run: str, home: str
) -> Iterator[Any]:
    """Make the rows of a partition's tasks, as record batches of `Shuffle.row_schema`. `home`: as in `run_tasks`.

    Leaves a manifest for each task that counts the rows of every bucket and adds up their keys.
    """
    _begin(run)
    for task in _tasks(batches):
        num_rows = np.zeros(shuffle.num_buckets, np.int64)
        keys = np.zeros(shuffle.num_buckets, np.uint64)
        for arrays in _stepwise(function, task, home):
            key = arrays[next(iter(shuffle.columns))]
            bucket = bucket_of(key, shuffle.num_buckets)
            num_rows += np.bincount(bucket, minlength=shuffle.num_buckets)
            np.add.at(keys, bucket, key)
            yield from _row_batches(arrays, bucket, shuffle)
        counts = {str(at): int(num_rows[at]) for at in np.flatnonzero(num_rows).tolist()}
        sums = {f"{at} keys": int(keys[at]) for at in np.flatnonzero(num_rows).tolist()}
        leave_manifest(Path(shuffle.counts), task.name, Made(counts | sums))


def _stepwise(function: RowsFunction, task: Task, home: str) -> Iterator[Arrays]:
    """Make the rows of a task piece by piece, in the driver's working folder only while a piece is made."""
    with _at(home):
        pieces = iter(function(task))
    while True:
        with _at(home):
            arrays = next(pieces, None)
        if arrays is None:
            return
        yield arrays


def fill_buckets(batches: Iterator[Any], shuffle: Shuffle, run: str) -> Iterator[Any]:
    """Check the sorted rows of a partition and write them as a bucket; gives a row of `MANIFEST_SCHEMA`.

    Raises: DedupeError: a row belongs to another bucket, or the rows are not sorted.
    """
    from pyspark import TaskContext

    _begin(run)
    context = TaskContext.get()
    assert context is not None
    bucket = context.partitionId()
    if bucket in shuffle.wanted:
        yield _made(fill(bucket, (_arrays(batch, shuffle.columns) for batch in batches), shuffle))


def fill(bucket: int, pieces: Iterator[Arrays], shuffle: Shuffle) -> Manifest:
    """Write one bucket and its manifest, which counts the rows and adds up their keys."""
    folder, name = Path(shuffle.folder), bucket_name(bucket, shuffle.num_buckets)
    total = np.zeros(1, np.uint64)

    def added() -> Iterator[Arrays]:
        nonlocal total
        label = f"{folder.name} {bucket}"
        for piece in checked(pieces, shuffle.columns, shuffle.order, bucket, shuffle.num_buckets, label):
            total += piece[next(iter(shuffle.columns))].sum(dtype=np.uint64, keepdims=True)  # may wrap around
            yield piece

    with replacing(str(folder / f"{name}.parquet")) as file:
        num_rows = write_rows(file, shuffle.columns, added())
    return leave_manifest(folder, name, Made({"rows": num_rows, "keys": int(total[0])}, (f"{name}.parquet",)))


def manifest_of(made: str) -> Manifest:
    """Read a manifest that came home in a row."""
    return Manifest(**json.loads(made))


def _begin(run: str) -> None:
    """Forget what this process kept of another run: Spark's processes outlive a run."""
    global _run
    if _run != run:
        forget_run()
        _run = run


def _at(home: str) -> AbstractContextManager[None]:
    """Stand in the driver's working folder for a while, if it is there on this machine."""
    return chdir(home) if os.path.isdir(home) else nullcontext()


def _tasks(batches: Iterator[Any]) -> Iterator[Task]:
    for batch in batches:
        for content in batch.column("task"):
            yield pickle.loads(content.as_py())  # made by our own driver, as is the function itself


def _made(manifest: Manifest) -> Any:
    made = json.dumps({"task": manifest.task, "counts": manifest.counts, "files": manifest.files})
    return row_of(manifest.task, made, "", "")


def row_of(*values: str) -> Any:
    """Make a record batch of one row, `MANIFEST_SCHEMA`."""
    import pyarrow

    names = [field.split()[0] for field in MANIFEST_SCHEMA.split(", ")]
    columns = [pyarrow.array([value.encode("utf-8", "replace").decode()], pyarrow.string()) for value in values]
    return pyarrow.RecordBatch.from_arrays(columns, names)


def _row_batches(arrays: Arrays, bucket: NDArray[np.int64], shuffle: Shuffle) -> Iterator[Any]:
    import pyarrow

    wanted = np.zeros(shuffle.num_buckets, np.bool_)
    wanted[list(shuffle.wanted)] = True
    rows = np.flatnonzero(wanted[bucket])
    for begin in range(0, len(rows), _BATCH_ROWS):
        part = rows[begin:begin + _BATCH_ROWS]
        columns = [bucket[part].astype(np.int32)]
        columns += [_signed(arrays[name][part].astype(kind, copy=False)) for name, kind in shuffle.columns.items()]
        yield pyarrow.RecordBatch.from_arrays(list(map(pyarrow.array, columns)), ["_bucket", *shuffle.columns])


def _arrays(batch: Any, columns: Mapping[str, str]) -> Arrays:
    return {
        name: _unsigned(batch.column(name).to_numpy(zero_copy_only=False), kind) for name, kind in columns.items()
    }


def _signed(values: NDArray[Any]) -> NDArray[Any]:
    """Turn unsigned numbers into signed ones that sort the same.

    >>> _signed(np.array([0, 1 << 63], np.uint64)).tolist()
    [-9223372036854775808, 0]
    """
    if values.dtype.kind != "u":
        return values
    bits = values.dtype.itemsize * 8
    turned: NDArray[Any] = values ^ values.dtype.type(1 << (bits - 1))
    return turned.view(f"i{values.dtype.itemsize}")


def _unsigned(values: NDArray[Any], kind: str) -> NDArray[Any]:
    wanted = np.dtype(kind)
    if wanted.kind != "u":
        return values.astype(wanted, copy=False)
    turned: NDArray[Any] = values.view(wanted) ^ wanted.type(1 << (wanted.itemsize * 8 - 1))
    return turned
