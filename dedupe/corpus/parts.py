"""Write the ledger of a lot as a part, and join the parts of a run into `removals.jsonl`.

A part holds the rows of its documents; beside it stand the fingerprints of what went, from which the rows of
passages that went several times are made when all parts are there, and the errors.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dedupe.config import Config
from dedupe.corpus.tasks import Arrays, Engine, Manifest, Task, num_buckets_for, read_bucket, runs
from dedupe.records import BadRecord, Cleaned, Cluster
from dedupe.report.ledger import doc_line, dump, removal_line, run_row
from dedupe.report.view import in_order
from dedupe.write import replacing

_CLUSTER_TEXT_CHARS = 300
_COLUMNS = {"fingerprint": "uint64", "doc": "uint64", "part": "uint32", "at": "uint64", "size": "uint32"}
_COUNTS = (
    "num_documents", "num_documents_changed", "num_removals", "num_kept", "num_errors", "num_bytes_before",
    "num_bytes_after",
)  # fmt: skip


@dataclass(slots=True)
class PartRows:
    """Collect what some documents of a lot add to the ledger.

    `lines`: their rows. `fingerprints`, `owners`, `offsets`, `sizes`: one a removal: its passage, the number
    of its document here, and where its row stands in `lines`.
    """

    lines: bytes = b""
    fingerprints: list[int] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


def part_rows(cleaned: Sequence[Cleaned], num_words: Sequence[int]) -> PartRows:
    """Make the rows of documents, the words of which were counted: doc, its removals, its kept repeats."""
    rows = PartRows()
    lines: list[bytes] = []
    at = 0
    for number, (each, count) in enumerate(zip(cleaned, num_words, strict=True)):
        lines.append(doc_line(each, count))
        at += len(lines[-1])
        for removal in in_order(each.removals):
            line = removal_line(removal, "removal", each.document.encoding)
            rows.fingerprints.append(int(removal.fingerprint.rpartition(":")[2], 16))
            rows.owners.append(number)
            rows.offsets.append(at)
            rows.sizes.append(len(line))
            lines.append(line)
            at += len(line)
        for removal in in_order(each.kept):
            lines.append(removal_line(removal, "kept", each.document.encoding))
            at += len(lines[-1])
    rows.lines = b"".join(lines)
    return rows


class PartWriter:
    """Write a part batch by batch: its lines as they come, the fingerprints at the end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = self._num_docs = 0
        self._columns: dict[str, list[NDArray[Any]]] = {"fingerprint": [], "doc": [], "at": [], "size": []}

    def write(self, rows: PartRows, num_docs: int) -> None:
        self._file.write(rows.lines)
        self._columns["fingerprint"].append(np.array(rows.fingerprints, np.uint64))
        self._columns["doc"].append(np.array(rows.owners, np.uint64) + np.uint64(self._num_docs))
        self._columns["at"].append(np.array(rows.offsets, np.uint64) + np.uint64(self._size))
        self._columns["size"].append(np.array(rows.sizes, np.uint32))
        self._size += len(rows.lines)
        self._num_docs += num_docs

    def arrays(self) -> dict[str, NDArray[Any]]:
        empty = {"fingerprint": "u8", "doc": "u8", "at": "u8", "size": "u4"}
        return {name: np.concatenate([np.empty(0, empty[name]), *held]) for name, held in self._columns.items()}


def join_parts(
    path: Path, folder: Path, manifests: Sequence[Manifest], bad: Sequence[BadRecord], config: Config, engine: Engine,
    memory_bytes: int, started: str, version: str, revised: Sequence[dict[str, Any]] = (),
) -> None:
    """Join parts in order into one ledger; `revised`: rows about documents of an index, before the errors."""
    with replacing(str(path)) as ledger:
        ledger.write(dump(run_row(config, version, started)))
        for each in manifests:
            with open(folder / f"{each.task}.jsonl", "rb") as part:
                shutil.copyfileobj(part, ledger, 1 << 20)
        for row in _cluster_rows(folder, manifests, engine, memory_bytes):
            ledger.write(dump(row))
        for row in revised:
            ledger.write(dump(row))
        for record in bad:
            ledger.write(dump({"type": "error", "uri": record.uri, "record": record.record, "message": record.message}))
        ledger.write(dump(_summary(manifests, len(bad))))


def _summary(manifests: Sequence[Manifest], num_errors: int) -> dict[str, Any]:
    total = {name: sum(each.counts.get(name, 0) for each in manifests) for name in _COUNTS}
    rules: dict[str, int] = {}
    for each in manifests:
        for name, count in each.counts.items():
            if name.startswith("rule:"):
                rules[name[5:]] = rules.get(name[5:], 0) + count
    return {"type": "summary", **total, "num_errors": num_errors, "rules": dict(sorted(rules.items()))}


def _cluster_rows(
    folder: Path, manifests: Sequence[Manifest], engine: Engine, memory_bytes: int
) -> Iterator[dict[str, Any]]:
    """Make a row for every passage that went twice or more, sorted by fingerprint."""
    num_rows = sum(each.counts["num_removals"] for each in manifests)
    marks = [str(folder / f"{each.task}.npz") for each in manifests]
    tasks = [Task(each.task, "removals", (number, marks[number])) for number, each in enumerate(manifests)]
    buckets = engine.shuffle_sort(
        "passages", fingerprint_rows, tasks, _COLUMNS, ("fingerprint", "part", "at"),
        num_buckets_for(num_rows, 32, memory_bytes),
    )
    with closing(_Lines(folder, manifests)) as read:
        for bucket in buckets:
            fingerprint, doc, part, at, size = read_bucket(bucket, list(_COLUMNS))
            begins, ends = runs(fingerprint)
            for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
                if end - begin > 1:
                    owners = np.unique(part[begin:end].astype(np.uint64) << np.uint64(40) | doc[begin:end])
                    text = _cluster_text(read(int(part[begin]), int(at[begin]), int(size[begin])))
                    name = f"p1:{int(fingerprint[begin]):016x}"
                    yield {"type": "cluster", **asdict(Cluster(name, text, len(owners), end - begin))}


def fingerprint_rows(task: Task) -> Iterator[Arrays]:
    """Read the fingerprints of one part."""
    number, path = task.payload
    with np.load(path) as held:
        arrays = {name: held[name] for name in ("fingerprint", "doc", "at", "size")}
    yield {**arrays, "part": np.full(len(arrays["doc"]), number, np.uint32)}


class _Lines:
    """Read single rows out of parts."""

    def __init__(self, folder: Path, manifests: Sequence[Manifest]) -> None:
        self._paths = [folder / f"{each.task}.jsonl" for each in manifests]
        self._open: tuple[int, BinaryIO | None] = (-1, None)

    def __call__(self, part: int, at: int, size: int) -> dict[str, Any]:
        number, file = self._open
        if number != part or file is None:
            self.close()
            file = open(self._paths[part], "rb")  # noqa: SIM115 - closed by close()
            self._open = part, file
        file.seek(at)
        row: dict[str, Any] = json.loads(file.read(size))
        return row

    def close(self) -> None:
        if self._open[1] is not None:
            self._open[1].close()


def _cluster_text(row: dict[str, Any]) -> str:
    import base64

    text = row["text"] if "text" in row else base64.b64decode(row["text_base64"]).decode("utf-8", "replace")
    text = text.strip().encode("utf-8", "replace").decode()
    return text if len(text) <= _CLUSTER_TEXT_CHARS else text[:_CLUSTER_TEXT_CHARS] + "…"


