"""Generate a corpus of article-like texts with planted copies, and the truth about them.

    python benchmarks/generate.py corpus.jsonl --truth truth.jsonl --megabytes 20 --seed 1

The same arguments give the same bytes, whatever the size asked for: a larger corpus begins with the smaller one. Memory
does not grow with the size. A line of the corpus is {"id", "url", "language", "text"}; a line of the truth, for every
planted document, is {"id", "kind", "of", "resemblance", "containment"} with exact figures over word 5-shingles of the
two texts (|A & B| / |A | B|, and |A & B| / |A| with A the planted document).

What the figures made with it do not show: the words are invented and follow Zipf's law independently of each other, so
texts of different documents share fewer 5-shingles by chance than real ones, and all boilerplate is planted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np

SHINGLE_TOKENS = 5
NUM_WORDS = 30_000  # distinct words of a language
NUM_RECENT = 4_000  # documents that may be copied: bounds memory
BATCH_WORDS = 1 << 16

# Letters to make syllables of: onsets / nuclei. Han words are one to three characters, written without spaces.
SYLLABLES = {
    "en": "b c d f g h l m n p r s t v st tr pl br ch th / a e i o u ai ou ea",
    "es": "b c d f g j l m n p r s t v ll tr qu br ch ñ / a e i o u ía ió é a e o",
    "de": "b d f g h k l m n p r s t w st tr pf br sch ß / a e i o u ei au ä ö ü e i",
    "ru": "б в г д ж з к л м н п р с т ст пр ш / а е и о у ы я ё ю",
    "ar": "ب ت ث ج ح خ د ذ ر ز س ش ص ض ط ع غ ف ق ك ل م ن ه / ا و ي ال",
}
LANGUAGES = ("en", "es", "de", "ru", "ar", "zh")
SHARE_OF_LANGUAGE = (0.4, 0.15, 0.15, 0.12, 0.08, 0.10)
SHARE_OF_KIND = {
    "fresh": 0.70, "exact": 0.05, "near": 0.12, "template": 0.05, "teaser": 0.03, "page": 0.03, "notice": 0.02,
}  # fmt: skip


@dataclass
class Article:
    """Hold the words of a text and what stands after each (a space, a comma, a full stop, a paragraph end)."""

    id: str
    language: str
    words: list[str]
    gaps: list[str]
    shingles: frozenset[int] = field(default=frozenset())

    def text(self) -> str:
        return "".join(chain.from_iterable(zip(self.words, self.gaps, strict=True))).strip()

    def make_shingles(self) -> frozenset[int]:
        """Hash the 5-shingles of the tokens: folded words, or single characters of Han; once."""
        if not self.shingles:
            tokens = [word.casefold() for word in self.words]
            if self.language == "zh":
                tokens = list("".join(tokens))
            size = min(SHINGLE_TOKENS, len(tokens))
            self.shingles = frozenset(map(hash, zip(*(tokens[step:] for step in range(size)), strict=False)))
        return self.shingles


class Language:
    """Make words of a language, most frequent first, and draw them by Zipf's law."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.is_spaced = name, name != "zh"
        random = np.random.default_rng([seed, LANGUAGES.index(name)])
        syllables = [chr(code) for code in range(0x4E00, 0x4E00 + 2400)]
        if self.is_spaced:
            onsets, nuclei = (letters.split() for letters in SYLLABLES[name].split("/"))
            syllables = [onset + nucleus for onset in onsets for nucleus in nuclei]
        chosen = random.integers(0, len(syllables), (2 * NUM_WORDS, 4)).tolist()
        longest = 4 if self.is_spaced else 3
        # frequent words are short; the dictionary keeps the first of equal ones
        sizes = random.integers(1, np.clip(np.arange(2 * NUM_WORDS) // 150 + 2, 2, longest + 1)).tolist()
        words = dict.fromkeys(
            "".join(syllables[at] for at in row[:size]) for row, size in zip(chosen, sizes, strict=True)
        )
        self.words = list(words)[:NUM_WORDS]
        weight = 1.0 / (np.arange(len(self.words)) + 2.7)
        self.cumulated = np.cumsum(weight / weight.sum())
        self.random, self.drawn, self.at = random, np.empty(0, np.int64), 0

    def draw(self, count: int) -> list[str]:
        if self.at + count > len(self.drawn):
            uniform = self.random.random(max(BATCH_WORDS, count))
            self.drawn = np.minimum(np.searchsorted(self.cumulated, uniform), len(self.words) - 1)
            self.at = 0
        chosen = self.drawn[self.at : self.at + count].tolist()
        self.at += count
        return [self.words[word] for word in chosen]


class Generator:
    """Make documents one after another; every choice comes from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.languages = {name: Language(name, seed) for name in LANGUAGES}
        self.recent: list[Article] = []
        self.frames: dict[int, Article] = {}
        self.notices: dict[str, Article] = {}
        self.num_docs = 0

    def prose(self, language: str, num_words: int) -> Article:
        """Write sentences of 6 to 24 words in paragraphs of one to five sentences."""
        words = self.languages[language].draw(num_words)
        is_spaced = self.languages[language].is_spaced
        space, comma, stop = (" ", ", ", ". ") if is_spaced else ("", "，", "。")
        gaps = [space] * num_words
        commas = self.random.integers(3, 12, num_words // 6 + 1).cumsum()
        for place in commas[commas < num_words].tolist():
            gaps[place] = comma
        place = 0
        lengths = self.random.integers(6, 25, num_words // 6 + 1).tolist()
        ends = self.random.random(len(lengths)) < 0.35
        for length, ends_paragraph in zip(lengths, ends.tolist(), strict=True):
            words[place] = words[place].capitalize()
            place += length
            if place >= num_words:
                break
            gaps[place - 1] = stop.strip() + "\n\n" if ends_paragraph else stop
        gaps[-1] = stop.strip() + "\n"
        return Article("", language, words, gaps)

    def fresh(self) -> Article:
        language = str(self.random.choice(LANGUAGES, p=SHARE_OF_LANGUAGE))
        num_words = int(np.clip(self.random.lognormal(5.8, 0.7), 30, 6000))
        title = self.prose(language, int(self.random.integers(5, 12)))
        title.gaps[-1] = "\n\n"
        return joined(title, self.prose(language, num_words))

    def near(self, article: Article) -> Article:
        """Replace as many words as bring the resemblance to a figure between .4 and 1."""
        target = float(self.random.uniform(0.4, 1.0))
        num_words = len(article.words)
        width = SHINGLE_TOKENS if article.language != "zh" else 3  # a Han word has about two of the five tokens
        count = max(1, round(num_words * (1 - target) / (width * (1 + target))))
        count = min(count, num_words // width)
        at = (np.linspace(0, num_words - 1, count + 2)[1:-1]).astype(int).tolist()
        words = list(article.words)
        for place, word in zip(at, self.languages[article.language].draw(count), strict=True):
            words[place] = word
        return Article("", article.language, words, article.gaps)

    def template(self) -> Article:
        """Put a fresh body into the frame of one of 50 sites; about half of such a page is the frame."""
        site = int(self.random.integers(0, 50))
        if site not in self.frames:
            self.frames[site] = self.prose(LANGUAGES[site % len(LANGUAGES)], 160)
        frame = self.frames[site]
        body = self.prose(frame.language, int(self.random.integers(60, 240)))
        return joined(part(frame, 0, 80), body, part(frame, 80, 160))

    def teaser(self, article: Article) -> Article:
        size = max(20, len(article.words) // int(self.random.integers(3, 7)))
        begin = int(self.random.integers(0, max(1, len(article.words) - size)))
        return part(article, begin, begin + size)

    def page(self, article: Article) -> Article:
        """Put the article into a page three to five times its size."""
        more = [self.prose(article.language, len(article.words)) for _ in range(int(self.random.integers(2, 5)))]
        return joined(more[0], article, *more[1:])

    def notice(self) -> Article:
        """Repeat one of a few texts to the letter ("we value your privacy"): the hot bucket of every crawl."""
        language = LANGUAGES[int(self.random.integers(0, 3))]
        if language not in self.notices:
            self.notices[language] = self.prose(language, 90)
        return part(self.notices[language], 0, 90)

    def __iter__(self) -> Iterator[tuple[Article, str, Article | None]]:
        """Give documents for ever, each with its kind and the document it was made from."""
        kinds, shares = list(SHARE_OF_KIND), np.cumsum(list(SHARE_OF_KIND.values()))
        while True:
            kind = kinds[min(int(np.searchsorted(shares, self.random.random())), len(kinds) - 1)]
            source = None
            if kind in ("exact", "near", "teaser", "page"):
                if not self.recent:
                    continue
                source = self.recent[int(self.random.integers(0, len(self.recent)))]
            article = self.make(kind, source)
            self.num_docs += 1
            article.id = f"d{self.num_docs:09d}"
            if kind == "fresh":
                self.remember(article)
            if kind == "notice":
                source = self.notices[article.language]
                source.id = source.id or article.id
            yield article, kind, source if source is not None and source.id != article.id else None

    def make(self, kind: str, source: Article | None) -> Article:
        if source is None:
            return {"fresh": self.fresh, "template": self.template, "notice": self.notice}[kind]()
        if kind == "exact":
            return part(source, 0, len(source.words))
        return {"near": self.near, "teaser": self.teaser, "page": self.page}[kind](source)

    def remember(self, article: Article) -> None:
        if len(self.recent) < NUM_RECENT:
            self.recent.append(article)
        else:
            self.recent[int(self.random.integers(0, NUM_RECENT))] = article


def joined(*articles: Article) -> Article:
    words = [word for article in articles for word in article.words]
    gaps: list[str] = []
    for article in articles:
        gaps += article.gaps
        gaps[-1] = gaps[-1].rstrip() + "\n\n"
    return Article("", articles[0].language, words, gaps)


def part(article: Article, begin: int, end: int) -> Article:
    return Article("", article.language, article.words[begin:end], article.gaps[begin:end])


def documents(seed: int, num_bytes: int) -> Iterator[tuple[Article, str, str, Article | None]]:
    """Give documents, their texts, kinds and sources, until the texts have `num_bytes` of UTF-8."""
    done = 0
    for article, kind, source in Generator(seed):
        if done >= num_bytes:
            return
        text = article.text()
        done += len(text.encode())
        yield article, text, kind, source


def truth_of(article: Article, kind: str, source: Article) -> dict[str, object]:
    own, other = article.make_shingles(), source.make_shingles()
    common = len(own & other)
    return {
        "id": article.id,
        "kind": kind,
        "of": source.id,
        "resemblance": round(common / len(own | other), 6),
        "containment": round(common / len(own), 6),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--truth", type=Path, help="where to write what was planted")
    parser.add_argument("--megabytes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    truth = arguments.truth.open("w", encoding="utf-8") if arguments.truth else None
    with arguments.corpus.open("w", encoding="utf-8") as corpus:
        for article, text, kind, source in documents(arguments.seed, int(arguments.megabytes * 1e6)):
            url = f"https://site{int(article.id[1:]) % 97}.example/{article.id}"
            row = {"id": article.id, "url": url, "language": article.language, "text": text}
            corpus.write(json.dumps(row, ensure_ascii=False) + "\n")
            if truth is not None and source is not None:
                truth.write(json.dumps(truth_of(article, kind, source)) + "\n")
    if truth is not None:
        truth.close()


if __name__ == "__main__":
    main()
