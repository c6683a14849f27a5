"""Find repeated passages and boilerplate in scraped text, clean it, and show what went and why.

    >>> import dedupe
    >>> text = "Also read:\\n\\nHeavy rain has closed the old bridge, and buses now stop in three other places.\\n"
    >>> dedupe.clean(text).text
    'Heavy rain has closed the old bridge, and buses now stop in three other places.\\n'

Read the modules in this order: errors, records, config; hashing; then the stages read, segment, normalize,
shingle, sketch, index, match, cues, debris, decide, clean, report, write; then draft and pipeline, which put
them in order; then api, runs and cli, which people use.
"""

from dedupe.api import CleanResult, clean
from dedupe.config import Config, load_config
from dedupe.errors import ConfigError, DedupeError, InputError, LedgerMismatchError, MissingDependencyError
from dedupe.records import Evidence, Place, Removal
from dedupe.version import VERSION as __version__

__all__ = [
    "CleanResult",
    "Config",
    "ConfigError",
    "DedupeError",
    "Evidence",
    "InputError",
    "LedgerMismatchError",
    "MissingDependencyError",
    "Place",
    "Removal",
    "__version__",
    "clean",
    "load_config",
]
