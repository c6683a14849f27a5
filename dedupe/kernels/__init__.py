"""Hold the compiled twins of the NumPy kernels, for the extra `fast` (numba).

    minhash.py   shingle hashes -> signatures                   twin of dedupe.sketch
    stars.py     candidates -> verified keepers                 twin of dedupe.cluster
    seeds.py     shingles -> windows that are looked for in other documents, twin of dedupe.passages
    tokens.py    UTF-8 bytes -> sums of tokens                  twin of dedupe.tokens
    fused.py     UTF-8 bytes -> tokens -> shingles -> signatures in one pass, twin of tokens + shingle + sketch
    lines.py     stripped lines: dedupe.segment
    text.py      canonical streams: dedupe.normalize            looks.py, words.py, sums.py   dedupe.debris
    windows.py, near.py, doubled.py   dedupe.match              cues.py              dedupe.cues
    mixing.py    the mix of dedupe.hashing                      numba_types.py       what they take and give

Each gives the same bits as its twin; the tests run one table of cases over both. Importing this package loads nothing:
the callers import a kernel where they need it, and `worthwhile` says whether they do. `python -m dedupe.kernels`
compiles all of them ahead. Kernels release the interpreter lock, are cached on disk, and have one explicit signature
each, so that a read-only array does not compile them again.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Loading numba and a cached kernel takes about .6 s, in which NumPy signs 12 M shingles (70 MB of text).
MIN_SHINGLES = 12_000_000


def worthwhile(num_shingles: int) -> bool:
    """Say whether compiled kernels pay for an input of this size: once loaded always, else from 70 MB of text.

    >>> worthwhile(0) and "numba" not in sys.modules
    False
    """
    if "dedupe.kernels.minhash" in sys.modules:
        return True
    return num_shingles >= MIN_SHINGLES and importlib.util.find_spec("numba") is not None


# Import and cached kernels of a text take about 1 s, in which the NumPy stages look at 6 MB.
MIN_TEXT_BYTES = 12_000_000
_for_texts = False


def turn_on(num_bytes: int) -> bool:
    """Let the stages that look at texts use compiled kernels from now on, if that pays for texts of `num_bytes`.

    Returns whether they are on; nothing turns them off again but `switched`.
    """
    global _for_texts
    if not _for_texts and num_bytes >= MIN_TEXT_BYTES:
        _for_texts = importlib.util.find_spec("numba") is not None
    return _for_texts


def are_on() -> bool:
    """Say whether the stages that look at texts use compiled kernels."""
    return _for_texts


@contextmanager
def switched(on: bool) -> Iterator[None]:
    """Turn the kernels for texts on or off for a while: for tests and measurements."""
    global _for_texts
    before, _for_texts = _for_texts, on
    try:
        yield
    finally:
        _for_texts = before


def must_compile(num_bytes: int) -> bool:
    """Say whether texts of `num_bytes` have to wait until kernels are compiled, about half a minute, once a machine."""
    if num_bytes < MIN_TEXT_BYTES or importlib.util.find_spec("numba") is None:
        return False
    beside = Path(__file__).parent / "__pycache__"
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named is None and not os.access(beside.parent, os.W_OK):
        return False  # numba has a place of its own for them then, which it does not tell
    return next(Path(named or beside).rglob("fused._run-*.nbi"), None) is None


def compile_all() -> int:
    """Compile every kernel that the cache does not hold yet; give the number of modules with kernels.

    Raises:
        MissingDependencyError: numba is not installed.
    """
    load_numba()
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("__"))
    for name in names:
        importlib.import_module(f"dedupe.kernels.{name}")
    return len(names)


def load_numba() -> Any:
    """Import numba.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return importlib.import_module("numba")
    except ImportError as error:
        from dedupe.errors import MissingDependencyError

        raise MissingDependencyError("numba", "fast", "a compiled kernel") from error


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for one numba signature, without the interpreter lock, cached where the disk allows it."""
    njit = load_numba().njit

    def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            kernel: Callable[..., Any] = njit(signature, nogil=True, cache=True)(function)
        except RuntimeError:  # numba finds no directory it may write: compile anew in each process
            kernel = njit(signature, nogil=True)(function)
        return kernel

    return compile_function
