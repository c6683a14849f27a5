"""Change an index: begin it, add documents, remove some, merge its segments. Each is one write of the manifest.

What a write makes before that is invisible, and is swept by the next write if the process is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.config import Config
from dedupe.errors import InputError
from dedupe.formats import show_name
from dedupe.kept.files import write_table
from dedupe.kept.intake import MAX_DOCS, MAX_SHINGLES, Intake
from dedupe.kept.layout import (
    DOCS,
    GONE,
    LOCK,
    MANIFEST,
    READING,
    SEGMENTS,
    TABLES,
    GoneInfo,
    Manifest,
    read_manifest,
    recipe_of,
    sync_folder,
    write_manifest,
)
from dedupe.kept.locks import sweep, writing
from dedupe.kept.segment import NAMES, NUMBERS, Rows, write_segment
from dedupe.kept.view import View
from dedupe.records import Flags, Offsets

Fill = Callable[[Intake], None]


def begin(folder: Path, config: Config, fill: Fill, *, fast: bool = False) -> Manifest:
    """Make a new index of what `fill` puts in.

    Raises: InputError: the folder holds an index, or other things.
    """
    _check_new(folder)
    (folder / SEGMENTS).mkdir(parents=True, exist_ok=True)
    with writing(folder):
        _check_new(folder)
        sweep(folder, set())
        return _add(folder, Manifest(recipe=recipe_of(config), settings=asdict(config)), config, fill, fast)


def _check_new(folder: Path) -> None:
    name = show_name(str(folder))
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{name}: is a file; give a folder that is new or empty to -o")
    if (folder / MANIFEST).exists():
        raise InputError(f"{name}: holds an index already; add to it with dedupe index add, or give another folder")
    ours = {LOCK, READING, SEGMENTS}
    if folder.exists() and any(each.name not in ours and not each.name.startswith(f".{MANIFEST}.")
                               for each in folder.iterdir()):
        raise InputError(f"{name}: is not empty; give a folder that is new or empty to -o")


def add(folder: Path, config: Config, fill: Fill, *, fast: bool = False) -> Manifest:
    """Add what `fill` puts in. A document with the id of one that is there takes its place."""
    with writing(folder):
        manifest = read_manifest(folder)
        sweep(folder, manifest.file_names())
        return _add(folder, manifest, config, fill, fast)


def _add(folder: Path, manifest: Manifest, config: Config, fill: Fill, fast: bool) -> Manifest:
    numbers = iter(range(manifest.next_number, 1 << 62))
    intake = Intake(folder, config, lambda: f"s{next(numbers):08}", fast=fast)
    fill(intake)
    made = intake.finish()
    grown = replace(manifest, segments=(*manifest.segments, *made))
    gone: tuple[GoneInfo, ...] = ()
    if len(grown.segments) > 1 and made:
        with View(folder, grown) as view:
            gone = _write_gone(folder, f"t{next(numbers):08}", view, _replaced(view, len(manifest.segments)))
    return _commit(folder, grown, gone, next(numbers))


def _commit(folder: Path, manifest: Manifest, gone: tuple[GoneInfo, ...], next_number: int) -> Manifest:
    done = replace(
        manifest, gone=(*manifest.gone, *gone), generation=manifest.generation + 1, next_number=next_number
    )
    sync_folder(folder / SEGMENTS)
    write_manifest(folder, done)
    sweep(folder, done.file_names())
    return done


def _replaced(view: View, first_new: int) -> Flags:
    """Find live documents that a later segment has again: bool (num_docs,). Segments from `first_new` on are new."""
    import pyarrow
    import pyarrow.compute as compute

    replaced = np.zeros(len(view), np.bool_)
    columns = [view.segment(number).table("docs").arrow(["id", "doc"]).combine_chunks()
               for number in range(len(view.manifest.segments))]
    for later in range(first_new, len(columns)):
        has_id = columns[later].column(0).is_valid()
        ids = columns[later].column(0).drop_null().unique()
        docs = columns[later].column(1).filter(compute.invert(has_id)).unique()
        for earlier in range(later):
            mine = columns[earlier].column(0)
            same = compute.if_else(
                mine.is_valid(), compute.is_in(mine, value_set=ids), compute.is_in(columns[earlier].column(1), docs)
            )
            low = int(view.start[earlier])
            found = np.asarray(pyarrow.chunked_array([same]).to_numpy() if isinstance(same, pyarrow.Array)
                               else same.to_numpy())
            replaced[low:low + len(found)] |= found.astype(np.bool_)
    return replaced & view.is_live


def _write_gone(folder: Path, name: str, view: View, gone: Flags) -> tuple[GoneInfo, ...]:
    docs = np.flatnonzero(gone)
    if not len(docs):
        return ()
    owner = np.searchsorted(view.start, docs, side="right") - 1
    segments = [view.manifest.segments[number].name.encode() for number in owner.tolist()]
    columns = {"segment": segments, "row": (docs - view.start[owner]).astype(np.uint32)}
    return (GoneInfo(name, write_table(folder, name, "gone", columns, GONE)),)


def remove(folder: Path, choose: Callable[[View], Flags]) -> int:
    """Remove the documents that `choose` says, of those that are live; return their number."""
    with writing(folder):
        manifest = read_manifest(folder)
        sweep(folder, manifest.file_names())
        with View(folder, manifest) as view:
            chosen = choose(view) & view.is_live
            gone = _write_gone(folder, f"t{manifest.next_number:08}", view, chosen)
        if gone:
            _commit(folder, manifest, gone, manifest.next_number + 1)
        return int(chosen.sum())


def compact(folder: Path) -> Manifest:
    """Merge all segments into as few as may be, without the documents that are gone.

    The same documents make the same files, however they were added. The old files stay while somebody reads them.
    """
    with writing(folder):
        manifest = read_manifest(folder)
        sweep(folder, manifest.file_names())
        with View(folder, manifest) as view:
            made = []
            for number, docs in enumerate(_shares(view), manifest.next_number):
                made.append(write_segment(folder, f"s{number:08}", _merged(view, docs)))
        done = replace(manifest, segments=tuple(made), gone=())
        return _commit(folder, done, (), manifest.next_number + len(made))


def _shares(view: View) -> Iterator[Offsets]:
    """Cut the live documents, by place, into segments as full as they may be."""
    docs = view.live
    done = np.cumsum(view.num_shingles[docs])
    first = 0
    while first < len(docs):
        before = int(done[first - 1]) if first else 0
        fits = int(np.searchsorted(done, before + MAX_SHINGLES, side="right"))
        last = min(len(docs), first + MAX_DOCS, max(first + 1, fits))
        yield docs[first:last]
        first = last


def _merged(view: View, docs: Offsets) -> Rows:
    """Gather the rows of some documents from all segments."""
    row_of = np.full(len(view), -1, np.int64)
    row_of[docs] = np.arange(len(docs))
    columns: dict[str, Any] = {name: view.binary(name, docs) for name in NAMES}
    columns |= {name: view.column(name)[docs] for name in NUMBERS if name in DOCS}
    columns["record"] = _records(view, docs)
    tables = {kind: _table(view, kind, row_of) for kind in ("bands", "seeds", "blocks")}
    return Rows(columns, tables, _shingle_items(view, docs), _blobs(view, docs))


def _records(view: View, docs: Offsets) -> list[int | None]:
    found: list[int | None] = [None] * len(docs)
    for number, at, rows in view.by_segment(docs):
        column = view.segment(number).table("docs").take(["record"], rows).column(0).to_pylist()
        for position, value in zip(at.tolist(), column, strict=True):
            found[position] = value
    return found


def _table(view: View, kind: str, row_of: Offsets) -> dict[str, NDArray[Any]]:
    names = tuple(TABLES[kind])
    parts: list[list[NDArray[Any]]] = []
    for number in range(len(view.manifest.segments)):
        table = view.segment(number).table(kind)
        for group in table.groups():
            columns = dict(zip(names, table.columns(names, [group]), strict=True))
            rows = row_of[columns["row"].astype(np.int64) + view.start[number]]
            stays = rows >= 0
            columns["row"] = rows.astype(np.uint32)
            parts.append([columns[name][stays] for name in names])
    kinds = {name: np.dtype(TABLES[kind][name]) for name in names}
    return {name: np.concatenate([np.empty(0, kinds[name]), *(part[at] for part in parts)]).astype(kinds[name])
            for at, name in enumerate(names)}


def _shingle_items(view: View, docs: Offsets) -> Iterator[NDArray[np.uint32]]:
    for begin in range(0, len(docs), 4096):
        values, start = view.shingles(docs[begin:begin + 4096])
        yield from np.split(values, start[1:-1])


def _blobs(view: View, docs: Offsets) -> Iterator[bytes]:
    places = [view.column(name) for name in ("text_start", "text_size", "text_crc")]
    owner = np.searchsorted(view.start, docs, side="right") - 1
    for doc, number in zip(docs.tolist(), owner.tolist(), strict=True):
        row = doc - int(view.start[number])
        yield view.segment(number).blob(row, *(int(column[doc]) for column in places))
