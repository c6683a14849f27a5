"""Make `Cleaned` records from bytes and spans, for the tests of reports; places are worked out the slow way."""

from __future__ import annotations

import hashlib

from dedupe.records import Cleaned, Document, Evidence, Place, Removal, Span

REASONS = (Evidence("base", -2.0, 1.0), Evidence("equal-copy", 5.5, 1.0, "the same words stand above"))


def place(doc: str, raw: bytes, span: Span, encoding: str = "utf-8") -> Place:
    """Locate bytes of a file in code points and lines, counting from its start."""
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    chars = tuple(len(raw[:end].decode(encoding, errors)) for end in span)
    first = raw.count(b"\n", 0, span[0]) + 1
    last = raw.count(b"\n", 0, max(span[0], span[1] - 1)) + 1
    return Place(doc, span, (chars[0], chars[1]), (first, last + 1))


def cleaned_of(
    raw: bytes,
    spans: list[Span],
    *,
    doc: str = "page.txt",
    encoding: str = "utf-8",
    kept: Span | None = None,
    stays: tuple[Span, ...] = (),
    rule: str = "repeated-block",
    num_words_lost: int = 0,
    host: str | None = None,
) -> Cleaned:
    """Take `spans` of `raw` out; all cite the copy at `kept`, and `stays` are found and kept."""
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    keeper = None if kept is None else place(doc, raw, kept, encoding)
    removals, parts, done = list[Removal](), list[bytes](), 0
    for span in sorted(spans):
        parts.append(raw[done : span[0]])
        done = span[1]
        removals.append(_removal(raw, span, doc, encoding, errors, b"".join(parts), rule, keeper, num_words_lost))
    repeats = tuple(
        _removal(raw, span, doc, encoding, errors, None, rule, keeper, num_words_lost) for span in stays
    )
    document = Document(doc, doc.partition("#")[0], raw, raw.decode(encoding, errors).encode("utf-8", errors)
                        if encoding != "utf-8" else raw, encoding, host=host)  # fmt: skip
    return Cleaned(document, b"".join(parts) + raw[done:], tuple(removals), repeats)


def _removal(
    raw: bytes, span: Span, doc: str, encoding: str, errors: str, before: bytes | None, rule: str,
    keeper: Place | None, num_words_lost: int,
) -> Removal:  # fmt: skip
    gone = raw[slice(*span)]
    text = gone.decode(encoding, errors)
    key = hashlib.sha256(gone.strip()).hexdigest()
    output_char = 0 if before is None else len(before.decode(encoding, errors))
    return Removal(
        id="r" + hashlib.sha256(f"{doc} {span}".encode("utf-8", "surrogatepass")).hexdigest()[:12],
        place=place(doc, raw, span, encoding),
        rule=rule,
        confidence=0.97,
        evidence=REASONS,
        removed=before is not None,
        fingerprint="p1:" + key[:16],
        text=text,
        raw=gone,
        num_words=len(text.split()),
        num_words_lost=num_words_lost,
        output_byte=len(before or b""),
        output_char=output_char,
        resemblance=1.0 if keeper else None,
        containment=1.0 if keeper else None,
        kept=keeper,
    )
