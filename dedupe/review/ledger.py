"""Read the rows of a ledger, of this and of earlier versions of the schema.

Rows stay plain mappings here, since a reader has to pass over fields and types it does not know. What a view needs of a
row is taken out by the functions below and nowhere else, so that a newer schema changes this file alone.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from dedupe.errors import InputError

Row = dict[str, Any]

_DECODER = msgspec.json.Decoder(dict[str, Any])
_SCHEMAS = frozenset({"removals/1"})
_NUMBERS = (int, float)  # made once: a union is made anew each time it is asked for
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# What a page would not show, a terminal would obey, or would turn the text around it; line ends and tabs stay.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)


def read_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield (byte offset of the line, row) for every row, in the order of the file.

    Raises:
        InputError: the file cannot be opened, a line is not a JSON object, or the schema is of a later major version.
    """
    offset = 0
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        row = decode_row(line)
                    except (msgspec.DecodeError, ValueError) as error:
                        raise InputError(f"{path}, line {number}: not a row of a ledger ({error})") from error
                    check_schema(path, row)
                    yield offset, row
                offset += len(line)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give the removals.jsonl of a run") from error


def check_schema(path: Path, row: Row) -> None:
    """Refuse a run line of a schema that this version does not read."""
    if row.get("type") == "run" and row.get("schema") not in _SCHEMAS:
        raise InputError(
            f"{path}: its schema is {row.get('schema')!r}, this version reads {', '.join(sorted(_SCHEMAS))}; "
            f"use the version of dedupe that wrote it, or a later one"
        )


def decode_row(line: bytes) -> Row:
    """Read one line; names of files that are not UTF-8 have escapes of lone surrogates, which msgspec refuses."""
    try:
        row: Row = _DECODER.decode(line)
    except msgspec.DecodeError as error:
        if isinstance(error, msgspec.ValidationError) or b"\\ud" not in line.lower():
            raise
        row = msgspec.convert(json.loads(line), dict[str, Any])
    return row


def clean_text(text: str) -> str:
    """Return the text with every lone surrogate (a byte that was not UTF-8) as U+FFFD; the length stays.

    >>> clean_text("a\\udcffb")
    'a\ufffdb'
    """
    return _LONE_SURROGATE.sub("\ufffd", text)


def decode_document(raw: bytes, encoding: str | None) -> str:
    """Return a document's text, one code point for each code point that the ledger's `char` spans count."""
    name = (encoding or "utf-8").lower()
    try:
        if name == "utf-8":  # what is read strictly has no lone surrogates to look for
            with suppress(UnicodeDecodeError):
                return raw.decode()
        return clean_text(
            raw.decode(name, "surrogateescape" if name.replace("_", "-") in ("utf-8", "utf8", "ascii") else "replace")
        )
    except LookupError:
        return clean_text(raw.decode("utf-8", "surrogateescape"))


def removed_text(row: Mapping[str, Any], encoding: str | None) -> str:
    """Return the text that a removal or kept row holds, whichever of its two fields has it."""
    text = row.get("text")
    if isinstance(text, str):
        return text
    packed = row.get("text_base64")
    if isinstance(packed, str):
        try:
            return decode_document(base64.b64decode(packed), encoding)
        except ValueError:
            return ""
    return ""


def span(row: Mapping[str, Any], name: str) -> tuple[int, int]:
    """Return a [start, end) field of a row as integers, (0, 0) where it is missing."""
    value = row.get(name)
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], int) and isinstance(value[1], int):
        return value[0], value[1]
    return 0, 0


def number(row: Mapping[str, Any], name: str, default: float = 0) -> float:
    """Return a numeric field of a row, the default where it is missing or null."""
    value = row.get(name)
    return value if isinstance(value, _NUMBERS) and not isinstance(value, bool) else default


def visible(text: str) -> str:
    """Return the text with every unseen character as its code point in brackets.

    >>> visible("a\x1b[31mb")
    'a[U+001B][31mb'
    """
    return _UNSEEN.sub(lambda found: f"[U+{ord(found.group()):04X}]", clean_text(text))
