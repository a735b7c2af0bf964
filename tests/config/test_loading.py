"""Files, environment, defaults: which value counts, and where it is said to come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pipeline.brokers.protocol import TopicSettings
from pipeline.config import Configuration, load
from pipeline.config.environment import NOT_SETTINGS
from pipeline.core.policy import Count, Hopping, Keep, Overflow, Session, Shape, Tumbling, WindowPolicy
from pipeline.errors import ConfigurationError
from tests.support.alert_rules import threshold_rule

Load = Callable[..., Configuration]


def effective(configuration: Configuration) -> Mapping[str, tuple[str, str]]:
    """Value and origin by key."""
    return {setting.key: (setting.value, setting.origin) for setting in configuration.effective()}


def test_the_sensors_are_all_that_must_be_said(load_text: Load) -> None:
    settings = load_text("").settings
    assert settings.sensors.names == ("temperature", "vibration")
    assert settings.metrics is None
    assert settings.model.path is None
    assert settings.window.policy() == WindowPolicy(
        Session(gap_ms=10_000),
        out_of_orderness_ms=2_000,
        idle_timeout_ms=60_000,
        max_length=256,
        overflow=Overflow.SPLIT,
        keep=Keep.LAST,
        max_ahead_ms=300_000,
    )


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ('gap = "500ms"', Session(500)),
        ('kind = "tumbling"\nsize = "30s"', Tumbling(30_000)),
        ('kind = "hopping"\nsize = "1m"\nstep = "15s"', Hopping(60_000, 15_000)),
        ('kind = "count"\nsize = 64\nstep = 16\npartial_start = true', Count(64, 16, True)),
    ],
)
def test_each_kind_of_window_has_its_shape(load_text: Load, text: str, shape: Shape) -> None:
    assert load_text(f"[window]\n{text}").settings.window.policy().shape == shape


def test_every_key_reaches_the_policy(load_text: Load) -> None:
    text = """[window]
    max_length = 9
    max_duration = "1h"
    overflow = "truncate"
    keep = "first"
    min_length = 2
    emit_every = 3
    out_of_orderness = "1s"
    idle_timeout = "2m"
    max_ahead = "none"
    max_behind = "1d"
    allowed_lateness = "5s"
    max_pending = 7
    """
    assert load_text(text).settings.window.policy() == WindowPolicy(
        Session(10_000),
        out_of_orderness_ms=1_000,
        idle_timeout_ms=120_000,
        max_length=9,
        overflow=Overflow.TRUNCATE,
        keep=Keep.FIRST,
        max_duration_ms=3_600_000,
        min_length=2,
        emit_every=3,
        allowed_lateness_ms=5_000,
        max_ahead_ms=None,
        max_behind_ms=86_400_000,
        max_pending=7,
    )
    assert load_text("[window]\ncarry = 4").settings.window.policy().carry == 4


@pytest.mark.parametrize("neutral", ['size = 0\nstep = "0s"', 'size = "none"', "partial_start = false"])
def test_keys_of_another_kind_may_be_neutral(load_text: Load, neutral: str) -> None:
    assert load_text(f"[window]\n{neutral}").settings.window.policy().shape == Session(10_000)


def test_the_environment_counts_more_than_the_file(load_text: Load) -> None:
    loaded = load_text('[window]\ngap = "5s"\nmax_length = 32', {"SENSORLINE_WINDOW__GAP": "7s"})
    found = effective(loaded)
    assert found["window.gap"] == ('"7s"', "SENSORLINE_WINDOW__GAP")
    assert found["window.max_length"] == ("32", "sensorline.toml:5")
    assert found["window.out_of_orderness"] == ('"2s"', "default")


def test_variables_have_the_types_of_their_settings(load_text: Load) -> None:
    environ = {
        "SENSORLINE_PIPELINE__NAME": "42",
        "SENSORLINE_TOPICS__RETENTION": "none",
        "SENSORLINE_SENSORS__NAMES": "speed, torque",
        "SENSORLINE_SENSORS__CODES": '{"speed": ["slow", "fast"]}',
        "SENSORLINE_WINDOW__KIND": "count",
        "SENSORLINE_WINDOW__SIZE": "8",
        "SENSORLINE_WINDOW__STEP": "4",
        "SENSORLINE_WINDOW__PARTIAL_START": "true",
        "SENSORLINE_BROKER__KAFKA__SASL_PASSWORD": "123",
        "SENSORLINE_METRICS__PORT": "9000",
    }
    settings = load_text("", environ).settings
    assert settings.pipeline.name == "42"
    assert settings.topics.retention_ms is None
    assert settings.sensors.names == ("speed", "torque")
    assert settings.sensors.codes == {"speed": ("slow", "fast")}
    assert settings.window.policy().shape == Count(8, 4, True)
    assert settings.broker.kafka.sasl_password is not None
    assert settings.broker.kafka.sasl_password.get_secret_value() == "123"
    assert settings.metrics is not None
    assert settings.metrics.port == 9000


def test_a_list_may_be_json(load_text: Load) -> None:
    assert load_text("", {"SENSORLINE_SENSORS__NAMES": '["a, b", "c"]'}).settings.sensors.names == ("a, b", "c")


def test_a_rule_can_be_overridden_by_its_number(load_text: Load) -> None:
    text = '[[alerts]]\nname = "a"\noutput = "rul"\nbelow = 1\n[[alerts]]\nname = "b"\noutput = "rul"\nbelow = 2'
    loaded = load_text(text, {"SENSORLINE_ALERTS__1__BELOW": "2.5", "SENSORLINE_ALERTS__1__FOR": "3 of 5"})
    assert [rule.rule() for rule in loaded.settings.alerts] == [
        threshold_rule("a", "rul", below=1),
        threshold_rule("b", "rul", below=2.5, needed=3, of=5),
    ]
    assert effective(loaded)["alerts.1.below"] == ("2.5", "SENSORLINE_ALERTS__1__BELOW")
    assert effective(loaded)["alerts.1.name"] == ('"b"', "sensorline.toml:8")


def test_rules_can_come_from_the_environment_alone(load_text: Load) -> None:
    environ = {"SENSORLINE_ALERTS__0__NAME": "a", "SENSORLINE_ALERTS__0__OUTPUT": "rul", "SENSORLINE_ALERTS__0__ABOVE": "7"}
    assert [rule.rule() for rule in load_text("", environ).settings.alerts] == [threshold_rule("a", "rul", above=7)]


def test_variables_that_are_no_settings_are_left_alone(load_text: Load) -> None:
    environ = dict.fromkeys((*NOT_SETTINGS, "OTHER"), "1")
    assert load_text("", environ).settings == load_text("").settings


def test_every_setting_is_shown_and_no_secret(load_text: Load) -> None:
    loaded = load_text("", {"SENSORLINE_BROKER__KAFKA__SASL_PASSWORD": "hush"})
    found = effective(loaded)
    assert found["broker.kafka.sasl_password"] == ('"***"', "SENSORLINE_BROKER__KAFKA__SASL_PASSWORD")
    assert "hush" not in str(found) + repr(loaded.settings)
    assert found["window.overflow"] == ('"split"', "default")
    assert found["metrics"] == ("none", "default")
    assert "window.size" not in found, "a key of another kind of window has no effect"


def test_destinations_and_groups_can_be_overridden_and_no_secret_of_theirs_is_shown(load_text: Load) -> None:
    text = '[[destinations]]\nname = "ops"\nkind = "webhook"\nurl = "https://ops.example/hush"\n[groups]\nhall = ["pump-*"]'
    loaded = load_text(text, {"SENSORLINE_DESTINATIONS__0__SECRET": "hush", "SENSORLINE_GROUPS__HALL": "fan-1,fan-2"})
    found = effective(loaded)
    assert found["destinations.0.secret"] == ('"***"', "SENSORLINE_DESTINATIONS__0__SECRET")
    assert found["destinations.0.url"] == ('"***"', "sensorline.toml:6")
    assert "hush" not in str(found) + repr(loaded.settings)
    assert loaded.settings.destinations[0].secret is not None
    assert loaded.settings.destinations[0].secret.get_secret_value() == "hush"
    assert loaded.settings.groups == {"hall": ("fan-1", "fan-2")}


def test_only_the_keys_of_a_rules_kind_are_shown(load_text: Load) -> None:
    found = effective(load_text('[[alerts]]\nname = "gone"\nkind = "silent"\ndevices = "pump-*"'))
    shown = {key.removeprefix("alerts.0.") for key in found if key.startswith("alerts.0.")}
    assert shown == {"name", "kind", "devices", "groups", "at_least", "cooldown", "for"}
    assert found["alerts.0.devices"] == ('["pump-*"]', "sensorline.toml:6")


def test_topics_are_those_that_the_rules_need(load_text: Load) -> None:
    plain = '[[alerts]]\nname = "a"\noutput = "rul"\nbelow = 1'
    grouped = f'{plain}\n[groups]\nhall = ["*"]\n[[alerts]]\nname = "b"\nkind = "silent"\ngroups = ["hall"]'
    few, more = load_text(plain).settings, load_text(grouped).settings
    assert {topic.name for topic in (*few.own_topics(), *few.state_topics())} < {
        topic.name for topic in (*more.own_topics(), *more.state_topics())
    }
    assert "sensor.alerts.members" in {topic.name for topic in more.own_topics()}
    assert [topic.name for topic in more.state_topics()][2:] == [
        "sensorline.alert.windows.sensor.windows.state",
        "sensorline.alert.groups.sensor.alerts.members.state",
    ]


def test_relative_paths_are_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "plant.toml"
    file.write_text('[sensors]\nnames = ["a"]\n[model]\npath = "models/pump"')
    loaded = load(file, {})
    assert loaded.settings.model.path == tmp_path / "deep" / "models" / "pump"
    assert loaded.folder == tmp_path / "deep"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no such configuration file"):
        load(tmp_path / "no.toml", {})


def test_topics_are_stamped_by_the_broker_and_rejected_records_have_room_for_their_headers(load_text: Load) -> None:
    settings = load_text('[topics]\npartitions = 2\nretention = "1h"').settings
    readings, *_, rejected = settings.topics.all()
    assert readings == TopicSettings("sensor.readings", 2, 3_600_000, log_append_time=True)
    assert rejected.max_message_bytes > readings.max_message_bytes
    assert all(topic.log_append_time for topic in settings.topics.all())


def test_groups_and_state_topics_carry_the_name_of_the_pipeline(load_text: Load) -> None:
    settings = load_text('[pipeline]\nname = "plant"').settings
    assert settings.group("window") == "plant.window"
    assert [topic.name for topic in settings.state_topics()] == [
        "plant.window.sensor.readings.state",
        "plant.alert.sensor.predictions.state",
    ]
    state = settings.state_topic("mine", "sensor.readings")
    assert (state.name, state.partitions, state.retention_ms, state.compacted) == ("mine.sensor.readings.state", 4, None, True)


def test_what_a_running_scorer_follows_and_watches_is_shown(load_text: Load) -> None:
    assert effective(load_text(""))["model.reload"] == ('"10s"', "default")
    assert effective(load_text(""))["model.drift_alert"] == ("0.25", "default")
    chosen = load_text('[model]\nreload = "none"\ndrift_alert = "none"')
    assert (chosen.settings.model.reload_ms, chosen.settings.model.drift_alert) == (None, None)
    shown = effective(chosen)
    assert (shown["model.reload"][0], shown["model.drift_alert"][0]) == ('"none"', '"none"')
    by_variable = load_text("", {"SENSORLINE_MODEL__DRIFT_ALERT": "0.5", "SENSORLINE_MODEL__RELOAD": "1m"}).settings.model
    assert (by_variable.drift_alert, by_variable.reload_ms) == (0.5, 60_000)
