"""Put removals back, so that the original comes out byte for byte, or refuse with the reason.

Every check comes before a byte is handed out: the cleaned text's hash, the removals' places, the original's hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

from dedupe.errors import InputError, LedgerMismatchError
from dedupe.records import Removal


def restore(
    cleaned: bytes,
    removals: Iterable[Removal],
    sha256_after: str,
    sha256_before: str,
    only_ids: Collection[str] | None = None,
    name: str = "the cleaned text",
) -> bytes:
    """Give the original back, or with `only_ids` the cleaned text with these removals put back.

    `sha256_after` is of the cleaned text, `sha256_before` of the original, as the ledger's doc line has them;
    both are checked either way. A text that is the original already comes back as it is. `name` stands for the
    file in messages.

    Raises: LedgerMismatchError: the text was changed since, or the ledger is of another file or was edited.
        InputError: `only_ids` has an id that is not among the removals.

    >>> from dedupe.records import Place
    >>> gone = Removal("r1", Place("a", (2, 4), (2, 4), (2, 3)), "cue", 1.0, (), True, "", "b\\n", b"b\\n", 1, 0, 2, 2)
    >>> before, after = (hashlib.sha256(text).hexdigest() for text in (b"a\\nb\\n", b"a\\n"))
    >>> restore(b"a\\n", [gone], after, before)
    b'a\\nb\\n'
    """
    found = hashlib.sha256(cleaned).hexdigest()
    if only_ids is None and found == sha256_before:
        return cleaned
    ordered = sorted((item for item in removals if item.removed), key=lambda item: item.place.byte)
    wanted = _wanted(ordered, only_ids, name)
    if found != sha256_after:
        raise LedgerMismatchError(
            f"{name}: is not the text that was written: its SHA-256 is {found[:12]}…, the ledger says "
            f"{sha256_after[:12]}…; use the cleaned file as it was written, and the ledger of the same run"
        )
    original = _spliced(cleaned, ordered, name)
    found = hashlib.sha256(original).hexdigest()
    if found != sha256_before:
        raise LedgerMismatchError(
            f"{name}: the removals do not give the original: the SHA-256 would be {found[:12]}…, the ledger says "
            f"{sha256_before[:12]}…; the ledger was edited or is of another file, use the one of this run"
        )
    if wanted is None:
        return original
    return _joined(cleaned, [item for item in ordered if item.id in wanted])


def _wanted(removals: list[Removal], only_ids: Collection[str] | None, name: str) -> frozenset[str] | None:
    if only_ids is None:
        return None
    unknown = sorted(set(only_ids) - {item.id for item in removals})
    if unknown:
        raise InputError(f"{name}: has no removal {unknown[0]!r}; take one of the {len(removals)} ids of dedupe report")
    return frozenset(only_ids)


def _spliced(cleaned: bytes, removals: list[Removal], name: str) -> bytes:
    """Put all removals back, checking that each lands on the bytes of the original the ledger gives for it."""
    shift = 0
    for item in removals:
        start, end = item.place.byte
        if start != item.output_byte + shift or end - start != len(item.raw) or item.output_byte > len(cleaned):
            raise LedgerMismatchError(
                f"{name}: removal {item.id} does not fit: it should fill bytes {start} to {end} and would fill "
                f"{item.output_byte + shift} to {item.output_byte + shift + len(item.raw)}; "
                "the ledger was edited or is of another file, use the one of this run"
            )
        shift += len(item.raw)
    return _joined(cleaned, removals)


def _joined(cleaned: bytes, removals: list[Removal]) -> bytes:
    parts, done = list[bytes](), 0
    for item in removals:
        parts += (cleaned[done : item.output_byte], item.raw)
        done = item.output_byte
    parts.append(cleaned[done:])
    return b"".join(parts)
