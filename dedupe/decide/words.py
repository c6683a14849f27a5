"""Read the words of data/forms.toml, by which lines of some forms are known in several languages."""

from __future__ import annotations

import tomllib
from functools import cache
from pkgutil import get_data

import regex


@cache
def _tables() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((get_data("dedupe", "data/forms.toml") or b"").decode())


def words(form: str, name: str) -> tuple[str, ...]:
    """List the words of one kind for a form."""
    return tuple(_tables()[form][name])


def any_of(form: str, name: str) -> str:
    r"""Write a pattern for any of the words, the longest first; a space is one or none.

    >>> any_of("picture", "later")
    '(?:archive|handout|archiv|file|pool)'
    """
    longest_first = sorted(words(form, name), key=lambda word: (-len(word), word))
    return "(?:" + "|".join(r"\s?".join(map(regex.escape, word.split(" "))) for word in longest_first) + ")"
