"""Store documents in this process: buckets in datasketch's MinHashLSH, shingles beside it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from dedupe.live.entry import Entry, Setup, Shingles, check_same
from dedupe.sketch import to_datasketch


class MemoryStore:
    """Hold documents in memory; threads may share it."""

    def __init__(self, setup: Setup) -> None:
        from datasketch import MinHashLSH

        self._setup = setup
        self._lsh = MinHashLSH(num_perm=setup.num_perm, params=(setup.bands, setup.rows))
        self._shingles: dict[str, Shingles] = {}
        self._lock = threading.Lock()

    def add(self, entries: Sequence[Entry]) -> int:
        """Put documents in, all or none; see `LiveIndex.insert_many`."""
        with self._lock:
            new: dict[str, Entry] = {}
            for entry in entries:
                known = self._shingles.get(entry.id)
                if known is None:
                    known = new.setdefault(entry.id, entry).shingles
                check_same(entry, known)
            for entry in new.values():
                if len(entry.shingles):
                    self._lsh.insert(entry.id, to_datasketch(entry.signature, self._setup.seed))
                self._shingles[entry.id] = entry.shingles
            return len(new)

    def remove(self, doc_id: str) -> bool:
        """Take a document out; say whether it was there."""
        with self._lock:
            shingles = self._shingles.pop(doc_id, None)
            if shingles is not None and len(shingles):
                self._lsh.remove(doc_id)
            return shingles is not None

    def candidates(self, entries: Sequence[Entry]) -> list[set[str]]:
        """Give the ids of documents that share a bucket with each entry; entries without shingles have none."""
        with self._lock:
            return [
                set(self._lsh.query(to_datasketch(entry.signature, self._setup.seed))) if len(entry.shingles) else set()
                for entry in entries
            ]

    def shingles(self, ids: Sequence[str]) -> list[Shingles | None]:
        """Give the shingles of documents; None for those that are not there."""
        with self._lock:
            return [self._shingles.get(doc_id) for doc_id in ids]

    def __len__(self) -> int:
        return len(self._shingles)

    def __contains__(self, doc_id: str) -> bool:
        return doc_id in self._shingles

    def close(self) -> None:
        """Do nothing; other stores let go of connections."""
