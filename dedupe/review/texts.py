"""Look up the originals of a run's documents one by one, rebuilt from the ledger and the cleaned files.

Nothing is held but the last few: a run may have millions of documents. Records of shards are not rebuilt, since a
shard would have to be read whole for each.
"""

from __future__ import annotations

import os
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np

from dedupe.errors import DedupeError
from dedupe.read import read_text
from dedupe.report import Entry, iter_entries, restore
from dedupe.review.store import open_store

_HELD_BYTES = 16 << 20


class Originals(Mapping[str, bytes]):
    """Map the ledger's `doc` to original bytes; a document that cannot be rebuilt is missing.

    Finding a document takes the index that the review keeps beside the ledger, which is built where there is none.
    """

    def __init__(self, ledger: str | os.PathLike[str], store_path: str | os.PathLike[str] | None = None) -> None:
        self._ledger = Path(ledger)
        store = open_store(ledger, store_path)
        self._offsets = store.columns["doc_offset"].astype(np.int64)
        store.close()
        index = Path(store_path) if store_path else self._ledger.with_name(self._ledger.name + ".review.sqlite")
        self._database = sqlite3.connect(index, check_same_thread=False)
        self._held: OrderedDict[str, bytes | None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[str]:
        return (str(name) for (name,) in self._database.execute("SELECT name FROM doc ORDER BY doc"))

    def __getitem__(self, doc: str) -> bytes:
        if doc not in self._held:
            self._held[doc] = self._read(doc)
            while len(self._held) > 1 and sum(len(text or b"") for text in self._held.values()) > _HELD_BYTES:
                self._held.popitem(last=False)
        text = self._held[doc]
        if text is None:
            raise KeyError(doc)
        return text

    def _read(self, doc: str) -> bytes | None:
        found = self._database.execute("SELECT doc FROM doc WHERE name = ?", (doc,)).fetchone()
        offset = int(self._offsets[found[0]]) if found else -1
        if offset < 0:
            return None
        try:
            entry = next(iter_entries(self._rows(offset)))
            return _rebuilt(entry)
        except (DedupeError, OSError, StopIteration):
            return None

    def _rows(self, offset: int) -> Iterator[bytes]:
        """Yield the run's line, then that of the document at an offset and those of its removals."""
        with open(self._ledger, "rb") as file:
            yield file.readline()
            file.seek(offset)
            yield file.readline()
            for line in file:
                if msgspec.json.decode(line, type=_Typed).type not in ("removal", "kept"):
                    return
                yield line


class _Typed(msgspec.Struct):
    type: str = ""


def _rebuilt(entry: Entry) -> bytes | None:
    row = entry.row
    if row.output is None or "#" in row.doc.removeprefix(row.uri):
        return None
    cleaned = read_text(row.output, "latin-1", allow_binary=True).raw
    return restore(cleaned, entry.removals, row.sha256_after, row.sha256_before, None, row.doc)
