"""The site of the documentation: it is built without a warning, each page is found from the first, and nothing comes from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(page.stem for page in (ROOT / "docs").glob("*.md"))
OPTIONS = re.findall(r"-m sphinx (.*) docs docs/_build$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
LOADED_BY_STYLES = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""")


class Build(NamedTuple):
    """What `make docs` made and said."""

    folder: Path
    code: int
    said: str

    def page(self, name: str) -> Page:
        """A page of the site."""
        return read_page((self.folder / f"{name}.html").read_text("utf-8"))


class Page(HTMLParser):
    """What a page links to, what it loads, and the names of its places."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.places.add(value or "")
            elif name in ("src", "srcset", "href", "data", "poster"):
                (self.links if tag == "a" else self.loads).append(value or "")


def read_page(text: str) -> Page:
    page = Page()
    page.feed(text)
    return page


def from_elsewhere(page: Page) -> list[str]:
    return [address for address in page.loads if re.match(r"(?:https?:)?//", address)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("site")
    (options,) = OPTIONS
    command = [sys.executable, "-m", "sphinx", *options.split(), "docs", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    return Build(folder, built.returncode, built.stdout + built.stderr)


def reached(site: Build, first: str) -> set[str]:
    """The pages to which links lead from the first."""
    found, open_pages = {first}, [first]
    while open_pages:
        linked = {Path(link.partition("#")[0]).stem for link in site.page(open_pages.pop()).links if re.match(r"[a-z_]+\.html", link)}
        open_pages += linked - found
        found |= linked
    return found


def styles_of(site: Build) -> Iterator[str]:
    for file in site.folder.rglob("*.css"):
        yield file.read_text("utf-8")


def test_the_site_is_built_without_a_warning(site: Build) -> None:
    (options,) = OPTIONS
    assert {"-W", "-n"} <= set(options.split())
    assert (site.code, site.said) == (0, "")


def test_each_page_is_reached_from_the_first(site: Build) -> None:
    assert set(PAGES) > {"index", "windows", "operations"}
    assert reached(site, "index") >= set(PAGES)


def test_no_page_loads_anything_from_elsewhere(site: Build) -> None:
    files = sorted(site.folder.glob("*.html"))
    assert len(files) >= len(PAGES)
    assert {file.name: found for file in files if (found := from_elsewhere(site.page(file.stem)))} == {}


def test_no_style_loads_anything_from_elsewhere(site: Build) -> None:
    styles = list(styles_of(site))
    assert styles
    assert [found for style in styles for found in LOADED_BY_STYLES.findall(style)] == []


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/a.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/a.css">',
        '<img src="http://pictures.example/a.png">',
        '<iframe src="https://videos.example/"></iframe>',
    ],
)
def test_what_comes_from_elsewhere_is_found(text: str) -> None:
    assert from_elsewhere(read_page(text))


@pytest.mark.parametrize("text", ["@import 'https://fonts.example/a.css'", "a{background:url(//pictures.example/a.png)}"])
def test_what_a_style_loads_from_elsewhere_is_found(text: str) -> None:
    assert LOADED_BY_STYLES.search(text)


def test_the_reference_has_a_place_for_settings_options_and_records(site: Build) -> None:
    assert {"confval-window.gap", "confval-broker.kafka.sasl_password"} <= site.page("configuration").places
    assert {"cmdoption-sensorline-window-drain", "cmdoption-sensorline-topics-delete-yes", "exit-codes"} <= site.page("commands").places
    assert {"window", "prediction", "alert"} <= site.page("topics").places
