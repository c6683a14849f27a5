"""Count blocks that differ in a few words from page to page of a site: "Read more from Jane Smith".

    form rows   pages of every site, a sample of large ones, read again: short blocks below the prose that do not recur
                as they are, each hashed without a few of its words
    forms       bucket by bucket: dedupe.site, as if they were blocks
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.locate import documents_of
from dedupe.corpus.lots import Lot
from dedupe.corpus.prepare import BLOCK_COLUMNS, pieces
from dedupe.corpus.tasks import Arrays, Engine, Task, num_buckets_for
from dedupe.cues.shape import describe
from dedupe.hashing import StreamHashes
from dedupe.normalize import normalize
from dedupe.records import Document, Hashes, Offsets, Texts
from dedupe.segment import segment
from dedupe.site import below_prose, form_hashes, look_up, masked_hashes
from dedupe.write import replacing

_MAX_PAGES = 1000  # of one site: what is on none of these is on too few pages
_ROW_BYTES = 33
_ROWS_A_PAGE = 200


@dataclass(frozen=True, slots=True)
class FormsTask:
    """Say which documents of a lot to look at, of which site each is, and where the keys of known blocks are."""

    lot: Lot
    config: Config
    first_doc: int
    docs: Offsets
    site: Hashes
    known: str


def form_buckets(
    artefacts: Artefacts, lots: list[Lot], site: Hashes, rank: Hashes, known: Hashes, config: Config, engine: Engine,
    memory_bytes: int, out: Path,
) -> list[Path]:
    """Collect the forms of blocks that do not recur as they are into buckets of BLOCK_COLUMNS.

    `site`, `rank`: uint64 (num_docs,); `known`: uint64, sorted, the keys of blocks that recur.
    """
    path = out / "known.npy"
    with replacing(str(path)) as file:
        np.save(file, known)
    docs = sampled(site, rank)
    tasks = [
        Task(lots[number].name, lots[number].label, FormsTask(
            lots[number], config, int(artefacts.lot_start[number]), mine, site[mine], str(path)
        )) for number, mine in artefacts.by_lot(docs)
    ]  # fmt: skip
    return engine.shuffle_sort(
        "forms", form_rows, tasks, BLOCK_COLUMNS, ("block", "site", "doc", "row"),
        num_buckets_for(len(docs) * _ROWS_A_PAGE, 2 * _ROW_BYTES, memory_bytes),
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
    """Read the pages asked for and hash the forms of their blocks."""
    work: FormsTask = task.payload
    known = np.load(work.known)
    wanted = set((work.docs - work.first_doc).tolist())
    mine = [document for number, document in enumerate(documents_of(work.lot, work.config)) if number in wanted]
    done = 0
    for piece in pieces(mine):
        part = slice(done, done + len(piece))
        yield _rows_of(piece, work.docs[part], work.site[part], known)
        done += len(piece)


def _rows_of(documents: list[Document], docs: Offsets, site: Hashes, known: Hashes) -> Arrays:
    texts = Texts.of([document.utf8 for document in documents])
    blocks = normalize(texts, *segment(texts))
    hashes = StreamHashes(blocks.stream)
    owner = np.repeat(np.arange(len(documents)), np.diff(blocks.doc_start))
    is_prose = describe(texts, blocks).is_prose
    is_new = look_up(known, masked_hashes(blocks, hashes), site[owner]) < 0
    rows = np.flatnonzero(is_new & ~is_prose & below_prose(blocks.doc_start, is_prose))
    row, form = form_hashes(blocks, hashes, rows)
    found = {
        "block": form, "site": site[owner[row]], "doc": docs[owner[row]], "row": row - blocks.doc_start[owner[row]],
        "at_edge": np.ones(len(row), np.bool_), "prose_tokens": np.zeros(len(row), np.int32),
    }  # fmt: skip
    return {name: column.astype(BLOCK_COLUMNS[name]) for name, column in found.items()}
