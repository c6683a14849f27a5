"""Write artefacts of documents that are given as shingles, as `prepare` leaves them for texts."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet as parquet

from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.index import band_keys, choose_bands
from dedupe.sketch import signatures


def write_artefacts(folder: Path, docs: list[np.ndarray], num_lots: int, config: Config | None = None) -> Artefacts:
    """Cut documents into lots; equal shingles in equal order are the same content, and ties end by number."""
    config = config or Config()
    folder.mkdir(parents=True)
    num_bands, num_rows = choose_bands(config.min_resemblance, config.num_perm)
    names = [f"{number:05}" for number in range(num_lots)]
    for name, numbers in zip(names, np.array_split(np.arange(len(docs)), num_lots), strict=True):
        held = [np.asarray(docs[number], np.uint32) for number in numbers.tolist()]
        sizes = np.array([len(each) for each in held], np.int64)
        shingles = np.concatenate([np.empty(0, np.uint32), *held])
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        rows = signatures(shingles, start, config.num_perm, config.seed, fast=False)
        content = [int.from_bytes(blake2b(each.tobytes(), digest_size=8).digest()) for each in held]
        parquet.write_table(pyarrow.table({
            "tie": pyarrow.array(numbers.astype(np.uint64)), "rank": pyarrow.array(sizes.astype(np.float64)),
            "content": pyarrow.array(content, pyarrow.uint64()), "num_shingles": pyarrow.array(sizes),
        }), folder / f"{name}.docs.parquet")  # fmt: skip
        keys = {f"{band:03}": band_keys(rows, np.arange(len(held)), band, num_rows) for band in range(num_bands)}
        parquet.write_table(pyarrow.table(keys), folder / f"{name}.bands.parquet")
        shingles.tofile(folder / f"{name}.shingles")
        np.ascontiguousarray(rows).tofile(folder / f"{name}.signatures")
    return Artefacts.gathered(folder, names, config.num_perm)


def family(chance: np.random.Generator, size: int, num_docs: int, most_changed: float) -> list[np.ndarray]:
    """Make documents that share all but up to a part of their shingles with one root."""
    root = chance.integers(0, 1 << 32, size, dtype=np.uint32)
    docs = []
    for _ in range(num_docs):
        doc = root.copy()
        changed = chance.integers(0, round(size * most_changed) + 1)
        doc[chance.choice(size, changed, replace=False)] = chance.integers(0, 1 << 32, changed, dtype=np.uint32)
        docs.append(doc)
    return docs


def chain(chance: np.random.Generator, num_docs: int, size: int = 100, step: int = 10) -> list[np.ndarray]:
    """Make documents each of which is like the next and unlike those further on, in mixed order."""
    values = chance.integers(0, 1 << 32, size + step * num_docs, dtype=np.uint32)
    docs = [values[step * number:step * number + size] for number in range(num_docs)]
    return [docs[at] for at in chance.permutation(num_docs)]


def mixed(seed: int) -> list[np.ndarray]:
    """Make families, chains, cliques, exact copies, documents inside longer ones, and ones without shingles."""
    chance = np.random.default_rng(seed)
    docs: list[np.ndarray] = [np.empty(0, np.uint32), np.empty(0, np.uint32), np.array([7], np.uint32)]
    for _ in range(12):
        docs += family(chance, int(chance.integers(20, 200)), int(chance.integers(1, 9)), 0.3)
    docs += chain(chance, 40)
    docs += family(chance, 90, 40, 0.02)
    docs += [docs[5]] * 9
    for _ in range(12):
        inner = docs[int(chance.integers(3, len(docs)))]
        docs.append(np.concatenate([inner, chance.integers(0, 1 << 32, 300, dtype=np.uint32)]))
    return [docs[at] for at in chance.permutation(len(docs))]
