"""Sort rows that do not fit in memory: spill them by bucket, then sort each bucket.

A bucket is a range of the top bits of the first column. Every task writes one Parquet file whose row groups
hold rows of one bucket each; filling a bucket reads its row groups out of all files.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dedupe.corpus.tasks import Arrays, Made, RowsFunction, Spread, Task
from dedupe.engines.sorting import row_order
from dedupe.errors import DedupeError
from dedupe.write import replacing

_GROUP_ROWS = 1 << 20  # of a row group in a bucket


@dataclass(frozen=True, slots=True)
class SpillTask:
    """Say whose rows to spill, into how many buckets, and how many bytes of them to hold."""

    function: RowsFunction
    task: Task
    columns: dict[str, str]
    num_buckets: int
    spill_bytes: int


@dataclass(frozen=True, slots=True)
class BucketTask:
    """Say which bucket to fill, how many rows are expected, and the file that names those with the rows, as JSON."""

    sources: str
    bucket: int
    columns: dict[str, str]
    order: tuple[str, ...]
    num_buckets: int
    num_rows: int


def spill(task: Task, folder: Path, spread: Spread) -> Made:
    """Write the rows of a task grouped by bucket; the manifest counts the rows of each bucket."""
    import pyarrow.parquet as parquet

    work: SpillTask = task.payload
    name = f"{task.name}.parquet"
    counts: dict[str, int] = {}
    with replacing(str(folder / name)) as file, parquet.ParquetWriter(
        file, _schema(work), **_packing(work.columns)
    ) as writer:
        for arrays in _gathered(work.function(work.task), work):
            for bucket, rows in _by_bucket(arrays, work):
                writer.write_table(_table(rows, work, bucket), row_group_size=1 << 30)
                counts[str(bucket)] = counts.get(str(bucket), 0) + len(next(iter(rows.values())))
    return Made(counts, (name,))


def _gathered(pieces: Iterator[Arrays], work: SpillTask) -> Iterator[Arrays]:
    """Join small pieces until they are worth a row group in each bucket."""
    held: list[Arrays] = []
    num_bytes = 0
    for piece in pieces:
        held.append(piece)
        num_bytes += sum(array.nbytes for array in piece.values())
        if num_bytes >= work.spill_bytes:
            yield _joined(held, work.columns)
            held, num_bytes = [], 0
    if held:
        yield _joined(held, work.columns)


def _joined(pieces: Sequence[Arrays], columns: Mapping[str, str]) -> Arrays:
    return {
        name: np.concatenate([piece[name] for piece in pieces]).astype(kind, copy=False)
        for name, kind in columns.items()
    }


def _by_bucket(arrays: Arrays, work: SpillTask) -> Iterator[tuple[int, Arrays]]:
    key = arrays[next(iter(work.columns))]
    if work.num_buckets == 1 and len(key):
        yield 0, arrays
        return
    bucket = bucket_of(key, work.num_buckets).astype(np.uint16)  # sorted by counting
    order = np.argsort(bucket, kind="stable")
    bounds = np.searchsorted(bucket[order], np.arange(work.num_buckets + 1))
    for at in np.flatnonzero(np.diff(bounds)).tolist():
        rows = order[bounds[at]:bounds[at + 1]]
        yield at, {name: array[rows] for name, array in arrays.items()}


def bucket_of(key: NDArray[np.uint64], num_buckets: int) -> NDArray[np.int64]:
    """Give the bucket of each key, by its top bits; `num_buckets` is a power of two.

    >>> bucket_of(np.array([0, 1 << 62, 3 << 62], np.uint64), 4).tolist()
    [0, 1, 3]
    """
    bits = num_buckets.bit_length() - 1
    return np.zeros(len(key), np.int64) if not bits else (key >> np.uint64(64 - bits)).astype(np.int64)


def _schema(work: SpillTask) -> Any:
    import pyarrow

    fields = [("bucket", pyarrow.int32())]
    fields += [(name, pyarrow.from_numpy_dtype(np.dtype(kind))) for name, kind in work.columns.items()]
    return pyarrow.schema(fields)


def _table(rows: Arrays, work: SpillTask, bucket: int) -> Any:
    import pyarrow

    size = len(next(iter(rows.values())))
    columns = [pyarrow.array(np.full(size, bucket, np.int32)), *(pyarrow.array(rows[name]) for name in work.columns)]
    return pyarrow.Table.from_arrays(columns, schema=_schema(work))


def fill_bucket(task: Task, folder: Path, spread: Spread) -> Made:
    """Read the rows of one bucket, sort them, check them and write them.

    Raises: DedupeError: there are not as many rows as were spilled, or one belongs elsewhere.
    """
    work: BucketTask = task.payload
    sources: list[str] = json.loads(Path(work.sources).read_bytes())
    pieces = [piece for source in sources for piece in _groups_of(source, work.bucket, list(work.columns))]
    columns = {name: _column(pieces, name, kind) for name, kind in work.columns.items()}
    key = columns[next(iter(columns))]
    if len(key) != work.num_rows:
        raise DedupeError(f"{task.label}: {len(key)} rows, expected {work.num_rows}; run again without --resume")
    order = row_order([columns[name] for name in work.order])
    name = f"{task.name}.parquet"
    with replacing(str(folder / name)) as file:
        rows = {column: columns.pop(column)[order] for column in list(columns)}
        sorted_rows = checked([rows], work.columns, work.order, work.bucket, work.num_buckets, task.label)
        write_rows(file, work.columns, sorted_rows)
    return Made({"rows": len(order)}, (name,))


def bucket_name(bucket: int, num_buckets: int) -> str:
    """Name a bucket, and what is made of it: with another number of buckets nothing counts as done.

    >>> bucket_name(3, 16)
    '0003-of-0016'
    """
    return f"{bucket:04}-of-{num_buckets:04}"


def checked(
    pieces: Iterable[Arrays], columns: Mapping[str, str], order: Sequence[str], bucket: int, num_buckets: int,
    label: str,
) -> Iterator[Arrays]:
    """Hand on the rows of a bucket, piece by piece, if each belongs there and all are sorted.

    Raises: DedupeError: whatever sorted them did not do its work.
    """
    last: Arrays | None = None
    for piece in pieces:
        if not len(piece[order[0]]):
            continue
        if (bucket_of(piece[next(iter(columns))], num_buckets) != bucket).any():
            raise DedupeError(f"{label}: rows of another bucket; what shuffles them does not keep them apart")
        keys = [piece[name] if last is None else np.concatenate([last[name], piece[name]]) for name in order]
        if not _ascends(keys):
            raise DedupeError(f"{label}: rows are not sorted; what shuffles them dropped the sort")
        last = {name: piece[name][-1:] for name in order}
        yield piece


def _ascends(keys: Sequence[NDArray[Any]]) -> bool:
    """Tell whether rows are sorted by their columns, the first one first."""
    tied = np.ones(len(keys[0]) - 1, np.bool_)
    for key in keys:
        if (tied & (key[1:] < key[:-1])).any():
            return False
        tied &= key[1:] == key[:-1]
    return True


def write_rows(file: BinaryIO, columns: Mapping[str, str], pieces: Iterable[Arrays]) -> int:
    """Write sorted rows as Parquet and count them; how they are cut into pieces changes no byte."""
    import pyarrow
    import pyarrow.parquet as parquet

    schema = pyarrow.schema([(name, pyarrow.from_numpy_dtype(np.dtype(kind))) for name, kind in columns.items()])
    num_rows = 0
    with parquet.ParquetWriter(file, schema, **_packing(columns)) as writer:
        for group in _groups(pieces, columns):
            arrays = [pyarrow.array(group[name]) for name in columns]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), row_group_size=_GROUP_ROWS)
            num_rows += len(arrays[0])
        if not num_rows:
            writer.write_table(schema.empty_table())
    return num_rows


def _packing(columns: Mapping[str, str]) -> dict[str, Any]:
    """Say how Parquet packs rows: the first column is most often a hash, which neither shrinks nor comes again."""
    first, *others = columns
    names = ["bucket", *others]
    return {"compression": {**dict.fromkeys(names, "lz4"), first: "none"}, "use_dictionary": names}


def _groups(pieces: Iterable[Arrays], columns: Mapping[str, str]) -> Iterator[Arrays]:
    """Cut rows into groups of `_GROUP_ROWS`; the last one has fewer."""
    held: list[Arrays] = []
    size = 0
    for piece in pieces:
        num_rows, begin = len(next(iter(piece.values()))), 0
        while num_rows - begin >= _GROUP_ROWS - size:
            end = begin + _GROUP_ROWS - size
            yield _joined([*held, _slice(piece, begin, end)], columns)
            held, size, begin = [], 0, end
        if begin < num_rows:
            held.append(_slice(piece, begin, num_rows))
            size += num_rows - begin
    if size:
        yield _joined(held, columns)


def _slice(piece: Arrays, begin: int, end: int) -> Arrays:
    return {name: array[begin:end] for name, array in piece.items()}


def _groups_of(source: str, bucket: int, columns: list[str]) -> Iterator[Any]:
    """Read the row groups of one bucket, told by the statistics of the file's footer."""
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(source) as file:
        for group in range(file.metadata.num_row_groups):
            if file.metadata.row_group(group).column(0).statistics.min == bucket:
                yield file.read_row_group(group, columns=columns, use_threads=False)


def _column(pieces: Sequence[Any], name: str, kind: str) -> NDArray[Any]:
    arrays = [piece.column(name).to_numpy() for piece in pieces]
    joined: NDArray[Any] = np.concatenate([np.empty(0, kind), *arrays]) if arrays else np.empty(0, kind)
    return joined.astype(kind, copy=False)
