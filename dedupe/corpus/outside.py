"""Keep what was found across documents on disk, and look it up by document while a lot is cleaned."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.near import Keepers
from dedupe.records import NearDuplicate
from dedupe.write import replacing

_NEAR = "near.parquet"


def write_near(folder: Path, keepers: Keepers, artefacts: Artefacts) -> None:
    """Write the documents that have a keeper, with its key, ascending."""
    import pyarrow
    import pyarrow.parquet as parquet

    gone = np.flatnonzero(keepers.keeper != np.arange(len(keepers.keeper)))
    table = pyarrow.table({
        "doc": gone,
        "keeper": keepers.keeper[gone],
        "resemblance": keepers.resemblance[gone],
        "containment": keepers.containment[gone],
        "keeper_key": pyarrow.array(artefacts.texts("doc", keepers.keeper[gone]), pyarrow.string()),
    })
    with replacing(str(folder / _NEAR)) as file:
        parquet.write_table(table, file, row_group_size=1 << 16)


class Outside:
    """Look up what was found across documents. Memory: the near-duplicates of the documents asked for last."""

    def __init__(self, folder: Path) -> None:
        import pyarrow.parquet as parquet

        self._near = parquet.ParquetFile(folder / _NEAR)
        meta = self._near.metadata
        groups = [meta.row_group(group).column(0).statistics for group in range(meta.num_row_groups)]
        self._bounds = [(stats.min, stats.max) if stats is not None else (0, -1) for stats in groups]
        self._held: tuple[tuple[int, ...], dict[int, NearDuplicate]] = ((), {})

    def near(self, first_doc: int, num_docs: int) -> list[NearDuplicate | None]:
        """Give the keeper of each of some documents in a row."""
        last = first_doc + num_docs - 1
        groups = tuple(at for at, (low, high) in enumerate(self._bounds) if low <= last and high >= first_doc)
        if groups != self._held[0]:
            table = self._near.read_row_groups(groups).to_pydict() if groups else dict.fromkeys(range(5), ())
            self._held = groups, {
                doc: NearDuplicate(key, round(resemblance, 4), round(containment, 4))
                for doc, _, resemblance, containment, key in zip(*table.values(), strict=True)
            }
        return [self._held[1].get(first_doc + at) for at in range(num_docs)]


@lru_cache(maxsize=1)
def open_outside(folder: str, config: Config) -> Outside:
    """Open the findings of a run; once a process."""
    return Outside(Path(folder))
