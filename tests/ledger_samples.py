"""Write seeded ledgers, realistic or hostile, together with the texts of their documents.

The review tests and `benchmarks/review.py` need ledgers of any size, with every rule and all kinds of text in them. A
sample is a made-up crawl: hosts with their own boilerplate, articles whose teasers quote the body, paragraphs that
differ by a few words, shared passages. Every span points at what it says: `texts[doc][s:e]` is the removed text, and
the kept copy's span holds the kept copy.

>>> import tempfile, pathlib
>>> path = pathlib.Path(tempfile.mkdtemp()) / "removals.jsonl"
>>> texts = write_ledger(path, num_documents=3, seed=1)
>>> len(texts)
3
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO


def _words(text: str) -> list[str]:
    return text.split()


_NOUNS = _words(
    "government report harbor council election border treaty price market river bridge minister court "
    "village farmer school teacher engine company worker union museum library storm winter drought "
    "harvest budget deficit currency export factory hospital nurse vaccine signal satellite network "
    "server reactor turbine pipeline railway station airport festival novel painter archive witness "
    "lawyer judge verdict appeal senator committee hearing inquiry spokesman analyst survey forecast"
)
_VERBS = _words(
    "announced rejected approved delayed reported denied expected opened closed questioned welcomed measured sold"
)
_OTHERS = _words(
    "the a this every another local national early late quiet former new old rising in on under after "
    "before during against with without and but while because yesterday again nearly about more than two "
    "three hundred million percent"
)
_OTHER_SCRIPTS = {
    "ar": _words(
        "الحكومة أعلنت في تقرير جديد أن أسعار الوقود ارتفعت بعد قرار المجلس وأن المواطنين ينتظرون "
        "ردا من الوزير قبل نهاية الشهر"
    ),
    "he": _words("הממשלה הודיעה אתמול כי מחירי הדלק עלו לאחר החלטת המועצה וכי התושבים ממתינים לתשובה מן השר"),
    "zh": list("政府昨日宣布新的报告显示燃料价格在理事会作出决定后上涨居民正在等待部长的答复"),
    "de": _words(
        "Die Regierung hat gestern gemeldet dass die Preise nach dem Beschluss des Rates gestiegen "
        "sind und Bürger warten"
    ),
}
_BOILERPLATE = (
    "Subscribe to our newsletter and get the best of {host} every morning.",
    "Share this article on Facebook, Twitter, WhatsApp or by e-mail",
    "© {year} {host}. All rights reserved. This material may not be published, broadcast, rewritten or redistributed.",
    "You have {n} free articles left this month. Sign in or start a trial to keep reading.",
    "Follow {host} on Telegram for news as it happens",
    "Our journalism is made possible by readers like you. Support {host} from {n} euro a month.",
    "This website uses cookies to improve your experience. By continuing you agree to our privacy policy.",
    "Comments are closed. Please read our community guidelines before you write to the editors.",
)
_CUES = (
    "Also read:",
    "Read more",
    "Advertisement",
    "Photo: Reuters",
    "(End)",
    "Related articles",
    "Tags:",
    "Print this page",
)
_SPREAD = {
    "repeated-block": 0.97,
    "near-repeated-block": 0.83,
    "excerpt": 0.91,
    "cue": 0.72,
    "site-boilerplate": 0.95,
    "shared-passage": 0.88,
    "shape": 0.64,
}

HOSTILE_TEXTS: dict[str, str] = {
    "script element": "<script>window.__pwned = 1; document.title = 'pwned'</script>",
    "event handler": '<img src=x onerror="window.__pwned = 2"> <svg onload="window.__pwned = 3">',
    "closing script": "</script><script>window.__pwned = 4</script><!-- <script>",
    "line separators": "first\u2028second\u2029third\u0085fourth",
    "bidi override": "invoice \u202egnp.exe\u202c and \u2066isolated\u2069 \u200fmark",
    "escape sequences": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J bell\x07",
    "nul and controls": "a\x00b\x01c\x7fd\x1fe",
    "javascript link": "javascript:window.__pwned=5 https://evil.example/?q=<script>",
    "quotes and templates": "\"'`${window.__pwned=6}{{7*7}}\\u003cscript\\u003e \\",
    "right to left": " ".join(_OTHER_SCRIPTS["ar"]) + " (2019) ABC",
    "zero width": "pass\u200bword\ufeff so\u00adft\u00a0space \U000e0041",
    "prototype keys": "__proto__ constructor toString hasOwnProperty",
    "astral": "𝒟edupe 🧑‍🚀🏳️‍🌈 \U0001f4a9 𠮷野家",
    "combining": "Z" + "\u0351\u0300\u0301" * 200 + "algo",
    "csv formula": '=HYPERLINK("http://evil.example","click")',
    "one long line": "lorem ipsum dolor sit amet " * 38_000,
}


@dataclass(slots=True)
class Block:
    """One block of a sample document; `rule` is None where it stays for good."""

    text: str
    rule: str | None = None
    type: str = "removal"
    key: str = ""  # what the fingerprint is taken of
    kept: tuple[str, int] | None = None  # document and index of the block that stays
    words_lost: int = 0
    resemblance: float | None = None
    raw: bytes | None = None  # where the bytes are not UTF-8
    byte: tuple[int, int] = (0, 0)
    char: tuple[int, int] = (0, 0)
    line: tuple[int, int] = (1, 1)


@dataclass(slots=True)
class Sample:
    """One document: its name, host and blocks, laid out when `lay_out` has run."""

    doc: str
    host: str | None
    blocks: list[Block] = field(default_factory=list)
    language: str = "en"
    near_duplicate_of: dict[str, Any] | None = None
    flags: tuple[str, ...] = ()

    def lay_out(self) -> bytes:
        """Give every block its spans; return the document's bytes."""
        parts: list[bytes] = []
        num_bytes = num_chars = 0
        num_lines = 1
        for block in self.blocks:
            raw = block.raw if block.raw is not None else block.text.encode("utf-8", "surrogatepass")
            raw += b"\n\n"
            chars = len(raw.decode("utf-8", "surrogateescape"))
            block.byte, num_bytes = (num_bytes, num_bytes + len(raw)), num_bytes + len(raw)
            block.char, num_chars = (num_chars, num_chars + chars), num_chars + chars
            lines = raw.count(b"\n")
            block.line, num_lines = (num_lines, num_lines + lines), num_lines + lines
            parts.append(raw)
        return b"".join(parts)


def write_ledger(
    path: Path,
    num_documents: int = 40,
    seed: int = 1,
    *,
    hostile: bool = False,
    removals_per_document: int = 8,
    keep_texts: bool = True,
) -> dict[str, bytes]:
    """Write a sample ledger to `path`; return the texts by document name (empty without `keep_texts`).

    Rows come in the order of the schema: the run, documents with their removals, clusters, errors, the summary.
    """
    texts: dict[str, bytes] = {}
    totals: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    clusters: dict[str, list[Any]] = {}
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        _put(out, _run_row())
        for sample in _samples(num_documents, seed, hostile, removals_per_document):
            raw = sample.lay_out()
            if keep_texts:
                texts[sample.doc] = raw
            _put_document(out, sample, raw, totals, rules, clusters)
        for fingerprint, (text, docs, count) in sorted(clusters.items()):
            _put(
                out,
                {
                    "type": "cluster",
                    "fingerprint": fingerprint,
                    "text": text,
                    "num_documents": docs,
                    "num_removals": count,
                },
            )
        _put(out, {"type": "error", "uri": "pages/broken.jsonl", "record": 17, "message": "line 18 is not JSON"})
        _put(out, {"type": "from-the-future", "note": "a reader passes this over"})
        _put(out, _summary_row(num_documents, totals, rules))
    return texts


def _put(out: TextIO, row: dict[str, Any]) -> None:
    out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode() + "\n")


def _run_row() -> dict[str, Any]:
    return {
        "type": "run",
        "schema": "removals/1",
        "tool": "dedupe",
        "version": "0.1.0",
        "config": {"preset": "careful", "min_confidence": 0.8, "num_perm": 128},
        "config_hash": "0123456789abcdef",
        "started": "2026-11-23T10:00:00Z",
    }


def _summary_row(num_documents: int, totals: Counter[str], rules: Counter[str]) -> dict[str, Any]:
    return {
        "type": "summary",
        "num_documents": num_documents,
        "num_documents_changed": totals["changed"],
        "num_removals": totals["removal"],
        "num_kept": totals["kept"],
        "num_errors": 1,
        "num_bytes_before": totals["before"],
        "num_bytes_after": totals["after"],
        "rules": dict(sorted(rules.items())),
    }


def _put_document(
    out: TextIO, sample: Sample, raw: bytes, totals: Counter[str], rules: Counter[str], clusters: dict[str, list[Any]]
) -> None:
    gone = [block for block in sample.blocks if block.rule and block.type == "removal"]
    num_gone = sum(block.byte[1] - block.byte[0] for block in gone)
    row: dict[str, Any] = {
        "type": "doc",
        "doc": sample.doc,
        "id": None,
        "uri": sample.doc.partition("#")[0],
        "host": sample.host,
        "url": f"https://{sample.host}/{sample.doc}" if sample.host else None,
        "encoding": "utf-8",
        "language": sample.language,
        "sha256_before": hashlib.sha256(raw).hexdigest(),
        "sha256_after": "0" * 64,
        "num_bytes_before": len(raw),
        "num_bytes_after": len(raw) - num_gone,
        "num_chars_before": len(raw.decode("utf-8", "surrogateescape")),
        "num_words_before": len(raw.split()),
        "flags": list(sample.flags),
    }
    if sample.near_duplicate_of:
        row["near_duplicate_of"] = sample.near_duplicate_of
    _put(out, row)
    totals.update(before=len(raw), after=len(raw) - num_gone, changed=bool(gone))
    shift = [0, 0]
    seen: set[str] = set()
    for kind in ("removal", "kept"):
        for block in sample.blocks:
            if not block.rule or block.type != kind:
                continue
            removal = _removal_row(sample, block, raw, shift)
            _put(out, removal)
            totals[kind] += 1
            if kind == "removal":
                rules[block.rule] += 1
                shift = [shift[0] + block.byte[1] - block.byte[0], shift[1] + block.char[1] - block.char[0]]
                entry = clusters.setdefault(removal["fingerprint"], [block.text[:300], 0, 0])
                entry[1] += removal["fingerprint"] not in seen
                entry[2] += 1
                seen.add(removal["fingerprint"])


def _removal_row(sample: Sample, block: Block, raw: bytes, shift: list[int]) -> dict[str, Any]:
    digest = hashlib.blake2b(f"{sample.doc}:{block.byte}".encode("utf-8", "replace"), digest_size=6).hexdigest()
    key = hashlib.blake2b((block.key or block.text).encode("utf-8", "replace"), digest_size=8).hexdigest()
    confidence = round(min(0.999, _SPREAD.get(block.rule or "", 0.9) + (int(digest[:2], 16) - 128) / 1600), 3)
    row: dict[str, Any] = {
        "type": block.type,
        "id": "r" + digest,
        "doc": sample.doc,
        "byte": list(block.byte),
        "char": list(block.char),
        "line": list(block.line),
    }
    if block.type == "removal":
        row |= {"output_byte": block.byte[0] - shift[0], "output_char": block.char[0] - shift[1]}
    row |= {
        "rule": block.rule,
        "confidence": confidence,
        "evidence": _evidence(block),
        "resemblance": block.resemblance,
        "containment": block.resemblance and min(1.0, round(block.resemblance + 0.05, 3)),
        "num_words": len(block.text.split()),
        "num_words_lost": block.words_lost,
        "fingerprint": "p1:" + key,
    }
    removed = raw[block.byte[0] : block.byte[1]]
    if block.raw is not None:
        row["text_base64"] = base64.b64encode(removed).decode()
    else:
        row["text"] = removed.decode("utf-8", "replace")
    row["kept"] = None
    if block.kept and block.kept[0] in _LAID_OUT:
        kept = _LAID_OUT[block.kept[0]][block.kept[1]]
        row["kept"] = {"doc": block.kept[0], "byte": list(kept.byte), "char": list(kept.char), "line": list(kept.line)}
    elif block.kept:
        kept = sample.blocks[block.kept[1]]
        row["kept"] = {"doc": sample.doc, "byte": list(kept.byte), "char": list(kept.char), "line": list(kept.line)}
    return row


_LAID_OUT: dict[str, list[Block]] = {}  # blocks of earlier documents that later ones cite


def _evidence(block: Block) -> list[dict[str, Any]]:
    reasons = {
        "repeated-block": [("equal-copy", 3.2, 1.0, "the same block stands earlier in this document")],
        "near-repeated-block": [
            ("near-copy", 2.1, block.resemblance, "nearly the same block stands in this document"),
            ("words-lost", -0.6, block.words_lost, "words that stand nowhere else"),
        ],
        "excerpt": [
            ("contained", 2.6, 0.96, "stands inside a longer paragraph below"),
            ("teaser-marks", 1.1, 3, "caption, outlet and date in front"),
        ],
        "cue": [("cue", 1.4, 1.0, "also-read list, English")],
        "site-boilerplate": [
            ("documents-of-host", 2.9, 12, "recurs on documents of this host"),
            ("position", 0.4, 0.95, "near the end"),
        ],
        "shared-passage": [("shared-run", 2.2, 64, "a run of equal words in another document")],
        "shape": [("separator", 1.2, 1.0, "no letters in the line")],
    }
    found = reasons.get(block.rule or "", [("given", 1.0, 1.0, "")])
    if block.type == "kept":
        found = [*found, ("kept", -2.0, 1.0, "a lead that restates the body stays")]
    return [{"name": name, "weight": weight, "value": value, "note": note} for name, weight, value, note in found]


def _sentence(rng: random.Random, language: str = "en", low: int = 8, high: int = 22) -> str:
    if language in _OTHER_SCRIPTS:
        words = [rng.choice(_OTHER_SCRIPTS[language]) for _ in range(rng.randint(low, high))]
        return ("" if language == "zh" else " ").join(words) + ("。" if language == "zh" else ".")
    words = [rng.choice(rng.choice((_NOUNS, _VERBS, _OTHERS, _OTHERS))) for _ in range(rng.randint(low, high))]
    return " ".join(words).capitalize() + "."


def _samples(num_documents: int, seed: int, hostile: bool, per_document: int) -> Iterator[Sample]:
    rng = random.Random(seed)
    _LAID_OUT.clear()
    hosts = [
        f"{a}-{b}.example"
        for a in ("daily", "evening", "morning", "coast", "hill")
        for b in ("post", "mail", "star", "view")
    ]
    hosts = hosts[: max(2, min(len(hosts), num_documents // 4))]
    if hostile:
        yield _hostile_sample()
        num_documents -= 1
    shared: tuple[str, int, str] | None = None
    for number in range(num_documents):
        sample = _article(rng, number, hosts, per_document, shared)
        if number % 9 == 0:
            body = max(
                (i for i, block in enumerate(sample.blocks) if block.rule is None),
                key=lambda i: len(sample.blocks[i].text),
            )
            sample.lay_out()
            shared = (sample.doc, body, sample.blocks[body].text)
            while len(_LAID_OUT) > 1:
                del _LAID_OUT[next(iter(_LAID_OUT))]
            _LAID_OUT[sample.doc] = sample.blocks
        yield sample


def _article(
    rng: random.Random, number: int, hosts: list[str], per_document: int, shared: tuple[str, int, str] | None
) -> Sample:
    host = hosts[number % len(hosts)]
    language = ("ar", "zh", "de", "he")[number // 7 % 4] if number % 7 == 6 else "en"
    sample = Sample(f"pages/{host}/{2019 + number % 7}-{number:06d}.txt", host, language=language)
    headline = _sentence(rng, language, 5, 9).rstrip(".。")
    body = [" ".join(_sentence(rng, language) for _ in range(rng.randint(2, 4))) for _ in range(rng.randint(3, 6))]
    blocks = sample.blocks
    blocks.append(Block(headline))
    blocks.append(Block(headline, "repeated-block", kept=("", 0), resemblance=1.0))
    teaser_at = len(blocks)
    blocks.extend(Block(text) for text in body)
    first_body = teaser_at
    wanted = per_document - 1
    if wanted > 0:
        teaser = "File photo. " + host.partition(".")[0].title() + ": " + " ".join(body[0].split()[:25]) + " …"
        blocks.append(
            Block(teaser, "excerpt", kept=("", first_body), words_lost=rng.choice((0, 0, 2)), resemblance=0.62)
        )
    if wanted > 1:
        words = body[1].split(" ")
        changed = [w if rng.random() > 0.12 else rng.choice(_NOUNS) for w in words]
        lost = sum(a != b for a, b in zip(words, changed, strict=True))
        blocks.append(
            Block(
                " ".join(changed),
                "near-repeated-block",
                key=body[1],
                kept=("", first_body + 1),
                words_lost=lost,
                resemblance=round(1 - lost / max(len(words), 1), 3),
            )
        )
    if shared and wanted > 2 and number % 3 == 0:
        blocks.append(Block(shared[2], "shared-passage", kept=(shared[0], shared[1]), resemblance=1.0))
    if number % 4 == 0:
        blocks.append(Block(body[-1], "excerpt", "kept", kept=("", first_body + len(body) - 1), resemblance=1.0))
    if number % 11 == 5 and shared:
        sample.near_duplicate_of = {"doc": shared[0], "resemblance": 0.91, "containment": 0.97}
    if number % 13 == 4:
        sample.flags = ("guard",)
    rank = hosts.index(host)
    while sum(b.rule is not None and b.type == "removal" for b in blocks) < per_document:
        pick = rng.randrange(len(_BOILERPLATE) + 3)
        if pick < len(_BOILERPLATE):
            line = _BOILERPLATE[pick].format(host=host, year=2019 + number % 7, n=rank + 3)
            blocks.append(Block(line, "site-boilerplate", key=f"{host} {pick}"))
        elif pick == len(_BOILERPLATE):
            blocks.append(Block("* * *", "shape"))
        else:
            blocks.append(Block(rng.choice(_CUES), "cue"))
    return sample


def _hostile_sample() -> Sample:
    sample = Sample("pages/<img src=x onerror=alert(1)>\u202egpj.txt", "__proto__")
    sample.blocks.append(Block("An ordinary opening paragraph that stays where it is and gives the rest some context."))
    for name, text in HOSTILE_TEXTS.items():
        sample.blocks.append(Block(text, "cue", key="hostile " + name, words_lost=1))
    raw = b"broken \xff\xfe bytes \xc3( and more"
    sample.blocks.append(
        Block(
            raw.decode("utf-8", "replace"),
            "repeated-block",
            key="hostile bytes",
            raw=raw,
            kept=("", 0),
            resemblance=0.2,
        )
    )
    sample.blocks.append(Block("The closing paragraph."))
    return sample
