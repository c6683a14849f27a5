"""Clean a corpus: prepare every lot, find what repeats across documents, clean every lot, join the ledger.

    prepare   map       texts -> signatures, shingles, hashes of blocks
    find      grouping  near-duplicate documents
    apply     map       texts again -> cleaned shards, parts of the ledger

All work is done in a folder of its own, in steps that leave manifests; a run that was killed goes on from
the last step that was done and ends in the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from msgspec import field, structs

from dedupe import kernels
from dedupe.config import Config
from dedupe.corpus.apply import ApplyTask, apply_lot
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.boilerplate import KeptPages, find_boilerplate
from dedupe.corpus.lots import Lot, make_lots
from dedupe.corpus.near import Keepers, find_near
from dedupe.corpus.outside import write_keys, write_near
from dedupe.corpus.parts import join_parts
from dedupe.corpus.people import decisions_of_use, write_decisions
from dedupe.corpus.prepare import PrepareTask, prepare
from dedupe.corpus.shared import find_shared
from dedupe.corpus.tasks import Engine, Manifest, Task, forget_run
from dedupe.formats import InputFile
from dedupe.records import BadRecord, Offsets, Totals
from dedupe.version import VERSION
from dedupe.write import remove_leftovers, replacing

LEDGER = "removals.jsonl"
_REVISED = "revised.json"
_CUT_BY_INPUTS = ("prepare", "found", "apply")  # steps that are the same with any memory


class CorpusTotals(Totals):
    """Count what a run over records did; `decisions_of_use`: the lines of people's decisions that fit something."""

    num_guarded: int = 0
    decisions_of_use: set[int] = field(default_factory=set)


class Kept(Protocol):
    """Answer what a run asks of an index, whose documents count as kept before it: dedupe.kept.against."""

    @property
    def artefacts(self) -> Artefacts:
        """Give those of the run, and behind them those of the index's documents that matched."""

    @property
    def pairs(self) -> Offsets:
        """List documents of both that match: int64 (num_pairs, 2)."""

    @property
    def pages(self) -> KeptPages:
        """Count pages of the index."""

    def revised(self, keepers: Keepers) -> list[dict[str, Any]]:
        """List the documents of the index that would go for one of the run, as rows of the ledger."""

    def add_passages(self, outside: Path, keepers: Keepers) -> None:
        """Add the passages that stand in the index to those that were found."""


Meet: TypeAlias = Callable[[Artefacts, Config, Engine], Kept]


def run_corpus(
    inputs: Sequence[InputFile], outputs: Sequence[str | None], config: Config, engine: Engine, *,
    report: str | None, memory_bytes: int, decisions: bytes = b"", meet: Meet | None = None,
) -> CorpusTotals:
    """Do all steps that were not done before, in `engine.folder`; `memory_bytes`: for one task at a time.

    `meet`: brings the run together with an index whose documents count as kept.
    """
    lots = make_lots(inputs, outputs)
    ledger = None if report is None else str(Path(report) / LEDGER)
    remove_leftovers(path for path in (*outputs, ledger) if path is not None)
    started = _started(engine.folder)
    _replan(engine.folder, memory_bytes)
    forget_run()
    fast = kernels.turn_on(sum(lot.num_bytes for lot in lots))
    prepared = engine.map_files("prepare", prepare, _tasks(lots, [PrepareTask(lot, config, fast) for lot in lots]))
    artefacts = Artefacts.gathered(engine.folder / "prepare", [each.task for each in prepared], config.num_perm)
    artefacts.check(prepared)
    outside = engine.folder / "found"
    if not (outside / "done").exists():
        outside.mkdir(exist_ok=True)
        kept = None if meet is None else meet(artefacts, config, engine)
        joined = artefacts if kept is None else kept.artefacts
        keepers = find_near(joined, config, engine, memory_bytes, None if kept is None else kept.pairs)
        write_near(outside, keepers, joined)
        find_boilerplate(
            artefacts, lots, keepers, config, engine, memory_bytes, outside, None if kept is None else kept.pages
        )
        find_shared(artefacts, lots, keepers.of_own(len(artefacts)), config, engine, memory_bytes, outside)
        if kept is not None:
            kept.add_passages(outside, keepers)
        write_keys(outside, joined)
        with replacing(str(outside / _REVISED)) as file:
            file.write(json.dumps([] if kept is None else kept.revised(keepers)).encode())
        (outside / "done").touch()
    write_decisions(outside, decisions)
    firsts = artefacts.lot_start[:-1].tolist()
    works = [
        ApplyTask(lot, config, str(outside), first, report is not None, fast)
        for lot, first in zip(lots, firsts, strict=True)
    ]
    applied = engine.map_files("apply", apply_lot, _tasks(lots, works))
    bad = _bad_records(engine.folder / "apply", applied)
    revised: list[dict[str, Any]] = json.loads((outside / _REVISED).read_bytes())
    if ledger is not None:
        join_parts(
            Path(ledger), engine.folder / "apply", applied, bad, config, engine, memory_bytes, started, VERSION, revised
        )
    return structs.replace(_totals(applied, bad), revised=revised)


def _tasks(lots: Sequence[Lot], payloads: Sequence[object]) -> list[Task]:
    return [Task(lot.name, lot.label, payload, lot.num_bytes) for lot, payload in zip(lots, payloads, strict=True)]


def _started(folder: Path) -> str:
    """Give the time the run began; the same when it is resumed."""
    path = folder / "started"
    if not path.exists():
        with replacing(str(path)) as file:
            file.write(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode())
    return path.read_text()


def _replan(folder: Path, memory_bytes: int) -> None:
    """Forget the steps of `find` where the memory changed since they were done, for it says how they are cut."""
    path = folder / "memory"
    if path.exists() and path.read_text() != str(memory_bytes):
        for entry in folder.iterdir():
            if entry.is_dir() and entry.name not in _CUT_BY_INPUTS:
                shutil.rmtree(entry)
    with replacing(str(path)) as file:
        file.write(str(memory_bytes).encode())


def _bad_records(folder: Path, manifests: Sequence[Manifest]) -> list[BadRecord]:
    paths = [folder / f"{each.task}.bad.json" for each in manifests]
    return [BadRecord(**row) for path in paths for row in json.loads(path.read_bytes())]


def _totals(manifests: Sequence[Manifest], bad: list[BadRecord]) -> CorpusTotals:
    def total(name: str) -> int:
        return sum(each.counts.get(name, 0) for each in manifests)

    return CorpusTotals(
        num_documents=total("num_documents"),
        num_changed=total("num_documents_changed"),
        num_removals=total("num_removals"),
        num_bytes_before=total("num_bytes_before"),
        num_bytes_after=total("num_bytes_after"),
        num_near_duplicates=total("num_near_duplicates"),
        num_dropped=total("num_dropped"),
        num_guarded=total("num_guarded"),
        decisions_of_use=decisions_of_use(manifests),
        bad=bad,
    )
