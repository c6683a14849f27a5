"""Bring a run's documents together with those of an index: candidates, and the artefacts of both as one.

    match     map   documents of a lot -> documents of the index that match them
    Joined          the run's artefacts, and behind them those of the index's documents that matched
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster import keeper_order
from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.memory import Sketches
from dedupe.corpus.tasks import Engine, Made, Spread, Task, once_a_run
from dedupe.index import band_keys, choose_bands
from dedupe.kept.layout import Manifest
from dedupe.kept.search import find_matches, look_up_seeds
from dedupe.kept.view import View
from dedupe.records import Hashes, Offsets
from dedupe.sketch import signatures
from dedupe.write import replacing

_SLICE_SHINGLES = 1 << 22
_views: dict[tuple[str, int], View] = {}


@dataclass(frozen=True, slots=True)
class LotTask:
    """Name documents low:high of a run, and the state of an index."""

    artefacts: Artefacts
    folder: str
    manifest: Manifest
    config: Config
    low: int
    high: int
    keepers: str = ""
    both_ways: bool = False


def view_of(folder: str, manifest: Manifest) -> View:
    """Open the state of an index that a run began with; once a process."""
    key = (folder, manifest.generation)
    if key not in _views:
        for held in _views.values():
            held.close()
        _views.clear()
        _views[key] = View(Path(folder), manifest)
    return _views[key]


def sketches_of(artefacts: Artefacts, docs: Offsets) -> Sketches:
    """Read the sketches of documents of a run."""
    shingles, start = artefacts.shingles(docs)
    return Sketches(shingles, start, np.zeros(len(docs), np.uint64), artefacts.signatures(docs))


def slices(artefacts: Artefacts, docs: Offsets) -> list[Offsets]:
    """Cut documents so that the shingles of each piece fit."""
    done = np.cumsum(artefacts.num_shingles[docs])
    return [part for part in np.split(docs, np.flatnonzero(np.diff(done // _SLICE_SHINGLES)) + 1) if len(part)]


def match(task: Task, folder: Path, spread: Spread) -> Made:
    """Find the documents of the index that match those of a lot; numbers in run and index, int64 (num_pairs, 2)."""
    work: LotTask = task.payload
    view = view_of(work.folder, work.manifest)
    parts = [np.empty((0, 2), np.int64)]
    for docs in slices(work.artefacts, np.arange(work.low, work.high)):
        found = sketches_of(work.artefacts, docs)
        matches = find_matches(view, found, work.config, look_up_seeds(view, found), both_ways=work.both_ways)
        parts.append(np.stack([docs[matches.text], matches.doc], axis=1))
    with replacing(str(folder / f"{task.name}.npy")) as file:
        np.save(file, np.concatenate(parts))
    return Made({}, (f"{task.name}.npy",))


def lot_tasks(
    artefacts: Artefacts, folder: str, manifest: Manifest, config: Config, keepers: str = "", *, both_ways: bool = False
) -> list[Task]:
    """Make a task of every lot."""
    bounds = zip(artefacts.names, artefacts.lot_start[:-1].tolist(), artefacts.lot_start[1:].tolist(), strict=True)
    return [
        Task(name, name, LotTask(artefacts, folder, manifest, config, low, high, keepers, both_ways))
        for name, low, high in bounds
    ]


def collected(engine: Engine, stage: str, function: Any, tasks: Sequence[Task], num_columns: int) -> Offsets:
    """Do tasks that leave arrays of numbers, and put these together."""
    made = engine.map_files(stage, function, tasks)
    parts = [np.load(engine.folder / stage / f"{each.task}.npy") for each in made]
    return np.concatenate([np.empty((0, num_columns), np.int64), *parts])


class Joined(Artefacts):
    """Number documents of an index after those of a run. What workers need of them is in a file of their own.

    `first`: the documents of the index come before all others in keeper order.
    """

    def __init__(self, base: Artefacts, extras: Path, *, first: bool) -> None:
        super().__init__(base.folder, base.num_perm)
        self._base, self._path, self._first = base, extras, first
        with np.load(extras) as held:
            self._extras = {name: held[name] for name in held.files}
        self.num_shingles = np.concatenate([base.num_shingles, np.diff(self._extras["shingle_start"])])
        self.cite: Callable[[Offsets], list[tuple[str, str | None]]] | None = None

    def __reduce__(self) -> tuple[Callable[..., Artefacts], tuple[Any, ...]]:
        return open_joined, (self._base, self._path, self._first)

    def __len__(self) -> int:
        return self.num_own + len(self._extras["tie"])

    def column(self, name: str) -> NDArray[Any]:
        """Read a column of numbers for all documents."""
        return np.concatenate([self._base.column(name), self._extras[name]])

    def band(self, number: int) -> Hashes:
        """Read or work out the keys of one band."""
        rows = self._extras["signatures"]
        num_rows = int(self._extras["rows"])
        every = np.arange(len(rows))
        return np.concatenate([self._base.band(number), band_keys(rows, every, number, num_rows)])

    def order(self, keep: str) -> Offsets:
        """Put all documents in keeper order."""
        extras = np.arange(self.num_own, len(self))
        if not self._first and keep != "first":
            return keeper_order(self.column("tie").astype(np.uint64), self.column("rank"))
        kept = keeper_order(self._extras["tie"], self._extras["rank"])
        return np.concatenate([extras[kept], self._base.order(keep)])

    def ids(self, docs: Offsets) -> list[str | None]:
        """Give the ids of documents of the index."""
        return [name[1] for name in self._cited(docs)]

    def texts(self, name: str, docs: Offsets) -> list[str | None]:
        """Name documents of either side."""
        found: list[str | None] = [cited[0] for cited in self._cited(docs)]
        own = np.flatnonzero(docs < self.num_own)
        for at, text in zip(own.tolist(), self._base.texts(name, docs[own]), strict=True):
            found[at] = text
        return found

    def _cited(self, docs: Offsets) -> list[tuple[str, str | None]]:
        cited: list[tuple[str, str | None]] = [("", None)] * len(docs)
        others = np.flatnonzero(docs >= self.num_own)
        if self.cite is not None:
            for at, name in zip(others.tolist(), self.cite(docs[others]), strict=True):
                cited[at] = name
        return cited

    def shingles(self, docs: Offsets) -> tuple[NDArray[np.uint32], Offsets]:
        """Read the shingles of documents of both sides one after another."""
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.num_shingles[docs])])
        values = np.empty(int(start[-1]), np.uint32)
        own = np.flatnonzero(docs < self.num_own)
        held, held_start = self._base.shingles(docs[own])
        _place(values, start, own, held, held_start)
        others = np.flatnonzero(docs >= self.num_own)
        begins = self._extras["shingle_start"]
        for at, row in zip(others.tolist(), (docs[others] - self.num_own).tolist(), strict=True):
            values[start[at]:start[at + 1]] = self._extras["shingles"][begins[row]:begins[row + 1]]
        return values, start

    def signatures(self, docs: Offsets) -> NDArray[np.uint32]:
        """Read the signatures of documents of both sides."""
        rows = np.empty((len(docs), self.num_perm), np.uint32)
        is_own = docs < self.num_own
        rows[is_own] = self._base.signatures(docs[is_own])
        rows[~is_own] = self._extras["signatures"][docs[~is_own] - self.num_own]
        return rows


def _place(
    values: NDArray[np.uint32], start: Offsets, at: Offsets, held: NDArray[np.uint32], held_start: Offsets
) -> None:
    for position, begin, end in zip(at.tolist(), held_start[:-1].tolist(), held_start[1:].tolist(), strict=True):
        values[start[position]:start[position + 1]] = held[begin:end]


@once_a_run
def open_joined(base: Artefacts, extras: Path, first: bool) -> Joined:
    """Open joined artefacts in a worker; once a process."""
    return Joined(base, extras, first=first)


def write_extras(path: Path, view: View, docs: Offsets, config: Config) -> None:
    """Write what workers need of some documents of the index."""
    shingles, start = view.shingles(docs)
    _, rows = choose_bands(config.min_resemblance, config.num_perm)
    columns = {name: view.column(name)[docs] for name in ("rank", "num_tokens", "site")}
    if config.keep == "longest":
        columns["rank"] = columns["num_tokens"].astype(np.float64)
    with replacing(str(path)) as file:
        np.savez(
            file, shingles=shingles, shingle_start=start, tie=view.tie[docs], content=view.content[docs],
            signatures=signatures(shingles, start, config.num_perm, config.seed), rows=np.int64(rows),
            **columns,  # type: ignore[arg-type]  # no name is a flag of savez
        )
