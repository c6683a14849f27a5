"""Find the passages that documents of a corpus share, and where their sources stand.

    marks   all documents but near-duplicates: which seeds, of their windows, stand once in the corpus
    seeds   the others, shuffled by hash
    pairs   the same seed in two documents, shuffled by document
    extend  bucket by bucket, with the shingles of both documents of each pair: dedupe.passages
    places  the sources are located in their documents, which are read again
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.locate import locate_tasks, locate_tokens
from dedupe.corpus.lots import Lot
from dedupe.corpus.near import Keepers, places_of
from dedupe.corpus.sole import comes_twice, marks_of, num_bits_for, write_table
from dedupe.corpus.tasks import Arrays, Engine, Made, Spread, Task, num_buckets_for, read_bucket, runs
from dedupe.passages import (
    Pairs,
    Passage,
    choose_passages,
    count_shared,
    pair_seeds,
    passages_of_pairs,
    winnowed_seeds,
)
from dedupe.records import Hashes, Offsets
from dedupe.write import replacing

_SEED_COLUMNS = {"seed": "uint64", "doc": "int64", "at": "int32"}
_PAIR_COLUMNS = {"key": "uint64", "source": "int64", "at": "int32", "source_at": "int32"}
_FOUND = ("doc", "source", "start", "end", "source_start", "source_end", "num_equal")
_NUM_SOURCES = 3  # documents a seed is looked for in: those who quote the same text share parts of it
_SLICE_SHINGLES = 1 << 21  # of documents that are compared
_SEED_SHINGLES = 1 << 16  # of documents whose seeds are chosen together: the arrays stay in the cache


@dataclass(frozen=True, slots=True)
class SharedTask:
    """Say which documents or which bucket to work on. `roles`: file of places and who takes part. `num_bits`, `table`:
    see dedupe.corpus.sole."""

    artefacts: Artefacts
    roles: str
    low: int = 0
    high: int = 0
    bucket: str = ""
    shift: int = 0
    min_tokens: int = 50
    num_sources: int = 1
    num_bits: int = 0
    table: str = ""


@dataclass(frozen=True, slots=True)
class TwiceTask:
    """Name the marks of all lots."""

    paths: tuple[str, ...]
    num_bits: int


def find_shared(
    artefacts: Artefacts, lots: list[Lot], keepers: Keepers, config: Config, engine: Engine, memory_bytes: int,
    out: Path,
) -> None:
    """Find all shared passages and write them into `out`, for `outside` to look up."""
    found = np.empty((0, len(_FOUND)), np.int64)
    if config.shared_passages != "off" and len(artefacts) > 1:
        roles = out / "roles.npz"
        # one that only stands inside its keeper takes part: where it stands there is worth telling
        takes_part = (keepers.keeper == np.arange(len(artefacts))) | (keepers.resemblance < config.min_resemblance)
        with replacing(str(roles)) as file:
            np.savez(file, place=places_of(artefacts, config), takes_part=takes_part)
        found = _search(artefacts, str(roles), config, engine, memory_bytes)
    place = _source_places(found, artefacts, lots, config, engine)
    with replacing(str(out / "shared.npz")) as file:
        np.savez(file, found=found, place=place)


def _search(artefacts: Artefacts, roles: str, config: Config, engine: Engine, memory_bytes: int) -> Offsets:
    bounds = zip(artefacts.names, artefacts.lot_start[:-1].tolist(), artefacts.lot_start[1:].tolist(), strict=True)
    lots = [Task(name, name, SharedTask(artefacts, roles, low, high)) for name, low, high in bounds]
    lots, num_seeds = _without_sole(lots, engine, int(artefacts.num_shingles.sum()) * 2 // 5)
    seeds = engine.shuffle_sort(
        "seeds", seed_rows, lots, _SEED_COLUMNS, ("seed", "doc", "at"), num_buckets_for(num_seeds, 20, memory_bytes)
    )
    shift, num_sources = 64 - len(artefacts).bit_length(), 1  # the first has a copy that stays
    if config.shared_passages == "report":
        _order_by_shared(seeds, roles, engine)
        num_sources = _NUM_SOURCES
    works = [
        Task(each.stem, "seeds", SharedTask(artefacts, roles, bucket=str(each), shift=shift, num_sources=num_sources))
        for each in seeds
    ]
    pairs = engine.shuffle_sort(
        "pairs", pair_rows, works, _PAIR_COLUMNS, ("key", "source", "at", "source_at"),
        num_buckets_for(num_seeds, 20, memory_bytes),
    )
    tasks = [
        Task(each.stem, "pairs", SharedTask(
            artefacts, roles, bucket=str(each), shift=shift, min_tokens=config.min_passage_tokens
        )) for each in pairs
    ]
    made = engine.map_files("shared", extend, tasks)
    parts = [np.load(engine.folder / "shared" / f"{each.task}.npy") for each in made]
    return np.concatenate([np.empty((0, len(_FOUND)), np.int64), *parts])


def _without_sole(lots: list[Task], engine: Engine, num_seeds: int) -> tuple[list[Task], int]:
    """Let lots leave out seeds that stand once in the corpus; give the number of those that are left, too."""
    num_bits = num_bits_for(num_seeds)
    tasks = [replace(lot, payload=replace(lot.payload, num_bits=num_bits)) for lot in lots]
    made = engine.map_files("marks", marks, tasks)
    paths = tuple(str(engine.folder / "marks" / f"{each.task}.npy") for each in made)
    (done,) = engine.map_files("twice", twice, [Task("table", "seeds", TwiceTask(paths, num_bits))])
    table = str(engine.folder / "twice" / "table")
    return [replace(lot, payload=replace(lot.payload, table=table)) for lot in lots], done.counts["left"]


def marks(task: Task, folder: Path, spread: Spread) -> Made:
    """Write the marks of a lot's seeds: dedupe.corpus.sole."""
    work: SharedTask = task.payload
    seeds = np.concatenate([np.empty(0, np.uint64), *(seed for seed, _, _ in _seeds(work))])
    with replacing(str(folder / f"{task.name}.npy")) as file:
        np.save(file, marks_of(seeds, work.num_bits))
    return Made({"seeds": len(seeds)}, (f"{task.name}.npy",))


def twice(task: Task, folder: Path, spread: Spread) -> Made:
    """Write the table of what comes twice."""
    work: TwiceTask = task.payload
    num_left = write_table(folder / task.name, [np.load(path, mmap_mode="r") for path in work.paths], work.num_bits)
    return Made({"left": num_left}, (task.name,))


def _order_by_shared(seeds: list[Path], roles: str, engine: Engine) -> None:
    """Let the documents come first that share most: what is quoted all over, before those who quote it.

    Where passages go, the order of keepers says which copy stays.
    """
    made = engine.map_files("commons", commons, [Task(each.stem, "seeds", str(each)) for each in seeds])
    with np.load(roles) as held:
        place, takes_part = held["place"], held["takes_part"]
    num_shared = np.zeros(len(place), np.int64)
    for each in made:
        with np.load(engine.folder / "commons" / f"{each.task}.npz") as found:
            num_shared[found["doc"]] += found["count"]
    by_shared = np.empty(len(place), np.int64)
    by_shared[np.lexsort((place, -num_shared))] = np.arange(len(place))
    with replacing(roles) as file:
        np.savez(file, place=by_shared, takes_part=takes_part)


def commons(task: Task, folder: Path, spread: Spread) -> Made:
    """Count the seeds of documents in one bucket that others have too."""
    seed, doc = read_bucket(Path(task.payload), ["seed", "doc"])
    docs, counts = count_shared(seed, doc)
    with replacing(str(folder / f"{task.name}.npz")) as file:
        np.savez(file, doc=docs, count=counts)
    return Made({}, (f"{task.name}.npz",))


def seed_rows(task: Task) -> Iterator[Arrays]:
    """Choose the seeds of a lot's documents that may stand in others, too."""
    work: SharedTask = task.payload
    table = np.memmap(work.table, np.uint8, mode="r").view(np.ndarray)
    for seed, doc, at in _seeds(work):
        rows = np.flatnonzero(comes_twice(table, seed))
        yield {"seed": seed[rows], "doc": doc[rows], "at": at[rows]}


def _seeds(work: SharedTask) -> Iterator[tuple[Hashes, Offsets, Offsets]]:
    """Choose the seeds of a lot's documents, but for those that have a keeper: hashes, documents, positions."""
    with np.load(work.roles) as roles:
        docs = np.flatnonzero(roles["takes_part"][work.low:work.high]) + work.low
    done = np.cumsum(work.artefacts.num_shingles[docs])
    cuts = np.flatnonzero(np.diff(done // _SEED_SHINGLES)) + 1
    for part in np.split(docs, cuts):
        seed, owner, at = winnowed_seeds(*work.artefacts.shingles(part))
        yield seed, part[owner], at


def pair_rows(task: Task) -> Iterator[Arrays]:
    """Pair the seeds of one bucket."""
    work: SharedTask = task.payload
    seed, doc, at = read_bucket(Path(work.bucket), list(_SEED_COLUMNS))
    with np.load(work.roles) as roles:
        place = roles["place"]
    doc, at, source, source_at = pair_seeds(seed, doc, at, place, work.num_sources)
    yield {"key": doc.astype(np.uint64) << np.uint64(work.shift), "source": source, "at": at, "source_at": source_at}


def extend(task: Task, folder: Path, spread: Spread) -> Made:
    """Extend the pairs of one bucket, some documents at a time."""
    work: SharedTask = task.payload
    key, source, at, source_at = read_bucket(Path(work.bucket), list(_PAIR_COLUMNS))
    doc = (key >> np.uint64(work.shift)).astype(np.int64)
    with np.load(work.roles) as roles:
        place = roles["place"]
    rows = []
    for low, high in _slices(doc, source, work.artefacts.num_shingles):
        part = slice(low, high)
        rows += _extend_some(work, doc[part], source[part], at[part], source_at[part], place)
    with replacing(str(folder / f"{task.name}.npy")) as file:
        np.save(file, np.array(rows, np.int64).reshape(-1, len(_FOUND)))
    return Made({"passages": len(rows)}, (f"{task.name}.npy",))


def _slices(doc: Offsets, source: Offsets, num_shingles: Offsets) -> Iterator[tuple[int, int]]:
    """Cut rows, sorted by document and source, so that few shingles are needed at once; a document is never cut."""
    begins, _ = runs(doc)
    pairs = _pair_begins(doc, source)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(num_shingles[source[pairs]])])
    done = before[np.searchsorted(pairs, begins)] // _SLICE_SHINGLES
    cuts = begins[1:][done[1:] != done[:-1]].tolist()
    return pairwise([*begins[:1].tolist(), *cuts, len(doc)]) if len(doc) else iter(())


def _pair_begins(doc: Offsets, source: Offsets) -> Offsets:
    """Find where the rows of another pair of documents begin."""
    changes = np.flatnonzero((doc[1:] != doc[:-1]) | (source[1:] != source[:-1])) + 1
    return np.concatenate([np.zeros(min(1, len(doc)), np.int64), changes])


def _extend_some(
    work: SharedTask, doc: Offsets, source: Offsets, at: NDArray[Any], source_at: NDArray[Any], place: Offsets
) -> list[tuple[int, ...]]:
    """Find the passages of some documents; rows are ordered by document and source."""
    begins = _pair_begins(doc, source)
    one, two = doc[begins], source[begins]
    docs = np.unique(np.concatenate([one, two]))
    shingles, start = work.artefacts.shingles(docs)
    row, other_row = np.searchsorted(docs, one), np.searchsorted(docs, two)
    sizes = work.artefacts.num_shingles
    pairs = Pairs(shingles, start[row], sizes[one], start[other_row], sizes[two])
    number = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(doc))))
    passages = passages_of_pairs(pairs, number, at.astype(np.int64), source_at.astype(np.int64), work.min_tokens)
    found: dict[int, list[tuple[int, int, Passage]]] = {}
    sources = two[passages.pair]
    for mine, other, rank, passage in zip(
        one[passages.pair].tolist(), sources.tolist(), place[sources].tolist(), passages.passages(), strict=True
    ):
        found.setdefault(mine, []).append((rank, other, passage))
    return [
        (mine, other, *passage.span, *passage.source_span, passage.num_equal)
        for mine, each in found.items() for _, other, passage in choose_passages(each)
    ]


def _source_places(found: Offsets, artefacts: Artefacts, lots: list[Lot], config: Config, engine: Engine) -> Offsets:
    """Locate the source of every passage: int64 (num_passages, 6)."""
    wanted, of_passage = np.unique(found[:, [1, 4, 5]], axis=0, return_inverse=True)
    tasks = locate_tasks(artefacts, lots, config, wanted[:, 0], wanted[:, 1:])
    made = engine.map_files("sources", locate_tokens, tasks)
    held = [np.load(engine.folder / "sources" / f"{each.task}.npy") for each in made]
    places = np.concatenate([np.empty((0, 6), np.int64), *held])
    return places[of_passage.ravel()]
