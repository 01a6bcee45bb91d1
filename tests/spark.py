"""Spark in local mode, with tables for the tests and the benchmark.

It needs `pyspark`, of the dependency group ``analytics``, and Java 17 or later. Where one of them
is missing, `why_not` says which.
"""

import importlib
import importlib.util
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Settings for one process on this machine: no page, no network, little parallelism.
_SETTINGS = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "6g",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "8",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def why_not() -> str | None:
    """Why Spark cannot run here; None if it can."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed: use the dependency group analytics"
    if "JAVA_HOME" not in os.environ and shutil.which("java") is None:
        return "Java is not installed"
    return None


@contextmanager
def session(directory: Path) -> Generator[Any]:
    """A session, which keeps its files in this directory."""
    # Not imported: type checkers need not have it.
    builder = importlib.import_module("pyspark.sql").SparkSession.builder
    settings = _SETTINGS | {"spark.local.dir": str(directory)}
    for name, value in (settings | {"spark.sql.warehouse.dir": str(directory)}).items():
        builder = builder.config(name, value)
    found = builder.master("local[2]").appName("connect-core").getOrCreate()
    found.sparkContext.setLogLevel("ERROR")
    try:
        yield found
    finally:
        found.stop()
