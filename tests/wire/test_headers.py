"""The headers that sensorline reads: numbers that anybody may have written."""

from __future__ import annotations

import pytest

from pipeline.brokers.protocol import Headers, Record
from pipeline.wire.headers import closing_time, parse_arrival


def record(*headers: tuple[str, bytes]) -> Record:
    return Record("t", 0, 0, 7, b"d", b"", headers)


@pytest.mark.parametrize(
    ("headers", "arrival"),
    [((), (7, False)), ((("arrival", b"0"),), (0, True)), ((("arrival", b"1"), ("arrival", b"%d" % (2**63 - 1))), (2**63 - 1, True))],
    ids=["none", "zero", "the last of two counts"],
)
def test_the_arrival_is_that_of_the_header_or_of_the_record(headers: Headers, arrival: tuple[int, bool]) -> None:
    assert parse_arrival(record(*headers)) == arrival


NO_NUMBERS = [b"", b"-1", b"+1", b" 1", b"1.0", b"1e3", "\N{ARABIC-INDIC DIGIT ONE}".encode(), b"%d" % 2**63, b"9" * 5_000]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_number_is_no_arrival_and_no_time(text: bytes) -> None:
    with pytest.raises(ValueError, match="not a decimal int64 >= 0"):
        parse_arrival(record(("arrival", text)))
    assert closing_time(record(("closed", text))) is None
