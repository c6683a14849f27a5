"""Find in a batch the blocks that a file of site rules names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from dedupe import hosts
from dedupe.errors import ConfigError
from dedupe.hashing import StreamHashes
from dedupe.normalize import canonical_many
from dedupe.records import Document, Flags, Observed, Offsets, Recurrences
from dedupe.site import masked_hashes, parse_site_rules, spells

_MAX_TITLE_BYTES = 300
_EDGE = {"head": 1.0, "foot": 1.0, "middle": 0.0, None: 0.5}


def names_of(document: Document) -> Iterator[str]:
    """Give the names under which rules cover a document: of its host, else of its folder."""
    if document.host is None and document.record is None:
        return hosts.names_over(os.path.dirname(document.uri), is_folder=True)
    return hosts.names_over(document.host)


class SiteRules:
    """Hold the entries of a file by site and masked hash of the block."""

    def __init__(self, raw: bytes, name: str) -> None:
        self.name = name
        entries = [
            (hosts.plain_name(site), learned.num_documents or 0, block)
            for site, learned in parse_site_rules(raw, name).items() for block in learned.blocks
        ]  # fmt: skip
        self.sites = {hosts.plain_name(site) for site in parse_site_rules(raw, name)}
        blocks = canonical_many([block.text.strip().encode("utf-8", "surrogatepass") for _, _, block in entries])
        found = masked_hashes(blocks, StreamHashes(blocks.stream)).tolist()
        self.by_site: dict[str, dict[int, tuple[int, int, float, bool]]] = {site: {} for site in self.sites}
        for (site, on_site, block), number in zip(entries, found, strict=True):
            if not number:
                raise ConfigError(f"{name}: site {site!r}: {block.text!r} has no letter to compare; drop the entry")
            count = block.num_documents or 0
            self.by_site[site][number] = (count, max(on_site, count), _EDGE[block.position], block.keep)

    def rules_for(self, document: Document) -> dict[int, tuple[int, int, float, bool]] | None:
        """Give what the file says of a document's site, the narrowest name first; None where it does not name it."""
        found = [self.by_site[name] for name in names_of(document) if name in self.sites]
        if len(found) < 2:
            return found[0] if found else None
        return {number: rule for rules in reversed(found) for number, rule in rules.items()}


@lru_cache(maxsize=2)
def _read(path: str, stamp: tuple[int, int]) -> SiteRules:
    return SiteRules(Path(path).read_bytes(), path)


def open_site_rules(path: str) -> SiteRules:
    """Read a file of site rules; once, until it changes.

    Raises: ConfigError: it cannot be read or used.
    """
    try:
        status = os.stat(path)
        return _read(path, (status.st_size, status.st_mtime_ns))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; give a file of dedupe learn") from None


def with_site_rules(seen: Observed, documents: Sequence[Document], rules: SiteRules) -> Observed:
    """Let the file speak for the sites it names, in place of what recurs in this run.

    A block it does not name is no boilerplate of such a site, however often it recurs: somebody may have deleted it.
    """
    named = [rules.rules_for(document) for document in documents]
    if all(each is None for each in named):
        return seen
    table = _Columns(seen)
    hashes = masked_hashes(seen.blocks, seen.hashes).tolist()
    for doc, found in enumerate(named):
        if found is not None:
            low, high = int(seen.blocks.doc_start[doc]), int(seen.blocks.doc_start[doc + 1])
            table.clear(low, high)
            for row in range(low, high):
                if hashes[row] in found:
                    table.put(row, found[hashes[row]])
    owner = np.repeat(np.arange(len(documents)), np.diff(seen.blocks.doc_start))
    rows = np.array(sorted(table.learned), np.int64)
    titles = table.own_titles | own_titles(seen, documents, rows, owner)
    return replace(seen, keeps=frozenset(table.keeps), recurrences=Recurrences(
        **table.columns, examples=table.examples, own_titles=titles, learned=table.learned,
        learned_from=os.path.basename(rules.name), near_forms=table.near_forms,
    ))  # fmt: skip


class _Columns:
    """Hold the counts of a batch while they are changed."""

    def __init__(self, seen: Observed) -> None:
        old, size = seen.recurrences, len(seen.blocks)
        kinds: dict[str, Any] = {
            "num_documents": np.int64, "num_site_documents": np.int64, "num_sites": np.int64,
            "edge_fraction": np.float32,
        }  # fmt: skip
        self.columns: dict[str, NDArray[Any]] = {
            name: np.zeros(size, kind) if old is None else np.array(getattr(old, name), kind)
            for name, kind in kinds.items()
        }
        self.examples = dict(old.examples) if old is not None else {}
        self.near_forms = old.near_forms if old is not None else frozenset[int]()
        self.own_titles = old.own_titles if old is not None else frozenset[int]()
        self.learned: dict[int, bool] = {}
        self.keeps: set[int] = set()

    def clear(self, low: int, high: int) -> None:
        for column in self.columns.values():
            column[low:high] = 0
        for row in range(low, high):
            self.examples.pop(row, None)
        self.near_forms = frozenset(row for row in self.near_forms if not low <= row < high)

    def put(self, row: int, rule: tuple[int, int, float, bool]) -> None:
        count, on_site, edge, keep = rule
        if keep:
            self.keeps.add(row)
            return
        self.learned[row] = not count
        for name, value in (("num_documents", max(1, count)), ("num_site_documents", on_site), ("edge_fraction", edge)):
            self.columns[name][row] = value


def own_titles(seen: Observed, documents: Sequence[Document], rows: Offsets, owner: Offsets) -> frozenset[int]:
    """Find the rows that are spelled in the address of their document, short ones that are no prose.

    `owner`: int64 (num_blocks,), the document of each block of the batch.
    """
    is_short: Flags = (seen.shapes.num_bytes[rows] <= _MAX_TITLE_BYTES) & ~seen.shapes.is_prose[rows]
    data, start, end = seen.texts.data, seen.blocks.start, seen.blocks.end
    titles = []
    for row in rows[is_short].tolist():
        url = documents[int(owner[row])].url
        if url is not None and spells(url, data[start[row]:end[row]].tobytes().decode("utf-8", "replace")):
            titles.append(row)
    return frozenset(titles)
