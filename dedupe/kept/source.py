"""Take documents from files, from a finished run, or from a Python program."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from dedupe.config import Config
from dedupe.corpus.keeping import rank_of, ranks
from dedupe.errors import InputError
from dedupe.formats import InputFile, show_name
from dedupe.read import find_inputs, open_shard
from dedupe.read.fields import host_of
from dedupe.records import BadRecord, Document

LEDGER = "removals.jsonl"
Ranks: TypeAlias = list[float] | None


def file_batches(
    files: Iterable[InputFile], config: Config, bad: list[BadRecord]
) -> Iterator[tuple[list[Document], Ranks]]:
    """Read the documents of files, some megabytes at a time, with their ranks; what cannot be read goes to `bad`.

    Raises: InputError: something cannot be read and `config.on_error` is "fail".
    """
    for file in files:
        reader = open_shard(file, config)
        for batch in reader:
            bad.extend(batch.bad)
            _stop_if_bad(bad, config)
            found = None if config.keep == "longest" else ranks(batch, config.keep, [0] * len(batch.documents))
            yield batch.documents, found
        if reader.broken is not None:
            bad.append(BadRecord(file.uri, None, f"{show_name(file.uri)}: {reader.broken}"))
            _stop_if_bad(bad, config)


def _stop_if_bad(bad: list[BadRecord], config: Config) -> None:
    if bad and config.on_error == "fail":
        where = bad[0].uri if bad[0].record is None else f"{bad[0].uri}#{bad[0].record}"
        raise InputError(f"{where}: {bad[0].message}; mend it, or give --on-error skip to list it and go on")


def corpus_files(paths: Iterable[str]) -> list[InputFile]:
    """List the files behind paths."""
    return find_inputs(list(paths))


def is_run(path: str) -> bool:
    """Say whether a path is the folder of a finished run."""
    return os.path.isfile(os.path.join(path, LEDGER))


def run_files(run: str) -> tuple[list[InputFile], frozenset[str], dict[str, Any]]:
    """Read the ledger of a run: its inputs, the documents that had a keeper, and its settings.

    Raises: InputError: the ledger cannot be read, or an input is not there any more.
    """
    uris: dict[str, None] = {}
    gone: set[str] = set()
    settings: dict[str, Any] = {}
    ledger = os.path.join(run, LEDGER)
    try:
        with open(ledger, "rb") as lines:
            for line in lines:
                if line.startswith(b'{"type":"run"'):
                    settings = json.loads(line)["config"]
                elif line.startswith(b'{"type":"doc"'):
                    row = json.loads(line)
                    uris.setdefault(row["uri"])
                    if row.get("near_duplicate_of") is not None:
                        gone.add(row["doc"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{show_name(ledger)}: cannot be read: {error}; name the folder given to --report") from error
    missing = [uri for uri in uris if not os.path.lexists(uri)]
    if missing:
        raise InputError(
            f"{show_name(run)}: its input {show_name(missing[0])} is not here; go to the folder the run was started "
            "in, or build from the files themselves"
        )
    return (find_inputs(list(uris)) if uris else []), frozenset(gone), settings


def without_gone(
    batches: Iterable[tuple[list[Document], Ranks]], gone: frozenset[str]
) -> Iterator[tuple[list[Document], Ranks]]:
    """Leave out documents by their names."""
    for documents, found in batches:
        stay = [at for at, document in enumerate(documents) if document.doc not in gone]
        yield [documents[at] for at in stay], None if found is None else [found[at] for at in stay]


def as_ranked(item: Any, number: int, config: Config, name: str) -> tuple[Document, float]:
    """Make a document of a text, a record or a document, and rank it where `config.keep` names a field.

    `name`: of what has no id and no place in a file; its number is added.
    Raises: InputError: it has no text.
    """
    if hasattr(item, "as_py"):
        item = item.as_py()
    rank = 0.0 if config.keep == "first" else math.nan
    if isinstance(item, Document):
        return item, rank
    if isinstance(item, Mapping) and config.keep not in ("first", "longest"):
        rank = rank_of(item, config.keep)
    return _as_document(item, number, config, name), rank


def _as_document(item: Any, number: int, config: Config, name: str) -> Document:
    record: Mapping[str, Any] = item if isinstance(item, Mapping) else {config.text_field or "text": item}
    text = record.get(config.text_field or "text")
    if not isinstance(text, str | bytes):
        raise InputError(f"document {number}: has no text; expected str, bytes, a Document, or a record with a text")
    utf8 = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    url = _field(record, config.url_field or "url")
    errors = "surrogateescape" if isinstance(text, bytes) else "surrogatepass"
    return Document(
        f"{name}#{number}", name, utf8, utf8, errors=errors, record=number, id=_field(record, config.id_field or "id"),
        url=url, host=_field(record, config.site_field) if config.site_field else host_of(url),
    )


def _field(record: Mapping[str, Any], name: str) -> str | None:
    value = record.get(name)
    return None if value is None else str(value)
