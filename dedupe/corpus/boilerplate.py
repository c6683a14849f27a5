"""Find the blocks that recur on the pages of each site of a corpus, and where examples of them stand.

    rows    all blocks of documents with a site, shuffled by their hash
    count   bucket by bucket: dedupe.site
    forms   blocks that are alike but for a few words, of those that are left
    places  the examples are looked up in their documents, which are read again
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np

from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.forms import form_buckets
from dedupe.corpus.locate import locate, locate_tasks
from dedupe.corpus.lots import Lot
from dedupe.corpus.near import Keepers
from dedupe.corpus.prepare import BLOCK_COLUMNS
from dedupe.corpus.tasks import Arrays, Engine, Made, Spread, Task, num_buckets_for, read_bucket
from dedupe.records import Hashes, Offsets
from dedupe.site import MIN_DOCUMENTS, Recurring, count_recurring, join_recurring, merge_votes, shared_prose, site_sizes
from dedupe.write import replacing

_ROW_BYTES = 33
_SLICE_ROWS = 1 << 18


class KeptPages(Protocol):
    """Let pages of an index count, numbered after the documents of the run."""

    def join(
        self, buckets: list[Path], vote: Offsets, rank: Hashes, engine: Engine
    ) -> tuple[list[Path], Offsets, Hashes]:
        """Add the pages' blocks to the buckets, and their votes and ranks to those of the run."""

    def counted(self, found: Recurring, vote: Offsets) -> Recurring:
        """Count the pages of which only a sample is among the blocks."""

    def site_sizes(self, site: Hashes, vote: Offsets) -> tuple[Hashes, Offsets]:
        """Do what dedupe.site.site_sizes does, with the pages of the index."""

    def block_places(self, docs: Offsets, rows: Offsets) -> Offsets:
        """Locate blocks of pages: int64 (num_blocks, 6)."""


@dataclass(frozen=True, slots=True)
class CountTask:
    bucket: str
    votes: str


def find_boilerplate(
    artefacts: Artefacts, lots: list[Lot], keepers: Keepers, config: Config, engine: Engine, memory_bytes: int,
    out: Path, kept: KeptPages | None = None,
) -> None:
    """Count all blocks and write what recurs into `out`, for `outside` to look up; pages of an index count, too."""
    votes = out / "votes.npz"
    site, tie = artefacts.column("site").astype(np.uint64), artefacts.column("tie").astype(np.uint64)
    tasks = [
        Task(name, name, (str(artefacts.folder / f"{name}.blocks.parquet"), first))
        for name, first in zip(artefacts.names, artefacts.lot_start[:-1].tolist(), strict=True)
    ]
    num_rows = sum(_num_rows(task.payload[0]) for task in tasks)
    buckets = engine.shuffle_sort(
        "blocks", block_rows, tasks, BLOCK_COLUMNS, ("block", "site", "doc", "row"),
        num_buckets_for(num_rows, 2 * _ROW_BYTES, memory_bytes),
    )
    vote, rank = keepers.keeper, tie
    if kept is not None:
        buckets, vote, rank = kept.join(buckets, vote, rank, engine)
    with replacing(str(votes)) as file:
        np.savez(file, vote=vote, rank=rank)
    vote = _merge_articles(buckets, str(votes), engine, vote)
    with replacing(str(votes)) as file:
        np.savez(file, vote=vote, rank=rank)
    done = engine.map_files("recurring", count, _count_tasks(buckets, str(votes)))
    found = join_recurring([_load(engine.folder / "recurring" / f"{each.task}.npz") for each in done])
    if kept is not None:
        found = kept.counted(found, vote)
    forms = form_buckets(artefacts, site, tie, found.key, engine, memory_bytes, out)
    done = engine.map_files("near-forms", count, _count_tasks(forms, str(votes)))
    alike = _often(join_recurring([_load(engine.folder / "near-forms" / f"{each.task}.npz") for each in done]))
    found = join_recurring([found, alike])
    place = _places(found, artefacts, lots, config, engine, kept)
    sites, sizes = site_sizes(site, vote) if kept is None else kept.site_sizes(site, vote)
    with replacing(str(out / "site.npz")) as file:
        held = {**_columns(found), "is_form": np.isin(found.key, alike.key), "place": place}
        np.savez(file, **held, sites=sites, site_sizes=sizes)  # type: ignore[arg-type]


def _often(forms: Recurring) -> Recurring:
    """Leave out forms that too few documents have."""
    often = forms.num_documents >= MIN_DOCUMENTS
    return Recurring(**{name: column[often] for name, column in _columns(forms).items()})  # type: ignore[arg-type]


def _count_tasks(buckets: Sequence[Path], votes: str) -> list[Task]:
    return [Task(bucket.stem, "blocks", CountTask(str(bucket), votes)) for bucket in buckets]


def _merge_articles(buckets: Sequence[Path], votes: str, engine: Engine, keeper: Offsets) -> Offsets:
    """Give one vote to pages that share most of their prose: one article in two frames."""
    done = engine.map_files("prose", share, _count_tasks(buckets, votes))
    held = [np.load(engine.folder / "prose" / f"{each.task}.npz") for each in done]
    joined = {name: np.concatenate([each[name] for each in held]) for name in ("one", "two", "shared", "vote", "total")}
    return merge_votes(keeper, **joined)


def share(task: Task, folder: Path, spread: Spread) -> Made:
    """Measure the prose of every vote in one bucket, and what pairs of votes share of it."""
    work: CountTask = task.payload
    block, site, doc, _, _, tokens = read_bucket(Path(work.bucket), list(BLOCK_COLUMNS))
    with np.load(work.votes) as votes:
        vote = votes["vote"][doc]
    found = shared_prose(block, site, vote, tokens.astype(np.int64))
    with replacing(str(folder / f"{task.name}.npz")) as file:
        np.savez(file, **found)  # type: ignore[arg-type]  # no name is a flag of savez
    return Made({}, (f"{task.name}.npz",))


def _num_rows(path: str) -> int:
    import pyarrow.parquet as parquet

    return int(parquet.read_metadata(path).num_rows)


def block_rows(task: Task) -> Iterator[Arrays]:
    """Read the blocks of a lot, their documents numbered for the whole run."""
    import pyarrow.parquet as parquet

    path, first_doc = task.payload
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_SLICE_ROWS, use_threads=False):
            columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in BLOCK_COLUMNS}
            yield {**columns, "doc": columns["doc"] + first_doc}


def count(task: Task, folder: Path, spread: Spread) -> Made:
    """Count the blocks of one bucket."""
    work: CountTask = task.payload
    block, site, doc, row, edge, _ = read_bucket(Path(work.bucket), list(BLOCK_COLUMNS))
    with np.load(work.votes) as votes:
        vote, rank = votes["vote"][doc], votes["rank"][doc]
    found = count_recurring(block, site, doc, row.astype(np.int64), edge.astype(np.bool_), vote, rank)
    with replacing(str(folder / f"{task.name}.npz")) as file:
        np.savez(file, **_columns(found))  # type: ignore[arg-type]
    return Made({"rows": len(found)}, (f"{task.name}.npz",))


def _columns(found: Recurring) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]:
    return {each.name: getattr(found, each.name) for each in fields(Recurring)}


def _load(path: Path) -> Recurring:
    with np.load(path) as held:
        return Recurring(**{each.name: held[each.name] for each in fields(Recurring)})


def _places(
    found: Recurring, artefacts: Artefacts, lots: list[Lot], config: Config, engine: Engine, kept: KeptPages | None
) -> Offsets:
    """Locate every example: int64 (num_rows, NUM_EXAMPLES, 6), bytes, characters and lines, each start and end."""
    wanted = np.unique(np.stack([found.example_doc.ravel(), found.example_row.ravel()], axis=1), axis=0)
    own = wanted[wanted[:, 0] < artefacts.num_own]
    tasks = locate_tasks(artefacts, lots, config, own[:, 0], own[:, 1])
    made = engine.map_files("examples", locate, tasks)
    held = [np.load(engine.folder / "examples" / f"{each.task}.npy") for each in made]
    if kept is not None:
        outer = wanted[wanted[:, 0] >= artefacts.num_own]
        held.append(kept.block_places(outer[:, 0], outer[:, 1]))
    places = np.concatenate([np.empty((0, 6), np.int64), *held])
    key = (wanted[:, 0] << 32) | wanted[:, 1]
    at: Offsets = places[np.searchsorted(key, (found.example_doc << 32) | found.example_row)]
    return at
