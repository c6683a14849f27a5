"""See texts as a reader of the page would: what Markdown links and HTML tags add is no text.

Converters of whole pages write `[Home](https://example.org/a-long-address)` for "Home". Its address has more
letters and words than its text, so whatever is measured on it describes the address.
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from dedupe.records import Bytes, Offsets, Texts

_SIGNS = (b"](", b"][", b"(http", b"(mailto:", b"(//", b"<")  # no form below is without one of these
_FORMS = re.compile(
    rb"\]\(\s{0,3}(?:<[^<>\n\0]*+>|(?:[^()\s\0]|\([^()\s\0]*+\))*+)(?:\s{1,3}\"[^\"\n\0]{0,300}+\")?+\s{0,3}\)"
    rb"|\]\[[^\[\]\s\0]{0,40}+\]"
    rb"|\((?:https?:|mailto:|//)[^()\s\0]*+(?:\n[ \t]*+[^()\s\0]++){0,8}+\)"
    rb"|<[a-zA-Z/!][^<>\0]{0,2000}+>"
)
_MAX_TEXT_BYTES = 400
_LINK = b"]("  # what is left of an address, so that links can still be counted


def without_links(texts: Texts) -> Texts:
    """Blank the addresses of links, the brackets around their texts, and tags with NULs; all other bytes stay.

    Gives `texts` itself where it has none of them.

    >>> without_links(Texts.of([b"- [Home](/index) <b>now</b>"])).data.tobytes()
    b'- \\x00Home](\\x00\\x00\\x00\\x00\\x00\\x00\\x00 \\x00\\x00\\x00now\\x00\\x00\\x00\\x00'
    """
    raw = texts.data.tobytes()
    if b"<" not in raw and not (_may_hold_signs(texts.data) and any(sign in raw for sign in _SIGNS)):
        return texts
    pieces = [_blanked(raw[start:end]) for start, end in pairwise(texts.offsets.tolist())]
    return Texts(np.frombuffer(b"".join(pieces), np.uint8), texts.offsets)


def _may_hold_signs(data: Bytes) -> bool:
    """Look for two bytes of a sign, which is faster than looking for all of it; most texts have none."""
    after = data[1:]
    pairs = ((0x5D, b"(["), (0x28, b"hm/"))
    return any((after[data[:-1] == first] == second).any() for first, seconds in pairs for second in seconds)


def _blanked(raw: bytes) -> bytes:
    plain = bytearray(raw)
    links: list[int] = []
    for found in _FORMS.finditer(raw):
        start, end = found.span()
        plain[start:end] = bytes(end - start)
        if raw[start] != 0x3C:
            plain[start:start + len(_LINK)] = _LINK
            links.append(start)
    for start in links:  # the bracket that opens the text of a link
        opens = plain.rfind(b"[", max(0, start - _MAX_TEXT_BYTES), start)
        if opens >= 0:
            plain[opens] = 0
            if opens and raw[opens - 1] == 0x21:
                plain[opens - 1] = 0
    return bytes(plain)


def trimmed(texts: Texts, start: Offsets, end: Offsets) -> tuple[Offsets, Offsets]:
    """Move the ends of spans inward over white space and NULs; spans of nothing else stay as they are."""
    ink = np.append(np.flatnonzero(texts.data > 0x20), len(texts.data))
    first, last = np.searchsorted(ink, start), np.searchsorted(ink, end) - 1
    has_ink = first <= last
    return np.where(has_ink, ink[first], start), np.where(has_ink, ink[last] + 1, end)
