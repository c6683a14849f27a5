"""Read the weights of evidence from data/evidence.toml, and turn sums into confidences."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable
from functools import cache, lru_cache
from pkgutil import get_data

from dedupe.records import Evidence


@cache
def _weights() -> dict[str, dict[str, float]]:
    return tomllib.loads((get_data("dedupe", "data/evidence.toml") or b"").decode())


@lru_cache(maxsize=1 << 12, typed=True)
def evidence(rule: str, name: str, value: float = 1.0, note: str = "", times: float = 1.0) -> Evidence:
    """Make one piece of evidence: its weight in the table of the rule, times `times`."""
    return Evidence(name, round(_weights()[rule][name] * times, 4), round(value, 4), note)


def confidence(reasons: Iterable[Evidence]) -> float:
    """Turn evidence into a confidence between 0 and 1 (logistic function of the sum of weights).

    >>> confidence([Evidence("base", -1.0), Evidence("long-copy", 6.0)])
    0.9933
    """
    return round(1 / (1 + math.exp(-sum(reason.weight for reason in reasons))), 4)
