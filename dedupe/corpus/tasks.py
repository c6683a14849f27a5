"""Define what a run asks of an engine: tasks that make files, and a shuffle that sorts rows by key.

An engine knows nothing of texts, and the tasks know nothing of processes. A task makes its files under
temporary names and says in the end what it made; a *manifest* keeps that, so that a task that was done is
never done again, and files that are missing or cut short are noticed before anyone reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from dedupe.records import Offsets

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_Given = ParamSpec("_Given")


@dataclass(frozen=True, slots=True)
class Task:
    """Name one piece of work. `name`: unique in its stage, fit for a file name. `label`: what messages call
    it. `payload`: anything that can be pickled. `num_bytes`: a guess at its size, for progress."""

    name: str
    label: str
    payload: Any
    num_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """Say what a task made: `counts` of rows by name, `files` with their sizes in bytes, by name."""

    task: str
    counts: dict[str, int] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """Hand back what a task did: counts, and the files it made (names in the folder, or full paths)."""

    counts: dict[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()


class Spread(Protocol):
    """Apply a function to items, perhaps in other processes; results come in the order of the items."""

    def __call__(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]: ...


MapFunction: TypeAlias = Callable[[Task, Path, Spread], Made]
RowsFunction: TypeAlias = Callable[[Task], Iterator[Arrays]]


_spreading: set[MapFunction] = set()


def spreading(function: MapFunction) -> MapFunction:
    """Mark a function that hands its work to `spread` in batches; others do all of it where they are called."""
    _spreading.add(function)
    return function


def can_spread(function: MapFunction) -> bool:
    """Say whether a function is marked so."""
    return function in _spreading


class Engine(Protocol):
    """Run tasks somewhere. `folder` holds a sub-folder for each stage."""

    folder: Path

    def map_files(self, stage: str, function: MapFunction, tasks: Sequence[Task]) -> list[Manifest]:
        """Do every task that was not done before; return all manifests in the order of the tasks."""

    def shuffle_sort(
        self, stage: str, function: RowsFunction, tasks: Sequence[Task], columns: Mapping[str, str],
        order: Sequence[str], num_buckets: int,
    ) -> list[Path]:
        """Collect rows from tasks into sorted Parquet buckets, ranges of the top bits of the first column.

        `columns`: names and NumPy types; the first is uint64. `order`: columns to sort by, the first one
        first; rows that agree in all of them come in any order. Returns the buckets in the order of their
        keys; together they hold every row once.
        """


_caches: list[Callable[[], None]] = []


def once_a_run(function: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Keep the last result of a function that reads what a run left in its folder, until `forget_run`."""
    cached = lru_cache(maxsize=1)(function)
    _caches.append(cached.cache_clear)

    @wraps(function)
    def call(*args: _Given.args, **named: _Given.kwargs) -> _Result:
        return cached(*args, **named)  # type: ignore[arg-type]  # whoever calls gives what can be hashed

    return call


def forget_run() -> None:
    """Drop what was kept: a folder of the same name may hold another run by now."""
    for clear in _caches:
        clear()


def run_here(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """Apply a function to items in this process: the plainest `Spread`."""
    return map(function, items)


_BUCKET_ROWS = 1 << 20
_LEAST_ROWS, _FEW_BUCKETS = 1 << 18, 4  # with fewer buckets workers would have nothing to do; more are not worth it
_MAX_SMALL_BUCKETS = 64  # each costs a row group in every file that is spilled


def num_buckets_for(num_rows: int, row_bytes: int, memory_bytes: int) -> int:
    """Choose a power of two so that a bucket and its sorted copy take a fraction of the memory.

    Where memory does not ask for it, a bucket has up to a million rows all the same, as long as there are few of them:
    arrays of 8 MB are used again by whoever comes next, larger ones are new pages of the system each time.

    >>> [num_buckets_for(num_rows, 16, 1 << 30) for num_rows in (10, 600_000, 3_000_000, 9_000_000, 10**9)]
    [1, 4, 4, 16, 256]
    """
    buckets = 1
    while buckets < _FEW_BUCKETS and num_rows > buckets * _LEAST_ROWS:
        buckets *= 2
    while num_rows > buckets * _BUCKET_ROWS and buckets < _MAX_SMALL_BUCKETS:
        buckets *= 2
    while num_rows * row_bytes * 12 > buckets * memory_bytes and buckets < 4096:
        buckets *= 2
    return buckets


def read_bucket(path: Path, columns: Sequence[str]) -> list[NDArray[Any]]:
    """Read columns of a bucket, or of any Parquet file of numbers without nulls."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(path, columns=list(columns), memory_map=False, use_threads=False)
    return [np.asarray(table.column(name).combine_chunks().to_numpy(zero_copy_only=False)) for name in columns]


def runs(values: NDArray[Any]) -> tuple[Offsets, Offsets]:
    """Find where runs of equal values begin and end.

    >>> [bounds.tolist() for bounds in runs(np.array([4, 4, 7]))]
    [[0, 2], [2, 3]]
    """
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    bounds = np.concatenate([[0], changes, [len(values)]]) if len(values) else np.zeros(1, np.int64)
    return bounds[:-1], bounds[1:]
