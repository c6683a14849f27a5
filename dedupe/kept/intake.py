"""Turn documents into segments: sketch them, hold them until a segment is full, write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.config import Config
from dedupe.corpus.prepare import Prepared, prepare_batch
from dedupe.kept.layout import SegmentInfo
from dedupe.kept.segment import Rows, pack, write_segment
from dedupe.passages import winnowed_seeds
from dedupe.records import Document, Hashes, Offsets

MAX_DOCS, MAX_SHINGLES = 1 << 18, 1 << 25  # of a segment: at most 1 GB while it is sorted
_SALT = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class _Batch:
    documents: list[dict[str, Any]]
    blobs: list[tuple[bytes, int, int]]
    prepared: Prepared


def band_row_keys(bands: Hashes) -> Hashes:
    """Make the keys of all bands differ: uint64 (num_docs, num_bands), as `prepare` gives them."""
    salts = np.arange(1, bands.shape[1] + 1, dtype=np.uint64) * _SALT
    return bands ^ salts


def seed_rows(shingles: NDArray[np.uint32], start: Offsets) -> tuple[Hashes, Offsets, Offsets, Offsets]:
    """List the seeds of documents: hashes, documents, positions; and how many different ones each document has."""
    seed, owner, at = winnowed_seeds(shingles, start)
    order = np.lexsort((seed, owner))
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (seed[order[1:]] != seed[order[:-1]]) | (owner[order[1:]] != owner[order[:-1]])
    return seed, owner, at, np.bincount(owner[order[is_new]], minlength=len(start) - 1).astype(np.int64)


class Intake:
    """Take documents and leave segments. `new_name` gives each segment its name. Of documents with one id, or one
    place in one file where they have none, the last stays."""

    def __init__(self, folder: Path, config: Config, new_name: Callable[[], str], *, fast: bool = False) -> None:
        self._folder, self._config, self._new_name, self._fast = folder, config, new_name, fast
        self._held: list[_Batch] = []
        self._num_docs = self._num_shingles = 0
        self.segments: list[SegmentInfo] = []

    def add(self, documents: Sequence[Document], ranks: list[float] | None = None) -> None:
        """Take some documents; `ranks`: how much each is to be kept, None for their size."""
        if not documents:
            return
        prepared = prepare_batch((list(documents), ranks), self._config, self._fast)
        prepared = replace(prepared, signatures=prepared.signatures[:0])  # the bands tell all that is asked of them
        self._held.append(_Batch([_names(each) for each in documents], [pack(each) for each in documents], prepared))
        self._num_docs += len(documents)
        self._num_shingles += len(prepared.shingles)
        if self._num_docs >= MAX_DOCS or self._num_shingles >= MAX_SHINGLES:
            self.finish()

    def finish(self) -> list[SegmentInfo]:
        """Write what is held; give all segments written so far."""
        if self._held:
            self.segments.append(write_segment(self._folder, self._new_name(), _rows(self._held)))
            self._held, self._num_docs, self._num_shingles = [], 0, 0
        return self.segments


def _names(document: Document) -> dict[str, Any]:
    def encoded(text: str | None) -> bytes | None:
        return None if text is None else text.encode("utf-8", "surrogatepass")

    return {
        "id": encoded(document.id), "doc": encoded(document.doc), "uri": encoded(document.uri),
        "record": document.record, "url": encoded(document.url), "host": encoded(document.host),
        "encoding": encoded(document.encoding), "errors": encoded(document.errors),
    }


def identity(names: dict[str, Any]) -> tuple[bool, bytes]:
    """Say what makes a document the same one: its id, or its place in its file where it has none."""
    return (True, names["id"]) if names["id"] is not None else (False, names["doc"])


def _rows(held: list[_Batch]) -> Rows:
    """Put all documents that stay in the order of their ties, and their rows with them."""
    names = [each for batch in held for each in batch.documents]
    last = {identity(each): number for number, each in enumerate(names)}
    joined = {
        name: np.concatenate([getattr(batch.prepared, name) for batch in held])
        for name in ("site", "tie", "rank", "content", "num_tokens", "num_shingles")
    }
    order = tie_order(joined["tie"], sorted(last.values()), lambda number: names[number]["doc"])
    row_of = np.full(len(names), -1, np.int64)
    row_of[order] = np.arange(len(order))
    tables, num_seeds = _tables(held, row_of)
    blobs = list(chain.from_iterable(batch.blobs for batch in held))
    sites = [site for batch in held for site in batch.prepared.sites]
    docs: dict[str, Any] = {name: column[order] for name, column in joined.items()}
    docs |= {name: [names[number][name] for number in order] for name in names[0]}
    docs |= {
        "site_name": [None if sites[at] is None else str(sites[at]).encode("utf-8", "surrogatepass") for at in order],
        "num_seeds": num_seeds[order],
        "num_text_bytes": [blobs[number][1] for number in order],
        "num_raw_bytes": [blobs[number][2] for number in order],
    }
    return Rows(docs, tables, _shingles(held, order), (blobs[number][0] for number in order))


def tie_order(tie: Hashes, rows: Sequence[int], doc_of: Callable[[int], bytes]) -> list[int]:
    """Sort rows by tie; those of equal ties, which have no ids and equal texts, by their documents' names."""
    ties = tie[np.asarray(rows, np.int64)].tolist()
    if len(set(ties)) == len(ties):
        return [row for _, row in sorted(zip(ties, rows, strict=True))]
    return [row for _, _, row in sorted((value, doc_of(row), row) for value, row in zip(ties, rows, strict=True))]


def _shingles(held: list[_Batch], order: Sequence[int]) -> Iterator[NDArray[np.uint32]]:
    firsts = np.cumsum([0, *(len(batch.documents) for batch in held)])
    starts = [np.concatenate([[0], np.cumsum(batch.prepared.num_shingles)]) for batch in held]
    batches = (np.searchsorted(firsts, order, side="right") - 1).tolist()
    for number, at in zip(order, batches, strict=True):
        row = number - int(firsts[at])
        yield held[at].prepared.shingles[starts[at][row]:starts[at][row + 1]]


def _tables(held: list[_Batch], row_of: Offsets) -> tuple[dict[str, dict[str, NDArray[Any]]], Offsets]:
    """Make the rows of bands, seeds and blocks of documents that stay, and count the seeds of all documents."""
    made: dict[str, list[dict[str, NDArray[Any]]]] = {"bands": [], "seeds": [], "blocks": []}
    counts: list[Offsets] = []
    first = 0
    for batch in held:
        found = batch.prepared
        rows = row_of[first:first + len(batch.documents)]
        first += len(batch.documents)
        start = np.concatenate([[0], np.cumsum(found.num_shingles)])
        seed, owner, at, count = seed_rows(found.shingles, start)
        counts.append(count)
        keys = band_row_keys(found.bands)
        banded = np.repeat(np.where(found.num_shingles > 0, rows, -1), keys.shape[1])
        blocks = found.blocks
        by_kind: dict[str, dict[str, NDArray[Any]]] = {
            "bands": {"key": keys.ravel(), "row": banded},
            "seeds": {"key": seed, "row": rows[owner], "at": at.astype(np.uint32)},
            "blocks": {"key": blocks["block"], "row": rows[blocks["doc"]], "site": blocks["site"],
                       "block_row": blocks["row"], "at_edge": blocks["at_edge"],
                       "prose_tokens": blocks["prose_tokens"]},
        }  # fmt: skip
        for kind, columns in by_kind.items():
            stays = columns["row"] >= 0
            made[kind].append({**{name: col[stays] for name, col in columns.items()},
                               "row": columns["row"][stays].astype(np.uint32)})
    tables = {kind: {name: np.concatenate([each[name] for each in parts]) for name in parts[0]}
              for kind, parts in made.items()}
    return tables, np.concatenate(counts)
