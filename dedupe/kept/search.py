"""Find what an index has of some texts: documents that match as a whole, counted exactly, and passages they share.

    bands       the buckets of the texts, looked up: candidates that resemble them
    seeds       their winnowed windows, looked up: candidates that contain them or stand in them, and shared passages
    count       candidates, best first, by their shingle sets: resemblance and containment both ways round
    extend      seeds of other documents, to the passages both have: dedupe.passages

Nothing is decided here, and nothing depends on how the index was made: only on the documents in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster.sets import shingle_sets
from dedupe.config import Config
from dedupe.corpus.memory import Sketches
from dedupe.hashing import ranges
from dedupe.index import band_keys, choose_bands
from dedupe.kept.intake import band_row_keys, seed_rows
from dedupe.kept.view import View
from dedupe.passages import PairPassages, Pairs, Passage, choose_passages, passages_of_pairs
from dedupe.records import Flags, Offsets

MAX_IN_BUCKET = 64  # documents of a bucket that are looked at
MAX_WITH_SEED = 16  # and of a window; more have it where it is boilerplate
MAX_COUNTED = 64  # candidates of a text that are counted exactly, those with most buckets or seeds in common
_MAX_SOURCES = 16  # documents whose passages are looked for in one text
_MIN_SEEDS = 2  # fifty equal tokens have about nine
# An article of which 80 % of the shingles stand in a page shares about half of its windows of tokens with it.
_SEEDS_PER_CONTAINMENT = 0.3
_SLICE_SHINGLES = 1 << 23
_SLICE_SEEDS = 1 << 19  # extended at a time
_HALF = np.int64(32)


@dataclass(frozen=True, slots=True)
class Matches:
    """List documents of an index that match texts as a whole: one row a pair, best first for each text.

    `text`, `doc`: int64 (num_matches,). `resemblance`: |A & B| / |A | B|, `containment`: |A & B| / |A|,
    `kept_containment`: |A & B| / |B| with A the text and B the document; float64, 0-1, over distinct shingles.
    """

    text: Offsets
    doc: Offsets
    resemblance: NDArray[np.float64]
    containment: NDArray[np.float64]
    kept_containment: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.text)

    def take(self, rows: Offsets | Flags) -> Matches:
        return Matches(self.text[rows], self.doc[rows], self.resemblance[rows], self.containment[rows],
                       self.kept_containment[rows])


@dataclass(frozen=True, slots=True)
class SeedHits:
    """List seeds of texts that documents have, too: text, position, document, position there; all int64."""

    text: Offsets
    at: Offsets
    doc: Offsets
    doc_at: Offsets
    num_seeds: Offsets  # (num_texts,), different seeds of each text


def look_up_seeds(view: View, sketches: Sketches) -> SeedHits:
    """Find the seeds of all texts in the index."""
    seed, owner, at, num_seeds = seed_rows(sketches.shingles, sketches.shingle_start)
    keys, inverse = np.unique(seed, return_inverse=True)
    hits = view.find("seeds", keys, ("at",), MAX_WITH_SEED)
    row, hit = _join(inverse.ravel(), hits.key, len(keys))
    return SeedHits(owner[row], at[row], hits.doc[hit], hits.columns[0][hit].astype(np.int64), num_seeds)


def _join(key_of_row: Offsets, hit_key: Offsets, num_keys: int) -> tuple[Offsets, Offsets]:
    """Pair rows with hits of the same key; `hit_key` ascends. Returns positions of both."""
    begins = np.searchsorted(hit_key, np.arange(num_keys + 1))
    sizes = (begins[1:] - begins[:-1])[key_of_row]
    return np.repeat(np.arange(len(key_of_row)), sizes), ranges(begins[:-1][key_of_row], sizes)


def find_matches(
    view: View, sketches: Sketches, config: Config, seeds: SeedHits | None, *, both_ways: bool = True
) -> Matches:
    """Find the documents that resemble a text, contain it or (`both_ways`) stand in it, as much as `config` asks.

    `seeds`: as `look_up_seeds` gives them; None finds only what resembles.
    """
    text, doc, shared = _bucket_pairs(view, sketches, config)
    if seeds is not None:
        others = _seed_pairs(view, seeds, config.min_containment, both_ways)
        text, doc, shared = (np.concatenate(pair) for pair in zip((text, doc, shared), others, strict=True))
    text, doc = _best(view, text, doc, shared)
    found = _counted(view, sketches, text, doc)
    matches: Flags = found.resemblance >= config.min_resemblance
    if seeds is not None:
        matches |= found.containment >= config.min_containment
        if both_ways:
            matches |= found.kept_containment >= config.min_containment
    return _sorted(view, found.take(matches))


def _bucket_pairs(view: View, sketches: Sketches, config: Config) -> tuple[Offsets, Offsets, Offsets]:
    """Pair texts with documents in the same buckets, and count these."""
    bands, rows = choose_bands(config.min_resemblance, config.num_perm)
    texts = np.flatnonzero(np.diff(sketches.shingle_start))
    keys = np.stack([band_keys(sketches.signatures, texts, band, rows) for band in range(bands)], axis=1)
    distinct, inverse = np.unique(band_row_keys(keys), return_inverse=True)
    hits = view.find("bands", distinct, (), MAX_IN_BUCKET)
    row, hit = _join(inverse.ravel(), hits.key, len(distinct))
    pair, shared = np.unique((texts[row // bands] << _HALF) | hits.doc[hit], return_counts=True)
    return pair >> _HALF, pair & 0xFFFFFFFF, shared.astype(np.int64)


def _seed_pairs(
    view: View, seeds: SeedHits, min_containment: float, both_ways: bool
) -> tuple[Offsets, Offsets, Offsets]:
    """Pair texts with documents that have enough of their seeds, or the other way round."""
    order = np.lexsort((seeds.at, seeds.doc, seeds.text))
    pair = (seeds.text[order] << _HALF) | seeds.doc[order]
    is_new = np.ones(len(pair), np.bool_)
    is_new[1:] = (pair[1:] != pair[:-1]) | (seeds.at[order][1:] != seeds.at[order][:-1])
    pair, shared = np.unique(pair[is_new], return_counts=True)
    text, doc = pair >> _HALF, pair & 0xFFFFFFFF
    asked = seeds.num_seeds[text]
    if both_ways:
        asked = np.minimum(asked, view.num_seeds[doc])
    enough = shared >= np.maximum(1, np.floor(asked * min_containment * _SEEDS_PER_CONTAINMENT))
    return text[enough], doc[enough], shared[enough].astype(np.int64)


def _best(view: View, text: Offsets, doc: Offsets, shared: Offsets) -> tuple[Offsets, Offsets]:
    """Choose the candidates of each text that share most; those that share as much by place."""
    pair, owner = np.unique((text << _HALF) | doc, return_inverse=True)
    most = np.zeros(len(pair), np.int64)
    np.maximum.at(most, owner.ravel(), shared)
    text, doc = pair >> _HALF, pair & 0xFFFFFFFF
    order = np.lexsort((view.place[doc], -most, text))
    text, doc = text[order], doc[order]
    rank = np.arange(len(text)) - np.searchsorted(text, text)
    return text[rank < MAX_COUNTED], doc[rank < MAX_COUNTED]


def _counted(view: View, sketches: Sketches, text: Offsets, doc: Offsets) -> Matches:
    """Count pairs exactly, some at a time."""
    sizes = np.cumsum(view.num_shingles[doc] + np.diff(sketches.shingle_start)[text])
    parts = []
    for part in np.split(np.arange(len(text)), np.flatnonzero(np.diff(sizes // _SLICE_SHINGLES)) + 1):
        parts.append(_counted_part(view, sketches, text[part], doc[part]))
    columns = ([getattr(part, name) for part in parts] for name in ("resemblance", "containment", "kept_containment"))
    return Matches(text, doc, *(np.concatenate(column) for column in columns))


def _counted_part(view: View, sketches: Sketches, text: Offsets, doc: Offsets) -> Matches:
    texts, left = np.unique(text, return_inverse=True)
    docs, right = np.unique(doc, return_inverse=True)
    held, held_start = view.shingles(docs)
    own_sizes = np.diff(sketches.shingle_start)[texts]
    own = sketches.shingles[ranges(sketches.shingle_start[texts], own_sizes)]
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(own_sizes)])
    sets = shingle_sets(
        np.concatenate([own, held]), np.concatenate([start, start[-1] + held_start[1:]]),
        np.arange(len(texts) + len(docs)),
    )
    left, right = left.ravel(), right.ravel() + len(texts)
    overlap = sets.overlaps(left, right)
    one, two = sets.sizes[left], sets.sizes[right]
    return Matches(text, doc, overlap / np.maximum(1, one + two - overlap), overlap / np.maximum(1, one),
                   overlap / np.maximum(1, two))


def _sorted(view: View, found: Matches) -> Matches:
    return found.take(np.lexsort((view.place[found.doc], -found.containment, -found.resemblance, found.text)))


def find_passages(
    view: View, sketches: Sketches, seeds: SeedHits, told: Matches, min_tokens: int
) -> list[tuple[int, int, Passage]]:
    """Find passages that texts share with documents: text, document, passage; by text and position.

    `told`: documents that match a text as a whole are not told again.
    """
    pair = (seeds.text << _HALF) | seeds.doc
    rows = np.flatnonzero(~np.isin(pair, (told.text << _HALF) | told.doc))
    order = rows[np.lexsort((seeds.doc_at[rows], seeds.at[rows], pair[rows]))]
    pair = pair[order]
    begins = np.flatnonzero(np.concatenate([np.ones(min(1, len(pair)), np.bool_), pair[1:] != pair[:-1]]))
    sizes = np.diff(np.append(begins, len(pair)))
    begins, sizes = begins[sizes >= _MIN_SEEDS], sizes[sizes >= _MIN_SEEDS]
    text, doc = pair[begins] >> _HALF, pair[begins] & 0xFFFFFFFF
    best = np.lexsort((view.place[doc], -sizes, text))
    best = best[np.arange(len(best)) - np.searchsorted(text[best], text[best]) < _MAX_SOURCES]
    begins, sizes, text, doc = begins[best], sizes[best], text[best], doc[best]
    found: dict[int, list[tuple[int, int, Passage]]] = {}
    for part in np.split(np.arange(len(text)), np.flatnonzero(np.diff(np.cumsum(sizes) // _SLICE_SEEDS)) + 1):
        rows = order[ranges(begins[part], sizes[part])]
        passages = _extended(view, sketches, seeds, rows, sizes[part], text[part], doc[part], min_tokens)
        at = part[passages.pair]
        for number, other, place, passage in zip(
            text[at].tolist(), doc[at].tolist(), view.place[doc[at]].tolist(), passages.passages(), strict=True
        ):
            found.setdefault(number, []).append((place, other, passage))
    return [(number, other, passage) for number in sorted(found)
            for _, other, passage in choose_passages(found[number])]


def _extended(
    view: View, sketches: Sketches, seeds: SeedHits, rows: Offsets, sizes: Offsets, text: Offsets, doc: Offsets,
    min_tokens: int,
) -> PairPassages:
    """Extend seeds to passages, all pairs of `text` and `doc` at once; `rows`: their seeds, `sizes`: of each."""
    docs, of_doc = np.unique(doc, return_inverse=True)
    held, start = view.shingles(docs)
    own = sketches.shingle_start
    pairs = Pairs(
        np.concatenate([sketches.shingles, held]), own[text], own[text + 1] - own[text],
        own[-1] + start[of_doc.ravel()], view.num_shingles[doc],
    )
    return passages_of_pairs(
        pairs, np.repeat(np.arange(len(text)), sizes), seeds.at[rows], seeds.doc_at[rows], min_tokens
    )
