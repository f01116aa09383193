"""What ClickHouse makes of odd `properties`: which load, and how they read back; which are refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.engine import DataRejected, Engine
from tests.clickhouse.lines import event, insert, line

if TYPE_CHECKING:
    from stitchline_collector.engine import Session

DEEP = 32


def _stored(session: Session, properties: bytes) -> object:
    session.command("TRUNCATE TABLE events_raw")
    insert(session, line(event(1), properties=properties))
    ((text,),) = session.query("SELECT toJSONString(properties) FROM events")
    return json.loads(text)


READ_BACK = [
        (b"{}", {}),
        (b"null", {}),
        (b'{"a": null}', {}),
        (b'{"a": {}}', {}),
        (b'{"a": []}', {"a": []}),
        (b'{"a": 1, "a": 2}', {"a": 1}),
        (b'{"a": {"b": 1}, "a": {"b": 2}}', {"a": {"b": 1}}),
        (b'{"x": [{"a": 1, "a": 2}]}', {"x": [{"a": 1}]}),
        (b'{"a.b": 1}', {"a": {"b": 1}}),
        (b'{"a.b": 1, "a": {"b": 2}}', {"a": {"b": 1}}),
        (b'{"": 1}', {"": 1}),
        (b'{"__proto__": 1, "$x": 2, "a b": 3}', {"__proto__": 1, "$x": 2, "a b": 3}),
        (b'{"a\\"b`c": 1}', {'a"b`c': 1}),
        (b'{"a": 18446744073709551615}', {"a": 18446744073709551615}),
        (b'{"a": -9223372036854775808}', {"a": -9223372036854775808}),
        (b'{"a": 1e-400}', {"a": 0}),
        (b'{"a": [1, "x", {"b": 1}, null, [2]]}', {"a": [1, "x", {"b": 1}, None, [2]]}),
        (b'{"a": true}', {"a": True}),
        (b'{"a": "\\ud83d\\ude00\\u0000"}', {"a": "😀\0"}),
        (b'{"a": "2026-01-02T03:04:05+02:00", "b": "2026-01-02", "c": "01/02/2026", "d": "10 Nov 2026"}',
         {"a": "2026-01-02T03:04:05+02:00", "b": "2026-01-02", "c": "01/02/2026", "d": "10 Nov 2026"}),
        (b'{"a": "00123", "b": "1.0"}', {"a": "00123", "b": "1.0"}),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, json.loads('{"a":' * DEEP + "1" + "}" * DEEP)),
        (b'{"a":' + b"[" * DEEP + b"1" + b"]" * DEEP + b"}", json.loads('{"a":' + "[" * DEEP + "1" + "]" * DEEP + "}")),
]  # fmt: skip


def test_these_load_and_read_back(engine: Engine) -> None:
    session = engine.session()
    for properties, stored in READ_BACK:
        assert _stored(session, properties) == stored, properties


REFUSED = [
    b"[1]",
    b'"text"',
    b"1",
    b"{'a': 1}",
    b'{"a": 1,}',
    b'{"a": NaN}',
    b'{"a": 1e400}',
    b'{"a": "\\ud800"}',
    b'{"a": "\\udc00x"}',
    b'{"\\ud800": 1}',
    b'{"a": "\\x"}',
    b'{"a": "\x01"}',
    b'{"a": "\xff\xfe"}',
    b'{"\xff": 1}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a":' * 1500 + b"1" + b"}" * 1500,
]


def test_these_are_the_datas_fault(engine: Engine) -> None:
    session = engine.session()
    for properties in REFUSED:
        with pytest.raises(DataRejected) as rejected:
            _stored(session, properties)
        assert rejected.value.code == 117, properties


def test_a_number_beyond_64_bits_is_refused_or_kept_as_text_never_rounded(engine: Engine) -> None:
    try:
        stored = _stored(engine.session(), b'{"a": 123456789012345678901234567890}')
    except DataRejected:
        return  # until ClickHouse 26.7
    assert stored == {"a": "123456789012345678901234567890"}  # 26.9


def test_ten_thousand_different_keys_load_and_can_be_asked_for(engine: Engine) -> None:
    session = engine.session()
    lines = [line(event(n, properties={f"k{n}_{i}": i for i in range(100)})) for n in range(100)]
    insert(session, *lines)

    assert session.query("SELECT count(), sum(properties.k77_99::UInt64) FROM events") == [(100, 99)]


def test_numbers_and_texts_under_one_path_live_together(engine: Engine) -> None:
    session = engine.session()
    prices = [1, 2.5, "3", "free", None]
    insert(session, *[line(event(n, properties={"price": price})) for n, price in enumerate(prices)])

    assert session.query("SELECT sum(accurateCastOrNull(properties.price, 'Float64')) FROM events") == [
        (6.5,)
    ]
    assert (
        session.query("SELECT countIf(properties.price::String = '3'), uniq(properties.price) FROM events")[
            0
        ][0]
        == 1
    )


def test_numbers_of_both_kinds_add_up_with_one_cast(engine: Engine) -> None:
    session = engine.session()
    insert(
        session,
        *[line(event(n, properties={"price": price})) for n, price in enumerate([1, 2.5, 7])],
    )

    assert session.query(
        "SELECT sum(properties.price::Float64), countIf(properties.price > 2) FROM events"
    ) == [(10.5, 2)]
