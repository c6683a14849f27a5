"""Find where single blocks of documents stand: bytes of the file, characters, lines. Reads the lot again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

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

_PIECE_BYTES = 1 << 20  # texts in one pass


@dataclass(frozen=True, slots=True)
class LocateTask:
    """Ask for blocks by document (numbered within the lot, ascending) and number in the document."""

    lot: Lot
    config: Config
    docs: Offsets
    rows: Offsets


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
    return [
        [snapped(document.utf8, token_span(texts, blocks, at, start, end)) for start, end in rows.tolist()]
        for at, (document, rows) in enumerate(wanted)
    ]


def _locate(task: Task, folder: Path, spans_of: Callable[[_Wanted], list[list[Span]]]) -> Made:
    work: LocateTask = task.payload
    places: list[tuple[int, ...]] = []
    for wanted in _wanted(work):
        for (document, _), spans in zip(wanted, spans_of(wanted), strict=True):
            to_place = Places(document)
            places += [as_numbers(to_place(span)) for span in spans]
    with replacing(str(folder / f"{task.name}.npy")) as file:
        np.save(file, np.array(places, np.int64).reshape(-1, 6))
    return Made({"places": len(places)}, (f"{task.name}.npy",))


def _wanted(work: LocateTask) -> Iterator[_Wanted]:
    """Give the documents asked for with what is asked of them, some at a time."""
    bounds = np.searchsorted(work.docs, np.arange(int(work.docs[-1]) + 2)).tolist()
    held: list[tuple[Document, Offsets]] = []
    size = 0
    for low, high, document in zip(bounds, bounds[1:], documents_of(work.lot, work.config), strict=False):
        if low < high:
            held.append((document, work.rows[low:high]))
            size += len(document.utf8)
        if size >= _PIECE_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def documents_of(lot: Lot, config: Config) -> Iterator[Document]:
    """Read the documents of a lot in order."""
    for file in lot.files:
        for batch in open_shard(file, config):
            yield from batch.documents


def as_numbers(place: Place) -> tuple[int, ...]:
    return (*place.byte, *place.char, *place.line)


def as_place(doc: str, numbers: Offsets) -> Place:
    """Make a place of its six numbers."""
    b0, b1, c0, c1, l0, l1 = (int(each) for each in numbers)
    return Place(doc, (b0, b1), (c0, c1), (l0, l1))
