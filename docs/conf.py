"""Sphinx builds the site from the Markdown of this folder: `make docs`. Nothing that it makes loads anything from elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from sphinx.application import Sphinx

from docs.reference_commands import commands, exit_codes
from docs.reference_settings import configuration
from docs.reference_topics import topics

project = "sensorline"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "sensorline"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
toc_object_entries = False  # a page of the reference has a hundred
highlight_language = "none"  # indented blocks are commands, logs and diagrams; fenced blocks name their language
myst_heading_anchors = 4
smartquotes = False  # `--` begins an option

# What is appended to a page, whose own text is an introduction.
GENERATED: Mapping[str, Callable[[], str]] = {
    "configuration": configuration,
    "commands": lambda: f"{commands()}\n{exit_codes()}",
    "topics": topics,
}

HERE = Path(__file__).parent
LINKED_PATH = re.compile(r"(?<=\]\()[^)#]+")


def append_generated(_site: Sphinx, page: str, source: list[str]) -> None:
    """Completes a page of the reference."""
    if page in GENERATED:
        source[0] += f"\n{GENERATED[page]()}"


def from_here(_site: Sphinx, file: Path, _page: str, content: list[str]) -> None:
    """Turns the links of an included file, which are relative to it, into links from this folder."""

    def seen_from_here(link: re.Match[str]) -> str:
        path = HERE / file.parent / link[0]
        return os.path.relpath(path, HERE) if path.exists() else link[0]

    content[0] = LINKED_PATH.sub(seen_from_here, content[0])


def setup(site: Sphinx) -> None:
    """Sphinx calls it before it reads the pages."""
    site.connect("source-read", append_generated)
    site.connect("include-read", from_here)
