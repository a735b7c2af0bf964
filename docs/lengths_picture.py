"""The picture of window lengths in real recordings. `docs/make_pictures.py` makes it where the data sets are.

They are no part of the project. What is drawn is what the windower makes of the converted files; the picture's description
holds its numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib as mpl
import msgspec
import numpy as np
from matplotlib.figure import Figure

from pipeline.config import Settings
from pipeline.recordings.ordering import in_replay_order
from pipeline.recordings.windows import windows_of
from pipeline.wire.readings import ReadingDecoder
from producers import room_climate, ulb
from producers.room_climate import convert_room_climate
from producers.ulb import convert_ulb

NAME = "lengths.png"
MAX_LENGTH = 4096
CLOCKS = {"out_of_orderness": "10s", "idle_timeout": "15m", "max_length": MAX_LENGTH}
SETS = {"room climate": "15s", "ULB library 1": "75s", "ULB library 2": "75s"}  # the gap of the sessions
INK, SOFT, BAR = "#222222", "#6b6b6b", "#0072B2"
STYLE: Any = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": SOFT}


class Cut(msgspec.Struct, frozen=True):
    """One recording cut into sessions. All readings are accounted for: received = rejected + merged + steps."""

    received: int
    rejected: int
    merged: int
    steps: int
    devices: int
    lengths: dict[int, int]  # number of windows by length


def cut(data: Path, name: str) -> Cut:
    """Converts one of the `SETS` in the folder of data sets, and cuts it."""
    with TemporaryDirectory() as folder:
        if name == "room climate":
            recording, sensors = convert_room_climate(data / "room_climate", Path(folder)).recording, room_climate.SENSORS
        else:
            recording, sensors = convert_ulb(data / "ulb_wsn", f"library{name[-1]}", Path(folder)).recording, ulb.SENSORS
        window = {**CLOCKS, "gap": SETS[name]}
        policy = Settings.model_validate({"sensors": {"names": sensors}, "window": window}).window.policy()
        counts, lengths, devices = Counter[str](), Counter[int](), set()
        for made in windows_of(in_replay_order(recording).readings, policy, ReadingDecoder(sensors), counts):
            lengths[made.length] += 1
            devices.add(made.device)
    rejected = sum(count for reason, count in counts.items() if reason.startswith("rejected_"))
    steps = sum(length * count for length, count in lengths.items())
    return Cut(counts["received"], rejected, counts["merged"], steps, len(devices), dict(lengths))


def lengths_figure(cuts: Mapping[str, Cut]) -> Figure:
    """A histogram for each recording: windows by their number of steps, on a logarithmic axis."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 4.6), dpi=100, layout="constrained")
        figure.suptitle("How long the windows of real sensors are", x=0.01, ha="left", fontsize=16, weight="bold", color=INK)
        for axes, (name, it) in zip(figure.subplots(1, len(cuts)), cuts.items(), strict=True):
            lengths = np.repeat(list(it.lengths), list(it.lengths.values()))
            axes.hist(lengths, bins=np.geomspace(1, MAX_LENGTH, 25), color=BAR, edgecolor="white", linewidth=0.6)
            axes.set_xscale("log")
            axes.margins(y=0.25)  # room for the text
            axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
            axes.set_xlabel("steps in a window", color=INK)
            axes.set_ylabel("windows", color=INK)
            half, most = (int(np.quantile(lengths, share, method="inverted_cdf")) for share in (0.5, 0.95))
            title = f"{name}: {it.received:,} readings of {it.devices} devices\nsessions, gap {SETS[name][:-1]} s: {len(lengths):,} windows"
            axes.set_title(title, loc="left", fontsize=10.5, color=INK)
            axes.text(
                0.99, 0.97, f"half are at most {half},\n95 % at most {most}", transform=axes.transAxes, ha="right", va="top", color=SOFT
            )
    return figure


def make_lengths(folder: Path, data: Path) -> Path:
    """Writes `lengths.png`; its description is the JSON of what is drawn."""
    cuts = {name: cut(data, name) for name in SETS}
    path = folder / NAME
    lengths_figure(cuts).savefig(path, format="png", metadata={"Description": msgspec.json.encode(cuts).decode()})
    return path
