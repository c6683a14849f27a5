"""Read one text, whole, as a `Document`."""

from __future__ import annotations

import os
import sys

from dedupe.errors import InputError
from dedupe.formats import STDIN, clean_uri, error_handler, show_name
from dedupe.read.encoding import resolve_encoding, to_utf8_or_say, why_binary
from dedupe.read.find import unreadable
from dedupe.records import Document


def read_text(
    source: str | os.PathLike[str] | bytes,
    encoding: str = "utf-8",
    *,
    uri: str | None = None,
    allow_binary: bool = False,
) -> Document:
    """Read a file, standard input ("-") or bytes at hand as one document, keyed by the path as given.

    `uri`: the key, where it is not the path; "-" for bytes. `allow_binary`: read whatever it is, for a file named
    together with its encoding. Nothing of the file is lost: marks, invalid bytes, line ends and NULs stay.

    Raises: InputError: the file cannot be read, is no text, or is not in the encoding.
    Raises: ConfigError: the encoding is unknown or cannot be used.

    >>> read_text(b"caf\\xe9", "cp1252").utf8
    b'caf\\xc3\\xa9'
    """
    if isinstance(source, bytes):
        raw, name = source, uri or STDIN
    else:
        path = os.fspath(source)
        raw, name = _read_bytes(path), uri or clean_uri(path)
    codec = resolve_encoding(raw, encoding)
    reason = why_binary(raw) if not allow_binary and not codec.startswith(("utf-16", "utf-32")) else None
    if reason:
        advice = "" if ";" in reason else "; to read it all the same, name it and give --encoding"
        raise InputError(f"{show_name(name)}: {reason}{advice}")
    utf8 = to_utf8_or_say(raw, codec, name)
    return Document(doc=name, uri=name, raw=raw, utf8=utf8, encoding=codec, errors=error_handler(codec))


def _read_bytes(path: str) -> bytes:
    try:
        if path == STDIN:
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    except MemoryError:
        raise InputError(f"{show_name(path)}: is too large to be held in memory as one text; split it first") from None
