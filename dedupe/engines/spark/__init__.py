"""Run the tasks of a corpus on a Spark cluster, or clean a DataFrame: the same answers as on one machine.

    work.py      what runs on the executors: tasks, rows, buckets
    engine.py    the two methods of an engine, as DataFrames of tasks and of rows
    session.py   the session: master, settings, what may be missing
    frames.py    clean(df): a DataFrame in, two DataFrames out
    files.py     inputs and outputs that are addresses: hdfs://, s3a://, file:
    cluster.py   what the command line asks for

Only the DataFrame API is used, and `mapInArrow`: no RDDs, nothing collected by group, no Python called by row.
"""

from dedupe.engines.spark.engine import SparkEngine
from dedupe.engines.spark.frames import clean
from dedupe.engines.spark.session import open_session

__all__ = ["SparkEngine", "clean", "open_session"]
