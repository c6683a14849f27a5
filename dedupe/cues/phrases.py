"""Bring a phrase to the form in which it is compared, and look at the punctuation around it.

Everything here works on one short string in plain Python; `find` does the same for whole batches.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

NONE, WHOLE, STARTS, ENDS = range(4)
KINDS = ("", "whole", "starts", "ends")

# ASCII, Arabic-Indic, Persian, Devanagari and Thai digits in UTF-8; fullwidth ones are ASCII after NFKC.
_DIGIT_RUN = re.compile(rb"(?:[0-9]|\xd9[\xa0-\xa9]|\xdb[\xb0-\xb9]|\xe0\xa5[\xa6-\xaf]|\xe0\xb9[\x90-\x99])+")
_COLON = re.compile("[:\uff1a\ufe13\ufe55\u2236\ua789]")
# Scripts without spaces between words, where each character counts as a token.
_WIDE = "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3031-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
_SENTENCE_MARKS = frozenset(".!?\u3002\uff01\uff1f\uff0e\uff61\u061f\u06d4\u0964\u0965\u203c\u2047\u2048\u2049")
_CLOSING_CATEGORIES = frozenset(("Pe", "Pf", "Pi", "Zs", "Cf", "Cc"))
_TAIL_BYTES = 64


def canonical(text: str) -> str:
    """Return the canonical stream of `text`: NFKC and casefold, then letters, digits and marks only.

    >>> canonical("Also read:"), canonical("Ｆoto — © dpa")
    ('alsoread', 'fotodpa')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(filter(_is_kept, folded))


def _is_kept(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNM" and not "\ufe00" <= char <= "\ufe0f"


def mask_digits(stream: bytes) -> bytes:
    """Replace each run of digits in UTF-8 `stream` by one ``0``.

    >>> mask_digits(b"12comments"), mask_digits("۱۲ديدگاه".encode()).decode()
    (b'0comments', '0ديدگاه')
    """
    return _DIGIT_RUN.sub(b"0", stream)


def stream_of(phrase: str) -> bytes:
    """Return the masked canonical stream of a phrase as UTF-8 bytes."""
    return mask_digits(canonical(phrase).encode())


def num_tokens(phrase: str) -> int:
    """Count the tokens of a phrase: runs of letters, digits and marks, or single wide characters.

    >>> num_tokens("Don't miss: 12,000"), num_tokens("相关阅读")
    (5, 4)
    """
    words = "".join(char if _is_kept(char) else " " for char in unicodedata.normalize("NFKC", phrase))
    return len(re.sub(_WIDE, " x ", words).split())


def ends_in_colon(phrase: str) -> bool:
    """Tell whether a phrase of the lists asks for a colon behind it.

    >>> ends_in_colon("Also read:"), ends_in_colon("相关阅读："), ends_in_colon("Also read")
    (True, True, False)
    """
    return bool(phrase) and _COLON.match(phrase.rstrip()[-1:]) is not None


@lru_cache(maxsize=1 << 10)  # "Also read:" stands in many documents, and many times in some
def colon_follows(block: bytes, stream: bytes) -> bool:
    """Tell whether `block` (UTF-8) opens with the phrase of masked canonical `stream` and then a colon.

    Punctuation and space may stand between them ("**Also read** :"). Only the first
    4 × len(stream) + 64 bytes are looked at, so that a block of a million colons costs nothing.

    >>> colon_follows(b"Also read: bees", b"alsoread"), colon_follows(b"Also read bees: a", b"alsoread")
    (True, False)
    """
    opening = block[: 4 * len(stream) + 64].decode("utf-8", "replace")
    for colon in _COLON.finditer(opening):
        before = stream_of(opening[: colon.start()])
        if before == stream:
            return True
        if len(before) > len(stream):
            return False
    return False


def stands_exactly(block: bytes, phrase: str, *, alone: bool) -> bool:
    """Tell whether `block` (UTF-8) opens with `phrase`, marks and spaces counted, letters of either case, 0 any number.

    `alone`: nothing may stand behind it. Looks at 256 bytes.

    >>> [stands_exactly(text, "(c) 0", alone=False) for text in (b"(C) 2026 The Bee", b"C-130 lands", b"c 4")]
    [True, False, False]
    """
    pattern = _exact_pattern(phrase)
    opening = block[:256].decode("utf-8", "replace").casefold()
    return (pattern.fullmatch(opening) if alone else pattern.match(opening)) is not None


@lru_cache(maxsize=1 << 8)
def _exact_pattern(phrase: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"(?<!\d)0(?!\d)", r"\\d+", re.escape(phrase.casefold())))


def reads_as_sentence(block: bytes) -> bool:
    """Tell whether `block` (UTF-8) ends like a sentence: a final mark that is no ellipsis or initial.

    Closing quotes, brackets and spaces behind the mark are passed over. Looks at 64 bytes at most.

    >>> [reads_as_sentence(text) for text in (b'He "left."', b"Read on...", b"5:30 p.m.", b"Read more")]
    [True, False, False, False]
    """
    tail = block[-_TAIL_BYTES:].decode("utf-8", "replace").rstrip("\"'»” ")
    while tail and unicodedata.category(tail[-1]) in _CLOSING_CATEGORIES:
        tail = tail[:-1].rstrip("\"' ")
    if not tail or tail[-1] not in _SENTENCE_MARKS:
        return False
    before = tail[-3:-1]
    is_ellipsis = before[-1:] == "." and tail[-1] == "."
    is_initial = tail[-1] == "." and before[-1:].isalpha() and not before[:1].isalnum()
    return not (is_ellipsis or is_initial)
