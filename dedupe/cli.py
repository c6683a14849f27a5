"""Parse the command line: a command builds a Config, calls one function of `dedupe.runs` and sets the exit code.

stdout is data, stderr is talk. Exit codes: 0 done; 1 `--check` or `--diff` found removals, a gate is shut, or two
runs differ; 2 usage, config or input; 3 a hash does not match; 130 interrupted. A closed pipe is quiet.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO, cast

import typer

from dedupe import cli_index, cli_learn
from dedupe.errors import ConfigError, DedupeError
from dedupe.version import VERSION

if TYPE_CHECKING:
    from dedupe.decisions import Decision, Scope, Verdict
    from dedupe.gates import Gates
    from dedupe.runs import RunTotals

app = typer.Typer(
    name="dedupe",
    help="Find repeated passages and boilerplate in scraped text, clean it, and show what went and why.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(cli_index.app)
app.command()(cli_learn.learn)

Paths = Annotated[list[str], typer.Argument(help="Files, folders, globs, or - for standard input.", show_default=False)]
Run = Annotated[str, typer.Argument(help="The folder given to --report, or its removals.jsonl.", show_default=False)]
Output = Annotated[str | None, typer.Option("--output", "-o", help="Folder for the results, or a file for one text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show every removal in a table on stderr; for a corpus: report RUN.")
]


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
_MAX_LISTED = 50  # orphans; a file may have thousands of them


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
    encoding: Annotated[str | None, typer.Option(help="Encoding of text files; default: utf-8.")] = None,
    on_error: Annotated[str | None, typer.Option(help="skip (default) or fail at an input that is bad.")] = None,
    near_duplicates: Annotated[str | None, typer.Option(help="report (default), drop or off: whole documents.")] = None,
    min_resemblance: Annotated[float | None, typer.Option(help="Of near-duplicate documents; default: 0.8.")] = None,
    min_containment: Annotated[float | None, typer.Option(help="Of one document in another; default: 0.8.")] = None,
    keep: Annotated[str | None, typer.Option(help="Keeper: longest (default), first, newest, or a field.")] = None,
    shared_passages: Annotated[str | None, typer.Option(help="report (default), keep-first or off.")] = None,
    text_field: Annotated[str | None, typer.Option(help="Field of records that holds the text.")] = None,
    id_field: Annotated[str | None, typer.Option(help="Field of records that holds their id.")] = None,
    url_field: Annotated[str | None, typer.Option(help="Field of records that holds their address.")] = None,
    site_field: Annotated[str | None, typer.Option(help="Field of records that names their site.")] = None,
    site_rules: Annotated[str | None, typer.Option(help="A file of dedupe learn: what goes on which site.")] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="Of inputs whose names do not tell: text, jsonl, csv or tsv.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes for corpora.")] = 1,
    memory: Annotated[str, typer.Option(help="Memory for all processes of a corpus, such as 2GB.")] = "2GB",
    engine: Annotated[str, typer.Option(help="local, or spark for a cluster.")] = "local",
    master: Annotated[str | None, typer.Option(help="Of Spark: local[4], yarn, k8s://…, spark://…, sc://….")] = None,
    spark_conf: Annotated[list[str] | None, typer.Option(help="Of Spark, KEY=VALUE; repeatable.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run over records that was cut short.")] = False,
    decisions: Annotated[str | None, typer.Option(help="A decisions.jsonl to obey.")] = None,
    against: Annotated[str | None, typer.Option(help="A kept index: its documents count as kept.")] = None,
    against_mode: Annotated[
        str | None, typer.Option(help="frozen (default): the index stays; retroactive: lists what of it would go now.")
    ] = None,
    fail_over: Annotated[
        list[str] | None, typer.Option(help="Exit code 1 where more of a document goes, say 20%, or of all: run=5%.")
    ] = None,
    fail_on_undecided: Annotated[
        bool, typer.Option("--fail-on-undecided", help="Exit code 1 where something goes that nobody decided on.")
    ] = False,
    fail_on_new: Annotated[
        str | None, typer.Option(help="Exit code 1 where something goes that this ledger or decisions file has not.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings in TOML instead of dedupe.toml.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Clean texts and records: one text to standard output, several or records to -o DIR, texts also --in-place."""
    from dedupe import runs
    from dedupe.config import load_config
    from dedupe.places import Told

    if sum((diff, check, in_place, output is not None)) > 1:
        raise ConfigError("--diff, --check, --in-place and -o exclude each other; give one of them")
    settings = load_config(
        config, preset=preset, min_confidence=min_confidence, encoding=encoding, on_error=on_error,
        near_duplicates=near_duplicates, min_resemblance=min_resemblance, min_containment=min_containment, keep=keep,
        shared_passages=shared_passages, text_field=text_field, id_field=id_field, url_field=url_field,
        site_field=site_field, site_rules=site_rules,
    )  # fmt: skip
    show: runs.Show = "diff" if diff else "nothing" if check else "text"
    target = runs.Target(stream=sys.stdout.buffer, show=show, output=output, in_place=in_place, report=report,
                         table=_talk(False) if verbose else None,
                         table_width=_width(sys.stderr, 100), command=_command_with_decisions(sys.argv[1:]))
    gates = _gates(fail_over, fail_on_undecided, fail_on_new)
    effort = runs.Effort(jobs=jobs, memory_bytes=runs.parse_bytes(memory), resume=resume, progress=not quiet,
                         engine=engine, master=master, spark_conf=spark_conf or [], against=against,
                         against_mode=_against_mode(against_mode, against))
    told = Told(format=form, has_encoding=encoding is not None)
    totals = runs.clean_paths(paths, settings, target, effort, _talk(quiet), decided=decisions, gates=gates, told=told)
    _say_totals(totals, quiet, report)
    found = (diff or check) and totals.num_removals > 0
    raise typer.Exit(2 if totals.bad else int(found or bool(totals.failures)))


@app.command()
def report(
    run: Run,
    form: Annotated[str, typer.Option("--format", "-f", help="table, html, markdown, csv, sarif or patch.")] = "table",
    output: Annotated[str | None, typer.Option("--output", "-o", help="File to write instead of stdout.")] = None,
) -> None:
    """Show a run's ledger again: as a table, HTML, Markdown, CSV, SARIF or a patch."""
    from dedupe import ledgers

    ledgers.write_report(run, form, output, sys.stdout.buffer, width=_width(sys.stdout, 120), color=_color(sys.stdout))


@app.command()
def restore(
    run: Run,
    output: Output = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Write the originals over the cleaned files.")] = False,
    cleaned: Annotated[str | None, typer.Option(help="The cleaned text, where it went to stdout; - reads it.")] = None,
    removal_id: Annotated[list[str] | None, typer.Option("--id", help="Put back only this one; repeatable.")] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="Of records in files whose names do not tell: jsonl, csv or tsv.")
    ] = None,
) -> None:
    """Put the originals back byte for byte, all of a run or single removals."""
    from dedupe import ledgers

    ledgers.restore_run(run, cleaned, removal_id or [], output, in_place, sys.stdout.buffer, form)


@app.command()
def explain(
    run: Run,
    removal_id: Annotated[str, typer.Argument(help="The id of a removal, as in dedupe report --format csv.")],
) -> None:
    """Show one removal beside the copy that was kept, with the evidence."""
    from dedupe import ledgers

    typer.echo(ledgers.explain_removal(run, removal_id, _width(sys.stdout, 120), _color(sys.stdout)))


@app.command()
def review(
    run: Run,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 0,
    prompt: Annotated[bool, typer.Option("--prompt", help="Ask in this terminal instead of in a browser.")] = False,
    decisions: Annotated[str | None, typer.Option(help="File to append to; default: RUN/decisions.jsonl.")] = None,
) -> None:
    """Show what a run removed, in a browser on this machine or in the terminal, and take down decisions."""
    from dedupe import ledgers

    path = ledgers.ledger_path(run)
    if prompt:
        from dedupe.review.prompt import review_in_terminal

        num_decided = review_in_terminal(path, decisions_path=decisions, width=_width(sys.stdout, 120))
        _tell(f"{_count(num_decided, 'removal')} decided")
        return
    from dedupe.review.app import serve
    from dedupe.review.texts import Originals

    with contextlib.suppress(KeyboardInterrupt):  # ctrl-C is how a review ends
        serve(path, Originals(path), decisions_path=decisions, port=port, announce=_announce)


@app.command()
def decide(
    run: Run,
    accept: Annotated[bool, typer.Option("--accept", help="It goes, in later runs too.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="It stays, in later runs too.")] = False,
    swap: Annotated[bool, typer.Option("--swap", help="It stays, and the copy that was kept goes.")] = False,
    defer: Annotated[bool, typer.Option("--defer", help="Somebody looked; nothing is decided.")] = False,
    rule: Annotated[list[str] | None, typer.Option(help="Only removals by this rule; repeatable.")] = None,
    host: Annotated[list[str] | None, typer.Option(help="Only of this host; repeatable.")] = None,
    fingerprint: Annotated[list[str] | None, typer.Option(help="Only this passage; repeatable.")] = None,
    removal_id: Annotated[list[str] | None, typer.Option("--id", help="Only this removal; repeatable.")] = None,
    min_confidence: Annotated[float | None, typer.Option(help="Only from this confidence on, 0 to 1.")] = None,
    max_lost_words: Annotated[int | None, typer.Option(help="Only what loses no more words than this.")] = None,
    search: Annotated[str, typer.Option(help="Only texts with these words.")] = "",
    kept: Annotated[bool, typer.Option("--kept", help="Repeats that stay, too.")] = False,
    scope: Annotated[
        str | None, typer.Option(help="all, host, document or removal; default: these removals and no others.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the lines instead of appending them.")] = False,
    decisions: Annotated[str | None, typer.Option(help="File to append to; default: RUN/decisions.jsonl.")] = None,
) -> None:
    """Decide on all removals that pass the filters."""
    from dedupe import ledgers
    from dedupe.review.bulk import Filter, decide_on
    from dedupe.review.verdicts import decisions_beside

    wanted = Filter(
        rules=rule or (), hosts=host or (), fingerprints=fingerprint or (), ids=removal_id or (),
        min_confidence=min_confidence, max_lost_words=max_lost_words, search=search, kept=kept,
    )  # fmt: skip
    verdict = _only_one({"accept": accept, "reject": reject, "swap": swap, "defer": defer})
    ledger = ledgers.ledger_path(run)
    done = decide_on(ledger, wanted, verdict, scope=_scope(scope), decisions_path=decisions, dry_run=dry_run)
    _say_decided(*done, verdict, None if dry_run else decisions or str(decisions_beside(ledger)))


@app.command()
def compare(first: Run, second: Run) -> None:
    """Show what went in one run and not in the other; exit code 1 where they differ."""
    from dedupe import ledgers

    raise typer.Exit(int(ledgers.compare_runs(first, second, sys.stdout.buffer)))


def _against_mode(mode: str | None, against: str | None) -> str:
    if mode is not None and against is None:
        raise ConfigError("--against-mode is for --against; give the folder of a kept index to --against, too")
    return mode or "frozen"


def _gates(fail_over: list[str] | None, fail_on_undecided: bool, fail_on_new: str | None) -> Gates | None:
    if not (fail_over or fail_on_undecided or fail_on_new is not None):
        return None
    from dedupe.gates import make_gates

    return make_gates(fail_over or [], fail_on_undecided, fail_on_new)


def _announce(address: str) -> None:
    print(f"Open {address}\n(it works once; ctrl-C ends the review)", file=sys.stderr, flush=True)


def _only_one(verdicts: dict[str, bool]) -> Verdict:
    given = [name for name, is_given in verdicts.items() if is_given]
    if len(given) != 1:
        raise ConfigError("give one of --accept, --reject, --swap and --defer")
    return cast("Verdict", given[0])


def _scope(name: str | None) -> Scope | None:
    if name not in (None, "all", "host", "document", "removal"):
        raise ConfigError(f"--scope is {name!r}; expected all, host, document or removal")
    return cast("Scope | None", name)


def _say_decided(num_removals: int, lines: list[Decision], verdict: str, path: str | None) -> None:
    """Say what was decided; `path`: where it was written, None for a dry run, which prints the lines."""
    from dedupe.decisions import dump_decision
    from dedupe.report.text import visible

    if path is None:
        sys.stdout.buffer.writelines(dump_decision(line) + b"\n" for line in lines)
        sys.stdout.buffer.flush()
    written = "would be written" if path is None else f"written to {visible(path)}" if lines else "written"
    _tell(f"{verdict}: {_count(num_removals, 'removal')}, {_count(len(lines), 'line')} {written}")


def _talk(quiet: bool) -> Callable[[str], None]:
    return (lambda message: None) if quiet else _tell


def _say_totals(totals: RunTotals, quiet: bool, report_folder: str | None) -> None:
    for bad in totals.bad:
        _say(bad.message if bad.record is None else f"{bad.uri}#{bad.record}: {bad.message}")
    for failure in totals.failures:
        _say(failure)
    if quiet:
        return
    _say_orphans(totals)
    _say_revised(totals)
    for doc, num_accepted in totals.guarded:
        accepted = f"only what people accepted went, {_count(num_accepted, 'removal')}"
        left = accepted if num_accepted else "left as it was"
        _say(f"{doc}: {left}; most of its prose would have gone, see the report")
    before, after = totals.num_bytes_before, totals.num_bytes_after
    share = (before - after) / before if before else 0.0
    if totals.num_near_duplicates:
        are = "document nearly equals" if totals.num_near_duplicates == 1 else "documents nearly equal"
        left_out = "left out" if totals.num_dropped else "--near-duplicates drop leaves them out"
        _tell(f"{totals.num_near_duplicates:,} {are} another; {left_out}")
    where = f"; report in {report_folder}" if report_folder else ""
    if totals.orphans:
        where = f", {_count(len(totals.orphans), 'decision')} matched nothing{where}"
    _tell(
        f"{totals.num_documents:,} document{'s' * (totals.num_documents != 1)}, {totals.num_removals:,} "
        f"removal{'s' * (totals.num_removals != 1)}, {before:,} -> {after:,} bytes ({_less(share)}){where}"
    )


def _say_revised(totals: RunTotals) -> None:
    """List documents of an index that would go for a new one."""
    for row in totals.revised[:_MAX_LISTED]:
        _say(f"{row['doc']}: would go for {row['near_duplicate_of']['doc']}")
    if len(totals.revised) > _MAX_LISTED:
        _say(f"and {_count(len(totals.revised) - _MAX_LISTED, 'more document')} of the index would go")


def _less(share: float) -> str:
    """Write what went as a percentage, without a sign where nothing did.

    >>> _less(0.1194), _less(0.0), _less(0.0001)
    ('-11.9%', '0.0%', '-0.01%')
    """
    return f"-{share:.2%}" if 0 < share < 0.0005 else f"-{share:.1%}" if share else "0.0%"


def _say_orphans(totals: RunTotals) -> None:
    """List decisions that matched nothing: somebody believes that they hold."""
    for line in totals.orphans[:_MAX_LISTED]:
        target = f" {line.scope} {line.target}" if line.target is not None else ""
        begins = f": {line.text[:60]!r}" if line.text else ""
        _say(f"matched nothing: {line.verdict} {line.fingerprint}{target}{begins}")
    if len(totals.orphans) > _MAX_LISTED:
        _say(f"and {_count(len(totals.orphans) - _MAX_LISTED, 'more decision')} matched nothing")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _command_with_decisions(words: list[str]) -> str:
    """Give the command that was called, with the decisions file that a report saves."""
    kept, skip = list[str](), False
    for word in words:
        if not skip and not word.startswith("--decisions="):
            skip = word == "--decisions"
            kept += [] if skip else [word]
        else:
            skip = False
    command = shlex.join(["dedupe", *kept, "--decisions", "decisions.jsonl"])
    return command.encode("utf-8", "replace").decode()  # a name may have bytes that are no UTF-8; reports have none


def _width(stream: TextIO, otherwise: int) -> int:
    """Give the columns of the terminal behind a stream; COLUMNS goes first, `otherwise` is for files and pipes."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal():
        columns = int(asked)
    else:
        columns = os.get_terminal_size(stream.fileno()).columns if stream.isatty() else otherwise
    return max(80, min(columns, 200))


def _color(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ


def main() -> NoReturn:
    """Run a command and turn errors into one line on stderr and an exit code."""
    # typer carries a click of its own since 0.26, and used PyPI's before.
    usage_error: type[Exception] = typer.BadParameter.__mro__[1]
    _open_streams()
    try:
        code = _only_what_is_called(sys.argv[1:])(standalone_mode=False)
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
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _hang_up()
        _say(f"output cannot be written: {error.strerror}; make room, or write it elsewhere")
        code = 2
    except SystemExit as end:  # typer's own way with a closed pipe, and how it ends shell completion
        code = _hang_up() if isinstance(end.__context__, BrokenPipeError) else end.code
    sys.exit(code if isinstance(code, int) else 0)


def _only_what_is_called(words: list[str]) -> typer.Typer:
    """Leave out the commands that were not called: typer builds a parser of each, 25 ms for all of them."""
    called = copy.copy(app)
    commands = [each for each in app.registered_commands if each.callback and words[:1] == [each.callback.__name__]]
    if commands:
        called.registered_commands, called.registered_groups = commands, []
    return called


def _open_streams() -> None:
    """Open what was closed when we were called (`<&-`), or the next file would take its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open as long as the process


def _hang_up() -> int:
    """Drop what is still to be written: whoever reads has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _say_usage(error: Any) -> None:
    """Say what was wrong with the words of the command, or show the help where there were none."""
    if type(error).__name__ == "NoArgsIsHelpError":
        _tell(error.format_message())
    else:
        command = error.ctx.command_path if error.ctx is not None else "dedupe"
        _say(f"{error.format_message().rstrip('.')}; see: {command} --help")


def _say(message: object) -> None:
    from dedupe.report.text import visible

    _tell(f"dedupe: {visible(' '.join(str(message).split()))}")


def _tell(line: str) -> None:
    """Print a line to stderr. That nobody reads on (`2>&1 | head`) ends no run: its files are half written then."""
    with contextlib.suppress(BrokenPipeError):
        print(line, file=sys.stderr)
