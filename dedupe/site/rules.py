"""Read and write what was learned of sites: a TOML file that people read, edit and commit.

    schema = "site-rules/1"

    [sites."example.org"]
    num_documents = 120
    blocks = [
        { text = "Subscribe to our newsletter", num_documents = 118, position = "foot" },
        { text = "Letters to the editor", keep = true },
    ]

`text` is the block as it stands on a page; letters and digits count, and any run of digits is like any other.
`num_documents` says on how many pages of the site it was, near-duplicates as one; an entry without was written by hand.
"""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from dedupe.errors import ConfigError

SCHEMA = "site-rules/1"
POSITIONS = ("head", "middle", "foot")
_HEAD = """\
# What recurs on the pages of each site. `dedupe clean --site-rules` takes these blocks out of every page of the site,
# and no others that recur: delete an entry and the block stays, or give it keep = true and no rule touches it.
# Entries without num_documents were written by hand; `dedupe learn` leaves those, and those to keep, as they are.

"""


class SiteBlock(Struct, frozen=True, kw_only=True):
    """One block of a site. `num_documents`: pages that have it, None where a person wrote the entry."""

    text: str
    num_documents: int | None = None
    position: str | None = None
    keep: bool = False

    @property
    def is_written(self) -> bool:
        """Say whether a person had a hand in it."""
        return self.keep or self.num_documents is None


class LearnedSite(Struct, frozen=True, kw_only=True):
    """A site: its pages, near-duplicates as one, None where nobody counted, and its blocks."""

    num_documents: int | None = None
    blocks: tuple[SiteBlock, ...] = ()


def dump_site_rules(sites: Mapping[str, LearnedSite], tool: str) -> bytes:
    """Write sites and their blocks in order: blocks on most pages first, then by text.

    Text that cannot be read back in TOML (lone surrogates) is left out; what would not show, or show elsewhere than it
    stands, is escaped. Raises: ImportError: the package tomli-w is missing.
    """
    import tomli_w

    tables = {name: _table(sites[name]) for name in sorted(sites) if _is_text(name)}
    written = tomli_w.dumps({"schema": SCHEMA, "tool": tool, "sites": tables})
    return (_HEAD + "".join(map(_escaped, written))).encode()


def _table(site: LearnedSite) -> dict[str, Any]:
    blocks = sorted(site.blocks, key=lambda block: (-(block.num_documents or 0), block.text, block.keep))
    rows = [
        {
            name: value for name in ("text", "num_documents", "position", "keep")
            if (value := getattr(block, name)) not in (None, False)
        } for block in blocks if _is_text(block.text)
    ]  # fmt: skip
    return {**({} if site.num_documents is None else {"num_documents": site.num_documents}), "blocks": rows}


def _is_text(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _escaped(char: str) -> str:
    """Escape characters without a shape of their own; they stand in quoted strings only."""
    if char.isascii() or unicodedata.category(char) not in ("Cf", "Cc", "Co", "Cn", "Zl", "Zp"):
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def parse_site_rules(raw: bytes, name: str) -> dict[str, LearnedSite]:
    """Read a file's bytes; fields that are not known are passed over.

    Raises: ConfigError: naming the file, the site and the entry that cannot be used.
    """
    try:
        content = tomllib.loads(raw.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{name}: is not valid TOML: {error}; mend the line it names") from None
    if content.get("schema", SCHEMA) != SCHEMA:
        raise ConfigError(f"{name}: its schema is {content['schema']!r}; this version reads {SCHEMA!r}")
    sites = content.get("sites", {})
    if not isinstance(sites, dict):
        raise ConfigError(f'{name}: sites is not a table; expected, say, [sites."example.org"]')
    return {site: _site(table, f"{name}: site {site!r}") for site, table in sites.items()}


def _site(table: Any, where: str) -> LearnedSite:
    blocks = table.get("blocks", []) if isinstance(table, dict) else None
    if not isinstance(blocks, list):
        raise ConfigError(f"{where}: has no list of blocks; expected, say, blocks = [{{ text = \"Share this\" }}]")
    count = table.get("num_documents")
    _check(count is None or _is_count(count), where, "num_documents", count, "a whole number above 0")
    return LearnedSite(
        num_documents=count,
        blocks=tuple(_block(block, f"{where}, entry {at}") for at, block in enumerate(blocks, 1)),
    )


def _block(block: Any, where: str) -> SiteBlock:
    if isinstance(block, str):
        block = {"text": block}
    _check(isinstance(block, dict), where, "the entry", block, 'a text or a table such as { text = "Share this" }')
    text, count, position, keep = (block.get(name) for name in ("text", "num_documents", "position", "keep"))
    _check(isinstance(text, str) and text.strip() != "", where, "text", text, "the words of a block")
    _check(count is None or _is_count(count), where, "num_documents", count, "a whole number above 0")
    _check(position is None or position in POSITIONS, where, "position", position, f"one of {', '.join(POSITIONS)}")
    _check(keep is None or isinstance(keep, bool), where, "keep", keep, "true or false")
    return SiteBlock(text=text, num_documents=count, position=position, keep=bool(keep))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _check(is_right: bool, where: str, what: str, value: object, expected: str) -> None:
    if not is_right:
        raise ConfigError(f"{where}: {what} is {value!r}; expected {expected}")


def merge_written(learned: Mapping[str, LearnedSite], before: Mapping[str, LearnedSite]) -> dict[str, LearnedSite]:
    """Take over what people wrote into an earlier file; of equal texts theirs stays."""
    merged = dict(learned)
    for name, site in before.items():
        written = [block for block in site.blocks if block.is_written]
        if written:
            new = merged.get(name, LearnedSite(num_documents=site.num_documents))
            texts = {block.text for block in written}
            kept: Sequence[SiteBlock] = [block for block in new.blocks if block.text not in texts]
            merged[name] = LearnedSite(num_documents=new.num_documents, blocks=(*kept, *written))
    return merged
