"""Know hosts: what their owner registered, and which names of rules cover a host.

Offline, by the public suffix list that tldextract bundles, its private part too: the blogs of a hoster are sites of
their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any


@lru_cache(maxsize=1 << 16)
def registrable(host: str) -> str:
    """Reduce a host to what its owner registered.

    >>> registrable("news.example.co.uk"), registrable("localhost")
    ('example.co.uk', 'localhost')
    """
    return str(_extract()(host).top_domain_under_public_suffix or host)


def is_public_suffix(name: str) -> bool:
    """Say whether anybody may register names under a name.

    >>> is_public_suffix("co.uk"), is_public_suffix("example.co.uk"), is_public_suffix("localhost")
    (True, False, False)
    """
    return bool(name) and str(_extract()(name).suffix) == name


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
