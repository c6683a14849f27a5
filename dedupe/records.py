"""Define what passes between stages: arrays for batches of texts, small records for what is decided.

Nothing here computes; stages make these and hand them on. Spans are half-open everywhere. What callers of the
package get are dataclasses; what only the stages see are structs of msgspec, the same but for the time it takes to
define them: a hundredth of the millisecond that each dataclass adds to every start. A document is one, too, for it
takes a tenth of the time to make one of millions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]
Offsets: TypeAlias = NDArray[np.int64]
Hashes: TypeAlias = NDArray[np.uint64]
Floats: TypeAlias = NDArray[np.float32]
Flags: TypeAlias = NDArray[np.bool_]
Span: TypeAlias = tuple[int, int]


class Texts(Struct, frozen=True):
    """Hold a batch of texts in Arrow layout.

    `data`: uint8 (num_bytes,), the UTF-8 of all texts one after another, invalid bytes as they came.
    `offsets`: int64 (num_docs + 1,), ascending; text d is data[offsets[d]:offsets[d + 1]].
    """

    data: Bytes
    offsets: Offsets

    @classmethod
    def of(cls, texts: list[bytes]) -> Texts:
        """Lay `texts` end to end.

        >>> Texts.of([b"ab", b"", b"c"]).offsets.tolist()
        [0, 2, 2, 3]
        """
        offsets = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(text) for text in texts], out=offsets[1:])
        return cls(np.frombuffer(b"".join(texts), np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1


class Blocks(Struct, frozen=True):
    """Hold all blocks of a batch, in the order of the text, with their canonical streams.

    `doc_start`: int64 (num_docs + 1,); blocks of document d are rows doc_start[d]:doc_start[d + 1].
    `start`, `end`: int64 (num_blocks,), bytes in Texts.data, white space around stripped, never empty.
    `stream`: uint8 (num_stream_bytes,), streams of all blocks with nothing between them.
    `stream_start`: int64 (num_blocks + 1,); the stream of a block may be empty ("***").
    `token_pos`: int64 (num_tokens,), position in `stream` where each token starts, ascending.
    `token_start`: int64 (num_blocks + 1,), the tokens of block b are rows token_start[b]:token_start[b + 1].
    """

    doc_start: Offsets
    start: Offsets
    end: Offsets
    stream: Bytes
    stream_start: Offsets
    token_pos: Offsets
    token_start: Offsets

    def __len__(self) -> int:
        return len(self.start)


class Tokens(Struct, frozen=True):
    """Hold the tokens of a batch of texts, in order.

    `sums`: uint64 (num_tokens,), before they are mixed. `num_bytes`: int64 (num_tokens,), of their canonical form.
    `doc_start`: int64 (num_docs + 1,); tokens of document d are rows doc_start[d]:doc_start[d + 1].
    """

    sums: Hashes
    num_bytes: Offsets
    doc_start: Offsets


class NearPairs(Struct, frozen=True):
    """List verified pairs of nearly equal blocks: rows int64 (num_pairs,), `other` before `block`.

    `resemblance`: float64 (num_pairs,), 0-1, of the sets of 4-byte shingles of the streams.
    """

    block: Offsets
    other: Offsets
    resemblance: NDArray[np.float64]


class Runs(Struct, frozen=True):
    """List equal runs of two blocks, both ways round: each stands here twice, once from each side.

    All int64 (num_runs,), ordered by block, other, start: rows of the blocks, positions in the stream
    where the run starts in either, its size in bytes. Runs of one pair may overlap.
    """

    block: Offsets
    other: Offsets
    start: Offsets
    other_start: Offsets
    size: Offsets

    def __len__(self) -> int:
        return len(self.block)


class Doubled(Struct, frozen=True):
    """Say that stream[start:middle] of a block is said again by stream[middle:end].

    Positions in the batch's stream; `similarity` 0-1 is 1 for an exact repeat, else twice the longest
    common subsequence over the sum of both sizes.
    """

    block: int
    start: int
    middle: int
    end: int
    similarity: float


class Shapes(Struct, frozen=True):
    """Describe the form of every block.

    `num_tokens`, `num_bytes`: int64 (num_blocks,), of the canonical stream. `ends_sentence`: bool, a final
    mark stands last, closing quotes apart. `is_prose`: bool, reads as sentences of an article. `touches`:
    bool, stands on the line after the block before it, no blank line between.
    """

    num_tokens: Offsets
    num_bytes: Offsets
    ends_sentence: Flags
    is_prose: Flags
    touches: Flags


class CueHits(Struct, frozen=True):
    """Say which phrase each block matched, one row a block.

    `category`: uint8, index into the names of the categories, 0 where none. `kind`: uint8, 0 none,
    1 whole, 2 starts, 3 ends. `strength`: float32, 0-1, how sure the phrase alone is boilerplate.
    `phrase`: int32, row of the table of phrases, -1 where none.
    """

    category: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    strength: Floats
    phrase: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.phrase)


class Recurrences(Struct, frozen=True):
    """Say how often each block recurs on its site, one row a block; near-duplicate documents count as one.

    `num_documents`: int64 (num_blocks,), documents of the site that have the block, digits apart; 0 where it was
    not counted or is on one only. `num_site_documents`, `num_sites`: int64, all documents of the site, and the
    sites that have the block. `edge_fraction`: float32, 0-1, documents where it stands before or after all prose.
    `examples`: by row, a place where another document has the block. `own_titles`: rows that the address of their
    document spells. `learned`: rows told by a file of site rules, and whether a person wrote the entry;
    `learned_from`: the name of that file. `near_forms`: rows that other documents have but for a few words.
    """

    num_documents: Offsets
    num_site_documents: Offsets
    num_sites: Offsets
    edge_fraction: Floats
    examples: Mapping[int, Place]
    own_titles: frozenset[int] = frozenset()
    learned: Mapping[int, bool] = {}
    learned_from: str = ""
    near_forms: frozenset[int] = frozenset()


class SpanHashes(Protocol):
    """Hash spans of the stream of a batch: equal bytes have equal hashes."""

    def spans(self, start: Offsets, end: Offsets) -> Hashes: ...


class Observed(Struct, frozen=True):
    """Gather what the stages saw in a batch, for `decide`.

    `first`: int64 (num_blocks,), first block of the document with the same stream, its own row, or -1 for
    an empty stream. `hashes`: of spans of the stream. `first_masked`: the same with digits masked, -1 where the block
    has none. `categories`: names for `cues.category`, those in `continued` belong to the lines that follow them.
    `junk`: float32 (num_blocks,), 0-1, confidence that a block is debris and may go, or None where it was not asked
    for; `explain_junk`: gives the evidence for rows of `blocks` in one document of the batch; `page_likeness`: float32
    (num_docs,), 0 for an article, 1 for the text of a whole page. `recurrences`, `outside`: what other documents tell,
    and findings by document; empty where a text is cleaned by itself. `protect`: by document, the patterns of its
    host; empty where no host has any. `keeps`: rows that never go, by a file of site rules.
    """

    texts: Texts
    blocks: Blocks
    shapes: Shapes
    first: Offsets
    first_masked: Offsets
    near: NearPairs
    runs: Runs
    hashes: SpanHashes
    doubled: tuple[Doubled, ...]
    cues: CueHits
    categories: tuple[str, ...]
    continued: frozenset[str]
    junk: Floats | None = None
    explain_junk: Callable[[Sequence[int], int], list[tuple[Evidence, ...]]] | None = None
    page_likeness: Floats | None = None
    recurrences: Recurrences | None = None
    outside: tuple[tuple[Finding, ...], ...] = ()
    protect: tuple[tuple[str, ...], ...] = ()
    keeps: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Give one reason for or against a removal.

    `weight` is what it adds to the log-odds of the removal; `value` is the number behind it.
    """

    name: str
    weight: float
    value: float = 1.0
    note: str = ""


class Finding(Struct, frozen=True):
    """Say what should happen to one passage, before places in the original file are worked out.

    `span`: bytes in the document's UTF-8 text. `kept`: the copy that stays: the key of its document
    (None for the same document) and bytes in its UTF-8 text; `kept_place` instead, where the copy stands in
    another document. `confidence`: 0–1.
    """

    span: Span
    rule: str
    confidence: float
    evidence: tuple[Evidence, ...]
    kept: tuple[str | None, Span] | None = None
    resemblance: float | None = None
    containment: float | None = None
    kept_place: Place | None = None


class Decision(Struct, frozen=True):
    """Say what goes from one document and which repeats stay; `guarded`: held back, wants a person."""

    removed: tuple[Finding, ...]
    kept: tuple[Finding, ...]
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Locate a passage in an original: document key, bytes of the file, code points, lines from 1."""

    doc: str
    byte: Span
    char: Span
    line: Span


@dataclass(frozen=True, slots=True)
class Removal:
    """Record one passage that went, or (`removed` false) a repeat that was found and stays.

    `output_byte`, `output_char`: where in the cleaned text it stood. `num_words_lost`: words of the
    passage that stand nowhere else in what is kept. `raw`: the exact bytes that went.
    """

    id: str
    place: Place
    rule: str
    confidence: float
    evidence: tuple[Evidence, ...]
    removed: bool
    fingerprint: str
    text: str
    raw: bytes
    num_words: int
    num_words_lost: int
    output_byte: int = 0
    output_char: int = 0
    resemblance: float | None = None
    containment: float | None = None
    kept: Place | None = None


class Document(Struct, frozen=True, gc=False):
    """Hold one text to clean and where it came from.

    `doc`: key within a run. `uri`: file it came from. `record`: row in the file, None for a whole file.
    `raw`: its bytes as they stand in the source. `utf8`: the same text in UTF-8 (identical to `raw`
    where the encoding is UTF-8), invalid bytes kept. `encoding`, `errors`: Python's names of the codec of
    `raw` and of how it passes what cannot be decoded ("surrogatepass" for UTF-16, UTF-32 and Python texts).
    `language`: the tag that its record has, such as "pt-BR".
    """

    doc: str
    uri: str
    raw: bytes
    utf8: bytes
    encoding: str = "utf-8"
    errors: str = "surrogateescape"
    record: int | None = None
    id: str | None = None
    url: str | None = None
    host: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    """Name the keeper of a near-duplicate document, with exact resemblance and containment (0–1).

    `id`: its id, where it is a document of an index and has one; `doc` then begins with "kept:".
    """

    doc: str
    resemblance: float
    containment: float
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Hold a document's cleaned bytes and everything that was found in it; `output`: the file they went to."""

    document: Document
    cleaned: bytes
    removals: tuple[Removal, ...]
    kept: tuple[Removal, ...]
    flags: tuple[str, ...] = ()
    near_duplicate_of: NearDuplicate | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class BadRecord:
    """List input that could not be cleaned and was passed through unchanged."""

    uri: str
    record: int | None
    message: str


class Totals(Struct):
    """Count what a run did; `bad`: what was passed through, `revised`: documents of an index that have a new keeper."""

    num_documents: int = 0
    num_changed: int = 0
    num_removals: int = 0
    num_bytes_before: int = 0
    num_bytes_after: int = 0
    num_near_duplicates: int = 0
    num_dropped: int = 0
    bad: list[BadRecord] = msgspec.field(default_factory=list)
    revised: list[dict[str, Any]] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Count what one passage did in a run: documents and removals that share its fingerprint."""

    fingerprint: str
    text: str
    num_documents: int
    num_removals: int = field(default=0)
