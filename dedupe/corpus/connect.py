"""Tie documents together by edges that lie in files, one a partition: on the driver, or above a limit by shuffling.

    edges       NAME.npz of earlier tasks, `child` and `root`: at most one a document and partition
    forest      the driver reads them one after another: dedupe.cluster.components, 4 bytes a document and those edges
    stars       rows of (node, neighbor) are shuffled until all edges of a component lead to its least document

Two shuffles a round. The rounds of stars lie in the folder while they last; what they found is kept as one file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster.components import Forest, Stars
from dedupe.corpus.tasks import Arrays, Engine, Made, Manifest, Spread, Task, num_buckets_for
from dedupe.errors import DedupeError
from dedupe.records import Offsets
from dedupe.write import replacing

MAX_EDGES = 1 << 28  # what the driver unites: a few minutes
MAX_ROUNDS = 40  # a chain of 10**9 documents takes some 30, anything a corpus has a handful
_COLUMNS = {"node": "uint64", "other": "uint32"}
_ROW_BYTES = 12


@dataclass(frozen=True, slots=True)
class StarTask:
    """Say where rows are, how they are made into edges ("edges", "large", "small"), and where the node's bits begin."""

    path: str
    step: str
    shift: int


def labels_of(
    engine: Engine, stage: str, edges: Sequence[Manifest], num_docs: int, memory_bytes: int
) -> NDArray[Any]:
    """Label each document with the least it is tied to; integers (num_docs,).

    `stage`: of the tasks that left the edges, with their number in the manifests.

    Raises: DedupeError: stars did not converge.
    """
    forest = Forest(num_docs)
    if sum(each.counts["edges"] for each in edges) <= MAX_EDGES:
        for each in edges:
            with np.load(engine.folder / stage / f"{each.task}.npz") as held:
                forest.add(held["child"], held["root"])
        return forest.labels()
    path = engine.folder / stage / "labels.npy"
    if not path.exists():
        _make_stars(engine, stage, edges, forest, num_docs, memory_bytes)
        with replacing(str(path)) as file:
            np.save(file, forest.labels())
    for rounds in engine.folder.glob(f"{stage}-star-*"):
        shutil.rmtree(rounds)
    found: NDArray[Any] = np.load(path)
    return found


def _make_stars(
    engine: Engine, stage: str, edges: Sequence[Manifest], forest: Forest, num_docs: int, memory_bytes: int
) -> None:
    """Let large and small stars take turns until every edge leads to the least document, and unite by those."""
    num_buckets = num_buckets_for(2 * sum(each.counts["edges"] for each in edges), _ROW_BYTES, memory_bytes)
    shift = 64 - max(1, num_docs.bit_length())

    def tasks(paths: Sequence[Path], step: str) -> list[Task]:
        return [Task(path.stem, f"{stage} {path.stem}", StarTask(str(path), step, shift)) for path in paths]

    def shuffle(name: str, paths: Sequence[Path], step: str) -> list[Path]:
        done = f"{stage}-star-{name}"
        return engine.shuffle_sort(done, star_rows, tasks(paths, step), _COLUMNS, ("node", "other"), num_buckets)

    sources = [engine.folder / stage / f"{each.task}.npz" for each in edges]
    both = shuffle("00-both", sources, "edges")
    for number in range(1, MAX_ROUNDS + 1):
        loose = engine.map_files(f"{stage}-star-{number:02}-look", look, tasks(both, "look"))
        if not sum(each.counts["loose"] for each in loose):
            break
        down = shuffle(f"{number:02}-down", both, "large")
        both = shuffle(f"{number:02}-both", down, "small")
    else:
        raise DedupeError(
            f"{stage}: near-duplicates are tied together in chains that did not come to an end in {MAX_ROUNDS} rounds; "
            "give more --memory, or a higher --min-resemblance"
        )
    for path in both:
        for node, other in _pieces(str(path), shift):
            is_child = other < node
            forest.add(node[is_child], other[is_child])


def star_rows(task: Task) -> Iterator[Arrays]:
    """Do a step on the rows of one file: edges go into both directions, or from the greater to the lesser."""
    work: StarTask = task.payload
    if work.step == "edges":
        with np.load(work.path) as held:
            yield _both(held["child"].astype(np.int64), held["root"].astype(np.int64), work.shift)
        return
    stars = Stars()
    for node, other in _pieces(work.path, work.shift):
        if work.step == "large":
            yield _rows(*stars.large(node, other), work.shift)
        else:
            yield _both(*stars.small(node, other), work.shift)


def look(task: Task, folder: Path, spread: Spread) -> Made:
    """Count the rows of one file that keep the edges from being stars."""
    work: StarTask = task.payload
    stars = Stars()
    return Made({"loose": sum(stars.num_loose(*piece) for piece in _pieces(work.path, work.shift))})


def _both(one: Offsets, two: Offsets, shift: int) -> Arrays:
    return _rows(np.concatenate([one, two]), np.concatenate([two, one]), shift)


def _rows(node: Offsets, other: Offsets, shift: int) -> Arrays:
    return {"node": node.astype(np.uint64) << np.uint64(shift), "other": other.astype(np.uint32)}


def _pieces(path: str, shift: int) -> Iterator[tuple[Offsets, Offsets]]:
    """Read sorted rows, one group after another: the least document of a large component has very many."""
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        for group in range(file.metadata.num_row_groups):
            rows = file.read_row_group(group, use_threads=False)
            node, other = (rows.column(name).to_numpy() for name in _COLUMNS)
            yield (node >> np.uint64(shift)).astype(np.int64), other.astype(np.int64)
