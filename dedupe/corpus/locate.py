"""Find where single blocks of documents stand: bytes of the file, characters, lines. Reads those documents again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from dedupe.clean import Places
from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.lots import Lot
from dedupe.corpus.spans import snapped, token_spans
from dedupe.corpus.tasks import Made, Spread, Task, read_bucket
from dedupe.formats import InputFile
from dedupe.normalize import normalize
from dedupe.pieces import pieces
from dedupe.read import open_shard
from dedupe.records import Document, Offsets, Place, Span, Texts
from dedupe.segment import segment
from dedupe.write import replacing

_PIECE_BYTES = 1 << 20  # texts in one pass


@dataclass(frozen=True, slots=True)
class LocateTask:
    """Ask for blocks by document (numbered within the lot, ascending) and number in the document.

    `table`: the artefact that says in which file of the lot each document stands, and which record it is.
    """

    lot: Lot
    config: Config
    table: str
    docs: Offsets
    rows: Offsets


def locate_tasks(artefacts: Artefacts, lots: Sequence[Lot], config: Config, docs: Offsets, rows: Offsets) -> list[Task]:
    """Ask each lot for its part of `rows`; `docs`: int64 (num_wanted,), ascending, the documents they are about."""
    tasks = []
    for number, mine in artefacts.by_lot(docs):
        lot, low = lots[number], int(np.searchsorted(docs, mine[0]))
        table = str(artefacts.folder / f"{artefacts.names[number]}.docs.parquet")
        first = int(artefacts.lot_start[number])
        tasks.append(Task(
            lot.name, lot.label, LocateTask(lot, config, table, mine - first, rows[low:low + len(mine)])
        ))  # fmt: skip
    return tasks


def locate(task: Task, folder: Path, spread: Spread) -> Made:
    """Write int64 (num_wanted, 6), a row for each block asked for."""
    return _locate(task, folder, block_spans)


def locate_tokens(task: Task, folder: Path, spread: Spread) -> Made:
    """Do the same for runs of tokens: `rows` is int64 (num_wanted, 2), first token and the one after the last."""
    return _locate(task, folder, _token_spans)


_Wanted: TypeAlias = Sequence[tuple[Document, Offsets]]


def block_spans(wanted: _Wanted) -> list[list[Span]]:
    texts = Texts.of([document.utf8 for document, _ in wanted])
    doc_start, start, end = segment(texts)
    origin, first = texts.offsets.tolist(), doc_start.tolist()
    return [
        [(int(start[first[at] + row]) - origin[at], int(end[first[at] + row]) - origin[at]) for row in rows.tolist()]
        for at, (_, rows) in enumerate(wanted)
    ]


def _token_spans(wanted: _Wanted) -> list[list[Span]]:
    texts = Texts.of([document.utf8 for document, _ in wanted])
    blocks = normalize(texts, *segment(texts))
    docs = np.repeat(np.arange(len(wanted)), [len(rows) for _, rows in wanted])
    spans = iter(token_spans(texts, blocks, docs, *np.concatenate([rows for _, rows in wanted]).T))
    return [[snapped(document.utf8, next(spans)) for _ in rows] for document, rows in wanted]


def _locate(task: Task, folder: Path, spans_of: Callable[[_Wanted], list[list[Span]]]) -> Made:
    work: LocateTask = task.payload
    places: list[tuple[int, ...]] = []
    for wanted in pieces(_wanted(work), lambda each: len(each[0].utf8), _PIECE_BYTES):
        for (document, _), spans in zip(wanted, spans_of(wanted), strict=True):
            to_place = Places(document)
            places += [as_numbers(to_place(span)) for span in spans]
    with replacing(str(folder / f"{task.name}.npy")) as file:
        np.save(file, np.array(places, np.int64).reshape(-1, 6))
    return Made({"places": len(places)}, (f"{task.name}.npy",))


def _wanted(work: LocateTask) -> Iterator[tuple[Document, Offsets]]:
    """Give the documents asked for with what is asked of them."""
    files, numbers = (column[work.docs] for column in read_bucket(Path(work.table), ["file", "record"]))
    for at in np.unique(files).tolist():
        low, high = np.searchsorted(files, (at, at + 1))
        records, rows = numbers[low:high], work.rows[low:high]
        for document in _documents(work.lot.files[at], work.config, records):
            first, end = np.searchsorted(records, (record_of(document), record_of(document) + 1))
            yield document, rows[first:end]


def _documents(file: InputFile, config: Config, records: Offsets) -> Iterator[Document]:
    """Read some records of a file, given by number, ascending; readers pass over others where they can."""
    wanted = frozenset(records.tolist())
    for batch in open_shard(file, config, records=wanted):
        yield from (document for document in batch.documents if record_of(document) in wanted)
        if batch.first + batch.num_records > int(records[-1]):
            return


def record_of(document: Document) -> int:
    """Give the number of a document in its file; a text is the only one in its."""
    return document.record or 0


def documents_of(lot: Lot, config: Config) -> Iterator[Document]:
    """Read the documents of a lot in order."""
    for file in lot.files:
        for batch in open_shard(file, config):
            yield from batch.documents


def as_numbers(place: Place) -> tuple[int, ...]:
    return (*place.byte, *place.char, *place.line)


def as_place(doc: str, numbers: Sequence[int]) -> Place:
    """Make a place of its six numbers."""
    b0, b1, c0, c1, l0, l1 = numbers
    return Place(doc, (b0, b1), (c0, c1), (l0, l1))
