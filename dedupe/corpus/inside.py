"""Find candidates for containment by shuffling: what dedupe.corpus.containment finds, and nothing of it on the driver.

    probes       map       the least shingles of every document, as there
    probe-rows   shuffle   by hash: who is looked for with it
    probe-hashes map       the distinct hashes, which make one table
    probe-hits   shuffle   by hash: the keepers that have it, the first of each lot and how many there are
    inside-rows  shuffle   by document: the keepers that each of its probes is in
    inside       map       keepers that enough probes of a document are in
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.containment import MAX_OUTER, LookTask, Roles, hits_of, look_tasks, sample
from dedupe.corpus.tasks import Arrays, Engine, Made, Spread, Task, num_buckets_for, read_bucket, runs
from dedupe.hashing import ranges
from dedupe.index import enough_hits
from dedupe.records import Flags, Offsets
from dedupe.write import replacing

_PROBE_COLUMNS = {"hash": "uint64", "place": "uint32", "num_probes": "int32"}
_HIT_COLUMNS = {"hash": "uint64", "place": "uint32", "count": "int32"}
_INSIDE_COLUMNS = {"inner": "uint64", "outer": "uint32", "is_rare": "bool", "num_probes": "int32"}
_ROW_BYTES = 20
_HALF = np.uint64(32)
_NOBODY = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class JoinTask:
    """Name the rows of probes and of hits with the same hashes; an inner document's number begins at bit `shift`."""

    probes: str
    hits: str
    shift: int
    min_containment: float


def shuffled_pairs(
    artefacts: Artefacts, docs: Offsets, keepers: Offsets, min_containment: float, engine: Engine, memory_bytes: int
) -> tuple[Offsets, Offsets]:
    """Find which of `docs` may stand inside one of `keepers`, both in keeper order; numbers of documents."""
    folder = engine.folder / "probes"
    Roles(folder).write(len(artefacts), docs, keepers)
    lots = look_tasks(artefacts, folder)
    sampled = engine.map_files("probes", sample, lots)
    num_buckets = num_buckets_for(sum(each.counts["probes"] for each in sampled), 2 * _ROW_BYTES, memory_bytes)
    files = [Task(each.task, each.task, str(folder / f"{each.task}.npz")) for each in sampled]
    probes = engine.shuffle_sort("probe-rows", probe_rows, files, _PROBE_COLUMNS, ("hash", "place"), num_buckets)
    tables = [Task(each.stem, f"probes {each.stem}", str(each)) for each in probes]
    made = engine.map_files("probe-hashes", distinct, tables)
    _write_table(Roles(folder).table, [engine.folder / "probe-hashes" / f"{each.task}.hashes" for each in made])
    hits = engine.shuffle_sort("probe-hits", hit_rows, lots, _HIT_COLUMNS, ("hash", "place"), num_buckets)
    shift = 64 - max(1, len(docs).bit_length())
    joins = [
        Task(each.stem, f"probes {each.stem}", JoinTask(str(each), str(hit), shift, min_containment))
        for each, hit in zip(probes, hits, strict=True)
    ]
    rows = engine.shuffle_sort("inside-rows", inside_rows, joins, _INSIDE_COLUMNS, ("inner", "outer"), num_buckets)
    tasks = [Task(each.stem, f"inside {each.stem}", JoinTask(str(each), "", shift, min_containment)) for each in rows]
    made = engine.map_files("inside", inside, tasks)
    pairs = [np.load(engine.folder / "inside" / f"{each.task}.npy") for each in made]
    inner, outer = np.concatenate([np.empty((2, 0), np.int64), *pairs], axis=1)
    return docs[inner], docs[outer]


def probe_rows(task: Task) -> Iterator[Arrays]:
    """Send the probes of a lot."""
    with np.load(task.payload) as held:
        hashes, place = held["hash"], held["place"].astype(np.int64)
    first = int(place.min(initial=0))
    num_probes = np.bincount(place - first)[place - first] if len(place) else place
    yield {"hash": hashes.astype(np.uint64) << _HALF, "place": place, "num_probes": num_probes}


def _write_table(path: Path, parts: Sequence[Path]) -> None:
    """Put the hashes of all probes into one file that workers map into memory: uint32, ascending."""
    with replacing(str(path)) as file:
        size = sum(part.stat().st_size for part in parts) // 4
        np.lib.format.write_array_header_2_0(file, {"descr": "<u4", "fortran_order": False, "shape": (size,)})
        for part in parts:
            with open(part, "rb") as held:
                shutil.copyfileobj(held, file)


def distinct(task: Task, folder: Path, spread: Spread) -> Made:
    """Write the distinct hashes among the sorted rows of probes, as they lie in memory."""
    (hashes,) = read_bucket(Path(task.payload), ["hash"])
    begins, _ = runs(hashes)
    with replacing(str(folder / f"{task.name}.hashes")) as file:
        file.write((hashes[begins] >> _HALF).astype("<u4").tobytes())
    return Made({}, (f"{task.name}.hashes",))


def hit_rows(task: Task) -> Iterator[Arrays]:
    """Send the probes that a lot's keepers have; the first row of each hash has the number of them all."""
    work: LookTask = task.payload
    table = np.load(Roles(work.folder).table, mmap_mode="r")
    found = hits_of(work, table.view(np.ndarray))
    count = np.zeros(len(found.hit), np.int32)
    count[np.searchsorted(found.hit, found.row)] = found.count
    yield {"hash": table[found.hit].astype(np.uint64) << _HALF, "place": found.place, "count": count}


def inside_rows(task: Task) -> Iterator[Arrays]:
    """Send to each document the keepers that its probes are in, and a row for each probe that too many have."""
    work: JoinTask = task.payload
    hash_, inner, num_probes = read_bucket(Path(work.probes), list(_PROBE_COLUMNS))
    hit_hash, hit_place, count = read_bucket(Path(work.hits), list(_HIT_COLUMNS))
    first, end = np.searchsorted(hit_hash, hash_, "left"), np.searchsorted(hit_hash, hash_, "right")
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
    total = before[end] - before[first]
    taken = np.minimum(end - first, MAX_OUTER)
    row = np.repeat(np.arange(len(hash_)), taken)
    outer = hit_place[ranges(first, taken)]
    row, outer = row[outer < inner[row]], outer[outer < inner[row]]
    common = np.flatnonzero(total > MAX_OUTER)
    row = np.concatenate([row, common])
    yield {
        "inner": inner[row].astype(np.uint64) << np.uint64(work.shift),
        "outer": np.concatenate([outer, np.full(len(common), _NOBODY, np.uint32)]).astype(np.uint32),
        "is_rare": total[row] <= MAX_OUTER, "num_probes": num_probes[row],
    }


def inside(task: Task, folder: Path, spread: Spread) -> Made:
    """Write the pairs of inner and outer documents, as places: int64 (2, num_pairs)."""
    work: JoinTask = task.payload
    inner, outer, is_rare, num_probes = read_bucket(Path(work.probes), list(_INSIDE_COLUMNS))
    inner = (inner >> np.uint64(work.shift)).astype(np.int64)
    with replacing(str(folder / f"{task.name}.npy")) as file:
        np.save(file, np.stack(_pairs(inner, outer.astype(np.int64), is_rare, num_probes, work.min_containment)))
    return Made({}, (f"{task.name}.npy",))


def _pairs(
    inner: Offsets, outer: Offsets, is_rare: Flags, num_probes: NDArray[np.int32], min_containment: float
) -> tuple[Offsets, Offsets]:
    """Do what dedupe.index.join_probes does, on rows sorted by inner and outer: one for each probe that is in outer."""
    begins, ends = runs(inner)
    doc = np.repeat(np.arange(len(begins)), ends - begins)
    is_common = outer == _NOBODY
    num_rare = num_probes[begins] - np.bincount(doc[is_common], minlength=len(begins))
    used = ~is_common & (is_rare | (num_rare[doc] == 0))
    num_used = np.where(num_rare > 0, num_rare, num_probes[begins])[doc[used]]
    inner, outer = inner[used], outer[used]
    first, end = runs(inner << 32 | outer)
    enough = enough_hits(end - first, num_used[first], min_containment)
    return inner[first[enough]], outer[first[enough]]
