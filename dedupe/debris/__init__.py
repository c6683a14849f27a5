"""Judge which blocks of a text are debris of the page it was taken from: menus, notices, teasers, credits.

Read `links` (what is no text), `kinds` (what a byte is, in any script), `characters` (how a block looks),
`tokens` (which words it shares), `layout` (where it stands), `paragraphs` (wrapped lines), `features` (all
of it as a table), `document` (article or page), `sums` (weights), `strictness` (what a removal needs) and `model` (the
judgement), in that order. The weights are in dedupe/data/weights.json, fitted by benchmarks/fit_weights.py.
"""

from dedupe.debris.features import FEATURE_NAMES, Hints, features
from dedupe.debris.links import trimmed, without_links
from dedupe.debris.model import Judgement, explain, judge, junk_probability, load_model
from dedupe.debris.tokens import block_hashes, token_hashes

__all__ = [
    "FEATURE_NAMES", "Hints", "Judgement", "block_hashes", "explain", "features", "judge", "junk_probability",
    "load_model", "token_hashes", "trimmed", "without_links",
]
