"""Keep the working folder of a run: one run at a time, and only ever resumed with the same inputs and settings.

Two locks end with the processes that hold them, however those end. `lock` is the main process's; `workers` is shared
by all workers, which may outlive a main process that was killed for a moment: a run begins when they are gone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from dedupe.config import Config
from dedupe.errors import ConfigError, DedupeError
from dedupe.formats import InputFile, show_name
from dedupe.version import VERSION
from dedupe.write import replacing

_STATE = "run.json"
_LOCK, _WORKERS = "lock", "workers"
_WAIT_SECONDS = 60.0  # for workers of a killed run; they end as soon as they notice
_LOCKS: list[BinaryIO] = []  # of this process as a worker, held until it ends


def run_digest(
    inputs: Sequence[InputFile], outputs: Sequence[str | None], config: Config, decisions: bytes = b""
) -> str:
    """Hash what a run depends on: settings, version, decisions, rules, and the names, sizes and times of the inputs."""
    pairs = zip(inputs, outputs, strict=True)
    files = sorted((file.path, file.uri, *_stamp(file.path), str(output)) for file, output in pairs)
    decided = hashlib.sha256(decisions).hexdigest()
    known = [VERSION, config.digest(), files, decided, _content(config.site_rules)]
    return hashlib.sha256(json.dumps(known).encode("utf-8", "surrogatepass")).hexdigest()


def _content(path: str | None) -> str | None:
    try:
        return None if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}; give a file of dedupe learn") from None


def _stamp(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@contextlib.contextmanager
def open_folder(path: Path, digest: str, *, resume: bool) -> Iterator[None]:
    """Lock a working folder and empty it, unless the run in it is to be resumed; delete it when the block is done.

    Where the block raises, the work stays.
    Raises: ConfigError: it holds another run's work and `resume` was asked for. DedupeError: a run is using it.
    """
    with _locked(path):
        known = _known_digest(path)
        if resume and known is not None and known != digest:
            raise ConfigError(
                f"{show_name(str(path))}: holds a run with other inputs or settings; give those again, or leave "
                "out --resume to begin anew"
            )
        if not resume or known is None:
            _empty(path)
        with replacing(str(path / _STATE)) as file:
            file.write(json.dumps({"digest": digest}).encode())
        yield
        (path / _STATE).unlink(missing_ok=True)  # first: what is left of work that was done is nothing to resume
        shutil.rmtree(path, ignore_errors=True)


def _known_digest(path: Path) -> str | None:
    try:
        return str(json.loads((path / _STATE).read_bytes())["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.name in (_LOCK, _WORKERS):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a folder, made where it is missing, when no worker of an earlier run is left."""
    while True:
        with _opened(path) as file:
            if not _lock(file, shared=False):
                raise DedupeError(
                    f"{show_name(str(path))}: another run is using this folder; wait for it, or give another"
                )
            if _is_still(path / _LOCK, file):
                _wait_for_workers(path)
                yield
                return


def _opened(path: Path) -> BinaryIO:
    while True:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            where = show_name(str(path.parent))
            raise DedupeError(f"{where}: no folder can be made there: {error.strerror}; give another") from error
        with contextlib.suppress(FileNotFoundError):  # a run that ends is just deleting the folder
            return open(path / _LOCK, "a+b")


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Say whether an open file is the one of that name: the run that held the lock before may have deleted it."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except OSError:
        return False


def _wait_for_workers(path: Path) -> None:
    end = time.monotonic() + _WAIT_SECONDS
    with open(path / _WORKERS, "a+b") as file:
        while not _lock(file, shared=False):
            if time.monotonic() > end:
                raise DedupeError(f"{show_name(str(path))}: workers of a run that was killed are still at it; end them")
            time.sleep(0.02)


def join_workers(path: Path) -> None:
    """Hold the lock of workers until this process ends."""
    file = open(path / _WORKERS, "a+b")  # noqa: SIM115 - closed by the end of the process, so that no one works unlocked
    _lock(file, shared=True)
    _LOCKS.append(file)


def _lock(file: BinaryIO, *, shared: bool) -> bool:
    """Lock a file; False where another process holds it. Windows has no shared locks: none is taken."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        if shared:
            return True
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]  # only there
        except OSError:
            return False
        return True
    try:
        # who waits for workers holds their lock for a moment only: a shared one can be waited for
        fcntl.flock(file.fileno(), fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
