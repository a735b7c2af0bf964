"""`sensorline check`: every setting, then configuration, model, broker, topics and feeds, each ok or a clear error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import typer

from pipeline.brokers.protocol import TopicSettings
from pipeline.cli.context import configuration, connected, connector, is_in_memory
from pipeline.cli.expected import expected_topics, require_as_expected
from pipeline.cli.output import write_line
from pipeline.config import Configuration, Settings
from pipeline.config.feeds import HttpSettings, MqttSettings
from pipeline.errors import ConfigurationError, SensorlineError


def check(context: typer.Context) -> None:
    """Check configuration, model, broker, topics and feeds, and show every setting with its value and where it comes from.

    The exit code is that of the first thing that is wrong.
    """
    chosen = configuration(context)
    for setting in chosen.effective():
        write_line(f"{setting.key} = {setting.value}  ({setting.origin})".encode())
    found = [_configuration(chosen), *_destinations(chosen), *_models(chosen), *_broker_and_topics(chosen), *_feeds(chosen.settings)]
    errors = [error for error in found if error is not None]
    if errors:
        raise typer.Exit(errors[0].exit_code)


def _report(item: str, look: Callable[[], object]) -> SensorlineError | None:
    try:
        look()
    except SensorlineError as error:
        for line in str(error).splitlines():
            write_line(f"error: {item} {line}".encode())
        return error
    write_line(f"ok: {item}".encode())
    return None


def _configuration(chosen: Configuration) -> SensorlineError | None:
    return _report(f"configuration {chosen.file or '(defaults and environment)'}", lambda: None)


def _destinations(chosen: Configuration) -> list[SensorlineError | None]:
    """Each is built, so a message's URL is looked at; nothing is sent."""
    from consumers.notifier import notifier

    names = [destination.name for destination in chosen.settings.destinations]
    return [_report(f"destination {name}", partial(notifier, chosen.settings, (name,))) for name in names]


def _models(chosen: Configuration) -> list[SensorlineError | None]:
    model = chosen.settings.model
    if model.path is None:
        write_line(b"skipped: model (model.path is not set)")
    named = (("model", model.path), ("shadow model", model.shadow))
    return [_report(f"{name} {path}", partial(_require_fitting_model, chosen.settings, path)) for name, path in named if path is not None]


def _require_fitting_model(settings: Settings, path: Path) -> None:
    """Reads the contract and verifies the files; whether padding changes scores is proven when a scorer starts."""
    from pipeline.scoring.bundle import read_bundle
    from pipeline.scoring.compatibility import check_compatible

    sensors = settings.sensors
    contract = read_bundle(path).contract
    check_compatible(contract, sensors.names, settings.window.policy(), codes=sensors.codes)
    outputs = [output.name for output in contract.outputs]
    for place, rule in enumerate(settings.alerts):
        if rule.output is not None and rule.output not in outputs:
            raise ConfigurationError(f'alerts.{place}.output = "{rule.output}": the model gives {", ".join(outputs)}')


def _broker_and_topics(chosen: Configuration) -> list[SensorlineError | None]:
    if is_in_memory(chosen):
        write_line(b"skipped: broker and topics (sensorline run --replay makes them in its own memory)")
        return []
    found: dict[str, TopicSettings] = {}
    unreachable = _report(f"broker {chosen.settings.broker.url}", lambda: found.update(_topics(chosen)))
    if unreachable is not None:
        return [unreachable]
    settings = chosen.settings
    return [_report(f"topic {topic.name}", partial(require_as_expected, settings, topic, found)) for topic in expected_topics(settings)]


def _topics(chosen: Configuration) -> Mapping[str, TopicSettings]:
    with connected(connector(chosen)) as broker:
        return broker.topics()


def _feeds(settings: Settings) -> list[SensorlineError | None]:
    """The files of `[http]` are read; the MQTT broker is asked whether it lets us in. Nothing is published or acknowledged."""
    looks: dict[str, Callable[[], object]] = {}
    if settings.http is not None:
        looks["http keys and certificate"] = partial(_require_http_files, settings.http)
    if settings.mqtt is not None:
        looks["mqtt broker"] = partial(_try_mqtt, settings.mqtt, settings.mqtt.client_id or settings.group("mqtt"))
    return [_report(item, look) for item, look in looks.items()]


def _require_http_files(http: HttpSettings) -> None:
    from producers.feeds.api_keys import ApiKeys
    from producers.http import require_tls_files

    if http.keys_file is not None:
        ApiKeys(http.keys_file)
    require_tls_files(http)


def _try_mqtt(mqtt: MqttSettings, client_id: str) -> None:
    from producers.feeds.mqtt_client import try_out

    try_out(mqtt, client_id)
