"""Offer near-duplicate search to Python programs: `near_duplicates`, `signatures`, `to_datasketch`.

Texts may come as a list, a generator, a column of pandas, polars or pyarrow, or a column of a Hugging Face data
set: anything that gives one text after another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dedupe.config import check_fraction, check_whole
from dedupe.errors import InputError
from dedupe.records import Document
from dedupe.sketch import to_datasketch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Member", "NearDuplicates", "near_duplicates", "signatures", "to_datasketch"]


@dataclass(frozen=True, slots=True)
class Member:
    """Name a document that goes for its keeper: its number in the input, and what both share, counted exactly.

    `resemblance`: |A & B| / |A | B|, `containment`: |A & B| / |A| with A this document; word 5-shingles, 0-1.
    """

    index: int
    resemblance: float
    containment: float


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Hold one cluster: the number of the keeper in the input, and the members that go for it."""

    keeper: int
    members: tuple[Member, ...]


def near_duplicates(
    texts: Iterable[str | bytes | Document],
    min_resemblance: float = 0.8,
    *,
    min_containment: float | None = None,
    keep: str | Sequence[float] = "longest",
    num_perm: int = 128,
    seed: int = 1,
) -> list[NearDuplicates]:
    """Find near-duplicate texts, each verified against the one that is kept for it.

    Args:
        texts: in the order that indexes refer to. Those of a generator are let go batch by batch, once they are many
            enough for compiled kernels; their shingles and signatures are held.
        min_resemblance: 0-1; texts that share this much of their word 5-shingles are near-duplicates.
        min_containment: 0-1; also a text of 50 tokens or more of which this much stands in a longer one. None: do
            not look.
        keep: "longest" or "first", or a number for each text; the largest is kept.

    Returns:
        Clusters ordered by keeper; texts without near-duplicates are in none.

    >>> one = "the river rose by two meters on monday the mayor of the town said after a long night"
    >>> near_duplicates([one, "something else", one.upper() + "!"])
    [NearDuplicates(keeper=0, members=(Member(index=2, resemblance=1.0, containment=1.0),))]
    """
    from dedupe.corpus.memory import find_clusters, sketch_all

    check_fraction("min_resemblance", min_resemblance)
    if min_containment is not None:
        check_fraction("min_containment", min_containment)
    _check_signatures(num_perm, seed)
    sketches = sketch_all(_texts(texts), num_perm, seed)
    ranks = _ranks(keep, len(sketches.content_hash))
    clusters = find_clusters(sketches, min_resemblance, min_containment, ranks)
    gone = np.flatnonzero(clusters.keeper != np.arange(len(clusters.keeper)))
    members: dict[int, list[Member]] = {}
    columns = (gone, clusters.keeper[gone], clusters.resemblance[gone], clusters.containment[gone])
    for index, keeper, resemblance, containment in zip(*(column.tolist() for column in columns), strict=True):
        members.setdefault(keeper, []).append(Member(index, resemblance, containment))
    return [NearDuplicates(keeper, tuple(members[keeper])) for keeper in sorted(members)]


def signatures(
    texts: Iterable[str | bytes | Document], num_perm: int = 128, seed: int = 1
) -> NDArray[np.uint32]:
    """Compute the MinHash signatures of texts over word 5-shingles: uint32 (num_texts, num_perm).

    They are those of datasketch's scheme `affine32`; `to_datasketch` hands a row to that library. A text without a
    word has a row of 2**32 - 1.

    >>> signatures(["one two three four five six", "ONE two, three four five six!", ""], num_perm=2).tolist()[2]
    [4294967295, 4294967295]
    """
    from dedupe.corpus.memory import sign_all

    _check_signatures(num_perm, seed)
    return sign_all(_texts(texts), num_perm, seed)


def _check_signatures(num_perm: object, seed: object) -> None:
    check_whole("num_perm", num_perm, 1)
    check_whole("seed", seed, 0)


def _ranks(keep: str | Sequence[float], num_texts: int) -> NDArray[np.float64] | None:
    if keep == "longest":
        return None
    if isinstance(keep, str):
        if keep != "first":
            raise InputError(f'keep is {keep!r}; expected "longest", "first" or a number for each text')
        return np.zeros(num_texts)
    ranks = np.asarray(keep, np.float64)
    if ranks.shape != (num_texts,):
        raise InputError(f"keep has {ranks.size} numbers for {num_texts} texts; give one for each")
    return ranks


def _texts(texts: Iterable[Any]) -> Iterator[str | bytes]:
    """Take texts out of documents and of Arrow's scalars."""
    if isinstance(texts, str | bytes | Mapping | Document):
        raise InputError("one text was given in place of many; expected a list or another iterable of texts")
    try:
        numbered = enumerate(texts)
    except TypeError:
        raise InputError(f"texts is {type(texts).__name__}; expected a list or another iterable of texts") from None
    for number, text in numbered:
        if hasattr(text, "as_py"):
            text = text.as_py()
        if isinstance(text, Document):
            text = text.utf8
        if not isinstance(text, str | bytes):
            raise InputError(f"text {number} is {type(text).__name__}; expected str, bytes or Document")
        yield text
