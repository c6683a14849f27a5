"""Clean files as the command line asks for it, and write what came of it.

A run folder (`--report DIR`) holds `removals.jsonl`, the ledger; everything else in it can be made again
from the ledger and the cleaned files: `dedupe.ledgers`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from shutil import copyfileobj
from typing import TYPE_CHECKING, BinaryIO, Literal, TypeAlias

from msgspec import Struct, field, structs

from dedupe.config import KEEP_NAMES, Config
from dedupe.decisions import Decision, Decisions
from dedupe.errors import ConfigError, DedupeError, InputError
from dedupe.formats import STDIN
from dedupe.pipeline import clean_documents
from dedupe.places import Told, as_told, is_name_for, to_stream
from dedupe.read import InputFile, find_inputs, read_text
from dedupe.records import BadRecord, Cleaned, Document, Totals
from dedupe.version import VERSION

if TYPE_CHECKING:
    from dedupe.engines.spark.cluster import Cluster
    from dedupe.gates import Gates

# Ledgers, reports, gates and writers are imported where they are used: one text to standard output needs none.
_BATCH_BYTES = 4 << 20  # texts cleaned at a time: arrays of a batch stay below 400 MB

_LEAST_MEMORY = 16 << 20

Show: TypeAlias = Literal["text", "diff", "nothing"]
Talk: TypeAlias = Callable[[str], None]


class Target(Struct, frozen=True, kw_only=True):
    """Say where cleaned texts go: a stream for one text (`show`: the text, a diff or nothing), a folder or
    file, or back into the inputs; the folder for the ledger and reports; who hears of every removal; the command
    that obeys decisions, for those who save them."""

    stream: BinaryIO | None = None
    show: Show = "text"
    output: str | None = None
    in_place: bool = False
    report: str | None = None
    table: Talk | None = None
    table_width: int = 100
    command: str | None = None


class RunTotals(Totals):
    """Count what a run did and hold what is to be told of it; `guarded`: documents that keep most of their text, with
    the removals that people accepted all the same; `orphans`: decisions that fit nothing; `failures`: of gates."""

    guarded: list[tuple[str, int]] = field(default_factory=list)
    orphans: list[Decision] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, cleaned: Cleaned) -> None:
        """Count one document."""
        self.num_documents += 1
        self.num_changed += bool(cleaned.removals)
        self.num_removals += len(cleaned.removals)
        self.num_bytes_before += len(cleaned.document.raw)
        self.num_bytes_after += len(cleaned.cleaned)
        if "guard" in cleaned.flags:
            self.guarded.append((cleaned.document.doc, len(cleaned.removals)))


class Effort(Struct, frozen=True, kw_only=True):
    """Say what a run over many documents may use; `resume`: go on with one that was cut short.

    `engine`: "local" or "spark". `master`, `spark_conf`: of Spark; settings have the form KEY=VALUE. `against`: the
    folder of a kept index whose documents count as kept; `against_mode`: "frozen" or "retroactive".
    """

    jobs: int = 1
    memory_bytes: int = 2 << 30
    resume: bool = False
    progress: bool = False
    engine: str = "local"
    master: str | None = None
    spark_conf: Sequence[str] = ()
    against: str | None = None
    against_mode: str = "frozen"


def parse_bytes(text: str) -> int:
    """Read a size such as "2GB", "512M" or "1.5 GiB"; powers of 1,024 throughout.

    Raises: ConfigError: it is none, or less than any work takes.

    >>> parse_bytes("2GB"), parse_bytes("512m")
    (2147483648, 536870912)
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)I?B?", text.strip().upper())
    if match is None:
        raise ConfigError(f"--memory is {text!r}; expected a size such as 2GB or 512MB")
    num_bytes = int(float(match[1]) * 1024 ** " KMGT".index(match[2] or " "))
    if num_bytes < _LEAST_MEMORY:
        raise ConfigError(f"--memory is {text!r}; give 16MB or more, or much would be written for each document")
    return num_bytes


def clean_paths(
    paths: Sequence[str], config: Config, target: Target, effort: Effort, talk: Talk, *, decided: str | None = None,
    gates: Gates | None = None, told: Told | None = None,
) -> RunTotals:
    """Clean files and write them where `target` says, obeying the decisions file `decided`.

    A single text is cleaned by itself, and so are texts cleaned in place, checked or compared. Everything else
    is a corpus: what repeats across its documents counts as well, and whole near-duplicates are found.
    `gates`: what fails the run; the ledger they read is a passing one where no report was asked for.
    Raises: DedupeError: no input, outputs that cannot be, a file that cannot be written.
    """
    totals, raw, people = RunTotals(), *_read_people(decided)
    with ExitStack() as stack:
        cluster = stack.enter_context(_cluster(effort, target))
        find = find_inputs if cluster is None else cluster.inputs
        inputs = find(paths, lambda uri, reason: _say_left_out(talk, uri, reason))
        inputs = as_told(inputs, told or Told(), lambda: _folder_for_now(stack))
        if effort.resume and any(file.uri == STDIN for file in inputs):
            raise ConfigError("--resume needs inputs that can be read again; standard input cannot")
        are_texts = all(file.format == "text" for file in inputs)
        alone = len(inputs) == 1 or target.in_place or target.show == "diff" or target.output is None
        inner = target
        if gates and target.report is None:
            if effort.resume:
                raise ConfigError("--resume with gates needs a ledger that lasts; give --report DIR")
            inner = structs.replace(target, report=_folder_for_now(stack))
        if are_texts and alone and cluster is None and effort.against is None:
            _clean_texts(inputs, config, inner, totals, people)
        else:
            people.matched |= _clean_corpus(inputs, config, inner, effort, talk, totals, raw, cluster, stack)
        if gates and inner.report is not None:
            totals.failures = _failures(inner.report, gates)
    totals.orphans = people.orphans()
    if target.report is not None:
        _write_reports(Path(target.report), target.command, raw)
    return totals


def _read_people(decided: str | None) -> tuple[bytes, Decisions]:
    if decided is None:
        return b"", Decisions()
    from dedupe.ledgers import read_people

    people = read_people(decided)
    return people.raw, people.lines


def _say_left_out(talk: Talk, uri: str, reason: str) -> None:
    from dedupe.report import visible

    talk(f"left out {visible(uri)}: {reason}")


def _folder_for_now(stack: ExitStack) -> str:
    from tempfile import TemporaryDirectory

    return stack.enter_context(TemporaryDirectory(prefix="dedupe-"))


def _failures(folder: str, gates: Gates) -> list[str]:
    from dedupe.gates import failures
    from dedupe.ledgers import LEDGER

    return failures(Path(folder) / LEDGER, gates)


def _clean_texts(
    inputs: Sequence[InputFile], config: Config, target: Target, totals: RunTotals, people: Decisions
) -> None:
    """Clean texts one by one; a file that cannot be read is listed and the others go on."""
    outputs = _outputs(inputs, target)
    with ExitStack() as stack:
        ledger = _open_ledger(stack, target)
        results = _written(_cleaned(inputs, outputs, config, totals, people), target, totals)
        if ledger is None:
            for _ in results:
                pass
        else:
            from datetime import UTC, datetime

            from dedupe.report import ledger_lines

            started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            ledger.writelines(ledger_lines(results, totals.bad, config, started, VERSION))


def _clean_corpus(
    inputs: Sequence[InputFile], config: Config, target: Target, effort: Effort, talk: Talk, totals: RunTotals,
    decisions: bytes, cluster: Cluster | None, stack: ExitStack,
) -> set[int]:
    """Clean the documents of all inputs as one corpus; returns which lines of the decisions were of use."""
    from dedupe.corpus_api import clean_records
    from dedupe.write import plan_outputs, refuse_inputs

    if target.in_place or target.show == "diff":
        if effort.against is not None:
            raise ConfigError("--in-place and --diff take texts one by one, without --against; write to -o DIR")
        raise ConfigError("--in-place and --diff are for texts; records go to -o DIR")
    if config.keep not in KEEP_NAMES and all(file.format == "text" for file in inputs):
        raise ConfigError(f"keep is {config.keep!r}, but texts have no fields; expected longest or first")
    outputs: list[str | None] = [None] * len(inputs)
    if target.output is None and target.show == "text":
        inputs, outputs[0] = to_stream(inputs, lambda: _folder_for_now(stack))
    elif target.output is not None and cluster is None and is_name_for(target.output, inputs):
        refuse_inputs([target.output], [inputs[0].path])
        outputs = [target.output]
    elif target.output is not None:
        plan = plan_outputs if cluster is None else cluster.outputs
        outputs = list(plan(inputs, target.output))
    done = clean_records(
        inputs, outputs, config, report=target.report, jobs=effort.jobs, memory_bytes=effort.memory_bytes,
        resume=effort.resume, talk=talk, progress=effort.progress, decisions=decisions,
        engine=None if cluster is None else cluster.engine, against=effort.against, against_mode=effort.against_mode,
    )  # fmt: skip
    if cluster is not None:
        cluster.finish()
    if inputs[0].to_stream and outputs[0] is not None and target.stream is not None:
        with open(outputs[0], "rb") as cleaned:
            copyfileobj(cleaned, target.stream, 1 << 20)
        target.stream.flush()
    for name in Totals.__struct_fields__:
        setattr(totals, name, getattr(done, name))
    return done.decisions_of_use


def _cluster(effort: Effort, target: Target) -> Cluster | nullcontext[None]:
    """Make ready for the engine that was asked for; None: it is this machine."""
    if effort.engine not in ("local", "spark"):
        raise ConfigError(f"--engine is {effort.engine!r}; expected local or spark")
    if effort.engine == "local":
        if effort.master is not None or effort.spark_conf:
            raise ConfigError("--master and --spark-conf are for Spark; give --engine spark too")
        return nullcontext()
    from dedupe.engines.spark.cluster import Cluster
    from dedupe.engines.spark.session import parse_conf
    from dedupe.spare import allow_all

    allow_all()

    return Cluster(effort.master, parse_conf(list(effort.spark_conf)), target.report)


def _outputs(inputs: Sequence[InputFile], target: Target) -> list[str | None]:
    """Plan where each input's cleaned text goes; None for the stream."""
    if target.in_place:
        if any(file.path == "-" for file in inputs):
            raise ConfigError("--in-place cannot write to standard input; give -o FILE or let it go to standard output")
        return [file.path for file in inputs]
    if target.output is not None:
        from dedupe.write import plan_outputs, refuse_inputs

        if is_name_for(target.output, inputs):
            refuse_inputs([target.output], [inputs[0].path])
            return [target.output]
        return list(plan_outputs(inputs, target.output))
    if len(inputs) > 1 and target.show == "text":
        raise ConfigError(f"{len(inputs)} texts found, but standard output takes one; give -o DIR or --in-place")
    return [None] * len(inputs)


def _cleaned(
    inputs: Sequence[InputFile], outputs: Sequence[str | None], config: Config, totals: RunTotals,
    people: Decisions,
) -> Iterator[Cleaned]:
    """Read and clean texts in batches; the results come in the order of the inputs."""
    batch: list[Document] = []
    places: list[str | None] = []
    num_bytes = 0
    for file, output in zip(inputs, outputs, strict=True):
        try:
            document = read_text(file.path, config.encoding, uri=file.uri, allow_binary=file.allow_binary)
        except InputError as error:
            if config.on_error == "fail" or len(inputs) == 1:
                raise
            totals.bad.append(BadRecord(file.uri, None, str(error)))
            continue
        batch.append(document)
        places.append(output)
        num_bytes += len(document.raw)
        if num_bytes >= _BATCH_BYTES:
            yield from _placed(batch, places, config, people)
            batch, places, num_bytes = [], [], 0
    yield from _placed(batch, places, config, people)


def _placed(
    batch: list[Document], places: list[str | None], config: Config, people: Decisions
) -> Iterator[Cleaned]:
    for cleaned, output in zip(clean_documents(batch, config, people=people), places, strict=True):
        yield replace(cleaned, output=None if output is None else Path(output).as_posix())


def _written(results: Iterable[Cleaned], target: Target, totals: RunTotals) -> Iterator[Cleaned]:
    """Write each cleaned text, then hand it on to the ledger."""
    for cleaned in results:
        totals.add(cleaned)
        if target.table is not None and (cleaned.removals or cleaned.kept):
            from dedupe.report import table

            target.table(table([cleaned], target.table_width) + "\n")
        if target.show == "diff":
            from dedupe.report import diff_of

            _send(target, diff_of(cleaned))
        elif target.show == "text" and cleaned.output is None:
            _send(target, cleaned.cleaned)
        elif target.show == "text" and cleaned.output is not None and (cleaned.removals or not target.in_place):
            from dedupe.write import write_text

            write_text(cleaned.output, cleaned.cleaned, in_place=target.in_place)
        yield cleaned


def _send(target: Target, content: bytes) -> None:
    if target.stream is None:
        return
    try:
        target.stream.write(content)
        target.stream.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        raise
    except OSError as error:
        raise DedupeError(f"standard output: cannot be written: {error.strerror}; give -o FILE") from error


def _open_ledger(stack: ExitStack, target: Target) -> BinaryIO | None:
    if target.report is None:
        return None
    from dedupe.ledgers import LEDGER
    from dedupe.report import visible
    from dedupe.write import replacing

    folder = Path(target.report)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{visible(target.report)}: is a file; give a folder to --report")
    return stack.enter_context(replacing(str(folder / LEDGER)))


def _write_reports(folder: Path, command: str | None, decided: bytes) -> None:
    """Write the reports people open first beside the ledger."""
    from dedupe.ledgers import write_report

    write_report(str(folder), "markdown", str(folder / "report.md"))
    write_report(str(folder), "html", str(folder / "report.html"), command=command, decided=decided)
