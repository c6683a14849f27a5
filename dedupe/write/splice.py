"""Write records back around their new texts: JSON lines, CSV and TSV; all bytes but those of the texts stay.

A new text is spelled as the old one was: with or without escapes for what is not ASCII, quoted or not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import msgspec

from dedupe.formats import DROP, Outcome, Spliced

Spell = Callable[[bytes, bytes], bytes]

_ESCAPED = re.compile(rb"\\u(?!00[0-7])")  # of what is not ASCII
_MUST_ESCAPE = re.compile(rb'["\\\x00-\x1f]|\xed[\xa0-\xbf][\x80-\xbf]')


def spliced(batch: Spliced, outcomes: Sequence[Outcome], spell: Spell) -> list[bytes | memoryview]:
    """Give the bytes of a batch in pieces, with `spell(old value, new text)` in the place of each changed value.

    >>> pieces = spliced(Spliced(b'{"t":"ab"}\\n', [(0, 11)], [(5, 9)]), [b"b"], json_speller(b""))
    >>> b"".join(pieces)
    b'{"t":"b"}\\n'
    """
    content = batch.content
    view = memoryview(content)
    pieces: list[bytes | memoryview] = []
    at = 0
    for row, value, outcome in zip(batch.rows, batch.values, outcomes, strict=True):
        if outcome is None:
            continue
        start, end = row if outcome is DROP else value
        pieces.append(view[at:start])
        if not isinstance(outcome, bytes):
            at = end
            continue
        pieces.append(spell(content[start:end], outcome))
        at = end
    pieces.append(view[at:])
    return pieces


def json_speller(sample: bytes) -> Spell:
    """Make the function that writes UTF-8 as a JSON string: escapes where the old string has them.

    An old string that tells nothing, as it has neither such characters nor escapes, is taken for one of `sample`, the
    lines around it: a text that is put back may have more in it than the one that stands there. Surrogates become
    escapes, invalid bytes stay.

    >>> spell = json_speller(b"")
    >>> spell(b'"\\\\u00e9"', "é/".encode()), spell('"é\\\\/"'.encode(), b"a/")
    (b'"\\\\u00e9/"', b'"a\\\\/"')
    >>> json_speller("é".encode())(b'"a"', "aé".encode()) == '"aé"'.encode()
    True
    """
    is_raw, escapes_slashes = not sample.isascii(), b"\\/" in sample

    def spell(old: bytes, text: bytes) -> bytes:
        try:
            chars = text.decode()
            escapes_all = not text.isascii() and old.isascii() and (not is_raw or _ESCAPED.search(old) is not None)
            new = json.dumps(chars).encode() if escapes_all else msgspec.json.encode(chars)
        except UnicodeDecodeError:
            new = b'"' + _MUST_ESCAPE.sub(_escaped, text) + b'"'
        if b"/" in text and (b"\\/" in old or (escapes_slashes and b"/" not in old)):
            return new.replace(b"/", b"\\/")
        return new

    return spell


def _escaped(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if len(found) == 3:
        return b"\\u%04x" % ord(found.decode("utf-8", "surrogatepass"))
    return json.dumps(found.decode("ascii"))[1:-1].encode()


def csv_speller(delimiter: bytes) -> Spell:
    """Make the function that writes a text as a CSV field: quoted where the old one was, or where it must be.

    >>> spell = csv_speller(b",")
    >>> spell(b'"x"', b'a "b" c'), spell(b"x", b"a"), spell(b"x", b"a,b")
    (b'"a ""b"" c"', b'a', b'"a,b"')
    """
    special = re.compile(b'^"|[\r\n' + re.escape(delimiter) + b"]")

    def spell(old: bytes, text: bytes) -> bytes:
        was_quoted = len(old) > 1 and old.startswith(b'"') and old.endswith(b'"')
        if was_quoted or special.search(text):
            return b'"' + text.replace(b'"', b'""') + b'"'
        return text

    return spell
