"""Parse the commands of `dedupe index`: each opens an index, calls one method of it, and prints."""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dedupe.errors import ConfigError

if TYPE_CHECKING:
    from dedupe.config import Config
    from dedupe.kept.index import KeptIndex

app = typer.Typer(
    name="index",
    help="Keep an index of what was seen, and ask it about new documents.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Index = Annotated[str, typer.Argument(help="The folder of an index.", show_default=False)]
Paths = Annotated[list[str], typer.Argument(help="Files, folders, globs, or - for standard input.", show_default=False)]
TextField = Annotated[str | None, typer.Option(help="Field of records that holds the text.")]
IdField = Annotated[str | None, typer.Option(help="Field of records that holds their id.")]
UrlField = Annotated[str | None, typer.Option(help="Field of records that holds their address.")]
SiteField = Annotated[str | None, typer.Option(help="Field of records that names their site.")]
Encoding = Annotated[str | None, typer.Option(help="Encoding of text files; default: as when it was built.")]
OnError = Annotated[str | None, typer.Option(help="skip (default) or fail at an input that is bad.")]
Settings = Annotated[Path | None, typer.Option("--config", help="Settings in TOML; they must agree with the index.")]


@app.command()
def build(
    paths: Paths,
    output: Annotated[str, typer.Option("--output", "-o", help="Folder for the index, new or empty.")],
    min_resemblance: Annotated[float | None, typer.Option(help="Of documents it is to find; default: 0.8.")] = None,
    keep: Annotated[str | None, typer.Option(help="Keeper: longest (default), first, newest, or a field.")] = None,
    text_field: TextField = None,
    id_field: IdField = None,
    url_field: UrlField = None,
    site_field: SiteField = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of text files; default: utf-8.")] = None,
    on_error: OnError = None,
    config: Annotated[Path | None, typer.Option(help="Settings in TOML instead of dedupe.toml.")] = None,
) -> None:
    """Make an index of files, or of the run in a folder given to --report: its documents but for near-duplicates."""
    from dedupe.config import load_config
    from dedupe.kept.index import KeptIndex
    from dedupe.kept.source import is_run

    flags: dict[str, Any] = {
        "min_resemblance": min_resemblance, "keep": keep, "text_field": text_field, "id_field": id_field,
        "url_field": url_field, "site_field": site_field, "encoding": encoding, "on_error": on_error,
    }  # fmt: skip
    of_run = len(paths) == 1 and is_run(paths[0]) and config is None and not any(flags.values())
    settings = None if of_run else load_config(config, **flags)
    with KeptIndex.build(output, config=settings, paths=paths) as index:
        _say_bad(index)
        _tell(f"{_count(len(index), 'document')} in {output}")
        raise typer.Exit(2 if index.bad else 0)


@app.command()
def add(
    folder: Index,
    paths: Paths,
    text_field: TextField = None,
    id_field: IdField = None,
    url_field: UrlField = None,
    site_field: SiteField = None,
    encoding: Encoding = None,
    on_error: OnError = None,
    merge: Annotated[bool, typer.Option(help="Merge segments where there are many small ones.")] = True,
    config: Settings = None,
) -> None:
    """Add the documents of files, or of a run; one with the id of a document that is there takes its place."""
    with _opened(folder, config, _reading(text_field, id_field, url_field, site_field, encoding, on_error)) as index:
        before = len(index)
        after = index.add(paths=paths, merge=merge)
        _say_bad(index)
        _tell(f"{_count(after, 'document')} in {folder} ({after - before:+,})")
        raise typer.Exit(2 if index.bad else 0)


@app.command()
def query(
    folder: Index,
    paths: Paths,
    passages: Annotated[bool, typer.Option(help="Also passages of documents that do not match as a whole.")] = True,
    max_matches: Annotated[int, typer.Option(min=1, help="Matches told of one document, the best.")] = 16,
    min_containment: Annotated[float | None, typer.Option(help="Of one document in another; default: 0.8.")] = None,
    text_field: TextField = None,
    id_field: IdField = None,
    url_field: UrlField = None,
    site_field: SiteField = None,
    encoding: Encoding = None,
    on_error: OnError = None,
    config: Settings = None,
) -> None:
    """Print what the index has of each document, as a line of JSON: matches, and shared passages with their places."""
    flags = _reading(text_field, id_field, url_field, site_field, encoding, on_error)
    with _opened(folder, config, {**flags, "min_containment": min_containment}) as index:
        for found in index.query(paths=paths, passages=passages, max_matches=max_matches):
            sys.stdout.buffer.write(_line(found.as_row()))
        sys.stdout.buffer.flush()
        _say_bad(index)
        raise typer.Exit(2 if index.bad else 0)


@app.command()
def remove(
    folder: Index,
    doc_id: Annotated[list[str] | None, typer.Option("--id", help="The id of a document; repeatable.")] = None,
    host: Annotated[list[str] | None, typer.Option(help="All documents of a host or site; repeatable.")] = None,
    doc: Annotated[list[str] | None, typer.Option(help="A document, or all of a file, by name; repeatable.")] = None,
    ids_from: Annotated[Path | None, typer.Option(help="A file of ids, one a line.")] = None,
) -> None:
    """Remove documents; exit code 2 where a name is none of the index, the others go."""
    ids = [*(doc_id or ()), *(_lines(ids_from) if ids_from else ())]
    if not (ids or host or doc):
        raise ConfigError("nothing to remove; give --id, --host, --doc or --ids-from")
    with _opened(folder, None, {}) as index:
        count, unknown = index.remove(ids, hosts=host or (), docs=doc or ())
        for name in unknown:
            _say(f"no document is called {name!r}")
        _tell(f"{_count(count, 'document')} removed, {_count(len(index), 'document')} in {folder}")
        raise typer.Exit(2 if unknown else 0)


@app.command()
def compact(folder: Index) -> None:
    """Merge what was added and removed into as few files as may be; answers stay the same."""
    with _opened(folder, None, {}) as index:
        index.compact()
        _tell(f"{_count(len(index), 'document')} in {_count(index.info().num_segments, 'segment')}")


@app.command()
def info(
    folder: Index,
    check: Annotated[bool, typer.Option("--check", help="Read every file and compare its checksum.")] = False,
    site: Annotated[str | None, typer.Option(help="A site or host: its documents, and what recurs on them.")] = None,
) -> None:
    """Print what an index holds as JSON, or what it has of one site."""
    with _opened(folder, None, {}) as index:
        if check:
            index.check()
        sys.stdout.buffer.write(_line(asdict(index.info()) if site is None else _site(index, site)))
        sys.stdout.buffer.flush()


def _site(index: KeptIndex, name: str) -> dict[str, Any]:
    from dedupe.learn import learn_kept_site

    num_docs, site = learn_kept_site(index, name)
    blocks = sorted(site.blocks, key=lambda block: (-(block.num_documents or 0), block.text))
    templates = [{"text": each.text, "num_docs": each.num_documents, "position": each.position} for each in blocks]
    return {"site": name, "num_docs": num_docs, "templates": templates}


def _reading(
    text_field: str | None, id_field: str | None, url_field: str | None, site_field: str | None,
    encoding: str | None, on_error: str | None,
) -> dict[str, Any]:
    return {
        "text_field": text_field, "id_field": id_field, "url_field": url_field, "site_field": site_field,
        "encoding": encoding, "on_error": on_error,
    }  # fmt: skip


def _opened(folder: str, config: Path | None, flags: dict[str, Any]) -> KeptIndex:
    """Open an index with the settings of a file, else with its own; flags win over both."""
    from dedupe.kept.index import KeptIndex

    index = KeptIndex.open(folder, _from_file(config))
    index.config = replace(index.config, **{name: value for name, value in flags.items() if value is not None})
    return index


def _from_file(config: Path | None) -> Config | None:
    from dedupe.config import load_config

    return None if config is None else load_config(config)


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; give a file of ids to --ids-from") from error
    return [line.decode("utf-8", "surrogateescape") for line in content.splitlines() if line]


def _line(row: dict[str, Any]) -> bytes:
    from dedupe.report.ledger import dump

    return dump(row)


def _say_bad(index: KeptIndex) -> None:
    for bad in index.bad:
        _say(bad.message if bad.record is None else f"{bad.uri}#{bad.record}: {bad.message}")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _tell(message: str) -> None:
    """Say what was done."""
    from dedupe.report.text import visible

    print(visible(" ".join(message.split())), file=sys.stderr)


def _say(message: str) -> None:
    """Say what went wrong: it begins with the program's name."""
    _tell(f"dedupe: {message}")
