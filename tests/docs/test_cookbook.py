"""`docs/cookbook.md`: all of it is typed, in folders that were empty, and what it promises is there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.records import AlertState, Prediction
from pipeline.wire.alerts import decode_alert
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.windows import decode_window
from tests.docs.conftest import OpenShell
from tests.docs.typed import ROOT, Block, Shell, blocks_of
from tests.support.mosquitto import running_mosquitto
from tests.support.receiver import Receiver

BLOCKS = blocks_of(ROOT / "docs" / "cookbook.md")
BEGIN = "A folder to begin in"


def recipe(number: int) -> list[Block]:
    """What is typed for one recipe."""
    return [block for block in BLOCKS if block.heading.startswith(f"{number}. ")]


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The folder in which recipes begin, typed once."""
    shell = Shell(tmp_path_factory.mktemp("cookbook") / "begun")
    try:
        shell.type(*[block for block in BLOCKS if block.heading == BEGIN])
        yield shell
    finally:
        shell.close()


@pytest.fixture
def go_on(begun: Shell, open_shell: OpenShell) -> Callable[[], Shell]:
    """A copy of that folder."""

    def copy() -> Shell:
        shell = open_shell("copy")
        shutil.copytree(begun.folder, shell.folder, symlinks=True)
        return shell

    return copy


def test_the_whole_page_is_typed() -> None:
    assert {block.heading for block in BLOCKS} == {BEGIN} | {block.heading for number in range(1, 6) for block in recipe(number)}
    assert [block.why_not for block in BLOCKS if block.why_not] == []


def test_a_keras_model_scores_readings_from_mqtt_and_a_webhook_gets_the_alert(open_shell: OpenShell, tmp_path: Path) -> None:
    configuration, stand_in, commands, publish = recipe(1)
    receiver = Receiver().open()
    with running_mosquitto(tmp_path / "mosquitto") as mosquitto:
        port = str(mosquitto.port)
        instead = {"1883": port, "mosquitto_pub": f"mosquitto_pub -p {port}", "http://localhost:9000/alerts": receiver.url}
        shell = open_shell(instead=instead)
        shell.type(configuration, stand_in)
        running = shell.start(commands)
        running.until(lambda: "taking messages of plant/+" in running.said)
        assert "error" not in running.shown, running.shown
        shell.type(publish)
        running.until(lambda: receiver.taken)
        shell.close()
    receiver.close()
    (request,) = receiver.taken
    assert (request.alert.device, request.alert.rule, request.alert.state) == ("pump-7", "risky", AlertState.RAISED)
    assert [len(window.times) // 8 for window in shell.await_items("windows", decode_window)] == [3]


def test_models_go_into_production_and_back(go_on: Callable[[], Shell]) -> None:
    judge, produce, forward, back = recipe(2)
    shell = go_on()
    judged = shell.type(judge)
    assert len(re.findall(r"judged by all windows of 6 devices", judged.shown)) == 2, judged.shown
    assert (shell.folder / "second.html").exists()
    running = shell.type(produce)
    shell.await_items("predictions", decode_prediction)
    for block, model, seen in ((forward, "wear 2", 1), (back, "wear 1", 1)):
        shell.type(block)
        running.until(lambda model=model, seen=seen: running.said.count(f"the model is now {model}") == seen)  # type: ignore[misc]


def test_an_alert_is_explained_and_the_day_is_played_again(go_on: Callable[[], Shell]) -> None:
    live, explain, again = recipe(3)
    shell = go_on()
    assert '"state":"raised"' in shell.type(live).shown
    explained = shell.type(explain).shown
    assert re.search(r"^Alert worn raised", explained, re.MULTILINE)
    assert re.search(r"^    from partition \d, offset \d+, arrived ", explained, re.MULTILINE)
    shown = shell.type(again).shown
    was, corrected = (re.findall(r"^ machine-\d+ ", table, re.MULTILINE) for table in shown.split("device")[1:])
    raised = [alert for alert in shell.await_items("alerts", decode_alert) if alert.state is AlertState.RAISED]
    assert len(was) == len(raised) > len(corrected) > 0, "the recording raises what was raised live, and the corrected rules less"
    assert (shell.folder / "corrected.png").exists()


def test_uploads_and_wrong_clocks_are_seen(open_shell: OpenShell) -> None:
    shell = open_shell()
    *files, commands = recipe(4)
    shown = shell.type(*files, commands).shown
    assert re.findall(r'"device":"(\w+)".*"final":true.*"reason":"(\w+)"', shown) == [
        ("daily", reason) for reason in ("gap", "idle", "gap", "idle")
    ]
    assert [(window.device, len(window.times) // 8) for window in shell.await_items("windows", decode_window)] == [
        ("daily", 60),
        ("daily", 120),
        ("daily", 60),
        ("daily", 120),
    ]
    assert re.findall(r'(\d+) "reason":"(\w+)"', shown) == [("10", "future"), ("30", "late"), ("10", "past")]
    alerts = shell.await_items("alerts", decode_alert)
    assert {(alert.device, alert.rule) for alert in alerts} == {("ahead", "wrong-clock"), ("unset", "wrong-clock")}


def test_a_second_model_is_compared_and_takes_over(go_on: Callable[[], Shell]) -> None:
    score, compare, backtest, switch = recipe(5)
    shell = go_on()
    shell.type(score)

    def by_window(kind: str) -> dict[str, Prediction]:
        return {prediction.window.id: prediction for prediction in shell.await_items(kind, decode_prediction)}

    now, following = by_window("predictions"), by_window("shadow")
    assert now.keys() == following.keys()
    assert {prediction.model.version for prediction in now.values()} == {"1"}
    assert {prediction.model.version for prediction in following.values()} == {"2"}
    assert str(len(now)) in shell.type(compare).shown
    shell.type(backtest)
    assert (shell.folder / "backtest" / "1-2.html").exists()
    assert "ok: shadow model" in shell.type(switch).shown
