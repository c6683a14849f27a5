"""Tell which encoding bytes are in, whether they are text at all, and turn them into UTF-8 and back.

What a codec cannot give back byte for byte is refused: a removal must be undone exactly.
"""

from __future__ import annotations

import codecs

from dedupe.errors import ConfigError, InputError
from dedupe.formats import HEAD_BYTES, error_handler, show_name

# Longest first: the mark of UTF-32-LE begins like that of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# A part of such a text cannot be read or put back without what stands before it.
_STATEFUL = ("utf-7", "hz", "iso2022", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "unicode-escape",
             "raw-unicode-escape")

_MAX_STRAY_NULS = 4
_MAX_NUL_FRACTION = 0.02  # stray NULs of broken scrapers; UTF-16 of Latin script has .5, executables .1 and more
_MAX_CONTROL_FRACTION = 0.3
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\v\f\r\x1b") + b"\x7f"
_MAGIC = (
    (b"%PDF-", "is a PDF; extract its text first, for example with pdftotext"),
    (b"PK\x03\x04", "is a ZIP archive or office document; unpack it or save it as text first"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it first with gunzip"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it first with unzstd"),
    (b"BZh", "is compressed with bzip2; unpack it first with bunzip2"),
    (b"\xfd7zXZ\x00", "is compressed with xz; unpack it first with unxz"),
    (b"\x89PNG", "is an image"),
    (b"\xff\xd8\xff", "is an image"),
    (b"GIF8", "is an image"),
    (b"PAR1", "is a Parquet file; give it a name that ends in .parquet"),
    (b"ARROW1", "is an Arrow file; give it a name that ends in .arrow"),
    (b"{\\rtf", "is a rich-text document; save it as plain text first"),
)


def why_binary(head: bytes) -> str | None:
    """Say why the first bytes of a file are no text, None where they may be; UTF-16 and UTF-32 with a mark are text.

    >>> why_binary(b"Plain words."), why_binary(b"%PDF-1.7 ...")
    (None, 'is a PDF; extract its text first, for example with pdftotext')
    """
    head = head[:HEAD_BYTES]
    for magic, reason in _MAGIC:
        if head.startswith(magic) and (magic != b"BZh" or head[4:10] == b"1AY&SY"):
            return reason
    if not head or any(head.startswith(mark) for mark, _ in _MARKS):
        return None
    num_nul = head.rstrip(b"\0").count(0)  # padding at the end is no pattern
    if num_nul > max(_MAX_STRAY_NULS, _MAX_NUL_FRACTION * len(head)):
        wide = _looks_wide(head)
        if wide:
            return f"looks like {wide} without a mark; give --encoding {wide}"
        return "is binary: it has NUL bytes throughout"
    num_controls = len(head) - len(head.translate(None, _CONTROLS)) - head.count(0)
    if num_controls > _MAX_CONTROL_FRACTION * len(head):
        return "is binary: more than 30 % of its bytes are control characters"
    return None


def _looks_wide(head: bytes) -> str | None:
    """Name the UTF-16 or UTF-32 in which NULs would stand where they do; None where they stand anywhere."""
    at = [head[place::4].count(0) / max(1, len(head) // 4) for place in range(4)]
    full = [fraction > 0.9 for fraction in at]
    if full[1:] == [True] * 3 and not full[0]:
        return "utf-32-le"
    if full[:3] == [True] * 3 and not full[3]:
        return "utf-32-be"
    even, odd = (at[0] + at[2]) / 2, (at[1] + at[3]) / 2
    if max(even, odd) > 0.2 and min(even, odd) < 0.02:  # spaces and digits alone make .2 in any script
        return "utf-16-be" if even > odd else "utf-16-le"
    return None


def resolve_encoding(raw: bytes, encoding: str) -> str:
    """Name the codec that gives `raw` back exactly; UTF-16 and UTF-32 get their byte order, their mark stays text.

    >>> resolve_encoding(b"\\xff\\xfea\\x00", "utf-8"), resolve_encoding(b"\\xef\\xbb\\xbfa", "UTF8")
    ('utf-16-le', 'utf-8')

    Raises: ConfigError: the encoding is unknown, or a part of a text in it means nothing alone.
    """
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise ConfigError(f"encoding is {encoding!r}; expected a name such as utf-8, cp1252 or utf-16") from None
    if name.startswith(_STATEFUL):
        raise ConfigError(
            f"encoding is {encoding!r}, in which single passages cannot be put back; convert the text to UTF-8 first"
        )
    if name in ("utf-8", "utf-8-sig", "ascii"):
        return _marked(raw) or "utf-8"
    if name in ("utf-16", "utf-32"):
        found = _marked(raw)
        return found if found and found.startswith(name) else name + _byte_order(raw, 2 if name == "utf-16" else 4)
    return name


def _marked(raw: bytes) -> str | None:
    """Name the UTF-16 or UTF-32 whose mark comes first and in which the whole text can be read."""
    for mark, name in _MARKS:
        if raw.startswith(mark) and to_utf8(raw, name) is not None:
            return name
    return None


def _byte_order(raw: bytes, width: int) -> str:
    """Guess the byte order without a mark by spaces and line ends; little-endian where they do not tell."""
    head = raw[: HEAD_BYTES * 4]
    units = [head[at:at + width] for at in range(0, len(head) - width + 1, width)]
    marks = (0x20, 0x0A, 0x0D, 0x3000, 0x3001, 0x3002)
    little = sum(unit in {mark.to_bytes(width, "little") for mark in marks} for unit in units)
    big = sum(unit in {mark.to_bytes(width, "big") for mark in marks} for unit in units)
    return "-be" if big > little else "-le"


def to_utf8(raw: bytes, encoding: str) -> bytes | None:
    """Turn `raw` into UTF-8 from which it can be had back exactly; None where it cannot.

    The same object where the encoding is UTF-8, whatever its bytes.
    """
    if encoding == "utf-8":
        return raw
    errors = error_handler(encoding)
    try:
        utf8 = raw.decode(encoding, errors).encode("utf-8", errors)
        return utf8 if utf8.decode("utf-8", errors).encode(encoding, errors) == raw else None
    except (UnicodeError, ValueError):
        return None


def to_utf8_or_say(raw: bytes, encoding: str, uri: str) -> bytes:
    """Turn `raw` into UTF-8, or name the first place where that cannot be undone.

    Raises: InputError: naming the file and the byte.
    """
    utf8 = to_utf8(raw, encoding)
    if utf8 is not None:
        return utf8
    raise InputError(
        f"{show_name(uri)}: cannot be read as {encoding} and written back the same, from about byte "
        f"{_first_wrong(raw, encoding)}; give its real encoding with --encoding, or convert it to UTF-8 first"
    )


def _first_wrong(raw: bytes, encoding: str) -> int:
    errors = error_handler(encoding)
    try:
        again = raw.decode(encoding, errors).encode("utf-8", errors).decode("utf-8", errors).encode(encoding, errors)
    except UnicodeDecodeError as error:
        return error.start
    except UnicodeError:
        return 0
    differ = (at for at, (one, two) in enumerate(zip(raw, again, strict=False)) if one != two)
    return next(differ, min(len(raw), len(again)))
