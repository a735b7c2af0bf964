"""Models on a recording, and what differs between them: by the commands, in memory."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pandas as pd
import pytest

from consumers.launch import Launch, build_stages, run_stages
from pipeline.backtest.difference import compare
from pipeline.backtest.outcome import Outcome, load_outcome, save_outcome
from pipeline.backtest.report import html_report, verdict
from pipeline.brokers.memory import MemoryBroker, MemoryLog
from pipeline.brokers.reading import read_now
from pipeline.clock import SystemClock
from pipeline.config import load
from pipeline.errors import ConfigurationError, SensorlineError
from pipeline.frames import Topics, replay_frame
from pipeline.recordings.files import read_recording
from pipeline.recordings.windows import windows_of
from pipeline.records import Alert, AlertState, Prediction
from pipeline.runner import Finish
from pipeline.wire.alerts import decode_alert
from pipeline.wire.predictions import decode_prediction
from pipeline.wire.readings import ReadingDecoder
from producers.replay import FLUSH_EVERY
from tests.support.backtests import make_project
from tests.support.commands import Done, command_line, environment


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models run on the recording by one command."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    done = run(folder, "backtest", "--recording", "fleet.parquet", "--bundle", "models/one", "--bundle", "models/two")
    assert done.returncode == 0, done.stderr
    return folder


def run(folder: Path, *arguments: str) -> Done:
    return subprocess.run(command_line(*arguments), cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=120)


def outcome(project: Path, name: str) -> Outcome:
    return load_outcome(project / "backtest" / name)


def test_every_window_of_the_recording_is_predicted_by_each_model(project: Path) -> None:
    settings = load(project / "sensorline.toml", {}).settings
    decoder = ReadingDecoder(settings.sensors.names)
    windows = {window.id for window in windows_of(read_recording(project / "fleet.parquet"), settings.window.policy(), decoder)}
    for name in ("one", "two"):
        found = outcome(project, name)
        assert {it.window.id for it in found.predictions} == windows
        assert len(found.predictions) == len(windows) > 100
        assert {it.model.name for it in found.predictions} == {name}
        assert found.alerts


def test_what_comes_out_is_what_the_stages_say_of_a_log_that_holds_the_whole_recording(project: Path) -> None:
    settings = load(project / "sensorline.toml", {}).settings
    log, launch, stop = MemoryLog(SystemClock()), Launch(("window", "score", "alert"), finish=Finish.UNTIL_END), threading.Event()
    broker = MemoryBroker(log)
    for topic in (*settings.own_topics(), *settings.state_topics()):
        broker.create_topic(topic)
    replay_frame(pd.read_parquet(project / "fleet.parquet"), Topics(broker, settings))
    assert sum(broker.end_offsets(settings.topics.readings).values()) > FLUSH_EVERY, "more than the stages are given at a time"
    run_stages(settings, launch, build_stages(settings, launch), lambda: MemoryBroker(log), stop)

    def published(topic: str) -> list[bytes]:
        return [record.value or b"" for record in read_now(broker, topic, broker.end_offsets(topic))]

    whole = Outcome(
        "whole",
        [decode_prediction(data) for data in published(settings.topics.predictions)],
        [decode_alert(data) for data in published(settings.topics.alerts)],
    )
    difference = compare(outcome(project, "one"), whole)
    assert difference.is_empty
    assert difference.compared > 100


def test_a_model_does_not_differ_from_itself(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / "backtest" / "one", tmp_path / "copy")
    done = run(project, "diff", "backtest/one", str(tmp_path / "copy"), "--json")
    difference = json.loads(done.stdout)
    assert (difference["changed"], difference["only_a"], difference["only_b"], difference["alerts"]) == (0, [], [], [])
    assert difference["compared"] > 100


def test_two_models_differ_by_what_their_predictions_say(project: Path) -> None:
    one, two = outcome(project, "one"), outcome(project, "two")
    found = compare(one, two)
    scores = {(it.window.id, it.window.revision, it.window.sequence): it.outputs["wear"] for it in two.predictions}
    apart = [scores[it.window.id, it.window.revision, it.window.sequence] - it.outputs["wear"] for it in one.predictions]
    (wear,) = found.outputs
    assert wear.mean == pytest.approx(sum(apart) / len(apart))
    assert wear.largest_absolute == pytest.approx(max(map(abs, apart))) == abs(found.changes[0].b - found.changes[0].a)
    assert found.changed == len([x for x in apart if abs(x) > 1e-5]) > 100
    shown = run(project, "diff", "backtest/one", "backtest/two")
    assert shown.returncode == 0
    assert f"{found.changed} of {found.compared} windows changed" in shown.stdout
    assert found.changes[0].device in shown.stdout


def test_what_is_missing_on_a_side_is_told(project: Path) -> None:
    one = outcome(project, "one")
    less = Outcome("less", one.predictions[3:], one.alerts)
    found = compare(one, less)
    assert {key[0] for key in found.only_a} == {it.window.id for it in one.predictions[:3]}
    assert found.only_b == ()
    assert "3 only in a" in verdict(found)
    assert compare(less, one).only_b == found.only_a


def test_alerts_that_only_one_model_raises_are_told(project: Path) -> None:
    one = outcome(project, "one")
    assert one.alerts
    alert = one.alerts[0]
    found = compare(one, Outcome("other", one.predictions, one.alerts[1:]))
    assert found.alerts is not None
    assert [(it.device, it.rule, it.time, it.side) for it in found.alerts] == [(alert.device, alert.rule, alert.time, "a")]
    assert compare(one, Outcome("unknown", one.predictions, None)).alerts is None


def test_an_alert_is_the_same_whatever_model_raised_it(project: Path) -> None:
    one = outcome(project, "one")
    renamed = [Alert("other", it.device, it.rule, it.state, it.since, it.time, 0.5, ("x",)) for it in one.alerts or ()]
    assert compare(one, Outcome("renamed", one.predictions, renamed)).alerts == ()
    turned = [Alert(it.id, it.device, it.rule, AlertState.CLEARED, it.since, it.time, it.value, ()) for it in one.alerts or ()]
    assert compare(one, Outcome("turned", one.predictions, turned)).alerts


def test_a_set_with_two_models_is_refused(project: Path) -> None:
    one, two = outcome(project, "one"), outcome(project, "two")
    with pytest.raises(ConfigurationError, match="both: has predictions of several models"):
        compare(one, Outcome("both", [*one.predictions, *two.predictions], None))


def test_a_repeated_prediction_counts_once(project: Path) -> None:
    one = outcome(project, "one")
    found = compare(one, Outcome("twice", [*one.predictions, *one.predictions], one.alerts))
    assert found.is_empty


def test_the_report_is_one_page_with_its_pictures_in_it(project: Path) -> None:
    page = (project / "backtest" / "one-two.html").read_text("utf-8")
    assert re.search(r"\d+ of \d+ windows changed", page)
    assert page.count('src="data:image/png;base64,') == 1
    assert not re.findall(r'(?:src|href)="(?!data:)', page)


def test_what_a_device_is_called_cannot_become_markup(project: Path) -> None:
    one, two = outcome(project, "one"), outcome(project, "two")
    wicked = Outcome("<b>two</b>", [named(it, "<script>") for it in two.predictions], two.alerts)
    evil = Outcome("one", [named(it, "<script>") for it in one.predictions], one.alerts)
    page = html_report(compare(evil, wicked), evil, wicked)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>two" not in page


def named(prediction: Prediction, device: str) -> Prediction:
    from msgspec.structs import replace

    return replace(prediction, device=device)


def test_what_holds_no_predictions_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "diff", ".", ".")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "holds no predictions" in done.stderr
    (tmp_path / "p.jsonl").write_text("{}\n")
    assert "p.jsonl, line 1: not a prediction" in run(tmp_path, "diff", "p.jsonl", "p.jsonl").stderr


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(SensorlineError, match="taken/one: cannot be made a folder: Not a directory"):
        save_outcome(Outcome("one", [], None), tmp_path / "taken" / "one")


def test_a_bundle_that_is_refused_ends_the_backtest_with_its_exit_code(project: Path) -> None:
    done = run(project, "backtest", "--recording", "fleet.parquet", "--bundle", "models/none", "--out", "nowhere")
    assert done.returncode == 4
    assert not (project / "nowhere").exists()
