"""Parse `dedupe learn`: what recurs on the sites of a corpus, as a file for later runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

Paths = Annotated[list[str], typer.Argument(help="Files, folders, globs, or - for standard input.", show_default=False)]


def learn(
    paths: Paths,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="A file; what people wrote into it stays; default: stdout.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="careful (default), standard or thorough.")] = None,
    min_confidence: Annotated[float | None, typer.Option(help="Least confidence of an entry, 0 to 1.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of text files; default: utf-8.")] = None,
    on_error: Annotated[str | None, typer.Option(help="skip (default) or fail at an input that is bad.")] = None,
    text_field: Annotated[str | None, typer.Option(help="Field of records that holds the text.")] = None,
    id_field: Annotated[str | None, typer.Option(help="Field of records that holds their id.")] = None,
    url_field: Annotated[str | None, typer.Option(help="Field of records that holds their address.")] = None,
    site_field: Annotated[str | None, typer.Option(help="Field of records that names their site.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")] = 1,
    memory: Annotated[str, typer.Option(help="Memory for all processes, such as 2GB.")] = "2GB",
    config: Annotated[Path | None, typer.Option(help="Settings in TOML instead of dedupe.toml.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Learn what recurs on the pages of each site and write it as a file to edit, for clean --site-rules."""
    from dedupe import learn as learning
    from dedupe.config import load_config
    from dedupe.runs import parse_bytes

    settings = load_config(
        config, preset=preset, min_confidence=min_confidence, encoding=encoding, on_error=on_error,
        text_field=text_field, id_field=id_field, url_field=url_field, site_field=site_field,
    )  # fmt: skip
    def say(message: str) -> None:
        if not quiet:
            print(message, file=sys.stderr)

    sites = learning.learn_sites(
        paths, settings, jobs=jobs, memory_bytes=parse_bytes(memory), talk=say, progress=not quiet
    )
    content = learning.write_site_rules(sites, output)
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    num_blocks = sum(len(site.blocks) for site in sites.values())
    say(f"{num_blocks:,} block{'s' * (num_blocks != 1)} of {len(sites):,} site{'s' * (len(sites) != 1)}"
        + (f" in {output}" if output is not None else ""))
