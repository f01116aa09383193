"""Who was erased is known to every process of a data folder, and nobody else is taken for them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from stitchline_collector.enrich.contacts import Contacts
from stitchline_collector.suppression.named import named
from stitchline_collector.suppression.suppressions import NAME, SETTLED_S, Suppressions

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"a secret of the tests, long enough to be one"
stored = Contacts(SECRET).stored


@pytest.fixture
def erasing(tmp_path: Path) -> Suppressions:
    return Suppressions(tmp_path, SECRET, stored)


def test_what_one_process_suppresses_another_knows_at_its_next_look(
    tmp_path: Path, erasing: Suppressions
) -> None:
    taking = Suppressions(tmp_path, SECRET, stored)
    assert not taking

    erasing.add("one", [("user", "ada")])

    assert taking
    assert taking.holds("user", "ada")
    assert not taking.holds("email", "ada")
    assert not taking.holds("user", "bob")


def test_the_file_tells_nothing_without_the_key(tmp_path: Path, erasing: Suppressions) -> None:
    erasing.add("one", [("user", "ada")])

    assert b"ada" not in (tmp_path / NAME).read_bytes()
    assert not Suppressions(tmp_path, b"another secret of the same length.......", stored).holds(
        "user", "ada"
    )


def test_who_was_erased_together_comes_back_together(erasing: Suppressions) -> None:
    erasing.add("one", [("user", "ada"), ("device", "phone")], [("kiosk", "session")])
    erasing.add("two", [("user", "bob")])

    assert erasing.forget("device", "phone") > 0

    assert not erasing.holds("user", "ada")
    assert erasing.holds("user", "bob")
    assert erasing.forget("device", "phone") == 0


def test_a_segment_is_looked_through_when_it_may_be_older_than_the_erasure(
    tmp_path: Path, erasing: Suppressions
) -> None:
    segment = tmp_path / "1-events.sealed"
    segment.touch()
    assert not erasing.concern(segment)

    erasing.add("one", [("user", "ada")])
    assert erasing.concern(segment)

    later = segment.stat().st_mtime + 2 * SETTLED_S
    os.utime(segment, (later, later))
    assert not erasing.concern(segment)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"events":[{"identifiers":{"user":"42"},"nope":1}]}', "42"),
        (b'{"userId": 42, "event": "x"', "42"),
        (b'{"properties":{"$device_id":"d1"}}', "d1"),
        (b'["phone-1234567"]', "phone-1234567"),
        (b'{"x": "Ada@Example.com"}', stored("email", "ada@example.com")),
        (b'{"traits": {"phone": "+49 30 1234567"}}', stored("phone", "+49301234567")),
    ],
)
def test_somebody_named_in_what_could_not_be_read_is_found(raw: bytes, value: str) -> None:
    assert value in list(named(raw, stored))


def test_a_short_number_under_another_name_is_nobody() -> None:
    assert "42" not in list(named(b'{"product": {"id": "42"}, "quantity": 42, "price": 42.5}', stored))
