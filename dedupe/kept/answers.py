"""Answer for documents what an index has of them: names, figures, and spans on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from dedupe.clean import Places
from dedupe.config import Config
from dedupe.corpus.memory import sketch
from dedupe.corpus.prepare import document_pieces
from dedupe.corpus.spans import snapped, token_spans
from dedupe.kept.search import Matches, find_matches, find_passages, look_up_seeds
from dedupe.kept.view import Name, View
from dedupe.normalize import normalize
from dedupe.passages import Passage
from dedupe.records import Document, Place, Span, Texts
from dedupe.segment import segment


@dataclass(frozen=True, slots=True)
class KeptMatch:
    """Name a kept document that matches a text as a whole, with exact figures over word 5-shingles, 0-1.

    `resemblance`: |A & B| / |A | B|; `containment`: |A & B| / |A|, how much of the text the kept document has;
    `kept_containment`: |A & B| / |B|, how much of the kept document the text has. `same_text`: they are equal but for
    punctuation, spaces and case.
    """

    kept: Name
    resemblance: float
    containment: float
    kept_containment: float
    same_text: bool


@dataclass(frozen=True, slots=True)
class KeptPassage:
    """Say that a passage of a text stands in a kept document: both places, the tokens it has here and how many of
    them are equal there, in order."""

    place: Place
    kept: Name
    kept_place: Place
    num_tokens: int
    num_equal: int

    @property
    def similarity(self) -> float:
        """Give the share of tokens that are equal, 0-1."""
        return min(1.0, self.num_equal / max(1, self.num_tokens))


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """Hold all that an index has of one document: matches, best first, and passages of others, by position."""

    document: Document
    matches: tuple[KeptMatch, ...]
    passages: tuple[KeptPassage, ...]

    def as_row(self) -> dict[str, Any]:
        """Give what the command prints as a line of JSON."""
        return {
            "doc": self.document.doc,
            "id": self.document.id,
            "matches": [
                {"kept": _named(each.kept), "resemblance": round(each.resemblance, 4),
                 "containment": round(each.containment, 4), "kept_containment": round(each.kept_containment, 4),
                 "same_text": each.same_text}
                for each in self.matches
            ],
            "passages": [
                {**_spans(each.place), "num_tokens": each.num_tokens, "num_equal": each.num_equal,
                 "similarity": round(each.similarity, 4), "kept": {**_named(each.kept), **_spans(each.kept_place)}}
                for each in self.passages
            ],
        }  # fmt: skip


_NAME_FIELDS = tuple(field.name for field in fields(Name))


def _named(name: Name) -> dict[str, Any]:
    return {field: getattr(name, field) for field in _NAME_FIELDS}


def _spans(place: Place) -> dict[str, list[int]]:
    return {"byte": list(place.byte), "char": list(place.char), "line": list(place.line)}


def answer(
    view: View, documents: Sequence[Document], config: Config, *, passages: bool, most: int, fast: bool
) -> list[KeptAnswer]:
    """Look some documents up, all in one pass; `most`: matches told of each."""
    texts = Texts.of([document.utf8 for document in documents])
    sketches = sketch(texts, config.num_perm, config.seed, fast=fast)
    seeds = look_up_seeds(view, sketches)
    found = find_matches(view, sketches, config, seeds)
    shared: list[tuple[int, int, Passage]] = []
    if passages:
        wholly = (found.resemblance >= config.min_resemblance) | (found.containment >= config.min_containment)
        shared = find_passages(view, sketches, seeds, found.take(wholly), config.min_passage_tokens)
    told = found.take(np.arange(len(found)) - np.searchsorted(found.text, found.text) < most)
    named = np.unique(np.concatenate([told.doc, np.array([doc for _, doc, _ in shared], np.int64)]))
    names = dict(zip(named.tolist(), view.names(named), strict=True))
    by_text = _matches(view, told, sketches.content_hash, names)
    of_text = _passages(view, documents, shared, names)
    return [KeptAnswer(document, tuple(by_text.get(at, ())), tuple(of_text.get(at, ())))
            for at, document in enumerate(documents)]


def _matches(view: View, told: Matches, content: Any, names: dict[int, Name]) -> dict[int, list[KeptMatch]]:
    by_text: dict[int, list[KeptMatch]] = {}
    same = (view.content[told.doc] == content[told.text]) & (told.resemblance == 1.0)
    for row in range(len(told)):
        by_text.setdefault(int(told.text[row]), []).append(KeptMatch(
            names[int(told.doc[row])], float(told.resemblance[row]), float(told.containment[row]),
            float(told.kept_containment[row]), bool(same[row]),
        ))  # fmt: skip
    return by_text


def _passages(
    view: View, documents: Sequence[Document], shared: list[tuple[int, int, Passage]], names: dict[int, Name]
) -> dict[int, list[KeptPassage]]:
    here = token_places(list(documents), [(text, passage.span) for text, _, passage in shared])
    docs = sorted({doc for _, doc, _ in shared})
    kept = dict(zip(docs, view.documents(np.array(docs, np.int64)), strict=True))
    row_of = {doc: row for row, doc in enumerate(docs)}
    there = token_places(list(kept.values()), [(row_of[doc], passage.source_span) for _, doc, passage in shared])
    made: dict[int, list[KeptPassage]] = {}
    for (text, doc, passage), place, kept_place in zip(shared, here, there, strict=True):
        num_tokens = passage.span[1] - passage.span[0]
        made.setdefault(text, []).append(KeptPassage(place, names[doc], kept_place, num_tokens, passage.num_equal))
    return made


def token_places(documents: list[Document], wanted: list[tuple[int, Span]]) -> list[Place]:
    """Locate runs of tokens: number of the document, first token and the one after the last; in the order asked."""
    by_document: dict[int, list[int]] = {}
    for at, (number, _) in enumerate(wanted):
        by_document.setdefault(number, []).append(at)
    places: dict[int, Place] = {}
    asked = sorted(by_document)
    for piece in _number_pieces(documents, asked):
        texts = Texts.of([documents[number].utf8 for number in piece])
        blocks = normalize(texts, *segment(texts))
        runs = [(row, *wanted[at][1]) for row, number in enumerate(piece) for at in by_document[number]]
        spans = iter(token_spans(texts, blocks, *np.array(runs, np.int64).reshape(-1, 3).T))
        for number in piece:
            to_place = Places(documents[number])
            for at in by_document[number]:
                places[at] = to_place(snapped(documents[number].utf8, next(spans)))
    return [places[at] for at in range(len(wanted))]


def _number_pieces(documents: list[Document], asked: list[int]) -> list[list[int]]:
    """Cut the documents asked for into pieces that are normalized in one pass."""
    numbers = iter(asked)
    return [[next(numbers) for _ in piece] for piece in document_pieces(documents[number] for number in asked)]
