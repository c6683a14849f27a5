"""Open a Spark session; clear words where Spark or Java is missing, and little of Spark's own, on stderr."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from dedupe.errors import ConfigError, DedupeError, MissingDependencyError

_JAVA = "spark.driver.extraJavaOptions"
_NAMED_ERROR = re.compile(r"(?:: )?(?:[a-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt): (?!\[PYTHON_EXCEPTION)")
_QUIET = {
    "spark.ui.showConsoleProgress": "false",
    "spark.ui.enabled": "false",
}
_LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
_LIMITS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    "spark.io.compression.codec": "zstd",  # rows of numbers: half the shuffle bytes of lz4
}


def open_session(master: str | None = None, conf: Mapping[str, str] | None = None) -> Any:
    """Open a session, or give the one that is open. `conf` wins over all that is set here.

    Args:
        master: as Spark knows it (local[4], spark://host:7077, yarn, k8s://…), or sc://host:port of a Spark Connect
            server; None: what spark-submit or spark-defaults.conf says, else all cores of this machine.

    Raises: MissingDependencyError: PySpark or Java is missing. DedupeError: Spark did not start.
    """
    given = dict(conf or {})
    try:
        from pyspark.sql import DataFrame, SparkSession
    except ImportError:
        raise MissingDependencyError("pyspark", "spark", "the Spark engine") from None
    if not hasattr(DataFrame, "repartitionById"):
        import pyspark

        raise DedupeError(f"the Spark engine needs pyspark 4.1 or later, found {pyspark.__version__}; install it")
    active = active_session()
    if active is not None:
        return active
    os.environ.setdefault("PYSPARK_PYTHON", given.get("spark.pyspark.python", sys.executable))
    builder = SparkSession.builder
    if master is not None and master.startswith("sc://"):
        builder = builder.remote(master)
    else:
        _find_java()
        is_local = (master or "local").startswith("local")
        given = {"spark.app.name": "dedupe", **_QUIET, **_LIMITS, **(_LOOPBACK if is_local else {})} | given
        given[_JAVA] = f"{_log_option()} {given.get(_JAVA, '')}".strip()
        builder = builder if master is None else builder.master(master)
    for name, value in given.items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except ImportError as error:
        raise DedupeError(
            f"Spark Connect needs more packages ({error}); install them with: pip install 'pyspark[connect]'"
        ) from error
    except Exception as error:
        raise DedupeError(f"Spark did not start on {master or 'this machine'}: {failure(error) or error}") from error


def active_session() -> Any:
    """Give the session that is open in this program, None where there is none or no Spark."""
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        return None
    return SparkSession.getActiveSession()


def parse_conf(settings: list[str]) -> dict[str, str]:
    """Read settings of the form KEY=VALUE.

    >>> parse_conf(["spark.executor.memory=4g"])
    {'spark.executor.memory': '4g'}

    Raises: ConfigError: one has another form.
    """
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--spark-conf is {setting!r}; expected KEY=VALUE, such as spark.executor.memory=4g")
        found[name.strip()] = value.strip()
    return found


def failure(error: BaseException) -> str | None:
    """Give what Spark says of a failure in one line; None if it is no error of Spark's.

    Of a Python error on an executor it is the last line: the rest is where it happened.
    """
    if not type(error).__module__.startswith(("pyspark.", "py4j.", "grpc.")):
        return None
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("dedupe.errors.")]
    if ours:
        return ours[-1].partition(": ")[2]
    named = [line for line in lines if _NAMED_ERROR.match(line)]
    reason = named[-1].removeprefix(": ") if named else (lines or [type(error).__name__])[0]
    return f"{reason[:500].rstrip('.;')}; what was done stays, --resume goes on from it"


def _find_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java") is None and not (home and os.path.exists(os.path.join(home, "bin", "java"))):
        raise DedupeError(
            "the Spark engine needs Java 17 or later, which was not found; install it (openjdk-17-jre-headless on "
            "Debian) or set JAVA_HOME"
        )


def _log_option() -> str:
    file = Path(str(resources.files("dedupe.engines.spark"))) / "log4j2.properties"
    return f"-Dlog4j2.configurationFile={file.absolute().as_uri()}"
