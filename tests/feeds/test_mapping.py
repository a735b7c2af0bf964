"""Other people's JSON becomes readings, or is refused for a reason; never anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import Rejection, RejectReason
from pipeline.wire.mapping import Around, FieldMapping, Mapped, Mapper
from pipeline.wire.moments import TimeFormat
from pipeline.wire.readings import Decoded, ReadingDecoder

SENSORS = ("temperature", "state")
DECODER = ReadingDecoder(SENSORS, {"state": ("off", "on")})
PLAIN = FieldMapping({name: name for name in SENSORS})
NESTED = FieldMapping({"temperature": "data.t", "state": "data.s"}, device_field="machine.id", time_field="at", time_format=TimeFormat("s"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["machine", "id", "at", "data", "t", "s", "x"]), inner),
    max_leaves=12,
)
NOW = Around(1_000, "pump")


def mapped(mapping: FieldMapping, body: Any, around: Around = NOW) -> Mapped | Rejection:
    return Mapper(mapping, DECODER).map(body if isinstance(body, bytes) else json.dumps(body).encode(), around)


def reading(mapping: FieldMapping, body: Any, around: Around = NOW) -> dict[str, Any]:
    """The reading, which there must be."""
    found = mapped(mapping, body, around)
    assert isinstance(found, Mapped), found
    decoded: dict[str, Any] = json.loads(found.value)
    assert found.key == decoded["device"].encode()
    return decoded


@given(
    st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    st.integers(0, 2_000_000_000),
    st.floats(-1e6, 1e6),
    st.sampled_from(["off", "on", None]),
)
def test_each_part_is_found_where_the_mapping_says(device: str, at: int, temperature: float, state: str | None) -> None:
    body = {"machine": {"id": device, "x": 1}, "at": at, "data": {"t": temperature, "s": state, "other": [1]}}
    expected = {"device": device, "time": at * 1_000, "values": {"temperature": temperature, "state": state}}
    assert reading(NESTED, body) == expected


@given(JSON | st.binary(max_size=40))
def test_anything_is_a_reading_or_refused_with_a_reason(body: Any) -> None:
    found = mapped(NESTED, body)
    if isinstance(found, Mapped):
        decoded = DECODER.decode(found.key, found.value)
        assert isinstance(decoded, Decoded)
        assert not isinstance(decoded.rows[0], Rejection)
    else:
        assert found.error


def test_without_fields_the_surroundings_say_device_and_time() -> None:
    assert reading(PLAIN, {"temperature": 1.5}) == {"device": "pump", "time": 1_000, "values": {"temperature": 1.5, "state": None}}
    constant = FieldMapping(PLAIN.sensors, device="press")
    assert reading(constant, {"temperature": 1.5})["device"] == "press"


def test_a_whole_number_may_name_a_device() -> None:
    assert reading(NESTED, {"machine": {"id": 7}, "at": 1, "data": {"t": 1}})["device"] == "7"


@pytest.mark.parametrize(
    ("payload", "value"), [(b"21.5", 21.5), (b" 21.5\n", 21.5), (b"+3", 3), (b'{"value": 4, "unit": "C"}', 4), (b"-1e2", -100)]
)
def test_a_body_with_one_value_is_a_number_or_an_object(payload: bytes, value: float) -> None:
    assert reading(PLAIN, payload, Around(5, "pump", "temperature"))["values"] == {"temperature": value}


def test_a_code_may_be_a_plain_text() -> None:
    for payload in (b"on", b'"on"', b'{"value": "on"}'):
        assert reading(PLAIN, payload, Around(5, "pump", "state"))["values"] == {"state": "on"}


def test_the_name_of_a_sensor_may_be_in_the_body_and_be_other_peoples() -> None:
    mapping = FieldMapping({"temperature": "T1", "state": "state"}, sensor_field="tag", value_field="v")
    assert reading(mapping, {"tag": "T1", "v": 3})["values"] == {"temperature": 3}


@pytest.mark.parametrize(
    ("body", "reason", "said"),
    [
        (b"", RejectReason.JSON, "empty"),
        (b"{", RejectReason.JSON, "not JSON"),
        (b"21.5", RejectReason.SCHEMA, "not a JSON object"),
        ({"at": 1, "data": {"t": 1}}, RejectReason.SCHEMA, "no device: there is no field 'machine.id'"),
        ({"machine": {"id": True}, "at": 1, "data": {"t": 1}}, RejectReason.SCHEMA, "neither a text nor a whole number"),
        ({"machine": {"id": "a"}, "data": {"t": 1}}, RejectReason.SCHEMA, "no time: there is no field 'at'"),
        ({"machine": {"id": "a"}, "at": "soon", "data": {"t": 1}}, RejectReason.SCHEMA, "no number in s"),
        ({"machine": {"id": "a"}, "at": 1, "data": {"t": "hot"}}, RejectReason.SCHEMA, "not a number"),
        ({"machine": {"id": "a"}, "at": 1, "data": {"t": {}}}, RejectReason.SCHEMA, "neither a number nor a text"),
        ({"machine": {"id": "a"}, "at": 1, "data": {"s": "broken"}}, RejectReason.SCHEMA, "none of its codes"),
        ({"machine": {"id": "a"}, "at": 1, "data": {}}, RejectReason.EMPTY, "no known sensor"),
        ({"machine": {"id": "a"}, "at": 1, "data": {"t": float("nan")}}, RejectReason.NOT_FINITE, "nan"),
        ({"machine": {"id": "a"}, "at": 1, "data": {"t": 10**400}}, RejectReason.NOT_FINITE, "inf"),
        (b'{"machine": {"id": "\\ud800"}, "at": 1, "data": {"t": NaN}}', RejectReason.NOT_FINITE, "nan"),
        (b'{"machine": {"id": "\\ud800"}, "at": 1, "data": {"t": 1}}', RejectReason.SCHEMA, "UTF-8"),
    ],
)
def test_the_reasons_are_those_of_the_rejected_topic(body: Any, reason: RejectReason, said: str) -> None:
    found = mapped(NESTED, body)
    assert isinstance(found, Rejection)
    assert found.reason is reason
    assert said in found.error
