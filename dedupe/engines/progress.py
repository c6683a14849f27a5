"""Show how far a run is, on a terminal only."""

from __future__ import annotations

from typing import Any


class Progress:
    """Show a bar with rate and time left on stderr while a stage runs; silent unless `wanted`."""

    def __init__(self, wanted: bool) -> None:
        self._bar: Any = None
        self._task: Any = None
        if wanted:
            self._bar = _bar()
            self._bar.start()

    def start(self, stage: str, num_bytes: int) -> None:
        if self._bar is not None:
            self._task = self._bar.add_task(stage, total=num_bytes or None)

    def advance(self, num_bytes: int) -> None:
        if self._bar is not None:
            self._bar.advance(self._task, num_bytes)

    def finish(self) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    measures = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    return Bar(TextColumn("{task.description}"), BarColumn(), *measures, console=Console(stderr=True), transient=True)
