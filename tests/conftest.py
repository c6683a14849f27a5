"""Set how the tests run: hypothesis without a time limit for one example, and with the same examples each time under
CI; with `-n`, each file in one process, since its fixtures are shared, the files that take longest first, and kernels
that were compiled before."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# By the processor time of all their tests, those of the processes they start included.
_LONGEST = (
    "test_spark_faults.py", "test_spark.py", "test_corpus.py", "test_kernels.py", "test_rebuild.py", "test_pipeline.py",
    "test_cli.py", "test_near.py", "test_people.py", "test_live_redis.py", "test_engine.py", "test_kept_kill.py",
    "test_places.py", "test_quality_gate.py",
)  # fmt: skip

_KERNELS = Path(__file__).parents[1] / "dedupe" / "kernels"
_SLOW_MACHINES = [HealthCheck.too_slow]
settings.register_profile("local", deadline=None, suppress_health_check=_SLOW_MACHINES)
settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, print_blob=True, suppress_health_check=_SLOW_MACHINES
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "local"))


def pytest_configure(config: pytest.Config) -> None:
    """Compile each kernel once where none is; the processes of `-n` would each compile all of them."""
    if not getattr(config.option, "numprocesses", None) or any(_KERNELS.glob("__pycache__/*.nbi")):
        return
    names = sorted((path.stem for path in _KERNELS.glob("[!_]*.py")), reverse=True)  # fused after those it calls
    commands = [[sys.executable, "-c", f"import dedupe.kernels.{name}"] for name in names]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # one that fails does so again where it is tested
        list(pool.map(lambda command: subprocess.run(command, stderr=subprocess.DEVNULL, check=False), commands))


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
