"""Know hosts: what their owner registered, and which names of rules cover a host.

Offline, by the public suffix list that tldextract bundles, its private part too: the blogs of a hoster are sites of
their own. Names in plain ASCII, nearly all, are looked up here: tldextract takes a third of a second to load. It has
the others, and gives the same answers (a test asks both for every rule of the list).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_LIST = ".tld_set_snapshot"  # in the package tldextract
_PLAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.[a-z_-][a-z0-9_-]*")  # no address of numbers


@lru_cache(maxsize=1 << 16)
def registrable(host: str) -> str:
    """Reduce a host to what its owner registered.

    >>> registrable("news.example.co.uk"), registrable("localhost")
    ('example.co.uk', 'localhost')
    """
    if (num_labels := _num_suffix_labels(host)) is not None:
        labels = host.split(".")
        return ".".join(labels[-num_labels - 1:]) if 0 < num_labels < len(labels) else host
    return str(_extract()(host).top_domain_under_public_suffix or host)


def is_public_suffix(name: str) -> bool:
    """Say whether anybody may register names under a name.

    >>> is_public_suffix("co.uk"), is_public_suffix("example.co.uk"), is_public_suffix("localhost")
    (True, False, False)
    """
    if (num_labels := _num_suffix_labels(name)) is not None:
        return num_labels == name.count(".") + 1
    return bool(name) and str(_extract()(name).suffix) == name


def _num_suffix_labels(host: str) -> int | None:
    """Count the labels of the public suffix of a plain host, 0 where it has none; None: ask tldextract."""
    if "xn--" in host or not _PLAIN.fullmatch(host) or (lists := _rules()) is None:
        return None
    rules, inner = lists
    found, tail = 0, ""
    for number, label in enumerate(reversed(host.split(".")), 1):
        name = f"{label}.{tail}" if tail else label
        if name in rules:
            found = number
        elif name not in inner:
            if f"*.{tail}" in rules:
                found = number - (f"!{name}" in rules)
            break
        tail = name
    return found


@cache
def _rules() -> tuple[frozenset[str], frozenset[str]] | None:
    """Read the rules of the list, and the names above them that are none; None where its file is not to be had."""
    spec = find_spec("tldextract")
    if spec is None or spec.origin is None:
        return None
    try:
        text = Path(spec.origin).with_name(_LIST).read_text(encoding="utf-8")
    except OSError:
        return None
    rules = frozenset(line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("//"))
    inner = set[str]()
    for rule in rules:
        name = rule.partition(".")[2]
        while name and name not in rules and name not in inner:
            inner.add(name)
            name = name.partition(".")[2]
    return rules, frozenset(inner)


@cache
def _extract() -> Any:
    import tldextract

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


def plain_name(name: str) -> str:
    """Spell the name of a host as addresses are compared: lower case, no final dot, Unicode as it is in addresses.

    >>> plain_name("WWW.Example.org."), plain_name("xn--mnchen-3ya.de")
    ('www.example.org', 'münchen.de')
    """
    name = name.strip().casefold().rstrip(".")
    if "xn--" not in name or not name.isascii():
        return name
    try:
        return name.encode().decode("idna").casefold()
    except UnicodeError:
        return name


def names_over(site: str | None, *, is_folder: bool = False) -> Iterator[str]:
    """Give the names under which rules cover a site, the narrowest first.

    A host is covered by itself and the domains above it, down to what was registered; a folder by its path and the
    ends of it.

    >>> list(names_over("www.news.example.co.uk")), list(names_over("crawl/example.org", is_folder=True))
    (['www.news.example.co.uk', 'news.example.co.uk', 'example.co.uk'], ['crawl/example.org', 'example.org'])
    """
    if not site:
        return
    if is_folder:
        parts = site.split("/")
        yield from ("/".join(parts[at:]) for at in range(len(parts)) if parts[at])
        return
    name = plain_name(site)
    last = registrable(name)
    while name != last and "." in name:
        yield name
        name = name.partition(".")[2]
    yield name
