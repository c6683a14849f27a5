"""Let the pages of an index count where a run looks for blocks that recur on a site.

What an index has of a site are the blocks of all its pages: the run's blocks are looked up among them, and those that
stand on the same site are counted together with the run's own, near-duplicates as one. Of a block on many pages,
the first `SAMPLE` different ones by place are compared with each other, and the others counted by their share of
different articles.

    look     map   blocks of a bucket -> rows of the index: same site, and one for every other site
    fill     map   bucket and rows -> a bucket with both
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.clean import Places
from dedupe.config import Config
from dedupe.corpus.locate import as_numbers, block_spans
from dedupe.corpus.memory import Sketches, find_clusters
from dedupe.corpus.prepare import BLOCK_COLUMNS
from dedupe.corpus.tasks import Engine, Made, Spread, Task, read_bucket
from dedupe.kept.layout import Manifest
from dedupe.kept.meeting import view_of
from dedupe.kept.view import View
from dedupe.records import Hashes, Offsets
from dedupe.site import Recurring, site_sizes
from dedupe.site.count import key_of
from dedupe.sketch import signatures
from dedupe.write import replacing

SAMPLE = 32
_CLUSTER_SHINGLES = 1 << 24
_ROWS = ("block", "site", "doc", "row", "at_edge", "prose_tokens")


@dataclass(frozen=True, slots=True)
class LookTask:
    """Name a bucket of the run's blocks and the state of an index; `table`: numbers of its documents, for `fill`."""

    bucket: str
    folder: str
    manifest: Manifest
    table: str = ""
    looked: str = ""


def look(task: Task, folder: Path, spread: Spread) -> Made:
    """Find the rows of the index that go with the blocks of a bucket; documents by their numbers in the index."""
    work: LookTask = task.payload
    view = view_of(work.folder, work.manifest)
    block, site = (column.astype(np.uint64) for column in read_bucket(Path(work.bucket), ["block", "site"]))
    rows = _rows_of(view, np.unique(block))
    own = np.isin(key_of(rows["block"], rows["site"]), key_of(block, site))
    order = np.lexsort((rows["row"], view.place[rows["doc"]], rows["site"], rows["block"]))
    rows = {name: column[order] for name, column in rows.items()}
    own = own[order]
    group = np.cumsum(_changes(rows["block"]) | _changes(rows["site"])) - 1
    sampled, num_pages = _sample(group, view.content[rows["doc"]], view.place[rows["doc"]])
    limit = np.where(own, SAMPLE, 1)
    stays = sampled < limit
    hot = own & (num_pages > SAMPLE) & _changes(group)
    with replacing(str(folder / f"{task.name}.npz")) as file:
        np.savez(
            file, hot_block=rows["block"][hot], hot_site=rows["site"][hot], hot_pages=num_pages[hot],
            **{name: column[stays] for name, column in rows.items()},  # type: ignore[arg-type]  # no flag of savez
        )
    return Made({}, (f"{task.name}.npz",))


def _rows_of(view: View, keys: Hashes) -> dict[str, NDArray[Any]]:
    parts: dict[str, list[NDArray[Any]]] = {name: [] for name in _ROWS}
    for number in range(len(view.manifest.segments)):
        found = view.segment(number).find("blocks", keys, ("row", "site", "block_row", "at_edge", "prose_tokens"))
        for at, (row, site, block_row, at_edge, tokens) in found:
            docs = row.astype(np.int64) + view.start[number]
            live = view.is_live[docs]
            columns = (keys[at], site.astype(np.uint64), docs, block_row, at_edge, tokens)
            for name, column in zip(_ROWS, columns, strict=True):
                parts[name].append(column[live])
    kinds = {**BLOCK_COLUMNS, "doc": "int64"}
    return {name: np.concatenate([np.empty(0, kinds[name]), *column]).astype(kinds[name])
            for name, column in parts.items()}


def _changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    changes = np.ones(len(values), np.bool_)
    changes[1:] = values[1:] != values[:-1]
    return changes


def _sample(group: Offsets, content: Hashes, place: Offsets) -> tuple[Offsets, Offsets]:
    """Rank the different pages of each group by place, copies of one at its end; and count them, one row each.

    All rows of a page have its rank. Rows come sorted by group, then place.
    """
    order = np.lexsort((place, content, group))
    first = _changes(group[order]) | _changes(content[order])
    lead = place[order][first][np.cumsum(first) - 1]
    is_lead = np.empty(len(group), np.bool_)
    is_lead[order] = lead == place[order]
    new_page = is_lead & (_changes(group) | _changes(place))
    before = np.cumsum(new_page)
    starts = np.searchsorted(group, group)
    rank = before - before[starts] + new_page[starts] - 1
    count = np.bincount(group, new_page).astype(np.int64)[group] if len(group) else np.empty(0, np.int64)
    return np.where(is_lead, rank, np.int64(1 << 40)), count


def fill(task: Task, folder: Path, spread: Spread) -> Made:
    """Write a bucket with the rows of both sides; documents of the index by their numbers in the run."""
    import pyarrow
    import pyarrow.parquet as parquet

    work: LookTask = task.payload
    own = read_bucket(Path(work.bucket), list(BLOCK_COLUMNS))
    with np.load(work.looked) as held, np.load(work.table) as table:
        number = table["number"][np.searchsorted(table["doc"], held["doc"])]
        others = [number if name == "doc" else held[name] for name in BLOCK_COLUMNS]
    columns = {
        name: pyarrow.array(np.concatenate([one, two]).astype(kind))
        for (name, kind), one, two in zip(BLOCK_COLUMNS.items(), own, others, strict=True)
    }
    with replacing(str(folder / f"{task.name}.parquet")) as file:
        parquet.write_table(pyarrow.table(columns), file, compression="lz4")
    return Made({}, (f"{task.name}.parquet",))


class Numbers:
    """Number documents of an index after those of a run, in the order they are met."""

    def __init__(self, num_own: int) -> None:
        self.num_own = num_own
        self.docs: Offsets = np.empty(0, np.int64)

    def add(self, docs: Offsets) -> None:
        """Number those that have none yet."""
        fresh = np.setdiff1d(docs, self.docs)
        self.docs = np.concatenate([self.docs, fresh])

    def of(self, docs: Offsets) -> Offsets:
        """Give the numbers of documents that have one."""
        order = np.argsort(self.docs)
        found: Offsets = order[np.searchsorted(self.docs, docs, sorter=order)] + self.num_own
        return found

    def back(self, numbers: Offsets) -> Offsets:
        """Give the documents of the index that have these numbers."""
        return self.docs[numbers - self.num_own]


class Pages:
    """Count pages of an index with those of a run: what dedupe.corpus.boilerplate asks of an index."""

    def __init__(self, folder: str, manifest: Manifest, view: View, config: Config, numbers: Numbers) -> None:
        self._folder, self._manifest, self._view = folder, manifest, view
        self._config, self._numbers = config, numbers
        self._hot: dict[str, NDArray[Any]] = {}
        self._sampled: dict[str, NDArray[Any]] = {}

    def join(
        self, buckets: list[Path], vote: Offsets, rank: Hashes, engine: Engine
    ) -> tuple[list[Path], Offsets, Hashes]:
        """Add the index's rows to the buckets, and the votes and ranks of its pages to those of the run."""
        tasks = [Task(each.stem, "blocks", LookTask(str(each), self._folder, self._manifest)) for each in buckets]
        made = engine.map_files("kept-rows", look, tasks)
        looked = [engine.folder / "kept-rows" / f"{each.task}.npz" for each in made]
        self._load(looked)
        self._numbers.add(self._sampled["doc"])
        docs = np.sort(self._numbers.docs)
        table = engine.folder / "kept-numbers.npz"
        with replacing(str(table)) as file:
            np.savez(file, doc=docs, number=self._numbers.of(docs))
        tasks = [
            Task(each.stem, "blocks", LookTask(str(each), self._folder, self._manifest, str(table), str(path)))
            for each, path in zip(buckets, looked, strict=True)
        ]
        made = engine.map_files("kept-blocks", fill, tasks)
        filled = [engine.folder / "kept-blocks" / f"{each.task}.parquet" for each in made]
        tie = self._view.tie[self._numbers.docs]
        return filled, self._votes(vote), np.concatenate([rank, tie])

    def _load(self, looked: list[Path]) -> None:
        names = ("block", "site", "doc", "hot_block", "hot_site", "hot_pages")
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in names}
        for path in looked:
            with np.load(path) as held:
                for name in names:
                    parts[name].append(held[name])
        empty = {name: np.empty(0, "int64" if name in ("doc", "hot_pages") else "uint64") for name in names}
        joined = {name: np.concatenate([empty[name], *parts[name]]) for name in names}
        self._sampled = {name: joined[name] for name in ("block", "site", "doc")}
        self._hot = {name: joined[f"hot_{name}"] for name in ("block", "site", "pages")}

    def _votes(self, keeper: Offsets) -> Offsets:
        """Let near-duplicates among the index's pages have one vote, and the run's the vote of their keeper."""
        own = self._numbers.num_own
        label = self._labels()
        vote = np.concatenate([keeper[:own], own + np.arange(len(self._numbers.docs))])
        vote[own:] = label
        known = keeper[own:]  # of those that were compared with the run's documents
        new = np.flatnonzero(known < own)
        goes_for = np.arange(len(vote))
        goes_for[own + new] = known[new]
        vote[own:] = goes_for[vote[own:]]
        mine = vote[:own]
        met = mine >= own
        mine[met] = vote[mine[met]]
        return vote

    def _labels(self) -> Offsets:
        """Cluster the index's pages, those of a site together: the number of the page that stands for each."""
        docs = self._numbers.docs
        label = self._numbers.num_own + np.arange(len(docs))
        site = self._view.column("site")[docs] if len(docs) else np.empty(0, np.uint64)
        order = np.lexsort((self._view.place[docs], site))
        done = np.cumsum(self._view.num_shingles[docs[order]])
        for part in np.split(order, np.flatnonzero(np.diff(done // _CLUSTER_SHINGLES)) + 1):
            shingles, start = self._view.shingles(docs[part])
            rows = signatures(shingles, start, self._config.num_perm, self._config.seed)
            sketches = Sketches(shingles, start, self._view.content[docs[part]], rows)
            keeper = find_clusters(sketches, self._config.min_resemblance, None).keeper
            label[part] = self._numbers.num_own + part[keeper]
        return label

    def counted(self, found: Recurring, vote: Offsets) -> Recurring:
        """Count pages that are not in the sample, too, as many articles among them as in the sample."""
        if not len(self._hot["block"]):
            return found
        key = key_of(self._sampled["block"], self._sampled["site"])
        votes = vote[self._numbers.of(self._sampled["doc"])]
        pairs = np.unique(np.stack([key.view(np.int64), votes], axis=1), axis=0)
        sampled, different = np.unique(pairs[:, 0].view(np.uint64), return_counts=True)
        hot = key_of(self._hot["block"], self._hot["site"])
        more = different[np.searchsorted(sampled, hot)] * (self._hot["pages"] - SAMPLE) // SAMPLE
        at = np.searchsorted(found.key, hot)
        is_found = (at < len(found)) & (found.key[np.minimum(at, max(0, len(found) - 1))] == hot)
        num_documents = found.num_documents.copy()
        np.add.at(num_documents, at[is_found], more[is_found])
        return replace(found, num_documents=num_documents)

    def site_sizes(self, site: Hashes, vote: Offsets) -> tuple[Hashes, Offsets]:
        """Count the documents of the run's sites on both sides, copies and near-duplicates of the run as one."""
        own = self._numbers.num_own
        new = vote[:own] < own
        sites = np.unique(site[site != 0])
        sizes = np.zeros(len(sites), np.int64)
        names, counts = site_sizes(site[new], vote[:own][new])
        sizes[np.searchsorted(sites, names)] += counts
        held = self._view.column("site").astype(np.uint64)
        rows = np.flatnonzero(self._view.is_live & np.isin(held, sites))
        pages = np.unique(np.stack([held[rows], self._view.content[rows]], axis=1), axis=0)
        np.add.at(sizes, np.searchsorted(sites, pages[:, 0]), 1)
        return sites, sizes

    def block_places(self, docs: Offsets, rows: Offsets) -> Offsets:
        """Locate blocks of pages, by the numbers of both."""
        places = np.empty((len(docs), 6), np.int64)
        for begin in range(0, len(docs), 1024):
            part = slice(begin, begin + 1024)
            documents = self._view.documents(self._numbers.back(docs[part]))
            wanted = [(document, rows[at:at + 1]) for at, document in enumerate(documents, begin)]
            for at, ((document, _), spans) in enumerate(zip(wanted, block_spans(wanted), strict=True), begin):
                places[at] = as_numbers(Places(document)(spans[0]))
        return places
