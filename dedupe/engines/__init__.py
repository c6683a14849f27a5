"""Run the tasks of a corpus: on this machine (`local`)."""

from dedupe.engines.local import LocalEngine

__all__ = ["LocalEngine"]
