"""Load the labelled sets that the debris model is fitted on, and make more articles out of whole pages.

Labels of blocks: 0 content, 1 debris, -1 not scored. Extracted texts have no labels of their own; their
lines are aligned with the text that a person extracted.
"""

from __future__ import annotations

import gzip
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from rapidfuzz.distance import LCSseq

from dedupe.cues import find_cues, load_cues
from dedupe.debris import Hints, block_hashes, features, token_hashes
from dedupe.normalize import normalize
from dedupe.pipeline import as_read
from dedupe.records import Blocks, Floats, Offsets, Texts
from dedupe.segment import segment

CONTENT, JUNK = ("content", "title"), ("boiler", "boiler?", "dup", "dup-title")
CONTINUED = frozenset({"also_read", "related"})
NUM_FOLDS = 5
_WORD = re.compile(r"\w+")
_SECOND_LEVEL = {"co", "com", "org", "net", "ac", "gov", "edu", "or", "gob", "nom"}
_SHINGLE = 4


@dataclass
class Labelled:
    """Hold one set: arrays of its blocks, `kind` of each document, `fold` of each document (by site)."""

    name: str
    texts: Texts
    blocks: Blocks
    table: Floats
    labels: NDArray[np.int8]
    kinds: list[str]
    urls: list[str]
    fold: Offsets
    lines: dict[str, Any] = field(default_factory=dict)

    @property
    def doc(self) -> Offsets:
        return np.repeat(np.arange(len(self.texts)), np.diff(self.blocks.doc_start))


def rows(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def site(host: str) -> str:
    """Cut a host down to what is registered: "news.bbc.co.uk" to "bbc.co.uk"."""
    parts = host.lower().split(":")[0].split(".")
    keep = 3 if len(parts) > 2 and len(parts[-1]) == 2 and parts[-2] in _SECOND_LEVEL else 2
    return ".".join(parts[-keep:])


def fold_of(url: str, host: str = "") -> int:
    name = site(host or urlsplit(url).netloc)
    return blake2b(name.encode(), digest_size=4).digest()[0] % NUM_FOLDS


def pack(texts: list[str]) -> tuple[Texts, Blocks]:
    batch = Texts.of([text.encode("utf-8", "surrogatepass") for text in texts])
    return batch, normalize(batch, *segment(batch))


def visible(texts: Texts, blocks: Blocks) -> tuple[tuple[Texts, Blocks], Blocks]:
    """Give texts and blocks as the model reads them, and those blocks again with their places in the text."""
    read, read_blocks = as_read(texts, blocks)
    return (read, read_blocks), replace(read_blocks, start=blocks.start, end=blocks.end)


def hints_of(texts: Texts, blocks: Blocks, urls: list[str], hosts: list[str] | None) -> Hints:
    """Gather cues, words of the addresses, and how many other documents of a host hold a block."""
    table = load_cues()
    _, slugs = pack([re.sub(r"[-_/.+]", " ", unquote(urlsplit(url).path)) for url in urls])
    return Hints(
        cues=find_cues(texts, blocks, table),
        categories=tuple(table.categories),
        continued=CONTINUED,
        host_count=None if hosts is None else host_counts(blocks, hosts),
        slug=token_hashes(slugs),
        slug_start=slugs.token_start[slugs.doc_start],
    )


def host_counts(blocks: Blocks, hosts: list[str]) -> Offsets:
    """Count the other documents of the host that hold each block; -1 where a host has one document."""
    doc = np.repeat(np.arange(len(hosts)), np.diff(blocks.doc_start))
    hashes = block_hashes(blocks)
    of_host: dict[tuple[str, int], set[int]] = {}
    for key, row in zip(hashes.tolist(), doc.tolist(), strict=True):
        of_host.setdefault((hosts[row], key), set()).add(row)
    num_pages = Counter(hosts)
    counted = [
        -1 if num_pages[hosts[row]] == 1 else len(of_host[hosts[row], key]) - 1 if key else 0
        for key, row in zip(hashes.tolist(), doc.tolist(), strict=True)
    ]
    return np.array(counted, np.int64)


def from_lines(name: str, docs: list[dict[str, Any]], hosts_known: bool) -> Labelled:
    """Make a set of documents that are lists of labelled lines."""
    texts, blocks = pack(["\n".join(doc["lines"]) for doc in docs])
    label = np.array([label for doc in docs for label in doc["labels"]])
    chars = np.array([len(line) for doc in docs for line in doc["lines"]])
    size = [len(line.encode("utf-8", "surrogatepass")) for doc in docs for line in doc["lines"]]
    last = {sum(len(doc["lines"]) for doc in docs[: n + 1]) - 1 for n in range(len(docs))}
    start = np.cumsum([0, *(one + (row not in last) for row, one in enumerate(size))])[:-1]
    block = np.minimum(np.searchsorted(blocks.end, start, side="right"), len(blocks) - 1)
    votes = np.zeros((len(blocks), 3))
    column = np.where(np.isin(label, CONTENT), 0, np.where(np.isin(label, JUNK), 1, 2))
    np.add.at(votes, (block, column), chars + 1e-6)
    clear = votes.max(axis=1) >= 0.9 * votes.sum(axis=1)
    labels = np.where(clear & (votes.argmax(axis=1) < 2), votes.argmax(axis=1), -1).astype(np.int8)
    urls, hosts = [doc["url"] for doc in docs], [doc["host"] for doc in docs]
    read, blocks = visible(texts, blocks)
    table = features(*read, hints_of(*read, urls, hosts if hosts_known else None))
    fold = np.array([fold_of(url, host) for url, host in zip(urls, hosts, strict=True)])
    kinds = [doc.get("kind", "page") for doc in docs]
    lines = {"block": block, "chars": chars, "column": column}
    return Labelled(name, texts, blocks, table, labels, kinds, urls, fold, lines)


def load_pages(folder: Path, name: str) -> Labelled:
    return from_lines(name, rows(folder / f"pages_{name}.jsonl.gz"), hosts_known=True)


def load_made_articles(folder: Path) -> Labelled:
    """Cut articles out of pages as extractors would: clean, with what stands near, with some lines left."""
    rng, made = random.Random(7), []
    for name in ("zyte", "newspaper4k", "fundus"):
        for page in rows(folder / f"pages_{name}.jsonl.gz"):
            lines = [pair for pair in zip(page["lines"], page["labels"], strict=True) if pair[0].strip()]
            made += _articles_of(page, lines, rng)
    for row in rows(folder / "articles_extracted.jsonl.gz"):
        if row["extractor"] == "gold":
            kept = [line for line in row["text"].split("\n") if line.strip()]
            labels = ["content"] * len(kept)
            made.append({"kind": "human", "url": row["url"], "host": "", "lines": kept, "labels": labels})
    return from_lines("made", made, hosts_known=False)


def _articles_of(page: dict[str, Any], lines: list[tuple[str, str]], rng: random.Random) -> list[dict[str, Any]]:
    content = [at for at, (_, label) in enumerate(lines) if label in CONTENT]
    long = [at for at in content if len(lines[at][0]) >= 60]
    if len(long) < 2:
        return []
    way = [min(abs(at - other) for other in content) for at in range(len(lines))]
    first, last = long[0], long[-1]
    reach = range(content[0] - 8, content[-1] + 26)
    above, below = first - rng.randint(0, 6), last + rng.randint(0, 10)
    chosen = {
        "clean": content,
        "between": [at for at in range(content[0], content[-1] + 1) if way[at] <= 3],
        "around": [
            at for at in range(len(lines)) if above <= at <= below and (way[at] <= 2 or not first <= at <= last)
        ],
        "sampled": [
            at for at, (line, label) in enumerate(lines)
            if label in CONTENT or (len(line) >= 25 and at in reach and rng.random() < 0.25)
        ],
    }
    return [
        {"kind": kind, "url": page["url"], "host": page["host"], "lines": [lines[at][0] for at in keep],
         "labels": [lines[at][1] for at in keep]}
        for kind, keep in chosen.items()
    ]


def load_extracted(folder: Path) -> tuple[Labelled, dict[str, str]]:
    """Load extractors' texts, lines labelled against the human text; returns those by article too."""
    everything = rows(folder / "articles_extracted.jsonl.gz")
    human = {row["cluster"]: row["text"] for row in everything if row["extractor"] == "gold"}
    docs = [row for row in everything if row["extractor"] != "gold"]
    texts, blocks = pack([row["text"] for row in docs])
    urls = [row["url"] for row in docs]
    has_words = np.diff(blocks.token_start) > 0
    read, blocks = visible(texts, blocks)
    aligned = np.concatenate([align(*read, doc, human[row["cluster"]]) for doc, row in enumerate(docs)])
    # Addresses of images and tags, with no words to read.
    labels = np.where(has_words & (np.diff(blocks.token_start) == 0), 1, aligned).astype(np.int8)
    table = features(*read, hints_of(*read, urls, None))
    fold = np.array([fold_of(url) for url in urls])
    found = Labelled(
        "extracted", texts, blocks, table, labels, [row["extractor"] for row in docs], urls, fold
    )
    found.lines["cluster"] = [row["cluster"] for row in docs]
    return found, human


def align(texts: Texts, blocks: Blocks, doc: int, human: str) -> NDArray[np.int8]:
    """Label the blocks of one text: content where its words stand in the human text in order."""
    words: list[str] = []
    spans: list[tuple[int, int]] = []
    for row in range(int(blocks.doc_start[doc]), int(blocks.doc_start[doc + 1])):
        found = _WORD.findall(texts.data[blocks.start[row] : blocks.end[row]].tobytes().decode("utf-8", "replace"))
        spans.append((len(words), len(words) + len(found)))
        words += found
    target: list[str] = []
    bounds: set[int] = set()
    for line in human.split("\n"):
        bounds.add(len(target))
        target += _WORD.findall(line)
        bounds.add(len(target))
    place = np.full(len(words) + 1, -9, np.int64)
    for step in LCSseq.opcodes(words, target):
        if step.tag == "equal":
            place[step.src_start : step.src_end] = np.arange(step.dest_start, step.dest_end)
    known = {tuple(target[at : at + _SHINGLE]) for at in range(len(target))}
    return np.array([_label_of(words, place, span, known, bounds) for span in spans], np.int8)


def _label_of(words: list[str], place: Offsets, span: tuple[int, int], known: set[Any], bounds: set[int]) -> int:
    start, end = span
    size = end - start
    if size >= _SHINGLE:
        at = range(start, end - _SHINGLE + 1)
        in_order = np.mean([place[i] >= 0 and place[i + _SHINGLE - 1] == place[i] + _SHINGLE - 1 for i in at])
        anywhere = np.mean([tuple(words[i : i + _SHINGLE]) in known for i in at])
        if in_order >= 0.75:
            return 0
        return 1 if in_order <= 0.15 and (anywhere <= 0.15 or anywhere >= 0.75) else -1
    if size == 0:
        return -1
    first, last = int(place[start]), int(place[end - 1])
    if (place[start:end] < 0).any() or last - first != size - 1:
        return 1
    before, after = start > 0 and place[start - 1] == first - 1, place[end] == last + 1
    if (first in bounds and last + 1 in bounds) or (before and after):
        return 0
    return -1 if before or after or first in bounds or last + 1 in bounds else 1
