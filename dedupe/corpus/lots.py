"""Group the inputs of a run into lots, the units of work, and say where each lot's artefacts are.

A lot is one large shard, or small files together. Lots are made of inputs sorted by their names, so that the
order in which files were given changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dedupe.formats import InputFile
from dedupe.pieces import pieces

_LOT_BYTES = 16 << 20  # small files are gathered up to this: a manifest each would cost more than the work
_LOT_FILES = 4096


@dataclass(frozen=True, slots=True)
class Lot:
    """Name some inputs, and the output of each (None: nothing is written)."""

    number: int
    files: tuple[InputFile, ...]
    outputs: tuple[str | None, ...]

    @property
    def name(self) -> str:
        return f"{self.number:05}"

    @property
    def num_bytes(self) -> int:
        return sum(file.num_bytes for file in self.files)

    @property
    def label(self) -> str:
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return f"{self.files[0].uri}{more}"


def make_lots(inputs: Sequence[InputFile], outputs: Sequence[str | None]) -> list[Lot]:
    """Sort inputs by name and gather small neighbors.

    >>> files = [InputFile(name, name, None, "jsonl", None, 9 << 20) for name in ("b", "a", "c")]
    >>> [[file.uri for file in lot.files] for lot in make_lots(files, ["1", "2", "3"])]
    [['a', 'b'], ['c']]
    """
    order = sorted(range(len(inputs)), key=lambda at: (inputs[at].uri, inputs[at].path))
    lots: list[Lot] = []
    for held in pieces(order, lambda at: inputs[at].num_bytes, _LOT_BYTES, _LOT_FILES):
        lots.append(_lot(len(lots), held, inputs, outputs))
    return lots


def _lot(number: int, held: Sequence[int], inputs: Sequence[InputFile], outputs: Sequence[str | None]) -> Lot:
    return Lot(number, tuple(inputs[at] for at in held), tuple(outputs[at] for at in held))
