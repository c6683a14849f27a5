"""Keep what was found across documents on disk, and look it up by document while a lot is cleaned.

    near.parquet   documents that have a keeper, ascending
    site.npz       blocks that recur, sorted by key; documents of each site
    shared.npz     passages that other documents have, ascending, with the places of their sources
    keys.parquet   the names of the documents that serve as examples
    words.npy      the words of every document
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.locate import as_place
from dedupe.corpus.near import Keepers
from dedupe.corpus.passage import passage_findings
from dedupe.corpus.sites import site_key, site_of
from dedupe.corpus.spans import token_spans
from dedupe.corpus.tasks import once_a_run
from dedupe.learned import own_titles
from dedupe.passages import Passage
from dedupe.records import Document, Finding, Hashes, NearDuplicate, Observed, Offsets, Place, Recurrences
from dedupe.site import below_prose, form_hashes, look_up, masked_hashes
from dedupe.write import replacing

_NEAR, _SITE, _SHARED, _KEYS, _WORDS = "near.parquet", "site.npz", "shared.npz", "keys.parquet", "words.npy"


def write_near(folder: Path, keepers: Keepers, artefacts: Artefacts) -> None:
    """Write the documents that have a keeper, with its key, ascending."""
    import pyarrow
    import pyarrow.parquet as parquet

    own = keepers.keeper[:artefacts.num_own]
    gone = np.flatnonzero(own != np.arange(len(own)))
    table = pyarrow.table({
        "doc": gone,
        "keeper": keepers.keeper[gone],
        "resemblance": keepers.resemblance[gone],
        "containment": keepers.containment[gone],
        "keeper_key": pyarrow.array(artefacts.texts("doc", keepers.keeper[gone]), pyarrow.string()),
        "keeper_id": pyarrow.array(artefacts.ids(keepers.keeper[gone]), pyarrow.string()),
    })
    with replacing(str(folder / _NEAR)) as file:
        parquet.write_table(table, file, row_group_size=1 << 16)


def write_keys(folder: Path, artefacts: Artefacts) -> None:
    """Write the names of the documents that examples are from, and the words of all."""
    import pyarrow
    import pyarrow.parquet as parquet

    with np.load(folder / _SITE) as held:
        docs = held["example_doc"].ravel()
    with np.load(folder / _SHARED) as held:
        docs = np.unique(np.concatenate([docs, held["found"][:, 1]]))
    table = pyarrow.table({"doc": docs, "key": pyarrow.array(artefacts.texts("doc", docs), pyarrow.string())})
    with replacing(str(folder / _KEYS)) as file:
        parquet.write_table(table, file)
    with replacing(str(folder / _WORDS)) as file:
        np.save(file, artefacts.column("num_tokens").astype(np.int64))


@dataclass(frozen=True, slots=True)
class Outside:
    """Look up what was found across documents."""

    near_documents: _Near
    site: dict[str, NDArray[Any]]
    shared: dict[str, NDArray[Any]]
    keys: dict[int, str]
    words: NDArray[np.int64]
    config: Config

    def near(self, first_doc: int, num_docs: int) -> list[NearDuplicate | None]:
        """Give the keeper of each of some documents in a row."""
        return self.near_documents(first_doc, num_docs)

    def num_words(self, first_doc: int, num_docs: int) -> list[int]:
        """Give the words of some documents in a row, as they were counted before."""
        counts: list[int] = self.words[first_doc:first_doc + num_docs].tolist()
        return counts

    def across(self, seen: Observed, documents: Sequence[Document], first_doc: int) -> Observed:
        """Add to what was seen in a batch how often its blocks recur on their sites, and what other documents share."""
        return self._with_recurrences(self._with_passages(seen, documents, first_doc), documents, first_doc)

    def _with_passages(self, seen: Observed, documents: Sequence[Document], first_doc: int) -> Observed:
        found = self.shared["found"]
        low, high = np.searchsorted(found[:, 0], (first_doc, first_doc + len(documents)))
        if low == high:
            return seen
        outside: list[list[Finding]] = [[] for _ in documents]
        mine = found[low:high]
        spans = token_spans(seen.texts, seen.blocks, mine[:, 0] - first_doc, mine[:, 2], mine[:, 3])
        places = self.shared["place"][low:high].tolist()
        for row, span, place in zip(mine.tolist(), spans, places, strict=True):
            number, passage = row[0] - first_doc, Passage((row[2], row[3]), (0, 0), row[6])
            outside[number] += passage_findings(
                seen, number, documents[number].utf8, passage, span, as_place(self.keys[row[1]], place),
                goes=self.config.shared_passages == "keep-first", min_tokens=self.config.min_passage_tokens,
            )
        return replace(seen, outside=tuple(tuple(each) for each in outside))

    def _with_recurrences(self, seen: Observed, documents: Sequence[Document], first_doc: int) -> Observed:
        if not len(self.site["key"]):
            return seen
        named = self.config.site_field is not None
        site_of_doc = np.array([site_key(site_of(each, is_named=named)) for each in documents], np.uint64)
        sizes = np.diff(seen.blocks.doc_start)
        site = np.repeat(site_of_doc, sizes)
        at = look_up(self.site["key"], masked_hashes(seen.blocks, seen.hashes), site)
        alike = self._alike(seen, site, at)
        hits = np.flatnonzero(at >= 0)
        if not len(hits):
            return seen
        owner = np.repeat(np.arange(first_doc, first_doc + len(documents)), sizes)
        size_at = np.minimum(np.searchsorted(self.site["sites"], site), len(self.site["sites"]) - 1)
        return replace(seen, recurrences=Recurrences(
            num_documents=np.where(at >= 0, self.site["num_documents"][at], 0),
            num_site_documents=np.where(at >= 0, self.site["site_sizes"][size_at], 0),
            num_sites=np.where(at >= 0, self.site["num_sites"][at], 0),
            edge_fraction=np.where(at >= 0, self.site["edge_fraction"][at], np.float32(0)),
            examples={row: self._example(int(at[row]), int(owner[row])) for row in hits.tolist()},
            own_titles=own_titles(seen, documents, hits, owner - first_doc),
            near_forms=alike,
        ))

    def _alike(self, seen: Observed, site: Hashes, at: Offsets) -> frozenset[int]:
        """Look up the blocks that are on other pages but for a few words; write the row of each into `at`."""
        if not self.site["is_form"].any():
            return frozenset()
        below = below_prose(seen.blocks.doc_start, seen.shapes.is_prose)
        rows, forms = form_hashes(seen.blocks, seen.hashes, np.flatnonzero((at < 0) & below & ~seen.shapes.is_prose))
        found = look_up(self.site["key"], forms, site[rows])
        rows, found = rows[found >= 0], found[found >= 0]
        order = np.lexsort((self.site["key"][found], -self.site["num_documents"][found], rows))
        rows, first = np.unique(rows[order], return_index=True)
        at[rows] = found[order][first]
        return frozenset(rows.tolist())

    def _example(self, at: int, doc: int) -> Place:
        """Choose the first example that stands in another document."""
        docs = self.site["example_doc"][at].tolist()
        chosen = 1 if docs[0] == doc else 0
        return as_place(self.keys[docs[chosen]], self.site["place"][at, chosen].tolist())


class _Near:
    """Look up keepers. Memory: the near-duplicates around the documents asked for last."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as parquet

        self._file = parquet.ParquetFile(path)
        meta = self._file.metadata
        groups = [meta.row_group(group).column(0).statistics for group in range(meta.num_row_groups)]
        self._bounds = [(stats.min, stats.max) if stats is not None else (0, -1) for stats in groups]
        self._held: tuple[tuple[int, ...], dict[int, NearDuplicate]] = ((), {})

    def __call__(self, first_doc: int, num_docs: int) -> list[NearDuplicate | None]:
        last = first_doc + num_docs - 1
        groups = tuple(at for at, (low, high) in enumerate(self._bounds) if low <= last and high >= first_doc)
        if groups != self._held[0]:
            table = self._file.read_row_groups(groups).to_pydict() if groups else dict.fromkeys(range(6), ())
            self._held = groups, {
                doc: NearDuplicate(key, round(resemblance, 4), round(containment, 4), name)
                for doc, _, resemblance, containment, key, name in zip(*table.values(), strict=True)
            }
        return [self._held[1].get(first_doc + at) for at in range(num_docs)]


@once_a_run
def open_outside(folder: str, config: Config) -> Outside:
    """Open the findings of a run; once a process."""
    import pyarrow.parquet as parquet

    path = Path(folder)
    with np.load(path / _SITE) as held:
        site = {name: held[name] for name in held.files}
    with np.load(path / _SHARED) as held:
        shared = {name: held[name] for name in held.files}
    docs, keys = parquet.read_table(path / _KEYS).to_pydict().values()
    words = np.load(path / _WORDS, mmap_mode="r")
    return Outside(_Near(path / _NEAR), site, shared, dict(zip(docs, keys, strict=True)), words, config)
