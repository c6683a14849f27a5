"""Show a run one way, whether it is still in memory or was read from a ledger.

Every report takes a `Source`: `Cleaned` records as the pipeline hands them on, entries of `iter_entries`, or a
whole `Ledger`. `entries` turns each into `Entry` records, one a document, in order.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from dedupe.records import BadRecord, Cleaned, Cluster, NearDuplicate, Place, Removal
from dedupe.report.text import word_pattern

_RECORD_NUMBER = re.compile(r"#\d+\Z")
_LINE_END = re.compile("\r\n|[\n\r\u2028\u2029]")
_UTF8_NAMES = frozenset({"utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii"})
# One byte for each ASCII character: letters and digits stay, everything else parts words.
_ASCII_WORDS = bytes(code if chr(code).isalnum() and code < 128 else 32 for code in range(256))


@dataclass(frozen=True, slots=True)
class Run:
    """Describe the run that wrote a ledger; `started` is UTC in ISO 8601, `config` the settings by name."""

    schema: str
    version: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    config_hash: str = ""
    started: str = ""
    tool: str = "dedupe"


@dataclass(frozen=True, slots=True)
class DocRow:
    """Describe one document of a run: where it came from, its hashes and sizes before and after."""

    doc: str
    uri: str
    sha256_before: str
    sha256_after: str
    id: str | None = None
    host: str | None = None
    url: str | None = None
    language: str | None = None
    encoding: str = "utf-8"
    num_bytes_before: int = 0
    num_bytes_after: int = 0
    num_chars_before: int = 0
    num_words_before: int = 0
    flags: tuple[str, ...] = ()
    near_duplicate_of: NearDuplicate | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold one document's row with its removals, in order of place, and the repeats that stay."""

    row: DocRow
    removals: tuple[Removal, ...] = ()
    kept: tuple[Removal, ...] = ()


@dataclass(frozen=True, slots=True)
class Summary:
    """Count what a run did; `rules` gives the number of removals by rule."""

    num_documents: int = 0
    num_documents_changed: int = 0
    num_removals: int = 0
    num_kept: int = 0
    num_errors: int = 0
    num_bytes_before: int = 0
    num_bytes_after: int = 0
    rules: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Hold a ledger that was read whole. `name` is its file; `summary` is None where the run was cut short."""

    name: str
    run: Run
    entries: tuple[Entry, ...]
    clusters: tuple[Cluster, ...]
    errors: tuple[BadRecord, ...]
    summary: Summary | None

    @property
    def docs(self) -> dict[str, DocRow]:
        """Give the rows of documents by their key."""
        return {entry.row.doc: entry.row for entry in self.entries}

    @property
    def removals(self) -> dict[str, tuple[Removal, ...]]:
        """Give the removals of each document, in order of place."""
        return {entry.row.doc: entry.removals for entry in self.entries}

    @property
    def kept(self) -> dict[str, tuple[Removal, ...]]:
        """Give the repeats of each document that were found and stay."""
        return {entry.row.doc: entry.kept for entry in self.entries}


Source: TypeAlias = Ledger | Iterable[Cleaned] | Iterable[Entry] | Iterable[Cleaned | Entry]


def entries(source: Source) -> Iterator[Entry]:
    """Yield one entry a document, in the order of the source; removals by place, whatever order they came in."""
    for item in source.entries if isinstance(source, Ledger) else source:
        yield item if isinstance(item, Entry) else entry_of(item)


def entry_of(cleaned: Cleaned, num_words: int | None = None) -> Entry:
    """Work out the ledger's row of a cleaned document, and put its removals in order of place.

    `num_words`: of the original, where somebody has counted them already.
    """
    document = cleaned.document
    before = hashlib.sha256(document.raw).hexdigest()
    row = DocRow(
        doc=document.doc,
        uri=document.uri,
        sha256_before=before,
        sha256_after=hashlib.sha256(cleaned.cleaned).hexdigest() if cleaned.cleaned != document.raw else before,
        id=document.id,
        host=document.host,
        url=document.url,
        language=document.language,
        encoding=document.encoding,
        num_bytes_before=len(document.raw),
        num_bytes_after=len(cleaned.cleaned),
        num_chars_before=len(document.utf8.decode("utf-8", document.errors)),
        num_words_before=count_words(document.utf8) if num_words is None else num_words,
        flags=cleaned.flags,
        near_duplicate_of=cleaned.near_duplicate_of,
        output=cleaned.output,
    )
    return Entry(row, in_order(cleaned.removals), in_order(cleaned.kept))


def in_order(removals: tuple[Removal, ...]) -> tuple[Removal, ...]:
    """Put removals in order of place."""
    return tuple(sorted(removals, key=_by_place)) if len(removals) > 1 else removals


def _by_place(removal: Removal) -> tuple[int, int, str]:
    return (*removal.place.byte, removal.id)


def count_words(utf8: bytes) -> int:
    """Count runs of letters, digits and marks; characters of scripts without spaces count one each.

    >>> count_words("It’s 2 words, 是吗?".encode())
    6
    """
    if utf8.isascii():
        return len(utf8.translate(_ASCII_WORDS).split())
    return sum(1 for _ in word_pattern().finditer(utf8.decode("utf-8", "replace")))


def is_utf8(encoding: str) -> bool:
    """Say whether a codec's name stands for UTF-8, with or without a byte order mark.

    >>> is_utf8("UTF_8"), is_utf8("utf-16")
    (True, False)
    """
    return encoding.lower().replace("_", "-") in _UTF8_NAMES


def decode_passage(raw: bytes, encoding: str) -> str:
    """Decode bytes of a passage for reading; bytes that do not fit become escapes or U+FFFD, never an error."""
    if is_utf8(encoding):
        return raw.decode("utf-8", "surrogateescape")
    try:
        return raw.decode(encoding, "replace")
    except LookupError:
        return raw.decode("latin-1")


def place_text(place: Place, raw: bytes, encoding: str = "utf-8") -> str:
    """Give the text that stands at a place of an original, for showing it."""
    return decode_passage(raw[slice(*place.byte)], encoding)


def lines_of(place: Place, text: str = "") -> str:
    r"""Name the lines of a place as people do, both ends included; blank lines at the ends of its `text` left out.

    >>> lines_of(Place("a", (0, 9), (0, 9), (3, 5))), lines_of(Place("a", (0, 9), (0, 9), (3, 5)), "a title\n\n")
    ('3–4', '3')
    """
    first, last = place.line[0], max(place.line[0], place.line[1] - 1)
    if body := text.strip():
        num_before, num_after = _line_ends(text[: text.index(body)]), _line_ends(text[len(text.rstrip()) :])
        first, last = first + num_before, last - max(0, num_after - 1)
    first = min(first, last)
    return f"{first}" if first == last else f"{first}–{last}"


def _line_ends(space: str) -> int:
    return len(_LINE_END.findall(space))


def file_of(doc: str) -> str:
    """Give the file of a document key: the key without the number of a record.

    >>> file_of("news.jsonl#17")
    'news.jsonl'
    """
    return _RECORD_NUMBER.sub("", doc)
