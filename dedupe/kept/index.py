"""Offer a kept index to Python programs and to the command line: `KeptIndex`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from dedupe.config import Config, settings_of
from dedupe.errors import InputError
from dedupe.formats import InputFile, show_name
from dedupe.kept import change
from dedupe.kept.answers import KeptAnswer, answer
from dedupe.kept.files import crc_of
from dedupe.kept.intake import Intake
from dedupe.kept.layout import (
    SEGMENTS,
    Manifest,
    check_recipe,
    config_of,
    damaged,
    file_name,
    read_manifest,
)
from dedupe.kept.source import (
    Ranks,
    as_ranked,
    corpus_files,
    file_batches,
    is_run,
    run_files,
    without_gone,
)
from dedupe.kept.view import View
from dedupe.kernels import worthwhile
from dedupe.pieces import pieces
from dedupe.records import BadRecord, Document, Flags

Text: TypeAlias = str | bytes | Document | Mapping[str, Any]
Batches: TypeAlias = Iterable[tuple[list[Document], Ranks]]

_BYTES_PER_SHINGLE = 6
_QUERY_BYTES = 32 << 20  # texts looked up in one pass: what is read of the index is read once for all of them
_QUERY_DOCS = 20_000
_ADD_DOCS = 2_000
_READ_FIELDS = ("text_field", "id_field", "url_field", "site_field", "encoding", "on_error")


@dataclass(frozen=True, slots=True)
class KeptInfo:
    """Describe an index: live documents, those gone but not compacted away, segments, sites, bytes on the disk,
    how often it was changed, the version that wrote it last, and what its hashes depend on."""

    num_docs: int
    num_gone: int
    num_segments: int
    num_sites: int
    num_bytes: int
    generation: int
    written_by: str
    recipe: dict[str, Any]


class KeptIndex:
    """Keep what was seen: an index on disk that grows, forgets, and is asked by many while one writes.

    Make one with `build`, open one with `open`. It sees the state it was opened in, and its own changes; `refresh`
    sees those of others. Use it as a context manager, or call `close`.

    >>> import tempfile
    >>> rain = "Heavy rain has closed the old bridge over the river, and buses now stop in three other places."
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with KeptIndex.build(folder + "/kept", [{"id": "a", "text": rain}]) as index:
    ...         [found] = index.query([rain.upper()])
    >>> [(match.kept.id, match.resemblance) for match in found.matches]
    [('a', 1.0)]
    """

    def __init__(self, folder: Path, config: Config, bad: Sequence[BadRecord] = ()) -> None:
        self.folder, self.config = folder, config
        self.bad: list[BadRecord] = list(bad)  # records that could not be read while it was built or added to
        self._view: View | None = View(folder)

    @classmethod
    def open(cls, folder: str | Path, config: Config | None = None) -> KeptIndex:
        """Open an index. `config`: settings that must agree with those it was built with; None: take those.

        Raises: InputError: there is no index, or one of another format. ConfigError: the settings do not agree.
        """
        manifest = read_manifest(Path(folder))
        settings = config_of(manifest) if config is None else settings_of(config)
        check_recipe(Path(folder), manifest, settings)
        return cls(Path(folder), settings)

    @classmethod
    def build(
        cls, folder: str | Path, source: Iterable[Text] = (), config: Config | None = None, *,
        paths: Sequence[str] | None = None,
    ) -> KeptIndex:
        """Make a new index of documents, of files (`paths`), or of the one run whose folder `paths` names.

        A run's documents are indexed as they were before cleaning, but for those that had a keeper, with its settings
        unless `config` is given. Raises: InputError: the folder is in use, or there is nothing to read.
        """
        bad: list[BadRecord] = []
        settings = settings_of(config)
        if paths is not None and len(paths) == 1 and is_run(paths[0]):
            settings = settings if config is not None else _settings(run_files(paths[0])[2])
        batches, fast = _batches(source, paths, settings, bad, "added-0")
        change.begin(Path(folder), settings, _filler(batches), fast=fast)
        return cls(Path(folder), settings, bad)

    def add(self, source: Iterable[Text] = (), *, paths: Sequence[str] | None = None, merge: bool = True) -> int:
        """Add documents, or files; return the number of live documents. Of two with one id the later stays.

        `merge`: where there are eight segments of about one size then, merge them; answers stay the same.
        A single path may be the folder of a run: its documents are added but for those that had a keeper.
        """
        name = f"added-{self.view.manifest.generation}"
        batches, fast = _batches(source, paths, self.config, self.bad, name)
        with self._changing():
            return change.add(self.folder, self.config, _filler(batches), merge=merge, fast=fast).num_docs

    def query(
        self, source: Iterable[Text] = (), *, paths: Sequence[str] | None = None, passages: bool = True,
        max_matches: int = 16,
    ) -> Iterator[KeptAnswer]:
        """Look documents, or files, up: one answer each, in their order. Nothing is added.

        `passages`: also look for passages they share with documents that do not match as a whole.
        """
        reading = replace(self.config, keep="longest")  # nothing is kept or goes here, so no field need be there
        batches, fast = _batches(source, paths, reading, self.bad, "query")
        every = chain.from_iterable(documents for documents, _ in batches)
        for documents in pieces(every, _size, _QUERY_BYTES, _QUERY_DOCS):
            yield from answer(
                self.view, documents, self.config, passages=passages, most=max_matches, fast=fast or worthwhile(0)
            )

    def remove(
        self, ids: Collection[str] = (), *, hosts: Collection[str] = (), docs: Collection[str] = ()
    ) -> tuple[int, list[str]]:
        """Remove documents by id, by host or site, or by name in the input (`docs`: a file, or file#record).

        Returns how many went, and which of the names no document has. Raises: InputError: a name in place of a list.
        """
        unknown: list[str] = []
        asked = [(("id",), ids), (("host", "site_name"), hosts), (("doc", "uri"), docs)]

        def choose(view: View) -> Flags:
            chosen = np.zeros(len(view), np.bool_)
            for columns, names in asked:
                if isinstance(names, str):
                    raise InputError(f"{names!r} was given in place of many; expected a list of names")
                wanted = {name.encode("utf-8", "surrogatepass"): name for name in names}
                seen: set[bytes | None] = set()
                for column in columns if wanted else ():
                    for doc, value in enumerate(view.binary(column)):
                        if value in wanted and view.is_live[doc]:
                            chosen[doc] = True
                            seen.add(value)
                unknown.extend(name for key, name in wanted.items() if key not in seen)
            return chosen

        with self._changing():
            return change.remove(self.folder, choose), unknown

    def compact(self) -> None:
        """Merge all segments and leave out what is gone; answers stay the same, queries get faster."""
        with self._changing():
            change.compact(self.folder)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Let go of the old state while the index is changed, and see the new one."""
        self.close()
        try:
            yield
        finally:
            self.refresh()

    def info(self) -> KeptInfo:
        """Describe the index."""
        manifest = self.view.manifest
        sites = self.view.column("site")[self.view.is_live]
        infos = [info for each in manifest.segments for info in each.files.values()]
        infos += [each.file for each in manifest.gone]
        return KeptInfo(
            manifest.num_docs, len(self.view) - manifest.num_docs, len(manifest.segments),
            len(np.unique(sites[sites != 0])),
            sum(info.num_bytes for info in infos), manifest.generation, manifest.written_by, dict(manifest.recipe),
        )

    def of_site(self, name: str) -> Iterator[Document]:
        """Give the documents of a site or host, some at a time, in an order that does not depend on segments."""
        wanted = name.encode("utf-8", "surrogatepass")
        named = np.zeros(len(self.view), np.bool_)
        for column in ("host", "site_name"):
            named |= np.array([value == wanted for value in self.view.binary(column)], np.bool_)
        docs = self.view.live[named[self.view.live]]
        for begin in range(0, len(docs), _ADD_DOCS):
            yield from self.view.documents(docs[begin:begin + _ADD_DOCS])

    def check(self) -> None:
        """Read every file and compare its checksum. Raises: DedupeError: naming the first that is damaged."""
        manifest = self.view.manifest
        infos = [(file_name(each.name, kind), info) for each in manifest.segments for kind, info in each.files.items()]
        for name, info in [*infos, *((file_name(each.name, "gone"), each.file) for each in manifest.gone)]:
            path = self.folder / SEGMENTS / name
            if crc_of(path) != info.crc:
                raise damaged(path, "does not match its checksum")

    @property
    def view(self) -> View:
        """Give the state it sees. Raises: InputError: it was closed."""
        if self._view is None:
            raise InputError(f"{show_name(str(self.folder))}: this index was closed; open it again")
        return self._view

    def refresh(self) -> None:
        """See the index as it is now."""
        self.close()
        self._view = View(self.folder)

    def __len__(self) -> int:
        return self.view.manifest.num_docs

    def close(self) -> None:
        """Let go of its files."""
        if self._view is not None:
            self._view.close()
            self._view = None

    def __enter__(self) -> KeptIndex:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _settings(of_run: Mapping[str, Any]) -> Config:
    return config_of(Manifest(recipe={}, settings=of_run))


def reading_as(config: Config, other: Config) -> Config:
    """Take from `other` how files are read: fields, encoding, what to do with what is broken."""
    known = {each.name for each in fields(Config)}
    return replace(config, **{name: getattr(other, name) for name in _READ_FIELDS if name in known})


def _filler(batches: Batches) -> Callable[[Intake], None]:
    def fill(intake: Intake) -> None:
        for documents, found in batches:
            intake.add(documents, found)

    return fill


def _batches(
    source: Iterable[Text], paths: Sequence[str] | None, config: Config, bad: list[BadRecord], name: str
) -> tuple[Batches, bool]:
    """Give documents in batches, and say whether there are enough for compiled kernels."""
    if paths is not None and len(paths) == 1 and is_run(paths[0]):
        files, gone, of_run = run_files(paths[0])
        return without_gone(file_batches(files, reading_as(config, _settings(of_run)), bad), gone), _fast(files)
    if paths is not None:
        files = corpus_files(paths)
        return file_batches(files, config, bad), _fast(files)
    return _program_batches(source, config, name), worthwhile(0)


def _fast(files: Sequence[InputFile]) -> bool:
    return worthwhile(sum(file.num_bytes for file in files) // _BYTES_PER_SHINGLE)


def _program_batches(source: Iterable[Text], config: Config, name: str) -> Iterator[tuple[list[Document], Ranks]]:
    if isinstance(source, str | bytes | Mapping | Document):
        raise InputError("one document was given in place of many; expected a list or another iterable of documents")
    ranked = (as_ranked(item, number, config, name) for number, item in enumerate(source))
    for batch in pieces(ranked, lambda each: _size(each[0]), _QUERY_BYTES // 4, _ADD_DOCS):
        documents = [document for document, _ in batch]
        yield documents, None if config.keep == "longest" else [rank for _, rank in batch]


def _size(document: Document) -> int:
    return len(document.utf8)
