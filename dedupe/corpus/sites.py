"""Say which site a document is from: the site field, else the registrable domain of its address, else its folder."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache

from dedupe.hosts import registrable
from dedupe.records import Document


def site_of(document: Document, *, is_named: bool) -> str | None:
    """Name the site of a document; None for a record of which nothing is known.

    `is_named`: the record has a site field, whose value stands in `document.host`.
    """
    if document.host is not None:
        return document.host if is_named else registrable(document.host)
    return os.path.dirname(document.uri) or "." if document.record is None else None


@lru_cache(maxsize=1 << 16)
def site_key(site: str | None) -> int:
    """Give a site a 64-bit number, 0 for none."""
    if site is None:
        return 0
    digest = hashlib.blake2b(site.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1
