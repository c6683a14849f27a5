"""Clean a corpus against an index: its documents count as already kept.

    frozen        documents of the index stay; new ones that match them go
    retroactive   both are put in one keeper order; documents of the index that would go now are listed

An index is only read here. What dedupe.corpus asks of it is in `Kept`, made by `meet` when the run's documents are
prepared.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.locate import as_numbers
from dedupe.corpus.near import Keepers
from dedupe.corpus.tasks import Engine, Made, Spread, Task
from dedupe.errors import ConfigError
from dedupe.formats import show_name
from dedupe.kept.answers import token_places
from dedupe.kept.layout import check_recipe, read_manifest
from dedupe.kept.meeting import Joined, LotTask, collected, lot_tasks, match, sketches_of, slices, view_of, write_extras
from dedupe.kept.pages import Numbers, Pages
from dedupe.kept.search import Matches, find_passages, look_up_seeds
from dedupe.kept.view import View
from dedupe.passages import Passage, choose_passages
from dedupe.records import Offsets
from dedupe.write import replacing

Mode = Literal["frozen", "retroactive"]
MODES = ("frozen", "retroactive")
KEPT = "kept:"  # how the names of documents of an index begin in a ledger
_FOUND = 7


@dataclass(frozen=True, slots=True)
class Against:
    """Name an index and how its documents count. Open it with `opened`."""

    view: View
    mode: Mode

    @classmethod
    def opened(cls, folder: str, mode: str, config: Config) -> Against:
        """Open an index for a run.

        Raises: ConfigError: it was built with settings that do not agree, or the mode is none.
        """
        if mode not in MODES:
            raise ConfigError(f"--against-mode is {mode!r}; expected one of {', '.join(MODES)}")
        manifest = read_manifest(Path(folder))
        check_recipe(Path(folder), manifest, config)
        keep = manifest.settings.get("keep")
        if mode == "retroactive" and config.keep not in ("longest", "first", keep):
            raise ConfigError(
                f"{show_name(folder)}: keep is {keep!r} in the index and {config.keep!r} now, and --against-mode "
                "retroactive compares both; give --keep longest, or build the index with this --keep"
            )
        return cls(View(Path(folder), manifest), "frozen" if mode == "frozen" else "retroactive")

    def known(self) -> bytes:
        """Say what a run depends on: the state of the index, and the mode."""
        return json.dumps([self.mode, self.view.manifest.generation, sorted(self.view.manifest.file_names())]).encode()

    def close(self) -> None:
        self.view.close()

    def meet(self, artefacts: Artefacts, config: Config, engine: Engine) -> Kept:
        """Match all documents of a run with the index."""
        return Kept(self, artefacts, config, engine)


class Kept:
    """Answer what a run asks of an index; documents of the index are numbered after those of the run."""

    def __init__(self, against: Against, artefacts: Artefacts, config: Config, engine: Engine) -> None:
        self._config, self._engine, self._base = config, engine, artefacts
        self._view = against.view
        self._folder, self._manifest = str(self._view.folder.absolute()), self._view.manifest
        self._numbers = Numbers(artefacts.num_own)
        pairs = np.empty((0, 2), np.int64)
        if config.near_duplicates != "off":
            tasks = lot_tasks(artefacts, self._folder, self._manifest, config, both_ways=against.mode == "retroactive")
            pairs = collected(engine, "kept-matches", match, tasks, 2)
        self._numbers.add(pairs[:, 1])
        extras = engine.folder / "kept-documents.npz"
        write_extras(extras, self._view, self._numbers.docs, config)
        self.artefacts = Joined(artefacts, extras, first=against.mode == "frozen")
        self.artefacts.cite = self._cite
        self.pairs: Offsets = np.stack([pairs[:, 0], self._numbers.of(pairs[:, 1])], axis=1)
        self.pages = Pages(self._folder, self._manifest, self._view, config, self._numbers)

    def _cite(self, numbers: Offsets) -> list[tuple[str, str | None]]:
        """Name documents of the index as the ledger does, with their ids."""
        return [
            (KEPT + _clean(name.doc), None if name.id is None else _clean(name.id))
            for name in self._view.names(self._numbers.back(numbers))
        ]

    def revised(self, keepers: Keepers) -> list[dict[str, Any]]:
        """List the documents of the index that would go for a new one, as rows of the ledger."""
        own = self._numbers.num_own
        goes = np.flatnonzero(keepers.keeper[own:] < own) + own
        names = self._cite(goes)
        docs = self._base.texts("doc", keepers.keeper[goes])
        rows = []
        for at, number in enumerate(goes.tolist()):
            near = {
                "doc": docs[at], "resemblance": round(float(keepers.resemblance[number]), 4),
                "containment": round(float(keepers.containment[number]), 4),
            }  # fmt: skip
            rows.append({"type": "revised", "doc": names[at][0], "id": names[at][1], "near_duplicate_of": near})
        return sorted(rows, key=lambda row: str(row["doc"]))

    def add_passages(self, outside: Path, keepers: Keepers) -> None:
        """Add to the passages found in the run (`shared.npz`) those that stand in documents of the index."""
        if self._config.shared_passages == "off":
            return
        own = self._numbers.num_own
        roles = self._engine.folder / "kept-roles.npy"
        with replacing(str(roles)) as file:
            np.save(file, keepers.keeper[:own] == np.arange(own))
        tasks = lot_tasks(self._base, self._folder, self._manifest, self._config, str(roles))
        found = collected(self._engine, "kept-passages", passages, tasks, _FOUND)
        with np.load(outside / "shared.npz") as held:
            before, places = held["found"], held["place"]
        self._numbers.add(found[:, 1])
        mine = self._source_places(found)
        found[:, 1] = self._numbers.of(found[:, 1])
        rows = np.concatenate([before, found])
        chosen = _chosen(rows, own)
        with replacing(str(outside / "shared.npz")) as file:
            np.savez(file, found=rows[chosen], place=np.concatenate([places, mine])[chosen])

    def _source_places(self, found: Offsets) -> Offsets:
        """Locate the passages in documents of the index: int64 (num_passages, 6)."""
        docs, row = np.unique(found[:, 1], return_inverse=True)
        spans = found[:, 4:6].tolist()
        wanted = [(int(at), (start, end)) for at, (start, end) in zip(row.ravel().tolist(), spans, strict=True)]
        placed = token_places(self._view.documents(docs), wanted)
        return np.array([as_numbers(place) for place in placed], np.int64).reshape(-1, 6)


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def passages(task: Task, folder: Path, spread: Spread) -> Made:
    """Find the passages that a lot's documents share with the index, but for those that have a keeper."""
    work: LotTask = task.payload
    view = view_of(work.folder, work.manifest)
    stays = np.load(work.keepers, mmap_mode="r")
    rows: list[tuple[int, ...]] = []
    nobody, none = np.empty(0, np.int64), np.empty(0)
    for docs in slices(work.artefacts, np.flatnonzero(stays[work.low:work.high]) + work.low):
        sketches = sketches_of(work.artefacts, docs)
        seeds = look_up_seeds(view, sketches)
        told = Matches(nobody, nobody, none, none, none)
        for text, doc, each in find_passages(view, sketches, seeds, told, work.config.min_passage_tokens):
            rows.append((int(docs[text]), doc, *each.span, *each.source_span, each.num_equal))
    with replacing(str(folder / f"{task.name}.npy")) as file:
        np.save(file, np.array(rows, np.int64).reshape(-1, _FOUND))
    return Made({"passages": len(rows)}, (f"{task.name}.npy",))


def _chosen(rows: Offsets, own: int) -> Sequence[int]:
    """Choose among all passages of each document; of equal ones that of the index, for it was there first."""
    by_doc: dict[int, list[int]] = {}
    for at, doc in enumerate(rows[:, 0].tolist()):
        by_doc.setdefault(doc, []).append(at)
    chosen: list[int] = []
    for doc in sorted(by_doc):
        found = []
        for at in by_doc[doc]:
            _, source, start, end, source_start, source_end, num_equal = rows[at].tolist()
            passage = Passage((start, end), (source_start, source_end), num_equal)
            found.append((source - (1 << 62) if source >= own else source, at, passage))
        chosen += [at for _, at, _ in choose_passages(found)]
    return chosen
