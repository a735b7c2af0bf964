"""Where the jars of a Kafka for the tests come from: Maven, once, into a cache folder outside the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_POM = Path(__file__).parent / "kafka" / "pom.xml"
_FETCH_LIMIT_S = 300


class KafkaUnavailable(Exception):
    """No Kafka can be started here; says what is missing."""


def kafka_jars() -> Path:
    """The folder with the jars of the pom, fetched if it is not there yet."""
    if shutil.which("java") is None:
        raise KafkaUnavailable("java is not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jars = cache / "sensorline" / "kafka-4.1.1"
    if not jars.is_dir():
        _fetch(jars)
    return jars


def _fetch(jars: Path) -> None:
    """Fills a temporary folder and renames it, so that nobody ever sees half of the jars."""
    if shutil.which("mvn") is None:
        raise KafkaUnavailable("mvn is not installed and the jars of Kafka are not in the cache")
    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="fetching-") as folder:
        filling = Path(folder) / "jars"
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={filling}"]
        try:
            maven = subprocess.run(
                ["mvn", "-q", "-B", "-f", str(_POM), *goal], capture_output=True, text=True, timeout=_FETCH_LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired as expired:
            raise KafkaUnavailable(f"mvn did not fetch the jars of Kafka in {_FETCH_LIMIT_S} s") from expired
        if maven.returncode != 0:
            raise KafkaUnavailable(f"mvn could not fetch the jars of Kafka: {maven.stdout.strip()[-500:]}")
        try:
            filling.rename(jars)
        except OSError:
            if not jars.is_dir():  # else another test run was faster, and its jars are as good
                raise
