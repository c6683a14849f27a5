"""Clean an iterable of texts as one corpus: `clean_corpus`, for Python programs.

    for result in dedupe.clean_corpus(frame["text"]): ...
    for result in dedupe.clean_corpus(dataset): ...        # records: "text", and "id", "url"

What repeats across documents is known only when all have been seen, so the records are written to a folder first,
cleaned there shard by shard, and handed back one by one: memory does not grow with their number.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dedupe.config import KEEP_NAMES, Config, settings_of
from dedupe.corpus.keeping import rank_of
from dedupe.corpus_api import clean_records
from dedupe.errors import ConfigError, InputError
from dedupe.formats import InputFile
from dedupe.read import open_shard
from dedupe.records import Document, Removal
from dedupe.report.reading import iter_entries

_SHARD_BYTES = 64 << 20
_FIELDS = ("text", "id", "url", "site")


@dataclass(frozen=True, slots=True)
class CorpusResult:
    """Hold one cleaned text of a corpus.

    `index`: its number in the input. `text`: cleaned. `removals`, `kept_repeats`, `guarded`: as in `CleanResult`;
    places in other documents are named "N" after their number. `near_duplicate_of`: number of the document that is
    kept for it, None where it stays; `resemblance`, `containment`: exact, to that document.
    """

    index: int
    text: str
    removals: tuple[Removal, ...]
    kept_repeats: tuple[Removal, ...]
    guarded: bool = False
    near_duplicate_of: int | None = None
    resemblance: float = 1.0
    containment: float = 1.0


def clean_corpus(
    documents: Iterable[str | Mapping[str, Any] | Document],
    config: Config | None = None,
    *,
    jobs: int = 1,
    memory_bytes: int = 2 << 30,
    folder: str | None = None,
) -> Iterator[CorpusResult]:
    """Clean texts together: near-duplicates, site boilerplate, shared passages, and each for itself.

    Args:
        documents: texts, documents, or records with the fields `text`, `id`, `url` and `site` (or those that the
            config names); all but the text may be missing.
        config: `near_duplicates="drop"` leaves near-duplicates out of the results.
        jobs: processes; with more than one, a script needs `if __name__ == "__main__":`.
        folder: where to keep shards while at work, twice the size of the texts; None: the system's temporary folder.

    Yields results in the order of the input. Raises: InputError: a document has no text; the message has its number.
    ConfigError: `config` is no `Config`, `folder` no folder.
    """
    if isinstance(documents, str | bytes | Mapping | Document):
        raise InputError("one document was given in place of many; expected a list or another iterable of documents")
    if not isinstance(documents, Iterable) and not hasattr(documents, "__getitem__"):
        raise InputError(f"documents is {type(documents).__name__}; expected a list or another iterable of documents")
    if folder is not None and not os.path.isdir(folder):
        raise ConfigError(f"folder is {folder!r}, which is no folder; expected one that exists, to work in")
    settings = settings_of(config)
    with tempfile.TemporaryDirectory(prefix="dedupe-", dir=folder) as work:
        shards = _write_shards(documents, settings, Path(work))
        inputs = [InputFile(str(path), path.name, None, "jsonl", None, path.stat().st_size) for path in shards]
        outputs = [str(path.with_name(f"out-{path.name}")) for path in shards]
        fields = replace(settings, text_field="text", id_field="id", url_field="url", site_field=None, on_error="fail")
        if settings.keep not in KEEP_NAMES or settings.keep == "newest":
            fields = replace(fields, keep="rank")
        if settings.site_field is not None:
            fields = replace(fields, site_field="site")
        clean_records(inputs, outputs, fields, report=work, jobs=jobs, memory_bytes=memory_bytes)
        yield from _results(Path(work), outputs, fields)


def _write_shards(documents: Iterable[Any], config: Config, folder: Path) -> list[Path]:
    """Write records as JSON lines, some megabytes a shard; names sort as the shards do."""
    shards: list[Path] = []
    given = (config.text_field, config.id_field, config.url_field, config.site_field)
    names = tuple(name or usual for name, usual in zip(given, _FIELDS, strict=True))
    size = _SHARD_BYTES
    file = None
    try:
        for number, document in enumerate(documents):
            if size >= _SHARD_BYTES:
                if file is not None:
                    file.close()
                shards.append(folder / f"{len(shards):06}.jsonl")
                file, size = open(shards[-1], "wb"), 0  # noqa: SIM115 - closed below, or when the next is opened
            line = json.dumps(_record(document, number, names, config.keep)).encode() + b"\n"
            assert file is not None
            size += file.write(line)
    finally:
        if file is not None:
            file.close()
    if not shards:
        shards.append(folder / "000000.jsonl")
        shards[0].write_bytes(b"")
    return shards


def _record(document: Any, number: int, names: tuple[str, ...], keep: str) -> dict[str, Any]:
    if isinstance(document, Document):
        text = document.utf8.decode("utf-8", "surrogateescape")
        return {"text": text, "id": document.id, "url": document.url, "site": document.host, "rank": None}
    if hasattr(document, "as_py"):
        document = document.as_py()
    values: dict[str, Any] = {"text": document}
    if isinstance(document, Mapping):
        values = {field: document.get(name) for field, name in zip(_FIELDS, names, strict=True)}
    if not isinstance(values["text"], str):
        raise InputError(f"document {number}: has no text in {names[0]!r}; expected str, or a record with that field")
    record: dict[str, Any] = {field: None if values.get(field) is None else str(values[field]) for field in _FIELDS}
    rank = rank_of(document, keep) if isinstance(document, Mapping) else math.nan
    return {**record, "rank": rank if math.isfinite(rank) else None}


def _results(folder: Path, outputs: list[str], config: Config) -> Iterator[CorpusResult]:
    """Pair the entries of the ledger with the cleaned texts."""
    firsts = _first_numbers(folder, len(outputs))
    texts = _texts(outputs, config)
    for number, entry in enumerate(iter_entries(folder / "removals.jsonl")):
        keeper = entry.row.near_duplicate_of
        if keeper is not None and config.near_duplicates == "drop":
            continue
        result = CorpusResult(
            number, next(texts), tuple(_renamed(each, firsts) for each in entry.removals),
            tuple(_renamed(each, firsts) for each in entry.kept), "guard" in entry.row.flags,
        )
        if keeper is not None:
            result = replace(
                result, near_duplicate_of=_number(keeper.doc, firsts), resemblance=keeper.resemblance,
                containment=keeper.containment,
            )
        yield result


def _texts(outputs: list[str], config: Config) -> Iterator[str]:
    for path in outputs:
        for batch in open_shard(InputFile(path, path, None, "jsonl"), config):
            for document in batch.documents:
                yield document.utf8.decode("utf-8", "surrogatepass")


def _first_numbers(folder: Path, num_shards: int) -> list[int]:
    firsts = [0]
    for shard in range(num_shards):
        with open(folder / f"{shard:06}.jsonl", "rb") as lines:
            firsts.append(firsts[-1] + sum(1 for _ in lines))
    return firsts


def _number(doc: str, firsts: list[int]) -> int:
    shard, _, record = doc.partition(".jsonl#")
    return firsts[int(shard)] + int(record)


def _renamed(removal: Removal, firsts: list[int]) -> Removal:
    place = replace(removal.place, doc=str(_number(removal.place.doc, firsts)))
    kept = removal.kept and replace(removal.kept, doc=str(_number(removal.kept.doc, firsts)))
    return replace(removal, place=place, kept=kept)
