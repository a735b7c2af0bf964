"""The picture of window lengths in real recordings: small, accounting for every reading, and as new as the code where the data is."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from docs.lengths_picture import NAME, SETS, Cut, cut
from tests.support.needs import unavailable

COMMITTED = Path(__file__).parents[2] / "docs" / "pictures" / NAME


def drawn() -> dict[str, Cut]:
    with Image.open(COMMITTED) as image:
        return msgspec.json.decode(image.info["Description"], type=dict[str, Cut])


def test_the_committed_picture_is_small_and_accounts_for_every_reading() -> None:
    assert COMMITTED.stat().st_size <= 200_000
    assert drawn().keys() == SETS.keys()
    for it in drawn().values():
        assert it.received == it.rejected + it.merged + it.steps
        assert it.steps == sum(length * count for length, count in it.lengths.items())


@pytest.mark.parametrize("name", ["ULB library 1", "ULB library 2"])
def test_the_committed_picture_shows_the_windows_of_today(name: str) -> None:
    """Where this fails, `SENSORLINE_DATA=... python docs/make_pictures.py` makes it anew."""
    data = Path(os.environ.get("SENSORLINE_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    if not (data / "ulb_wsn").is_dir():
        unavailable(f"no data sets in {data}: set SENSORLINE_DATA to their folder")
    assert drawn()[name] == cut(data, name)
