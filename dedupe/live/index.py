"""Put documents into a live index and ask it which of them a text nearly equals.

Candidates share a bucket of their MinHash signature; the bands are those of the batch engine, chosen so that a
document of resemblance `min_resemblance` is found with a probability of .99 and more. Each candidate is then compared
exactly, on distinct shingle hashes: what comes back is what comparing all documents would give, less what shares no
bucket.

What this module does not do: look for documents that contain a short text without being near it (dedupe.near_duplicates
does, with `min_containment`), or choose keepers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from dedupe.cluster.sets import ShingleSets, shingle_sets
from dedupe.errors import InputError
from dedupe.live.entry import Entry, Setup, Shingles, check_id, shown
from dedupe.records import Document

if TYPE_CHECKING:
    from dedupe.live.memory import MemoryStore
    from dedupe.live.shared import RedisStore

Text = str | bytes | Document
_Item = TypeVar("_Item")

BATCH_DOCS = 256  # documents that go to the store at once, and are sketched at once
BATCH_BYTES = 1 << 22
SLICE_DOCS = 4096  # candidates whose shingles are held at once: 5 MB of articles


@dataclass(frozen=True, slots=True)
class Match:
    """Name a document that a text nearly equals, and what both share, counted exactly.

    `resemblance`: |A & B| / |A | B|, `containment`: |A & B| / |A| with A the text that was asked about; word
    5-shingles, 0-1.
    """

    id: str
    resemblance: float
    containment: float


class LiveIndex:
    """Keep documents to compare with, in this process or in a Redis server that several processes share.

    >>> index = LiveIndex(min_resemblance=0.7)
    >>> index.insert("a", "the river rose by two meters on monday the mayor said after a long night")
    True
    >>> index.query("The river rose by two meters on Monday, the mayor said, after a long night!")
    [Match(id='a', resemblance=1.0, containment=1.0)]
    """

    def __init__(
        self,
        min_resemblance: float = 0.8,
        *,
        num_perm: int = 128,
        seed: int = 1,
        redis: str | None = None,
        namespace: str = "dedupe",
    ) -> None:
        """Make an index in memory, or open one in Redis.

        Args:
            min_resemblance: 0-1; documents that share this much of their word 5-shingles match.
            num_perm, seed: of the signatures.
            redis: the address of a server, as redis://localhost:6379/0, rediss://… or unix://…; None: in memory.
            namespace: the index in that server; all its keys begin with it and a colon.

        Raises:
            ConfigError: a setting is out of range, or the index in the server was made with other settings.
            MissingDependencyError: the package redis is not installed.
            StoreError: the server cannot be reached. Every method that asks the server may raise it; what was
                called can be called again.
        """
        self._setup = Setup.of(min_resemblance, num_perm, seed)
        self._store: MemoryStore | RedisStore
        if redis is None:
            from dedupe.live.memory import MemoryStore

            self._store = MemoryStore(self._setup)
        else:
            from dedupe.live.shared import RedisStore

            self._store = RedisStore(self._setup, redis, namespace)

    def insert(self, doc_id: str, text: Text) -> bool:
        """Put a document in; say whether it is new. `insert_many` is the faster way for several."""
        return self.insert_many([(doc_id, text)]) == 1

    def insert_many(self, documents: Iterable[tuple[str, Text]]) -> int:
        """Put (id, text) pairs in, in batches, each as a whole or not at all; return the number of new documents.

        A document that is in the index already with the same shingles stays as it is, so a call that failed can be
        made again with the same documents.

        Raises:
            InputError: an id or a text is none, or an id is in the index with another text. Nothing of its batch is
                stored; batches before it are.
        """
        checked = ((check_id(doc_id), text) for doc_id, text in documents)
        return sum(self._store.add(self._entries(batch)) for batch in _batches(checked))

    def query(self, text: Text) -> list[Match]:
        """Find the documents of the index that a text matches, the nearest first; ties by containment, then by id."""
        return self.query_many([text])[0]

    def query_many(self, texts: Iterable[Text]) -> list[list[Match]]:
        """Find the matches of several texts, asking the store a batch at a time."""
        found: list[list[Match]] = []
        for batch in _batches((f"query {number}", text) for number, text in enumerate(texts)):
            found.extend(self._matches(self._entries(batch)))
        return found

    def remove(self, doc_id: str) -> bool:
        """Take a document out; say whether it was there."""
        return self._store.remove(check_id(doc_id))

    def __len__(self) -> int:
        """Count the documents, those without words too."""
        return len(self._store)

    def __contains__(self, doc_id: object) -> bool:
        """Say whether a document is in the index."""
        return isinstance(doc_id, str) and check_id(doc_id) in self._store

    def close(self) -> None:
        """Let go of connections; the index in a server stays."""
        self._store.close()

    def __enter__(self) -> LiveIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _entries(self, documents: list[tuple[str, bytes]]) -> list[Entry]:
        from dedupe.corpus.memory import sketch_all

        sketches = sketch_all([text for _, text in documents], self._setup.num_perm, self._setup.seed)
        sets = shingle_sets(sketches.shingles, sketches.shingle_start, np.arange(len(documents)))
        start = sets.start.tolist()
        return [
            Entry(doc_id, sets.values[start[row] : start[row + 1]].copy(), sketches.signatures[row])
            for row, (doc_id, _) in enumerate(documents)
        ]

    def _matches(self, entries: list[Entry]) -> list[list[Match]]:
        found: list[list[Match]] = [[] for _ in entries]
        rows_of: dict[str, list[int]] = {}
        for row, candidates in enumerate(self._store.candidates(entries)):
            for doc_id in candidates:
                rows_of.setdefault(doc_id, []).append(row)
        for ids in _slices(sorted(rows_of), SLICE_DOCS):
            known = zip(ids, self._store.shingles(ids), strict=True)
            there = [(doc_id, shingles) for doc_id, shingles in known if shingles is not None]  # not removed meanwhile
            pairs = [(row, place) for place, (doc_id, _) in enumerate(there) for row in rows_of[doc_id]]
            self._verify(entries, there, pairs, found)
        for matches in found:
            matches.sort(key=lambda match: (-match.resemblance, -match.containment, match.id))
        return found

    def _verify(
        self, entries: list[Entry], there: list[tuple[str, Shingles]], pairs: list[tuple[int, int]],
        found: list[list[Match]],
    ) -> None:
        """Compare entries with documents exactly and note those that match; pairs of rows and places."""
        sets = _sets([*(entry.shingles for entry in entries), *(shingles for _, shingles in there)])
        table = np.array(pairs, np.int64).reshape(-1, 2)
        row, other = table[:, 0], table[:, 1] + len(entries)
        overlap, size = sets.overlaps(row, other), sets.sizes[row]
        resemblance = overlap / (size + sets.sizes[other] - overlap)
        for at in np.flatnonzero(resemblance >= self._setup.min_resemblance).tolist():
            match = Match(there[pairs[at][1]][0], float(resemblance[at]), float(overlap[at] / size[at]))
            found[pairs[at][0]].append(match)


def _sets(shingles: list[Shingles]) -> ShingleSets:
    sizes = np.array([len(each) for each in shingles], np.int64)
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return ShingleSets(np.concatenate([np.empty(0, np.uint32), *shingles]), start, sizes)


def _batches(texts: Iterable[tuple[str, Text]]) -> Iterator[list[tuple[str, bytes]]]:
    """Encode named texts and put them together by number and size."""
    batch: list[tuple[str, bytes]] = []
    size = 0
    for name, text in texts:
        batch.append((name, _encoded(name, text)))
        size += len(batch[-1][1])
        if len(batch) == BATCH_DOCS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _encoded(name: str, text: Text) -> bytes:
    if isinstance(text, Document):
        text = text.utf8
    if isinstance(text, str):
        return text.encode("utf-8", "surrogatepass")
    if not isinstance(text, bytes):
        raise InputError(f"the text of {shown(name)} is {type(text).__name__}; expected str, bytes or Document")
    return text


def _slices(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
