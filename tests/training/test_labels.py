"""Which label a window has, and what is said about tables of labels that cannot be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipeline.core.policy import WindowPolicy
from pipeline.errors import ConfigurationError
from pipeline.recordings.labels import Label, write_labels
from pipeline.records import Window
from pipeline.training.dataset import label_windows
from pipeline.training.labels import LabelTable, last_step, read_label_table
from pipeline.training.recipe import Recipe, Task
from tests.support.windows import START_MS, make_window
from tests.training.fleet import Fleet, write_table

REGRESSION = Recipe()
CLASSES = Recipe(task=Task.CLASSIFICATION, outputs=("state",))


def window(device: str = "a", steps: int = 2) -> Window:
    """A window with a step each second."""
    return make_window([[1.0]] * steps, ["x"], device=device)


def table(path: Path, *rows: str, header: str = "device,time,rul", recipe: Recipe = REGRESSION) -> LabelTable:
    return read_label_table(write_table(path / "labels.csv", header, rows), recipe)


def test_the_label_of_a_window_is_that_of_its_last_step(tmp_path: Path) -> None:
    labels = table(tmp_path, f"a,{START_MS},7", f"a,{START_MS + 1000},6", f"b,{START_MS + 1000},50", f"a,{START_MS + 2000},5")
    labelled = label_windows([window(), window("b"), window(steps=3)], labels)
    assert labelled.targets.tolist() == [[6], [50], [5]]
    assert labelled.outputs == ("rul",)


def test_windows_without_a_label_and_too_short_ones_are_counted_and_left_out(tmp_path: Path) -> None:
    labels = table(tmp_path, f"a,{START_MS + 1000},6", f"a,{START_MS + 2001},5")
    short = msgspec.structs.replace(window(), too_short=True)
    labelled = label_windows([window(steps=3), window(), short, window("b")], labels)
    assert (len(labelled.windows), labelled.unlabelled, labelled.too_short) == (1, 2, 1)


def test_every_window_of_the_simulated_fleet_has_a_label(fleet: Fleet, policy: WindowPolicy) -> None:
    labelled = fleet.labelled(policy, REGRESSION)
    assert labelled.unlabelled == 0
    assert labelled.outputs == ("wear",)
    assert {last_step(window) for window in labelled.windows} == {last_step(window) for window in fleet.windows(policy)}


def test_greater_labels_are_capped(tmp_path: Path) -> None:
    labels = table(tmp_path, "a,1,200", "a,2,125", "a,3,7", recipe=Recipe(cap=125))
    assert labels.targets.ravel().tolist() == [125, 125, 7]


def test_the_named_outputs_are_taken_in_their_order_and_rows_without_one_are_left_out(tmp_path: Path) -> None:
    labels = table(tmp_path, "a,1,1,2,3", "a,2,4,,6", header="device,time,x,y,z", recipe=Recipe(outputs=("z", "y")))
    assert labels.outputs == ("z", "y")
    assert dict(labels.rows) == {("a", 1): 0}
    assert labels.targets.tolist() == [[3, 2]]


def test_without_names_all_columns_are_outputs(tmp_path: Path) -> None:
    assert table(tmp_path, "a,1,1,2", header="device,time,x,y").outputs == ("x", "y")


def test_the_same_label_twice_is_one_label(tmp_path: Path) -> None:
    assert len(table(tmp_path, "a,1,5", "a,1,5").rows) == 1


@pytest.mark.parametrize(
    ("header", "rows", "recipe", "message"),
    [
        ("device,time,rul", ["a,1,5"], Recipe(outputs=("wear",)), "no column wear with labels; those with labels are rul"),
        ("device,time,rul,wear", ["a,1,5,"], Recipe(outputs=("wear",)), "no column wear with labels; those with labels are rul"),
        ("device,time", ["a,1"], REGRESSION, "has no labels"),
        ("time,rul", ["1,5"], REGRESSION, "no column device"),
        ("device,time,rul", ["a,1,5", "a,1,6"], REGRESSION, r"device a at 1 has two different labels, \(5.0,\) and \(6.0,\)"),
        ("device,time,rul", ["a,1,soon"], REGRESSION, "soon"),
        ("device,time,state", ["a,1,good", "a,2,good"], CLASSES, "only the class good"),
        ("device,time,x,y", ["a,1,1,2"], Recipe(task=Task.CLASSIFICATION), "say which one holds the classes"),
        ("device,time,x", ["a,1,1.5"], Recipe(task=Task.CLASSIFICATION), "1.5 is no class"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(header: str, rows: list[str], recipe: Recipe, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        table(tmp_path, *rows, header=header, recipe=recipe)


def test_labels_of_other_devices_only_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'a' is not among the devices of the labels \\(such as 'pump-9'\\)"):
        label_windows([window()], table(tmp_path, "pump-9,1,5"))


def test_labels_at_other_times_only_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"last step of a window of 'a' is at {START_MS + 1000}, its labels are from 1 to 2"):
        label_windows([window()], table(tmp_path, "a,1,5", "a,2,5"))


def test_a_recording_without_windows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no window to train with"):
        label_windows([], table(tmp_path, "a,1,5"))


def test_classes_are_integers_or_texts_in_their_own_order(tmp_path: Path) -> None:
    texts = table(tmp_path, "a,1,worn", "a,2,good", "a,3,worn", header="device,time,state", recipe=CLASSES)
    assert texts.outputs == ("state_good", "state_worn")
    assert texts.targets.tolist() == [[0, 1], [1, 0], [0, 1]]
    numbers = [table(tmp_path, "a,1,10", "a,2,2", "a,3,-1", header="device,time,state", recipe=CLASSES).outputs]
    write_labels(
        tmp_path / "l.parquet", [Label("a", time, {"state": state}) for time, state in ((1, 10.0), (2, 2.0), (3, -1.0))], ["state"]
    )
    numbers.append(read_label_table(tmp_path / "l.parquet", replace(CLASSES, outputs=())).outputs)
    assert numbers == [("state_-1", "state_2", "state_10")] * 2


def test_targets_are_what_the_model_computes_in(tmp_path: Path) -> None:
    assert table(tmp_path, "a,1,5").targets.dtype == np.float32


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"cap": 1.0, "task": Task.CLASSIFICATION}, "cap = 1.0: goes with regression only"),
        ({"outputs": ("a", "b"), "task": Task.CLASSIFICATION}, "one column"),
    ],
)
def test_a_recipe_that_trains_nothing_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Recipe(**wrong)  # type: ignore[arg-type]
