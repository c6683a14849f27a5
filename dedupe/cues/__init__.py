"""Know the wording that marks boilerplate: "Also read:", "(End)", "关注我们".

Read `phrases` (how a phrase is compared), `build` (the TOML lists become one file), `lists` (that file
becomes a table), `find` (the table meets a batch of blocks) and `hosts` (wording of single hosts), in that order.

A cue says what a block is called on news sites. It does not say that the block must go: many of these
words also stand in articles, which is what `strength` is for.
"""

from __future__ import annotations

from dedupe.cues.find import find_cues
from dedupe.cues.hosts import with_host_cues
from dedupe.cues.lists import CueTable, load_cues

__all__ = ["CueTable", "find_cues", "load_cues", "with_host_cues"]
