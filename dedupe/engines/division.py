"""Divide tasks among workers so that none of them waits long for another in the end."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from dedupe.corpus.tasks import Task

_WAIT_FRACTION = 0.1  # of the time that all would take evenly divided; to spread a task costs about as much


def divided(tasks: Sequence[Task], jobs: int, *, spreads: bool) -> tuple[list[Task], list[Task]]:
    """Choose the tasks that one worker does alone, the largest first, and those whose batches are spread over all.

    `spreads`: whether that can be done. Spread are tasks too large for one worker, and as few of the smallest as
    fill the gaps that the others leave.

    >>> tasks = [Task(str(size), "", None, size) for size in (33, 33, 21, 33, 33)]
    >>> [[task.num_bytes for task in part] for part in divided(tasks, 2, spreads=True)]
    [[33, 33, 33, 33], [21]]
    """
    order = sorted(tasks, key=lambda task: -task.num_bytes)
    if not spreads:
        return order, []
    sizes = [max(1, task.num_bytes) for task in order]
    longest = (1 + _WAIT_FRACTION) * sum(sizes) / jobs
    too_large = sum(size > longest for size in sizes)
    num_spread = 0
    while num_spread <= 2 * jobs and _takes(sizes[too_large:len(sizes) - num_spread], jobs) > longest:
        num_spread += 1
    if num_spread > 2 * jobs:
        return [], order
    return order[too_large:len(order) - num_spread], order[:too_large] + order[len(order) - num_spread:]


def _takes(sizes: Sequence[int], jobs: int) -> int:
    """Say how long workers take for tasks that they take one after another."""
    busy = [0] * jobs
    for size in sizes:
        heapq.heapreplace(busy, busy[0] + size)
    return max(busy)
