"""Change an index: begin it, add documents, remove some, merge its segments. Each is one write of the manifest.

What a write makes before that is invisible, and is swept by the next write if the process is killed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from dedupe.config import Config
from dedupe.errors import InputError
from dedupe.formats import show_name
from dedupe.kept.files import write_table
from dedupe.kept.intake import Intake
from dedupe.kept.layout import (
    GONE,
    LOCK,
    MANIFEST,
    READING,
    SEGMENTS,
    GoneInfo,
    Manifest,
    read_manifest,
    recipe_of,
    sync_folder,
    write_manifest,
)
from dedupe.kept.locks import sweep, writing
from dedupe.kept.merge import crowded, live_sizes, merged_segments
from dedupe.kept.view import View
from dedupe.records import Flags, Offsets

Fill = Callable[[Intake], None]


def begin(folder: Path, config: Config, fill: Fill, *, fast: bool = False) -> Manifest:
    """Make a new index of what `fill` puts in.

    Raises: InputError: the folder holds an index, or other things.
    """
    _check_new(folder)
    try:
        (folder / SEGMENTS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{show_name(str(folder))}: cannot be made: {error.strerror}; give another -o") from error
    with writing(folder):
        _check_new(folder)
        sweep(folder, set())
        return _add(folder, Manifest(recipe=recipe_of(config), settings=asdict(config)), config, fill, fast=fast)


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


def add(folder: Path, config: Config, fill: Fill, *, merge: bool = True, fast: bool = False) -> Manifest:
    """Add what `fill` puts in. A document with the id of one that is there takes its place.

    `merge`: where there are many small segments then, merge them in the same write.
    """
    with writing(folder):
        manifest = read_manifest(folder)
        sweep(folder, manifest.file_names())
        return _add(folder, manifest, config, fill, merge=merge, fast=fast)


def _add(
    folder: Path, manifest: Manifest, config: Config, fill: Fill, *, merge: bool = False, fast: bool = False
) -> Manifest:
    numbers = itertools.count(manifest.next_number)
    intake = Intake(folder, config, lambda: f"s{next(numbers):08}", fast=fast)
    fill(intake)
    made = intake.finish()
    grown = replace(manifest, segments=(*manifest.segments, *made))
    if len(grown.segments) > 1 and made:
        with View(folder, grown) as view:
            view.is_live &= ~_replaced(view, len(manifest.segments))
            grown = _settled(folder, view, numbers, merge=merge)
    return _commit(folder, grown, numbers)


def _settled(folder: Path, view: View, numbers: Iterator[int], *, merge: bool) -> Manifest:
    """Write down which documents of a view are gone, all in one file; merge segments that crowd, drop those of which
    no document is left."""
    num_docs, num_shingles = live_sizes(view)
    alive = np.flatnonzero(num_docs)
    leaving = alive[crowded(num_docs[alive], num_shingles[alive])] if merge else alive[:0]
    made = tuple(merged_segments(folder, view, numbers, leaving))
    stays = np.setdiff1d(alive, leaving)
    segments = tuple(view.manifest.segments[number] for number in stays.tolist())
    return replace(view.manifest, segments=segments + made, gone=_write_gone(folder, view, numbers, stays))


def _commit(folder: Path, manifest: Manifest, numbers: Iterator[int]) -> Manifest:
    done = replace(manifest, generation=manifest.generation + 1, next_number=next(numbers))
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


def _write_gone(folder: Path, view: View, numbers: Iterator[int], segments: Offsets) -> tuple[GoneInfo, ...]:
    """Write the tombstones of the documents of some segments that are not live."""
    docs = np.flatnonzero(~view.is_live)
    owner = view.segment_of(docs)
    told = np.isin(owner, segments)
    docs, owner = docs[told], owner[told]
    if not len(docs):
        return ()
    names = [each.name.encode() for each in view.manifest.segments]
    columns = {"segment": [names[number] for number in owner.tolist()],
               "row": (docs - view.start[owner]).astype(np.uint32)}
    name = f"t{next(numbers):08}"
    return (GoneInfo(name, write_table(folder, name, "gone", columns, GONE)),)


def remove(folder: Path, choose: Callable[[View], Flags]) -> int:
    """Remove the documents that `choose` says, of those that are live; return their number."""
    with writing(folder):
        manifest = read_manifest(folder)
        sweep(folder, manifest.file_names())
        numbers = itertools.count(manifest.next_number)
        with View(folder, manifest) as view:
            chosen = choose(view) & view.is_live
            if not chosen.any():
                return 0
            view.is_live &= ~chosen
            left = _settled(folder, view, numbers, merge=False)
        _commit(folder, left, numbers)
        return int(chosen.sum())


def compact(folder: Path) -> Manifest:
    """Merge all segments into as few as may be, without the documents that are gone.

    The same documents make the same files, however they were added. The old files stay while somebody reads them.
    """
    with writing(folder):
        manifest = read_manifest(folder)
        sweep(folder, manifest.file_names())
        numbers = itertools.count(manifest.next_number)
        with View(folder, manifest) as view:
            made = tuple(merged_segments(folder, view, numbers, np.arange(len(manifest.segments))))
        return _commit(folder, replace(manifest, segments=made, gone=()), numbers)
