"""Prepare a lot: read its documents once and write down all that `find` needs, without their text.

    NAME.docs.parquet    one row a document: key, id hash, rank, content hash, sizes, site
    NAME.bands.parquet   one row a document, one column a band of its signature
    NAME.shingles        uint32, the hashes of the word 5-shingles of all documents, in order, repeats included
    NAME.signatures      uint32 (num_docs, num_perm)
    NAME.blocks.parquet  one row a block of a document that has a site: what `site` counts
    NAME.tails.parquet   one row a short block below the prose of such a document: it may recur but for a name
    NAME.forms           uint64, the hashes of the forms of those blocks, in order
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dedupe import kernels
from dedupe.config import Config
from dedupe.corpus.keeping import ranks, tie_breaker
from dedupe.corpus.lots import Lot
from dedupe.corpus.memory import Sketches, sketch
from dedupe.corpus.sites import site_key, site_of
from dedupe.corpus.tasks import Made, Spread, Task, spreading
from dedupe.cues.shape import describe
from dedupe.hashing import StreamHashes
from dedupe.index import band_keys, choose_bands
from dedupe.normalize import normalize
from dedupe.pieces import pieces
from dedupe.read import open_shard
from dedupe.records import Blocks, Document, Flags, Hashes, Offsets, Texts
from dedupe.segment import segment
from dedupe.shingle import token_hashes, word_shingles
from dedupe.site import below_prose, form_hashes, masked_hashes
from dedupe.sketch import signatures
from dedupe.write import replacing

BLOCK_COLUMNS = {
    "block": "uint64", "site": "uint64", "doc": "int64", "row": "int32", "at_edge": "bool",
    "prose_tokens": "int32",
}  # fmt: skip
TAIL_COLUMNS = {"block": "uint64", "site": "uint64", "doc": "int64", "row": "int32", "num_forms": "int32"}
PIECE_BYTES = 1 << 20  # texts in one pass: the arrays between the stages stay in the cache
_BYTES_PER_DOC = 64


@dataclass(frozen=True, slots=True)
class PrepareTask:
    """Say what to read, and whether the corpus is large enough for compiled kernels; the bits are the same."""

    lot: Lot
    config: Config
    fast: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """Hold what was worked out of a batch, one row a document unless said otherwise."""

    docs: list[str]
    record: NDArray[np.int64]
    sites: list[str | None]
    site: NDArray[np.uint64]
    tie: NDArray[np.uint64]
    rank: NDArray[np.float64]
    content: NDArray[np.uint64]
    num_tokens: NDArray[np.int64]
    num_shingles: NDArray[np.int64]
    bands: NDArray[np.uint64]
    signatures: NDArray[np.uint32]
    shingles: NDArray[np.uint32]  # (num_shingles,)
    blocks: dict[str, NDArray[Any]]  # one row a block of a document that has a site
    tails: dict[str, NDArray[Any]]  # one row a block that has forms
    forms: NDArray[np.uint64]  # (num_forms,)


@spreading
def prepare(task: Task, folder: Path, spread: Spread) -> Made:
    """Read a lot and write its artefacts."""
    work: PrepareTask = task.payload
    name, num_docs, num_shingles = task.name, 0, 0
    with ExitStack() as stack:
        tables = _Tables(stack, folder, name)
        to_prepared = partial(prepare_batch, config=work.config, fast=work.fast, with_forms=True)
        files: deque[NDArray[np.int32]] = deque()
        for done in spread(to_prepared, _batches(work, files)):
            tables.write(done, files.popleft())
            num_docs += len(done.docs)
            num_shingles += len(done.shingles)
        tables.close(work.config)
    return Made({"docs": num_docs, "shingles": num_shingles}, tables.names)


def _batches(
    work: PrepareTask, files: deque[NDArray[np.int32]]
) -> Iterator[tuple[list[Document], list[float] | None]]:
    """Read a lot, small files together; `files`: of each batch that was not written yet, the file of each document."""
    for joined in pieces(_read(work), lambda each: weight(each[1]), PIECE_BYTES):
        numbers, counts = [number for number, _, _ in joined], [len(documents) for _, documents, _ in joined]
        files.append(np.repeat(np.array(numbers, np.int32), counts))
        found = None if work.config.keep == "longest" else list(chain.from_iterable(rank for _, _, rank in joined))
        yield list(chain.from_iterable(documents for _, documents, _ in joined)), found


def _read(work: PrepareTask) -> Iterator[tuple[int, list[Document], list[float]]]:
    """Read the documents of a lot with the number of their file, and their ranks where those are not their sizes."""
    keep = work.config.keep
    for number, file in enumerate(work.lot.files):
        for batch in open_shard(file, work.config):
            found = [] if keep == "longest" else ranks(batch, keep, [0] * len(batch.documents))
            yield number, batch.documents, found


def weight(documents: Sequence[Document]) -> int:
    """Say how much work documents are, in bytes of text; those without a text are some, too."""
    return sum(len(document.utf8) for document in documents) + _BYTES_PER_DOC * len(documents)


def prepare_batch(
    item: tuple[list[Document], list[float] | None], config: Config, fast: bool = False, with_forms: bool = False
) -> Prepared:
    """Prepare some documents; `with_forms`: for a run over a corpus, which alone asks for them."""
    documents, rank = item
    parts = list(document_pieces(documents)) or [[]]
    done = [_prepare_piece(piece, config, fast and bool(piece), with_forms) for piece in parts]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(each, name) for each in done])
        for name in (
            "site", "tie", "content", "num_tokens", "num_shingles", "bands", "signatures", "shingles", "forms",
        )
    }  # fmt: skip
    sizes = joined["num_tokens"].astype(np.float64)
    firsts = np.cumsum([0, *(len(each.sites) for each in done)])[:-1].tolist()
    return Prepared(
        docs=[document.doc for document in documents],
        record=np.array([document.record or 0 for document in documents], np.int64),
        sites=[site for each in done for site in each.sites],
        rank=sizes if rank is None else np.array(rank, np.float64),
        blocks=_joined([each.blocks for each in done], firsts),
        tails=_joined([each.tails for each in done], firsts),
        **joined,
    )


def _joined(parts: list[dict[str, NDArray[Any]]], firsts: list[int]) -> dict[str, NDArray[Any]]:
    """Join rows of pieces; their documents are numbered within the batch."""
    numbered = [{**part, "doc": part["doc"] + first} for part, first in zip(parts, firsts, strict=True)]
    return {name: np.concatenate([part[name] for part in numbered]) for name in parts[0]}


def document_pieces(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Cut documents into pieces that are looked at in one pass."""
    return pieces(documents, lambda document: len(document.utf8), PIECE_BYTES)


def _prepare_piece(documents: list[Document], config: Config, fast: bool, with_forms: bool) -> Prepared:
    if fast:
        kernels.turn_on(kernels.MIN_TEXT_BYTES)
    texts = Texts.of([document.utf8 for document in documents])
    blocks = normalize(texts, *segment(texts))
    hashes = StreamHashes(blocks.stream)
    found = _sketched(texts, blocks, hashes, config, fast)
    rows = found.signatures
    num_bands, num_rows = choose_bands(config.min_resemblance, config.num_perm)
    every = np.arange(len(documents))
    keys = [band_keys(rows, every, band, num_rows) for band in range(num_bands)]
    sites = [site_of(document, is_named=config.site_field is not None) for document in documents]
    site = np.array([site_key(each) for each in sites], np.uint64)
    counted, below = _site_blocks(texts, blocks, hashes, site)
    tails, forms = _tails(blocks, hashes, counted, np.flatnonzero(below if with_forms else below[:0]))
    says = (counted["block"] != 0) & (counted["site"] != 0)
    return Prepared(
        docs=[], record=np.empty(0, np.int64), sites=sites, rank=np.empty(0),
        site=site,
        tie=np.array([tie_breaker(document) for document in documents], np.uint64),
        content=found.content_hash,
        num_tokens=np.diff(blocks.token_start[blocks.doc_start]),
        num_shingles=np.diff(found.shingle_start),
        bands=np.stack(keys, axis=1),
        signatures=rows,
        shingles=found.shingles,
        blocks={name: counted[name][says].astype(kind) for name, kind in BLOCK_COLUMNS.items()},
        tails=tails,
        forms=forms,
    )


def _sketched(texts: Texts, blocks: Blocks, hashes: StreamHashes, config: Config, fast: bool) -> Sketches:
    if fast:
        return sketch(texts, config.num_perm, config.seed, fast=True)
    bounds = blocks.stream_start[blocks.doc_start]
    shingles, shingle_start = word_shingles(blocks, token_hashes(blocks, hashes))
    rows = signatures(shingles, shingle_start, config.num_perm, config.seed, fast=False)
    return Sketches(shingles, shingle_start, hashes.spans(bounds[:-1], bounds[1:]), rows)


def _site_blocks(
    texts: Texts, blocks: Blocks, hashes: StreamHashes, site: Hashes
) -> tuple[dict[str, NDArray[Any]], Flags]:
    """List all blocks as they are counted, and say which of them stand below the prose of a document with a site."""
    doc = np.repeat(np.arange(len(texts)), np.diff(blocks.doc_start))
    shapes = describe(texts, blocks)
    found = {
        "block": masked_hashes(blocks, hashes),
        "site": site[doc],
        "doc": doc,
        "row": np.arange(len(blocks)) - blocks.doc_start[doc],
        "at_edge": at_edge(blocks.doc_start, shapes.is_prose),
        "prose_tokens": np.where(shapes.is_prose, shapes.num_tokens, 0),
    }
    below: Flags = below_prose(blocks.doc_start, shapes.is_prose) & ~shapes.is_prose & (found["site"] != 0)
    return found, below


def _tails(
    blocks: Blocks, hashes: StreamHashes, counted: dict[str, NDArray[Any]], rows: Offsets
) -> tuple[dict[str, NDArray[Any]], Hashes]:
    """Hash the forms of some blocks, and list those that have any."""
    row, forms = form_hashes(blocks, hashes, rows)
    order = np.argsort(row, kind="stable")
    num_forms = np.bincount(row, minlength=len(blocks))
    tails = np.flatnonzero(num_forms)
    columns = {**counted, "num_forms": num_forms}
    return {name: columns[name][tails].astype(kind) for name, kind in TAIL_COLUMNS.items()}, forms[order]


def at_edge(doc_start: Offsets, is_prose: Flags) -> Flags:
    """Say which blocks stand before the first or after the last prose of their document; all where it has none.

    >>> at_edge(np.array([0, 4, 5]), np.array([False, True, False, True, False])).tolist()
    [True, False, False, False, True]
    """
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(is_prose)])
    sizes = np.diff(doc_start)
    first, last = (np.repeat(before[bounds], sizes) for bounds in (doc_start[:-1], doc_start[1:]))
    edge: Flags = (before[1:] == first) | (before[:-1] == last)
    return edge


_TABLES = ("docs", "bands", "blocks", "tails")
_FLAT = {"shingles": "<u4", "signatures": "<u4", "forms": "<u8"}
_PLAIN: dict[str, Any] = {"compression": "none", "use_dictionary": False}  # of hashes, which do not shrink


class _Tables:
    """Write the artefacts of a lot, batch by batch; they appear when the stack closes without an error."""

    def __init__(self, stack: ExitStack, folder: Path, name: str) -> None:
        kinds = (*(f"{table}.parquet" for table in _TABLES), *_FLAT)
        self.names = tuple(f"{name}.{kind}" for kind in kinds)
        files = [stack.enter_context(replacing(str(folder / each))) for each in self.names]
        self._files: dict[str, BinaryIO] = dict(zip((*_TABLES, *_FLAT), files, strict=True))
        self._stack = stack  # closes the tables before their files, also where a file cannot be written
        self._writers: dict[str, Any] = {}
        self._num_docs = 0

    def write(self, done: Prepared, file: NDArray[np.int32]) -> None:
        """Write what was worked out of a batch; `file`: for each document, the number of its file in the lot."""
        import pyarrow

        names = ("record", "site", "tie", "rank", "content", "num_tokens", "num_shingles")
        self._add("docs", {
            "doc": pyarrow.array(done.docs, pyarrow.string()),
            "site_name": pyarrow.array(done.sites, pyarrow.string()),
            "file": file,
            **{name: getattr(done, name) for name in names},
        })
        self._add("bands", {f"{band:03}": column for band, column in enumerate(done.bands.T.copy())})
        self._add("blocks", {**done.blocks, "doc": done.blocks["doc"] + self._num_docs})
        self._add("tails", {**done.tails, "doc": done.tails["doc"] + self._num_docs})
        self._num_docs += len(done.docs)
        for name, kind in _FLAT.items():
            self._files[name].write(np.ascontiguousarray(getattr(done, name), kind).data)

    def _add(self, name: str, columns: dict[str, Any]) -> None:
        import pyarrow
        import pyarrow.parquet as parquet

        table = pyarrow.table({column: pyarrow.array(values) for column, values in columns.items()})
        if name not in self._writers:
            packing = _PLAIN if name == "bands" else {"compression": "lz4"}
            writer = parquet.ParquetWriter(self._files[name], table.schema, **packing)
            self._writers[name] = self._stack.enter_context(writer)
        self._writers[name].write_table(table)

    def close(self, config: Config) -> None:
        if not self._writers:  # a lot without documents has artefacts too
            self.write(prepare_batch(([], None), config), np.empty(0, np.int32))
        for writer in self._writers.values():
            writer.close()
