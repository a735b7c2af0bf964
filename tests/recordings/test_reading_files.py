"""What is taken from a recording's file, and what is said about a bad one."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from pipeline.errors import ConfigurationError
from pipeline.recordings.files import read_recording
from pipeline.records import Reading


def parquet(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def text(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_csv_takes_milliseconds_and_rfc_3339_and_reads_naive_times_as_utc(tmp_path: Path) -> None:
    path = text(
        tmp_path / "r.csv",
        "\ufefftime,device,t\n1000,a,1\n1970-01-01T00:00:02Z,a,2\n1970-01-01 00:00:03.0009,a,\n\n1970-01-01T01:00:04+01:00,a,nan\n",
    )
    assert [(reading.time, reading.values) for reading in read_recording(path)] == [
        (1000, {"t": 1}),
        (2000, {"t": 2}),
        (3000, {}),
        (4000, {}),
    ]


def test_csv_codes_are_text_where_told(tmp_path: Path) -> None:
    path = text(tmp_path / "r.csv", 'device,time,mode,t\na,1,"on, hot",5\na,2,,6\na,3,1,7\n')
    assert [reading.values for reading in read_recording(path, text=["mode"])] == [
        {"mode": "on, hot", "t": 5},
        {"t": 6},
        {"mode": "1", "t": 7},
    ]


def test_parquet_takes_integers_timestamps_text_and_dictionaries(tmp_path: Path) -> None:
    moment = datetime(1970, 1, 1, 0, 0, 1, 250_900)
    path = parquet(
        tmp_path / "r.parquet",
        device=pa.array(["a"]).dictionary_encode(),
        time=pa.array([moment], pa.timestamp("us")),
        arrival=pa.array([moment.replace(tzinfo=UTC)], pa.timestamp("ns", "Europe/Brussels")),
        whole=pa.array([3], pa.int32()),
        price=pa.array([Decimal("1.25")]),
        half=pa.array([0.5], pa.float32()),
        mode=pa.array(["on"]),
        missing=pa.nulls(1),
    )
    assert list(read_recording(path)) == [Reading("a", 1250, {"whole": 3, "price": 1.25, "half": 0.5, "mode": "on"}, 1250)]


def test_parquet_takes_booleans_as_one_and_zero(tmp_path: Path) -> None:
    path = parquet(tmp_path / "r.parquet", device=["a", "a", "a"], time=[1, 2, 3], door=[True, False, None])
    assert [reading.values for reading in read_recording(path)] == [{"door": 1}, {"door": 0}, {}]


def test_parquet_passes_over_row_groups_without_rows(tmp_path: Path) -> None:
    table = pa.table({"device": ["a", "b"], "time": [1, 2], "t": [1.0, 2.0]})
    with pq.ParquetWriter(tmp_path / "r.parquet", table.schema) as writer:
        for piece in (table.slice(0, 0), table.slice(0, 1), table.slice(0, 0), table.slice(1)):
            writer.write_table(piece)
    assert [reading.device for reading in read_recording(tmp_path / "r.parquet")] == ["a", "b"]


@pytest.mark.parametrize("content", ["device;time;t\na;1;2,5\n", "device\ttime\tt\na\t1\t2\n"])
def test_csv_with_other_separators_is_refused_with_the_remedy(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigurationError, match="not separated by commas; save it as CSV with commas, and points in numbers"):
        list(read_recording(text(tmp_path / "r.csv", content)))


def test_json_lines_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = text(tmp_path / "r.jsonl", '\ufeff\n{"device":"a","time":1,"values":{"t":5}}\n')
    assert list(read_recording(path)) == [Reading("a", 1, {"t": 5})]


def test_parquet_takes_rfc_3339_text_and_integer_devices(tmp_path: Path) -> None:
    path = parquet(tmp_path / "r.parquet", device=[7], time=["1970-01-01T00:00:01"], t=[1.0])
    assert list(read_recording(path)) == [Reading("7", 1000, {"t": 1.0})]


def test_json_lines_take_the_single_and_the_batch_form(tmp_path: Path) -> None:
    path = text(
        tmp_path / "r.jsonl",
        '{"device":"a","time":1,"values":{"t":5,"mode":"on","v":null},"arrival":7,"unit":"C"}\n\n'
        '{"device":"b","times":[2,"1970-01-01T00:00:00.003Z"],"values":{"t":[6,null],"v":null},"arrival":"9"}',
    )
    assert list(read_recording(path)) == [Reading("a", 1, {"t": 5, "mode": "on"}, 7), Reading("b", 2, {"t": 6}, 9), Reading("b", 3, {}, 9)]


def test_a_dash_is_json_lines_from_standard_input() -> None:
    program = "from pipeline.recordings.files import read_recording; print([(r.device, r.time) for r in read_recording('-')])"
    lines = b'{"device":"a","time":1,"values":{}}\n{"device":"b","time":2,"values":{}}\n'
    done = subprocess.run([sys.executable, "-c", program], input=lines, capture_output=True, check=True, timeout=60)
    assert done.stdout == b"[('a', 1), ('b', 2)]\n"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "no column device; columns are ;"),
        ("time,t\n1,2\n", "no column device; columns are time, t;"),
        ("device,t\na,2\n", "no column time"),
        ("device,time,t,t\n", "column t is there more than once"),
        ("device,time,t\na,1,2\na,yesterday,2\n", "line 3, column time: 'yesterday' is not allowed; allowed is milliseconds"),
        ("device,time,t\na,,2\n", "line 2, column time: ''"),
        ("device,time,t\na,9223372036854775808,2\n", "line 2, column time: '9223372036854775808'"),
        ("device,time,t\na,1,warm\n", "line 2, column t: 'warm' is not allowed; allowed is a finite number"),
        ("device,time,t\na,1,1_000\n", "line 2, column t: '1_000'"),
        ("device,time,t\na,1,inf\n", "line 2, column t: 'inf'"),
        ("device,time,t\n,1,2\n", "line 2, column device: ''"),
        ("device,time,arrival\na,1,-1\n", "line 2, column arrival: '-1' is not allowed; allowed is a time of 1970 or later"),
        ("device,time,t\na,1\n", "line 2: 2 cells; allowed are 3"),
        ('device,time,t\n"a,1,2\n', "allowed is CSV in UTF-8 with commas"),
    ],
)
def test_a_bad_csv_file_is_explained(content: str, complaint: str, tmp_path: Path) -> None:
    path = text(tmp_path / "r.csv", content)
    with pytest.raises(ConfigurationError) as refused:
        list(read_recording(path))
    assert str(refused.value).startswith(str(path))
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "allowed is a reading, or a batch of one device, as JSON"),
        ('{"time":1,"values":{}}', "missing required field `device`"),
        ('{"device":"","time":1,"values":{}}', "column device: ''"),
        ('{"device":"a","values":{}}', "column time: None"),
        ('{"device":"a","time":1.5,"values":{}}', "`$.time`"),
        ('{"device":"a","time":"noon","values":{}}', "column time: 'noon'"),
        ('{"device":"a","time":1,"times":[1],"values":{}}', "no time beside times"),
        ('{"device":"a","time":1,"values":{"t":[1]}}', "column t: [1.0]"),
        ('{"device":"a","time":1,"values":{"t":true}}', "$.values"),
        ('{"device":"a","time":1,"values":{"t":1e999}}', "out of range"),
        ('{"device":"a","times":[1,2],"values":{"t":[1]}}', "a list as long as times (2)"),
        ('{"device":"a","times":[1],"values":{"t":1}}', "a list as long as times (1)"),
        ('{"device":"a","time":1,"values":{},"arrival":-1}', "column arrival: -1"),
    ],
)
def test_a_bad_json_line_is_explained(line: str, complaint: str, tmp_path: Path) -> None:
    path = text(tmp_path / "r.jsonl", f'{{"device":"a","time":1,"values":{{}}}}\n{line}\n')
    with pytest.raises(ConfigurationError) as refused:
        list(read_recording(path))
    assert str(refused.value).startswith(f"{path}, line 2")
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"time": [1], "t": [1.0]}, "no column device"),
        ({"device": ["a"], "t": [1.0]}, "no column time"),
        ({"device": ["a", None], "time": [1, 2]}, "row 2, column device: None"),
        ({"device": ["a", ""], "time": [1, 2]}, "row 2, column device: ''"),
        ({"device": ["a", "a"], "time": [1, None]}, "row 2, column time: None"),
        ({"device": ["a", "a"], "time": ["1970-01-01", "noon"]}, "row 2, column time: 'noon'"),
        ({"device": ["a"], "time": [1.5]}, "column time: is of type double"),
        ({"device": [1.5], "time": [1]}, "column device: is of type double"),
        ({"device": ["a"], "time": [1], "t": [b"x"]}, "column t: is of type binary; allowed is numbers"),
        ({"device": ["a", "a"], "time": [1, 2], "t": [None, float("inf")]}, "row 2, column t: inf"),
        ({"device": ["a", "a"], "time": [1, 2], "arrival": [1, -1]}, "row 2, column arrival: -1"),
        ({"device": ["a"], "time": pa.array([2**64 - 1], pa.uint64())}, "row 1, column time: 18446744073709551615"),
    ],
)
def test_a_bad_parquet_file_is_explained(columns: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    path = parquet(tmp_path / "r.parquet", **columns)
    with pytest.raises(ConfigurationError) as refused:
        list(read_recording(path))
    assert str(refused.value).startswith(str(path))
    assert complaint in str(refused.value)


def test_a_bad_row_is_counted_over_all_pieces_of_a_file(tmp_path: Path) -> None:
    path = parquet(tmp_path / "r.parquet", device=["a"] * 20_000, time=range(20_000), t=[1.0] * 19_999 + [float("inf")])
    with pytest.raises(ConfigurationError, match="row 20000, column t"):
        list(read_recording(path))


def test_a_cut_off_parquet_file_is_explained(tmp_path: Path) -> None:
    path = parquet(tmp_path / "r.parquet", device=["a"] * 1000, time=range(1000))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ConfigurationError, match="is not a sound Parquet file"):
        list(read_recording(path))


def test_a_missing_file_a_folder_and_another_extension_are_refused_at_the_call(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigurationError, match=r"r\.csv: no such file"):
        read_recording(tmp_path / "r.csv")
    with pytest.raises(ConfigurationError, match=r"folder\.csv: is a folder"):
        read_recording(tmp_path / "folder.csv")
    (tmp_path / "r.xlsx").touch()
    with pytest.raises(ConfigurationError, match=r"extension \.xlsx; allowed are \.parquet, \.csv, \.jsonl"):
        read_recording(tmp_path / "r.xlsx")
