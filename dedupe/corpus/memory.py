"""Find near-duplicates among texts at hand, in memory: the plain order of the stages."""

from __future__ import annotations

from codecs import utf_16_le_encode
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster import Clusters, Criteria, exact_copies, keeper_order, near_duplicate_clusters, representatives
from dedupe.hashing import mix
from dedupe.index import band_buckets, choose_bands, containment_candidates
from dedupe.kernels import worthwhile
from dedupe.pieces import pieces
from dedupe.records import Flags, Hashes, Offsets, Texts, Tokens
from dedupe.shingle import shingles_of_tokens, stream_hashes
from dedupe.sketch import signatures
from dedupe.tokens import goes_by_codes, hash_tokens

_NUMPY_BATCH = 1 << 20  # characters; the arrays between the stages stay in the cache
_FAST_BATCH = 1 << 22  # a batch's memory is used again; 64 M took a sixth more time, for fresh pages
_BYTES_PER_SHINGLE = 6  # of English text


@dataclass(frozen=True, slots=True)
class Sketches:
    """Hold what near-duplicate search needs of some texts; see `dedupe.kernels.fused.Sketched`."""

    shingles: NDArray[np.uint32]
    shingle_start: Offsets
    content_hash: Hashes
    signatures: NDArray[np.uint32]


def sketch(texts: Texts, num_perm: int = 128, seed: int = 1, *, fast: bool) -> Sketches:
    """Sketch a batch of texts: in one compiled pass, or by NumPy, step by step; the same bits."""
    return _compiled(texts, None, num_perm, seed) if fast else _by_numpy(texts, {}, num_perm, seed)


def _compiled(texts: Texts, is_wide: Flags | None, num_perm: int, seed: int) -> Sketches:
    from dedupe.kernels.fused import sketch_texts

    found = sketch_texts(texts, num_perm, seed, is_wide)
    # the kernel's array has room for as many as there could be
    return Sketches(found.shingles.copy(), found.shingle_start, found.content_hash, found.signatures)


def _by_numpy(texts: Texts, strings: dict[int, str], num_perm: int, seed: int) -> Sketches:
    tokens, shingles, start = _shingled(texts, strings)
    return Sketches(shingles, start, stream_hashes(tokens), signatures(shingles, start, num_perm, seed, fast=False))


def _shingled(texts: Texts, strings: dict[int, str]) -> tuple[Tokens, NDArray[np.uint32], Offsets]:
    """Hash tokens and shingles by NumPy: tokens, shingles, and where those of each text begin."""
    tokens = hash_tokens(texts, strings)
    return tokens, *shingles_of_tokens(mix(tokens.sums), tokens.doc_start)


def sketch_all(texts: Iterable[str | bytes], num_perm: int = 128, seed: int = 1) -> Sketches:
    """Sketch texts in batches, which are let go one by one; lone surrogates stay what they are."""
    fast, batches = _batches(texts)
    parts = list(map(partial(_sketched, num_perm=num_perm, seed=seed, fast=fast), batches))
    if len(parts) == 1:
        return parts[0]
    sizes = [np.diff(part.shingle_start) for part in parts]
    return Sketches(
        np.concatenate([np.empty(0, np.uint32), *(part.shingles for part in parts)]),
        np.concatenate([np.zeros(1, np.int64), *sizes]).cumsum(),
        np.concatenate([np.empty(0, np.uint64), *(part.content_hash for part in parts)]),
        np.concatenate([np.empty((0, num_perm), np.uint32), *(part.signatures for part in parts)]),
    )


def _sketched(batch: list[str | bytes], num_perm: int, seed: int, fast: bool) -> Sketches:
    if fast:
        return _compiled(*_units(batch), num_perm, seed)
    return _by_numpy(*_bytes(batch), num_perm, seed)


def sign_all(texts: Iterable[str | bytes], num_perm: int = 128, seed: int = 1) -> NDArray[np.uint32]:
    """Make the signatures of `sketch_all` alone; uint32 (num_texts, num_perm)."""
    fast, batches = _batches(texts)
    rows = [np.empty((0, num_perm), np.uint32)]
    for batch in batches:
        if fast:
            rows.append(_compiled(*_units(batch), num_perm, seed).signatures)
        else:
            _, shingles, start = _shingled(*_bytes(batch))
            rows.append(signatures(shingles, start, num_perm, seed, fast=False))
    return np.concatenate(rows)


def _batches(texts: Iterable[str | bytes]) -> tuple[bool, Iterator[list[str | bytes]]]:
    """Say whether compiled kernels are worthwhile for texts, and make batches of them.

    Texts are held until that is known, and no longer.
    """
    rest, held, size = iter(texts), deque[list[str | bytes]](), 0
    batches = pieces(rest, len, _NUMPY_BATCH)
    while not worthwhile(size // _BYTES_PER_SHINGLE):
        batch = next(batches, None)
        if batch is None:
            return False, _let_go(held)
        held.append(batch)
        size += sum(map(len, batch))
    return True, chain(_let_go(held), pieces(rest, len, _FAST_BATCH))


def _let_go(held: deque[list[str | bytes]]) -> Iterator[list[str | bytes]]:
    while held:
        yield held.popleft()


def _bytes(texts: list[str | bytes]) -> tuple[Texts, dict[int, str]]:
    """Encode texts for NumPy as UTF-8, but for those whose characters are looked up one by one; these as they are."""
    encoded, strings = list[bytes](), dict[int, str]()
    for number, text in enumerate(texts):
        if isinstance(text, bytes):
            encoded.append(text)
        elif text.isascii() or not goes_by_codes(text):
            encoded.append(_utf8(text))
        else:
            encoded.append(b"")
            strings[number] = text
    return Texts.of(encoded), strings


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:  # lone surrogates; to be ready for them makes the encoding of all texts slower
        return text.encode("utf-8", "surrogatepass")


def _units(texts: list[str | bytes]) -> tuple[Texts, Flags]:
    """Encode texts for the compiled pass, each as is quickest, and say which are UTF-16: strings beyond ASCII."""
    encoded, wide = list[bytes](), list[int]()
    for number, text in enumerate(texts):
        if isinstance(text, bytes):
            encoded.append(text)
        elif text.isascii():
            encoded.append(text.encode())
        else:
            try:
                encoded.append(utf_16_le_encode(text)[0])
                wide.append(number)
            except UnicodeEncodeError:  # lone surrogates, which must not become pairs
                encoded.append(text.encode("utf-8", "surrogatepass"))
    is_wide = np.zeros(len(texts), np.bool_)
    is_wide[wide] = True
    return Texts.of(encoded), is_wide


def find_clusters(
    sketches: Sketches, min_resemblance: float, min_containment: float | None, ranks: NDArray[np.float64] | None = None
) -> Clusters:
    """Find the keeper of every text: the longest of those that match, or the one with the highest rank."""
    start = sketches.shingle_start
    num_docs = len(start) - 1
    key = np.diff(start) if ranks is None else ranks
    order = keeper_order(np.arange(num_docs), key)
    stands = exact_copies(sketches.content_hash, start, order, sketches.signatures)
    docs = representatives(stands, start, order)
    criteria = Criteria(min_resemblance=min_resemblance, min_containment=min_containment)
    buckets = band_buckets(sketches.signatures, docs, *choose_bands(min_resemblance, sketches.signatures.shape[1]))

    def settle(inner: Offsets | None, outer: Offsets | None) -> Clusters:
        return near_duplicate_clusters(
            sketches.shingles, start, sketches.signatures, docs, buckets.start, buckets.docs,
            criteria=criteria, stands=stands, inner=inner, outer=outer,
        )

    found = settle(None, None)
    if min_containment is None:
        return found
    keepers = docs[found.keeper[docs] == docs]
    pairs = containment_candidates(sketches.shingles, start, docs, keepers, min_containment)
    return settle(pairs.inner, pairs.outer) if len(pairs) else found
