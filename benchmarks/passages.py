"""Measure whether quotations that were re-wrapped, re-punctuated and slightly edited are found in other documents.

    python benchmarks/passages.py [--documents 400] [--seed 1] [--edited 0.03] [--jobs 1]

A corpus is made from a seed: articles in six languages, and as many other documents that hold one to three passages of
50 to 250 tokens out of them, each in one of these styles:

    plain      as it stands
    wrapped    lines of 40 to 90 columns, odd spaces, some of them no-break
    punctuated other marks and quotes, capitals, ends of sentences made into dashes
    edited     a share of the words (--edited) replaced, left out or put in, at most two in a row
    mixed      all of it

Some articles are quoted many times, at places that overlap. The corpus goes through the command's own path with
`shared_passages="report"`, and the ledger is compared with what was planted:

    found       planted passages of which 80 % of the characters are in passages reported between the two documents
    recall      characters of planted passages that are reported
    precision   characters reported that belong to a passage both documents have

The first and last word of an edited passage are the article's own: where a quotation begins with other words, it begins
after them. What the figures do not show: the words are invented and follow Zipf's law (see generate.py), real texts
share more phrases by chance; and who quotes really, edits in other ways. Exit code 1 below the floors.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from generate import Article, Generator

from dedupe.config import Config
from dedupe.corpus_api import clean_records
from dedupe.read import find_inputs
from dedupe.write import plan_outputs

STYLES = ("plain", "wrapped", "punctuated", "edited", "mixed")
FLOORS = {"found": 0.99, "recall": 0.98, "precision": 0.95}
MIN_TOKENS, MAX_TOKENS = 50, 250
_FOUND_FRACTION = 0.8
_NUM_POPULAR = 5  # articles that everybody quotes
_Span = tuple[int, int]


@dataclass(frozen=True)
class Planted:
    """Say where a passage stands in a document and in the article it is from; characters."""

    style: str
    doc: str
    span: _Span
    article: str
    article_span: _Span


@dataclass(frozen=True)
class Score:
    found: float
    recall: float
    precision: float
    num_planted: int


def make_corpus(num_articles: int, seed: int, edited: float) -> tuple[list[dict[str, str]], list[Planted]]:
    """Make articles, then documents that quote them; the same for the same arguments."""
    generator = Generator(seed)
    random = np.random.default_rng([seed, 1])
    articles = [_article(generator, random, number) for number in range(num_articles)]
    rows = [_row(article.id, article.text()) for article in articles]
    planted: list[Planted] = []
    for number in range(num_articles):
        of = int(random.integers(0, _NUM_POPULAR if random.random() < 0.2 else num_articles))
        text, found = _quoting(generator, random, f"q{number}", articles[of], edited)
        rows.append(_row(f"q{number}", text))
        planted += found
    order = random.permutation(len(rows))
    return [rows[at] for at in order], planted


def _row(name: str, text: str) -> dict[str, str]:
    return {"id": name, "url": f"https://{name}.example/", "text": text}


def _article(generator: Generator, random: np.random.Generator, number: int) -> Article:
    language = ("en", "es", "de", "ru", "ar", "zh")[number % 6]
    article = generator.prose(language, int(random.integers(300, 900)))
    article.id = f"a{number}"
    return article


def num_tokens(word: str, language: str) -> int:
    return len(word) if language == "zh" else 1


def _quoting(
    generator: Generator, random: np.random.Generator, name: str, article: Article, edited: float
) -> tuple[str, list[Planted]]:
    """Write a document around one to three quotations of an article, which do not overlap in it."""
    text, found = "", []
    low, size = 0, len(article.words)
    for _ in range(int(random.integers(1, 4))):
        wanted = int(random.integers(MIN_TOKENS, MAX_TOKENS + 1))
        begin = low + int(random.integers(0, 60))
        end, count = begin, 0
        while end < size and count < wanted:
            count += num_tokens(article.words[end], article.language)
            end += 1
        if count < MIN_TOKENS:
            break
        style = STYLES[int(random.integers(0, len(STYLES)))]
        words = article.words[begin:end]
        quote = quoted(words, article.gaps[begin:end], article.language, style, random, edited,
                       generator.languages[article.language].draw(len(words)))
        # an own paragraph or inside one of the document's own
        joint = "\n\n" if random.random() < 0.6 else (" " if article.language != "zh" else "")
        text += generator.prose(article.language, int(random.integers(150, 400))).text() + joint
        found.append(Planted(style, name, (len(text), len(text) + len(quote)), article.id,
                             _span_in(article, begin, end)))
        text += quote + joint
        low = end
    return text + generator.prose(article.language, 200).text(), found


def _span_in(article: Article, begin: int, end: int) -> _Span:
    sizes = [len(word) + len(gap) for word, gap in zip(article.words, article.gaps, strict=True)]
    start = sum(sizes[:begin])
    return start, start + sum(sizes[begin:end]) - len(article.gaps[end - 1])


def quoted(
    words: Sequence[str], gaps: Sequence[str], language: str, style: str, random: np.random.Generator, edited: float,
    others: Sequence[str],
) -> str:
    """Write words anew in one of the styles; without the gap behind the last."""
    words, gaps = list(words), list(gaps)
    gaps[-1] = ""
    if style in ("edited", "mixed"):
        words, gaps = _edited(words, gaps, random, edited, others)
    if style in ("punctuated", "mixed"):
        words, gaps = _punctuated(words, gaps, language, random)
    if style in ("wrapped", "mixed"):
        gaps = _wrapped(words, gaps, language, random)
    return "".join(word + gap for word, gap in zip(words, gaps, strict=True)).strip()


def _edited(
    words: list[str], gaps: list[str], random: np.random.Generator, share: float, others: Sequence[str]
) -> tuple[list[str], list[str]]:
    new_words, new_gaps = [words[0]], [gaps[0]]
    for word, gap, other in zip(words[1:-1], gaps[1:-1], others, strict=False):
        chance = random.random()
        if chance < share / 3:
            new_words.append(other)
        elif chance < 2 * share / 3:
            new_words += [other, word]
            new_gaps.append(" ")
        elif chance < share:
            continue
        else:
            new_words.append(word)
        new_gaps.append(gap)
    return [*new_words, words[-1]], [*new_gaps, ""]


def _punctuated(
    words: list[str], gaps: list[str], language: str, random: np.random.Generator
) -> tuple[list[str], list[str]]:
    space = "" if language == "zh" else " "
    marks = [f" — {space}".strip() + space, f"; {space}".strip() + space, f"…{space}", f"!{space}", f"”{space}“"]
    for at, gap in enumerate(gaps[:-1]):
        if gap.strip() and random.random() < 0.5:
            gaps[at] = marks[int(random.integers(0, len(marks)))]
        elif random.random() < 0.03:
            gaps[at] = f",{space}"
        if random.random() < 0.05:
            words[at] = words[at].upper() if len(words[at].upper()) == len(words[at]) else words[at]
    return words, gaps


def _wrapped(words: list[str], gaps: list[str], language: str, random: np.random.Generator) -> list[str]:
    width, column = int(random.integers(40, 91)), 0
    for at, (word, gap) in enumerate(zip(words, gaps, strict=True)):
        column += len(word) + len(gap)
        if column >= width:
            gaps[at], column = gap.rstrip() + "\n", 0
        elif gap == " " and random.random() < 0.05:
            gaps[at] = "\u00a0" if random.random() < 0.5 else "  "
    return gaps


def reported(ledger: Iterable[bytes]) -> dict[tuple[str, str], list[tuple[_Span, _Span]]]:
    """Read the passages of a ledger: by pair of ids, the spans in either, both ways round."""
    ids: dict[str, str] = {}
    found: dict[tuple[str, str], list[tuple[_Span, _Span]]] = defaultdict(list)
    rows = []
    for line in ledger:
        row = json.loads(line)
        if row["type"] == "doc":
            ids[row["doc"]] = row["id"]
        elif row.get("rule") == "shared-passage":
            rows.append(row)
    for row in rows:
        here, there = ids[row["doc"]], ids[row["kept"]["doc"]]
        spans = tuple(row["char"]), tuple(row["kept"]["char"])
        found[here, there].append(spans)
        found[there, here].append(spans[::-1])
    return found


def score(
    planted: Sequence[Planted], found: dict[tuple[str, str], list[tuple[_Span, _Span]]], style: str | None = None
) -> Score:
    """Compare what was reported with what was planted, in all styles or in one.

    An article and the documents that quote it are a family: the source that is named may be any of them.
    """
    family = {name: each.article for each in planted for name in (each.doc, each.article)}
    planted = [each for each in planted if style in (None, each.style)]
    covered: dict[str, set[int]] = defaultdict(set)
    for (here, there), spans in found.items():
        if family.get(here, here) == family.get(there, there):
            for span, _ in spans:
                covered[here].update(range(*span))
    true: dict[str, set[int]] = defaultdict(set)
    hits = num_found = num_wanted = 0
    for each in planted:
        wanted = set(range(*each.span))
        hit = len(wanted & covered[each.doc])
        num_found += hit >= _FOUND_FRACTION * len(wanted)
        hits += hit
        num_wanted += len(wanted)
        true[each.doc] |= wanted
        true[each.article].update(range(*each.article_span))
    told: dict[str, set[int]] = defaultdict(set)
    for (here, _), spans in found.items():
        for span, _ in spans:
            told[here].update(range(*span))
    num_told = sum(map(len, told.values()))
    right = sum(len(chars & true[doc]) for doc, chars in told.items())
    return Score(num_found / len(planted), hits / num_wanted, right / num_told if num_told else 0.0, len(planted))


def run(rows: Sequence[dict[str, str]], folder: Path, jobs: int = 1, config: Config | None = None) -> list[bytes]:
    """Clean a corpus and return the lines of its ledger."""
    (folder / "in").mkdir(parents=True)
    lines = [json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows]
    (folder / "in" / "corpus.jsonl").write_bytes(b"".join(lines))
    inputs = find_inputs([str(folder / "in")])
    clean_records(inputs, plan_outputs(inputs, str(folder / "out")), config or Config(), report=str(folder / "report"),
                  jobs=jobs)
    return (folder / "report" / "removals.jsonl").read_bytes().splitlines()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=400, help="articles, and documents that quote them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--edited", type=float, default=0.03, help="share of the words of edited passages")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    rows, planted = make_corpus(arguments.documents, arguments.seed, arguments.edited)
    with tempfile.TemporaryDirectory() as folder:
        found = reported(run(rows, Path(folder), arguments.jobs))
    print(f"{len(rows)} documents, {len(planted)} passages planted\n{'style':12} {'found':>7} {'recall':>7}")
    for style in STYLES:
        part = score(planted, found, style)
        print(f"{style:12} {part.found:7.4f} {part.recall:7.4f}   of {part.num_planted}")
    total = score(planted, found)
    print(f"{'all':12} {total.found:7.4f} {total.recall:7.4f}   precision {total.precision:.4f}")
    return int(any(getattr(total, name) < floor for name, floor in FLOORS.items()))


if __name__ == "__main__":
    sys.exit(main())
