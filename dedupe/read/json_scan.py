"""Find the members of one JSON object in its bytes, and read its strings whatever is in them.

The plain way, for lines that the fast decoder refuses or that name a field twice: lenient where the file can be
written back as it came (NaN, control characters and invalid UTF-8 in strings, lone surrogates).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(rb'[ \t\r\n]*+(?:("(?:[^"\\]++|\\.)*+")|([{}\[\]:,])|([^\s"{}\[\]:,]++))', re.DOTALL)
_SCALAR = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|NaN|-?Infinity")
_CLOSING = {b"{": b"}", b"[": b"]"}
_ESCAPE = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL
)
_SHORT = {b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


class NotJson(Exception):
    """Say what of a line is not JSON, and where."""


def members(line: bytes) -> list[tuple[bytes, int, int]]:
    """List the members of the object that fills `line`: name in UTF-8, start and end of the value.

    >>> members(b'{"a": 1.0, "b": [{"a": "x"}]}')
    [(b'a', 6, 9), (b'b', 16, 28)]

    Raises: NotJson: it is no object, or not well-formed outside of strings.
    """
    tokens = _tokens(line)
    found: list[tuple[bytes, int, int]] = []
    kind, start, end = next(tokens)
    if kind != b"{":
        raise NotJson("expected an object in braces")
    kind, start, end = next(tokens)
    while kind != b"}" or found:
        if kind != b'"':
            raise NotJson(f"expected a name in quotes (byte {start})")
        name = unescape(line[start:end])
        kind, start, end = next(tokens)
        if kind != b":":
            raise NotJson(f"expected a colon (byte {start})")
        value_start, value_end = _value(tokens)
        found.append((name, value_start, value_end))
        kind, start, end = next(tokens)
        if kind == b"}":
            break
        if kind != b",":
            raise NotJson(f"expected a comma or a closing brace (byte {start})")
        kind, start, end = next(tokens)
    if line[end:].strip(b" \t\r\n"):
        raise NotJson(f"something stands behind the object (byte {end})")
    return found


def _tokens(line: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Give kind (`"`, a bracket, colon, comma, or 0 for a number or word), start and end of each token."""
    at = 0
    while match := _TOKEN.match(line, at):
        group = match.lastindex or 0
        start, at = match.span(group)
        if group == 3 and not _SCALAR.fullmatch(line, start, at):
            break
        yield (b'"' if group == 1 else match[2] if group == 2 else b"0"), start, at
    raise NotJson(f"is cut off or not JSON (byte {at})")


def _value(tokens: Iterator[tuple[bytes, int, int]]) -> tuple[int, int]:
    """Pass over one value; brackets in it must match, and are not checked further."""
    kind, start, end = next(tokens)
    if kind in (b'"', b"0"):
        return start, end
    open_brackets: list[bytes] = []
    while True:
        if kind in _CLOSING:
            open_brackets.append(_CLOSING[kind])
        elif kind in (b"}", b"]"):
            if not open_brackets or open_brackets.pop() != kind:
                raise NotJson(f"a bracket does not match (byte {end - 1})")
        elif not open_brackets:
            raise NotJson(f"expected a value (byte {end - 1})")
        if not open_brackets:
            return start, end
        kind, _, end = next(tokens)


def unescape(value: bytes) -> bytes:
    """Read a JSON string with its quotes into UTF-8; lone surrogates become the three bytes of their number.

    >>> unescape(b'"a\\\\u00e9\\\\ud83d\\\\ude00\\\\ud800"')
    b'a\\xc3\\xa9\\xf0\\x9f\\x98\\x80\\xed\\xa0\\x80'

    Raises: NotJson: an escape is none of JSON's.
    """
    return _ESCAPE.sub(_unescaped, value[1:-1])


def _unescaped(match: re.Match[bytes]) -> bytes:
    high, low, code, short = match.groups()
    if high:
        char = 0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00
        return chr(char).encode()
    if code:
        return chr(int(code, 16)).encode("utf-8", "surrogatepass")
    if short not in _SHORT:
        shown = match[0].decode("ascii", "backslashreplace")
        raise NotJson(f"has the unknown escape {shown}")
    return _SHORT[short]
