"""Makes the picture of the live page, in a Chromium: `python -m docs.dashboard_picture`.

A simulated fleet is recorded, a model with attention is trained on it, and the recording is replayed through the real stages; what is
seen is the worst device of what came out.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from producers.simulate import record_fleet
from producers.simulator.spec import MINUTE_MS, Faults, FleetSpec
from tests.support.browser import Tab, chromium
from tests.support.live_fleet import start_dashboard
from tests.support.pipelines import Pipeline

NAME = "dashboard.png"
SIZE = (1440, 900)
COLOURS = 128
TRAINS_WITHIN_S = 900
FLEET = FleetSpec(
    devices=40,
    seed=11,
    duration_ms=60 * MINUTE_MS,
    life_ms=(30 * MINUTE_MS, 120 * MINUTE_MS),
    faults=Faults(gap_rate=0.03, disorder_rate=0.05, duplicate_rate=0.02, bad_clock_share=0.05, dying_share=0.05),
)
SECTIONS = """[sensors]
names = ["temperature", "vibration", "current"]
[sensors.units]
temperature = "°C"
vibration = "mm/s"
current = "A"
[window]
gap = "15s"
out_of_orderness = "7s"
max_length = 40
max_behind = "1h"
[model]
path = "wear"
step_outputs = true
[[alerts]]
name = "worn"
output = "wear"
above = 0.75
clear_below = 0.6
for = "2 of 3"
"""


def make(folder: Path) -> Path:
    """Writes `dashboard.png`; takes some minutes."""
    with TemporaryDirectory() as work, ExitStack() as processes:
        pipeline = Pipeline(Path(work), f"sqlite:///{work}/log.db", SECTIONS, processes, "plant", "plant.readings")
        pipeline.create()
        record_fleet(FLEET, pipeline.folder / "fleet.parquet", pipeline.folder / "labels.parquet")
        options = ["--attention", "--units", "16", "--epochs", "15", "--out", "wear"]
        trained = pipeline.run("train", "--recording", "fleet.parquet", "--labels", "labels.parquet", *options, within_s=TRAINS_WITHIN_S)
        assert trained.returncode == 0, trained.stderr
        pipeline.succeeds("replay", "fleet.parquet", "--speed", "max", "--no-close")
        pipeline.succeeds("run", "--until-end")
        _, url = start_dashboard(pipeline)
        profile = pipeline.folder / "profile"
        profile.mkdir()
        browser = processes.enter_context(chromium(profile))
        take(browser, url, folder / NAME)
    return folder / NAME


def take(browser: Tab, url: str, path: Path) -> None:
    """The fleet with its worst device opened."""
    browser.size(*SIZE)
    browser.open(url)
    browser.awaits("#tiles .bad:not(.zero)")
    browser.awaits("#live", "live")
    browser.click("#space .row:first-child")
    browser.awaits("#window-card", "sensorline explain")
    browser.picture(path)
    with Image.open(path) as picture:
        fewer = picture.convert("RGB").quantize(COLOURS)
    fewer.save(path, optimize=True)


if __name__ == "__main__":
    make(Path(__file__).parent / "pictures")
