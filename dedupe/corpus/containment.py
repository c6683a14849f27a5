"""Find candidates for containment in a corpus larger than memory: dedupe.index, lot by lot.

    probes    the least shingles of every document, a sample
    postings  the keepers that have them

Memory: 300 bytes a document, on the driver; dedupe.corpus.inside finds the same without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.tasks import Engine, Made, Manifest, Spread, Task, runs
from dedupe.index import join_probes, postings, probes
from dedupe.records import Offsets
from dedupe.write import replacing

_NUM_PROBES = 8
MAX_OUTER = 16  # keepers looked at for a shingle that many have
_SLICE_SHINGLES = 1 << 22
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class LookTask:
    """Name the documents of a lot that take part; `folder` has the place of each document, who is a keeper, and the
    table of hashes to look for."""

    artefacts: Artefacts
    low: int
    high: int
    folder: str


class Roles:
    """Read and write what `LookTask.folder` has."""

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self.table = self._folder / "table.npy"

    def write(self, num_docs: int, docs: Offsets, keepers: Offsets) -> None:
        """Write the place of every document, -1 where it takes no part, and whether it is one of `keepers`."""
        place, is_keeper = np.full(num_docs, -1, np.int32), np.zeros(num_docs, np.bool_)
        place[docs], is_keeper[keepers] = np.arange(len(docs)), True
        self._folder.mkdir(exist_ok=True)
        for name, column in (("place", place), ("is_keeper", is_keeper)):
            with replacing(str(self._folder / f"{name}.npy")) as file:
                np.save(file, column)

    def read(self, name: str, low: int, high: int) -> NDArray[Any]:
        """Read a column of some documents in a row."""
        return np.array(np.load(self._folder / f"{name}.npy", mmap_mode="r")[low:high])


def containment_pairs(
    artefacts: Artefacts, docs: Offsets, keepers: Offsets, min_containment: float, engine: Engine
) -> tuple[Offsets, Offsets]:
    """Find which of `docs` may stand inside one of `keepers`, both in keeper order; numbers of documents."""
    roles = Roles(engine.folder / "probes")
    roles.write(len(artefacts), docs, keepers)
    tasks = look_tasks(artefacts, engine.folder / "probes")
    sampled = engine.map_files("probes", sample, tasks)
    hashes, sole = _table([_read(engine.folder / "probes", each, ("hash", "place")) for each in sampled])
    with replacing(str(roles.table)) as file:
        np.save(file, hashes)
    looked = engine.map_files("postings", look, tasks)
    total, first, hit_place = _hits(engine.folder / "postings", looked, sole)
    pairs = [np.empty((2, 0), np.int64)]
    for each in sampled:  # all probes of a document are in one lot
        probe, owner = _read(engine.folder / "probes", each, ("hash", "place"))
        at = np.searchsorted(hashes, probe)
        pairs.append(np.stack(join_probes(at, owner, total, first, hit_place, min_containment, MAX_OUTER)))
    inner, outer = np.concatenate(pairs, axis=1)
    order = np.lexsort((outer, inner))
    return docs[inner[order]], docs[outer[order]]


def _read(folder: Path, made: Manifest, names: tuple[str, ...]) -> list[NDArray[Any]]:
    with np.load(folder / f"{made.task}.npz") as held:
        return [held[name] for name in names]


def _table(lots: list[list[NDArray[Any]]]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Give the distinct hashes of all probes, ascending, and for each the place it samples; -1 if there are several."""
    packed = np.concatenate(
        [np.empty(0, np.uint64), *(hash_.astype(np.uint64) << _HALF | place.astype(np.uint64) for hash_, place in lots)]
    )
    packed.sort()
    hashes = (packed >> _HALF).astype(np.uint32)
    places = packed.astype(np.uint32).view(np.int32)
    begins, ends = runs(hashes)
    return hashes[begins], np.where(ends - begins == 1, places[begins], np.int32(-1))


def _hits(
    folder: Path, looked: Sequence[Manifest], sole: NDArray[np.int32]
) -> tuple[NDArray[np.int32], Offsets, NDArray[np.int32]]:
    """Count the keepers that have each hash, and list the first of them by hash, with where each hash's begin.

    Most hashes are in the one keeper that they sample and in no other: they make no pair and count as in none.
    """
    total = np.zeros(len(sole), np.int32)
    for each in looked:
        row, count = _read(folder, each, ("row", "count"))
        total[row] += count
    rows, places = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for each in looked:
        hit, place = _read(folder, each, ("hit", "place"))
        useful = (total[hit] > 1) | (sole[hit] != place)
        rows.append(hit[useful])
        places.append(place[useful])
    hit, hit_place = np.concatenate(rows), np.concatenate(places)
    total[total == 1] = 0
    total[hit] = np.maximum(total[hit], 1)
    held = np.bincount(hit, minlength=len(sole))
    return total, np.cumsum(held) - held, hit_place[np.lexsort((hit_place, hit))]


def look_tasks(artefacts: Artefacts, folder: Path) -> list[Task]:
    """Make a task of every lot."""
    bounds = zip(artefacts.names, artefacts.lot_start[:-1].tolist(), artefacts.lot_start[1:].tolist(), strict=True)
    return [Task(name, name, LookTask(artefacts, low, high, str(folder))) for name, low, high in bounds]


def _slices(work: LookTask, takes_part: str) -> Iterator[tuple[Offsets, Offsets]]:
    """Give the documents of a lot that take part and their places, some shingles at a time."""
    place = Roles(work.folder).read("place", work.low, work.high).astype(np.int64)
    chosen = place >= 0 if takes_part == "place" else Roles(work.folder).read("is_keeper", work.low, work.high)
    docs = np.flatnonzero(chosen) + work.low
    done = np.cumsum(work.artefacts.num_shingles[docs])
    for part in np.split(docs, np.flatnonzero(np.diff(done // _SLICE_SHINGLES)) + 1):
        if len(part):
            yield part, place[part - work.low]


def sample(task: Task, folder: Path, spread: Spread) -> Made:
    """Choose the probes of a lot's documents."""
    hashes, places = [np.empty(0, np.uint32)], [np.empty(0, np.int32)]
    for docs, place in _slices(task.payload, "place"):
        shingles, start = task.payload.artefacts.shingles(docs)
        found, owner = probes(shingles, start, np.arange(len(docs)), _NUM_PROBES)
        hashes.append(found)
        places.append(place[owner].astype(np.int32))
    with replacing(str(folder / f"{task.name}.npz")) as file:
        np.savez(file, hash=np.concatenate(hashes), place=np.concatenate(places))
    return Made({"probes": sum(map(len, hashes))}, (f"{task.name}.npz",))


@dataclass(frozen=True, slots=True)
class Hits:
    """Say which rows of a table the keepers of a lot have: `row` and `count` of each, and the first places, at most
    MAX_OUTER a row, as `hit` and `place`, sorted by both; int64."""

    row: Offsets
    count: Offsets
    hit: Offsets
    place: Offsets


def hits_of(work: LookTask, table: NDArray[np.uint32]) -> Hits:
    """Look for all probes in the keepers of a lot."""
    rows, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for docs, place in _slices(work, "is_keeper"):
        row, at = postings(*work.artefacts.shingles(docs), np.arange(len(docs)), place, table)
        rows.append(row)
        places.append(at)
    row, at = np.concatenate(rows), np.concatenate(places)
    order = np.lexsort((at, row))
    row, at = row[order], at[order]
    distinct, first, count = np.unique(row, return_index=True, return_counts=True)
    early = np.arange(len(row)) - np.repeat(first, count) < MAX_OUTER
    return Hits(distinct, count, row[early], at[early])


def look(task: Task, folder: Path, spread: Spread) -> Made:
    """Write down how many keepers of a lot have each probe, and the first of them."""
    found = hits_of(task.payload, np.load(Roles(task.payload.folder).table))
    with replacing(str(folder / f"{task.name}.npz")) as file:
        arrays = {"row": found.row, "count": found.count, "hit": found.hit, "place": found.place}
        np.savez(file, **{name: array.astype(np.int32) for name, array in arrays.items()})  # type: ignore[arg-type]  # no flag of savez
    return Made({}, (f"{task.name}.npz",))
