"""Read what `prepare` wrote: small columns of all documents at once, shingles and signatures by document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from io import RawIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster import keeper_order
from dedupe.corpus.tasks import Manifest, once_a_run, read_bucket
from dedupe.errors import DedupeError
from dedupe.records import Hashes, Offsets
from dedupe.write import replacing

_LOTS, _SIZES, _BEGINS = "lots.json", "num_shingles.npy", "shingle_start.npy"


class Artefacts:
    """Number the documents of a run from 0, lot after lot, and read their artefacts.

    `lot_start`: int64 (num_lots + 1,); documents of lot l are lot_start[l]:lot_start[l + 1].
    Memory: what the caller asks for; numbers of all documents are in files that processes of a machine share.
    """

    def __init__(self, folder: Path, num_perm: int) -> None:
        """Open what `gathered` wrote."""
        self.folder, self.num_perm = folder, num_perm
        lots = json.loads((folder / _LOTS).read_bytes())
        self.names: tuple[str, ...] = tuple(lots["names"])
        self.lot_start: Offsets = _starts(lots["num_docs"])
        self.num_shingles: Offsets = np.load(folder / _SIZES, mmap_mode="r").view(np.ndarray)
        self._shingle_start: Offsets = np.load(folder / _BEGINS, mmap_mode="r").view(np.ndarray)

    @classmethod
    def gathered(cls, folder: Path, names: Sequence[str], num_perm: int) -> Artefacts:
        """Put the sizes of all lots together, for all processes of the run, and open them."""
        sizes = [read_bucket(folder / f"{name}.docs.parquet", ["num_shingles"])[0].astype(np.int64) for name in names]
        lots = {"names": list(names), "num_docs": [len(each) for each in sizes]}
        with replacing(str(folder / _LOTS)) as file:
            file.write(json.dumps(lots).encode())
        begins = [_starts(each)[:-1] for each in sizes]
        for name, columns in ((_SIZES, sizes), (_BEGINS, begins)):
            with replacing(str(folder / name)) as file:
                np.save(file, np.concatenate([np.empty(0, np.int64), *columns]))
        return cls(folder, num_perm)

    def __reduce__(self) -> tuple[Callable[..., Artefacts], tuple[Path, int]]:
        """Travel to workers as a path: each opens the artefacts once."""
        return open_artefacts, (self.folder, self.num_perm)

    def check(self, manifests: Sequence[Manifest]) -> None:
        """Compare the rows with what was counted when they were written.

        Raises: DedupeError: some are missing.
        """
        for each, (low, high) in zip(manifests, self._ranges(), strict=True):
            if (high - low, int(self.num_shingles[low:high].sum())) != (each.counts["docs"], each.counts["shingles"]):
                raise DedupeError(f"{self.folder / each.task}: rows do not add up; run without --resume")

    def __len__(self) -> int:
        return int(self.lot_start[-1])

    def _ranges(self) -> Iterator[tuple[int, int]]:
        yield from zip(self.lot_start[:-1].tolist(), self.lot_start[1:].tolist(), strict=True)

    def column(self, name: str) -> NDArray[Any]:
        """Read a column of numbers for all documents."""
        columns = [read_bucket(self.folder / f"{lot}.docs.parquet", [name])[0] for lot in self.names]
        return np.concatenate(columns) if columns else np.empty(0)

    def band(self, number: int) -> Hashes:
        """Read the keys of one band for all documents; uint64 (num_docs,)."""
        columns = [read_bucket(self.folder / f"{lot}.bands.parquet", [f"{number:03}"])[0] for lot in self.names]
        return np.concatenate(columns).astype(np.uint64) if columns else np.empty(0, np.uint64)

    def lot_band(self, lot: int, number: int) -> Hashes:
        """Read the keys of one band for the documents of a lot."""
        keys: Hashes = read_bucket(self.folder / f"{self.names[lot]}.bands.parquet", [f"{number:03}"])[0]
        return keys.astype(np.uint64, copy=False)

    @property
    def num_own(self) -> int:
        """Count the documents of the run; a run against an index has more, numbered after them."""
        return int(self.lot_start[-1])

    def order(self, keep: str) -> Offsets:
        """Put all documents in keeper order; int64 (num_docs,)."""
        if keep == "first":
            return np.arange(len(self))
        return keeper_order(self.column("tie").astype(np.uint64), self.column("rank"))

    def ids(self, docs: Offsets) -> list[str | None]:
        """Give the ids of documents by which the ledger cites them; the run's own have none but their names."""
        return [None] * len(docs)

    def texts(self, name: str, docs: Offsets) -> list[str | None]:
        """Read a column of texts ("doc", "site_name") for some documents, in their order."""
        import pyarrow.parquet as parquet

        found: dict[int, str | None] = {}
        for lot, rows in self.by_lot(np.unique(docs)):
            column = parquet.read_table(self.folder / f"{self.names[lot]}.docs.parquet", columns=[name]).column(0)
            first = int(self.lot_start[lot])
            found.update(zip(rows.tolist(), column.take(rows - first).to_pylist(), strict=True))
        return [found[doc] for doc in docs.tolist()]

    def by_lot(self, docs: Offsets) -> Iterator[tuple[int, Offsets]]:
        """Cut ascending document numbers into those of each lot."""
        bounds = np.searchsorted(docs, self.lot_start)
        for lot in np.flatnonzero(np.diff(bounds)).tolist():
            yield lot, docs[bounds[lot]:bounds[lot + 1]]

    def shingles(self, docs: Offsets) -> tuple[NDArray[np.uint32], Offsets]:
        """Read the shingles of documents one after another: uint32 (num_shingles,), int64 (num_docs + 1,)."""
        sizes = self.num_shingles[docs]
        start = _starts(sizes)
        values = np.empty(int(start[-1]), np.uint32)
        self._read("shingles", docs, self._shingle_start[docs], sizes, values)
        return values, start

    def signatures(self, docs: Offsets) -> NDArray[np.uint32]:
        """Read the signatures of documents; uint32 (num_docs, num_perm)."""
        values = np.empty(len(docs) * self.num_perm, np.uint32)
        row = docs - self.lot_start[np.searchsorted(self.lot_start, docs, side="right") - 1]
        self._read("signatures", docs, row * self.num_perm, np.full(len(docs), self.num_perm), values)
        return values.reshape(-1, self.num_perm)

    def _read(self, kind: str, docs: Offsets, begins: Offsets, sizes: Offsets, values: NDArray[np.uint32]) -> None:
        """Read rows of a flat file into `values`, one after another. Reads by place keep the memory bounded."""
        order = np.argsort(docs, kind="stable")
        start = _starts(sizes)
        out = memoryview(values.data).cast("B")
        bounds = np.searchsorted(docs[order], self.lot_start)
        for lot in np.flatnonzero(np.diff(bounds)).tolist():
            rows = order[bounds[lot]:bounds[lot + 1]]
            with open(self.folder / f"{self.names[lot]}.{kind}", "rb", buffering=0) as file:
                for begin, count, place in zip(*_joined(begins[rows], sizes[rows], start[rows]), strict=True):
                    file.seek(begin * 4)
                    if not _is_filled(file, out[place * 4:(place + count) * 4]):
                        raise DedupeError(f"{file.name}: is cut short; run without --resume")


def _joined(begins: Offsets, sizes: Offsets, start: Offsets) -> tuple[list[int], list[int], list[int]]:
    """Join rows that follow one another in the file and in memory, as those of neighboring documents do.

    >>> _joined(np.array([0, 4, 9]), np.array([4, 3, 1]), np.array([0, 4, 7]))
    ([0, 9], [7, 1], [0, 7])
    """
    apart = (begins[1:] != begins[:-1] + sizes[:-1]) | (start[1:] != start[:-1] + sizes[:-1])
    firsts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(apart) + 1])
    return begins[firsts].tolist(), np.add.reduceat(sizes, firsts).tolist(), start[firsts].tolist()


def _is_filled(file: RawIOBase, room: memoryview) -> bool:
    """Read until `room` is full; one call of the system gives 2 GB at most."""
    while len(room):
        num_read = file.readinto(room)
        if not num_read:
            return False
        room = room[num_read:]
    return True


@once_a_run
def open_artefacts(folder: Path, num_perm: int) -> Artefacts:
    """Open artefacts that are whole by now; once a process."""
    return Artefacts(folder, num_perm)


def _starts(sizes: Sequence[int] | Offsets) -> Offsets:
    start = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=start[1:])
    return start
