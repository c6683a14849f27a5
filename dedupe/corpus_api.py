"""Offer corpora to Python programs and to the command line: `clean_records` for files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dedupe import kernels
from dedupe.config import Config
from dedupe.corpus.folder import open_folder, run_digest
from dedupe.corpus.run import CorpusTotals, run_corpus
from dedupe.engines.local import LocalEngine
from dedupe.errors import ConfigError
from dedupe.formats import InputFile

if TYPE_CHECKING:
    from dedupe.engines.spark import SparkEngine
    from dedupe.kept.against import Against

_WORK = ".dedupe-work"


def clean_records(
    inputs: Sequence[InputFile],
    outputs: Sequence[str | None],
    config: Config,
    *,
    report: str | None = None,
    jobs: int = 1,
    memory_bytes: int = 2 << 30,
    resume: bool = False,
    decisions: bytes = b"",
    talk: Callable[[str], None] | None = None,
    progress: bool = False,
    engine: Callable[[Path], SparkEngine] | None = None,
    against: str | None = None,
    against_mode: str = "frozen",
) -> CorpusTotals:
    """Clean shards of records: `inputs[i]` to `outputs[i]` (None: not written), the ledger to `report`.

    Work in progress is kept in `.dedupe-work` in the report's folder, else beside the first output, until the
    run is done; `resume` goes on with it. `decisions`: the bytes of a decisions file, which is obeyed. Memory:
    about `memory_bytes` for all `jobs` processes together. `engine`: makes the engine for a folder, for instance
    one of Spark, where `memory_bytes` are those of one task; None: processes of this machine. `against`: the folder
    of a kept index, whose documents count as kept: "frozen", new ones that match them go; "retroactive", those of the
    index that would go for a new one are listed.

    Raises: DedupeError: bad input or settings, a full disk, a worker that died; what was done stays done.
    """
    if not inputs or len(inputs) != len(outputs):
        raise ConfigError(f"{len(inputs)} inputs and {len(outputs)} outputs; expected one output for each input")
    work = _work_folder(outputs, report)
    say = talk or (lambda message: None)
    if engine is None and kernels.must_compile(sum(file.num_bytes for file in inputs)):
        say("compiling kernels for this machine, once: about half a minute (python -m dedupe.kernels does it ahead)")
        kernels.compile_all()
    with ExitStack() as stack:
        index = None if against is None else _opened(stack, against, against_mode, config)
        known = decisions if index is None else decisions + b"\0" + index.known()
        stack.enter_context(open_folder(work, run_digest(inputs, outputs, config, known), resume=resume))
        local = partial(LocalEngine, jobs=jobs, memory_bytes=memory_bytes, progress=progress and sys.stderr.isatty())
        with local(work) if engine is None else engine(work) as tasks:
            totals = run_corpus(
                inputs, outputs, config, tasks, report=report, decisions=decisions,
                meet=None if index is None else index.meet,
                memory_bytes=memory_bytes // max(1, jobs) if engine is None else memory_bytes,
            )
        if totals.num_guarded:
            kept = "lost only what people accepted" if decisions else "held back"
            documents = "document" if totals.num_guarded == 1 else "documents"
            say(f"{totals.num_guarded:,} {documents} {kept}, too much of their prose would go; see the report")
    return totals


def _opened(stack: ExitStack, folder: str, mode: str, config: Config) -> Against:
    from dedupe.kept.against import Against

    index = Against.opened(folder, mode, config)
    stack.callback(index.close)
    return index


def _work_folder(outputs: Sequence[str | None], report: str | None) -> Path:
    if report is not None:
        return Path(report) / _WORK
    first = next((output for output in outputs if output is not None), None)
    return Path(os.path.dirname(first) or "." if first is not None else ".") / _WORK
