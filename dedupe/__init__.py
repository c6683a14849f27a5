"""Find repeated passages and boilerplate in scraped text, clean it, and show what went and why.

    >>> import dedupe
    >>> text = "Also read:\\n\\nHeavy rain has closed the old bridge, and buses now stop in three other places.\\n"
    >>> dedupe.clean(text).text
    'Heavy rain has closed the old bridge, and buses now stop in three other places.\\n'

Read the modules in this order: errors, records, config; hashing; then the stages read, segment, normalize,
shingle, sketch, index, match, cues, debris, decide, clean, report, write; then draft and pipeline, which put
them in order; then api, near_api, live, streaming, runs, ledgers and cli, which people use.
"""

from typing import TYPE_CHECKING, Any

from dedupe.api import CleanResult, clean
from dedupe.config import Config, load_config
from dedupe.errors import ConfigError, DedupeError, InputError, LedgerMismatchError, MissingDependencyError, StoreError
from dedupe.near_api import NearDuplicates, near_duplicates, signatures, to_datasketch
from dedupe.records import Evidence, Place, Removal
from dedupe.version import VERSION as __version__

if TYPE_CHECKING:
    from dedupe.kept import KeptIndex
    from dedupe.live import LiveIndex, Match
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

# readers and writers of records take .1 s to import, and a program that cleans one text needs neither
_LATER = {"CorpusResult": "streaming", "clean_corpus": "streaming", "LiveIndex": "live", "Match": "live",
          "KeptIndex": "kept"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'dedupe' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"dedupe.{_LATER[name]}"), name)
