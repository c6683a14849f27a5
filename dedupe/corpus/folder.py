"""Keep the working folder of a run: one run at a time, and only ever resumed with the same inputs and settings."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from dedupe.config import Config
from dedupe.errors import ConfigError, DedupeError
from dedupe.formats import InputFile, show_name
from dedupe.version import VERSION
from dedupe.write import replacing

_STATE = "run.json"


def run_digest(
    inputs: Sequence[InputFile], outputs: Sequence[str | None], config: Config, decisions: bytes = b""
) -> str:
    """Hash what a run depends on: settings, version, decisions, and the names, sizes and times of the inputs."""
    pairs = zip(inputs, outputs, strict=True)
    files = sorted((file.path, file.uri, *_stamp(file.path), str(output)) for file, output in pairs)
    known = [VERSION, config.digest(), files, hashlib.sha256(decisions).hexdigest()]
    return hashlib.sha256(json.dumps(known).encode("utf-8", "surrogatepass")).hexdigest()


def _stamp(path: str) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@contextlib.contextmanager
def open_folder(path: Path, digest: str, *, resume: bool) -> Iterator[None]:
    """Lock a working folder and empty it, unless the run in it is to be resumed.

    Raises: ConfigError: it holds another run's work and `resume` was asked for. DedupeError: a run is using it.
    """
    path.mkdir(parents=True, exist_ok=True)
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


def _known_digest(path: Path) -> str | None:
    try:
        return str(json.loads((path / _STATE).read_bytes())["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _empty(path: Path) -> None:
    for entry in path.iterdir():
        if entry.name == "lock":
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends."""
    with open(path / "lock", "a+b") as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            raise DedupeError(
                f"{show_name(str(path))}: another run is using this folder; wait for it, or give another"
            ) from error
        yield


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]  # only there
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
