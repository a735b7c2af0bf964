"""Each wrong configuration, and the lines it is answered with. Lines 1 and 2 of each file are the sensors."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.config import Configuration
from pipeline.errors import ConfigurationError

DURATION = 'must be a duration with a unit, such as "500ms", "10s", "5m", "3h" or "7d"'
OPTIONAL_DURATION = 'must be "none" or a duration with a unit, such as "500ms", "10s", "5m", "3h" or "7d"'

WINDOWS = {
    "a bare number is no duration": ("gap = 10", f"window.gap = 10 (sensorline.toml:4): {DURATION}"),
    "nor is zero": ("gap = 0", f"window.gap = 0 (sensorline.toml:4): {DURATION}"),
    "nor is a fraction": ('gap = "1.5s"', f'window.gap = "1.5s" (sensorline.toml:4): {DURATION}'),
    "nor is a text without a unit": ('gap = "10"', f'window.gap = "10" (sensorline.toml:4): {DURATION}'),
    "only some durations can be none": ('gap = "none"', f'window.gap = "none" (sensorline.toml:4): {DURATION}'),
    "others say that they can": ("max_ahead = 5", f"window.max_ahead = 5 (sensorline.toml:4): {OPTIONAL_DURATION}"),
    "a misspelt key": ("max_lenght = 9", 'window.max_lenght (sensorline.toml:4): there is no such key; did you mean "max_length"?'),
    "a key's name in the code is not its name in the file": (
        "gap_ms = 9",
        'window.gap_ms (sensorline.toml:4): there is no such key; did you mean "gap"?',
    ),
    "a number in quotes": ('max_length = "9"', 'window.max_length = "9" (sensorline.toml:4): must be a whole number'),
    "true is no number": ("max_length = true", "window.max_length = true (sensorline.toml:4): must be a whole number"),
    "one is not true": ("ticks = 1", "window.ticks = 1 (sensorline.toml:4): must be true or false"),
    "an unknown kind": (
        'kind = "sliding"',
        "window.kind = \"sliding\" (sensorline.toml:4): must be 'session', 'tumbling', 'hopping' or 'count'",
    ),
    "carry in a truncating window": (
        'carry = 2\noverflow = "truncate"',
        'window.carry = 2 (sensorline.toml:4): is for overflow = "split": leave it out',
    ),
    "carry as long as a window": ("carry = 256", "window.carry = 256 (sensorline.toml:4): must be less than max_length (256)"),
    "carry with late steps": (
        'carry = 2\nallowed_lateness = "2s"',
        'window.allowed_lateness = "2s" (sensorline.toml:5): goes not together with carry: leave one of them out',
    ),
    "a negative number": ("emit_every = -1", "window.emit_every = -1 (sensorline.toml:4): must not be negative"),
    "hopping by a step that does not divide the size": (
        'kind = "hopping"\nsize = "60s"\nstep = "7s"',
        'window.step = "7s" (sensorline.toml:6): must divide size (60000 ms)',
    ),
    "hopping without a step": (
        'kind = "hopping"\nsize = "60s"',
        "window.step = 0 (default): must divide size (60000 ms)",
    ),
    "idle_timeout within the gap": (
        'idle_timeout = "5s"',
        'window.idle_timeout = "5s" (sensorline.toml:4): must be at least gap + out_of_orderness (12000 ms)',
    ),
    "a default that does not fit another key": (
        'gap = "5m"',
        'window.idle_timeout = "1m" (default): must be at least gap + out_of_orderness (302000 ms)',
    ),
    "a session without a gap": ('gap = "0s"', 'window.gap = "0s" (sensorline.toml:4): must be at least 1 ms'),
    "a key of another kind": (
        'size = "30s"',
        'window.size = "30s" (sensorline.toml:4): belongs to kind tumbling or hopping or count; the kind is session: leave it out',
    ),
    "partial_start outside count": (
        "partial_start = true",
        "window.partial_start = true (sensorline.toml:4): belongs to kind count; the kind is session: leave it out",
    ),
    "a gap for tumbling windows": (
        'kind = "tumbling"\nsize = "30s"\ngap = "10s"',
        'window.gap = "10s" (sensorline.toml:6): belongs to kind session; the kind is tumbling: leave it out',
    ),
    "tumbling without a size": ('kind = "tumbling"', "window.size = 0 (default): must be at least 1 ms"),
    "tumbling by number": (
        'kind = "tumbling"\nsize = 30',
        "window.size = 30 (sensorline.toml:5): must be a duration with a unit for kind tumbling, "
        'such as "500ms", "10s", "5m", "3h" or "7d"',
    ),
    "count by duration": (
        'kind = "count"\nsize = "30s"\nstep = 1',
        'window.size = "30s" (sensorline.toml:5): must be a number of steps, without a unit, for kind count',
    ),
    "count beyond max_length": (
        'kind = "count"\nsize = 300\nstep = 1',
        "window.size = 300 (sensorline.toml:5): must be from 1 to max_length (256)",
    ),
    "count with a duration cap": (
        'kind = "count"\nsize = 30\nstep = 1\nmax_duration = "1h"',
        'window.max_duration = "1h" (sensorline.toml:7): is not for count windows: leave it out',
    ),
    "neither a number nor a duration": (
        "size = 1.5",
        'window.size = 1.5 (sensorline.toml:4): must be a duration with a unit, such as "500ms", "10s", "5m", "3h" or "7d", '
        'or for kind "count" a number of steps',
    ),
    "min_length above max_length": (
        "min_length = 300",
        "window.min_length = 300 (sensorline.toml:4): must be at most max_length (256)",
    ),
    "a window that no message can hold": (
        "max_length = 64516",
        "window.max_length = 64516 (sensorline.toml:4): must be at most 64510: a step of 2 sensors takes 16 bytes of a message of 1 MiB",
    ),
    "steps that wait, more than a state holds": (
        "max_pending = 300_000",
        "window.max_pending = 300000 (sensorline.toml:4): is too much: max_pending and open windows of max_length are up to 300256 steps"
        " of 2 sensors, and what is open of a device must fit into a message of 16 MiB",
    ),
    "open windows, more than a state holds": (
        'kind = "hopping"\nsize = "1h"\nstep = "1s"\nmax_length = 100',
        "window.max_length = 100 (sensorline.toml:7): is too much: max_pending and open windows of max_length are up to 370000 steps"
        " of 2 sensors, and what is open of a device must fit into a message of 16 MiB",
    ),
    "ticks without time": (
        'tick_interval = "0s"',
        'window.tick_interval = "0s" (sensorline.toml:4): must be at least 1 ms; ticks = false turns ticks off',
    ),
}

OTHERS = {
    "an unknown section": (
        "[windows]\ngap = 1",
        'windows (sensorline.toml:3): there is no such section; did you mean "window"?',
    ),
    "a value where a table belongs": ("[broker]\nkafka = 5", "broker.kafka = 5 (sensorline.toml:4): must be a table"),
    "a password is never shown": (
        "[broker.kafka]\nsasl_password = 12345",
        'broker.kafka.sasl_password = "***" (sensorline.toml:4): must be a text',
    ),
    "SASL without a mechanism": (
        '[broker.kafka]\nsecurity_protocol = "SASL_SSL"',
        "broker.kafka.sasl_mechanism = none (default): is needed for security_protocol SASL_SSL",
    ),
    "heartbeats too rare for the session": (
        "[broker.kafka]\nheartbeat_interval_ms = 9000",
        "broker.kafka.heartbeat_interval_ms = 9000 (sensorline.toml:4): must be at most a third of session_timeout_ms (10000)",
    ),
    "no partitions": ("[topics]\npartitions = 0", "topics.partitions = 0 (sensorline.toml:4): must be at least 1"),
    "two topics of one name": (
        '[topics]\nwindows = "sensor.readings"',
        'topics.windows = "sensor.readings" (sensorline.toml:4): is the name of topics.readings too; each topic needs its own',
    ),
    "a name that no topic can have": (
        '[topics]\nwindows = "my windows"',
        'topics.windows = "my windows" (sensorline.toml:4): must be 1 to 200 letters, digits, dots, hyphens or underscores',
    ),
    "a unit of an unknown sensor": (
        '[sensors.units]\npressure = "bar"',
        'sensors.units.pressure = "bar" (sensorline.toml:4): is not in sensors.names',
    ),
    "an unknown engine": (
        '[model]\nengine = "torch"',
        "model.engine = \"torch\" (sensorline.toml:4): must be 'auto', 'onnx' or 'keras'",
    ),
    "a port that is none": ("[metrics]\nport = 65536", "metrics.port = 65536 (sensorline.toml:4): must be at most 65535"),
    "a rule without bounds": (
        '[[alerts]]\nname = "wear"\noutput = "rul"',
        "alerts.0.below = none (default): a rule needs below or above",
    ),
    "a rule with two bounds": (
        '[[alerts]]\nname = "wear"\noutput = "rul"\nbelow = 1\nabove = 2',
        "alerts.0.above = 2 (sensorline.toml:7): a rule has either below or above",
    ),
    "a clearing bound on the wrong side": (
        '[[alerts]]\nname = "wear"\noutput = "rul"\nbelow = 20\nclear_above = 10',
        "alerts.0.clear_above = 10 (sensorline.toml:7): must be at least below (20.0)",
    ),
    "more windows than there are": (
        '[[alerts]]\nname = "wear"\noutput = "rul"\nbelow = 20\nfor = "5 of 3"',
        'alerts.0.for = "5 of 3" (sensorline.toml:7): must be "N of M" windows with 1 <= N <= M, such as "3 of 5"',
    ),
    "a bound that is not finite": (
        '[[alerts]]\nname = "wear"\noutput = "rul"\nbelow = nan',
        "alerts.0.below = NaN (sensorline.toml:6): must be a finite number",
    ),
    "two rules of one name": (
        '[[alerts]]\nname = "wear"\noutput = "a"\nbelow = 2\n[[alerts]]\nname = "wear"\noutput = "b"\nbelow = 3',
        'alerts.1.name = "wear" (sensorline.toml:8): is the name of another rule too; each rule needs its own',
    ),
    "a rule about nothing": (
        '[[alerts]]\nname = "wear"\nbelow = 2',
        'alerts.0.output = none (default): a rule of kind "threshold" needs output',
    ),
    "a key of another kind of rule": (
        '[[alerts]]\nname = "gone"\nkind = "silent"\nbelow = 2',
        'alerts.0.below = 2 (sensorline.toml:6): is no key of kind "silent", which takes for',
    ),
    "an unknown kind of rule": (
        '[[alerts]]\nname = "gone"\nkind = "lost"',
        "alerts.0.kind = \"lost\" (sensorline.toml:5): must be 'threshold', 'band', 'rate', 'silent', 'few_readings', 'stuck' or 'clock'",
    ),
    "a band on both sides": (
        '[[alerts]]\nname = "warm"\nkind = "band"\noutput = "a"\ninside = [1, 2]\noutside = [0, 3]',
        "alerts.0.inside = [1, 2] (sensorline.toml:7): a rule has either outside or inside",
    ),
    "a band upside down": (
        '[[alerts]]\nname = "warm"\nkind = "band"\noutput = "a"\noutside = [3, 1]',
        "alerts.0.outside = [3, 1] (sensorline.toml:7): must be [low, high], low < high",
    ),
    "a margin that never clears": (
        '[[alerts]]\nname = "warm"\nkind = "band"\noutput = "a"\noutside = [1, 3]\nmargin = 1.5',
        "alerts.0.margin = 1.5 (sensorline.toml:8): must be at most half of high - low: else the alert never clears",
    ),
    "a clock rule without a time": (
        '[[alerts]]\nname = "clock"\nkind = "clock"\ncount = 3',
        'alerts.0.within = none (default): a rule of kind "clock" needs within',
    ),
    "a stuck sensor that is none": (
        '[[alerts]]\nname = "stuck"\nkind = "stuck"\nsensor = "z"\nsteps = 3',
        'alerts.0.sensor = "z" (sensorline.toml:6): is not in sensors.names',
    ),
    "a share of more than all": (
        '[[alerts]]\nname = "thin"\nkind = "few_readings"\nobserved_below = 5',
        "alerts.0.observed_below = 5 (sensorline.toml:6): must be more than 0 and at most 1, a share of the values",
    ),
    "a group that is none": (
        '[groups]\nhall = ["pump-*"]\n[[alerts]]\nname = "hall"\noutput = "rul"\nbelow = 2\ngroups = ["hull"]',
        'alerts.0.groups = ["hull"] (sensorline.toml:9): there is no group "hull" in [groups]',
    ),
    "a count of devices without groups": (
        '[[alerts]]\nname = "hall"\noutput = "rul"\nbelow = 2\nat_least = 2',
        "alerts.0.at_least = 2 (sensorline.toml:7): counts the devices of groups: name them in groups",
    ),
    "a reload all the time": (
        '[model]\nreload = "0s"',
        'model.reload = "0s" (sensorline.toml:4): must be at least 1 ms, or "none" to keep the model that the scorer began with',
    ),
    "a second model that is the first": (
        '[model]\npath = "pump"\nshadow = "pump"',
        'model.shadow = "pump" (sensorline.toml:5): is model.path too; a second model is another bundle',
    ),
    "a limit of drift that everything is above": (
        "[model]\ndrift_alert = 0",
        'model.drift_alert = 0 (sensorline.toml:4): must be "none" or a positive number',
    ),
    "a webhook to nowhere": (
        '[[destinations]]\nname = "ops"\nkind = "webhook"',
        'destinations.0.url = none (default): is needed of kind "webhook"',
    ),
    "a url that is no web address": (
        '[[destinations]]\nname = "ops"\nkind = "webhook"\nurl = "ftp://token@host"',
        'destinations.0.url = "***" (sensorline.toml:6): must begin with http:// or https://',
    ),
    "a secret that signs nothing": (
        '[[destinations]]\nname = "ops"\nkind = "console"\nsecret = "x"',
        'destinations.0.secret = "***" (sensorline.toml:6): signs the requests of a webhook; no other kind has it',
    ),
    "two destinations of one name": (
        '[[destinations]]\nname = "ops"\nkind = "console"\n[[destinations]]\nname = "ops"\nkind = "console"',
        'destinations.1.name = "ops" (sensorline.toml:7): is the name of another destination too; each destination needs its own',
    ),
}

VARIABLES = {
    "a wrong value": ("SENSORLINE_WINDOW__GAP", "10", f"window.gap = 10 (SENSORLINE_WINDOW__GAP): {DURATION}"),
    "an unknown section": (
        "SENSORLINE_WINDOWS__GAP",
        "10s",
        'windows (SENSORLINE_WINDOWS__GAP): there is no such section; did you mean "window"?',
    ),
    "an unknown key": (
        "SENSORLINE_WINDOW__GAPS",
        "10s",
        'window.gaps (SENSORLINE_WINDOW__GAPS): there is no such key; did you mean "gap"?',
    ),
    "no section at all": (
        "SENSORLINE_GAP",
        "10s",
        "gap (SENSORLINE_GAP): there is no such section; there are pipeline, broker, topics, sensors, window, model, alerts,"
        " destinations, groups, metrics, mqtt, http, ingest",
    ),
    "a rule that is not there": (
        "SENSORLINE_ALERTS__3__BELOW",
        "10",
        "SENSORLINE_ALERTS__3__BELOW: the list has no such element; elements are numbered from 0",
    ),
    "a list that is no JSON": ("SENSORLINE_SENSORS__NAMES", "[a", 'sensors.names = "[a" (SENSORLINE_SENSORS__NAMES): must be a list'),
    "a password": (
        "SENSORLINE_BROKER__KAFKA__SASL_PASSWORDS",
        "secret",
        'broker.kafka.sasl_passwords (SENSORLINE_BROKER__KAFKA__SASL_PASSWORDS): there is no such key; did you mean "sasl_password"?',
    ),
}


@pytest.mark.parametrize(("text", "line"), WINDOWS.values(), ids=WINDOWS.keys())
def test_wrong_windows_are_named_with_place_and_remedy(load_text: Callable[..., Configuration], text: str, line: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_text(f"[window]\n{text}\n")
    assert str(error.value) == line


@pytest.mark.parametrize(("text", "line"), OTHERS.values(), ids=OTHERS.keys())
def test_wrong_sections_are_named_with_place_and_remedy(load_text: Callable[..., Configuration], text: str, line: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_text(text)
    assert str(error.value) == line


@pytest.mark.parametrize(("variable", "value", "line"), VARIABLES.values(), ids=VARIABLES.keys())
def test_wrong_variables_are_named(load_text: Callable[..., Configuration], variable: str, value: str, line: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_text("", {variable: value})
    assert str(error.value) == line


def test_all_that_is_wrong_is_said_at_once(load_text: Callable[..., Configuration]) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_text("[window]\ngap = 1\nkinds = 2\n[topics]\npartitions = 0", {"SENSORLINE_METRICS__PORT": "x"})
    assert str(error.value).splitlines() == [
        "topics.partitions = 0 (sensorline.toml:7): must be at least 1",
        f"window.gap = 1 (sensorline.toml:4): {DURATION}",
        'window.kinds (sensorline.toml:5): there is no such key; did you mean "kind"?',
        'metrics.port = "x" (SENSORLINE_METRICS__PORT): must be a whole number',
    ]


def test_without_sensors_the_error_says_what_to_write(load_text: Callable[..., Configuration]) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_text("", before="")
    wanted = 'sensors.names: is missing; write [sensors] names = ["temperature", "vibration"], the sensors in the order of the features'
    assert str(error.value) == wanted


def test_a_file_that_is_no_toml_is_named_with_the_place(load_text: Callable[..., Configuration]) -> None:
    with pytest.raises(ConfigurationError, match=r"^sensorline.toml: is not valid TOML: .*line 3"):
        load_text("gap 10")
