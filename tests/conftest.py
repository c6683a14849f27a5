"""Set how the tests run: hypothesis without a time limit for one example, and with the same examples each time under
CI; with `-n`, each file in one process, since its fixtures are shared, and the files that take longest first."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# By the processor time of all their tests, those of the processes they start included.
_LONGEST = (
    "test_spark_faults.py", "test_spark.py", "test_corpus.py", "test_cli.py", "test_kernels.py", "test_rebuild.py",
    "test_pipeline.py", "test_quality_gate.py", "test_kept_kill.py", "test_places.py",
)  # fmt: skip

_SLOW_MACHINES = [HealthCheck.too_slow]
settings.register_profile("local", deadline=None, suppress_health_check=_SLOW_MACHINES)
settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, print_blob=True, suppress_health_check=_SLOW_MACHINES
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "local"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest in front, so that no process is left with one of them at the end."""
    rank = {name: at for at, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Hand out whole files, in the order above."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)
