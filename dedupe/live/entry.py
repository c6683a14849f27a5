"""Turn documents into what stores keep: an id, a set of shingle hashes, and the buckets of a signature.

A document's shingles travel as bytes that are checked and never executed: eight bytes of mark and CRC-32, then the
hashes as little-endian uint32, ascending and distinct.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dedupe.config import check_fraction, check_whole
from dedupe.errors import InputError
from dedupe.index import choose_bands

Shingles = NDArray[np.uint32]

MAX_ID_BYTES = 4096  # an id stands in every bucket of its document
_MARK = b"dsh1"
_HEAD_BYTES = len(_MARK) + 4


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold a document: its id, distinct shingle hashes in ascending order, and signature, uint32 (num_perm,)."""

    id: str
    shingles: Shingles
    signature: NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Name the settings that all who use one store must share; `bands` buckets of `rows` values each."""

    min_resemblance: float
    num_perm: int
    seed: int
    bands: int
    rows: int

    @classmethod
    def of(cls, min_resemblance: float, num_perm: int, seed: int) -> Setup:
        """Choose the bands as the batch engine does, but never fewer than two, as datasketch asks for.

        >>> Setup.of(0.8, 128, 1).bands, Setup.of(1.0, 128, 1).rows
        (21, 64)
        """
        check_fraction("min_resemblance", min_resemblance)
        check_whole("num_perm", num_perm, 2)
        check_whole("seed", seed, 0)
        bands, rows = choose_bands(min_resemblance, num_perm)
        if bands < 2:
            bands, rows = 2, num_perm // 2
        return cls(min_resemblance=min_resemblance, num_perm=num_perm, seed=seed, bands=bands, rows=rows)

    def buckets(self, signature: NDArray[np.uint32]) -> list[bytes]:
        """Cut a signature into its bands: the bytes datasketch makes of them, the least 32 bits last.

        >>> Setup(min_resemblance=0.8, num_perm=3, seed=1, bands=2, rows=1).buckets(np.array([1, 258, 9], np.uint32))
        [b'\\x00\\x00\\x00\\x01', b'\\x00\\x00\\x01\\x02']
        """
        values, size = signature.astype(">u4").tobytes(), 4 * self.rows
        return [values[band * size : (band + 1) * size] for band in range(self.bands)]


def check_id(doc_id: object) -> str:
    """Return an id that can be stored.

    Raises:
        InputError: it is no text, is empty, or is longer than `MAX_ID_BYTES` in UTF-8.
    """
    if not isinstance(doc_id, str):
        raise InputError(f"id {shown(doc_id)} is {type(doc_id).__name__}; expected str")
    size = len(encode_id(doc_id))
    if not 0 < size <= MAX_ID_BYTES:
        raise InputError(f"id {shown(doc_id)} has {size:,} bytes; expected 1 to {MAX_ID_BYTES:,}")
    return doc_id


def shown(value: object) -> str:
    """Show a value in a message: in ASCII, cut where it is long."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def check_same(entry: Entry, known: Shingles) -> None:
    """Make sure that an id which is in the index comes with the same shingles.

    Raises:
        InputError: it does not.
    """
    if not np.array_equal(known, entry.shingles):
        raise InputError(f"id {shown(entry.id)} is in the index with another text; remove it before inserting it anew")


def encode_id(doc_id: str) -> bytes:
    """Write an id as UTF-8; lone surrogates stay what they are."""
    return doc_id.encode("utf-8", "surrogatepass")


def decode_id(stored: bytes) -> str:
    """Read an id.

    Raises:
        UnicodeDecodeError: the bytes are none.
    """
    return stored.decode("utf-8", "surrogatepass")


def pack(shingles: Shingles) -> bytes:
    """Write distinct ascending shingle hashes as bytes.

    >>> pack(np.array([1, 258], np.uint32)).hex(" ", 4)
    '64736831 4b7d4302 01000000 02010000'
    """
    values = shingles.astype("<u4").tobytes()
    return _MARK + zlib.crc32(values).to_bytes(4, "little") + values


def unpack(stored: object) -> Shingles:
    """Read the bytes `pack` wrote.

    Raises:
        ValueError: they are not such bytes; says what is wrong with them.
    """
    if not isinstance(stored, bytes) or stored[: len(_MARK)] != _MARK or len(stored) < _HEAD_BYTES:
        raise ValueError("it does not begin as shingles do")
    values = stored[_HEAD_BYTES:]
    if len(values) % 4 or zlib.crc32(values) != int.from_bytes(stored[len(_MARK) : _HEAD_BYTES], "little"):
        raise ValueError("its check sum is wrong")
    shingles = np.frombuffer(values, "<u4").astype(np.uint32, copy=False)
    if (shingles[1:] <= shingles[:-1]).any():
        raise ValueError("its shingles are not in order")
    return shingles
