"""Count blocks that differ in a few words from page to page of a site: "Read more from Jane Smith".

    form rows   pages of every site, a sample of large ones: short blocks below the prose that do not recur as they are,
                each hashed without a few of its words, as `prepare` wrote them down
    forms       bucket by bucket: dedupe.site, as if they were blocks
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.prepare import BLOCK_COLUMNS, TAIL_COLUMNS
from dedupe.corpus.tasks import Arrays, Engine, Task, num_buckets_for, read_bucket
from dedupe.hashing import is_in, ranges
from dedupe.records import Hashes, Offsets
from dedupe.site import look_up
from dedupe.write import replacing

_MAX_PAGES = 1000  # of one site: what is on none of these is on too few pages
_ROW_BYTES = 33
_HASH_BYTES = 8
_SLICE_FORMS = 1 << 18


@dataclass(frozen=True, slots=True)
class FormsTask:
    """Say which documents of a lot to look at, and where the keys of known blocks are."""

    lot: str
    first_doc: int
    docs: Offsets
    known: str


def form_buckets(
    artefacts: Artefacts, site: Hashes, rank: Hashes, known: Hashes, engine: Engine, memory_bytes: int, out: Path
) -> list[Path]:
    """Collect the forms of blocks that do not recur as they are into buckets of BLOCK_COLUMNS.

    `site`, `rank`: uint64 (num_docs,); `known`: uint64, sorted, the keys of blocks that recur.
    """
    path = out / "known.npy"
    with replacing(str(path)) as file:
        np.save(file, known)
    docs = sampled(site, rank)
    tasks = [
        Task(name, name, FormsTask(str(artefacts.folder / name), int(artefacts.lot_start[number]), mine, str(path)))
        for number, mine in artefacts.by_lot(docs) for name in [artefacts.names[number]]
    ]
    num_forms = sum(Path(f"{task.payload.lot}.forms").stat().st_size for task in tasks) // _HASH_BYTES
    return engine.shuffle_sort(
        "forms", form_rows, tasks, BLOCK_COLUMNS, ("block", "site", "doc", "row"),
        num_buckets_for(num_forms, 2 * _ROW_BYTES, memory_bytes),
    )


def sampled(site: Hashes, rank: Hashes) -> Offsets:
    """Choose the pages of least rank of every site that has two or more; int64, ascending.

    >>> sampled(np.array([5, 0, 5, 6], np.uint64), np.array([9, 1, 2, 3], np.uint64)).tolist()
    [0, 2]
    """
    order = np.lexsort((rank, site))
    order = order[site[order] != 0]
    of_site = site[order]
    begins = np.flatnonzero(np.concatenate([np.ones(min(1, len(order)), np.bool_), of_site[1:] != of_site[:-1]]))
    sizes = np.diff(np.append(begins, len(order)))
    number = np.arange(len(order)) - np.repeat(begins, sizes)
    chosen: Offsets = np.sort(order[(number < _MAX_PAGES) & (np.repeat(sizes, sizes) >= 2)])
    return chosen


def form_rows(task: Task) -> Iterator[Arrays]:
    """Read the forms of the pages asked for."""
    work: FormsTask = task.payload
    block, site, doc, row, num_forms = read_bucket(Path(f"{work.lot}.tails.parquet"), list(TAIL_COLUMNS))
    doc = doc + work.first_doc
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(num_forms)])
    wanted = np.flatnonzero(is_in(doc, work.docs) & (look_up(np.load(work.known), block, site) < 0))
    cuts = np.flatnonzero(np.diff(start[wanted] // _SLICE_FORMS)) + 1
    with open(f"{work.lot}.forms", "rb") as file:
        for tails in np.split(wanted, cuts):
            if not len(tails):
                continue
            first, last = start[tails[0]], start[tails[-1] + 1]
            file.seek(int(first) * _HASH_BYTES)
            forms = np.fromfile(file, "<u8", int(last - first))
            chosen = np.repeat(tails, num_forms[tails])
            at = ranges(start[tails] - first, num_forms[tails])
            found = {
                "block": forms[at], "site": site[chosen], "doc": doc[chosen],
                "row": row[chosen], "at_edge": np.ones(len(chosen), np.bool_),
                "prose_tokens": np.zeros(len(chosen), np.int32),
            }  # fmt: skip
            yield {name: column.astype(BLOCK_COLUMNS[name]) for name, column in found.items()}
