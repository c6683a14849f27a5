"""Tell the headline of a page by its address."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote

import regex

_WORDS = regex.compile(r"[\p{L}\p{N}]+")
_ASCII_WORDS = re.compile("[a-z0-9]+")
_MIN_WORDS = 3
_MIN_FRACTION = 0.6
_MIN_LONG_WORD = 3  # articles and prepositions are often left out of addresses


def spells(url: str, headline: str) -> bool:
    """Say whether an address spells a headline: most of its longer words, and three at least.

    >>> spells("https://example.org/2026/rivers-rise-again-in-the-north", "Rivers rise again in the North")
    True
    """
    slug = _slug_words(url)
    words = [word for word in _words(headline) if len(word) >= _MIN_LONG_WORD]
    return sum(word in slug for word in words) >= max(_MIN_WORDS, _MIN_FRACTION * len(words))


@lru_cache(maxsize=256)  # the blocks of a document are asked for one after another
def _slug_words(url: str) -> frozenset[str]:
    return frozenset(_words(unquote(url.partition("://")[2].partition("/")[2])))


def _words(text: str) -> list[str]:
    """Cut into words without marks, as addresses spell them."""
    if text.isascii():
        return _ASCII_WORDS.findall(text[:1000].lower())
    decomposed = unicodedata.normalize("NFKD", text[:1000].replace("ß", "ss").casefold())
    found: list[str] = _WORDS.findall("".join(char for char in decomposed if not unicodedata.combining(char)))
    return found
