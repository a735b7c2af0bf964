"""Decoding the readings topic: what is taken, and by which name the rest is refused."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.brokers.protocol import Record
from pipeline.records import Reading, Rejection, RejectReason
from pipeline.wire.reading_body import split_batch
from pipeline.wire.readings import MAX_DEVICE_BYTES, Decoded, ReadingDecoder, encode_reading
from pipeline.wire.rejected import rejected_message

DECODER = ReadingDecoder(["a", "b"])
FLOAT32_MAX = 3.4028234663852886e38  # as a float32 it is written 3.4028235e38
CODED = ReadingDecoder(["state", "a"], {"state": ["off", "on"]})


def decoded(
    value: bytes | str | None, key: bytes | None = b"d", decoder: ReadingDecoder = DECODER
) -> list[tuple[int, list[float | None]] | str]:
    """Rows as (time, values with None for unobserved), refusals by their reason."""
    result = decoder.decode(key, value.encode() if isinstance(value, str) else value)
    if isinstance(result, Rejection):
        return [f"record: {result.reason}"]
    return [str(row.reason) if isinstance(row, Rejection) else (row[0], _values(row[1])) for row in result.rows]


def _values(row: bytes) -> list[float | None]:
    return [None if value != value else value for value in struct.unpack(f"<{len(row) // 4}f", row)]


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ('{"device":"d","time":5,"values":{"a":1,"b":2.5}}', [(5, [1.0, 2.5])]),
        ('{"device":"d","time":5,"values":{"b":null,"a":1}}', [(5, [1.0, None])]),
        ('{"device":"d","time":-5,"values":{"a":1},"comment":[1,{}]}', [(-5, [1.0, None])]),
        ('{"device":"d","time":"1970-01-01T01:00:00.005+01:00","values":{"a":1}}', [(5, [1.0, None])]),
        ('{"device":"d","time":5,"values":{"a":1,"unknown":"x"}}', [(5, [1.0, None])]),
        ('{"device":"d","time":5,"values":{"a":1},"comment":"°C"}', [(5, [1.0, None])]),
        ('\N{BYTE ORDER MARK}{"device":"d","time":5,"values":{"a":1}}', [(5, [1.0, None])]),
        ('{"device":"d","time":5,"values":{"a":3.4028235e38}}', [(5, [FLOAT32_MAX, None])]),
        ('{"device":"d","time":"1970-01-01T00:00:00.005Z","values":{"a":-3.4028235e38}}', [(5, [-FLOAT32_MAX, None])]),
        ('{"device":"d","times":[5,4],"values":{"a":[1,2],"b":[null,3]}}', [(5, [1.0, None]), (4, [2.0, 3.0])]),
        ('{"device":"d","times":[5,"1970-01-01T00:00:00Z"],"values":{"a":[1,2]}}', [(5, [1.0, None]), (0, [2.0, None])]),
    ],
)
def test_a_reading_is_taken(value: str, rows: list[object]) -> None:
    assert decoded(value) == rows


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "json"),
        ("", "json"),
        ("{", "json"),
        (b"\xff\xfe", "json"),
        (b'{"device":"d","time":1,"values":{"a":"\xff"}}', "json"),
        (b'{"device":"d","time":1,"values":{"a":1},"\xff":0}', "json"),  # also where nobody asks for it
        (b'{"device":"d","time":1,"values":{"a":1},"comment":"\xed\xa0\x80"}', "json"),
        ('{"device":"d","time":1,"values":{"a":1}}'.encode("utf-16"), "json"),
        ('{"device":"d","time":1,"values":{"a":1}}'.encode("utf-16-le"), "json"),
        ("[1]", "schema"),
        ('"text"', "schema"),
        ('{"time":1,"values":{"a":1}}', "schema"),
        ('{"device":"","time":1,"values":{"a":1}}', "schema"),
        ('{"device":7,"time":1,"values":{"a":1}}', "schema"),
        ('{"device":"d","values":{"a":1}}', "schema"),
        ('{"device":"d","time":1}', "schema"),
        ('{"device":"d","time":1,"times":[1],"values":{"a":[1]}}', "schema"),
        ('{"device":"d","times":[1,2],"values":{"a":[1]}}', "schema"),
        ('{"device":"d","times":[1,2],"values":{"a":1}}', "schema"),
        ('{"device":"d","times":[],"values":{"a":[]}}', "empty"),
        ('{"device":"e","time":1,"values":{"a":1}}', "key"),
    ],
)
def test_a_record_is_refused_as_a_whole(value: bytes | str | None, reason: str) -> None:
    assert decoded(value) == [f"record: {reason}"]


@pytest.mark.parametrize("key", [None, b"", b"D", b"\xff"])
def test_the_record_key_must_be_the_device(key: bytes | None) -> None:
    assert decoded('{"device":"d","time":1,"values":{"a":1}}', key) == ["record: key"]


@pytest.mark.parametrize(
    ("time", "value", "reason"),
    [
        ("1.5", "1", "schema"),
        ("true", "1", "schema"),
        ("99999999999999999999", "1", "schema"),
        (str(2**62 + 1), "1", "schema"),
        (str(-(2**62) - 1), "1", "schema"),
        ('"yesterday"', "1", "schema"),
        ('"2026-01-01T00:00:00"', "1", "schema"),
        ("1", "true", "schema"),
        ("1", '"7"', "schema"),
        ("1", "{}", "schema"),
        ("1", "[1]", "schema"),
        ("1", "NaN", "not_finite"),
        ("1", "-Infinity", "not_finite"),
        ("1", "1e400", "not_finite"),
        ("1", "1e39", "not_finite"),
        ("1", "3.4028236e38", "not_finite"),
        ("1", "1" + "0" * 400, "not_finite"),
        ("1", "null", "empty"),
    ],
)
def test_a_bad_reading_is_refused_and_its_neighbours_in_the_batch_are_taken(time: str, value: str, reason: str) -> None:
    if value != "[1]":  # a list of values is what makes a batch
        assert decoded(f'{{"device":"d","time":{time},"values":{{"a":{value}}}}}') == [reason]
    batch = f'{{"device":"d","times":[7,{time},8],"values":{{"a":[1,{value},2]}}}}'
    assert decoded(batch) == [(7, [1.0, None]), reason, (8, [2.0, None])]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (r'{"device":"\ud800","time":1,"values":{"a":1}}', "schema"),  # Python's parser takes it, UTF-8 does not
        ('{"device":"d","time":1,"x":' + "[" * 100_000 + "]" * 100_000 + ',"values":{"a":1}}', "json"),
        (f'{{"device":"{"d" * (MAX_DEVICE_BYTES + 1)}","time":1,"values":{{"a":1}}}}', "too_large"),
    ],
    ids=["lone surrogate", "deeply nested", "long device"],
)
def test_what_no_topic_could_carry_is_refused_and_stops_nothing(value: str, reason: str) -> None:
    assert decoded(value) == [f"record: {reason}"]


def test_the_longest_device_is_taken() -> None:
    device = "d" * MAX_DEVICE_BYTES
    assert decoded(f'{{"device":"{device}","time":1,"values":{{"a":1}}}}', device.encode()) == [(1, [1.0, None])]


def test_an_error_that_quotes_much_leaves_the_original_room_on_its_topic() -> None:
    record = Record("t", 0, 0, 0, b"\xff" * 500_000, b'{"device":"d","time":1,"values":{"a":1}}')
    refusal = DECODER.decode(record.key, record.value)
    assert isinstance(refusal, Rejection)
    message = rejected_message("rejected", record, refusal)
    assert (message.key, message.value) == (record.key, record.value)
    assert sum(len(value) for _, value in message.headers) < 65_536


def test_a_reading_of_unknown_sensors_only_is_empty_and_they_are_counted() -> None:
    result = DECODER.decode(b"d", b'{"device":"d","time":1,"values":{"x":1,"y":2}}')
    assert isinstance(result, Decoded)
    assert result.unknown == 2
    assert decoded('{"device":"d","time":1,"values":{"x":1}}') == ["empty"]


def test_codes_are_numbered_from_one_in_the_order_of_their_list() -> None:
    assert decoded('{"device":"d","time":1,"values":{"state":"on","a":3}}', decoder=CODED) == [(1, [2.0, 3.0])]
    assert decoded('{"device":"d","times":[1,2],"values":{"state":["off","on"]}}', decoder=CODED) == [(1, [1.0, None]), (2, [2.0, None])]


@pytest.mark.parametrize("value", ['"broken"', "1", "true"])
def test_a_code_that_is_not_listed_is_refused(value: str) -> None:
    assert decoded(f'{{"device":"d","time":1,"values":{{"state":{value}}}}}', decoder=CODED) == ["schema"]


def test_only_readings_of_a_batch_carry_an_index() -> None:
    batch = DECODER.decode(b"d", b'{"device":"d","times":[1],"values":{"a":[1]}}')
    single = DECODER.decode(b"d", b'{"device":"d","time":1,"values":{"a":1}}')
    assert isinstance(batch, Decoded)
    assert isinstance(single, Decoded)
    assert (batch.batch, single.batch) == (True, False)


def test_a_reading_of_a_batch_keeps_alone_what_was_said_of_it() -> None:
    batch = b'{"device":"d\xc3\xbc","times":[1,"noon"],"values":{"a":[NaN,2],"z":["x",null],"q":7},"note":"all"}'
    assert [json.loads(reading)["values"]["z"] for reading in split_batch(batch)] == ["x", None]
    assert [decoded(reading, "d\u00fc".encode()) for reading in split_batch(batch)] == [["not_finite"], ["schema"]]


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
cells = st.none() | finite


@given(st.lists(st.tuples(st.integers(-(2**62), 2**62), cells, cells), min_size=1, max_size=20))
def test_a_batch_says_the_same_as_its_readings_alone(steps: list[tuple[int, float | None, float | None]]) -> None:
    alone = [row for time, a, b in steps for row in decoded(encode_reading(Reading("d", time, {"a": a, "b": b})))]
    batch = {"device": "d", "times": [s[0] for s in steps], "values": {"a": [s[1] for s in steps], "b": [s[2] for s in steps]}}
    assert decoded(json.dumps(batch)) == alone
    assert [row for reading in split_batch(json.dumps(batch).encode()) for row in decoded(reading)] == alone
    assert alone == [(time, [a, b]) if (a, b) != (None, None) else RejectReason.EMPTY for time, a, b in steps]
