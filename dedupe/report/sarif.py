"""Write findings as SARIF 2.1.0, for code scanning views: what went, with the kept copy as a related location.

Source: OASIS SARIF 2.1.0 plus errata 01. Lines, not columns, give regions, since columns would need every line of
the originals; bytes and code points of the ledger stand in `properties`. GitHub shows 5,000 results of a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from dedupe.records import Place, Removal
from dedupe.report.text import visible
from dedupe.report.view import Entry, Ledger, Source, entries, file_of

SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
RULES = {
    "repeated-block": "A block that stands in the document already",
    "near-repeated-block": "A block that stands in the document already in nearly the same words",
    "excerpt": "A free-standing excerpt of a longer block",
    "numbered-caption": "A numbered caption left behind by a picture",
    "doubled": "Text said twice within one block",
    "cue": "Wording that marks boilerplate",
    "cue-continuation": "Lines that belong to such wording",
    "shape": "A line whose form marks boilerplate",
    "debris": "A line that reads as left over from the page",
    "site-boilerplate": "A passage that recurs across documents of one site",
    "shared-passage": "A long passage that stands in several documents",
    "user-rule": "A rule or decision of a person",
}
_LINE_ENDS = ("\r\n", "\n", "\r", "\u2028", "\u2029")
_MAX_SNIPPET_CHARS = 2_000


def sarif(source: Source, version: str = "") -> Iterator[bytes]:
    """Yield one SARIF log in pieces, one run, a result a finding; repeats that stay have the level none.

    `version` is that of dedupe, for sources other than a ledger read whole, which has its own.
    """
    import msgspec

    encode = msgspec.json.Encoder().encode
    run = source.run if isinstance(source, Ledger) else None
    errors = source.errors if isinstance(source, Ledger) else ()
    yield b'{"$schema":' + encode(SARIF_SCHEMA) + b',"version":"2.1.0","runs":[{"columnKind":"unicodeCodePoints",'
    yield b'"newlineSequences":' + encode(_LINE_ENDS) + b","
    yield b'"results":['
    rules = {name: number for number, name in enumerate(RULES)}
    artifacts, comma = list[dict[str, Any]](), b""
    for entry in entries(source):
        artifacts.append(_artifact(entry))
        for item in (*entry.removals, *entry.kept):
            rule_index = rules.setdefault(visible(item.rule), len(rules))
            yield comma + encode(_result(entry, item, rule_index, len(artifacts) - 1))
            comma = b","
    driver: dict[str, Any] = {"name": "dedupe", "rules": [_rule(name) for name in rules]}
    if number := run.version if run else version:
        driver["semanticVersion"] = number
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if run and run.started:
        invocation["startTimeUtc"] = run.started
    if errors:
        invocation["toolExecutionNotifications"] = [
            {"level": "warning", "message": {"text": _message(record.message)}, "locations": [
                {"physicalLocation": {"artifactLocation": {"uri": uri_of(record.uri)}}}
            ]}
            for record in errors
        ]  # fmt: skip
    rest = {"tool": {"driver": driver}, "artifacts": artifacts, "invocations": [invocation]}
    yield b"]," + encode(rest)[1:] + b"]}\n"


def _rule(name: str) -> dict[str, Any]:
    text = RULES.get(name, "A finding of a later version of dedupe")
    return {"id": name, "shortDescription": {"text": text}, "defaultConfiguration": {"level": "note"}}


def _artifact(entry: Entry) -> dict[str, Any]:
    row = entry.row
    return {
        "location": {"uri": uri_of(row.uri)},
        "length": row.num_bytes_before,
        "hashes": {"sha-256": row.sha256_before},
        "properties": {"doc": visible(row.doc), "encoding": row.encoding},
    }


def _result(entry: Entry, item: Removal, rule_index: int, artifact_index: int) -> dict[str, Any]:
    words = f"{item.num_words:,} word{'' if item.num_words == 1 else 's'}, {item.num_words_lost:,} nowhere else"
    copy = "; [the copy that stays](1)" if item.kept else ""
    what = "Removed" if item.removed else "Found and kept"
    snippet = item.text if len(item.text) <= _MAX_SNIPPET_CHARS else item.text[:_MAX_SNIPPET_CHARS] + "…"
    location = _location(item.place, entry.row.uri)
    location["physicalLocation"]["artifactLocation"]["index"] = artifact_index
    location["physicalLocation"]["region"]["snippet"] = {"text": visible_lines(snippet)}
    result: dict[str, Any] = {
        "ruleId": visible(item.rule),
        "ruleIndex": rule_index,
        "kind": "fail" if item.removed else "informational",
        "level": "note" if item.removed else "none",
        "message": {"text": f"{what}: {words}, confidence {item.confidence:.2f}{copy}"},
        "locations": [location],
        "rank": round(100 * min(max(item.confidence, 0.0), 1.0), 4),
        "partialFingerprints": {"passage/v1": visible(item.fingerprint), "removal/v1": visible(item.id)},
        "properties": {"id": visible(item.id), "byte": item.place.byte, "char": item.place.char},
    }
    if item.kept is not None:
        uri = entry.row.uri if item.kept.doc == entry.row.doc else file_of(item.kept.doc)
        related = _location(item.kept, uri)
        result["relatedLocations"] = [{"id": 1, "message": {"text": "The copy that stays"}, **related}]
    return result


def _location(place: Place, uri: str) -> dict[str, Any]:
    first = max(1, place.line[0])
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": uri_of(uri)},
            "region": {"startLine": first, "endLine": max(first, place.line[1] - 1)},
        }
    }
    if place.doc != uri:
        location["logicalLocations"] = [{"fullyQualifiedName": visible(place.doc), "kind": "record"}]
    return location


def uri_of(path: str) -> str:
    """Write a path as a URI reference; bytes that are not UTF-8 stay themselves.

    >>> uri_of("a b/c#1.txt"), uri_of("/x")
    ('a%20b/c%231.txt', 'file:///x')
    """
    quoted = quote(path.replace("\\\\", "/").encode("utf-8", "surrogateescape"), safe="/")
    return "file://" + quoted if quoted.startswith("/") else quoted


def visible_lines(text: str) -> str:
    """Make a text visible but for its line ends and tabs, which snippets keep."""
    return "".join(part if part in "\r\n\t" else visible(part) for part in _parts(text))


def _parts(text: str) -> Iterator[str]:
    for line in text.splitlines(keepends=True):
        body = line.rstrip("\r\n")
        for number, cell in enumerate(body.split("\t")):
            if number:
                yield "\t"
            yield cell
        yield from line[len(body) :]


def _message(text: str) -> str:
    """Escape what a SARIF viewer would take for a link or a placeholder."""
    escaped = visible(text[:_MAX_SNIPPET_CHARS]).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return escaped.replace("{", "{{").replace("}", "}}")
