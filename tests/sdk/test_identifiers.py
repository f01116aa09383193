"""Who an event is about: one spelling, one hash, and nobody where nobody is named."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline._contacts import normal_email, normal_phone
from stitchline._identifiers import Cleaner
from stitchline.testing import RecordingClient


def cleaned(namespace: str, value: object) -> Any:
    refused: list[object] = []
    cleaner = Cleaner(hash_contacts=True, default_region=None, refuse=lambda *what: refused.append(what))
    who = cleaner.clean(None, None, None, {namespace: value})
    return who.get(namespace, "refused" if refused else None)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "null",
        "None",
        "undefined",
        "NaN",
        "guest",
        "[object Object]",
        "0",
        0,
        "000",
        uuid.UUID(int=0),
    ],
)
def test_a_login_that_names_nobody_is_no_identifier(value: Any) -> None:
    assert cleaned("user", value) == "refused"


def test_numbers_and_uuids_are_identifiers_by_their_text() -> None:
    known = uuid.UUID("018f2f2e-8d5b-7c3e-8d5b-0123456789ab")
    assert cleaned("user", 42) == "42"
    assert cleaned("user", known) == str(known)
    assert cleaned("loyalty", " L-7 ") == "L-7"


def test_none_claims_nothing_and_is_no_refusal() -> None:
    assert cleaned("user", None) is None


@given(st.text())
def test_normalising_an_address_twice_changes_nothing(text: str) -> None:
    once = normal_email(text)
    assert once is None or normal_email(once) == once


@given(st.text(alphabet="+0123456789 ()-./"))
def test_normalising_a_number_twice_changes_nothing(text: str) -> None:
    once = normal_phone(text)
    assert once is None or normal_phone(once) == once


def test_no_plain_contact_leaves_in_an_event() -> None:
    client = RecordingClient()
    client.track("order", email="alice@example.org", phone="+436641234567")
    sent = client.events[0].identifiers
    assert set(sent) == {"email", "phone"}
    assert all(len(value) == 64 for value in sent.values())


def test_a_refused_identifier_is_counted_and_its_event_goes_without_it() -> None:
    client = RecordingClient(debug=False)
    assert client.track("seen", user="null", email="alice@example.org")
    assert set(client.events[0].identifiers) == {"email"}
    assert client.losses == {"identifier_refused": 1}
