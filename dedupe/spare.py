"""Start processes of our own without what libraries would import at first use and we never call."""

from __future__ import annotations

import gc
import sys
from typing import Any

# pyarrow asks of every array whether it is of pandas, and numba looks in scipy for matrix products: a third of a
# second each, where they are installed. Both are told what they would hear where these are not.
_NEVER_CALLED = ("pandas", "scipy")


class _NotHere:
    """Find no module of those names; see importlib.abc.MetaPathFinder."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if name in _NEVER_CALLED:
            raise ModuleNotFoundError(f"{name} is not imported here", name=name)


def spare_start() -> None:
    """Keep those out of this process, for one that does nothing else: a worker, the command line."""
    gc.set_threshold(50_000, 10, 10)  # what a start makes stays; to look through it again and again takes a tenth of it
    if _NotHere not in sys.meta_path:
        sys.meta_path.insert(0, _NotHere)


def allow_all() -> None:
    """Let them in after all: Spark's driver needs pandas."""
    if _NotHere in sys.meta_path:
        sys.meta_path.remove(_NotHere)
