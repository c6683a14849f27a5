"""Parse the command line: a command builds a Config, calls one function of `dedupe.runs` and sets the exit code.

stdout is data, stderr is talk. Exit codes: 0 done; 1 `--check` or `--diff` found removals; 2 usage, config or
input; 3 a hash does not match; 130 interrupted. A closed pipe is quiet.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer

from dedupe.errors import ConfigError, DedupeError
from dedupe.version import VERSION

if TYPE_CHECKING:
    from dedupe.runs import Totals

app = typer.Typer(
    name="dedupe",
    help="Find repeated passages and boilerplate in scraped text, clean it, and show what went and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Paths = Annotated[list[str], typer.Argument(help="Files, folders, globs, or - for standard input.", show_default=False)]
Run = Annotated[str, typer.Argument(help="The folder given to --report, or its removals.jsonl.", show_default=False)]
Output = Annotated[str | None, typer.Option("--output", "-o", help="Folder for the results, or a file for one text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every removal in a table on stderr.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dedupe {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find repeated passages and boilerplate in scraped text, clean it, and show what went and why."""


@app.command()
def clean(
    paths: Paths,
    output: Output = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Write cleaned texts over the inputs.")] = False,
    report: Annotated[str | None, typer.Option("--report", help="Folder for the ledger and the reports.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Print a patch instead; exit code 1 if not empty.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say by exit code 1 that something would go.")] = False,
    preset: Annotated[str | None, typer.Option(help="careful (default), standard or thorough.")] = None,
    min_confidence: Annotated[float | None, typer.Option(help="Least confidence of a removal, 0 to 1.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of text files. [default: utf-8]")] = None,
    on_error: Annotated[str | None, typer.Option(help="skip (default) or fail at an input that is bad.")] = None,
    near_duplicates: Annotated[str | None, typer.Option(help="report (default), drop or off: whole documents.")] = None,
    min_resemblance: Annotated[float | None, typer.Option(help="Of near-duplicate documents. [default: 0.8]")] = None,
    min_containment: Annotated[float | None, typer.Option(help="Of one document in another. [default: 0.8]")] = None,
    keep: Annotated[str | None, typer.Option(help="Keeper: longest (default), first, newest, or a field.")] = None,
    shared_passages: Annotated[str | None, typer.Option(help="report (default), keep-first or off.")] = None,
    text_field: Annotated[str | None, typer.Option(help="Field of records that holds the text.")] = None,
    id_field: Annotated[str | None, typer.Option(help="Field of records that holds their id.")] = None,
    url_field: Annotated[str | None, typer.Option(help="Field of records that holds their address.")] = None,
    site_field: Annotated[str | None, typer.Option(help="Field of records that names their site.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes for corpora.")] = 1,
    memory: Annotated[str, typer.Option(help="Memory for all processes of a corpus, such as 2GB.")] = "2GB",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run over records that was cut short.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings in TOML instead of dedupe.toml.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Clean texts and records: one text to standard output, several or records to -o DIR, texts also --in-place."""
    from dedupe import runs
    from dedupe.config import load_config

    if sum((diff, check, in_place, output is not None)) > 1:
        raise ConfigError("--diff, --check, --in-place and -o exclude each other; give one of them")
    settings = load_config(
        config, preset=preset, min_confidence=min_confidence, encoding=encoding, on_error=on_error,
        near_duplicates=near_duplicates, min_resemblance=min_resemblance, min_containment=min_containment, keep=keep,
        shared_passages=shared_passages, text_field=text_field, id_field=id_field, url_field=url_field,
        site_field=site_field,
    )  # fmt: skip
    show: runs.Show = "diff" if diff else "nothing" if check else "text"
    target = runs.Target(stream=sys.stdout.buffer, show=show, output=output, in_place=in_place, report=report,
                         table=_talk(False) if verbose else None)
    effort = runs.Effort(jobs=jobs, memory_bytes=runs.parse_bytes(memory), resume=resume, progress=not quiet)
    totals = runs.clean_paths(paths, settings, target, effort, _talk(quiet))
    _say_totals(totals, quiet, report)
    raise typer.Exit(2 if totals.bad else int((diff or check) and totals.num_removals > 0))


@app.command()
def report(
    run: Run,
    form: Annotated[str, typer.Option("--format", "-f", help="table, html, markdown, csv, sarif or patch.")] = "table",
    output: Annotated[str | None, typer.Option("--output", "-o", help="File to write instead of stdout.")] = None,
) -> None:
    """Show a run's ledger again: as a table, HTML, Markdown, CSV, SARIF or a patch."""
    from dedupe import runs

    runs.write_report(run, form, output, sys.stdout.buffer, width=_width(), color=_color(sys.stdout))


@app.command()
def restore(
    run: Run,
    output: Output = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Write the originals over the cleaned files.")] = False,
    cleaned: Annotated[str | None, typer.Option(help="The cleaned text, where it went to stdout; - reads it.")] = None,
    removal_id: Annotated[list[str] | None, typer.Option("--id", help="Put back only this one; repeatable.")] = None,
) -> None:
    """Put the originals back byte for byte, all of a run or single removals."""
    from dedupe import runs

    runs.restore_run(run, cleaned, removal_id or [], output, in_place, sys.stdout.buffer)


@app.command()
def explain(
    run: Run, removal_id: Annotated[str, typer.Argument(help="The id of a removal, as in the report.")]
) -> None:
    """Show one removal beside the copy that was kept, with the evidence."""
    from dedupe import runs

    typer.echo(runs.explain_removal(run, removal_id, _width(), _color(sys.stdout)))


def _talk(quiet: bool) -> Callable[[str], None]:
    return (lambda message: None) if quiet else (lambda message: print(message, file=sys.stderr))


def _say_totals(totals: Totals, quiet: bool, report_folder: str | None) -> None:
    for bad in totals.bad:
        _say(bad.message if bad.record is None else f"{bad.uri}#{bad.record}: {bad.message}")
    if quiet:
        return
    for doc in totals.guarded:
        _say(f"{doc}: left as it was, most of its prose would have gone; see the report")
    before, after = totals.num_bytes_before, totals.num_bytes_after
    share = (before - after) / before if before else 0.0
    if totals.num_near_duplicates:
        print(f"{totals.num_near_duplicates:,} documents nearly equal another; --near-duplicates drop leaves them out",
              file=sys.stderr)
    where = f"; report in {report_folder}" if report_folder else ""
    print(
        f"{totals.num_documents:,} document{'s' * (totals.num_documents != 1)}, {totals.num_removals:,} "
        f"removal{'s' * (totals.num_removals != 1)}, {before:,} -> {after:,} bytes (-{share:.1%}){where}",
        file=sys.stderr,
    )


def _width() -> int:
    return max(80, min(shutil.get_terminal_size((120, 24)).columns, 160))


def _color(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ


def main() -> NoReturn:
    """Run a command and turn errors into one line on stderr and an exit code."""
    # typer carries a click of its own since 0.26, and used PyPI's before.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except DedupeError as error:
        _say(error)
        code = error.exit_code
    except typer.Abort:
        code = 130
    except usage_error as error:
        _say_usage(error)
        code = 2
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = _hang_up()
    except SystemExit as end:  # typer's own way with a closed pipe, and how it ends shell completion
        code = _hang_up() if isinstance(end.__context__, BrokenPipeError) else end.code
    sys.exit(code if isinstance(code, int) else 0)


def _hang_up() -> int:
    """Drop what is still to be written: whoever reads has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _say_usage(error: Any) -> None:
    """Say what was wrong with the words of the command, or show the help where there were none."""
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)
    else:
        command = error.ctx.command_path if error.ctx is not None else "dedupe"
        _say(f"{error.format_message().rstrip('.')}; see: {command} --help")


def _say(message: object) -> None:
    from dedupe.report.text import visible

    print(f"dedupe: {visible(' '.join(str(message).split()))}", file=sys.stderr)
