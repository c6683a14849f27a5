"""The plain way to extend seeds, one pair of documents and one run at a time: what dedupe.passages is compared with."""

from __future__ import annotations

Run = tuple[int, int, int]  # start, start in the source, size


def slow_passages(shingles: list[int], source: list[int], seeds: list[tuple[int, int]], min_tokens: int) -> list[tuple]:
    """Find passages: (start, end, source start, source end, tokens that are equal)."""
    found = []
    for chain in chains(equal_runs(shingles, source, seeds)):
        chain = reached(shingles, source, chain)
        num_equal = before = 0
        for at, _, size in chain:
            num_equal += at + size + 4 - max(at, before)
            before = at + size + 4
        if num_equal >= 0.8 * min_tokens:
            found.append((chain[0][0], before, chain[0][1], chain[-1][1] + chain[-1][2] + 4, num_equal))
    return found


def equal_runs(shingles: list[int], source: list[int], seeds: list[tuple[int, int]]) -> list[Run]:
    by_slip: dict[int, set[int]] = {}
    counts: dict[int, int] = {}
    for at, source_at in seeds:
        by_slip.setdefault(at - source_at, set()).add(at)
        counts[at - source_at] = counts.get(at - source_at, 0) + 1
    runs: set[Run] = set()
    for slip in sorted(by_slip, key=lambda slip: (-counts[slip], slip))[:64]:
        for seed in by_slip[slip]:
            start = end = seed
            while start > max(0, slip) and shingles[start - 1] == source[start - 1 - slip]:
                start -= 1
            while end < min(len(shingles), len(source) + slip) and shingles[end] == source[end - slip]:
                end += 1
            if end > start:
                runs.add((start, start - slip, end - start))
    return sorted(runs)


def chains(runs: list[Run]) -> list[list[Run]]:
    found: list[list[Run]] = []
    for run in runs:
        best = next((chain for chain in reversed(found[-8:]) if follows(chain[-1], run)), None)
        if best is None:
            found.append([run])
        else:
            best.append(run)
    return found


def follows(one: Run, two: Run) -> bool:
    gap, source_gap = two[0] - one[0] - one[2], two[1] - one[1] - one[2]
    ahead = two[0] + two[2] > one[0] + one[2] and two[1] > one[1]
    return ahead and max(gap, source_gap) <= 19 and abs(gap - source_gap) <= 12


def reached(shingles: list[int], source: list[int], chain: list[Run]) -> list[Run]:
    found = list(chain)
    for _ in range(16):
        at, source_at, size = found[-1]
        run = nearest_run(shingles[at + size:], source[source_at + size:])
        if run is None:
            break
        found.append((at + size + run[0], source_at + size + run[1], run[2]))
    for _ in range(16):
        at, source_at, _ = found[0]
        run = nearest_run(shingles[:at][::-1], source[:source_at][::-1])
        if run is None:
            break
        found.insert(0, (at - run[0] - run[2], source_at - run[1] - run[2], run[2]))
    return found


def nearest_run(one: list[int], two: list[int]) -> Run | None:
    places = [
        (at + other, abs(at - other), at, other)
        for at, value in enumerate(one[:14]) for other, same in enumerate(two[:14])
        if value == same and abs(at - other) <= 12
    ]
    if not places:
        return None
    _, _, at, other = min(places)
    size = 0
    while size < 4096 and one[at + size:at + size + 1] == two[other + size:other + size + 1] != []:
        size += 1
    return at, other, size
