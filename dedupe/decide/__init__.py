"""Weigh the evidence for every repeat and every mark of debris, and say what goes.

Reading order: `weights` (the numbers), `page` (one document as the rules see it), `copies` (repeated blocks),
`excerpts` (teasers, doubled text), `marks` (cues, shapes, debris) with `forms` (what is none), `recurring` (blocks
of a site), `rules` (the order they are asked in, and the guard), `people` (who overrule them). Evidence adds up to
log-odds; `min_confidence` is the one dial.
"""

from dedupe.decide.people import is_decided, overrule
from dedupe.decide.rules import decide

__all__ = ["decide", "is_decided", "overrule"]
