"""Tell the headline of a page by its address."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote

import regex

_WORDS = regex.compile(r"[\p{L}\p{N}]+")
_MIN_WORDS = 3
_MIN_FRACTION = 0.6
_MIN_LONG_WORD = 3  # articles and prepositions are often left out of addresses


def spells(url: str, headline: str) -> bool:
    """Say whether an address spells a headline: most of its longer words, and three at least.

    >>> spells("https://example.org/2026/rivers-rise-again-in-the-north", "Rivers rise again in the North")
    True
    """
    slug = set(_words(unquote(url.partition("://")[2].partition("/")[2])))
    words = [word for word in _words(headline) if len(word) >= _MIN_LONG_WORD]
    return sum(word in slug for word in words) >= max(_MIN_WORDS, _MIN_FRACTION * len(words))


def _words(text: str) -> list[str]:
    """Cut into words without marks, as addresses spell them."""
    decomposed = unicodedata.normalize("NFKD", text[:1000].replace("ß", "ss").casefold())
    found: list[str] = _WORDS.findall("".join(char for char in decomposed if not unicodedata.combining(char)))
    return found
