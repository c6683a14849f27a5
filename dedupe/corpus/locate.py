"""Find where single blocks of documents stand: bytes of the file, characters, lines. Reads the lot again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dedupe.clean import Places
from dedupe.config import Config
from dedupe.corpus.lots import Lot
from dedupe.corpus.spans import snapped, token_span
from dedupe.corpus.tasks import Made, Spread, Task
from dedupe.normalize import normalize
from dedupe.read import open_shard
from dedupe.records import Document, Offsets, Place, Span, Texts
from dedupe.segment import segment
from dedupe.write import replacing


@dataclass(frozen=True, slots=True)
class LocateTask:
    """Ask for blocks by document (numbered within the lot, ascending) and number in the document."""

    lot: Lot
    config: Config
    docs: Offsets
    rows: Offsets


def locate(task: Task, folder: Path, spread: Spread) -> Made:
    """Write int64 (num_wanted, 6), a row for each block asked for."""
    return _locate(task, folder, lambda document, rows: [block_spans(document)[row] for row in rows.tolist()])


def locate_tokens(task: Task, folder: Path, spread: Spread) -> Made:
    """Do the same for runs of tokens: `rows` is int64 (num_wanted, 2), first token and the one after the last."""
    return _locate(task, folder, _token_spans)


def _token_spans(document: Document, rows: Offsets) -> list[Span]:
    texts = Texts.of([document.utf8])
    blocks = normalize(texts, *segment(texts))
    return [snapped(document.utf8, token_span(texts, blocks, 0, start, end)) for start, end in rows.tolist()]


def _locate(task: Task, folder: Path, spans_of: Callable[[Document, Offsets], list[Span]]) -> Made:
    work: LocateTask = task.payload
    bounds = np.searchsorted(work.docs, np.arange(int(work.docs[-1]) + 2))
    places: list[tuple[int, ...]] = []
    for number, document in enumerate(documents_of(work.lot, work.config)):
        if number >= len(bounds) - 1:
            break
        rows = work.rows[bounds[number]:bounds[number + 1]]
        if len(rows):
            to_place = Places(document)
            places += [as_numbers(to_place(span)) for span in spans_of(document, rows)]
    with replacing(str(folder / f"{task.name}.npy")) as file:
        np.save(file, np.array(places, np.int64).reshape(-1, 6))
    return Made({"places": len(places)}, (f"{task.name}.npy",))


def documents_of(lot: Lot, config: Config) -> Iterator[Document]:
    """Read the documents of a lot in order."""
    for file in lot.files:
        for batch in open_shard(file, config):
            yield from batch.documents


def block_spans(document: Document) -> list[Span]:
    """Give the blocks of a document, in bytes of its UTF-8 text."""
    _, start, end = segment(Texts.of([document.utf8]))
    return list(zip(start.tolist(), end.tolist(), strict=True))


def as_numbers(place: Place) -> tuple[int, ...]:
    return (*place.byte, *place.char, *place.line)


def as_place(doc: str, numbers: Offsets) -> Place:
    """Make a place of its six numbers."""
    b0, b1, c0, c1, l0, l1 = (int(each) for each in numbers)
    return Place(doc, (b0, b1), (c0, c1), (l0, l1))
