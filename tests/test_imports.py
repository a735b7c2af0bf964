"""A producer, windower or alerter starts without TensorFlow: it takes seconds and hundreds of megabytes.

The import contracts of pyproject.toml say the same of the source; here it is tried, in a fresh interpreter.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

import consumers
import producers

MODEL_LIBRARIES = ("keras", "onnxruntime", "tensorflow")

REPORT = """
import importlib, sys
libraries, *modules = sys.argv[1:]
for module in modules:
    importlib.import_module(module)
    for library in libraries.split(","):
        if library in sys.modules:
            sys.exit(f"{module} loads {library}")
"""


def what_loads(modules: Sequence[str], libraries: Sequence[str]) -> str:
    """The first of the modules, imported in order in a new process, that has loaded one of the libraries; empty if none."""
    command = [sys.executable, "-c", REPORT, ",".join(libraries), *modules]
    return subprocess.run(command, capture_output=True, text=True, timeout=120).stderr.strip()


def modules_of(package: str, path: Sequence[str]) -> Iterator[str]:
    return (module.name for module in pkgutil.walk_packages(path, prefix=f"{package}."))


def test_the_command_line_and_all_stages_but_scoring_start_without_a_model_library() -> None:
    modules = ["pipeline.runner", "pipeline.stages.window", "pipeline.stages.alert", "pipeline.cli.main"]
    assert what_loads(modules, MODEL_LIBRARIES) == ""


def test_producers_start_without_a_model_library() -> None:
    modules = list(modules_of("producers", producers.__path__))
    assert "producers.replay" in modules
    assert what_loads(modules, MODEL_LIBRARIES) == ""


def test_consumers_but_the_scorer_start_without_a_model_library() -> None:
    modules = [module for module in modules_of("consumers", consumers.__path__) if module != "consumers.scorer"]
    assert what_loads(modules, MODEL_LIBRARIES) == ""


def test_a_module_that_loads_a_library_is_named() -> None:
    assert what_loads(["pipeline.errors", "pipeline.records"], ["msgspec"]) == "pipeline.records loads msgspec"
