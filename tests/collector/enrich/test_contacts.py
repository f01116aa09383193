"""E-mails and phone numbers become one keyed hash, whichever way they came."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stitchline_collector.enrich.contacts import Contacts, normal_email, normal_phone

contacts = Contacts(b"a secret of thirty-two characters")


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        (" Anna@Example.COM\n", "anna@example.com"),
        ("a.b+c@example.com", "a.b+c@example.com"),
        ("no address", ""),
        ("@example.com", ""),
        ("anna@", ""),
        ("a@b@c", ""),
        ("an na@example.com", ""),
        ("", ""),
    ],
)
def test_an_email_is_trimmed_and_lower_cased_and_anything_else_is_none(given: str, normal: str) -> None:
    assert normal_email(given) == normal


@pytest.mark.parametrize(
    ("given", "region", "normal"),
    [
        ("+49 30 123456", None, "+4930123456"),
        ("0049 30 123456", None, "+4930123456"),
        ("(030) 123456", "DE", "+4930123456"),
        ("030 123456", None, ""),
        ("+1 650-253-0000", None, "+16502530000"),
        ("1", "DE", ""),
        ("nobody", "DE", ""),
        ("", None, ""),
    ],
)
def test_a_phone_number_becomes_e164_and_anything_else_is_none(
    given: str, region: str | None, normal: str
) -> None:
    assert normal_phone(given, region) == normal


def test_a_contact_hashed_by_an_sdk_and_a_plain_one_meet() -> None:
    for namespace, plain in (("email", "anna@example.com"), ("phone", "+4930123456")):
        digest = hashlib.sha256(plain.encode()).hexdigest()
        assert contacts.stored(namespace, plain) == contacts.stored(namespace, digest.upper())


def test_without_the_key_the_stored_value_cannot_be_made() -> None:
    stored = contacts.stored("email", "anna@example.com")

    assert stored != Contacts(b"another secret").stored("email", "anna@example.com")
    assert stored not in hashlib.sha256(b"anna@example.com").hexdigest()


def test_other_identifiers_stay_readable() -> None:
    assert contacts.stored("loyalty", " L-1 ") == " L-1 "


def test_what_is_no_contact_is_no_identifier() -> None:
    assert contacts.stored("email", "not given") == ""
    assert contacts.stored("phone", "n/a") == ""


@given(st.sampled_from(["email", "phone"]), st.text(max_size=40))
def test_no_text_breaks_the_hash(namespace: str, value: str) -> None:
    assert len(contacts.stored(namespace, value)) in (0, 32)


def test_a_stored_contact_is_brought_under_a_newer_key_without_the_address() -> None:
    keys = [b"the newest key", b"the one before", b"the first key"]
    stored = [Contacts(keys[-number:]).stored("email", "anna@example.com") for number in (1, 2, 3)]
    newest = Contacts(keys)

    assert [newest.renewed(one) for one in stored] == [stored[-1]] * 3
    assert len(set(stored)) == 3
    assert [newest.is_older("email", one) for one in stored] == [True, True, False]
    assert set(newest.others(stored[-1])) == set()
    assert newest.stored("email", "Anna@example.com") == stored[-1]
    assert newest.others(stored[-1]) == tuple(stored[:-1])
    assert newest.others(stored[0]) == (stored[-1],)


def test_what_another_number_of_keys_made_or_nobody_did_is_not_renewed() -> None:
    three = Contacts([b"c", b"b", b"a"]).stored("phone", "+4930123456")

    assert Contacts([b"b", b"a"]).renewed(three) == ""
    assert Contacts([b"b", b"a"]).renewed("anna@example.com") == ""
    assert not Contacts(b"a").is_older("user", "0" * 32)


def test_what_a_batch_holds_is_known_under_older_keys_however_many_came_before() -> None:
    keyed = Contacts([b"the newest key", b"the first key"])
    again = keyed.stored("email", "anna@example.com")
    for number in range(97_999):
        keyed.stored("email", f"{number:064x}")
    batch = [keyed.stored("email", f"{number}@example.com") for number in range(4_000)]
    batch.append(keyed.stored("email", "anna@example.com"))

    assert again == batch[-1]
    assert all(keyed.others(value) for value in batch)
