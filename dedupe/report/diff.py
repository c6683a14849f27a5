r"""Write removals as a unified diff that `git apply -R` and `patch -R -p1` take back.

The diff is made from the removals, not by comparing texts, so it is linear and says exactly what the ledger says.
Bytes are split at LF and nowhere else: a CR, U+2028 or NUL is part of its line, whatever the encoding. Only the
lines that a removal touches are listed, with three lines of context on both sides.

What it is not: a diff for texts that are records in a larger file; git and patch know only files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dedupe.errors import LedgerMismatchError
from dedupe.records import Cleaned, Removal

_CONTEXT_LINES = 3  # what diff -u and git print; fewer at the ends of a file only, or GNU patch misplaces hunks
_NO_NEWLINE = b"\n\\ No newline at end of file\n"
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


@dataclass(frozen=True, slots=True)
class _Change:
    """Replace whole lines: bytes start:end of the original, first line `line` (from 0), by `after`."""

    start: int
    end: int
    line: int
    num_lines: int
    after: bytes


def unified_diff(original: bytes, cleaned: bytes, removals: Iterable[Removal], name: str) -> bytes:
    """Give the diff from `original` to `cleaned`, empty where nothing was removed.

    `name` is the file's path as git and patch shall find it, relative to where they run; a leading "/" is dropped.

    Raises: LedgerMismatchError: the removals do not turn `original` into `cleaned`.
    """
    spans = sorted(item.place.byte for item in removals if item.removed)
    _check(original, cleaned, spans, name)
    changes = list(_changes(original, [span for span in spans if span[0] < span[1]]))
    if not changes:
        return b""
    path = name.lstrip("/").removeprefix("./")
    old, new = _quoted("a/" + path), _quoted("b/" + path)
    # A tab ends a name with spaces, as git writes it: GNU patch would take the rest for a date.
    end = b"\t\n" if b" " in old and not old.startswith(b'"') else b"\n"
    head = b"diff --git " + old + b" " + new + b"\n--- " + old + end + b"+++ " + new + end
    return head + b"".join(_hunks(original, changes))


def diff_of(cleaned: Cleaned) -> bytes:
    """Give the diff of one cleaned document, under the path it was read from."""
    return unified_diff(cleaned.document.raw, cleaned.cleaned, cleaned.removals, cleaned.document.uri)


def _check(original: bytes, cleaned: bytes, spans: list[tuple[int, int]], name: str) -> None:
    parts, done = list[bytes](), 0
    for start, end in spans:
        if not done <= start <= end <= len(original):
            break
        parts.append(original[done:start])
        done = end
    else:
        parts.append(original[done:])
        if b"".join(parts) == cleaned:
            return
    raise LedgerMismatchError(
        f"{name}: taking the removals from the original does not give the cleaned text; "
        "one of the three is of another run, clean the file again"
    )


def _changes(original: bytes, spans: list[tuple[int, int]]) -> Iterator[_Change]:
    """Widen removals to whole lines and join those that share a line."""
    line = counted = at = end = 0
    while at < len(spans):
        start = original.rfind(b"\n", 0, spans[at][0]) + 1
        kept, done = list[bytes](), start
        while True:
            kept.append(original[done : spans[at][0]])
            done = spans[at][1]
            at += 1
            if _is_line_start(original, done) and not _is_open(kept):
                break
            if done >= end:  # looked for once a line, however many removals it has
                end = original.find(b"\n", done) + 1 or len(original)
            if at == len(spans) or spans[at][0] >= end:
                kept.append(original[done:end])
                done = end
                break
        line += original.count(b"\n", counted, start)
        counted = start
        yield _Change(start, done, line, _num_lines(original[start:done]), b"".join(kept))


def _is_line_start(original: bytes, at: int) -> bool:
    return at == len(original) or original[at - 1 : at] == b"\n"


def _is_open(parts: list[bytes]) -> bool:
    last = next((part for part in reversed(parts) if part), b"\n")
    return not last.endswith(b"\n")


def _hunks(original: bytes, changes: list[_Change]) -> Iterator[bytes]:
    """Group changes whose contexts meet and write each group."""
    shift, group = 0, [changes[0]]
    for change in changes[1:]:
        before = group[-1]
        if change.line - (before.line + before.num_lines) <= 2 * _CONTEXT_LINES:
            group.append(change)
            continue
        text, shift = _hunk(original, group, shift)
        yield text
        group = [change]
    yield _hunk(original, group, shift)[0]


def _hunk(original: bytes, group: list[_Change], shift: int) -> tuple[bytes, int]:
    """Write one hunk; `shift` is by how many lines the new text runs behind so far (0 or less)."""
    start, end = _back(original, group[0].start), _forward(original, group[-1].end)
    body, done = list[bytes](), start
    for change in group:
        body += (_listed(b" ", original[done : change.start]), _listed(b"-", original[change.start : change.end]))
        body.append(_listed(b"+", change.after))
        done = change.end
    body.append(_listed(b" ", original[done:end]))
    num_old = _num_lines(original[start:end])
    lost = sum(change.num_lines - _num_lines(change.after) for change in group)
    first = group[0].line - _num_lines(original[start : group[0].start])
    head = f"@@ -{_range(first, num_old)} +{_range(first + shift, num_old - lost)} @@\n"
    return head.encode() + b"".join(body), shift - lost


def _range(first: int, num_lines: int) -> str:
    """Name lines as diff does: from 1, and an empty range by the line before it."""
    return f"{first + 1 if num_lines else first},{num_lines}"


def _back(original: bytes, at: int) -> int:
    for _ in range(_CONTEXT_LINES):
        at = original.rfind(b"\n", 0, max(0, at - 1)) + 1
    return at


def _forward(original: bytes, at: int) -> int:
    for _ in range(_CONTEXT_LINES):
        at = original.find(b"\n", at) + 1 or len(original)
    return at


def _num_lines(text: bytes) -> int:
    return text.count(b"\n") + (bool(text) and not text.endswith(b"\n"))


def _listed(mark: bytes, text: bytes) -> bytes:
    if not text:
        return b""
    lines = text.split(b"\n")
    last = lines.pop()
    listed = b"".join(mark + line + b"\n" for line in lines)
    return listed + mark + last + _NO_NEWLINE if last else listed


def _quoted(path: str) -> bytes:
    r"""Quote a path the way git does: C escapes where it has quotes, controls, backslashes or other than ASCII.

    >>> _quoted("a/plain name.txt"), _quoted("a/né\n")
    (b'a/plain name.txt', b'"a/n\\303\\251\\n"')
    """
    raw = path.encode("utf-8", "surrogateescape")
    if all(32 <= byte < 127 and byte not in b'"\\' for byte in raw):
        return raw
    quoted = "".join(
        _ESCAPES.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}") for byte in raw
    )
    return f'"{quoted}"'.encode()
