"""Learn the boilerplate of sites from a corpus and write it down for later runs: `dedupe learn`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dedupe.config import Config
from dedupe.corpus.learned import learn_corpus
from dedupe.engines.local import LocalEngine
from dedupe.errors import ConfigError, InputError, MissingDependencyError
from dedupe.formats import show_name
from dedupe.read import find_inputs
from dedupe.report.ledger import dump
from dedupe.site import LearnedSite, dump_site_rules, merge_written, parse_site_rules
from dedupe.version import VERSION
from dedupe.write import replacing

if TYPE_CHECKING:
    from dedupe.kept.index import KeptIndex


def learn_sites(
    paths: Sequence[str], config: Config | None = None, *, jobs: int = 1, memory_bytes: int = 2 << 30,
    talk: Callable[[str], None] | None = None, progress: bool = False,
) -> dict[str, LearnedSite]:
    """Find what recurs on the pages of each site of a corpus, as a run with the same settings would take it out.

    Raises: DedupeError: no input, or input that cannot be read.
    """
    say = talk or (lambda message: None)
    inputs = find_inputs(paths, lambda uri, reason: say(f"left out {uri}: {reason}"))
    settings = replace(config or Config(), site_rules=None, shared_passages="off")  # an old file must not teach itself
    with TemporaryDirectory(prefix="dedupe-") as folder:
        shown = progress and sys.stderr.isatty()
        with LocalEngine(Path(folder), jobs, memory_bytes, progress=shown) as engine:
            return learn_corpus(inputs, settings, engine, memory_bytes=memory_bytes // max(1, jobs))


def learn_kept_site(
    index: KeptIndex, site: str, *, memory_bytes: int = 2 << 30, talk: Callable[[str], None] | None = None
) -> tuple[int, LearnedSite]:
    """Count the documents that an index has of a site or host, and find what recurs on them, as `learn_sites` would.

    Settings are those of the index. Raises: InputError: it has no document of that name.
    """
    count = 0
    config = replace(index.config, text_field="text", url_field="url", site_field="site", id_field=None)
    with TemporaryDirectory(prefix="dedupe-") as folder:
        pages = Path(folder) / "pages.jsonl"
        with open(pages, "wb") as file:
            for document in index.of_site(site):
                file.write(dump({"text": document.utf8.decode("utf-8", "replace"), "url": document.url, "site": site}))
                count += 1
        if not count:
            raise InputError(f"{show_name(str(index.folder))}: no document is of {site!r}; give a host or a site")
        found = learn_sites([str(pages)], config, memory_bytes=memory_bytes, talk=talk)
    return count, found.get(site, LearnedSite())


def write_site_rules(sites: dict[str, LearnedSite], path: str | None) -> bytes:
    """Make the file of site rules and write it, if `path` is given; what people wrote into the one there is kept.

    Raises: ConfigError: the file there is none of site rules. MissingDependencyError: tomli-w is not installed.
    """
    target = Path(path) if path is not None else None
    if target is not None and target.is_dir():
        raise ConfigError(f"{path}: is a folder; give a file such as site-rules.toml to -o")
    if target is not None and target.exists():
        sites = merge_written(sites, parse_site_rules(target.read_bytes(), str(path)))
    try:
        content = dump_site_rules(sites, f"dedupe {VERSION}")
    except ImportError:
        raise MissingDependencyError("tomli-w", "all", "dedupe learn") from None
    if path is not None:
        with replacing(path) as file:
            file.write(content)
    return content
