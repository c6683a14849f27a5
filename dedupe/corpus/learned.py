"""Look up what the blocks that recur say, and which of them are boilerplate: what `dedupe learn` writes.

    texts   the first example of every block, read again, with its form and where it stands on its page
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from dedupe import kernels
from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.boilerplate import find_boilerplate
from dedupe.corpus.locate import documents_of
from dedupe.corpus.lots import Lot, make_lots
from dedupe.corpus.near import find_near
from dedupe.corpus.prepare import PrepareTask, prepare
from dedupe.corpus.tasks import Engine, Made, Spread, Task, forget_run
from dedupe.cues.shape import describe
from dedupe.decide.recurring import confidence_of_counts
from dedupe.formats import InputFile
from dedupe.normalize import normalize
from dedupe.records import Document, Offsets, Texts
from dedupe.segment import segment
from dedupe.site import LearnedSite, SiteBlock
from dedupe.write import replacing

MAX_CHARS = 10_000  # a longer block is no menu line; it would drown the file
_MIN_EDGE_FRACTION = 0.5
_MIN_LETTERS = 4
_COLUMNS = ("key", "num_documents", "num_sites", "edge_fraction", "example_doc", "example_row")
_FORM = ("is_prose", "is_short_sentence", "is_tiny")


@dataclass(frozen=True, slots=True)
class TextsTask:
    """Ask for blocks by document (numbered within the lot, ascending) and number in the document."""

    lot: Lot
    config: Config
    docs: Offsets
    rows: Offsets


def learn_corpus(
    inputs: Sequence[InputFile], config: Config, engine: Engine, *, memory_bytes: int
) -> dict[str, LearnedSite]:
    """Do the steps of a run that count what recurs on sites, and give that by site; nothing is cleaned."""
    lots = make_lots(inputs, [None] * len(inputs))
    forget_run()
    fast = kernels.turn_on(sum(lot.num_bytes for lot in lots))
    tasks = [Task(lot.name, lot.label, PrepareTask(lot, config, fast), lot.num_bytes) for lot in lots]
    prepared = engine.map_files("prepare", prepare, tasks)
    artefacts = Artefacts.gathered(engine.folder / "prepare", [each.task for each in prepared], config.num_perm)
    artefacts.check(prepared)
    found = engine.folder / "found"
    found.mkdir(exist_ok=True)
    keepers = find_near(artefacts, config, engine, memory_bytes)
    find_boilerplate(artefacts, lots, keepers, config, engine, memory_bytes, found)
    return learned_sites(artefacts, lots, config, engine, found)


def learned_sites(
    artefacts: Artefacts, lots: list[Lot], config: Config, engine: Engine, found: Path
) -> dict[str, LearnedSite]:
    """Give the sites of a corpus with the blocks that go at the configuration's confidence, by name of site."""
    with np.load(found / "site.npz") as held:
        table = {name: held[name] for name in held.files}
    exact = ~table["is_form"]  # an entry is the words of a block
    table.update({name: table[name][exact] for name in _COLUMNS})
    if not len(table["key"]):
        return {}
    docs, rows = table["example_doc"][:, 0], table["example_row"][:, 0]
    texts = _texts_of(docs, rows, artefacts, lots, config, engine)
    names = artefacts.texts("site_name", docs)
    site = artefacts.column("site").astype(np.uint64)[docs]
    on_site = table["site_sizes"][np.searchsorted(table["sites"], site)].tolist()
    blocks: dict[str, list[SiteBlock]] = defaultdict(list)
    sizes: dict[str, int] = {}
    counts = zip(
        names, texts, table["num_documents"].tolist(), on_site, table["num_sites"].tolist(),
        table["edge_fraction"].tolist(), strict=True,
    )  # fmt: skip
    for name, text, count, size, num_sites, edge in counts:
        sure = confidence_of_counts(count, size, num_sites, edge, **{each: text[each] for each in _FORM})
        if name is not None and sure >= config.least_confidence and len(text["text"]) <= MAX_CHARS:
            position = text["position"] if edge >= _MIN_EDGE_FRACTION else "middle"
            blocks[name].append(SiteBlock(text=text["text"], num_documents=count, position=position))
            sizes[name] = size
    return {name: LearnedSite(num_documents=sizes[name], blocks=tuple(each)) for name, each in blocks.items()}


def _texts_of(
    docs: Offsets, rows: Offsets, artefacts: Artefacts, lots: list[Lot], config: Config, engine: Engine
) -> list[dict[str, Any]]:
    """Read blocks, in the order asked for."""
    order = np.lexsort((rows, docs))
    tasks = []
    for number, mine in artefacts.by_lot(docs[order]):
        low = int(np.searchsorted(docs[order], mine[0]))
        first = int(artefacts.lot_start[number])
        task = TextsTask(lots[number], config, mine - first, rows[order][low:low + len(mine)])
        tasks.append(Task(lots[number].name, lots[number].label, task))
    made = engine.map_files("texts", read_texts, tasks)
    paths = [engine.folder / "texts" / f"{each.task}.json" for each in made]
    found = [text for path in paths for text in json.loads(path.read_bytes())]
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    return [found[at] for at in back.tolist()]


def read_texts(task: Task, folder: Path, spread: Spread) -> Made:
    """Read the blocks asked for in a lot, with their forms and positions."""
    work: TextsTask = task.payload
    name = f"{task.name}.json"
    found = list(_read(work))
    with replacing(str(folder / name)) as file:
        file.write(json.dumps(found).encode())
    return Made({"texts": len(found)}, (name,))


def _read(work: TextsTask) -> Iterator[dict[str, Any]]:
    documents, at = documents_of(work.lot, work.config), 0
    starts = np.flatnonzero(np.diff(work.docs, prepend=-1))
    for number, rows in zip(work.docs[starts].tolist(), np.split(work.rows, starts[1:]), strict=True):
        document = next(islice(documents, number - at, None))
        at = number + 1
        yield from _describe(document, rows)


def _describe(document: Document, rows: Offsets) -> Iterator[dict[str, Any]]:
    texts = Texts.of([document.utf8])
    blocks = normalize(texts, *segment(texts))
    shapes = describe(texts, blocks)
    prose = np.flatnonzero(shapes.is_prose)
    for row in rows.tolist():
        is_prose = bool(shapes.is_prose[row])
        raw = document.utf8[int(blocks.start[row]):int(blocks.end[row])]
        stream = blocks.stream[int(blocks.stream_start[row]):int(blocks.stream_start[row + 1])].tobytes()
        yield {
            "text": raw.decode("utf-8", "surrogateescape"),
            "position": _position(row, prose) if len(prose) else "middle",
            "is_prose": is_prose,
            "is_short_sentence": bool(shapes.ends_sentence[row]) and not is_prose,
            "is_tiny": len(stream.decode("utf-8", "replace")) < _MIN_LETTERS,
        }


def _position(row: int, prose: Offsets) -> str:
    """Say where a block stands: before the first prose, after the last, or between."""
    return "head" if row <= prose[0] else "foot" if row >= prose[-1] else "middle"
