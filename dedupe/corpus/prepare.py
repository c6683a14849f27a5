"""Prepare a lot: read its documents once and write down all that `find` needs, without their text.

    NAME.docs.parquet    one row a document: key, id hash, rank, content hash, sizes, site
    NAME.bands.parquet   one row a document, one column a band of its signature
    NAME.shingles        uint32, the hashes of the word 5-shingles of all documents, in order, repeats included
    NAME.signatures      uint32 (num_docs, num_perm)
    NAME.blocks.parquet  one row a block of a document that has a site: what `site` counts
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
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
from dedupe.corpus.tasks import Made, Spread, Task
from dedupe.cues.shape import describe
from dedupe.hashing import StreamHashes
from dedupe.index import band_keys, choose_bands
from dedupe.normalize import normalize
from dedupe.read import open_shard
from dedupe.records import Blocks, Document, Flags, Hashes, Offsets, Texts
from dedupe.segment import segment
from dedupe.shingle import token_hashes, word_shingles
from dedupe.site import masked_hashes
from dedupe.sketch import signatures
from dedupe.write import replacing

BLOCK_COLUMNS = {
    "block": "uint64", "site": "uint64", "doc": "int64", "row": "int32", "at_edge": "bool",
    "prose_tokens": "int32",
}  # fmt: skip
PIECE_BYTES = 1 << 20  # texts in one pass: the arrays between the stages stay in the cache


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


def prepare(task: Task, folder: Path, spread: Spread) -> Made:
    """Read a lot and write its artefacts."""
    work: PrepareTask = task.payload
    name, num_docs, num_shingles = task.name, 0, 0
    with ExitStack() as stack:
        tables = _Tables(stack, folder, name)
        for done in spread(partial(prepare_batch, config=work.config, fast=work.fast), _batches(work)):
            tables.write(done)
            num_docs += len(done.docs)
            num_shingles += len(done.shingles)
        tables.close(work.config)
    return Made({"docs": num_docs, "shingles": num_shingles}, tables.names)


def _batches(work: PrepareTask) -> Iterator[tuple[list[Document], list[float] | None]]:
    for file in work.lot.files:
        for batch in open_shard(file, work.config):
            keep = work.config.keep
            found = None if keep == "longest" else ranks(batch, keep, [0] * len(batch.documents))
            yield batch.documents, found


def prepare_batch(item: tuple[list[Document], list[float] | None], config: Config, fast: bool = False) -> Prepared:
    documents, rank = item
    done = [_prepare_piece(piece, config, fast) for piece in pieces(documents)] or [_prepare_piece([], config, False)]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(each, name) for each in done])
        for name in ("site", "tie", "content", "num_tokens", "num_shingles", "bands", "signatures", "shingles")
    }
    sizes = joined["num_tokens"].astype(np.float64)
    return Prepared(
        docs=[document.doc for document in documents],
        sites=[site for each in done for site in each.sites],
        rank=sizes if rank is None else np.array(rank, np.float64),
        blocks=_joined_blocks(done),
        **joined,
    )


def _joined_blocks(done: list[Prepared]) -> dict[str, NDArray[Any]]:
    """Join the blocks of pieces; their documents are numbered within the batch."""
    firsts = np.cumsum([0, *(len(each.sites) for each in done)])
    joined = {name: np.concatenate([each.blocks[name] for each in done]) for name in BLOCK_COLUMNS}
    sizes = [len(each.blocks["doc"]) for each in done]
    joined["doc"] = joined["doc"] + np.repeat(firsts[:-1], sizes)
    return joined


def pieces(documents: list[Document], num_bytes: int = PIECE_BYTES) -> Iterator[list[Document]]:
    """Cut a list of documents into pieces of about `num_bytes`, in order."""
    held: list[Document] = []
    size = 0
    for document in documents:
        held.append(document)
        size += len(document.utf8)
        if size >= num_bytes:
            yield held
            held, size = [], 0
    if held:
        yield held


def _prepare_piece(documents: list[Document], config: Config, fast: bool) -> Prepared:
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
    return Prepared(
        docs=[], sites=sites, rank=np.empty(0),
        site=site,
        tie=np.array([tie_breaker(document) for document in documents], np.uint64),
        content=found.content_hash,
        num_tokens=np.diff(blocks.token_start[blocks.doc_start]),
        num_shingles=np.diff(found.shingle_start),
        bands=np.stack(keys, axis=1),
        signatures=rows,
        shingles=found.shingles,
        blocks=_site_blocks(texts, blocks, hashes, site),
    )


def _sketched(texts: Texts, blocks: Blocks, hashes: StreamHashes, config: Config, fast: bool) -> Sketches:
    if fast:
        return sketch(texts, config.num_perm, config.seed, fast=True)
    bounds = blocks.stream_start[blocks.doc_start]
    shingles, shingle_start = word_shingles(blocks, token_hashes(blocks, hashes))
    rows = signatures(shingles, shingle_start, config.num_perm, config.seed, fast=False)
    return Sketches(shingles, shingle_start, hashes.spans(bounds[:-1], bounds[1:]), rows)


def _site_blocks(texts: Texts, blocks: Blocks, hashes: StreamHashes, site: Hashes) -> dict[str, NDArray[Any]]:
    """List the blocks to count: those of documents whose site is known."""
    sizes = np.diff(blocks.doc_start)
    doc = np.repeat(np.arange(len(texts)), sizes)
    shapes = describe(texts, blocks)
    found = {
        "block": masked_hashes(blocks, hashes),
        "site": site[doc],
        "doc": doc,
        "row": np.arange(len(blocks)) - blocks.doc_start[doc],
        "at_edge": at_edge(blocks.doc_start, shapes.is_prose),
        "prose_tokens": np.where(shapes.is_prose, shapes.num_tokens, 0),
    }
    counts = (found["block"] != 0) & (found["site"] != 0)
    return {name: column[counts].astype(BLOCK_COLUMNS[name]) for name, column in found.items()}


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


class _Tables:
    """Write the artefacts of a lot, batch by batch; they appear when the stack closes without an error."""

    def __init__(self, stack: ExitStack, folder: Path, name: str) -> None:
        kinds = ("docs.parquet", "bands.parquet", "shingles", "signatures", "blocks.parquet")
        self.names = tuple(f"{name}.{kind}" for kind in kinds)
        self._files: list[BinaryIO] = [stack.enter_context(replacing(str(folder / each))) for each in self.names]
        self._stack = stack  # closes the tables before their files, also where a file cannot be written
        self._docs: Any = None
        self._bands: Any = None
        self._blocks: Any = None
        self._num_docs = 0

    def write(self, done: Prepared) -> None:
        import pyarrow
        import pyarrow.parquet as parquet

        names = ("site", "tie", "rank", "content", "num_tokens", "num_shingles")
        docs = pyarrow.table({
            "doc": pyarrow.array(done.docs, pyarrow.string()),
            "site_name": pyarrow.array(done.sites, pyarrow.string()),
            **{name: pyarrow.array(getattr(done, name)) for name in names},
        })
        bands = pyarrow.table({f"{band:03}": pyarrow.array(column) for band, column in enumerate(done.bands.T.copy())})
        if self._docs is None:
            tables = (
                parquet.ParquetWriter(self._files[0], docs.schema, compression="lz4"),
                parquet.ParquetWriter(self._files[1], bands.schema, compression="none", use_dictionary=False),
                parquet.ParquetWriter(self._files[4], _blocks_schema(), compression="lz4"),
            )
            self._docs, self._bands, self._blocks = map(self._stack.enter_context, tables)
        blocks = {**done.blocks, "doc": done.blocks["doc"] + self._num_docs}
        self._blocks.write_table(pyarrow.table({name: pyarrow.array(column) for name, column in blocks.items()}))
        self._num_docs += len(done.docs)
        self._docs.write_table(docs)
        self._bands.write_table(bands)
        self._files[2].write(np.ascontiguousarray(done.shingles, "<u4").data)
        self._files[3].write(np.ascontiguousarray(done.signatures, "<u4").data)

    def close(self, config: Config) -> None:
        if self._docs is None:  # a lot without documents has artefacts too
            self.write(prepare_batch(([], None), config))
        self._docs.close()
        self._bands.close()
        self._blocks.close()


def _blocks_schema() -> Any:
    import pyarrow

    return pyarrow.schema([(name, pyarrow.from_numpy_dtype(np.dtype(kind))) for name, kind in BLOCK_COLUMNS.items()])
