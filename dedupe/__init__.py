"""Find repeated passages and boilerplate in scraped text, clean it, and show what went and why.

    >>> import dedupe
    >>> text = "Also read:\\n\\nHeavy rain has closed the old bridge, and buses now stop in three other places.\\n"
    >>> dedupe.clean(text).text
    'Heavy rain has closed the old bridge, and buses now stop in three other places.\\n'

Read the modules in this order: errors, records, config; hashing; then the stages read, segment, normalize,
shingle, sketch, index, match, cues, debris, decide, clean, report, write; then draft and pipeline, which put
them in order; then api, near_api, live, streaming, runs, ledgers and cli, which people use.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dedupe.version import VERSION as __version__

if TYPE_CHECKING:
    from dedupe.api import CleanResult, clean
    from dedupe.config import Config, load_config
    from dedupe.errors import (
        ConfigError,
        DedupeError,
        InputError,
        LedgerMismatchError,
        MissingDependencyError,
        StoreError,
    )
    from dedupe.kept import KeptIndex
    from dedupe.live import LiveIndex, Match
    from dedupe.near_api import NearDuplicates, near_duplicates, signatures, to_datasketch
    from dedupe.records import Evidence, Place, Removal
    from dedupe.streaming import CorpusResult, clean_corpus

__all__ = [
    "CleanResult",
    "Config",
    "ConfigError",
    "CorpusResult",
    "DedupeError",
    "Evidence",
    "InputError",
    "KeptIndex",
    "LedgerMismatchError",
    "LiveIndex",
    "Match",
    "MissingDependencyError",
    "NearDuplicates",
    "Place",
    "Removal",
    "StoreError",
    "__version__",
    "clean",
    "clean_corpus",
    "load_config",
    "near_duplicates",
    "signatures",
    "to_datasketch",
]

# Where the public names live. Each is loaded when it is first asked for: `dedupe --help` and the completion of a
# shell need none of them, and cleaning one text neither the readers and writers of records nor an index.
_MODULES = {
    "api": ("CleanResult", "clean"),
    "config": ("Config", "load_config"),
    "errors": (
        "ConfigError", "DedupeError", "InputError", "LedgerMismatchError", "MissingDependencyError", "StoreError",
    ),
    "kept": ("KeptIndex",),
    "live": ("LiveIndex", "Match"),
    "near_api": ("NearDuplicates", "near_duplicates", "signatures", "to_datasketch"),
    "records": ("Evidence", "Place", "Removal"),
    "streaming": ("CorpusResult", "clean_corpus"),
}  # fmt: skip
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


class _Package(ModuleType):
    """Load public names late, and keep `dedupe.clean` the function where the stage of that name is imported."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'dedupe' has no attribute {name!r}")
        value = getattr(import_module(f"dedupe.{_HOMES[name]}"), name)
        setattr(self, name, value)
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by name, as any module does for dill and cloudpickle, which know the plain type only."""
        return import_module, (self.__name__,)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})

    def __setattr__(self, name: str, value: object) -> None:
        if name == "clean" and isinstance(value, ModuleType):  # the import system sets it, `python -m` too
            return
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
