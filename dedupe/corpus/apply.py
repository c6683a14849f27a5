"""Clean a lot: read it again, take out what was decided, write the output shards and the lot's part of the ledger.

    NAME.jsonl    the part of the ledger
    NAME.npz      fingerprints of what went
    NAME.bad.json records that could not be cleaned
"""

from __future__ import annotations

import gc
import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from dedupe import kernels
from dedupe.config import Config
from dedupe.corpus.lots import Lot
from dedupe.corpus.outside import Outside, open_outside
from dedupe.corpus.parts import PartRows, PartWriter, part_rows
from dedupe.corpus.people import OF_USE, open_decisions
from dedupe.corpus.prepare import weight
from dedupe.corpus.tasks import Made, Spread, Task, spreading
from dedupe.decisions import Decisions
from dedupe.errors import InputError
from dedupe.formats import DROP, InputFile, Outcome, RecordBatch, ShardReader, show_name
from dedupe.pieces import pieces
from dedupe.pipeline import clean_documents
from dedupe.read import open_shard
from dedupe.records import BadRecord, Cleaned, Document
from dedupe.write import ShardWriter, replacing

_PIECE_BYTES = 1 << 21  # texts in one pass: a call costs little beside what it does, and the arrays are not too many


@dataclass(frozen=True, slots=True)
class ApplyTask:
    """Say what to clean and where to put it. `outside`: folder of what was found across documents; `fast`: whether the
    corpus is large enough for compiled kernels."""

    lot: Lot
    config: Config
    outside: str
    first_doc: int
    with_ledger: bool
    fast: bool = False


@dataclass(frozen=True, slots=True)
class _Item:
    """Hold documents, the number of the first in the run, and for the ledger the file that each goes to."""

    documents: list[Document]
    first_doc: int
    outputs: list[str | None]


@dataclass(frozen=True, slots=True)
class _Done:
    outcomes: list[Outcome]
    rows: PartRows
    counts: dict[str, int]


@spreading
def apply_lot(task: Task, folder: Path, spread: Spread) -> Made:
    """Clean all documents of a lot."""
    work: ApplyTask = task.payload
    names = tuple(f"{task.name}.{kind}" for kind in ("jsonl", "npz", "bad.json"))
    counts: Counter[str] = Counter()
    bad: list[BadRecord] = []
    with ExitStack() as stack:
        part, marks, errors = (stack.enter_context(replacing(str(folder / name))) for name in names)
        writer = PartWriter(part)
        for done in _shards(work, spread, bad):
            writer.write(done.rows, done.counts["num_documents"])
            counts.update(done.counts)
        np.savez(marks, **writer.arrays())  # type: ignore[arg-type]  # a name could be a flag of savez; none is
        errors.write(json.dumps([asdict(record) for record in bad]).encode())
    return Made({**_NO_COUNTS, **counts}, names)


_NO_COUNTS = dict.fromkeys(
    ("num_documents", "num_documents_changed", "num_removals", "num_kept", "num_bytes_before", "num_bytes_after",
     "num_near_duplicates", "num_dropped"), 0,
)  # fmt: skip


def _shards(work: ApplyTask, spread: Spread, bad: list[BadRecord]) -> Iterator[_Done]:
    """Clean and write the shards of a lot, one after another."""
    clean = partial(
        clean_batch, config=work.config, outside=work.outside, with_ledger=work.with_ledger, fast=work.fast
    )
    waiting: deque[list[_Read]] = deque()  # read, but not written: a few more than there are workers
    with ExitStack() as stack:  # holds the shard that is being written
        writer: ShardWriter | None = None
        for done in spread(clean, _items(work, waiting)):
            outcomes = iter(done.outcomes)
            for file, output, reader, batch in waiting.popleft():
                if writer is None and output is not None:
                    writer = stack.enter_context(ShardWriter(output, reader))
                if batch is not None:
                    _note_bad(batch.bad, bad, work.config)
                    found = list(islice(outcomes, len(batch.documents)))
                    if writer is not None:
                        writer.write(batch, found)
                    continue
                stack.pop_all().close()
                writer = None
                if reader.broken is not None:
                    message = f"{show_name(file.uri)}: {reader.broken}"
                    _note_bad([BadRecord(file.uri, None, message)], bad, work.config)
            yield done


# A batch with where it came from and where it goes; None for the batch where the file ends.
_Read: TypeAlias = tuple[InputFile, str | None, ShardReader, RecordBatch | None]


def _items(work: ApplyTask, waiting: deque[list[_Read]]) -> Iterator[_Item]:
    """Read a lot, small files together, and note in `waiting` what was read for each item."""
    first_doc = work.first_doc
    for joined in pieces(_read(work), lambda each: weight(each[3].documents) if each[3] else 0, _PIECE_BYTES):
        waiting.append(joined)
        documents: list[Document] = []
        outputs: list[str | None] = []
        for file, output, _, batch in joined:
            if batch is not None:
                documents += batch.documents
                outputs += [None if file.to_stream else output] * len(batch.documents)
        yield _Item(documents, first_doc, outputs)
        first_doc += len(documents)


def _read(work: ApplyTask) -> Iterator[_Read]:
    for file, output in zip(work.lot.files, work.lot.outputs, strict=True):
        reader = open_shard(file, work.config)
        yield from ((file, output, reader, batch) for batch in reader)
        yield file, output, reader, None


def _note_bad(found: Sequence[BadRecord], bad: list[BadRecord], config: Config) -> None:
    if found and config.on_error == "fail":
        where = found[0].uri if found[0].record is None else f"{found[0].uri}#{found[0].record}"
        raise InputError(f"{where}: {found[0].message}; mend it, or give --on-error skip to list it and go on")
    bad.extend(found)


def clean_batch(item: _Item, config: Config, outside: str, with_ledger: bool, fast: bool = False) -> _Done:
    """Clean the documents of a batch and make their rows of the ledger."""
    if fast:
        kernels.turn_on(kernels.MIN_TEXT_BYTES)
    found, people = open_outside(outside, config), open_decisions(outside)
    people.matched.clear()
    cleaned: list[Cleaned] = []
    with _uncollected():
        for piece in pieces(item.documents, lambda document: len(document.utf8), _PIECE_BYTES):
            at = len(cleaned)
            outputs = item.outputs[at:at + len(piece)]
            cleaned += _clean_piece(piece, item.first_doc + at, config, found, people, outputs)
        rows = part_rows(cleaned, found.num_words(item.first_doc, len(cleaned))) if with_ledger else PartRows()
    counts = _count(cleaned, config) | {f"{OF_USE}{at}": 1 for at in sorted(people.matched)}
    return _Done([_outcome(each, config) for each in cleaned], rows, counts)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Let the garbage collector rest: a batch makes many records and no cycles, and all are held until it is done."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _clean_piece(
    documents: list[Document], first_doc: int, config: Config, found: Outside, people: Decisions,
    outputs: list[str | None],
) -> list[Cleaned]:
    near = found.near(first_doc, len(documents))
    across = partial(found.across, documents=documents, first_doc=first_doc)
    cleaned = clean_documents(documents, config, across, people)
    return [
        each if keeper is None and output is None
        else Cleaned(each.document, each.cleaned, each.removals, each.kept, each.flags, keeper, output)
        for each, keeper, output in zip(cleaned, near, outputs, strict=True)
    ]


def _is_dropped(cleaned: Cleaned, config: Config) -> bool:
    return config.near_duplicates == "drop" and cleaned.near_duplicate_of is not None


def _outcome(cleaned: Cleaned, config: Config) -> Outcome:
    if _is_dropped(cleaned, config):
        return DROP
    return cleaned.cleaned if cleaned.removals else None


def _count(cleaned: Sequence[Cleaned], config: Config) -> dict[str, int]:
    counts: Counter[str] = Counter(removal.rule for each in cleaned for removal in each.removals)
    return {
        "num_documents": len(cleaned),
        "num_documents_changed": sum(bool(each.removals) for each in cleaned),
        "num_removals": sum(len(each.removals) for each in cleaned),
        "num_kept": sum(len(each.kept) for each in cleaned),
        "num_bytes_before": sum(len(each.document.raw) for each in cleaned),
        "num_bytes_after": sum(len(each.cleaned) for each in cleaned),
        "num_near_duplicates": sum(each.near_duplicate_of is not None for each in cleaned),
        "num_dropped": sum(_is_dropped(each, config) for each in cleaned),
        "num_guarded": sum("guard" in each.flags for each in cleaned),
        **{f"rule:{rule}": count for rule, count in counts.items()},
    }
