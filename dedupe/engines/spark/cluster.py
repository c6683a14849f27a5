"""Stand between the command line and a cluster: one session, opened when it is needed, and what has an address."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from dedupe.engines.spark.engine import SparkEngine
from dedupe.engines.spark.files import fetch, is_address, send
from dedupe.engines.spark.session import active_session, open_session
from dedupe.errors import ConfigError
from dedupe.formats import InputFile, show_name
from dedupe.read import find_inputs
from dedupe.write import plan_outputs

_COPIES = ".dedupe-copies"


class Cluster:
    """Run the corpus of one command on Spark.

    `folder`: where copies of inputs and outputs with an address are kept until the run is done, seen by all
    machines; None if there is none. Use as a context manager: the session ends with it, if it began with it.
    """

    def __init__(self, master: str | None, conf: Mapping[str, str], folder: str | None) -> None:
        self._master, self._conf = master, conf
        self._copies = None if folder is None else Path(folder) / _COPIES
        self._session: Any = None
        self._is_ours = False
        self._target: str | None = None

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None and self._is_ours:
            self._session.stop()
        if kind is None and self._copies is not None:
            shutil.rmtree(self._copies, ignore_errors=True)

    @property
    def session(self) -> Any:
        """The session; the first call opens it."""
        if self._session is None:
            self._is_ours = active_session() is None
            self._session = open_session(self._master, self._conf)
        return self._session

    def engine(self, folder: Path) -> SparkEngine:
        """Make the engine of a run in a folder."""
        return SparkEngine(folder, self.session)

    def inputs(self, paths: Sequence[str], on_skip: Callable[[str, str], None]) -> list[InputFile]:
        """List the files behind paths and addresses, each once; the latter are copied."""
        here = [path for path in paths if not is_address(path)]
        found = find_inputs(here, on_skip) if here or not paths else []
        seen: set[str] = set()
        for number, path in enumerate(path for path in paths if is_address(path)):
            files = fetch(self.session, path, self._copies_of(path) / f"in-{number:03}", on_skip)
            found += [file for file in files if file.uri not in seen]
            seen.update(file.uri for file in files)
        return found

    def outputs(self, inputs: Sequence[InputFile], target: str) -> list[str]:
        """Plan where the outputs go; what goes to an address is written beside the copies first."""
        if not is_address(target):
            return plan_outputs(inputs, target)
        self._target = target
        return plan_outputs(inputs, str(self._copies_of(target) / "out"))

    def finish(self) -> None:
        """Copy outputs to their address, if they have one."""
        if self._target is not None and self._copies is not None:
            send(self.session, self._copies / "out", self._target)

    def _copies_of(self, path: str) -> Path:
        if self._copies is None:
            raise ConfigError(f"{show_name(path)}: is copied by way of the report folder; give --report DIR")
        return self._copies
