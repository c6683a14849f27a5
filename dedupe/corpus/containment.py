"""Find candidates for containment in a corpus larger than memory: dedupe.index, lot by lot.

    probes    the least shingles of every document, a sample
    postings  the keepers that have them

Memory: 200 bytes a document.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.tasks import Engine, Made, MapFunction, Spread, Task
from dedupe.index import join_probes, postings, probes
from dedupe.records import Offsets
from dedupe.write import replacing

_NUM_PROBES = 8
_MAX_OUTER = 16  # keepers looked at for a shingle that many have
_SLICE_SHINGLES = 1 << 22


@dataclass(frozen=True, slots=True)
class LookTask:
    """Name the documents of a lot that take part, and in `roles` the place of each document and who is a keeper;
    `table` holds the hashes to look for."""

    artefacts: Artefacts
    low: int
    high: int
    roles: str
    table: str = ""


def containment_pairs(
    artefacts: Artefacts, docs: Offsets, keepers: Offsets, min_containment: float, engine: Engine
) -> tuple[Offsets, Offsets]:
    """Find which of `docs` may stand inside one of `keepers`, both in keeper order; numbers of documents."""
    folder = engine.folder / "probes"
    folder.mkdir(exist_ok=True)
    roles, table = folder / "roles.npz", folder / "table.npy"
    place = np.full(len(artefacts), -1, np.int64)
    place[docs] = np.arange(len(docs))
    is_keeper = np.zeros(len(artefacts), np.bool_)
    is_keeper[keepers] = True
    with replacing(str(roles)) as file:
        np.savez(file, place=place, is_keeper=is_keeper)
    hashes, owner = _load(engine, "probes", sample, _tasks(artefacts, str(roles)), ("hash", "place"))
    distinct, at = np.unique(hashes, return_inverse=True)
    with replacing(str(table)) as file:
        np.save(file, distinct)
    row, count, hit, hit_place = _load(
        engine, "postings", look, _tasks(artefacts, str(roles), str(table)), ("row", "count", "hit", "place")
    )
    total = np.bincount(row, count, len(distinct)).astype(np.int64)
    order = np.lexsort((hit_place, hit))
    held = np.bincount(hit, minlength=len(distinct))
    inner, outer = join_probes(
        at.ravel(), owner.astype(np.int64), total, held, hit_place[order], min_containment, _MAX_OUTER
    )
    return docs[inner], docs[outer]


def _tasks(artefacts: Artefacts, roles: str, table: str = "") -> list[Task]:
    bounds = zip(artefacts.names, artefacts.lot_start[:-1].tolist(), artefacts.lot_start[1:].tolist(), strict=True)
    return [Task(name, name, LookTask(artefacts, low, high, roles, table)) for name, low, high in bounds]


def _load(
    engine: Engine, stage: str, function: MapFunction, tasks: list[Task], names: tuple[str, ...]
) -> list[Offsets]:
    made = engine.map_files(stage, function, tasks)
    columns: dict[str, list[Offsets]] = {name: [] for name in names}
    for each in made:
        with np.load(engine.folder / stage / f"{each.task}.npz") as held:
            for name in names:
                columns[name].append(held[name])
    return [np.concatenate(columns[name]) for name in names]


def _slices(work: LookTask, takes_part: str) -> Iterator[tuple[Offsets, Offsets]]:
    """Give the documents of a lot that take part and their places, some shingles at a time."""
    with np.load(work.roles) as roles:
        place = roles["place"][work.low:work.high]
        chosen = place >= 0 if takes_part == "place" else roles["is_keeper"][work.low:work.high]
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
    return Made({}, (f"{task.name}.npz",))


def look(task: Task, folder: Path, spread: Spread) -> Made:
    """Look for all probes in the keepers of a lot: how many have each, and the first of them."""
    work: LookTask = task.payload
    table = np.load(work.table)
    rows, places = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for docs, place in _slices(work, "is_keeper"):
        row, at = postings(*work.artefacts.shingles(docs), np.arange(len(docs)), place, table)
        rows.append(row)
        places.append(at)
    row, at = np.concatenate(rows), np.concatenate(places)
    order = np.lexsort((at, row))
    row, at = row[order], at[order]
    distinct, first, count = np.unique(row, return_index=True, return_counts=True)
    early = np.arange(len(row)) - np.repeat(first, count) < _MAX_OUTER
    with replacing(str(folder / f"{task.name}.npz")) as file:
        np.savez(file, row=distinct, count=count, hit=row[early], place=at[early].astype(np.int32))
    return Made({}, (f"{task.name}.npz",))
